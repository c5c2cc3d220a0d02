//! A persister onto a keyspace of an engine.
//!
//! ```text
//! keyspace   `r` key ──► record, as it encodes itself
//! memory     (index, index key, key), ordered      derived: never logged, rebuilt by `open`
//! ```
//!
//! The index may name a record too many, and never one too few: keys are added before a record is
//! stored and removed after it was replaced. What it names is read and checked, so a write whose
//! outcome is unknown leaves at most an entry that is passed over.
//!
//! Nobody else may write to the keyspace meanwhile. For stores elsewhere there is
//! [`StorePersister`](crate::kv::StorePersister).

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Bound;

use parking_lot::RwLock;

use super::entry::RecordRef;
use super::key::IndexKey;
use super::persister::{Batch, PersistError, Persister};
use super::record::{IndexKeys, Record};
use crate::engine::{CommitError, Engine, KEY_BYTES_MAX, Keyspace, VALUE_BYTES_MAX};
use crate::wal::{AppendError, Mode};

/// What keys in the keyspace begin with, as an empty key is none there.
const RECORD: u8 = b'r';

/// How many bytes a transaction changes before another is begun.
const TRANSACTION_BYTES: usize = 1 << 20;

/// An index, a key in it, and the key in the keyspace of a record that has it.
type Named = (usize, Box<[u8]>, Box<[u8]>);

/// A key in the keyspace, and the record to put there.
type Change = (Vec<u8>, Option<Vec<u8>>);

/// Keeps records in a keyspace of an engine, to which nobody else may write meanwhile. Index entries are
/// kept in memory: they follow from the records and are never logged. For stores elsewhere there is
/// [`StorePersister`](crate::kv::StorePersister).
pub struct KeyspacePersister<R: Record> {
    engine: Engine,
    keyspace: Keyspace,
    index: RwLock<BTreeSet<Named>>,
    of: PhantomData<fn() -> R>,
}

impl<R: Record> fmt::Debug for KeyspacePersister<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyspacePersister")
            .field("keyspace", &self.keyspace.name())
            .finish_non_exhaustive()
    }
}

fn stored_key(key: &impl IndexKey) -> Vec<u8> {
    key.with_bytes(|bytes| [&[RECORD], bytes].concat())
}

/// The index entries of a record.
fn named<R: Record>(key: &[u8], record: &R) -> Vec<Named> {
    let mut keys = IndexKeys::default();
    record.index_keys(&mut keys);
    let keys = keys.iter();
    keys.map(|(index, bytes)| (index, bytes.into(), key.into()))
        .collect()
}

fn decode<R: Record>(key: &[u8], value: &[u8]) -> Result<R, PersistError> {
    R::decode(value).map_err(|bad| {
        let key = key.escape_ascii();
        PersistError::new(format!("the keyspace's value of `{key}` is {bad}"))
    })
}

impl<R: Record> KeyspacePersister<R> {
    /// A persister for the records of the keyspace called `name`, which is created where there is
    /// none. All records are read for their index keys.
    ///
    /// # Errors
    /// [`PersistError`] where the keyspace cannot be created, or holds something else.
    pub fn open(engine: &Engine, name: &str) -> Result<Self, PersistError> {
        let keyspace = engine.keyspace(name).map_err(PersistError::new)?;
        let mut index = Vec::new();
        for item in keyspace.scan() {
            let record: R = decode(item.key(), item.value())?;
            index.extend(named(item.key(), &record));
        }
        Ok(Self {
            engine: engine.clone(),
            keyspace,
            // Sorted and built at once, which is faster than one by one.
            index: RwLock::new(index.into_iter().collect()),
            of: PhantomData,
        })
    }

    fn read(&self, key: &[u8]) -> Result<Option<R>, PersistError> {
        let value = self.keyspace.get(key);
        value.map(|value| decode(key, &value)).transpose()
    }

    /// Makes changes whose new index keys are `added`, and makes them durable: the table lets go of
    /// its log once this has returned.
    fn change(&self, changes: &[Change], added: Vec<Named>) -> Result<(), PersistError> {
        let added: BTreeSet<_> = added.into_iter().collect();
        let mut removed = Vec::new();
        for (key, _) in changes {
            if let Some(before) = self.read(key)? {
                let before = named(key, &before);
                removed.extend(before.into_iter().filter(|named| !added.contains(named)));
            }
        }
        self.index.write().extend(added);
        let mut rest = changes;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |(key, value): &&Change| {
                bytes += key.len() + value.as_ref().map_or(0, Vec::len);
                bytes <= TRANSACTION_BYTES
            };
            let count = rest.iter().take_while(fits).count().max(1);
            let (now, later) = rest.split_at(count);
            self.commit(now).map_err(PersistError::new)?;
            rest = later;
        }
        let mut index = self.index.write();
        for named in &removed {
            index.remove(named);
        }
        drop(index);
        match self.engine.mode() {
            Mode::InMemory => Ok(()),
            Mode::Buffered { .. } | Mode::Strict => {
                self.engine.durable().map_err(PersistError::new)
            }
        }
    }

    /// Makes changes in one transaction, or in several where they do not fit a segment of the log.
    fn commit(&self, changes: &[Change]) -> Result<(), CommitError> {
        let done = self.engine.transaction(|tx| {
            for (key, value) in changes {
                match value {
                    Some(value) => tx.put(&self.keyspace, key, value)?,
                    None => tx.delete(&self.keyspace, key)?,
                }
            }
            Ok(())
        });
        match done {
            Err(CommitError::Append(AppendError::TooLarge { .. })) if changes.len() > 1 => {
                let (one, other) = changes.split_at(changes.len() / 2);
                self.commit(one)?;
                self.commit(other)
            }
            done => done.map(drop),
        }
    }
}

/// What puts records into the keyspace, and their index entries.
fn puts<R: Record>(records: &[RecordRef<R>]) -> (Vec<Change>, Vec<Named>) {
    let mut added = Vec::new();
    let changes = records.iter().map(|record| {
        let key = stored_key(record.key());
        added.extend(named::<R>(&key, record));
        let mut value = Vec::new();
        record.encode(&mut value);
        (key, Some(value))
    });
    let changes = changes.collect();
    (changes, added)
}

impl<R: Record> Persister<R> for KeyspacePersister<R> {
    fn check(&self, record: &R) -> Result<(), PersistError> {
        let (key, mut value) = (stored_key(&record.key()), Vec::new());
        record.encode(&mut value);
        let caps = [
            ("key", key.len(), KEY_BYTES_MAX),
            ("record", value.len(), VALUE_BYTES_MAX),
        ];
        match caps.into_iter().find(|(_, len, max)| len > max) {
            None => Ok(()),
            Some((what, len, max)) => Err(PersistError::new(format!(
                "the {what} has {len} bytes; a keyspace takes {max}"
            ))),
        }
    }

    fn persist(&self, records: &[RecordRef<R>]) -> Result<(), PersistError> {
        let (changes, added) = puts(records);
        self.change(&changes, added)
    }

    fn remove(&self, keys: &[R::Key]) -> Result<(), PersistError> {
        let changes: Vec<_> = keys.iter().map(|key| (stored_key(key), None)).collect();
        self.change(&changes, Vec::new())
    }

    fn apply(&self, batch: &Batch<R>) -> Result<(), PersistError> {
        let removed = batch.removed().iter().map(|key| (stored_key(key), None));
        let (puts, added) = puts(batch.records());
        let changes: Vec<_> = removed.chain(puts).collect();
        self.change(&changes, added)
    }

    fn get(&self, key: &R::Key) -> Result<Option<R>, PersistError> {
        self.read(&stored_key(key))
    }

    fn get_by_index(&self, index: usize, key: &[u8]) -> Result<Vec<R>, PersistError> {
        let first = (index, Box::from(key), Box::default());
        let keys: Vec<Box<[u8]>> = {
            let entries = self.index.read();
            let entries = entries.range(first..);
            let same = entries.take_while(|(of, bytes, _)| *of == index && **bytes == *key);
            same.map(|(_, _, key)| key.clone()).collect()
        };
        let has = |record: &R| {
            let mut keys = IndexKeys::default();
            record.index_keys(&mut keys);
            keys.iter().any(|named| named == (index, key))
        };
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            found.extend(self.read(&key)?.filter(has));
        }
        Ok(found)
    }

    fn scan(&self, after: Option<&R::Key>, limit: usize) -> Result<Vec<R>, PersistError> {
        let after = after.map_or(Bound::Unbounded, |key| Bound::Excluded(stored_key(key)));
        let items = self.keyspace.range((after, Bound::Unbounded)).take(limit);
        items.map(|item| decode(item.key(), item.value())).collect()
    }
}
