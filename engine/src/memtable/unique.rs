//! Whether a key is taken: in the active generation, in older ones, or at the persister.
//!
//! ```text
//! active       locked: its postings say it
//! older        immutable: its postings say it, unless a newer generation knows the holder
//! persister    asked before, without a lock; counts unless memory knows the holder
//! ```
//!
//! What the persister said counts only while the same older generations are there: with one that was
//! flushed meanwhile, it is asked again.

use std::sync::Arc;

use super::apply::Guards;
use super::entry::Entry;
use super::error::WriteError;
use super::generation::{Older, Part};
use super::prepare::{Prepared, user};
use super::record::{IndexKeys, Record};
use super::runtime::{Runtime, SharedLock};
use super::table::Shared;
use super::write::{Obstacle, Rule};

/// What the persister and older generations said of a change's keys.
pub(super) struct Below<R: Record> {
    pub(super) older: Arc<Older<R>>,
    pub(super) exists: bool,
    /// The number of a unique index key, and a primary key that the persister has under it.
    claims: Vec<(usize, R::Key)>,
}

/// What a writer has locked and is about to change.
pub(super) trait Held<R: Record> {
    /// The part of this number, if it is locked.
    fn part(&self, number: usize) -> Option<&Part<R>>;

    /// Whether the record of this key is one of those that change.
    fn writes(&self, key: &R::Key) -> bool;
}

/// One key and its part.
pub(super) struct Alone<'a, R: Record> {
    pub(super) number: usize,
    pub(super) part: &'a Part<R>,
    pub(super) key: &'a R::Key,
}

impl<R: Record> Held<R> for Alone<'_, R> {
    fn part(&self, number: usize) -> Option<&Part<R>> {
        (number == self.number).then_some(self.part)
    }

    fn writes(&self, key: &R::Key) -> bool {
        key == self.key
    }
}

impl<R: Record, T: Runtime> Shared<R, T> {
    /// Checks that no other record has a unique key of `entry`. Answers with what is in the way of
    /// knowing. `part` is that of the entry's key.
    pub(super) fn unique_keys_are_free(
        &self,
        (held, part): (&impl Held<R>, &Part<R>),
        guards: &Guards<'_, R, T>,
        (entry, keys): (&Arc<Entry<R>>, &IndexKeys),
        old: Option<&Arc<Entry<R>>>,
        below: Option<&Below<R>>,
    ) -> Result<Option<Obstacle>, WriteError> {
        for (nth, (index, bytes)) in keys.iter().enumerate() {
            if !R::INDEXES[index].unique {
                continue;
            }
            let taken = || WriteError::NotUnique {
                index: R::INDEXES[index].name,
            };
            let hash = entry.places[nth].hash;
            let index_part = self.part_of(hash);
            let guard = guards.iter().find(|guard| guard.0 == index_part);
            let mut holders = guard
                .into_iter()
                .flat_map(|guard| guard.1.postings.find(hash, index, bytes));
            if let Some(holder) = holders.next() {
                // Of records that change together, each is checked by itself.
                if old.is_some_and(|old| Arc::ptr_eq(old, holder)) || held.writes(&holder.key) {
                    continue;
                }
                return Err(taken());
            }
            for generation in &part.older.generations {
                for holder in generation.indexes[index_part].find(hash, index, bytes) {
                    let than = generation.number;
                    match self.is_superseded((held, part), &holder.key, than) {
                        Some(true) => {}
                        Some(false) => return Err(taken()),
                        None => return Ok(Some(Obstacle::Again)),
                    }
                }
            }
            let Some(below) = below else {
                if self.falls_through {
                    return Ok(Some(Obstacle::LookBelow));
                }
                continue;
            };
            for (_, holder) in below.claims.iter().filter(|claim| claim.0 == nth) {
                match self.is_superseded((held, part), holder, 0) {
                    Some(true) => {}
                    Some(false) => return Err(taken()),
                    None => return Ok(Some(Obstacle::Again)),
                }
            }
        }
        Ok(None)
    }

    /// Whether what generation `than` (0: the persister) says of a key is out of date, or will be with
    /// this very write. `None` where that cannot be told without waiting for a lock out of order.
    fn is_superseded(
        &self,
        (held, part): (&impl Held<R>, &Part<R>),
        key: &R::Key,
        than: u64,
    ) -> Option<bool> {
        if held.writes(key) {
            return Some(true);
        }
        let hash = self.hash(key);
        let other = self.part_of(hash);
        if part.older.find_newer(other, hash, key, than).is_some() {
            return Some(true);
        }
        if let Some(part) = held.part(other) {
            return Some(part.slots.place(hash, key).is_some());
        }
        let other = self.parts[other].0.try_read()?;
        Some(other.slots.place(hash, key).is_some())
    }

    /// Asks older generations and the persister about a change's keys. No lock is held.
    pub(super) fn look_below(
        &self,
        prepared: &Prepared<R>,
        rule: &Rule<R>,
    ) -> Result<Below<R>, WriteError> {
        let number = self.part_of(prepared.hash);
        let older = Arc::clone(&self.parts[number].0.read().older);
        let exists = match older.find(number, prepared.hash, &prepared.key) {
            Some(slot) => slot.live().is_some(),
            None if matches!(rule, Rule::Absent | Rule::Present) => {
                let found = self.ask_persister(&prepared.key);
                found.map_err(WriteError::Persister)?.is_some()
            }
            None => false,
        };
        let mut claims = Vec::new();
        if prepared.entry.is_some() && self.falls_through {
            for (nth, (index, bytes)) in prepared.keys.iter().enumerate() {
                if R::INDEXES[index].unique {
                    let holders = self.ask_persister_by_index(index, bytes);
                    for holder in holders.map_err(WriteError::Persister)? {
                        claims.push((nth, user("key", || holder.key())?));
                    }
                }
            }
        }
        Ok(Below {
            older,
            exists,
            claims,
        })
    }
}
