//! All keys in order, and where each is.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

/// Keys in order.
#[derive(Debug, Default)]
pub(super) struct Order(BTreeMap<Bytes, (u8, u32)>);

impl Order {
    pub(super) fn insert(&mut self, key: Bytes, shard: usize, slot: u32) {
        let shard = u8::try_from(shard).expect("there are 64 shards");
        self.0.insert(key, (shard, slot));
    }

    pub(super) fn remove(&mut self, key: &[u8]) {
        self.0.remove(key);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Shard and slot of each key from `prefix` on, greater than `after`.
    pub(super) fn from(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
    ) -> impl Iterator<Item = (usize, u32)> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let keys = self.0.range::<[u8], _>((start, Bound::Unbounded));
        keys.map(|(_, (shard, slot))| (usize::from(*shard), *slot))
    }
}
