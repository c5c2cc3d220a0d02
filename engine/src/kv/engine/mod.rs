//! A store in a keyspace of the engine: memory speed, and a log that a crash cannot hurt.
//!
//! ```text
//! put, delete, write ──► keyspace, transaction ──► log ──► disk
//! get, list          ──► keyspace in memory
//! ```
//!
//! Conditions are reads of a transaction. Of two that are in each other's way the later is tried again,
//! and one of them has always committed. A key's version is the LSN of its record.

mod clocked;
mod faults;

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;

use self::clocked::Clocked;
use self::faults::Faults;
use super::batch::{Batch, Outcome, Write};
use super::clock::{Clock, SystemClock};
use super::contract::KeyValueStore;
use super::entry::{Entry, Page, Stats, Version};
use super::error::KvError;
use super::limits::{PAGE_BYTES_MAX, check_batch, check_key, check_keys, check_pair, page_entries};
use super::ttl::expiry;
use crate::engine::{CommitError, Engine, Keyspace, Options, Scan, Transaction, Value};
use crate::vfs::{Disk, Vfs};
use crate::wal::{Lsn, Mode};

/// The keyspace that a store uses where nothing else is said.
pub const KEYSPACE: &str = "kv";

/// Up to this length a value is copied out of the engine. A longer one is counted: its memory stays
/// until the last reader lets go.
const COPIED_BYTES_MAX: usize = 4 << 10;

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The engine: the mode of its log, checkpoints, background work.
    pub engine: Options,
    /// The keyspace.
    pub keyspace: String,
    /// By which clock values expire.
    pub clock: Arc<dyn Clock>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            engine: Options::default(),
            keyspace: KEYSPACE.to_owned(),
            clock: Arc::new(SystemClock),
        }
    }
}

/// A store in a keyspace of an engine.
#[derive(Debug)]
pub struct EngineStore {
    engine: Engine,
    keyspace: Keyspace,
    closed: AtomicBool,
    faults: Faults,
    /// Whether closing the store closes the engine.
    is_own: bool,
}

impl EngineStore {
    /// Opens the engine in a directory, which is created where there is none, for this store alone.
    ///
    /// # Errors
    /// [`KvError::Busy`] where another engine has it open, [`KvError::Corrupt`] where what was durable
    /// has changed, [`KvError::Full`], [`KvError::ReadOnly`], [`KvError::Refused`].
    pub fn open(path: &Path, options: EngineOptions) -> Result<Self, KvError> {
        Self::open_with(Disk, path, options)
    }

    /// As [`open`](Self::open), through another door: memory, or a simulator, for tests.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_with<V: Vfs>(vfs: V, path: &Path, options: EngineOptions) -> Result<Self, KvError> {
        let place = match options.engine.log.mode {
            Mode::InMemory => "engine: in memory".to_owned(),
            _ => format!("engine:{}", path.display()),
        };
        let faults = Faults::new(place);
        let clock = options.clock;
        let door = Clocked { vfs, clock };
        let opened = Engine::open_with(door, path, options.engine);
        let (engine, _) = opened.map_err(|error| faults.of_open(error))?;
        Self::over(engine, &options.keyspace, faults, true)
    }

    /// A store in a keyspace of an engine that is open already, and that others may use too. The
    /// engine's own clock counts. Closing the store leaves the engine open.
    ///
    /// # Errors
    /// [`KvError::NotAStore`] where the keyspace holds something else; others where it is created.
    pub fn of(engine: &Engine, keyspace: &str) -> Result<Self, KvError> {
        let faults = Faults::new(format!("engine: keyspace {keyspace}"));
        Self::over(engine.clone(), keyspace, faults, false)
    }

    fn over(engine: Engine, keyspace: &str, faults: Faults, is_own: bool) -> Result<Self, KvError> {
        let keyspace = engine.keyspace(keyspace).map_err(|it| faults.of(it))?;
        Ok(Self {
            engine,
            keyspace,
            closed: AtomicBool::new(false),
            faults,
            is_own,
        })
    }

    fn check_open(&self) -> Result<(), KvError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(self.faults.closed());
        }
        Ok(())
    }

    /// Runs a transaction until nobody is in its way.
    fn transact<T>(
        &self,
        body: impl FnMut(&mut Transaction<'_>) -> Result<T, CommitError>,
    ) -> Result<(T, Version), KvError> {
        let committed = self.engine.retry(u32::MAX, body);
        let committed = committed.map_err(|it| self.faults.of(it))?;
        Ok((committed.value, last_below(committed.end)))
    }

    fn expires_us(&self, ttl: Option<Duration>) -> Result<u64, KvError> {
        match ttl {
            Some(ttl) => expires_us(self.engine.now_us(), ttl),
            None => Ok(0),
        }
    }

    fn put_one(&self, key: &[u8], value: &[u8], ttl: Option<Duration>) -> Result<Version, KvError> {
        check_pair(key, value)?;
        self.check_open()?;
        let expires_us = self.expires_us(ttl)?;
        let written = self.keyspace.put_until(key, value, expires_us);
        Ok(Version(written.map_err(|it| self.faults.of(it))?.0))
    }
}

/// The version of the last of a transaction's records.
fn last_below(end: Lsn) -> Version {
    Version(end.0.saturating_sub(1))
}

/// The moment as the engine has it, in whole milliseconds as the trait has it.
fn expires_us(now_us: u64, ttl: Duration) -> Result<u64, KvError> {
    let moment = expiry(now_us / 1000, ttl)?;
    Ok(moment.saturating_mul(1000))
}

fn bytes(value: Value) -> Bytes {
    if value.len() <= COPIED_BYTES_MAX {
        Bytes::copy_from_slice(&value)
    } else {
        Bytes::from_owner(value)
    }
}

fn entry(value: Value) -> Entry {
    Entry {
        version: Version(value.version().0),
        expires_ms: value.expires_us().map(|it| it / 1000),
        value: bytes(value),
    }
}

impl KeyValueStore for EngineStore {
    fn entry(&self, key: &[u8]) -> Result<Option<Entry>, KvError> {
        check_key(key)?;
        self.check_open()?;
        Ok(self.keyspace.get(key).map(entry))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        check_key(key)?;
        self.check_open()?;
        Ok(self.keyspace.get(key).map(bytes))
    }

    fn exists(&self, key: &[u8]) -> Result<bool, KvError> {
        check_key(key)?;
        self.check_open()?;
        Ok(self.keyspace.contains(key))
    }

    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>, KvError> {
        check_keys(keys)?;
        self.check_open()?;
        // A transaction that only reads commits if all of it was true at one moment.
        let get = |tx: &mut Transaction<'_>| {
            let values = keys.iter().map(|key| tx.get(&self.keyspace, key));
            Ok(values.map(|it| it.map(bytes)).collect())
        };
        Ok(self.transact(get)?.0)
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<Version, KvError> {
        self.put_one(key, value, None)
    }

    fn put_with_ttl(&self, key: &[u8], value: &[u8], ttl: Duration) -> Result<Version, KvError> {
        self.put_one(key, value, Some(ttl))
    }

    fn delete(&self, key: &[u8]) -> Result<bool, KvError> {
        check_key(key)?;
        self.check_open()?;
        let delete = |tx: &mut Transaction<'_>| {
            let existed = tx.contains(&self.keyspace, key);
            if existed {
                tx.delete(&self.keyspace, key)?;
            }
            Ok(existed)
        };
        Ok(self.transact(delete)?.0)
    }

    fn write(&self, batch: &Batch) -> Result<Outcome, KvError> {
        check_batch(batch)?;
        self.check_open()?;
        // Whatever can be refused is refused before the transaction.
        for write in batch.writes() {
            if let Write::Put { ttl, .. } = write {
                self.expires_us(*ttl)?;
            }
        }
        let apply = |tx: &mut Transaction<'_>| {
            let space = &self.keyspace;
            for (condition, (key, expect)) in batch.conditions().iter().enumerate() {
                let actual = tx.get(space, key).map(|it| Version(it.version().0));
                if !expect.holds(actual) {
                    return Ok(Outcome::Conflict { condition, actual });
                }
            }
            let mut removed = 0;
            for write in batch.writes() {
                match write {
                    Write::Put { key, value, ttl } => {
                        let expires = ttl.map_or(Ok(0), |ttl| expires_us(tx.now_us(), ttl));
                        tx.put_until(space, key, value, expires.map_err(CommitError::abort)?)?;
                    }
                    Write::Delete { key } => {
                        removed += u64::from(tx.contains(space, key));
                        tx.delete(space, key)?;
                    }
                }
            }
            let version = Version(0);
            Ok(Outcome::Applied { version, removed })
        };
        let (outcome, version) = self.transact(apply)?;
        Ok(match outcome {
            Outcome::Applied { removed, .. } => Outcome::Applied { version, removed },
            conflict @ Outcome::Conflict { .. } => conflict,
        })
    }

    fn list(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Page, KvError> {
        let limit = page_entries(limit);
        self.check_open()?;
        let scan: Scan = match after.filter(|after| *after >= prefix) {
            Some(after) => self
                .keyspace
                .range::<&[u8]>((Bound::Excluded(after), Bound::Unbounded)),
            None => self.keyspace.prefix(prefix),
        };
        let mut page = Page::default();
        let mut size = 0;
        for item in scan {
            if !item.key().starts_with(prefix) {
                break;
            }
            if page.entries.len() == limit || size > PAGE_BYTES_MAX {
                page.next = page.entries.last().map(|(key, _)| key.clone());
                break;
            }
            size += item.as_bytes().len();
            let key = Bytes::copy_from_slice(item.key());
            page.entries.push((key, entry(Value::new(item))));
        }
        Ok(page)
    }

    fn clear(&self) -> Result<(), KvError> {
        self.check_open()?;
        self.transact(|tx| {
            for item in self.keyspace.scan() {
                tx.delete(&self.keyspace, item.key())?;
            }
            Ok(())
        })?;
        self.engine
            .maintain()
            .map_err(|it| self.faults.of_upkeep(it))
    }

    fn purge_expired(&self) -> Result<u64, KvError> {
        self.check_open()?;
        let before = self.engine.stats().swept;
        let done = self.engine.maintain();
        done.map_err(|it| self.faults.of_upkeep(it))?;
        Ok(self.engine.stats().swept - before)
    }

    fn stats(&self) -> Result<Stats, KvError> {
        self.check_open()?;
        let held = self.keyspace.len() as u64;
        let mut stats = Stats::default();
        for item in self.keyspace.scan() {
            stats.keys += 1;
            stats.bytes += item.as_bytes().len() as u64;
        }
        stats.expired = held.saturating_sub(stats.keys);
        Ok(stats)
    }

    fn flush(&self) -> Result<(), KvError> {
        self.check_open()?;
        if self.engine.mode() == Mode::InMemory {
            return Ok(());
        }
        self.engine.durable().map_err(|it| self.faults.of(it))
    }

    fn close(&self) -> Result<(), KvError> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        if self.is_own {
            return self.engine.close().map_err(|it| self.faults.poisoned(it));
        }
        match self.engine.mode() {
            Mode::InMemory => Ok(()),
            _ => self.engine.durable().map_err(|it| self.faults.of(it)),
        }
    }
}
