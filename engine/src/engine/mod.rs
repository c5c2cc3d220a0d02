//! The engine: one log, one sequencer, keyspaces that many threads read and write.
//!
//! ```text
//!  put, transaction ──► sequencer ──► log ──► disk
//!                           │           │
//!                           ▼           └──► snapshot (checkpoint), recovery
//!                  keyspaces, other views ──► get, scan, views that stand still
//! ```
//!
//! Invariants:
//!
//! 1. A transaction is there as a whole or not at all, in memory and after any crash, over any number
//!    of keyspaces and [views](View).
//! 2. Committed transactions are serializable: they are as if they had run one after the other, in
//!    the order of their LSNs.
//! 3. Nothing that was acknowledged as durable is lost. What recovery gives is the state after some
//!    prefix of the commits that holds all of these.
//! 4. A read sees what is committed, which may be a moment ahead of the disk; see
//!    [`Engine::durable`].
//!
//! The version of a key is the LSN of the record that gave it its value, so recovery gives the same
//! versions.

mod catalog;
mod change;
mod error;
mod journal;
mod keyspace;
mod log;
mod observer;
mod open;
mod options;
mod participant;
mod records;
mod recover;
mod sequencer;
mod shared;
mod stats;
mod transaction;
mod view;
mod worker;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub use self::catalog::{DEFAULT_KEYSPACE, KeyspaceType};
pub use self::error::{Changed, CheckpointError, CommitError, Conflict, OpenError};
pub use self::keyspace::Keyspace;
pub use self::log::Records;
pub(crate) use self::observer::{Observed, Observer};
pub use self::options::Options;
pub(crate) use self::participant::{Addition, Locked, Participant};
pub use self::recover::Recovery;
use self::sequencer::Space;
use self::shared::Shared;
pub use self::stats::{KeyspaceStats, Stats};
pub use self::transaction::{Committed, Transaction};
pub use self::view::{Applied, Refused, View};
use self::worker::Worker;
use crate::frame::Kind;
use crate::map::MapView;
pub use crate::map::{HashSeed, Item, Scan, Value};
use crate::wal::{Corruption, Entry, Lsn, Mode, Poisoned, ReadError, WaitError, Watermarks};

/// The longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 64 << 10;

/// The longest value, in bytes. A record has to fit a segment too, so that smaller segments hold
/// smaller values.
pub const VALUE_BYTES_MAX: usize = 15 << 20;

/// The longest name of a keyspace, in bytes.
pub const KEYSPACE_NAME_MAX: usize = 255;

/// An open engine. Clones are handles to the same one; the last one that goes closes its directory
/// as a crash would: what a Strict commit acknowledged is there, and of a Buffered one what was
/// synced by then. [`close`](Self::close) keeps everything.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    /// Before the rest: the thread ends first.
    _worker: Option<Worker>,
    shared: Arc<Shared>,
    system: Arc<Space>,
    /// The LSN of the first record since it was opened.
    opened_at: Lsn,
    /// The types of records that views have.
    kinds: Vec<RangeInclusive<Kind>>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("mode", &self.inner.shared.mode)
            .finish_non_exhaustive()
    }
}

/// All keyspaces as they were at one moment, whatever is written since.
#[derive(Clone)]
pub struct ReadView {
    lsn: Lsn,
    spaces: Arc<BTreeMap<u32, (Arc<Space>, MapView)>>,
    now_us: u64,
}

impl fmt::Debug for ReadView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadView")
            .field("lsn", &self.lsn)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// The keyspace `name` of keys and values, which is created where there is none.
    ///
    /// # Errors
    /// [`CommitError::WrongType`] where it holds something else; as for
    /// [`transaction`](Self::transaction) where it is created.
    pub fn keyspace(&self, name: &str) -> Result<Keyspace, CommitError> {
        self.keyspace_of(name, KeyspaceType::Values)
    }

    /// As [`keyspace`](Self::keyspace), of any type.
    ///
    /// # Errors
    /// As for [`keyspace`](Self::keyspace).
    pub fn keyspace_of(&self, name: &str, kind: KeyspaceType) -> Result<Keyspace, CommitError> {
        let existing = self
            .inner
            .shared
            .sequence(|it| it.by_name.get(name).cloned());
        match existing {
            Some(space) if space.kind == kind => Ok(Keyspace {
                space,
                inner: Arc::clone(&self.inner),
            }),
            // Two that create it at once both succeed.
            _ => Ok(self.retry(8, |tx| tx.keyspace_of(name, kind))?.value),
        }
    }

    /// Whether there is a keyspace of this name, and of which type.
    #[must_use]
    pub fn keyspace_type(&self, name: &str) -> Option<KeyspaceType> {
        self.inner
            .shared
            .sequence(|it| Some(it.by_name.get(name)?.kind))
    }

    /// Runs `body` as one transaction over any number of keyspaces: what it wrote is there as a whole
    /// once this returns, as safely as the mode says. Where `body` answers with an error, nothing
    /// happens; [`CommitError::abort`] makes one of any other.
    ///
    /// # Errors
    /// - [`CommitError::Conflict`]: something that it read has changed meanwhile; nothing happened.
    ///   [`retry`](Self::retry) tries again.
    /// - [`CommitError::NotDurable`]: it happened, and the log failed before it was durable.
    /// - Others: nothing happened.
    pub fn transaction<T>(
        &self,
        body: impl FnOnce(&mut Transaction<'_>) -> Result<T, CommitError>,
    ) -> Result<Committed<T>, CommitError> {
        let mut transaction = Transaction::new(&self.inner);
        let value = body(&mut transaction)?;
        let (first, end) = self.counted(transaction.commit())?;
        Ok(Committed { value, first, end })
    }

    /// Counts what became of a transaction.
    fn counted(&self, done: Result<(Lsn, Lsn), CommitError>) -> Result<(Lsn, Lsn), CommitError> {
        let counted = &self.inner.shared.counted;
        match &done {
            Ok((first, end)) => counted
                .commits
                .fetch_add(u64::from(end > first), Ordering::Relaxed),
            Err(error) => counted
                .conflicts
                .fetch_add(u64::from(error.is_conflict()), Ordering::Relaxed),
        };
        done
    }

    /// As [`transaction`](Self::transaction), tried up to `attempts` times while it conflicts, at
    /// least once. It waits for nobody between them: of all that conflict, one has committed.
    ///
    /// # Errors
    /// As for [`transaction`](Self::transaction); of the last conflict, with the number of attempts.
    pub fn retry<T>(
        &self,
        attempts: u32,
        mut body: impl FnMut(&mut Transaction<'_>) -> Result<T, CommitError>,
    ) -> Result<Committed<T>, CommitError> {
        let mut attempt = 1;
        loop {
            match self.transaction(&mut body) {
                Err(CommitError::Conflict(conflict)) if attempt >= attempts => {
                    return Err(Conflict {
                        attempts: attempt,
                        ..conflict
                    }
                    .into());
                }
                Err(CommitError::Conflict(_)) => attempt += 1,
                done => return done,
            }
        }
    }

    /// Returns once everything that was committed before this call survives power loss. An engine in
    /// memory keeps nothing, so there it is an error.
    ///
    /// # Errors
    /// [`CommitError::NotDurable`] where that failed, now or earlier, [`CommitError::Closed`] where
    /// the engine is closed.
    pub fn durable(&self) -> Result<(), CommitError> {
        self.wait_durable(Lsn(self.inner.shared.sequence(|it| it.next)))
    }

    /// Returns once the records below `end` survive power loss; otherwise as
    /// [`durable`](Self::durable).
    ///
    /// # Errors
    /// As for [`durable`](Self::durable).
    pub fn wait_durable(&self, end: Lsn) -> Result<(), CommitError> {
        let shared = &self.inner.shared;
        match shared.log() {
            Some(log) => Ok(log.wait_durable(end)?),
            None if shared.mode == Mode::InMemory => Err(WaitError::InMemory.into()),
            None => Err(CommitError::Closed),
        }
    }

    /// All keyspaces as they are now. Holding the view costs the memory of what is changed since.
    #[must_use]
    pub fn view(&self) -> ReadView {
        let frozen = self.inner.shared.freeze();
        ReadView {
            lsn: frozen.lsn,
            spaces: Arc::new(frozen.spaces),
            now_us: self.inner.shared.now_us(),
        }
    }

    /// Saves a snapshot of everything beside the writers, lets go of the log below the older of two
    /// snapshots and below all holders, and answers with the snapshot's LSN.
    ///
    /// # Errors
    /// [`CheckpointError`]; the engine goes on as before.
    pub fn checkpoint(&self) -> Result<Lsn, CheckpointError> {
        self.inner.shared.checkpoint()
    }

    /// Does what the engine's thread does from time to time: syncs buffered records, takes a
    /// checkpoint that is due, merges generations and lets go of expired keys.
    ///
    /// # Errors
    /// [`CheckpointError`] where the log or a checkpoint failed.
    pub fn maintain(&self) -> Result<(), CheckpointError> {
        self.inner.shared.maintain()
    }

    /// The record `lsn` of the log; `None` where it cannot be seen yet, or there is no log.
    ///
    /// # Errors
    /// [`ReadError`] where it is gone or cannot be read.
    pub fn read(&self, lsn: Lsn) -> Result<Option<Entry>, ReadError> {
        self.inner
            .shared
            .log()
            .map_or(Ok(None), |log| log.read(lsn))
    }

    /// The records of the log from `lsn` on that can be seen: in Strict those that are durable, in
    /// Buffered those that are written. There are none where there is no log. As long as they are
    /// held, no checkpoint lets go of their segments.
    ///
    /// # Errors
    /// [`ReadError`] where the log no longer reaches back that far.
    pub fn records_from(&self, lsn: Lsn) -> Result<Records, ReadError> {
        match self.inner.shared.log() {
            Some(log) => log.entries_from(lsn),
            None => Ok(Box::new(std::iter::empty())),
        }
    }

    /// Damage that was found since the engine was opened, below the snapshot that it began with, so
    /// that nothing was lost. The files, and those before them, are kept under the name `*.lost`.
    /// There is none once the engine is closed.
    #[must_use]
    pub fn set_aside(&self) -> Vec<Corruption> {
        let log = self.inner.shared.log();
        log.map_or_else(Vec::new, |log| log.set_aside())
    }

    /// How far the log has come; `None` in memory and once closed.
    #[must_use]
    pub fn watermarks(&self) -> Option<Watermarks> {
        Some(self.inner.shared.log()?.watermarks())
    }

    /// The LSN of the first record since the engine was opened: what has a version below it was there
    /// before.
    #[must_use]
    pub fn opened_at(&self) -> Lsn {
        self.inner.opened_at
    }

    /// How it was opened.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.inner.shared.mode
    }

    /// The time by which values expire: microseconds since the Unix epoch.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.inner.shared.now_us()
    }

    /// Makes everything durable and closes the engine, for all handles: later writes are refused, and
    /// reads see what was there. Once no record of the log is held either, the directory can be
    /// opened again.
    ///
    /// # Errors
    /// [`Poisoned`] where that failed, now or earlier.
    pub fn close(&self) -> Result<(), Poisoned> {
        self.inner.shared.close()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // What a buffered log accepted is kept as well. Where that fails, nothing was promised.
        if let Mode::Buffered { .. } = self.shared.mode
            && let Some(log) = self.shared.log()
        {
            let _ = log.wait_durable(log.watermarks().accepted);
        }
    }
}
