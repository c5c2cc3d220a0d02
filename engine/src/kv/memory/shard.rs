//! The keys of one hash shard.

use bytes::Bytes;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as TableEntry;

use crate::kv::entry::{Entry, Version};

/// The expiry of a value that has none.
pub(super) const NEVER: u64 = u64::MAX;

/// A key and what it has.
#[derive(Debug, Clone, Default)]
pub(super) struct Slot {
    pub key: Bytes,
    pub value: Bytes,
    pub version: u64,
    pub expires_ms: u64,
}

impl Slot {
    pub(super) fn entry(&self) -> Entry {
        Entry {
            value: self.value.clone(),
            version: Version(self.version),
            expires_ms: (self.expires_ms != NEVER).then_some(self.expires_ms),
        }
    }
}

/// Slots by key. A slot that is free has the empty key, which no key is.
#[derive(Debug, Default)]
pub(super) struct Shard {
    points: HashTable<Point>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// How many slots have an expiry, so that sweeping can be left out.
    expiring: usize,
    /// The slot that is swept next.
    hand: usize,
}

/// The hash is kept, so that growing reads no key.
#[derive(Debug, Clone, Copy)]
struct Point {
    hash: u64,
    slot: u32,
}

impl Shard {
    pub(super) fn get(&self, hash: u64, key: &[u8]) -> Option<&Slot> {
        let is_key = |point: &Point| self.slots[point.slot as usize].key == key;
        let point = self.points.find(hash, is_key)?;
        Some(&self.slots[point.slot as usize])
    }

    /// Gives a key that is there already another value, and answers whether it is.
    pub(super) fn update(
        &mut self,
        hash: u64,
        key: &[u8],
        value: &Bytes,
        version: u64,
        expires_ms: u64,
    ) -> bool {
        let is_key = |point: &Point| self.slots[point.slot as usize].key == key;
        let Some(point) = self.points.find(hash, is_key) else {
            return false;
        };
        let slot = &mut self.slots[point.slot as usize];
        self.expiring += usize::from(expires_ms != NEVER);
        self.expiring -= usize::from(slot.expires_ms != NEVER);
        slot.value = value.clone();
        slot.version = version;
        slot.expires_ms = expires_ms;
        true
    }

    /// Puts a slot, and answers with its number where its key is new.
    pub(super) fn put(&mut self, hash: u64, slot: Slot) -> Option<u32> {
        self.expiring += usize::from(slot.expires_ms != NEVER);
        let is_key = |point: &Point| self.slots[point.slot as usize].key == slot.key;
        match self.points.entry(hash, is_key, |point| point.hash) {
            TableEntry::Occupied(point) => {
                let place = &mut self.slots[point.get().slot as usize];
                self.expiring -= usize::from(place.expires_ms != NEVER);
                *place = slot;
                None
            }
            TableEntry::Vacant(vacant) => {
                let number = if let Some(number) = self.free.pop() {
                    self.slots[number as usize] = slot;
                    number
                } else {
                    let number = u32::try_from(self.slots.len()).expect("below 4 billion keys");
                    self.slots.push(slot);
                    number
                };
                vacant.insert(Point { hash, slot: number });
                Some(number)
            }
        }
    }

    pub(super) fn remove(&mut self, hash: u64, key: &[u8]) -> Option<Slot> {
        let is_key = |point: &Point| self.slots[point.slot as usize].key == key;
        let found = self.points.find_entry(hash, is_key).ok()?;
        let (Point { slot: number, .. }, _) = found.remove();
        self.free.push(number);
        let slot = std::mem::take(&mut self.slots[number as usize]);
        self.expiring -= usize::from(slot.expires_ms != NEVER);
        Some(slot)
    }

    /// Looks at the next slot, and takes it away if it has expired.
    pub(super) fn sweep_one(&mut self, now_ms: u64) -> Option<Slot> {
        if self.expiring == 0 {
            return None;
        }
        self.hand = if self.hand + 1 < self.slots.len() {
            self.hand + 1
        } else {
            0
        };
        let slot = &self.slots[self.hand];
        if slot.key.is_empty() || slot.expires_ms == NEVER || now_ms < slot.expires_ms {
            return None;
        }
        let key = slot.key.clone();
        self.remove(super::place(&key).hash, &key)
    }

    pub(super) fn slot(&self, number: u32) -> &Slot {
        &self.slots[number as usize]
    }

    /// How many slots there are, free ones included.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| !slot.key.is_empty())
    }
}
