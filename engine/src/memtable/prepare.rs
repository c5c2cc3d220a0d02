//! Everything of a write that is the record's own code, before anything is locked or changed.
//!
//! Key, index keys and encoded bytes are asked for once and kept. A function that panics or answers
//! differently the next time can therefore leave nothing half done.

use std::sync::Arc;

use smallvec::SmallVec;

use super::entry::{Entry, Place};
use super::error::WriteError;
use super::key::IndexKey;
use super::log;
use super::panics::caught;
use super::record::{IndexKeys, Record};
use super::runtime::Runtime;
use super::table::Shared;

/// A change that is ready to be made.
pub(super) struct Prepared<R: Record> {
    pub(super) hash: u64,
    pub(super) key: R::Key,
    /// The record to put; without one the key's is deleted.
    pub(super) entry: Option<Arc<Entry<R>>>,
    pub(super) keys: IndexKeys,
    /// What the log is told.
    pub(super) payload: Vec<u8>,
}

/// Calls code of the record's type.
pub(super) fn user<O>(function: &'static str, call: impl FnOnce() -> O) -> Result<O, WriteError> {
    caught(call).map_err(|message| WriteError::RecordPanicked { function, message })
}

impl<R: Record, T: Runtime> Shared<R, T> {
    /// Calls all of the record's own code.
    pub(super) fn prepare(&self, record: R) -> Result<Prepared<R>, WriteError> {
        let (key, hash) = user("key", || {
            let key = record.key();
            let hash = self.hash(&key);
            (key, hash)
        })?;
        let mut keys = IndexKeys::default();
        user("index_keys", || record.index_keys(&mut keys))?;
        let mut places = SmallVec::new();
        for (index, bytes) in keys.iter() {
            if index >= R::INDEXES.len() {
                let declared = R::INDEXES.len();
                return Err(WriteError::NoSuchIndex { index, declared });
            }
            places.push(Place::new(index, self.index_hash(index, bytes)));
        }
        let mut payload = Vec::new();
        if self.log.is_some() {
            payload = log::payload(&self.name);
            user("encode", || record.encode(&mut payload))?;
        }
        user("check", || self.persister.check(&record))?.map_err(WriteError::Unpersistable)?;
        let heap = user("heap_bytes", || record.heap_bytes())?;
        let entry = Entry {
            key: key.clone(),
            hash,
            bytes: size_of::<Entry<R>>() + heap + keys.bytes(),
            record,
            places,
        };
        Ok(Prepared {
            hash,
            key,
            entry: Some(Arc::new(entry)),
            keys,
            payload,
        })
    }

    pub(super) fn prepare_delete(&self, key: &R::Key) -> Result<Prepared<R>, WriteError> {
        let mut payload = Vec::new();
        if self.log.is_some() {
            payload = log::payload(&self.name);
            user("with_bytes", || {
                key.with_bytes(|bytes| payload.extend_from_slice(bytes));
            })?;
        }
        Ok(Prepared {
            hash: user("hash", || self.hash(key))?,
            key: key.clone(),
            entry: None,
            keys: IndexKeys::default(),
            payload,
        })
    }
}
