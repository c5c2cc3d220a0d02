//! Bugs injected on purpose, to prove that the tests would find them.
//!
//! A test injects one for its own thread. Outside of tests [`injected`] is `false` at compile time,
//! and nothing of this is left in the library.

/// A mistake that real logs have made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A new segment's name is not made durable.
    SkipDirectorySync,
    /// A frame is believed although its checksum does not hold.
    IgnoreChecksum,
    /// A failed sync is tried again, and believed if that succeeds.
    RetryFailedSync,
    /// Marks never say that anything was durable.
    SyncMarkStuckAtZero,
    /// Records are called durable once they are written.
    PublishBeforeDurable,
    /// Recovery goes on with the file that it found.
    ResumeInPlace,
    /// A transaction commits whatever has changed since it read.
    SkipValidation,
    /// A transaction is validated before the lock under which it commits.
    ValidateEarly,
    /// A change is seen in memory after the lock under which it was numbered.
    ApplyLate,
    /// A transaction commits whatever has changed in the ranges that it scanned.
    SkipRanges,
    /// A commit is acknowledged before it is durable.
    AcknowledgeEarly,
    /// A snapshot calls itself newer than the state that it holds.
    CheckpointTooNew,
    /// A checkpoint lets go of what a holder still needs.
    IgnoreHolders,
    /// A key is let go before its time.
    SweepEarly,
    /// What a transaction read of a table is not validated.
    SkipTableReads,
    /// Changes of a table are made before the transaction that they are part of commits.
    TableAheadOfTransaction,
    /// Records that change together are not compared with each other.
    SkipTableUniqueTogether,
    /// A value is still read at the moment at which it expires.
    ExpireLate,
    /// A snapshot's values never expire once it is read back.
    LoseExpiry,
    /// Records of a transaction go to the log one by one.
    TearTransaction,
    /// A key that goes leaves no tombstone for the generations below.
    LoseTombstone,
    /// An overwritten key keeps its old value in the active generation.
    KeepOverwritten,
    /// A key that came and went stays in the active generation.
    KeepDeleted,
    /// A merge believes the older of two generations.
    MergeOlder,
    /// A merge drops tombstones although an older generation has the key.
    DropTombstones,
    /// Replay passes over deletions.
    ForgetTombstones,
    /// What a part of a table held is not in the rotated generation.
    RotationForgetsPart,
    /// A generation is let go before the persister has it.
    LetGoBeforePersisted,
    /// A newer generation is flushed before an older one.
    NewestGenerationFirst,
    /// A retry goes on after the batch that failed.
    RetrySkipsBatch,
    /// The persister is not told of deleted keys.
    FlushSkipsTombstones,
    /// The log is told of a flush before it succeeded.
    NoteFlushBeforePersisting,
    /// An updated record is still found by a key that it had.
    UpdateKeepsOldIndexKey,
    /// A record that moved within a posting list is looked for at its former place.
    SwappedPostingKeepsPosition,
    /// A partition does not know which batches it has.
    ForgetSequences,
    /// A producer whose name another one took goes on.
    SkipFencing,
    /// A batch that is stored already is acknowledged before it is durable.
    AcknowledgeDuplicateEarly,
    /// A group's offsets are committed in whatever generation.
    CommitUnfenced,
    /// A member goes on where it was in a partition that others had meanwhile.
    KeepPositions,
    /// A transaction's messages are published before it commits.
    PublishBesideTransaction,
    /// Handles keep what was decided by rules that have changed.
    KeepDecisions,
    /// The log is held from the newest message on.
    HoldTooLittle,
    /// Compaction keeps the first message of a key.
    CompactKeepsFirst,
    /// A lookup by index believes an older generation that a newer one contradicts.
    IndexReadIgnoresNewer,
    /// A document that went is still found.
    SearchFindsDeleted,
    /// A document that expired is still found.
    SearchIgnoresExpiry,
    /// A phrase is found wherever its words are in one place.
    SearchPhraseIgnoresOrder,
    /// A prefix does not find the newest words.
    SearchPrefixMissesNewest,
    /// Compacted lists know one place a document.
    SearchCompactionForgetsPlaces,
    /// What is pending is not read before a search.
    SearchBeforePending,
    /// A run that ended still takes changes.
    RunTakesAnything,
    /// A key of a run goes without a step.
    RunDeletesUnseen,
    /// A cell is set whatever version it has.
    CellIgnoresVersion,
    /// Runs that a crash left open are not looked for.
    OrphansOverlooked,
    /// A replay passes over keys that went.
    ReplayForgetsDeletes,
    /// A difference does not say what only the first side has.
    DiffOverlooksRemoved,
}

#[cfg(not(test))]
pub(crate) const fn injected(_bug: Bug) -> bool {
    false
}

#[cfg(test)]
pub(crate) use self::switch::{inject, injected};

#[cfg(test)]
mod switch {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static INJECTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    pub(crate) fn injected(bug: Bug) -> bool {
        INJECTED.get() == Some(bug)
    }

    /// Runs `test` with a bug in the engine.
    pub(crate) fn inject<T>(bug: Bug, test: impl FnOnce() -> T) -> T {
        INJECTED.set(Some(bug));
        let result = test();
        INJECTED.set(None);
        result
    }
}
