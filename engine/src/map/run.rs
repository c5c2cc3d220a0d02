//! A generation that takes nothing more: sorted when somebody first asks for its order.
//!
//! ```text
//! tails of the shards ── first scan ──► │ 8 bytes of the key, item │ …      sorted, one item a key
//!                                         └ those after the prefix that all keys share
//! ```

use std::cmp::Ordering;
use std::ops::{Bound, Range};
use std::sync::OnceLock;

use parking_lot::Mutex;

use super::item::Item;

/// The bounds of a range of keys.
pub type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// The tail of a shard, free places included.
type Part = Vec<Option<Item>>;

/// An immutable generation.
#[derive(Debug)]
pub(super) struct Run {
    /// What it was made of, until it is sorted.
    unsorted: Mutex<Vec<Part>>,
    sorted: OnceLock<Sorted>,
    len: usize,
    /// No item is newer.
    newest: u64,
}

/// Items in the order of their keys, one a key.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// What all keys begin with.
    prefix: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Debug)]
pub(super) struct Entry {
    /// The eight bytes after the prefix, as a number that sorts like them.
    beginning: u64,
    pub item: Item,
}

fn beginning(key: &[u8], prefix: usize) -> u64 {
    let rest = key.get(prefix..).unwrap_or_default();
    if let Some(bytes) = rest.first_chunk() {
        return u64::from_be_bytes(*bytes);
    }
    let mut bytes = [0; 8];
    bytes[..rest.len()].copy_from_slice(rest);
    u64::from_be_bytes(bytes)
}

fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

impl Sorted {
    fn sort(parts: Vec<Part>) -> Self {
        let len = parts.iter().map(Vec::len).sum();
        let mut items = parts.iter().flatten().flatten();
        let first = items.next().map(Item::key).unwrap_or_default();
        let prefix = items.fold(first, |prefix, item| &prefix[..common(prefix, item.key())]);
        let prefix = prefix.to_vec();
        let mut entries = Vec::with_capacity(len);
        for item in parts.into_iter().flatten().flatten() {
            let beginning = beginning(item.key(), prefix.len());
            entries.push(Entry { beginning, item });
        }
        entries.sort_unstable_by(|a, b| {
            let by_beginning = a.beginning.cmp(&b.beginning);
            by_beginning.then_with(|| a.item.in_order(&b.item))
        });
        // Of one key the newest comes first, and stays.
        entries.dedup_by(|next, kept| next.item.key() == kept.item.key());
        Self { prefix, entries }
    }

    /// Takes in items that are sorted, one a key.
    pub(super) fn of(items: Vec<Item>) -> Self {
        // Of sorted keys, what the first and the last share is what all share.
        let (first, last) = (items.first(), items.last());
        let prefix = first.zip(last).map_or(&[][..], |(first, last)| {
            &first.key()[..common(first.key(), last.key())]
        });
        let prefix = prefix.to_vec();
        let entry = |item: Item| Entry {
            beginning: beginning(item.key(), prefix.len()),
            item,
        };
        let entries = items.into_iter().map(entry).collect();
        Self { prefix, entries }
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many keys are below `key`, or at most it.
    fn rank(&self, key: &[u8], or_equal: bool) -> usize {
        let shared = common(&self.prefix, key);
        if shared < self.prefix.len() {
            // The key parts from what all share: it is below all of them, or above.
            let is_above = key
                .get(shared)
                .is_some_and(|byte| *byte > self.prefix[shared]);
            return if is_above { self.entries.len() } else { 0 };
        }
        let sought = beginning(key, self.prefix.len());
        self.entries.partition_point(|entry| {
            let by_beginning = entry.beginning.cmp(&sought);
            match by_beginning.then_with(|| entry.item.key().cmp(key)) {
                Ordering::Less => true,
                Ordering::Equal => or_equal,
                Ordering::Greater => false,
            }
        })
    }

    /// The places of the keys within bounds.
    pub(super) fn within(&self, (low, high): &Bounds) -> Range<usize> {
        let start = match low {
            Bound::Unbounded => 0,
            Bound::Included(key) => self.rank(key, false),
            Bound::Excluded(key) => self.rank(key, true),
        };
        let end = match high {
            Bound::Unbounded => self.entries.len(),
            Bound::Included(key) => self.rank(key, true),
            Bound::Excluded(key) => self.rank(key, false),
        };
        start..end.max(start)
    }

    /// The item of `key`.
    pub(super) fn get(&self, key: &[u8]) -> Option<&Item> {
        let entry = self.entries.get(self.rank(key, false))?;
        (entry.item.key() == key).then_some(&entry.item)
    }
}

impl Run {
    /// A generation of the tails of shards. All are below `end`.
    pub(super) fn unsorted(parts: Vec<Part>, end: u64) -> Self {
        Self {
            len: parts.iter().map(Vec::len).sum(),
            unsorted: Mutex::new(parts),
            sorted: OnceLock::new(),
            newest: end.saturating_sub(1),
        }
    }

    /// A generation of items that are sorted, one a key. None is newer than `newest`.
    pub(super) fn sorted_items(items: Vec<Item>, newest: u64) -> Self {
        Self {
            len: items.len(),
            unsorted: Mutex::default(),
            sorted: OnceLock::from(Sorted::of(items)),
            newest,
        }
    }

    /// The items in order. The first caller sorts them; others wait for it.
    pub(super) fn sorted(&self) -> &Sorted {
        self.sorted
            .get_or_init(|| Sorted::sort(std::mem::take(&mut *self.unsorted.lock())))
    }

    /// How many items it was made of, at most.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// No item is newer.
    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// Whether an item within bounds is not older than `since`. Sorts nothing.
    pub(super) fn has_since(&self, since: u64, bounds: &Bounds) -> bool {
        if self.newest < since {
            return false;
        }
        let is_new = |item: &Item| item.version().0 >= since;
        // Before looking at what is sorted: sorting takes the parts away first.
        let parts = self.unsorted.lock();
        if !parts.is_empty() {
            let mut items = parts.iter().flatten().flatten();
            return items.any(|item| is_new(item) && contains(bounds, item.key()));
        }
        drop(parts);
        let sorted = self.sorted();
        let mut entries = sorted.entries[sorted.within(bounds)].iter();
        entries.any(|entry| is_new(&entry.item))
    }
}

/// Whether a key lies within bounds.
pub(super) fn contains((low, high): &Bounds, key: &[u8]) -> bool {
    let is_above = match low {
        Bound::Unbounded => true,
        Bound::Included(low) => low.as_slice() <= key,
        Bound::Excluded(low) => low.as_slice() < key,
    };
    let is_below = match high {
        Bound::Unbounded => true,
        Bound::Included(high) => key <= high.as_slice(),
        Bound::Excluded(high) => key < high.as_slice(),
    };
    is_above && is_below
}
