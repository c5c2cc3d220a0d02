//! A transaction: reads that are remembered, writes that wait, and one commit.
//!
//! ```text
//! get, scan ──► read set (key, version), ranges (bounds, LSN of the view)
//! put, delete ──► writes, seen by the transaction's own reads
//! commit ──► nothing that was read has changed? ──► one log transaction
//! ```
//!
//! Concurrency control is optimistic: nobody waits for another's transaction, and of two that are in
//! each other's way the later commit fails with a [`Conflict`](super::Conflict). A body may see one
//! key from before and another from after somebody else's commit; it then fails at its own, so what
//! it returns is to be used only once the transaction has committed.

use std::any::Any;
use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::catalog::{self, KeyspaceType};
use super::error::CommitError;
use super::keyspace::{Keyspace, owned};
use super::participant::{Addition, Participant, together};
use super::records::Builder;
use super::sequencer::{Changes, ReadSet, Space, ViewRecord, version_of};
use super::shared::{check_key, check_value};
use super::{Engine, Inner, KEYSPACE_NAME_MAX, change};
use crate::frame::{Kind, PAYLOAD_BYTES_MAX, Record};
use crate::injected_bug::{Bug, injected};
use crate::map::{Bounds, Item, Map, MapView, Scan, Value, prefix_bounds};
use crate::wal::{AppendError, Lsn, Mode};

/// What a transaction that committed gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed<T> {
    /// What the body answered.
    pub value: T,
    /// The LSN of its first record. The keys that it wrote have their versions from here on, below
    /// `end`. Where it wrote nothing, both are the state that it saw.
    pub first: Lsn,
    /// The LSN after its last record; what to wait for with
    /// [`Engine::wait_durable`](super::Engine::wait_durable).
    pub end: Lsn,
}

/// A transaction that is being made; see the [module](self).
pub struct Transaction<'e> {
    inner: &'e Arc<Inner>,
    reads: ReadSet,
    writes: BTreeMap<(u32, Vec<u8>), Write>,
    spaces: BTreeMap<u32, Arc<Space>>,
    views: BTreeMap<u32, (MapView, u64)>,
    records: Vec<ViewRecord>,
    created: BTreeMap<String, Arc<Space>>,
    /// By id: their locks are taken in this order.
    participants: BTreeMap<usize, Box<dyn Participant>>,
    now_us: u64,
}

/// What a key is to be.
struct Write {
    /// Absent where the key goes.
    value: Option<Vec<u8>>,
    expires_us: u64,
}

impl Write {
    fn item(&self, key: &[u8]) -> Item {
        let Some(value) = &self.value else {
            return Item::tombstone(Lsn(u64::MAX), key);
        };
        let key_len = u32::try_from(key.len()).unwrap_or(u32::MAX);
        let bytes = [key, value].concat();
        Item::new(Lsn(u64::MAX), self.expires_us, key_len, &bytes)
    }
}

impl<'e> Transaction<'e> {
    pub(super) fn new(inner: &'e Arc<Inner>) -> Self {
        Self {
            inner,
            reads: ReadSet::default(),
            writes: BTreeMap::new(),
            spaces: BTreeMap::new(),
            views: BTreeMap::new(),
            records: Vec::new(),
            created: BTreeMap::new(),
            participants: BTreeMap::new(),
            now_us: inner.shared.now_us(),
        }
    }

    /// The time of the transaction, by which its reads tell what has expired: microseconds since the
    /// Unix epoch.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.now_us
    }

    /// The keyspace `name` of keys and values, which is created with the transaction where there is
    /// none.
    ///
    /// # Errors
    /// [`CommitError::WrongType`] where it holds something else, [`CommitError::KeyspaceName`]
    /// where nothing can be named so.
    pub fn keyspace(&mut self, name: &str) -> Result<Keyspace, CommitError> {
        self.keyspace_of(name, KeyspaceType::Values)
    }

    /// As [`keyspace`](Self::keyspace), of any type.
    ///
    /// # Errors
    /// As for [`keyspace`](Self::keyspace).
    pub fn keyspace_of(&mut self, name: &str, kind: KeyspaceType) -> Result<Keyspace, CommitError> {
        let shared = &self.inner.shared;
        let existing = self.created.get(name).cloned();
        let existing = existing.or_else(|| shared.sequence(|it| it.by_name.get(name).cloned()));
        if let Some(space) = existing {
            return self.handle(space, kind);
        }
        if name.is_empty() || name.len() > KEYSPACE_NAME_MAX {
            let name = name.to_owned();
            return Err(CommitError::KeyspaceName { name });
        }
        let id = shared.next_keyspace.fetch_add(1, Ordering::Relaxed);
        let system = self.system();
        let space = Space::new(id, name, kind, Map::new(system.map.hashing()));
        let (key, value) = catalog::keyspace(id, name, kind);
        // Of two transactions that create the same name, one wins.
        self.note(&system, &key, None);
        self.write(&system, key, Some(value), 0);
        self.created.insert(name.to_owned(), Arc::clone(&space));
        self.handle(space, kind)
    }

    fn handle(&self, space: Arc<Space>, wanted: KeyspaceType) -> Result<Keyspace, CommitError> {
        if space.kind != wanted {
            return Err(CommitError::WrongType {
                name: space.name.clone(),
                found: space.kind,
                wanted,
            });
        }
        Ok(Keyspace {
            space,
            inner: Arc::clone(self.inner),
        })
    }

    fn system(&self) -> Arc<Space> {
        Arc::clone(&self.inner.system)
    }

    /// An error where the handle is of another engine.
    fn check(&self, keyspace: &Keyspace) -> Result<(), CommitError> {
        let space = &keyspace.space;
        let is_ours = Arc::ptr_eq(&keyspace.inner.shared, &self.inner.shared);
        let is_created = self
            .created
            .get(&space.name)
            .is_some_and(|it| Arc::ptr_eq(it, space));
        if is_ours && (is_created || space.is_committed.load(Ordering::Acquire)) {
            return Ok(());
        }
        let name = space.name.clone();
        Err(CommitError::NoKeyspace { name })
    }

    fn note(&mut self, space: &Arc<Space>, key: &[u8], item: Option<&Item>) {
        let version = version_of(item);
        self.reads
            .keys
            .push((Arc::clone(space), key.to_vec(), version));
    }

    /// The value of `key`: what this transaction gave it, or what is committed. That it has not
    /// changed is checked when the transaction commits.
    ///
    /// Of a keyspace of another engine it is `None`, and the commit fails.
    #[must_use]
    pub fn get(&mut self, keyspace: &Keyspace, key: &[u8]) -> Option<Value> {
        self.item(keyspace, key).map(Value::new)
    }

    fn item(&mut self, keyspace: &Keyspace, key: &[u8]) -> Option<Item> {
        let space = &keyspace.space;
        let own = self.writes.get(&(space.id, key.to_vec()));
        if let Some(write) = own {
            let item = write.item(key);
            return item.is_live(self.now_us).then_some(item);
        }
        let item = space.map.get(key);
        self.note(space, key, item.as_ref());
        item.filter(|item| item.is_live(self.now_us))
    }

    /// Whether `key` has a value; otherwise as [`get`](Self::get).
    #[must_use]
    pub fn contains(&mut self, keyspace: &Keyspace, key: &[u8]) -> bool {
        self.item(keyspace, key).is_some()
    }

    /// Gives `key` a value.
    ///
    /// # Errors
    /// [`CommitError`] where key, value or keyspace are not such that it could commit.
    pub fn put(
        &mut self,
        keyspace: &Keyspace,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), CommitError> {
        self.put_until(keyspace, key, value, 0)
    }

    /// As [`put`](Self::put); the value is gone from `expires_us` on, in microseconds since the Unix
    /// epoch. 0 means never.
    ///
    /// # Errors
    /// As for [`put`](Self::put).
    pub fn put_until(
        &mut self,
        keyspace: &Keyspace,
        key: &[u8],
        value: &[u8],
        expires_us: u64,
    ) -> Result<(), CommitError> {
        check_key(key)?;
        check_value(value)?;
        self.check(keyspace)?;
        self.write(
            &keyspace.space,
            key.to_vec(),
            Some(value.to_vec()),
            expires_us,
        );
        Ok(())
    }

    /// Takes `key` away, whether it is there or not.
    ///
    /// # Errors
    /// As for [`put`](Self::put).
    pub fn delete(&mut self, keyspace: &Keyspace, key: &[u8]) -> Result<(), CommitError> {
        check_key(key)?;
        self.check(keyspace)?;
        self.write(&keyspace.space, key.to_vec(), None, 0);
        Ok(())
    }

    fn write(&mut self, space: &Arc<Space>, key: Vec<u8>, value: Option<Vec<u8>>, expires_us: u64) {
        self.spaces
            .entry(space.id)
            .or_insert_with(|| Arc::clone(space));
        let write = Write { value, expires_us };
        self.writes.insert((space.id, key), write);
    }

    /// All pairs, in key order, from either end, with what this transaction wrote so far. That the
    /// keyspace has not changed is checked when the transaction commits.
    ///
    /// All scans of a transaction see a keyspace as it was at the first of them.
    #[must_use]
    pub fn scan(&mut self, keyspace: &Keyspace) -> Scan {
        self.scan_bounds(keyspace, (Bound::Unbounded, Bound::Unbounded))
    }

    /// The pairs whose keys begin with `prefix`; otherwise as [`scan`](Self::scan), and nothing
    /// beyond the prefix is checked.
    #[must_use]
    pub fn prefix(&mut self, keyspace: &Keyspace, prefix: &[u8]) -> Scan {
        self.scan_bounds(keyspace, prefix_bounds(prefix))
    }

    /// The pairs whose keys are in `range`; otherwise as [`scan`](Self::scan), and nothing beyond the
    /// range is checked, but all of it, however far the scan goes.
    #[must_use]
    pub fn range<K: AsRef<[u8]>>(
        &mut self,
        keyspace: &Keyspace,
        range: impl RangeBounds<K>,
    ) -> Scan {
        self.scan_bounds(keyspace, owned(&range))
    }

    fn scan_bounds(&mut self, keyspace: &Keyspace, bounds: Bounds) -> Scan {
        let space = &keyspace.space;
        let (view, since) = self.views.entry(space.id).or_insert_with(|| {
            let taken = |next| (space.map.view(next), next);
            self.inner.shared.sequence(|it| taken(it.next))
        });
        let own = self.writes.range((space.id, Vec::new())..);
        let own = own.take_while(|((id, _), _)| *id == space.id);
        let own = own.map(|((_, key), write)| write.item(key)).collect();
        let scan = view.scan_with(own, &bounds, self.now_us);
        self.reads.ranges.push((Arc::clone(space), bounds, *since));
        scan
    }

    /// Adds a record of a view's type to the transaction, after its changes to keyspaces. The view is
    /// told of it when the transaction commits.
    ///
    /// # Errors
    /// [`CommitError::NoView`] where no view has the type, [`CommitError::Append`] where the payload
    /// is above [`PAYLOAD_BYTES_MAX`].
    pub fn record(&mut self, kind: Kind, version: u8, payload: &[u8]) -> Result<(), CommitError> {
        let is_known = self.inner.kinds.iter().any(|kinds| kinds.contains(&kind));
        if !is_known || !kind.is_known() {
            return Err(CommitError::NoView { kind: kind.0 });
        }
        if payload.len() > PAYLOAD_BYTES_MAX {
            let (size, max) = (payload.len(), PAYLOAD_BYTES_MAX);
            return Err(AppendError::TooLarge { size, max }.into());
        }
        let payload = payload.to_vec();
        self.records.push(ViewRecord {
            kind,
            version,
            payload,
        });
        Ok(())
    }

    /// Whether this is a transaction of `engine`.
    pub(crate) fn is_of(&self, engine: &Engine) -> bool {
        Arc::ptr_eq(&self.inner.shared, &engine.inner.shared)
    }

    /// The participant with this id, which is made where there is none yet. All that ever have the id
    /// have one type.
    pub(crate) fn participant<P: Participant>(
        &mut self,
        id: usize,
        make: impl FnOnce() -> P,
    ) -> Option<&mut P> {
        let boxed = || Box::new(make()) as Box<dyn Participant>;
        let participant = self.participants.entry(id).or_insert_with(boxed);
        let participant: &mut dyn Any = &mut **participant;
        participant.downcast_mut()
    }

    /// Says under a name that the log is needed from `lsn` on, from this commit on and until it is
    /// said again or [released](Self::release). Checkpoints let go of nothing above.
    ///
    /// # Errors
    /// [`CommitError`] where the name is empty or too long.
    pub fn hold(&mut self, name: &str, lsn: Lsn) -> Result<(), CommitError> {
        let key = [catalog::HOLDER, name.as_bytes()].concat();
        check_key(name.as_bytes()).and_then(|()| check_key(&key))?;
        let system = self.system();
        self.write(&system, key, Some(lsn.0.to_le_bytes().to_vec()), 0);
        Ok(())
    }

    /// As [`hold`](Self::hold), of a holder that reads the log only when somebody asks it to, because
    /// its view is saved. Opening then does not verify the log below the newest snapshot; damage there
    /// is an error of whoever reads it.
    ///
    /// # Errors
    /// As for [`hold`](Self::hold).
    pub fn hold_lazily(&mut self, name: &str, lsn: Lsn) -> Result<(), CommitError> {
        let key = [catalog::HOLDER, name.as_bytes()].concat();
        check_key(name.as_bytes()).and_then(|()| check_key(&key))?;
        let system = self.system();
        let value = [&lsn.0.to_le_bytes()[..], &[catalog::LAZY]].concat();
        self.write(&system, key, Some(value), 0);
        Ok(())
    }

    /// Says that the holder of this name needs the log no longer.
    pub fn release(&mut self, name: &str) {
        let key = [catalog::HOLDER, name.as_bytes()].concat();
        let system = self.system();
        self.write(&system, key, None, 0);
    }

    /// Commits: all of it or nothing, as safely as the mode promises.
    pub(super) fn commit(self) -> Result<(Lsn, Lsn), CommitError> {
        let inner = self.inner;
        let (first, end) = self.accept()?;
        if end > first {
            inner.shared.promise(end)?;
        }
        Ok((first, end))
    }

    /// Commits, and waits for nobody.
    pub(super) fn accept(mut self) -> Result<(Lsn, Lsn), CommitError> {
        let mut participants: Vec<_> = std::mem::take(&mut self.participants)
            .into_values()
            .collect();
        // In memory nothing is logged, and views are told by themselves.
        let is_logged = self.inner.shared.mode != Mode::InMemory;
        let logged = participants.iter_mut().filter(|_| is_logged);
        let additions = logged.flat_map(|it| it.additions());
        for Addition {
            kind,
            version,
            payload,
        } in additions
        {
            self.record(kind, version, &payload)?;
        }
        let Self {
            inner,
            reads,
            writes,
            spaces,
            records,
            created,
            ..
        } = self;
        let shared = &inner.shared;
        let in_memory = shared.mode == Mode::InMemory;
        let mut items = Vec::with_capacity(writes.len());
        let mut log = Builder::default();
        let mut payload = Vec::new();
        for ((id, key), write) in writes {
            if !in_memory {
                payload.clear();
                let kind = if let Some(value) = &write.value {
                    change::put(&mut payload, id, write.expires_us, &key, value);
                    Kind::KV_PUT
                } else {
                    change::delete(&mut payload, id, &key);
                    Kind::KV_DELETE
                };
                log.push(change::record(kind, &payload))?;
            }
            items.push((Arc::clone(&spaces[&id]), write.item(&key)));
        }
        if !in_memory {
            for record in &records {
                log.push(Record {
                    kind: record.kind,
                    version: record.version,
                    payload: &record.payload,
                })?;
            }
        }
        let mut changes = Changes {
            prepared: (!in_memory).then(|| log.finish()),
            items,
            records,
        };
        if injected(Bug::ValidateEarly) {
            reads.validate()?;
        }
        let sequenced = || {
            shared.sequence(|sequencer| {
                // The handles that the body was given become the keyspaces.
                let committed = sequencer.check_open().and_then(|()| {
                    for space in created.values() {
                        sequencer.by_id.insert(space.id, Arc::clone(space));
                    }
                    sequencer.commit(&reads, &mut changes)
                });
                if committed.is_err() {
                    for space in created.values() {
                        if !space.is_committed.load(Ordering::Acquire) {
                            sequencer.by_id.remove(&space.id);
                        }
                    }
                }
                committed
            })
        };
        let (first, end) = together(&mut participants, sequenced)?;
        if end > first {
            for space in spaces.values() {
                space.observers.settle();
            }
        }
        Ok((first, end))
    }
}
