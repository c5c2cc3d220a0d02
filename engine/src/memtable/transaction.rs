//! A table's part in a transaction of the engine that logs it.
//!
//! ```text
//! put_in, delete_in   staged: the record's own code runs now     get_in   noted: what was there
//! commit              parts of all keys, by number ─► reads still so? rules hold?
//!                     index parts, by number ─► unique keys free?
//!                     the engine logs everything ─► apply ─► unlock
//! ```
//!
//! The table's locks are held from the check to the change, so whoever reads a record of the transaction
//! sees it from before, or waits for it. Of several changes of a key the last counts, and each must fit
//! those before it.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use smallvec::SmallVec;

use super::apply::{Applied, Guards};
use super::entry::{Entry, RecordRef, Slot};
use super::error::WriteError;
use super::generation::{Older, Part};
use super::key::IndexKey;
use super::log::{DELETE, PUT, VERSION};
use super::prepare::{Prepared, user};
use super::record::Record;
use super::runtime::{Runtime, SharedLock};
use super::table::{CLOSED, Memtable, Shared};
use super::unique::{Below, Held};
use super::write::{Obstacle, Rule};
use crate::engine::{Addition, Changed, CommitError, Conflict, Locked, Participant, Transaction};
use crate::injected_bug::{Bug, injected};

/// What must be true of a key at the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Any,
    Absent,
    Present,
}

/// A change that waits for the commit.
struct Staged<R: Record> {
    prepared: Prepared<R>,
    wanted: Wanted,
    /// What lies below memory, once that was asked.
    below: Option<Below<R>>,
}

/// What a read saw: what the active generation says, or else the older generations that were asked.
struct Seen<R: Record> {
    key: R::Key,
    hash: u64,
    found: Option<RecordRef<R>>,
    older: Option<Arc<Older<R>>>,
}

/// What a transaction does to a table.
struct TableChanges<R: Record, T: Runtime> {
    shared: Arc<Shared<R, T>>,
    reads: Vec<Seen<R>>,
    writes: BTreeMap<R::Key, Staged<R>>,
    /// What was in the way of the last attempt to lock.
    obstacle: Cell<Option<Obstacle>>,
}

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

impl<R: Record, T: Runtime> Memtable<R, T> {
    /// The record of `key` as the transaction sees it: what it wrote itself, or what is there. That it is
    /// still so is checked when the transaction commits.
    ///
    /// # Errors
    /// [`WriteError::Persister`] where memory does not know the key and the persister failed;
    /// [`WriteError::NotOfEngine`].
    pub fn get_in(
        &self,
        tx: &mut Transaction<'_>,
        key: &R::Key,
    ) -> Result<Option<RecordRef<R>>, WriteError> {
        let changes = self.changes(tx)?;
        if let Some(staged) = changes.writes.get(key) {
            return Ok(staged.prepared.entry.clone().map(RecordRef));
        }
        let hash = user("hash", || self.shared.hash(key))?;
        let (found, older) = self.shared.find(key).map_err(WriteError::Persister)?;
        changes.reads.push(Seen {
            key: key.clone(),
            hash,
            found: found.clone(),
            older,
        });
        Ok(found)
    }

    /// Puts a record with the transaction, whether its key has one or not. Whether its unique keys are
    /// free is known at the commit.
    ///
    /// # Errors
    /// [`WriteError`] where it could not commit. What is known at the commit only is the cause of the
    /// transaction's [`CommitError::Aborted`].
    pub fn put_in(&self, tx: &mut Transaction<'_>, record: R) -> Result<(), WriteError> {
        self.stage_in(tx, record, Wanted::Any)
    }

    /// Inserts a record whose key has none with the transaction.
    ///
    /// # Errors
    /// [`WriteError::KeyExists`] where the transaction itself put one, and as for
    /// [`put_in`](Self::put_in).
    pub fn insert_in(&self, tx: &mut Transaction<'_>, record: R) -> Result<(), WriteError> {
        self.stage_in(tx, record, Wanted::Absent)
    }

    /// Puts a record in the place of the one that its key has with the transaction.
    ///
    /// # Errors
    /// [`WriteError::KeyNotFound`] where the transaction itself deleted it, and as for
    /// [`put_in`](Self::put_in).
    pub fn update_in(&self, tx: &mut Transaction<'_>, record: R) -> Result<(), WriteError> {
        self.stage_in(tx, record, Wanted::Present)
    }

    /// Deletes the record of `key` with the transaction, whether it has one or not.
    ///
    /// # Errors
    /// As for [`put_in`](Self::put_in).
    pub fn delete_in(&self, tx: &mut Transaction<'_>, key: &R::Key) -> Result<(), WriteError> {
        let changes = self.changes(tx)?;
        let prepared = changes.shared.prepare_delete(key)?;
        changes.stage(prepared, Wanted::Any)
    }

    fn stage_in(
        &self,
        tx: &mut Transaction<'_>,
        record: R,
        wanted: Wanted,
    ) -> Result<(), WriteError> {
        let changes = self.changes(tx)?;
        let prepared = changes.shared.prepare(record)?;
        changes.stage(prepared, wanted)
    }

    /// What the transaction does to this table.
    fn changes<'t>(
        &self,
        tx: &'t mut Transaction<'_>,
    ) -> Result<&'t mut TableChanges<R, T>, WriteError> {
        let other = || WriteError::NotOfEngine {
            table: self.shared.name.clone(),
        };
        let engine = self.shared.log.as_ref().and_then(|log| log.engine());
        if !engine.is_some_and(|engine| tx.is_of(engine)) {
            return Err(other());
        }
        // The transaction keeps the table, so that nothing else gets its address meanwhile.
        let id = Arc::as_ptr(&self.shared).addr();
        let make = || TableChanges {
            shared: Arc::clone(&self.shared),
            reads: Vec::new(),
            writes: BTreeMap::new(),
            obstacle: Cell::new(None),
        };
        tx.participant(id, make).ok_or_else(other)
    }
}

impl<R: Record, T: Runtime> TableChanges<R, T> {
    fn stage(&mut self, prepared: Prepared<R>, wanted: Wanted) -> Result<(), WriteError> {
        let before = self.writes.get(&prepared.key);
        let wanted = match before.map(|it| (it.prepared.entry.is_some(), it.wanted)) {
            Some((true, _)) if wanted == Wanted::Absent => return Err(WriteError::KeyExists),
            Some((false, _)) if wanted == Wanted::Present => return Err(WriteError::KeyNotFound),
            Some((_, first)) => first,
            None => wanted,
        };
        let staged = Staged {
            wanted,
            below: None,
            prepared,
        };
        self.writes.insert(staged.prepared.key.clone(), staged);
        Ok(())
    }

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

impl<R: Record> Staged<R> {
    /// What lies below memory, unless a generation was rotated or flushed since that was asked.
    fn below_of(&self, part: &Part<R>) -> Option<&Below<R>> {
        let below = self.below.as_ref();
        below.filter(|below| Arc::ptr_eq(&below.older, &part.older))
    }

    fn rule(&self) -> Rule<R> {
        match self.wanted {
            Wanted::Any => Rule::Any,
            Wanted::Absent => Rule::Absent,
            Wanted::Present => Rule::Present,
        }
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
