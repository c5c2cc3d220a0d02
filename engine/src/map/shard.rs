//! One of the parts of a map: what its keys are now, and which of them changed lately.
//!
//! ```text
//! table   (hash, item, place in the tail)     the newest state, by hash
//! tail    item, item, tombstone, …            the active generation: unsorted, one item a key
//! ```
//!
//! Invariants:
//!
//! 1. An item of the table is in the tail if its version is not below `begin`, at the place noted.
//! 2. The tail says of each key that changed since `begin` what it is now. It may hold a tombstone
//!    and a newer item of the same key, and nothing else twice: overwriting does not let it grow.
//! 3. A key that came and went since `begin`, and was not there at `begin`, leaves nothing but a free
//!    place, which the next key takes.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::item::Item;
use crate::injected_bug::{Bug, injected};
use crate::wal::Lsn;

/// In a place: the key was not there when the generation began.
const FRESH: u32 = 1 << 31;

/// A part of a map.
#[derive(Debug, Default)]
pub(super) struct Shard {
    table: HashTable<Slot>,
    tail: Vec<Option<Item>>,
    /// Places of the tail that nobody has.
    free: Vec<u32>,
    /// The version with which the active generation began.
    begin: u64,
}

#[derive(Debug)]
struct Slot {
    item: Item,
    hash: u32,
    /// The place in the tail, and whether the key is [`FRESH`]. Means nothing where the item is
    /// older than the tail.
    place: u32,
}

/// The half that the table keeps.
#[inline]
fn kept(hash: u64) -> u32 {
    u32::try_from(hash & u64::from(u32::MAX)).unwrap_or_default()
}

/// The hash that the table sees: it takes bits from both ends.
#[inline]
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Gives an item a place in a tail.
#[inline]
fn place(tail: &mut Vec<Option<Item>>, free: &mut Vec<u32>, item: Item) -> u32 {
    if let Some(at) = free.pop() {
        tail[at as usize] = Some(item);
        return at;
    }
    let at = u32::try_from(tail.len()).ok();
    let at = at.filter(|at| *at < FRESH).expect("below 2 G keys a shard");
    tail.push(Some(item));
    at
}

impl Shard {
    /// One with room for so many keys.
    pub(super) fn reserve(&mut self, keys: usize) {
        self.table.reserve(keys, |slot| spread(slot.hash));
    }

    /// The item of `key`.
    #[inline]
    pub(super) fn get(&self, hash: u64, key: &[u8]) -> Option<&Item> {
        let hash = kept(hash);
        let is_key = |slot: &Slot| slot.hash == hash && slot.item.key() == key;
        Some(&self.table.find(spread(hash), is_key)?.item)
    }

    /// Takes in an item that is no tombstone. Answers with the one that its key had.
    pub(super) fn put(&mut self, hash: u64, item: Item) -> Option<Item> {
        let hash = kept(hash);
        let Self {
            table,
            tail,
            free,
            begin,
        } = self;
        let is_key = |slot: &Slot| slot.hash == hash && slot.item.key() == item.key();
        match table.entry(spread(hash), is_key, |slot| spread(slot.hash)) {
            Entry::Occupied(mut slot) => {
                let slot = slot.get_mut();
                if slot.item.version().0 < *begin {
                    slot.place = place(tail, free, item.clone());
                } else if !injected(Bug::KeepOverwritten) {
                    tail[(slot.place & !FRESH) as usize] = Some(item.clone());
                }
                Some(std::mem::replace(&mut slot.item, item))
            }
            Entry::Vacant(slot) => {
                let place = place(tail, free, item.clone()) | FRESH;
                slot.insert(Slot { item, hash, place });
                None
            }
        }
    }

    /// Takes in an item of which the sorted runs know already.
    pub(super) fn put_sorted(&mut self, hash: u64, item: Item) {
        let hash = kept(hash);
        let slot = Slot {
            item,
            hash,
            place: 0,
        };
        self.table
            .insert_unique(spread(hash), slot, |slot| spread(slot.hash));
    }

    /// Takes `key` away, with a version. Answers with the item that it had.
    pub(super) fn delete(&mut self, hash: u64, key: &[u8], version: Lsn) -> Option<Item> {
        let hash = kept(hash);
        let is_key = |slot: &Slot| slot.hash == hash && slot.item.key() == key;
        let slot = self.table.find_entry(spread(hash), is_key).ok()?;
        let (
            Slot {
                item, place: had, ..
            },
            _,
        ) = slot.remove();
        let at = had & !FRESH;
        // Only what an older generation may have needs a tombstone.
        if item.version().0 < self.begin {
            if !injected(Bug::LoseTombstone) {
                let tombstone = Item::tombstone(version, key);
                place(&mut self.tail, &mut self.free, tombstone);
            }
        } else if had & FRESH == 0 {
            self.tail[at as usize] = Some(Item::tombstone(version, key));
        } else {
            if !injected(Bug::KeepDeleted) {
                self.tail[at as usize] = None;
            }
            self.free.push(at);
        }
        Some(item)
    }

    /// Ends the active generation, and begins one with the records from `begin` on.
    /// Nothing is copied: it is called under the sequencer's lock.
    pub(super) fn rotate(&mut self, begin: u64) -> Vec<Option<Item>> {
        self.begin = begin;
        self.free = Vec::new();
        std::mem::take(&mut self.tail)
    }

    /// What changed in the active generation.
    pub(super) fn tail(&self) -> impl Iterator<Item = &Item> {
        self.tail.iter().flatten()
    }

    /// How many places the active generation has, free ones included.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.tail.len()
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// The items that are there, in no order.
    pub(super) fn items(&self) -> impl Iterator<Item = &Item> {
        self.table.iter().map(|slot| &slot.item)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::Hashing;
    use super::*;

    #[test]
    fn the_table_tells_keys_apart_by_their_hashes() {
        let hashing = Hashing::default();
        let keys = (0..1000_u32).map(u32::to_be_bytes);
        let seen: BTreeSet<_> = keys.map(|key| spread(kept(hashing.hash(&key)))).collect();
        // Of a thousand keys two may share the 32 bits by chance, and more do not.
        assert!(seen.len() >= 999, "{} of 1000", seen.len());
    }
}
