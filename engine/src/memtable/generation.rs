//! Generations: the active one that is written, and immutable ones that wait to be flushed.
//!
//! ```text
//! part n        │ slots of the active generation │ older ─┐
//! index part n  │ its postings                   │ older ─┤
//!                                                         ▼
//!                            Older │ generation 7 │ generation 6 │ flushed: 5 │
//! ```
//!
//! A part of the keys and a part of the postings have a lock each. Under it lie the active
//! generation's share and a pointer to all older generations, so that one lock gives a reader a
//! consistent view of both. What is older is immutable and read without a lock.

use std::sync::Arc;

use hashbrown::HashTable;

use super::entry::Slot;
use super::posting::Postings;
use super::record::Record;
use crate::wal::Lsn;

/// The slots of some keys.
pub(super) struct Slots<R: Record>(HashTable<Slot<R>>);

impl<R: Record> Default for Slots<R> {
    fn default() -> Self {
        Self(HashTable::new())
    }
}

impl<R: Record> Slots<R> {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self(HashTable::with_capacity(capacity))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn find(&self, hash: u64, key: &R::Key) -> Option<&Slot<R>> {
        self.0.find(hash, |slot| slot.key() == key)
    }

    /// Where the slot of a key is.
    pub(super) fn place(&self, hash: u64, key: &R::Key) -> Option<usize> {
        self.0.find_bucket_index(hash, |slot| slot.key() == key)
    }

    /// The slot at a place.
    pub(super) fn at(&self, place: Option<usize>) -> Option<&Slot<R>> {
        self.0.get_bucket(place?)
    }

    /// Takes in the slot of the key at `place`, or of a new key, and answers with what was there.
    /// Calls nothing of the record's type, so that nothing of it can fail half-way.
    pub(super) fn put(&mut self, place: Option<usize>, slot: Slot<R>) -> Option<Slot<R>> {
        if let Some(found) = place.and_then(|place| self.0.get_bucket_mut(place)) {
            return Some(std::mem::replace(found, slot));
        }
        self.0.insert_unique(slot.hash(), slot, Slot::hash);
        None
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot<R>> {
        self.0.iter()
    }
}

/// A part of the keys.
pub(super) struct Part<R: Record> {
    pub(super) slots: Slots<R>,
    pub(super) older: Arc<Older<R>>,
    pub(super) uncounted: Uncounted,
}

/// A part of the postings.
pub(super) struct IndexPart<R: Record> {
    pub(super) postings: Postings<R>,
    pub(super) older: Arc<Older<R>>,
}

/// What a part holds more than it has reported, so that writers rarely touch the common counters.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Uncounted {
    pub(super) records: isize,
    pub(super) bytes: isize,
}

/// A generation that is written no more.
pub(super) struct Generation<R: Record> {
    /// Generations are numbered from 1, in the order of their rotation.
    pub(super) number: u64,
    pub(super) parts: Box<[Slots<R>]>,
    pub(super) indexes: Box<[Postings<R>]>,
    /// All its changes are below this record of the log.
    pub(super) end: Option<Lsn>,
}

impl<R: Record> Generation<R> {
    /// All its slots, in key order.
    pub(super) fn sorted(&self) -> Vec<&Slot<R>> {
        let mut slots: Vec<_> = self.parts.iter().flat_map(Slots::iter).collect();
        slots.sort_unstable_by(|one, other| one.key().cmp(other.key()));
        slots
    }
}

/// What is older than the active generation.
pub(super) struct Older<R: Record> {
    /// The newest first.
    pub(super) generations: Vec<Arc<Generation<R>>>,
    /// The newest generation that the persister has.
    pub(super) flushed: u64,
}

impl<R: Record> Older<R> {
    pub(super) fn none() -> Self {
        Self {
            generations: Vec::new(),
            flushed: 0,
        }
    }

    /// What the newest generation that knows a key says, of those newer than number `than`.
    pub(super) fn find_newer(
        &self,
        part: usize,
        hash: u64,
        key: &R::Key,
        than: u64,
    ) -> Option<&Slot<R>> {
        let newer = self
            .generations
            .iter()
            .take_while(|generation| generation.number > than);
        newer
            .map(|generation| &generation.parts[part])
            .find_map(|slots| slots.find(hash, key))
    }

    /// What the newest generation that knows a key says.
    pub(super) fn find(&self, part: usize, hash: u64, key: &R::Key) -> Option<&Slot<R>> {
        self.find_newer(part, hash, key, 0)
    }
}
