//! What happens one at a time: validate, number, append, apply.
//!
//! ```text
//! commit ──► lock ──► read set and ranges still hold? ──► LSN, log ──► keyspaces, views ──► unlock
//!                                      │ no                                              │
//!                                  Conflict                     wait for the disk, if the mode says so
//! ```
//!
//! Invariants:
//!
//! 1. The order of the log, of the versions and of the changes in memory is the same.
//! 2. What is validated holds at the moment at which the changes are made: committed transactions
//!    are as if they had run one after the other.
//! 3. Nobody waits for the disk under the lock, but where the log's buffer is full.
//! 4. Where a panic ends a change half-way, the engine stops; its log is whole.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::catalog::{self, HOLDER, KEYSPACE, KeyspaceType};
use super::error::{Changed, CommitError, Conflict};
use super::log::{Log, Prepared};
use super::observer::{Observers, Told};
use super::view::{Applied, Refused, View};
use crate::frame::{self, Kind, Record};
use crate::injected_bug::{Bug, injected};
use crate::map::{Bounds, Item, Map};
use crate::vfs::Monitor;
use crate::wal::{AppendError, Lsn};

/// The version of a key that is not there, as a transaction read it.
pub(super) const ABSENT: u64 = u64::MAX;

/// A keyspace, as the engine holds it.
#[derive(Debug)]
pub(super) struct Space {
    pub id: u32,
    pub name: String,
    pub kind: KeyspaceType,
    pub map: Map,
    /// Whether its creation committed.
    pub is_committed: AtomicBool,
    /// Who is told of changes to it.
    pub observers: Observers,
}

impl Space {
    pub(super) fn new(id: u32, name: &str, kind: KeyspaceType, map: Map) -> Arc<Self> {
        Arc::new(Self {
            id,
            name: name.to_owned(),
            kind,
            map,
            is_committed: AtomicBool::new(false),
            observers: Observers::default(),
        })
    }

    /// The version of `key` now.
    pub(super) fn version(&self, key: &[u8]) -> u64 {
        self.map.with(key, version_of)
    }
}

/// The version of an item as a transaction notes it.
pub(super) fn version_of(item: Option<&Item>) -> u64 {
    item.map_or(ABSENT, |item| item.version().0)
}

/// A lock of the sequencer, of whatever kind.
pub(super) trait Gate: Send + Sync {
    /// Runs `work` while nobody else is in.
    fn enter(&self, work: &mut dyn FnMut(&mut Sequencer));
}

/// The lock that a door gives.
pub(super) struct MonitorGate<M>(pub M);

impl<M: Monitor<Sequencer>> Gate for MonitorGate<M> {
    fn enter(&self, work: &mut dyn FnMut(&mut Sequencer)) {
        work(&mut self.0.lock());
    }
}

/// Whether the engine takes changes.
#[derive(Debug, Clone)]
pub(super) enum State {
    Open,
    Closed,
    Failed(String),
}

/// What the sequencer's lock protects.
pub(super) struct Sequencer {
    /// Absent in memory, and once closed.
    pub log: Option<Arc<dyn Log>>,
    pub state: State,
    /// The LSN of the next record.
    pub next: u64,
    pub by_id: BTreeMap<u32, Arc<Space>>,
    pub by_name: BTreeMap<String, Arc<Space>>,
    pub views: Vec<Arc<dyn View>>,
    /// From which LSN on each holder still needs the log.
    pub holders: BTreeMap<String, Lsn>,
}

/// What a transaction read, as it was then.
#[derive(Debug, Default)]
pub(super) struct ReadSet {
    pub keys: Vec<(Arc<Space>, Vec<u8>, u64)>,
    /// Ranges, and since which LSN nothing in them may have changed.
    pub ranges: Vec<(Arc<Space>, Bounds, u64)>,
}

impl ReadSet {
    /// Whether all of it is still so.
    pub(super) fn validate(&self) -> Result<(), Conflict> {
        if injected(Bug::SkipValidation) {
            return Ok(());
        }
        for (space, key, version) in &self.keys {
            if space.version(key) != *version {
                return Err(conflict(space, Changed::Key(key.clone())));
            }
        }
        if injected(Bug::SkipRanges) {
            return Ok(());
        }
        for (space, bounds, since) in &self.ranges {
            if space.map.has_changed(*since, bounds) {
                return Err(conflict(space, Changed::Range));
            }
        }
        Ok(())
    }
}

fn conflict(space: &Space, what: Changed) -> Conflict {
    Conflict {
        keyspace: space.name.clone(),
        what,
        attempts: 1,
    }
}

/// A record of a view.
pub(super) struct ViewRecord {
    pub kind: Kind,
    pub version: u8,
    pub payload: Vec<u8>,
}

/// The changes of a transaction, ready for the log.
pub(super) struct Changes {
    /// Absent in memory.
    pub prepared: Option<Prepared>,
    pub items: Vec<(Arc<Space>, Item)>,
    pub records: Vec<ViewRecord>,
}

/// Tells those who observe a keyspace of one change.
#[cold]
pub(super) fn tell_observers(space: &Space, item: Item) {
    let mut told = Told::default();
    told.add(space, &item);
    drop(item);
    told.send();
}

impl Sequencer {
    /// An error unless the engine takes changes.
    pub(super) fn check_open(&self) -> Result<(), CommitError> {
        match &self.state {
            State::Open => Ok(()),
            State::Closed => Err(CommitError::Closed),
            State::Failed(reason) => Err(CommitError::Failed {
                reason: reason.clone(),
            }),
        }
    }

    /// Gives out the LSNs of `count` records that `append` puts into the log.
    fn number(
        &mut self,
        count: u64,
        append: impl FnOnce(&dyn Log) -> Result<u64, AppendError>,
    ) -> Result<u64, CommitError> {
        let first = match &self.log {
            Some(log) => append(&**log)?,
            None => self.next,
        };
        self.next = first + count;
        Ok(first)
    }

    /// Makes one change to a keyspace: gives the key what `item` has, or takes it away where there
    /// is none.
    pub(super) fn write(
        &mut self,
        space: &Arc<Space>,
        record: Record<'_>,
        key: &[u8],
        item: Option<Item>,
    ) -> Result<Lsn, CommitError> {
        self.check_open()?;
        let lsn = Lsn(self.number(1, |log| Ok(log.append(record)?.first.0))?);
        if !injected(Bug::ApplyLate) {
            let changed = space.observers.is_any().then(|| item.clone());
            // Nothing here calls anybody else's code.
            space.map.apply_numbered(key, item, || lsn);
            if let Some(item) = changed {
                tell_observers(space, item.unwrap_or_else(|| Item::tombstone(lsn, key)));
            }
        }
        Ok(lsn)
    }

    /// Appends a record of a module that applies it itself, and answers with the LSN after it.
    pub(super) fn append(&mut self, record: Record<'_>) -> Result<Lsn, CommitError> {
        self.check_open()?;
        let first = self.number(1, |log| Ok(log.append(record)?.first.0))?;
        Ok(Lsn(first + 1))
    }

    /// Appends one record, whose checksum is computed, and tells its view. Answers with its LSN.
    pub(super) fn append_told(
        &mut self,
        frame: &frame::Prepared<'_>,
        record: Record<'_>,
    ) -> Result<Lsn, CommitError> {
        self.check_open()?;
        let lsn = Lsn(self.number(1, |log| Ok(log.append_frame(frame)?.first.0))?);
        self.state = State::Failed("a view panicked while it was told of a record".into());
        self.tell_of(lsn, record.kind, record.version, record.payload)?;
        self.state = State::Open;
        self.tell_committed();
        Ok(lsn)
    }

    /// Tells the view that a new record is for. Where it refuses, the engine stops.
    fn tell_of(
        &mut self,
        lsn: Lsn,
        kind: Kind,
        version: u8,
        payload: &[u8],
    ) -> Result<(), CommitError> {
        let applied = Applied {
            lsn,
            kind,
            version,
            payload,
            is_replay: false,
        };
        if let Some(Err(refused)) = self.tell(applied) {
            let reason = format!("record {lsn} cannot be applied: {refused}");
            self.state = State::Failed(reason.clone());
            return Err(CommitError::Failed { reason });
        }
        Ok(())
    }

    /// Tells all views that a commit is there as a whole.
    fn tell_committed(&self) {
        for view in &self.views {
            view.committed(Lsn(self.next));
        }
    }

    /// Commits a transaction: all of it, or nothing. Answers with the LSNs of its first record and
    /// after its last.
    pub(super) fn commit(
        &mut self,
        reads: &ReadSet,
        changes: &mut Changes,
    ) -> Result<(Lsn, Lsn), CommitError> {
        self.check_open()?;
        if !injected(Bug::ValidateEarly) {
            reads.validate()?;
        }
        let count = (changes.items.len() + changes.records.len()) as u64;
        if count == 0 {
            return Ok((Lsn(self.next), Lsn(self.next)));
        }
        let prepared = changes.prepared.as_ref();
        let first = self.number(count, |log| match prepared {
            Some(prepared) => Ok(log.append_all(prepared)?.first.0),
            None => Err(AppendError::Empty),
        })?;
        // A view's code may panic. Then the memory is not what the log says, and stays closed.
        self.state = State::Failed("a view panicked while it was told of a record".into());
        let mut lsn = first;
        let mut told = Told::default();
        for (space, item) in changes.items.drain(..) {
            item.set_version(Lsn(lsn));
            lsn += 1;
            told.add(&space, &item);
            self.apply(&space, item);
        }
        told.send();
        for record in &changes.records {
            self.tell_of(Lsn(lsn), record.kind, record.version, &record.payload)?;
            lsn += 1;
        }
        self.state = State::Open;
        if !changes.records.is_empty() {
            self.tell_committed();
        }
        Ok((Lsn(first), Lsn(lsn)))
    }

    /// Makes a change in memory, as the log says.
    pub(super) fn apply(&mut self, space: &Arc<Space>, item: Item) {
        if space.id == catalog::SYSTEM {
            self.apply_system(&item);
        }
        drop(space.map.apply(item));
    }

    /// Does what a change to the system's keyspace means.
    pub(super) fn apply_system(&mut self, item: &Item) {
        if let Some(name) = item.key().strip_prefix(HOLDER) {
            let name = String::from_utf8_lossy(name).into_owned();
            match catalog::read_holder(item) {
                Some(lsn) => drop(self.holders.insert(name, lsn)),
                None => drop(self.holders.remove(&name)),
            }
        } else if item.key().starts_with(KEYSPACE)
            && let Some((id, name, kind)) = catalog::read_keyspace(item)
        {
            let hashing = self.by_id[&catalog::SYSTEM].map.hashing();
            let space = self.by_id.entry(id);
            let space = space.or_insert_with(|| Space::new(id, &name, kind, Map::new(hashing)));
            space.is_committed.store(true, Ordering::Release);
            self.by_name.insert(name, Arc::clone(space));
        }
    }

    /// Tells the view that a record is for. `None` where there is none.
    pub(super) fn tell(&self, record: Applied<'_>) -> Option<Result<(), Refused>> {
        let mut views = self.views.iter();
        let view = views.find(|view| view.kinds().contains(&record.kind))?;
        Some(view.apply(record))
    }

    /// The least LSN that a holder still needs.
    pub(super) fn held(&self) -> Lsn {
        self.holders
            .values()
            .copied()
            .min()
            .unwrap_or(Lsn(u64::MAX))
    }
}
