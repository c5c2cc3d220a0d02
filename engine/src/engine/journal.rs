//! For modules that order their changes themselves and use the engine as their log: a record is
//! appended now and waited for later, so that no lock of theirs is held while a disk syncs.

use std::ops::RangeInclusive;

use super::Engine;
use super::error::CommitError;
use super::transaction::Transaction;
use crate::frame::{Kind, PAYLOAD_BYTES_MAX, Prepared, Record};
use crate::wal::{AppendError, Lsn};

impl Engine {
    /// Appends a record whose view applies it itself, and answers with the LSN after it. The view is
    /// told of it at recovery only.
    pub(crate) fn append_record(&self, record: Record<'_>) -> Result<Lsn, CommitError> {
        self.inner
            .shared
            .sequence(|sequencer| sequencer.append(record))
    }

    /// Appends a record of a view, tells the view, and answers with the record's LSN. The checksum is
    /// computed before anybody is kept waiting, and nobody waits for the disk: see
    /// [`promise`](Self::promise).
    pub(crate) fn append_told(&self, record: Record<'_>) -> Result<Lsn, CommitError> {
        let frame = Prepared::new(record).ok_or(AppendError::TooLarge {
            size: record.payload.len(),
            max: PAYLOAD_BYTES_MAX,
        })?;
        let shared = &self.inner.shared;
        shared.sequence(|sequencer| sequencer.append_told(&frame, record))
    }

    /// Begins a transaction, which [`accept`](Self::accept) ends.
    pub(crate) fn begin(&self) -> Transaction<'_> {
        Transaction::new(&self.inner)
    }

    /// Commits a transaction of this engine, and waits for nobody: see [`promise`](Self::promise).
    /// Answers with the LSNs of its first record and after its last.
    pub(crate) fn accept(&self, transaction: Transaction<'_>) -> Result<(Lsn, Lsn), CommitError> {
        self.counted(transaction.accept())
    }

    /// Whether a view is among the engine's.
    pub(crate) fn has_view(&self, kinds: &RangeInclusive<Kind>) -> bool {
        self.inner.kinds.contains(kinds)
    }

    /// How many bytes of files hold the records from `lsn` on.
    pub(crate) fn log_bytes_from(&self, lsn: Lsn) -> u64 {
        self.inner.shared.log().map_or(0, |log| log.bytes_from(lsn))
    }

    /// From which LSN on a holder needs the log.
    pub(crate) fn held_from(&self, holder: &str) -> Option<Lsn> {
        self.inner
            .shared
            .sequence(|it| it.holders.get(holder).copied())
    }

    /// Returns once the records below `end` survive the end of the process.
    ///
    /// # Errors
    /// [`CommitError::NotDurable`] where they will not, [`CommitError::Closed`] where the engine is
    /// closed, or in memory only.
    pub fn wait_written(&self, end: Lsn) -> Result<(), CommitError> {
        match self.inner.shared.log() {
            Some(log) => Ok(log.wait_written(end)?),
            None => Err(CommitError::Closed),
        }
    }

    /// Does what the mode promises of a commit for the records below `end`.
    pub(crate) fn promise(&self, end: Lsn) -> Result<(), CommitError> {
        self.inner.shared.promise(end)
    }

    /// The LSN of the next record.
    pub(crate) fn next_lsn(&self) -> Lsn {
        self.inner.shared.sequence(|sequencer| Lsn(sequencer.next))
    }
}
