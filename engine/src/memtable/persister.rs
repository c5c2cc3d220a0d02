//! Where a table's records go in the end.
//!
//! ```text
//! memtable ── flush ──► Persister ◄── reads that memory cannot answer
//! ```
//!
//! A persister is asked by one flush at a time, and by any number of readers beside it. What it does
//! may be done twice: after a failure, a time-out or a crash a batch is given again. It answers with
//! an error where it failed; a panic counts as one.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::entry::RecordRef;
use super::record::Record;

/// A part of a flush: each key is in it at most once, and keys rise.
pub struct Batch<R: Record> {
    pub(super) records: Vec<RecordRef<R>>,
    pub(super) removed: Vec<R::Key>,
}

impl<R: Record> Batch<R> {
    /// The records to insert, or to put in the place of what their keys have.
    #[must_use]
    pub fn records(&self) -> &[RecordRef<R>] {
        &self.records
    }

    /// The keys to remove. The persister may never have had them.
    #[must_use]
    pub fn removed(&self) -> &[R::Key] {
        &self.removed
    }

    /// How many keys it changes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len() + self.removed.len()
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<R: Record> Default for Batch<R> {
    fn default() -> Self {
        Self {
            records: Vec::new(),
            removed: Vec::new(),
        }
    }
}

/// What a persister says where it fails.
#[derive(Clone)]
pub struct PersistError(Arc<dyn Error + Send + Sync>);

impl PersistError {
    /// Wraps the cause.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(Arc::from(cause.into()))
    }
}

impl fmt::Debug for PersistError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for PersistError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for PersistError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// Keeps the records of a table. It is asked by one flush at a time, and by any number of readers beside
/// it. After a failure, a time-out or a crash a batch is given again. A panic counts as a failure.
pub trait Persister<R: Record>: Send + Sync + 'static {
    /// Whether it could keep a record. It is asked before a write: what it could never keep would
    /// keep all that comes after from being flushed.
    ///
    /// # Errors
    /// [`PersistError`] that says what is wrong with the record.
    fn check(&self, _record: &R) -> Result<(), PersistError> {
        Ok(())
    }

    /// Inserts records, or puts them in the place of what their keys have.
    ///
    /// # Errors
    /// [`PersistError`]; a part may have been done. It is asked again, for all of them.
    fn persist(&self, records: &[RecordRef<R>]) -> Result<(), PersistError>;

    /// Removes keys. Those that it does not have are no error.
    ///
    /// # Errors
    /// As for [`persist`](Self::persist).
    fn remove(&self, keys: &[R::Key]) -> Result<(), PersistError>;

    /// Does a whole batch. Removals come first, so that a unique key is free when another record
    /// takes it. A persister with transactions does both in one.
    ///
    /// # Errors
    /// As for [`persist`](Self::persist).
    fn apply(&self, batch: &Batch<R>) -> Result<(), PersistError> {
        if !batch.removed.is_empty() {
            self.remove(&batch.removed)?;
        }
        if !batch.records.is_empty() {
            self.persist(&batch.records)?;
        }
        Ok(())
    }

    /// The record of `key`.
    ///
    /// # Errors
    /// [`PersistError`] where it cannot say.
    fn get(&self, key: &R::Key) -> Result<Option<R>, PersistError>;

    /// The records that have `key` in the index at this place of [`Record::INDEXES`].
    ///
    /// # Errors
    /// [`PersistError`] where it cannot say.
    fn get_by_index(&self, index: usize, key: &[u8]) -> Result<Vec<R>, PersistError>;

    /// Up to `limit` records in key order, from the first key above `after`, or from the very first.
    /// Fewer mean that there are no more.
    ///
    /// # Errors
    /// [`PersistError`] where it cannot say.
    fn scan(&self, after: Option<&R::Key>, limit: usize) -> Result<Vec<R>, PersistError>;

    /// Whether it never answers a read. Reads then end in memory, and what was flushed is gone from
    /// sight.
    fn is_write_only(&self) -> bool {
        false
    }
}

/// Keeps nothing and counts what it was given: for benchmarks of what is in memory, and for tables
/// of which only the changes matter.
#[derive(Debug, Clone, Default)]
pub struct NoopPersister(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    persisted: AtomicU64,
    removed: AtomicU64,
}

impl NoopPersister {
    /// How many records it was given.
    #[must_use]
    pub fn persisted(&self) -> u64 {
        self.0.persisted.load(Ordering::Relaxed)
    }

    /// How many keys it was told to remove.
    #[must_use]
    pub fn removed(&self) -> u64 {
        self.0.removed.load(Ordering::Relaxed)
    }
}

impl<R: Record> Persister<R> for NoopPersister {
    fn persist(&self, records: &[RecordRef<R>]) -> Result<(), PersistError> {
        let count = records.len() as u64;
        self.0.persisted.fetch_add(count, Ordering::Relaxed);
        Ok(())
    }

    fn remove(&self, keys: &[R::Key]) -> Result<(), PersistError> {
        let count = keys.len() as u64;
        self.0.removed.fetch_add(count, Ordering::Relaxed);
        Ok(())
    }

    fn get(&self, _: &R::Key) -> Result<Option<R>, PersistError> {
        Ok(None)
    }

    fn get_by_index(&self, _: usize, _: &[u8]) -> Result<Vec<R>, PersistError> {
        Ok(Vec::new())
    }

    fn scan(&self, _: Option<&R::Key>, _: usize) -> Result<Vec<R>, PersistError> {
        Ok(Vec::new())
    }

    fn is_write_only(&self) -> bool {
        true
    }
}
