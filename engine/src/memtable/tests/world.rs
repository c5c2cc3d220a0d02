//! A table, the model beside it, and operations on both. A difference is an answer and no panic, so
//! that tests of injected bugs can insist on one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::{
    ChangeLog, FlushError, IndexKeys, Memtable, Options, Os, Record, Retry, WriteError,
};
use super::item::{BY_COLOR, BY_EMAIL, BY_TAG, COLORS, EMAILS, IDS, Item, TAGS, email};
use super::map_persister::{Fault, MapPersister};
use crate::crash_test::{Checked, ensure};

pub(super) type Model = BTreeMap<u8, Item>;

/// Something that is done to a table. Made of four bytes, so that both random numbers and proptest
/// can make one, and proptest can shrink it.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    Put(Item),
    Insert(Item),
    Update(Item),
    Recolor(u8, u8),
    Delete(u8),
    Rotate,
    Flush,
    Fail(Fault),
    Heal,
}

impl Operation {
    pub(super) fn of([what, key, first, second]: [u8; 4]) -> Self {
        let id = key % IDS;
        let item = Item {
            id,
            email: Some(first % (EMAILS * 2)).filter(|email| *email < EMAILS),
            color: second % COLORS,
            tags: (0..TAGS)
                .filter(|tag| second >> (4 + tag) & 1 == 1)
                .collect(),
        };
        match what % 32 {
            0..=5 => Self::Put(item),
            6..=9 => Self::Insert(item),
            10..=13 => Self::Update(item),
            14..=16 => Self::Recolor(id, first % COLORS),
            17..=22 => Self::Delete(id),
            23..=25 => Self::Rotate,
            26..=28 => Self::Flush,
            29 => Self::Fail([Fault::Refuse, Fault::Partial, Fault::Late][first as usize % 3]),
            30 => Self::Fail([Fault::Partial, Fault::Panic][usize::from(first == 0)]),
            _ => Self::Heal,
        }
    }
}

/// Nobody but the test rotates and flushes.
pub(in crate::memtable) fn by_hand() -> Options {
    Options {
        threshold_records: 5,
        threshold_bytes: 1 << 20,
        immutables_max: 3,
        stall_timeout: Duration::ZERO,
        batch_records: 2,
        retry: Retry {
            attempts: 2,
            backoff: Duration::ZERO,
            backoff_max: Duration::ZERO,
            pause: Duration::ZERO,
        },
        is_background: false,
        shards: 4,
        ..Options::default()
    }
}

pub(super) struct World {
    pub(super) table: Memtable<Item>,
    pub(super) persister: MapPersister,
    pub(super) model: Model,
}

impl World {
    pub(super) fn in_memory(options: Options) -> Self {
        let persister = MapPersister::default();
        let table = Memtable::in_memory(persister.clone(), options).expect("options are right");
        Self {
            table,
            persister,
            model: Model::default(),
        }
    }

    /// In memory, over a persister that tells `map` what it is given.
    pub(super) fn with(persister: impl super::super::Persister<Item>, map: MapPersister) -> Self {
        let table = Memtable::in_memory(persister, by_hand()).expect("options are right");
        Self {
            table,
            persister: map,
            model: Model::default(),
        }
    }

    pub(super) fn over_log(
        log: Arc<dyn ChangeLog>,
        persister: MapPersister,
        options: Options,
    ) -> Result<Self, String> {
        let table = Memtable::open_with_runtime(
            Os::default(),
            "items",
            log,
            Arc::new(persister.clone()),
            options,
        );
        Ok(Self {
            table: table.map_err(|error| error.to_string())?,
            persister,
            model: Model::default(),
        })
    }

    /// Does something to both. Answers with what kept the table from doing it: a stall, or the log.
    pub(super) fn apply(&mut self, operation: &Operation) -> Result<Option<WriteError>, String> {
        match operation {
            Operation::Put(item) => {
                let expected = self.unique(item);
                self.wrote(operation, item, self.table.put(item.clone()), expected)
            }
            Operation::Insert(item) => {
                let expected = if self.model.contains_key(&item.id) {
                    Some("there already")
                } else {
                    self.unique(item)
                };
                self.wrote(operation, item, self.table.insert(item.clone()), expected)
            }
            Operation::Update(item) => {
                let expected = if self.model.contains_key(&item.id) {
                    self.unique(item)
                } else {
                    Some("no record")
                };
                self.wrote(operation, item, self.table.update(item.clone()), expected)
            }
            Operation::Recolor(id, color) => {
                let recolored = |item: &Item| Item {
                    color: *color,
                    ..item.clone()
                };
                let done = self.table.update_with(id, recolored);
                match self.model.get(id).map(recolored) {
                    Some(item) => self.wrote(operation, &item, done, None),
                    None => self.wrote(operation, &Item::new(*id), done, Some("no record")),
                }
            }
            Operation::Delete(id) => {
                let existed = match self.table.delete(id) {
                    Ok(existed) => existed,
                    Err(error) => return self.hindered(error).map(Some),
                };
                let expected = self.model.remove(id).is_some();
                ensure!(existed == expected, "{operation:?} says {existed}");
                Ok(None)
            }
            Operation::Rotate => {
                self.table.rotate();
                Ok(None)
            }
            Operation::Flush => {
                let calls = self.persister.calls();
                match self.table.flush(Duration::MAX) {
                    Ok(()) => {
                        ensure!(
                            self.persister.items() == self.model,
                            "flushed, and the persister has {:?}, not {:?}",
                            self.persister.items(),
                            self.model
                        );
                        Ok(None)
                    }
                    Err(FlushError::Failed { attempts, error }) => {
                        // The log may have failed before the persister was asked.
                        let tried = self.persister.calls() - calls;
                        let is_log = matches!(error, super::super::FlushFailure::Log(_));
                        ensure!(attempts == 2 && (tried >= 2 || is_log), "{tried} calls");
                        Ok(None)
                    }
                    Err(error) => Err(format!("flush: {error}")),
                }
            }
            Operation::Fail(fault) => {
                self.persister.fail(&[*fault]);
                Ok(None)
            }
            Operation::Heal => {
                self.persister.heal();
                Ok(None)
            }
        }
    }

    /// What a write of `item` must be refused for, as far as unique keys go.
    fn unique(&self, item: &Item) -> Option<&'static str> {
        let taken = |other: &Item| other.id != item.id && other.email == item.email;
        let is_taken = item.email.is_some() && self.model.values().any(taken);
        is_taken.then_some("unique index")
    }

    fn wrote(
        &mut self,
        operation: &Operation,
        item: &Item,
        done: Result<(), WriteError>,
        expected: Option<&str>,
    ) -> Result<Option<WriteError>, String> {
        match (done, expected) {
            (Ok(()), None) => {
                self.model.insert(item.id, item.clone());
                Ok(None)
            }
            (Ok(()), Some(expected)) => Err(format!("{operation:?} is not refused: {expected}")),
            (Err(error), Some(expected)) if error.to_string().contains(expected) => Ok(None),
            (Err(error), _) => self.hindered(error).map(Some),
        }
    }

    /// A stall or a failed log is no mistake; everything else is.
    fn hindered(&self, error: WriteError) -> Result<WriteError, String> {
        match error {
            WriteError::Stalled { immutables, .. } => {
                let max = self.table.shared.options.immutables_max;
                ensure!(immutables >= max, "stalled with {immutables}");
                Ok(error)
            }
            WriteError::Log(_) => Ok(error),
            error => Err(error.to_string()),
        }
    }

    /// Every way to read must say what the model says.
    pub(super) fn check(&self) -> Checked {
        let said = |error: &dyn std::fmt::Display| error.to_string();
        for id in 0..IDS {
            let found = self.table.get(&id).map_err(|error| said(&error))?;
            let found = found.map(|item| Item::clone(&item));
            ensure!(
                found.as_ref() == self.model.get(&id),
                "get {id}: {found:?}, not {:?}",
                self.model.get(&id)
            );
        }
        for number in 0..EMAILS {
            let found = self.table.get_unique(BY_EMAIL, &email(number));
            let found = found.map_err(|error| said(&error))?.map(|item| item.id);
            let expected = self.ids(BY_EMAIL, email(number).as_bytes());
            ensure!(
                found.iter().copied().collect::<Vec<_>>() == expected,
                "unique {number}: {found:?}, not {expected:?}"
            );
        }
        for (index, count) in [(BY_COLOR, COLORS), (BY_TAG, TAGS)] {
            for key in 0..count {
                let found = self.table.get_by_index(index, &key);
                let found = found.map_err(|error| said(&error))?;
                let mut found: Vec<_> = found.iter().map(|item| item.id).collect();
                found.sort_unstable();
                let expected = self.ids(index, &[key]);
                ensure!(
                    found == expected,
                    "index {index}, key {key}: {found:?}, not {expected:?}"
                );
            }
        }
        let all: Result<Vec<_>, _> = self.table.scan().collect();
        let all = all.map_err(|error| said(&error))?;
        ensure!(
            all.iter().map(|item| &**item).eq(self.model.values()),
            "in order: {all:?}, not {:?}",
            self.model
        );
        for (start, end) in [(2, 9), (5, 5), (0, IDS)] {
            let found: Result<Vec<_>, _> = self.table.range(start..end).collect();
            let found = found.map_err(|error| said(&error))?;
            let expected = self.model.range(start..end).map(|(_, item)| item);
            ensure!(
                found.iter().map(|item| &**item).eq(expected),
                "from {start} to {end}: {found:?}"
            );
        }
        Ok(())
    }

    fn ids(&self, index: usize, key: &[u8]) -> Vec<u8> {
        let has = |item: &&Item| {
            let mut keys = IndexKeys::default();
            item.index_keys(&mut keys);
            keys.iter().any(|found| found == (index, key))
        };
        let found = self.model.values().filter(has);
        found.map(|item| item.id).collect()
    }
}
