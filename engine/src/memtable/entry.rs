//! A record in memory, with its place in every posting list that names it.
//!
//! ```text
//! slot ──► entry │ key │ hash │ record │ places: (hash, index, at) (hash, index, at) … │
//! posting "red"  │ entry │ entry │ entry │ …
//!                    └ at
//! ```
//!
//! An entry knows where it lies in each list, so taking it out is one swap, however long the list.
//! A place is changed only under the lock of the list's shard.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use smallvec::SmallVec;

use super::record::Record;

/// A record, its key, and where its index keys are.
pub(super) struct Entry<R: Record> {
    pub(super) key: R::Key,
    pub(super) hash: u64,
    /// What the table counts for it.
    pub(super) bytes: usize,
    pub(super) record: R,
    pub(super) places: SmallVec<[Place; 3]>,
}

/// One index key of a record.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) hash: u64,
    pub(super) index: u32,
    at: AtomicU32,
}

impl Place {
    pub(super) fn new(index: usize, hash: u64) -> Self {
        Self {
            hash,
            index: u32::try_from(index).unwrap_or(u32::MAX),
            at: AtomicU32::new(0),
        }
    }

    /// The position in the posting list. The lock of the list's shard orders this with the writes.
    pub(super) fn at(&self) -> usize {
        self.at.load(Ordering::Relaxed) as usize
    }

    pub(super) fn set(&self, at: usize) {
        let at = u32::try_from(at).expect("a posting list is below 4 G records");
        self.at.store(at, Ordering::Relaxed);
    }
}

/// What a generation says of a key.
pub(super) enum Slot<R: Record> {
    /// It has this record.
    Live(Arc<Entry<R>>),
    /// It was deleted: whatever an older generation or the persister says of it is out of date.
    Tombstone(R::Key, u64),
}

impl<R: Record> Slot<R> {
    pub(super) fn key(&self) -> &R::Key {
        match self {
            Self::Live(entry) => &entry.key,
            Self::Tombstone(key, _) => key,
        }
    }

    pub(super) fn hash(&self) -> u64 {
        match self {
            Self::Live(entry) => entry.hash,
            Self::Tombstone(_, hash) => *hash,
        }
    }

    pub(super) fn live(&self) -> Option<&Arc<Entry<R>>> {
        match self {
            Self::Live(entry) => Some(entry),
            Self::Tombstone(..) => None,
        }
    }

    /// What the table counts for it.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Live(entry) => entry.bytes,
            Self::Tombstone(..) => size_of::<Self>(),
        }
    }
}

impl<R: Record> Clone for Slot<R> {
    fn clone(&self) -> Self {
        match self {
            Self::Live(entry) => Self::Live(Arc::clone(entry)),
            Self::Tombstone(key, hash) => Self::Tombstone(key.clone(), *hash),
        }
    }
}

/// A record that was read. It stays as it was, whatever is written since; cloning it copies a
/// pointer.
pub struct RecordRef<R: Record>(pub(super) Arc<Entry<R>>);

impl<R: Record> RecordRef<R> {
    /// The record's primary key.
    #[must_use]
    pub fn key(&self) -> &R::Key {
        &self.0.key
    }
}

impl<R: Record> Deref for RecordRef<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.0.record
    }
}

impl<R: Record> Clone for RecordRef<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R: Record + fmt::Debug> fmt::Debug for RecordRef<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.record.fmt(f)
    }
}
