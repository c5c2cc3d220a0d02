//! Writes: a record and all its index keys change together, or nothing does.
//!
//! ```text
//! prepare   key, index keys, encoded bytes       the record's own code; no lock is held
//! lock      the key's part, then the index parts of the old and the new keys, by number
//! check     is there a record? is every unique key free?
//! log       one record
//! apply     slot and postings                    nothing in here can fail
//! ```
//!
//! Where memory cannot tell whether a key is taken, the locks are given back, the persister is asked,
//! and the answer is used if no generation was flushed meanwhile. Nobody waits behind a persister for
//! a lock.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::entry::{RecordRef, Slot};
use super::error::WriteError;
use super::generation::Older;
use super::log::{DELETE, PUT, VERSION};
use super::prepare::{Prepared, user};
use super::record::Record;
use super::runtime::{Runtime, SharedLock};
use super::table::{CLOSED, Memtable, Shared};
use super::unique::{Alone, Below};
use crate::frame;
use crate::wal::Lsn;

/// How often `update_with` tries.
const TRIES_MAX: u32 = 1000;

/// What must be true of a key before it is written.
pub(super) enum Rule<R: Record> {
    /// Nothing.
    Any,
    /// It has no record.
    Absent,
    /// It has one.
    Present,
    /// It has this one: the active generation's, or else what was read below it.
    Unchanged(RecordRef<R>, Option<Arc<Older<R>>>),
}

/// How an attempt ended.
enum Attempt {
    Done(Option<Lsn>),
    Obstacle(Obstacle),
    /// The record is not the one that it was, or there is nothing to delete.
    Nothing,
}

/// Why it cannot be told yet whether a key is free.
pub(super) enum Obstacle {
    /// It depends on what lies below memory.
    LookBelow,
    /// Somebody else has a lock.
    Again,
}

impl<R: Record, T: Runtime> Memtable<R, T> {
    /// Puts a record, whether its key has one or not.
    ///
    /// # Errors
    /// [`WriteError`]; nothing was changed, except with [`WriteError::Log`] after the log failed to
    /// make the change durable.
    pub fn put(&self, record: R) -> Result<(), WriteError> {
        let prepared = self.shared.prepare(record)?;
        self.shared.write(&prepared, &Rule::Any).map(drop)
    }

    /// Inserts a record whose key has none.
    ///
    /// # Errors
    /// [`WriteError::KeyExists`], and as for [`put`](Self::put).
    pub fn insert(&self, record: R) -> Result<(), WriteError> {
        let prepared = self.shared.prepare(record)?;
        self.shared.write(&prepared, &Rule::Absent).map(drop)
    }

    /// Puts a record in the place of the one that its key has.
    ///
    /// # Errors
    /// [`WriteError::KeyNotFound`], and as for [`put`](Self::put).
    pub fn update(&self, record: R) -> Result<(), WriteError> {
        let prepared = self.shared.prepare(record)?;
        self.shared.write(&prepared, &Rule::Present).map(drop)
    }

    /// Changes the record of `key` to what `change` makes of it, which is called again where others
    /// changed the record meanwhile.
    ///
    /// # Errors
    /// - [`WriteError::KeyNotFound`], and as for [`put`](Self::put).
    /// - [`WriteError::KeyChanged`]: the primary key must stay.
    /// - [`WriteError::Contended`]: others were faster a thousand times.
    pub fn update_with(
        &self,
        key: &R::Key,
        mut change: impl FnMut(&R) -> R,
    ) -> Result<(), WriteError> {
        for _ in 0..TRIES_MAX {
            let (found, older) = self.shared.find(key).map_err(WriteError::Persister)?;
            let found = found.ok_or(WriteError::KeyNotFound)?;
            let changed = user("update_with", || change(&found))?;
            let prepared = self.shared.prepare(changed)?;
            if prepared.key != *key {
                return Err(WriteError::KeyChanged);
            }
            let rule = Rule::Unchanged(found, older);
            if self.shared.write(&prepared, &rule)? {
                return Ok(());
            }
            self.shared.runtime.pause();
        }
        Err(WriteError::Contended { tries: TRIES_MAX })
    }

    /// Deletes the record of `key`. Answers whether there was one.
    ///
    /// # Errors
    /// As for [`put`](Self::put).
    pub fn delete(&self, key: &R::Key) -> Result<bool, WriteError> {
        let prepared = self.shared.prepare_delete(key)?;
        self.shared.write(&prepared, &Rule::Present)
    }
}

impl<R: Record, T: Runtime> Shared<R, T> {
    /// Makes a change. Answers `false` where the rule is [`Rule::Unchanged`] and it was, or where
    /// there is nothing to delete.
    fn write(&self, prepared: &Prepared<R>, rule: &Rule<R>) -> Result<bool, WriteError> {
        let mut below = None;
        loop {
            self.wait_for_room()?;
            match self.attempt(prepared, rule, below.as_ref())? {
                Attempt::Done(end) => {
                    if let (Some(log), Some(end)) = (&self.log, end) {
                        log.commit(end).map_err(WriteError::Log)?;
                    }
                    return Ok(true);
                }
                Attempt::Nothing => return Ok(false),
                Attempt::Obstacle(Obstacle::Again) => self.runtime.pause(),
                Attempt::Obstacle(Obstacle::LookBelow) => {
                    below = Some(self.look_below(prepared, rule)?);
                }
            }
        }
    }

    fn attempt(
        &self,
        prepared: &Prepared<R>,
        rule: &Rule<R>,
        below: Option<&Below<R>>,
    ) -> Result<Attempt, WriteError> {
        let number = self.part_of(prepared.hash);
        let mut part = self.parts[number].0.write();
        if self.gate.load(Ordering::Acquire) & CLOSED != 0 {
            return Err(WriteError::Closed);
        }
        let below = below.filter(|below| Arc::ptr_eq(&below.older, &part.older));
        let place = part.slots.place(prepared.hash, &prepared.key);
        let old = part.slots.at(place).and_then(Slot::live).cloned();
        let exists = match (part.slots.at(place), below) {
            (Some(slot), _) => slot.live().is_some(),
            (None, Some(below)) => below.exists,
            (None, None) if matches!(rule, Rule::Absent | Rule::Present) => {
                match part.older.find(number, prepared.hash, &prepared.key) {
                    Some(slot) => slot.live().is_some(),
                    None if self.falls_through => {
                        return Ok(Attempt::Obstacle(Obstacle::LookBelow));
                    }
                    None => false,
                }
            }
            (None, None) => false,
        };
        match rule {
            Rule::Absent if exists => return Err(WriteError::KeyExists),
            Rule::Present if !exists && prepared.entry.is_none() => return Ok(Attempt::Nothing),
            Rule::Present if !exists => return Err(WriteError::KeyNotFound),
            Rule::Any | Rule::Absent | Rule::Present => {}
            Rule::Unchanged(read, older) => {
                let is_same = match (part.slots.at(place), older) {
                    (Some(slot), None) => slot.live().is_some_and(|it| Arc::ptr_eq(it, &read.0)),
                    (None, Some(older)) => Arc::ptr_eq(older, &part.older),
                    _ => false,
                };
                if !is_same {
                    return Ok(Attempt::Nothing);
                }
            }
        }
        let mut guards = self.lock_indexes(old.as_deref(), prepared.entry.as_deref());
        if let Some(entry) = &prepared.entry {
            let alone = Alone {
                number,
                part: &part,
                key: &entry.key,
            };
            let obstacle = self.unique_keys_are_free(
                (&alone, &part),
                &guards,
                (entry, &prepared.keys),
                old.as_ref(),
                below,
            )?;
            if let Some(obstacle) = obstacle {
                return Ok(Attempt::Obstacle(obstacle));
            }
        }
        let end = self.append(prepared)?;
        // From here on nothing fails.
        let applied = self.apply(&mut part, &mut guards, (place, old.as_ref()), prepared);
        drop(guards);
        drop(part);
        if applied.is_counted && self.is_active_full() {
            self.relieve();
        }
        Ok(Attempt::Done(end))
    }

    fn append(&self, prepared: &Prepared<R>) -> Result<Option<Lsn>, WriteError> {
        let Some(log) = &self.log else {
            return Ok(None);
        };
        let kind = match prepared.entry {
            Some(_) => PUT,
            None => DELETE,
        };
        let record = frame::Record {
            kind,
            version: VERSION,
            payload: &prepared.payload,
        };
        log.append(record).map(Some).map_err(WriteError::Log)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::NoopPersister;
    use super::super::tests::{Item, by_hand};
    use super::*;

    #[test]
    fn a_write_that_passed_the_gate_before_the_close_is_refused() {
        let persister = NoopPersister::default();
        let table = Memtable::in_memory(persister.clone(), by_hand()).expect("opens");
        let shared = &table.shared;
        let prepared = shared.prepare(Item::new(1)).expect("nothing panics");
        shared.wait_for_room().expect("it is open");
        table.close(Duration::MAX).expect("closes");
        let done = shared.attempt(&prepared, &Rule::Any, None);
        assert!(matches!(done, Err(WriteError::Closed)));
        assert!(table.get(&1).expect("memory knows").is_none());
    }
}
