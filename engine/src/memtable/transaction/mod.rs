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

mod locked;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::entry::RecordRef;
use super::error::WriteError;
use super::generation::{Older, Part};
use super::prepare::{Prepared, user};
use super::record::Record;
use super::runtime::Runtime;
use super::table::{Memtable, Shared};
use super::unique::Below;
use super::write::{Obstacle, Rule};
use crate::engine::Transaction;

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
    /// transaction's [`CommitError::Aborted`](crate::engine::CommitError::Aborted).
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
