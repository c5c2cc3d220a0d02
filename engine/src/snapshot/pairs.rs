//! The section of keys and values, made to be served from where it lies.
//!
//! ```text
//! │ count u64 │ (key_len u32, value_len u32) × count │ key value key value … │
//! ```
//!
//! Keys are sorted, so that an ordered index is built from them without a comparison out of
//! place. A load checks that the lengths add up, and keeps offsets only.

use std::hash::BuildHasher;

use bytes::Bytes;
use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::file::BadSnapshot;
use crate::pair::Pair;

/// The type of the section.
pub const PAIRS: u8 = 1;

/// The pairs of a section, found by key without being copied.
pub struct Pairs {
    payload: Bytes,
    /// Where a pair begins, and its lengths.
    slots: Vec<Slot>,
    index: HashTable<u32>,
    state: FixedState,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    at: usize,
    key_len: u32,
    value_len: u32,
}

impl Slot {
    fn key<'a>(&self, payload: &'a [u8]) -> &'a [u8] {
        &payload[self.at..self.at + self.key_len as usize]
    }
}

impl Pairs {
    /// Reads the lengths and indexes the keys of a section's payload.
    ///
    /// # Errors
    /// [`BadSnapshot::Section`] where the lengths do not add up.
    pub fn load(payload: &Bytes) -> Result<Self, BadSnapshot> {
        let bad = BadSnapshot::Section(PAIRS);
        let (count, rest) = payload.split_first_chunk::<8>().ok_or(bad)?;
        let count = usize::try_from(u64::from_le_bytes(*count)).map_err(|_| bad)?;
        if count > rest.len() / 8 || u32::try_from(count).is_err() {
            return Err(bad);
        }
        let mut at = 8 + count * 8;
        let mut slots = Vec::with_capacity(count);
        for lengths in payload[8..at].chunks_exact(8) {
            let (Some(key_len), Some(value_len)) = (lengths.first_chunk(), lengths.last_chunk())
            else {
                return Err(bad);
            };
            let (key_len, value_len) =
                (u32::from_le_bytes(*key_len), u32::from_le_bytes(*value_len));
            slots.push(Slot {
                at,
                key_len,
                value_len,
            });
            at = at
                .checked_add(key_len as usize + value_len as usize)
                .ok_or(bad)?;
        }
        if at != payload.len() {
            return Err(bad);
        }
        let state = FixedState::default();
        let mut index = HashTable::with_capacity(count);
        for (number, slot) in (0..).zip(&slots) {
            let hash = state.hash_one(slot.key(payload));
            // Every slot is there already, so no key is ever hashed again.
            index.insert_unique(hash, number, |_| unreachable!("the table has room for all"));
        }
        Ok(Self {
            payload: payload.clone(),
            slots,
            index,
            state,
        })
    }

    /// The value of `key`, sharing the snapshot's mapping.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Bytes> {
        let hash = self.state.hash_one(key);
        let is_key = |number: &u32| self.slots[*number as usize].key(&self.payload) == key;
        let slot = self.slots[*self.index.find(hash, is_key)? as usize];
        let start = slot.at + slot.key_len as usize;
        Some(self.payload.slice(start..start + slot.value_len as usize))
    }

    /// All pairs, in the order of the section, sharing the snapshot's mapping.
    pub fn iter(&self) -> impl Iterator<Item = Pair> {
        self.slots.iter().filter_map(|slot| {
            let end = slot.at + slot.key_len as usize + slot.value_len as usize;
            Pair::split(self.payload.slice(slot.at..end), slot.key_len)
        })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_pairs() -> [Pair; 3] {
        [("", "empty key"), ("a", ""), ("key", "value")]
            .map(|(key, value)| Pair::new(key.as_bytes(), value.as_bytes()))
    }

    fn section() -> Bytes {
        let (head, body) = crate::snapshot::write::tests::parts(&some_pairs());
        [head, body].concat().into()
    }

    #[test]
    fn pairs_are_found_where_they_lie() {
        let payload = section();
        let pairs = Pairs::load(&payload).unwrap();
        assert_eq!(pairs.len(), 3);
        for pair in some_pairs() {
            assert_eq!(pairs.get(pair.key()).unwrap(), pair.value());
        }
        assert_eq!(pairs.get(b"b"), None);
        assert!(pairs.iter().eq(some_pairs()));
        assert!(
            payload
                .as_ptr_range()
                .contains(&pairs.get(b"key").unwrap().as_ptr())
        );
    }

    #[test]
    fn lengths_that_do_not_add_up_are_refused() {
        let good = section();
        for at in 0..8 + 3 * 8 {
            let mut bad = good.to_vec();
            bad[at] ^= 1;
            // A byte may move from a key to its value, but never out of the section.
            if let Ok(pairs) = Pairs::load(&bad.clone().into()) {
                let bytes: usize = pairs.iter().map(|pair| pair.as_bytes().len()).sum();
                assert_eq!(bytes, good.len() - 32, "byte {at}");
            }
        }
        for len in 0..good.len() {
            assert!(Pairs::load(&good.slice(..len)).is_err(), "cut to {len}");
        }
    }
}
