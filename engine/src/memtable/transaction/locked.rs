//! The commit of a table's part: what is locked, what is checked, and what changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use smallvec::SmallVec;

use super::{Staged, TableChanges, Wanted};
use crate::engine::{Addition, Changed, CommitError, Conflict, Locked, Participant};
use crate::injected_bug::{Bug, injected};
use crate::memtable::apply::{Applied, Guards};
use crate::memtable::entry::{Entry, Slot};
use crate::memtable::error::WriteError;
use crate::memtable::generation::Part;
use crate::memtable::key::IndexKey;
use crate::memtable::log::{DELETE, PUT, VERSION};
use crate::memtable::prepare::{Prepared, user};
use crate::memtable::record::Record;
use crate::memtable::runtime::{Runtime, SharedLock};
use crate::memtable::table::{CLOSED, Shared};
use crate::memtable::unique::Held;
use crate::memtable::write::Obstacle;

/// Guards of parts, with their numbers.
type Parts<'a, R, T> = SmallVec<
    [(
        usize,
        <<T as Runtime>::Lock<Part<R>> as SharedLock<Part<R>>>::Write<'a>,
    ); 4],
>;

/// The parts of a transaction's keys, and the keys that it writes.
struct Together<'a, 'g, R: Record, T: Runtime> {
    parts: &'a Parts<'g, R, T>,
    writes: &'a BTreeMap<R::Key, Staged<R>>,
}

impl<R: Record, T: Runtime> Held<R> for Together<'_, '_, R, T> {
    fn part(&self, number: usize) -> Option<&Part<R>> {
        let mut parts = self.parts.iter();
        parts.find(|part| part.0 == number).map(|part| &*part.1)
    }

    fn writes(&self, key: &R::Key) -> bool {
        self.writes.contains_key(key)
    }
}

/// A change whose place is locked.
struct Checked<'a, R: Record> {
    prepared: &'a Prepared<R>,
    number: usize,
    place: Option<usize>,
    old: Option<Arc<Entry<R>>>,
}

/// Everything that changes, locked. What was taken away is dropped after the locks.
struct LockedTable<'a, R: Record, T: Runtime> {
    shared: &'a Shared<R, T>,
    changes: Vec<Checked<'a, R>>,
    guards: Guards<'a, R, T>,
    parts: Parts<'a, R, T>,
    applied: Vec<Applied<R>>,
}

impl<R: Record, T: Runtime> TableChanges<R, T> {
    /// An error where a record that was read is another one now.
    fn check_reads(&self, held: &impl Held<R>) -> Result<(), CommitError> {
        for seen in &self.reads {
            let number = self.shared.part_of(seen.hash);
            let is_same = held.part(number).is_some_and(|part| {
                let place = part.slots.place(seen.hash, &seen.key);
                match (part.slots.at(place), &seen.older) {
                    (Some(slot), None) => match (slot.live(), &seen.found) {
                        (Some(entry), Some(found)) => Arc::ptr_eq(entry, &found.0),
                        (None, None) => true,
                        _ => false,
                    },
                    (None, Some(older)) => Arc::ptr_eq(older, &part.older),
                    _ => false,
                }
            });
            if !is_same && !injected(Bug::SkipTableReads) {
                let key = user("with_bytes", || seen.key.with_bytes(<[u8]>::to_vec))?;
                return Err(CommitError::Conflict(Conflict {
                    keyspace: self.shared.name.clone(),
                    what: Changed::Key(key),
                    attempts: 1,
                }));
            }
        }
        Ok(())
    }

    /// Checks what a change wants of its key. `Err(None)` where that cannot be told in memory.
    fn check_rule<'a>(
        &'a self,
        held: &impl Held<R>,
        staged: &'a Staged<R>,
    ) -> Result<Checked<'a, R>, Option<WriteError>> {
        let prepared = &staged.prepared;
        let number = self.shared.part_of(prepared.hash);
        let part = held.part(number).ok_or(None)?;
        let place = part.slots.place(prepared.hash, &prepared.key);
        let exists = match (part.slots.at(place), staged.below_of(part)) {
            (Some(slot), _) => slot.live().is_some(),
            (None, Some(below)) => below.exists,
            (None, None) if staged.wanted == Wanted::Any => false,
            (None, None) => match part.older.find(number, prepared.hash, &prepared.key) {
                Some(slot) => slot.live().is_some(),
                None if self.shared.falls_through => return Err(None),
                None => false,
            },
        };
        match staged.wanted {
            Wanted::Absent if exists => Err(Some(WriteError::KeyExists)),
            Wanted::Present if !exists => Err(Some(WriteError::KeyNotFound)),
            _ => Ok(Checked {
                prepared,
                number,
                place,
                old: part.slots.at(place).and_then(Slot::live).cloned(),
            }),
        }
    }

    /// Checks that unique keys are free, among the changes themselves too. Answers with what is in the
    /// way of knowing.
    fn check_unique(
        &self,
        held: &impl Held<R>,
        guards: &Guards<'_, R, T>,
        changes: &[Checked<'_, R>],
    ) -> Result<Option<Obstacle>, WriteError> {
        let mut taken = BTreeSet::new();
        for (change, staged) in changes.iter().zip(self.writes.values()) {
            let Some(entry) = &change.prepared.entry else {
                continue;
            };
            let keys = &change.prepared.keys;
            let unique = keys.iter().filter(|key| R::INDEXES[key.0].unique);
            for (index, bytes) in unique {
                let is_free = taken.insert((index, bytes));
                if !is_free && !injected(Bug::SkipTableUniqueTogether) {
                    let index = R::INDEXES[index].name;
                    return Err(WriteError::NotUnique { index });
                }
            }
            let Some(part) = held.part(change.number) else {
                return Ok(Some(Obstacle::Again));
            };
            let obstacle = self.shared.unique_keys_are_free(
                (held, part),
                guards,
                (entry, keys),
                change.old.as_ref(),
                staged.below_of(part),
            )?;
            if obstacle.is_some() {
                return Ok(obstacle);
            }
        }
        Ok(None)
    }

    fn wait_for(&self, obstacle: Obstacle) {
        self.obstacle.set(Some(obstacle));
    }
}

impl<R: Record, T: Runtime> Participant for TableChanges<R, T> {
    fn additions(&mut self) -> Vec<Addition> {
        let addition = |staged: &mut Staged<R>| Addition {
            kind: match staged.prepared.entry {
                Some(_) => PUT,
                None => DELETE,
            },
            version: VERSION,
            payload: std::mem::take(&mut staged.prepared.payload),
        };
        self.writes.values_mut().map(addition).collect()
    }

    fn ready(&mut self) -> Result<(), CommitError> {
        match self.obstacle.take() {
            None => {}
            Some(Obstacle::Again) => self.shared.runtime.pause(),
            Some(Obstacle::LookBelow) => {
                for staged in self.writes.values_mut() {
                    let rule = staged.rule();
                    staged.below = Some(self.shared.look_below(&staged.prepared, &rule)?);
                }
            }
        }
        if !self.writes.is_empty() {
            self.shared.wait_for_room()?;
        }
        Ok(())
    }

    fn lock(&self) -> Result<Option<Box<dyn Locked + '_>>, CommitError> {
        let shared = &*self.shared;
        let written = self.writes.values().map(|it| it.prepared.hash);
        let hashes = self.reads.iter().map(|it| it.hash).chain(written);
        let mut numbers: Vec<_> = hashes.map(|hash| shared.part_of(hash)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let lock = |number: usize| (number, shared.parts[number].0.write());
        let parts: Parts<'_, R, T> = numbers.into_iter().map(lock).collect();
        if !self.writes.is_empty() && shared.gate.load(Ordering::Acquire) & CLOSED != 0 {
            return Err(WriteError::Closed.into());
        }
        let held = Together::<R, T> {
            parts: &parts,
            writes: &self.writes,
        };
        self.check_reads(&held)?;
        let mut changes = Vec::with_capacity(self.writes.len());
        for staged in self.writes.values() {
            match self.check_rule(&held, staged) {
                Ok(checked) => changes.push(checked),
                Err(Some(error)) => return Err(error.into()),
                Err(None) => {
                    self.wait_for(Obstacle::LookBelow);
                    return Ok(None);
                }
            }
        }
        let old = changes.iter().filter_map(|it| it.old.as_deref());
        let new = changes.iter().filter_map(|it| it.prepared.entry.as_deref());
        let guards = shared.lock_indexes_of(old.chain(new));
        if let Some(obstacle) = self.check_unique(&held, &guards, &changes)? {
            self.wait_for(obstacle);
            return Ok(None);
        }
        Ok(Some(Box::new(LockedTable {
            shared,
            changes,
            guards,
            parts,
            applied: Vec::new(),
        })))
    }

    fn settle(&self) {
        if self.shared.is_active_full() {
            self.shared.relieve();
        }
    }
}

impl<R: Record, T: Runtime> Locked for LockedTable<'_, R, T> {
    fn apply(&mut self) {
        // A new key may move the slots of others, so those that have one come first.
        self.changes.sort_by_key(|change| change.place.is_none());
        for change in &self.changes {
            let part = self.parts.iter_mut().find(|it| it.0 == change.number);
            if let Some((_, part)) = part {
                let old = (change.place, change.old.as_ref());
                let prepared = change.prepared;
                let applied = self.shared.apply(part, &mut self.guards, old, prepared);
                self.applied.push(applied);
            }
        }
    }
}
