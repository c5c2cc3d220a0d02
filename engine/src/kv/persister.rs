//! A memtable's persister in any key-value store, so that a table flushes to SQLite or Redis.
//!
//! ```text
//! {table} r {primary key}                             the record: its index keys, its bytes
//! {table} i {index u16} {len u32} {index key} {primary key}     nothing: the key says all
//! ```
//!
//! `{table}` is the table's name after its length, so that tables of one store never meet.
//!
//! Invariants:
//!
//! 1. A record and its entries in indexes change in one batch of the store.
//! 2. A record carries its index keys, so replacing it removes exactly its own entries, even where
//!    its type can no longer read it.
//! 3. A flush that is repeated, whole or in part, comes to the same.
//!
//! Not for two tables, or two programs, under one name: a table is flushed by one thread.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};

use super::batch::{Batch, Write};
use super::contract::KeyValueStore;
use super::error::KvError;
use super::limits::{BATCH_BYTES_MAX, BATCH_ITEMS_MAX, PAGE_ENTRIES_MAX, check_key, check_pair};
use crate::memtable::{
    Batch as Flush, IndexKey, IndexKeys, PersistError, Persister, Record, RecordRef,
};

/// How many records are read at once for what they leave in indexes.
const READ_AT_ONCE: usize = 1000;

/// What a stored record is: its index keys, and the bytes of the record.
struct Stored {
    index_keys: Vec<(u16, Bytes)>,
    record: Bytes,
}

/// What is stored under a table's name is not a record.
#[derive(Debug, thiserror::Error)]
#[error("what the store has for a record of `{table}` is none: {reason}")]
struct NotARecord {
    table: String,
    reason: &'static str,
}

/// Keeps a table's records in a store. Clones share it.
///
/// Primary key and index key of a record, with the table's name, have to fit a key of the store: 4,096
/// bytes with 8 of overhead. Its bytes have to fit a value.
#[derive(Debug, Clone)]
pub struct StorePersister {
    store: Arc<dyn KeyValueStore>,
    table: String,
    records: Vec<u8>,
    entries: Vec<u8>,
}

fn failed(error: KvError) -> PersistError {
    PersistError::new(error)
}

/// Bytes of a key.
fn bytes_of(key: &impl IndexKey) -> Vec<u8> {
    key.with_bytes(<[u8]>::to_vec)
}

impl StorePersister {
    /// A persister under a table's name, which has 1 to 255 bytes; longer ones are cut.
    #[must_use]
    pub fn new(store: Arc<dyn KeyValueStore>, table: &str) -> Self {
        let name = &table.as_bytes()[..table.len().min(255)];
        let prefix = |kind: u8| {
            let len = u8::try_from(name.len()).unwrap_or(u8::MAX);
            [&[len][..], name, &[kind]].concat()
        };
        Self {
            store,
            table: table.to_owned(),
            records: prefix(b'r'),
            entries: prefix(b'i'),
        }
    }

    fn record_key(&self, key: &[u8]) -> Vec<u8> {
        [&self.records[..], key].concat()
    }

    /// What the entries of an index key begin with.
    fn entry_prefix(&self, index: u16, key: &[u8]) -> Vec<u8> {
        let mut prefix = self.entries.clone();
        prefix.put_u16(index);
        prefix.put_u32(u32::try_from(key.len()).unwrap_or(u32::MAX));
        prefix.extend_from_slice(key);
        prefix
    }

    fn bad(&self, reason: &'static str) -> PersistError {
        PersistError::new(NotARecord {
            table: self.table.clone(),
            reason,
        })
    }

    fn read_stored(&self, mut value: Bytes) -> Result<Stored, PersistError> {
        let mut read = || -> Option<Stored> {
            let count = value.try_get_u16().ok()?;
            let mut index_keys = Vec::new();
            for _ in 0..count {
                let index = value.try_get_u16().ok()?;
                let len = usize::try_from(value.try_get_u32().ok()?).ok()?;
                if len > value.len() {
                    return None;
                }
                index_keys.push((index, value.split_to(len)));
            }
            let record = value.split_off(0);
            Some(Stored { index_keys, record })
        };
        read().ok_or_else(|| self.bad("its index keys cannot be read"))
    }

    fn decode<R: Record>(&self, stored: &Stored) -> Result<R, PersistError> {
        R::decode(&stored.record).map_err(|error| self.bad(error.0))
    }

    /// Adds what replaces a record, or removes it, to `batch`.
    fn change(
        &self,
        batch: &mut Vec<Write>,
        key: &[u8],
        before: Option<Stored>,
        after: Option<Vec<u8>>,
        index_keys: &[(u16, Bytes)],
    ) {
        let entry = |(index, index_key): &(u16, Bytes)| -> Bytes {
            [&self.entry_prefix(*index, index_key)[..], key]
                .concat()
                .into()
        };
        let before = before.map(|it| it.index_keys).unwrap_or_default();
        for stale in before.iter().filter(|it| !index_keys.contains(it)) {
            batch.push(Write::Delete { key: entry(stale) });
        }
        for fresh in index_keys.iter().filter(|it| !before.contains(it)) {
            batch.push(Write::Put {
                key: entry(fresh),
                value: Bytes::new(),
                ttl: None,
            });
        }
        let key = self.record_key(key).into();
        batch.push(match after {
            Some(value) => Write::Put {
                key,
                value: value.into(),
                ttl: None,
            },
            None => Write::Delete { key },
        });
    }

    /// Makes changes, each whole, in as few batches as they fit.
    fn apply_all<R: Record>(
        &self,
        changes: &BTreeMap<Vec<u8>, Option<&RecordRef<R>>>,
    ) -> Result<(), PersistError> {
        let mut batch = Batch::default();
        let (mut items, mut bytes) = (0, 0);
        let changes: Vec<_> = changes.iter().collect();
        for changes in changes.chunks(READ_AT_ONCE) {
            let keys: Vec<_> = changes
                .iter()
                .map(|(key, _)| self.record_key(key))
                .collect();
            let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            let found = self.store.get_many(&keys).map_err(failed)?;
            for ((key, record), before) in changes.iter().zip(found) {
                let before = before.map(|it| self.read_stored(it)).transpose()?;
                let index_keys = record.map_or_else(Vec::new, |it| index_keys(&**it));
                let after = record.map(|it| encode(&**it, &index_keys));
                let mut change = Vec::new();
                self.change(&mut change, key, before, after, &index_keys);
                let size = |it: &Write| match it {
                    Write::Put { key, value, .. } => key.len() + value.len(),
                    Write::Delete { key } => key.len(),
                };
                let added: usize = change.iter().map(size).sum();
                let is_full =
                    items + change.len() > BATCH_ITEMS_MAX || bytes + added > BATCH_BYTES_MAX;
                if is_full && items > 0 {
                    self.store.write(&batch).map_err(failed)?;
                    batch = Batch::default();
                    (items, bytes) = (0, 0);
                }
                items += change.len();
                bytes += added;
                for write in change {
                    batch.push(write);
                }
            }
        }
        if items > 0 {
            self.store.write(&batch).map_err(failed)?;
        }
        // The table lets go of its log once this has returned.
        self.store.flush().map_err(failed)
    }
}

/// The keys that a record has in indexes.
fn index_keys<R: Record>(record: &R) -> Vec<(u16, Bytes)> {
    let mut keys = IndexKeys::default();
    record.index_keys(&mut keys);
    let own = |(index, key): (usize, &[u8])| {
        (
            u16::try_from(index).unwrap_or(u16::MAX),
            Bytes::copy_from_slice(key),
        )
    };
    keys.iter().map(own).collect()
}

fn encode<R: Record>(record: &R, index_keys: &[(u16, Bytes)]) -> Vec<u8> {
    let mut value = Vec::new();
    value.put_u16(u16::try_from(index_keys.len()).unwrap_or(u16::MAX));
    for (index, key) in index_keys {
        value.put_u16(*index);
        value.put_u32(u32::try_from(key.len()).unwrap_or(u32::MAX));
        value.extend_from_slice(key);
    }
    record.encode(&mut value);
    value
}

impl<R: Record> Persister<R> for StorePersister {
    fn check(&self, record: &R) -> Result<(), PersistError> {
        let (key, index_keys) = (bytes_of(&record.key()), index_keys(record));
        let value = encode(record, &index_keys);
        check_pair(&self.record_key(&key), &value).map_err(failed)?;
        index_keys.iter().try_for_each(|(index, index_key)| {
            let entry = [&self.entry_prefix(*index, index_key)[..], &key].concat();
            check_key(&entry).map_err(failed)
        })
    }

    fn persist(&self, records: &[RecordRef<R>]) -> Result<(), PersistError> {
        let changes = records.iter().map(|it| (bytes_of(it.key()), Some(it)));
        self.apply_all(&changes.collect())
    }

    fn remove(&self, keys: &[R::Key]) -> Result<(), PersistError> {
        let changes = keys
            .iter()
            .map(|key| (bytes_of(key), None::<&RecordRef<R>>));
        self.apply_all(&changes.collect())
    }

    fn apply(&self, batch: &Flush<R>) -> Result<(), PersistError> {
        let removed = batch.removed().iter().map(|key| (bytes_of(key), None));
        let records = batch.records().iter();
        let records = records.map(|it| (bytes_of(it.key()), Some(it)));
        self.apply_all(&removed.chain(records).collect())
    }

    fn get(&self, key: &R::Key) -> Result<Option<R>, PersistError> {
        let key = self.record_key(&bytes_of(key));
        let Some(value) = self.store.get(&key).map_err(failed)? else {
            return Ok(None);
        };
        self.decode(&self.read_stored(value)?).map(Some)
    }

    fn get_by_index(&self, index: usize, key: &[u8]) -> Result<Vec<R>, PersistError> {
        let index = u16::try_from(index).unwrap_or(u16::MAX);
        let prefix = self.entry_prefix(index, key);
        let mut records = Vec::new();
        let mut after: Option<Bytes> = None;
        loop {
            let page = self.store.list(&prefix, after.as_deref(), READ_AT_ONCE);
            let page = page.map_err(failed)?;
            let keys = page.entries.iter().map(|(entry, _)| &entry[prefix.len()..]);
            let keys: Vec<_> = keys.map(|key| self.record_key(key)).collect();
            let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            for value in self
                .store
                .get_many(&keys)
                .map_err(failed)?
                .into_iter()
                .flatten()
            {
                let stored = self.read_stored(value)?;
                // It may have got other keys between the two reads.
                let is_still = |it: &(u16, Bytes)| it.0 == index && it.1 == key;
                if stored.index_keys.iter().any(is_still) {
                    records.push(self.decode(&stored)?);
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(records);
            }
        }
    }

    fn scan(&self, after: Option<&R::Key>, limit: usize) -> Result<Vec<R>, PersistError> {
        let mut after = after.map(|key| Bytes::from(self.record_key(&bytes_of(key))));
        let mut records = Vec::new();
        while records.len() < limit {
            let wanted = (limit - records.len()).min(PAGE_ENTRIES_MAX);
            let page = self.store.list(&self.records, after.as_deref(), wanted);
            let page = page.map_err(failed)?;
            for (_, entry) in page.entries {
                records.push(self.decode(&self.read_stored(entry.value)?)?);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(records)
    }
}
