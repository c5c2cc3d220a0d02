//! Pairs in memory: hashed for points, ordered for scans.
//!
//! ```text
//! points   hash table   (hash, slot)       one probe
//! order    sorted runs  (beginning, slot)  touched only when a key comes or goes
//!                           │
//! slots    ◄────────────────┘  pair
//! ```
//!
//! Both indexes hold numbers of slots, so a pair is kept once, and growing moves eight bytes a
//! key. Page faults are what a store that is built from a log pays for most.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::order::Order;
use crate::pair::Pair;

/// How many changes are hashed before they are placed.
const GROUP: usize = 1 << 10;

/// What is known of a key.
#[derive(Debug, Clone, Default)]
pub(super) struct Slot {
    /// The key, and its value where it has one.
    pub pair: Pair,
    /// Whether the key went away: what an overlay says of a key below it.
    pub tombstone: bool,
}

/// Slots by key.
#[derive(Debug, Default)]
pub(super) struct Generation {
    slots: Vec<Slot>,
    /// Slots of keys that went, to be used again.
    free: Vec<u32>,
    points: HashTable<Point>,
    order: Order,
}

/// A slot, and the hash of its key.
#[derive(Debug, Clone, Copy)]
struct Point {
    hash: u32,
    slot: u32,
}

impl Point {
    /// The hash that the table sees: it takes bits from both ends.
    fn spread(hash: u32) -> u64 {
        u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// The hash of a key. The seed is fixed: the same keys take the same probes in every process.
fn hash(key: &[u8]) -> u32 {
    let hash = FixedState::default().hash_one(key);
    // Truncation is meant: half of the bits are plenty, and halve the table.
    u32::try_from(hash & u64::from(u32::MAX)).unwrap_or_default()
}

fn key_of<'a>(slots: &'a [Slot]) -> impl Fn(u32) -> &'a [u8] {
    move |slot| slots[slot as usize].pair.key()
}

impl Generation {
    /// What is known of `key`.
    pub(super) fn get(&self, key: &[u8]) -> Option<&Slot> {
        let hash = hash(key);
        let is_key =
            |point: &Point| point.hash == hash && self.slots[point.slot as usize].pair.key() == key;
        let point = self.points.find(Point::spread(hash), is_key)?;
        Some(&self.slots[point.slot as usize])
    }

    /// Takes in a slot, and answers with the one that its key had.
    pub(super) fn put(&mut self, slot: Slot) -> Option<Slot> {
        match self.place(hash(slot.pair.key()), slot) {
            Ok(before) => Some(before),
            Err(number) => {
                let key = self.slots[number as usize].pair.key();
                self.order.insert(key, number, key_of(&self.slots));
                None
            }
        }
    }

    /// Takes in a slot without putting its key in order; that is left to
    /// [`build`](Self::build). Answers with the slot that its key had, or else with the number it
    /// got.
    fn place(&mut self, hash: u32, slot: Slot) -> Result<Slot, u32> {
        let Self {
            slots,
            free,
            points,
            ..
        } = self;
        let is_key = |point: &Point| {
            point.hash == hash && slots[point.slot as usize].pair.key() == slot.pair.key()
        };
        match points.entry(Point::spread(hash), is_key, |point| {
            Point::spread(point.hash)
        }) {
            Entry::Occupied(point) => {
                let place = &mut slots[point.get().slot as usize];
                Ok(std::mem::replace(place, slot))
            }
            Entry::Vacant(point) => {
                let number = if let Some(number) = free.pop() {
                    slots[number as usize] = slot;
                    number
                } else {
                    let number = u32::try_from(slots.len()).expect("below 4 G keys");
                    slots.push(slot);
                    number
                };
                point.insert(Point { hash, slot: number });
                Err(number)
            }
        }
    }

    /// One with room for so many slots, and for so many keys in the table. Slots are filled from the
    /// front, and room for too many costs nothing; a large table is touched all over by a few keys.
    pub(super) fn with_room(slots: usize, keys: usize) -> Self {
        Self {
            slots: Vec::with_capacity(slots),
            points: HashTable::with_capacity(keys),
            ..Self::default()
        }
    }

    /// Takes in all that `changes` give, and puts the keys in order at the end. A slot that is gone
    /// takes its key away. None is there yet.
    ///
    /// Changes are hashed a group at a time before any of them is placed. Placing waits for
    /// memory, and what lies between two waits keeps the processor from going ahead to the next.
    pub(super) fn build<E>(
        mut self,
        mut changes: impl Iterator<Item = Result<Slot, E>>,
    ) -> Result<Self, E> {
        let mut group = Vec::with_capacity(GROUP.min(self.slots.capacity()));
        loop {
            for slot in changes.by_ref().take(GROUP) {
                let slot = slot?;
                group.push((hash(slot.pair.key()), slot));
            }
            if group.is_empty() {
                break;
            }
            for (hash, slot) in group.drain(..) {
                if slot.tombstone {
                    if let Some(number) = self.displace(hash, slot.pair.key()) {
                        self.vacate(number);
                    }
                } else {
                    drop(self.place(hash, slot));
                }
            }
        }
        self.order = Order::build(self.taken(), key_of(&self.slots));
        Ok(self)
    }

    /// Copies all pairs to memory of their own: what they were slices of is let go.
    pub(super) fn detach(&mut self) {
        for slot in &mut self.slots {
            slot.pair = slot.pair.detached();
        }
    }

    /// The slots that keys have, as they lie in memory: where the table has them, each would be a
    /// wait for memory.
    fn taken(&self) -> impl Iterator<Item = u32> + use<> {
        let mut taken = vec![true; self.slots.len()];
        for slot in &self.free {
            taken[*slot as usize] = false;
        }
        (0..)
            .zip(taken)
            .filter_map(|(slot, taken)| taken.then_some(slot))
    }

    /// Takes `key` away, and answers with what was known of it.
    pub(super) fn remove(&mut self, key: &[u8]) -> Option<Slot> {
        let number = self.displace(hash(key), key)?;
        self.order.remove(key, key_of(&self.slots));
        Some(self.vacate(number))
    }

    fn displace(&mut self, hash: u32, key: &[u8]) -> Option<u32> {
        let is_key =
            |point: &Point| point.hash == hash && self.slots[point.slot as usize].pair.key() == key;
        let found = self.points.find_entry(Point::spread(hash), is_key);
        Some(found.ok()?.remove().0.slot)
    }

    fn vacate(&mut self, number: u32) -> Slot {
        self.free.push(number);
        std::mem::take(&mut self.slots[number as usize])
    }

    /// Takes out the slot of the last key.
    pub(super) fn pop(&mut self) -> Option<Slot> {
        let last = self.order.last()?;
        let pair = self.slots[last as usize].pair.clone();
        self.remove(pair.key())
    }

    /// The slots whose keys are not below `key`, in key order.
    pub(super) fn from<'a>(&'a self, key: &[u8]) -> impl Iterator<Item = &'a Slot> + use<'a> {
        let place = self.order.find(key, &key_of(&self.slots));
        let numbers = self.order.from(place);
        numbers.map(|number| &self.slots[number as usize])
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.points.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::convert::Infallible;

    use super::*;

    fn slot(key: &[u8], value: &[u8]) -> Slot {
        Slot {
            pair: Pair::new(key, value),
            tombstone: false,
        }
    }

    /// Two keys whose hashes are equal. Among this many there are some hundred such pairs.
    fn equal_hashes() -> ([u8; 8], [u8; 8]) {
        let mut seen = HashMap::new();
        (0..1_000_000_u64)
            .map(u64::to_le_bytes)
            .find_map(|key| Some((seen.insert(hash(&key), key)?, key)))
            .expect("hashes of 32 bits collide")
    }

    #[test]
    fn keys_with_equal_hashes_are_told_apart() {
        let (one, other) = equal_hashes();
        let mut generation = Generation::default();
        assert!(generation.put(slot(&one, b"one")).is_none());
        assert!(generation.get(&other).is_none());
        assert!(generation.remove(&other).is_none());
        assert!(generation.put(slot(&other, b"other")).is_none());
        assert_eq!(generation.get(&one).unwrap().pair.value(), b"one");
        assert_eq!(generation.remove(&one).unwrap().pair.value(), b"one");
        assert_eq!(generation.get(&other).unwrap().pair.value(), b"other");
    }

    #[test]
    fn a_key_that_went_while_building_is_not_in_order() {
        let gone = |key: &[u8]| Slot {
            tombstone: true,
            ..slot(key, b"")
        };
        let changes = [slot(b"a", b"1"), slot(b"b", b"2"), gone(b"a"), gone(b"c")];
        let built: Result<_, Infallible> = Generation::default().build(changes.into_iter().map(Ok));
        let Ok(built) = built;
        let keys: Vec<_> = built.from(b"").map(|slot| slot.pair.key()).collect();
        assert_eq!(keys, [b"b"]);
    }

    #[test]
    fn groups_follow_each_other_to_the_last_change() {
        for count in [GROUP - 1, GROUP, GROUP + 1, 3 * GROUP] {
            let key = |number: usize| u32::try_from(number).unwrap().to_be_bytes();
            let put = |number: usize| slot(&key(number), b"");
            // Every third key goes, a group after it came.
            let gone = (0..count).step_by(3).map(|number| Slot {
                tombstone: true,
                ..put(number)
            });
            let changes = (0..count).map(put).chain(gone).map(Ok);
            let built: Result<_, Infallible> = Generation::default().build(changes);
            let Ok(built) = built;
            let found = built.from(b"").map(|slot| slot.pair.key().to_vec());
            let left = (0..count).filter(|number| number % 3 != 0).map(key);
            assert!(found.eq(left.map(Vec::from)), "{count}");
        }
    }

    #[test]
    fn a_slot_is_used_again() {
        let mut generation = Generation::default();
        for round in 0..1000_u32 {
            generation.put(slot(&round.to_le_bytes(), b""));
            assert!(generation.remove(&round.to_le_bytes()).is_some());
        }
        assert_eq!((generation.slots.len(), generation.len()), (1, 0));
    }
}
