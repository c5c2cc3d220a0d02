//! Keys in order: sorted runs of slots, each entry with the beginning of its key at hand.
//!
//! ```text
//! runs   │ "a…" 7 │ "b…" 2 │ … ┆ │ "k…" 9 │ "m…" 0 │ … ┆ …        at most RUN entries each
//!          └ sixteen bytes of the key, and its slot
//! ```
//!
//! A search compares beginnings, which lie side by side, and follows a slot to its key only where
//! two beginnings are equal. Sorting all keys once is several times faster than finding each its
//! place; the runs of sorted keys stay where they were sorted until something changes in them.

use std::cmp::Ordering;

/// How many entries a run has at most.
const RUN: usize = 512;
/// How many it has when it is made of sorted keys: room for some more.
const FILLED: usize = RUN * 3 / 4;

/// Slots in the order of their keys. Whoever calls knows the keys.
#[derive(Debug, Default)]
pub(super) struct Order {
    sorted: Vec<Entry>,
    runs: Vec<Run>,
}

/// Entries in order, never none.
#[derive(Debug)]
enum Run {
    /// Of `sorted`, from here to there.
    Sorted(usize, usize),
    /// Its own.
    Changed(Vec<Entry>),
}

impl Run {
    fn entries<'a>(&'a self, sorted: &'a [Entry]) -> &'a [Entry] {
        match self {
            Self::Sorted(start, end) => &sorted[*start..*end],
            Self::Changed(entries) => entries,
        }
    }

    /// The entries, to be changed.
    fn change(&mut self, sorted: &[Entry]) -> &mut Vec<Entry> {
        if let Self::Sorted(start, end) = self {
            let mut entries = Vec::with_capacity(RUN);
            entries.extend_from_slice(&sorted[*start..*end]);
            *self = Self::Changed(entries);
        }
        match self {
            Self::Changed(entries) => entries,
            Self::Sorted(..) => unreachable!("was just copied"),
        }
    }
}

/// A slot, and the first sixteen bytes of its key as a number that sorts like them.
#[derive(Debug, Clone, Copy)]
struct Entry {
    beginning: [u64; 2],
    slot: u32,
}

impl Entry {
    fn new(key: &[u8], slot: u32) -> Self {
        let mut bytes = [0; 16];
        let len = key.len().min(16);
        bytes[..len].copy_from_slice(&key[..len]);
        let number = u128::from_be_bytes(bytes);
        let [high, low] = [number >> 64, number & u128::from(u64::MAX)];
        let half = |number| u64::try_from(number).unwrap_or_default();
        Self {
            beginning: [half(high), half(low)],
            slot,
        }
    }

    /// Compares the entry's key with `key`, whose beginning is at hand.
    fn compare<'a>(
        &self,
        key: &[u8],
        beginning: [u64; 2],
        key_of: impl Fn(u32) -> &'a [u8],
    ) -> Ordering {
        let by_beginning = self.beginning.cmp(&beginning);
        by_beginning.then_with(|| key_of(self.slot).cmp(key))
    }
}

impl Order {
    /// Puts slots in order. No two have the same key.
    pub(super) fn build<'a>(
        slots: impl Iterator<Item = u32>,
        key_of: impl Fn(u32) -> &'a [u8],
    ) -> Self {
        let mut entries: Vec<_> = slots.map(|slot| Entry::new(key_of(slot), slot)).collect();
        entries.sort_unstable_by(|a, b| {
            let by_beginning = a.beginning.cmp(&b.beginning);
            by_beginning.then_with(|| key_of(a.slot).cmp(key_of(b.slot)))
        });
        let len = entries.len();
        let starts = (0..len).step_by(FILLED);
        let runs = starts.map(|start| Run::Sorted(start, len.min(start + FILLED)));
        Self {
            runs: runs.collect(),
            sorted: entries,
        }
    }

    /// Takes in a slot whose key is not there yet.
    pub(super) fn insert<'a>(&mut self, key: &[u8], slot: u32, key_of: impl Fn(u32) -> &'a [u8]) {
        let entry = Entry::new(key, slot);
        let (mut run, mut at) = self.find(key, &key_of);
        if self.runs.is_empty() {
            self.runs.push(Run::Changed(Vec::with_capacity(RUN)));
        }
        let entries = self.runs[run].change(&self.sorted);
        if entries.len() == RUN {
            let mut upper = Vec::with_capacity(RUN);
            upper.extend(entries.drain(RUN / 2..));
            self.runs.insert(run + 1, Run::Changed(upper));
            if at > RUN / 2 {
                (run, at) = (run + 1, at - RUN / 2);
            }
        }
        self.runs[run].change(&self.sorted).insert(at, entry);
    }

    /// Lets go of the slot of a key that is there.
    pub(super) fn remove<'a>(&mut self, key: &[u8], key_of: impl Fn(u32) -> &'a [u8]) {
        let (run, at) = self.find(key, &key_of);
        let entries = self.runs[run].change(&self.sorted);
        entries.remove(at);
        let left = entries.len();
        let next = self.runs.get(run + 1);
        let next = next.map_or(RUN, |next| next.entries(&self.sorted).len());
        if left == 0 {
            self.runs.remove(run);
        } else if left + next <= RUN / 4 {
            let rest = self.runs.remove(run + 1);
            let rest = rest.entries(&self.sorted);
            self.runs[run].change(&self.sorted).extend_from_slice(rest);
        }
    }

    /// The slot of the last key.
    pub(super) fn last(&self) -> Option<u32> {
        Some(self.runs.last()?.entries(&self.sorted).last()?.slot)
    }

    /// The slots from a place on, in the order of their keys.
    pub(super) fn from(&self, (run, at): (usize, usize)) -> impl Iterator<Item = u32> {
        let first = self.runs.get(run);
        let first = first.map_or(&[][..], |run| &run.entries(&self.sorted)[at..]);
        let rest = self.runs.get(run + 1..).unwrap_or_default().iter();
        let rest = rest.flat_map(|run| run.entries(&self.sorted));
        first.iter().chain(rest).map(|entry| entry.slot)
    }

    /// The run and the place in it where `key` stands, or would.
    pub(super) fn find<'a>(&self, key: &[u8], key_of: &impl Fn(u32) -> &'a [u8]) -> (usize, usize) {
        let Entry { beginning, .. } = Entry::new(key, 0);
        let below = |entry: &Entry| entry.compare(key, beginning, key_of) == Ordering::Less;
        // The last run that begins at or before the key.
        let at_most = |entry: &Entry| entry.compare(key, beginning, key_of) != Ordering::Greater;
        let first = |run: &Run| run.entries(&self.sorted)[0];
        let after = self.runs.partition_point(|run| at_most(&first(run)));
        let run = after.saturating_sub(1);
        let at = self
            .runs
            .get(run)
            .map_or(0, |run| run.entries(&self.sorted).partition_point(below));
        (run, at)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Keys that share long beginnings, differ only in length, or only in a zero at the end.
    fn keys() -> Vec<Vec<u8>> {
        let mut keys: Vec<Vec<u8>> = (0..3000_u32)
            .map(|number| {
                let number = number.wrapping_mul(0x9e37_79b9) >> 12;
                match number % 3 {
                    0 => format!("{number}").into(),
                    1 => format!("a beginning of twenty {number:07}").into(),
                    _ => number.to_be_bytes()[1..].to_vec(),
                }
            })
            .collect();
        keys.extend(
            [
                &b""[..],
                b"\0",
                b"\0\0",
                b"a",
                b"a\0",
                &[0xff; 16],
                &[0xff; 17],
            ]
            .map(Vec::from),
        );
        keys.sort();
        keys.dedup();
        keys
    }

    fn shuffled(mut keys: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let mut state = 1_usize;
        for end in (1..keys.len()).rev() {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            keys.swap(end, (state >> 33) % (end + 1));
        }
        keys
    }

    fn assert_equal(order: &Order, keys: &[Vec<u8>], model: &BTreeMap<&[u8], u32>, from: &[u8]) {
        let key_of = |slot: u32| &keys[slot as usize][..];
        let expected = model.range(from..).map(|(_, slot)| *slot);
        assert!(
            order.from(order.find(from, &key_of)).eq(expected),
            "from {from:?}"
        );
    }

    #[test]
    fn slots_come_in_the_order_of_their_keys_however_they_got_in() {
        let keys = shuffled(keys());
        let key_of = |slot: u32| &keys[slot as usize][..];
        let (mut order, mut model) = (Order::default(), BTreeMap::new());
        for (slot, key) in (0..).zip(&keys) {
            order.insert(key, slot, key_of);
            model.insert(&key[..], slot);
        }
        assert_equal(&order, &keys, &model, b"");
        let built = Order::build(0..u32::try_from(keys.len()).unwrap(), key_of);
        assert_equal(&built, &keys, &model, b"");
        assert!(order.runs.len() > 5 && built.runs.len() > 5);
        for key in &keys {
            for from in [&key[..], &[&key[..], b"\0"].concat()] {
                assert_equal(&built, &keys, &model, from);
            }
        }
    }

    #[test]
    fn a_full_run_takes_a_key_at_any_place() {
        let number = |slot: u32| slot.to_be_bytes();
        let keys: Vec<_> = (0..=u32::try_from(2 * RUN).unwrap()).map(number).collect();
        let key_of = |slot: u32| &keys[slot as usize][..];
        // Slots of odd keys fill a run; an even one goes before, between or behind them.
        for even in (0..keys.len()).step_by(2) {
            let mut order = Order::default();
            for odd in (1..keys.len()).step_by(2) {
                order.insert(&keys[odd], u32::try_from(odd).unwrap(), key_of);
            }
            assert_eq!(order.runs.len(), 1);
            order.insert(&keys[even], u32::try_from(even).unwrap(), key_of);
            assert_eq!(order.runs.len(), 2);
            let expected = (0..keys.len()).filter(|slot| slot % 2 == 1 || *slot == even);
            assert!(
                order.from((0, 0)).map(|slot| slot as usize).eq(expected),
                "{even}"
            );
        }
    }

    #[test]
    fn what_is_removed_is_gone_and_runs_are_joined() {
        let keys = shuffled(keys());
        let key_of = |slot: u32| &keys[slot as usize][..];
        let mut order = Order::build(0..u32::try_from(keys.len()).unwrap(), key_of);
        let mut model: BTreeMap<_, _> = keys.iter().map(|key| &key[..]).zip(0..).collect();
        let runs = order.runs.len();
        for key in keys.iter().take(keys.len() - 40) {
            order.remove(key, key_of);
            model.remove(&key[..]);
        }
        assert_equal(&order, &keys, &model, b"");
        assert!(
            order.runs.len() < runs / 2,
            "{} of {runs}",
            order.runs.len()
        );
        for key in &keys[keys.len() - 40..] {
            order.remove(key, key_of);
        }
        assert!(order.runs.is_empty());
        order.insert(b"", 0, key_of);
        assert_eq!(order.from((0, 0)).count(), 1);
    }
}
