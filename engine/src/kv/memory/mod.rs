//! A store in memory, gone with its process.
//!
//! ```text
//! points   64 shards by hash, a lock each   ──► slot: key, value, version, expiry
//! order    one tree of all keys, one lock   ──► (shard, slot); touched when a key comes or goes
//! ```
//!
//! Locks are taken in one order: shards by their number, then the order. A page and `get_many` hold
//! the shards that they read, so they see one moment. A value without an expiry never asks the clock.
//!
//! Expired values are reclaimed by whoever writes their key, by `purge_expired`, and a few at a time by
//! puts that have a time to live themselves, so that a store of short-lived values stays small.

mod order;
mod shard;

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use foldhash::fast::FixedState;
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use self::order::Order;
use self::shard::{NEVER, Shard, Slot};
use super::batch::{Batch, Outcome, Write};
use super::clock::{Clock, SystemClock};
use super::contract::KeyValueStore;
use super::entry::{Entry, Page, Stats, Version};
use super::error::KvError;
use super::limits::{PAGE_BYTES_MAX, check_batch, check_key, check_keys, check_pair, page_entries};
use super::ttl::expiry;

/// How many shards there are: enough for the threads of one machine to meet rarely.
const SHARDS: usize = 64;
/// For how many entries a page has room from the start.
const PAGE_ROOM: usize = 1000;
/// How many slots a put with a time to live looks at.
const SWEPT: usize = 2;

/// A store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    shards: Box<[RwLock<Shard>]>,
    order: RwLock<Order>,
    /// The version given out last.
    version: AtomicU64,
    closed: AtomicBool,
    clock: Arc<dyn Clock>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock))
    }
}

/// A key's place.
#[derive(Debug, Clone, Copy)]
struct Place {
    hash: u64,
    shard: usize,
}

fn place(key: &[u8]) -> Place {
    let hash = FixedState::default().hash_one(key);
    // The table uses the lowest and the highest bits; the shard takes others.
    let shard = usize::try_from((hash >> 32) % SHARDS as u64).unwrap_or_default();
    Place { hash, shard }
}

/// The time, asked for at most once, and only by whoever needs it.
struct Now<'a> {
    clock: &'a dyn Clock,
    now_ms: Option<u64>,
}

impl Now<'_> {
    fn get(&mut self) -> u64 {
        *self.now_ms.get_or_insert_with(|| self.clock.now_ms())
    }

    fn is_live(&mut self, slot: &Slot) -> bool {
        slot.expires_ms == NEVER || self.get() < slot.expires_ms
    }
}

/// The locks of the shards that a batch touches.
struct Locked<'a>(Vec<(usize, RwLockWriteGuard<'a, Shard>)>);

impl Locked<'_> {
    fn shard(&mut self, number: usize) -> &mut Shard {
        let at = self.0.binary_search_by_key(&number, |(number, _)| *number);
        &mut self.0[at.expect("every shard of the batch is locked")].1
    }
}

impl MemoryStore {
    /// An empty store on a clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            order: RwLock::default(),
            version: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            clock,
        }
    }

    fn check_open(&self) -> Result<(), KvError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(KvError::Closed {
                place: "memory:".to_owned(),
            });
        }
        Ok(())
    }

    fn now(&self) -> Now<'_> {
        Now {
            clock: &*self.clock,
            now_ms: None,
        }
    }

    fn next_version(&self) -> u64 {
        self.version.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Puts into a shard that is locked.
    fn put_into(&self, shard: &mut Shard, place: Place, slot: Slot) {
        let key = slot.key.clone();
        if let Some(number) = shard.put(place.hash, slot) {
            self.order.write().insert(key, place.shard, number);
        }
    }

    /// Removes from a shard that is locked.
    fn remove_from(&self, shard: &mut Shard, place: Place, key: &[u8]) -> Option<Slot> {
        let removed = shard.remove(place.hash, key)?;
        self.order.write().remove(key);
        Some(removed)
    }

    fn put_one(&self, key: &[u8], value: &[u8], ttl: Option<Duration>) -> Result<Version, KvError> {
        check_pair(key, value)?;
        let value = Bytes::copy_from_slice(value);
        let mut now = self.now();
        let expires_ms = match ttl {
            Some(ttl) => expiry(now.get(), ttl)?,
            None => NEVER,
        };
        let place = place(key);
        let mut shard = self.shards[place.shard].write();
        self.check_open()?;
        let version = self.next_version();
        if !shard.update(place.hash, key, &value, version, expires_ms) {
            let slot = Slot {
                key: Bytes::copy_from_slice(key),
                value,
                version,
                expires_ms,
            };
            self.put_into(&mut shard, place, slot);
        }
        if ttl.is_some() {
            self.sweep(&mut shard, SWEPT, now.get());
        }
        Ok(Version(version))
    }

    /// Looks at a few slots of a shard and reclaims what has expired.
    fn sweep(&self, shard: &mut Shard, count: usize, now_ms: u64) -> u64 {
        let mut reclaimed = 0;
        for _ in 0..count {
            if let Some(slot) = shard.sweep_one(now_ms) {
                self.order.write().remove(&slot.key);
                reclaimed += 1;
            }
        }
        reclaimed
    }

    fn lock<'a>(&'a self, keys: impl Iterator<Item = &'a Bytes>) -> Locked<'a> {
        let mut numbers: Vec<_> = keys.map(|key| place(key).shard).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let lock = |number: usize| (number, self.shards[number].write());
        Locked(numbers.into_iter().map(lock).collect())
    }

    /// All shards, for reading.
    fn read_all(&self) -> Vec<RwLockReadGuard<'_, Shard>> {
        self.shards.iter().map(RwLock::read).collect()
    }

    fn write_all(&self) -> Vec<RwLockWriteGuard<'_, Shard>> {
        self.shards.iter().map(RwLock::write).collect()
    }
}

/// The version of a live value in a locked shard.
fn live_version(shard: &Shard, hash: u64, key: &[u8], now: &mut Now<'_>) -> Option<Version> {
    let slot = shard.get(hash, key)?;
    now.is_live(slot).then_some(Version(slot.version))
}

impl KeyValueStore for MemoryStore {
    fn entry(&self, key: &[u8]) -> Result<Option<Entry>, KvError> {
        check_key(key)?;
        let place = place(key);
        let shard = self.shards[place.shard].read();
        self.check_open()?;
        let slot = shard.get(place.hash, key);
        Ok(slot
            .filter(|slot| self.now().is_live(slot))
            .map(Slot::entry))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        check_key(key)?;
        let place = place(key);
        let shard = self.shards[place.shard].read();
        self.check_open()?;
        let slot = shard.get(place.hash, key);
        Ok(slot
            .filter(|slot| self.now().is_live(slot))
            .map(|slot| slot.value.clone()))
    }

    fn exists(&self, key: &[u8]) -> Result<bool, KvError> {
        check_key(key)?;
        let place = place(key);
        let shard = self.shards[place.shard].read();
        self.check_open()?;
        let slot = shard.get(place.hash, key);
        Ok(slot.is_some_and(|slot| self.now().is_live(slot)))
    }

    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>, KvError> {
        check_keys(keys)?;
        let places: Vec<_> = keys.iter().map(|key| place(key)).collect();
        let mut needed = [false; SHARDS];
        for place in &places {
            needed[place.shard] = true;
        }
        let shards = self.shards.iter().zip(needed);
        let guards: Vec<_> = shards
            .map(|(it, needed)| needed.then(|| it.read()))
            .collect();
        self.check_open()?;
        let mut now = self.now();
        let get = |(key, place): (&&[u8], &Place)| {
            let shard = guards[place.shard].as_ref()?;
            let slot = shard.get(place.hash, key)?;
            now.is_live(slot).then(|| slot.value.clone())
        };
        Ok(keys.iter().zip(&places).map(get).collect())
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<Version, KvError> {
        self.put_one(key, value, None)
    }

    fn put_with_ttl(&self, key: &[u8], value: &[u8], ttl: Duration) -> Result<Version, KvError> {
        self.put_one(key, value, Some(ttl))
    }

    fn delete(&self, key: &[u8]) -> Result<bool, KvError> {
        check_key(key)?;
        let place = place(key);
        let mut shard = self.shards[place.shard].write();
        self.check_open()?;
        let removed = self.remove_from(&mut shard, place, key);
        Ok(removed.is_some_and(|slot| self.now().is_live(&slot)))
    }

    fn write(&self, batch: &Batch) -> Result<Outcome, KvError> {
        check_batch(batch)?;
        let keys = batch.conditions().iter().map(|(key, _)| key);
        let mut locked = self.lock(keys.chain(batch.writes().iter().map(Write::key)));
        self.check_open()?;
        // After the locks: time that is spent waiting for them is no part of a value's life.
        let mut now = self.now();
        for (condition, (key, expect)) in batch.conditions().iter().enumerate() {
            let place = place(key);
            let actual = live_version(locked.shard(place.shard), place.hash, key, &mut now);
            if !expect.holds(actual) {
                return Ok(Outcome::Conflict { condition, actual });
            }
        }
        // Whatever can fail has to fail before the first write.
        let mut expiries = Vec::with_capacity(batch.writes().len());
        for write in batch.writes() {
            expiries.push(match write {
                Write::Put { ttl: Some(ttl), .. } => expiry(now.get(), *ttl)?,
                _ => NEVER,
            });
        }
        let version = self.next_version();
        let mut removed = 0;
        for (write, expires_ms) in batch.writes().iter().zip(expiries) {
            let place = place(write.key());
            let shard = locked.shard(place.shard);
            match write {
                Write::Put { key, value, .. } => {
                    let slot = Slot {
                        key: Bytes::copy_from_slice(key),
                        value: Bytes::copy_from_slice(value),
                        version,
                        expires_ms,
                    };
                    self.put_into(shard, place, slot);
                }
                Write::Delete { key } => {
                    let slot = self.remove_from(shard, place, key);
                    removed += u64::from(slot.is_some_and(|slot| now.is_live(&slot)));
                }
            }
        }
        let version = Version(version);
        Ok(Outcome::Applied { version, removed })
    }

    fn list(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Page, KvError> {
        let limit = page_entries(limit);
        let shards = self.read_all();
        self.check_open()?;
        let order = self.order.read();
        let mut now = self.now();
        let mut page = Page::default();
        page.entries.reserve(limit.min(PAGE_ROOM).min(order.len()));
        let mut bytes = 0;
        for (shard, number) in order.from(prefix, after) {
            let slot = shards[shard].slot(number);
            if !slot.key.starts_with(prefix) {
                break;
            }
            if !now.is_live(slot) {
                continue;
            }
            if page.entries.len() == limit || bytes > PAGE_BYTES_MAX {
                page.next = page.entries.last().map(|(key, _)| key.clone());
                break;
            }
            bytes += slot.key.len() + slot.value.len();
            page.entries.push((slot.key.clone(), slot.entry()));
        }
        Ok(page)
    }

    fn clear(&self) -> Result<(), KvError> {
        let mut shards = self.write_all();
        self.check_open()?;
        for shard in &mut shards {
            **shard = Shard::default();
        }
        *self.order.write() = Order::default();
        Ok(())
    }

    fn purge_expired(&self) -> Result<u64, KvError> {
        self.check_open()?;
        let now_ms = self.clock.now_ms();
        let purge = |shard: &RwLock<Shard>| {
            let mut shard = shard.write();
            let slots = shard.slots();
            self.sweep(&mut shard, slots, now_ms)
        };
        Ok(self.shards.iter().map(purge).sum())
    }

    fn stats(&self) -> Result<Stats, KvError> {
        let shards = self.read_all();
        self.check_open()?;
        let mut now = self.now();
        let mut stats = Stats::default();
        for slot in shards.iter().flat_map(|shard| shard.iter()) {
            if now.is_live(slot) {
                stats.keys += 1;
                stats.bytes += (slot.key.len() + slot.value.len()) as u64;
            } else {
                stats.expired += 1;
            }
        }
        Ok(stats)
    }

    fn flush(&self) -> Result<(), KvError> {
        self.check_open()
    }

    fn close(&self) -> Result<(), KvError> {
        let mut shards = self.write_all();
        if !self.closed.swap(true, Ordering::AcqRel) {
            for shard in &mut shards {
                **shard = Shard::default();
            }
            *self.order.write() = Order::default();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
