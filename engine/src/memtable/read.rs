//! Reads: the active generation, then older ones, then the persister.
//!
//! ```text
//! get            part ──► older, newest first ──► persister
//! get_by_index   postings of each, without the records that something newer knows
//! ```
//!
//! A read takes one lock for a moment, clones what it finds, and waits for no flush. What it sees of
//! a record is what the record was at some moment during the call.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashSet;
use smallvec::SmallVec;

use super::entry::{Entry, RecordRef, Slot};
use super::error::ReadError;
use super::generation::Older;
use super::key::IndexKey;
use super::panics::caught;
use super::persister::PersistError;
use super::record::{IndexKeys, Record};
use super::runtime::{Runtime, SharedLock};
use super::table::{Memtable, Shared};
use crate::injected_bug::{Bug, injected};

/// A key of an index, ready to be looked up.
struct Wanted<'a> {
    index: usize,
    bytes: &'a [u8],
    hash: u64,
}

/// A generation was flushed while its records were compared with newer ones.
struct Overtaken;

impl<R: Record, T: Runtime> Memtable<R, T> {
    /// The record of `key`.
    ///
    /// # Errors
    /// [`ReadError::Persister`] where memory does not know the key and the persister failed.
    pub fn get(&self, key: &R::Key) -> Result<Option<RecordRef<R>>, ReadError> {
        let found = self.shared.find(key).map_err(ReadError::Persister)?;
        Ok(found.0)
    }

    /// All records that have `key` in an index, in no order.
    ///
    /// # Errors
    /// - [`ReadError::NoSuchIndex`].
    /// - [`ReadError::Persister`]: what is in memory is not all.
    pub fn get_by_index(
        &self,
        index: usize,
        key: &(impl IndexKey + ?Sized),
    ) -> Result<Vec<RecordRef<R>>, ReadError> {
        key.with_bytes(|bytes| self.shared.find_by_index(index, bytes))
    }

    /// The record that has `key` in a unique index.
    ///
    /// # Errors
    /// As for [`get_by_index`](Self::get_by_index), and [`ReadError::NotUnique`].
    pub fn get_unique(
        &self,
        index: usize,
        key: &(impl IndexKey + ?Sized),
    ) -> Result<Option<RecordRef<R>>, ReadError> {
        let declared = R::INDEXES.len();
        match R::INDEXES.get(index) {
            None => Err(ReadError::NoSuchIndex { index, declared }),
            Some(index) if !index.unique => Err(ReadError::NotUnique { index: index.name }),
            Some(_) => key.with_bytes(|bytes| self.shared.find_unique(index, bytes)),
        }
    }
}

impl<R: Record, T: Runtime> Shared<R, T> {
    /// The record of a key; and, where the active generation does not know the key, the older
    /// generations that were asked.
    #[expect(clippy::type_complexity, reason = "a pair with one user needs no name")]
    pub(super) fn find(
        &self,
        key: &R::Key,
    ) -> Result<(Option<RecordRef<R>>, Option<Arc<Older<R>>>), PersistError> {
        let hash = self.hash(key);
        let number = self.part_of(hash);
        let older = {
            let part = self.parts[number].0.read();
            let place = part.slots.place(hash, key);
            if let Some(slot) = part.slots.at(place) {
                let found = slot.live().map(|entry| RecordRef(Arc::clone(entry)));
                return Ok((found, None));
            }
            Arc::clone(&part.older)
        };
        let found = match older.find(number, hash, key) {
            Some(slot) => slot.live().map(|entry| RecordRef(Arc::clone(entry))),
            None => self.ask_persister(key)?.map(|record| {
                let (key, places) = (key.clone(), SmallVec::new());
                RecordRef(Arc::new(Entry {
                    key,
                    hash,
                    bytes: 0,
                    record,
                    places,
                }))
            }),
        };
        Ok((found, Some(older)))
    }

    pub(super) fn ask_persister(&self, key: &R::Key) -> Result<Option<R>, PersistError> {
        if !self.falls_through {
            return Ok(None);
        }
        asked(|| self.persister.get(key))
    }

    pub(super) fn ask_persister_by_index(
        &self,
        index: usize,
        key: &[u8],
    ) -> Result<Vec<R>, PersistError> {
        asked(|| self.persister.get_by_index(index, key))
    }

    pub(super) fn scan_persister(
        &self,
        after: Option<&R::Key>,
        limit: usize,
    ) -> Result<Vec<R>, PersistError> {
        asked(|| self.persister.scan(after, limit))
    }

    fn find_by_index(&self, index: usize, bytes: &[u8]) -> Result<Vec<RecordRef<R>>, ReadError> {
        let declared = R::INDEXES.len();
        if index >= declared {
            return Err(ReadError::NoSuchIndex { index, declared });
        }
        let hash = self.index_hash(index, bytes);
        let wanted = Wanted { index, bytes, hash };
        loop {
            match self.find_all(&wanted)? {
                Ok(found) => return Ok(found),
                Err(Overtaken) => self.runtime.pause(),
            }
        }
    }

    fn find_unique(&self, index: usize, bytes: &[u8]) -> Result<Option<RecordRef<R>>, ReadError> {
        let hash = self.index_hash(index, bytes);
        {
            let part = self.indexes[self.part_of(hash)].0.read();
            if let Some(entry) = part.postings.find(hash, index, bytes).next() {
                return Ok(Some(RecordRef(Arc::clone(entry))));
            }
        }
        let mut found = self.find_by_index(index, bytes)?;
        Ok(found.pop())
    }

    fn find_all(
        &self,
        wanted: &Wanted<'_>,
    ) -> Result<Result<Vec<RecordRef<R>>, Overtaken>, ReadError> {
        let number = self.part_of(wanted.hash);
        let (mut found, older) = {
            let part = self.indexes[number].0.read();
            let active = part
                .postings
                .find(wanted.hash, wanted.index, wanted.bytes)
                .map(|entry| RecordRef(Arc::clone(entry)));
            let active: Vec<_> = active.collect();
            if part.older.generations.is_empty() && !self.falls_through {
                return Ok(Ok(active));
            }
            (active, Arc::clone(&part.older))
        };
        let mut seen: HashSet<R::Key, FixedState> = HashSet::with_hasher(self.hasher.clone());
        seen.extend(found.iter().map(|record| record.key().clone()));
        for generation in &older.generations {
            let postings = &generation.indexes[number];
            for entry in postings.find(wanted.hash, wanted.index, wanted.bytes) {
                if !seen.insert(entry.key.clone()) {
                    continue;
                }
                match self.newer(entry.hash, &entry.key, generation.number, older.flushed) {
                    Err(Overtaken) => return Ok(Err(Overtaken)),
                    Ok(None) => found.push(RecordRef(Arc::clone(entry))),
                    Ok(Some(newer)) => found.extend(has(&newer, wanted)?),
                }
            }
        }
        if !self.falls_through {
            return Ok(Ok(found));
        }
        let persisted = self.ask_persister_by_index(wanted.index, wanted.bytes);
        for record in persisted.map_err(ReadError::Persister)? {
            let key = user("key", || record.key())?;
            if !seen.insert(key.clone()) {
                continue;
            }
            let hash = self.hash(&key);
            match self.newer(hash, &key, 0, older.flushed) {
                Err(Overtaken) => return Ok(Err(Overtaken)),
                Ok(Some(newer)) => found.extend(has(&newer, wanted)?),
                Ok(None) => found.push(RecordRef(Arc::new(Entry {
                    key,
                    hash,
                    bytes: 0,
                    record,
                    places: SmallVec::new(),
                }))),
            }
        }
        Ok(Ok(found))
    }

    /// What memory says of a key that is newer than generation `than`. It cannot be told once a
    /// generation was let go that is newer than `than` and that was still there when the caller
    /// looked, at `flushed`.
    fn newer(
        &self,
        hash: u64,
        key: &R::Key,
        than: u64,
        flushed: u64,
    ) -> Result<Option<Slot<R>>, Overtaken> {
        if injected(Bug::IndexReadIgnoresNewer) {
            return Ok(None);
        }
        let number = self.part_of(hash);
        let part = self.parts[number].0.read();
        if part.older.flushed > flushed.max(than) {
            return Err(Overtaken);
        }
        let place = part.slots.place(hash, key);
        if let Some(slot) = part.slots.at(place) {
            return Ok(Some(slot.clone()));
        }
        Ok(part.older.find_newer(number, hash, key, than).cloned())
    }
}

/// The newer record, where it still has the key that was looked up: it was written after the
/// postings were read.
fn has<R: Record>(slot: &Slot<R>, wanted: &Wanted<'_>) -> Result<Option<RecordRef<R>>, ReadError> {
    let Some(entry) = slot.live() else {
        return Ok(None);
    };
    let mut places = entry.places.iter();
    if !places.any(|it| it.hash == wanted.hash && it.index as usize == wanted.index) {
        return Ok(None);
    }
    let mut keys = IndexKeys::default();
    user("index_keys", || entry.record.index_keys(&mut keys))?;
    let mut keys = keys.iter();
    let has = keys.any(|(index, bytes)| index == wanted.index && bytes == wanted.bytes);
    Ok(has.then(|| RecordRef(Arc::clone(entry))))
}

fn user<O>(function: &'static str, call: impl FnOnce() -> O) -> Result<O, ReadError> {
    caught(call).map_err(|message| ReadError::RecordPanicked { function, message })
}

fn asked<O>(ask: impl FnOnce() -> Result<O, PersistError>) -> Result<O, PersistError> {
    caught(ask).unwrap_or_else(|message| {
        Err(PersistError::new(format!(
            "the persister panicked: {message}"
        )))
    })
}
