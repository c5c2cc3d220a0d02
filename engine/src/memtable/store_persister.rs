//! A persister onto a key-value store: a keyspace of the engine, SQLite, Redis, or memory.
//!
//! ```text
//! store     prefix key ──► record, as it encodes itself
//! memory    (index, index key, key), ordered      derived: never stored, rebuilt by `open`
//! ```
//!
//! The index may name a record too many, and never one too few: keys are added before a record is
//! stored and removed after it was replaced. What it names is read and checked, so a write whose
//! outcome is unknown leaves at most an entry that is passed over.
//!
//! Nobody else may write under the prefix meanwhile.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use super::entry::RecordRef;
use super::key::IndexKey;
use super::persister::{Batch, PersistError, Persister};
use super::record::{IndexKeys, Record};
use crate::store::{
    self, BATCH_BYTES_MAX, BATCH_ITEMS_MAX, KeyValueStore, PAGE_ENTRIES_MAX, Write, check_pair,
};

/// An index, a key in it, and the key of a record that has it.
type Named = (usize, Box<[u8]>, Box<[u8]>);

/// Keeps records in a key-value store. See the [module](self).
pub struct StorePersister<R: Record> {
    store: Arc<dyn KeyValueStore>,
    prefix: Box<[u8]>,
    index: RwLock<BTreeSet<Named>>,
    of: PhantomData<fn() -> R>,
}

impl<R: Record> fmt::Debug for StorePersister<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorePersister")
            .field("store", &self.store)
            .field("prefix", &self.prefix.escape_ascii().to_string())
            .finish_non_exhaustive()
    }
}

impl<R: Record> StorePersister<R> {
    /// A persister for the records that the store has under `prefix`, all of which are read for their
    /// index keys. A prefix that is the beginning of another one would mix them: end it with a byte
    /// that no prefix has elsewhere.
    ///
    /// # Errors
    /// [`PersistError`] where the store cannot be read, or holds something else there.
    pub fn open(store: Arc<dyn KeyValueStore>, prefix: &[u8]) -> Result<Self, PersistError> {
        let opened = Self {
            store,
            prefix: prefix.into(),
            index: RwLock::default(),
            of: PhantomData,
        };
        let mut index = Vec::new();
        let mut after = None;
        loop {
            let (records, next) = opened.page(after.as_deref(), PAGE_ENTRIES_MAX)?;
            for (key, record) in &records {
                index.extend(named(key, record));
            }
            after = next;
            if after.is_none() {
                break;
            }
        }
        // Sorted and built at once, which is faster than one by one.
        *opened.index.write() = index.into_iter().collect();
        Ok(opened)
    }

    fn stored_key(&self, key: &R::Key) -> Bytes {
        key.with_bytes(|bytes| [&self.prefix, bytes].concat().into())
    }

    /// Up to `limit` records with their keys in the store, and where the next page begins.
    #[expect(clippy::type_complexity, reason = "a page, read in two places")]
    fn page(
        &self,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<(Vec<(Bytes, R)>, Option<Bytes>), PersistError> {
        let page = self.store.list(&self.prefix, after, limit);
        let page = page.map_err(PersistError::new)?;
        let records = page.entries.into_iter().map(|(key, entry)| {
            let record = decode(&key, &entry.value)?;
            Ok((key, record))
        });
        let records: Result<Vec<_>, PersistError> = records.collect();
        Ok((records?, page.next))
    }

    /// The records that the store has under these keys; nothing for those that it has not.
    fn read(&self, keys: &[Bytes]) -> Result<Vec<(Bytes, R)>, PersistError> {
        let mut found = Vec::with_capacity(keys.len());
        for keys in keys.chunks(BATCH_ITEMS_MAX) {
            let wanted: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
            let values = self.store.get_many(&wanted).map_err(PersistError::new)?;
            for (key, value) in keys.iter().zip(values) {
                if let Some(value) = value {
                    found.push((key.clone(), decode(key, &value)?));
                }
            }
        }
        Ok(found)
    }

    /// Makes writes whose new index keys are `added`, as many at once as the store takes.
    fn write(&self, writes: Vec<Write>, added: Vec<Named>) -> Result<(), PersistError> {
        let keys: Vec<_> = writes.iter().map(|write| write.key().clone()).collect();
        let before = self.read(&keys)?;
        let replaced = before.iter().flat_map(|(key, record)| named(key, record));
        let added: BTreeSet<_> = added.into_iter().collect();
        let removed: Vec<_> = replaced.filter(|named| !added.contains(named)).collect();
        self.index.write().extend(added);
        let (mut batch, mut bytes, mut items) = (store::Batch::default(), 0, 0);
        for write in writes {
            let len = match &write {
                Write::Put { key, value, .. } => key.len() + value.len(),
                Write::Delete { key } => key.len(),
            };
            if items == BATCH_ITEMS_MAX || bytes + len > BATCH_BYTES_MAX {
                let full = std::mem::take(&mut batch);
                self.store.write(&full).map_err(PersistError::new)?;
                (bytes, items) = (0, 0);
            }
            bytes += len;
            items += 1;
            batch.push(write);
        }
        self.store.write(&batch).map_err(PersistError::new)?;
        let mut index = self.index.write();
        for named in &removed {
            index.remove(named);
        }
        Ok(())
    }

    fn puts(&self, records: &[RecordRef<R>]) -> (Vec<Write>, Vec<Named>) {
        let mut added = Vec::new();
        let writes = records.iter().map(|record| {
            let key = self.stored_key(record.key());
            added.extend(named::<R>(&key, record));
            let mut value = Vec::new();
            record.encode(&mut value);
            let value = value.into();
            let ttl = None;
            Write::Put { key, value, ttl }
        });
        let writes = writes.collect();
        (writes, added)
    }

    fn deletes(&self, keys: &[R::Key]) -> Vec<Write> {
        let keys = keys.iter().map(|key| self.stored_key(key));
        keys.map(|key| Write::Delete { key }).collect()
    }

    /// Makes everything durable: the table lets go of its log once this has returned.
    fn flush(&self) -> Result<(), PersistError> {
        self.store.flush().map_err(PersistError::new)
    }
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
        PersistError::new(format!("the store's value of `{key}` is {bad}"))
    })
}

impl<R: Record> Persister<R> for StorePersister<R> {
    fn check(&self, record: &R) -> Result<(), PersistError> {
        let mut value = Vec::new();
        record.encode(&mut value);
        check_pair(&self.stored_key(&record.key()), &value).map_err(PersistError::new)
    }

    fn persist(&self, records: &[RecordRef<R>]) -> Result<(), PersistError> {
        let (writes, added) = self.puts(records);
        self.write(writes, added)?;
        self.flush()
    }

    fn remove(&self, keys: &[R::Key]) -> Result<(), PersistError> {
        self.write(self.deletes(keys), Vec::new())?;
        self.flush()
    }

    fn apply(&self, batch: &Batch<R>) -> Result<(), PersistError> {
        let mut writes = self.deletes(batch.removed());
        let (puts, added) = self.puts(batch.records());
        writes.extend(puts);
        self.write(writes, added)?;
        self.flush()
    }

    fn get(&self, key: &R::Key) -> Result<Option<R>, PersistError> {
        let key = self.stored_key(key);
        let value = self.store.get(&key).map_err(PersistError::new)?;
        value.map(|value| decode(&key, &value)).transpose()
    }

    fn get_by_index(&self, index: usize, key: &[u8]) -> Result<Vec<R>, PersistError> {
        let first = (index, Box::from(key), Box::default());
        let keys: Vec<Bytes> = {
            let entries = self.index.read();
            let entries = entries.range(first..);
            let same = entries.take_while(|(of, bytes, _)| *of == index && **bytes == *key);
            same.map(|(_, _, key)| Bytes::copy_from_slice(key))
                .collect()
        };
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.read(&keys)?.into_iter().map(|(_, record)| record);
        let has = |record: &R| {
            let mut keys = IndexKeys::default();
            record.index_keys(&mut keys);
            keys.iter().any(|named| named == (index, key))
        };
        Ok(found.filter(has).collect())
    }

    fn scan(&self, after: Option<&R::Key>, limit: usize) -> Result<Vec<R>, PersistError> {
        let mut records = Vec::new();
        let mut after = after.map(|key| self.stored_key(key));
        // A page of the store may end early.
        while records.len() < limit {
            let (page, next) = self.page(after.as_deref(), limit - records.len())?;
            records.extend(page.into_iter().map(|(_, record)| record));
            after = next;
            if after.is_none() {
                break;
            }
        }
        Ok(records)
    }
}
