//! A persister over a map, which fails as it is told.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::Mutex;

use super::super::{IndexKeys, PersistError, Persister, Record, RecordRef};
use super::item::Item;

/// How the next calls that change something fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing is done.
    Refuse,
    /// Half of it is done.
    Partial,
    /// All of it is done, and the answer is lost.
    Late,
    /// Half of it is done, then it panics.
    Panic,
}

/// Survives the process, as a database does. Clones are handles to the same map.
#[derive(Debug, Clone, Default)]
pub(super) struct MapPersister(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    items: BTreeMap<u8, Item>,
    faults: Vec<Fault>,
    is_refusing: bool,
    is_unreadable: bool,
    calls: u64,
}

impl MapPersister {
    /// The next calls fail, the last of these first.
    pub(super) fn fail(&self, faults: &[Fault]) {
        self.0.lock().faults.extend(faults);
    }

    /// A database of its own, with the same items.
    pub(super) fn copy(&self) -> Self {
        let state = State {
            items: self.items(),
            ..State::default()
        };
        Self(Arc::new(Mutex::new(state)))
    }

    pub(super) fn heal(&self) {
        let mut state = self.0.lock();
        state.faults.clear();
        state.is_refusing = false;
        state.is_unreadable = false;
    }

    /// Changes are refused from now on, however often they are tried. A number of faults would be used
    /// up by a flushing thread that retries while the test is not running.
    pub(super) fn refuse(&self) {
        self.0.lock().is_refusing = true;
    }

    /// Reads fail from now on.
    pub(super) fn become_unreadable(&self) {
        self.0.lock().is_unreadable = true;
    }

    pub(super) fn items(&self) -> BTreeMap<u8, Item> {
        self.0.lock().items.clone()
    }

    pub(super) fn calls(&self) -> u64 {
        self.0.lock().calls
    }

    fn change<W>(
        &self,
        work: &[W],
        apply: impl Fn(&mut BTreeMap<u8, Item>, &W),
    ) -> Result<(), PersistError> {
        let mut state = self.0.lock();
        state.calls += 1;
        let standing = state.is_refusing.then_some(Fault::Refuse);
        let fault = standing.or_else(|| state.faults.pop());
        let count = match fault {
            Some(Fault::Refuse) => 0,
            Some(Fault::Partial | Fault::Panic) => work.len() / 2,
            Some(Fault::Late) | None => work.len(),
        };
        for item in &work[..count] {
            apply(&mut state.items, item);
        }
        drop(state);
        match fault {
            None => Ok(()),
            Some(Fault::Panic) => panic!("as told"),
            Some(fault) => Err(PersistError::new(format!("as told: {fault:?}"))),
        }
    }

    fn read<T>(&self, read: impl FnOnce(&BTreeMap<u8, Item>) -> T) -> Result<T, PersistError> {
        let state = self.0.lock();
        if state.is_unreadable {
            return Err(PersistError::new("unreadable, as told"));
        }
        Ok(read(&state.items))
    }
}

impl Persister<Item> for MapPersister {
    fn persist(&self, records: &[RecordRef<Item>]) -> Result<(), PersistError> {
        self.change(records, |items, record| {
            items.insert(record.id, Item::clone(record));
        })
    }

    fn remove(&self, keys: &[u8]) -> Result<(), PersistError> {
        self.change(keys, |items, key| {
            items.remove(key);
        })
    }

    fn get(&self, key: &u8) -> Result<Option<Item>, PersistError> {
        self.read(|items| items.get(key).cloned())
    }

    fn get_by_index(&self, index: usize, key: &[u8]) -> Result<Vec<Item>, PersistError> {
        self.read(|items| {
            let has = |item: &&Item| {
                let mut keys = IndexKeys::default();
                item.index_keys(&mut keys);
                keys.iter().any(|found| found == (index, key))
            };
            items.values().filter(has).cloned().collect()
        })
    }

    fn scan(&self, after: Option<&u8>, limit: usize) -> Result<Vec<Item>, PersistError> {
        let from = after.map_or(Bound::Unbounded, |key| Bound::Excluded(*key));
        self.read(|items| {
            let found = items.range((from, Bound::Unbounded)).take(limit);
            found.map(|(_, item)| item.clone()).collect()
        })
    }
}
