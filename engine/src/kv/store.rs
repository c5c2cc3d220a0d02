//! The store in memory, and a view of it that stands still.
//!
//! ```text
//! reads ──► overlay ──► base        as long as somebody holds the base frozen, changes go
//! writes ──► overlay    │           beside it; afterwards each further change carries some
//!                       └─ Frozen   of them over, until nothing is beside it any more
//! ```
//!
//! Invariants:
//!
//! 1. What the overlay says of a key counts; the base counts for all other keys.
//! 2. A base that is frozen never changes, and freezing copies nothing.
//! 3. No single change pays for all that gathered beside the base: each carries over a few.

use std::convert::Infallible;
use std::iter::Peekable;
use std::sync::Arc;

use bytes::Bytes;

use super::change::{Change, UnreadableChange};
use super::generation::{Generation, Slot};
use crate::pair::Pair;
use crate::snapshot::Pairs;
use crate::wal::{Entry, ReadError};

/// How many slots a change carries over: more than one, so that they come to an end.
const CARRIED: usize = 4;

/// For how many keys there is room when a store is built from a log of as many records or more.
/// Room that is not used takes addresses and no memory.
const EXPECTED_MAX: usize = 1 << 22;

/// Keys and values in memory: hashed for points, ordered for scans.
///
/// ```
/// use engine::kv::Store;
///
/// let mut store = Store::default();
/// store.put(b"tea/green", b"sencha");
/// store.put(b"tea/black", b"assam");
/// assert_eq!(store.get(b"tea/green").unwrap(), b"sencha");
/// let keys: Vec<_> = store.prefix(b"tea/").map(|(key, _)| key).collect();
/// assert_eq!(keys, [b"tea/black", b"tea/green"]);
/// ```
#[derive(Debug, Default)]
pub struct Store {
    base: Base,
    /// What changed beside a frozen base.
    overlay: Generation,
    len: usize,
}

#[derive(Debug)]
enum Base {
    /// Nobody else sees it.
    Ours(Generation),
    /// Frozen, or frozen until a moment ago.
    Frozen(Arc<Generation>),
}

impl Default for Base {
    fn default() -> Self {
        Self::Ours(Generation::default())
    }
}

impl Base {
    fn generation(&self) -> &Generation {
        match self {
            Self::Ours(generation) => generation,
            Self::Frozen(generation) => generation,
        }
    }
}

/// A store as it was at one moment, whatever is done to it since. Dropping it lets the store go
/// back to one generation.
#[derive(Debug)]
pub struct Frozen {
    base: Arc<Generation>,
}

/// A store has a frozen view already, and can have one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an earlier view of the store is still held; drop it first")]
pub struct StillFrozen;

/// A store could not be rebuilt from the log.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record could not be understood.
    #[error(transparent)]
    Unreadable(#[from] UnreadableChange),
}

impl Frozen {
    /// All pairs, in key order.
    pub fn iter(&self) -> impl Iterator<Item = &Pair> {
        self.base.from(b"").map(|slot| &slot.pair)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.base.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.base.is_empty()
    }
}

impl Store {
    /// Gives `key` a value, and answers with the one it had.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Option<Bytes> {
        self.put_pair(Pair::new(key, value))
    }

    /// Takes in a pair as it is, and answers with the value that its key had.
    pub fn put_pair(&mut self, pair: Pair) -> Option<Bytes> {
        let slot = Slot {
            pair,
            tombstone: false,
        };
        let before = match self.whole() {
            Some(base) => base.put(slot).map(|slot| slot.pair),
            None => self.change_beside(slot),
        };
        self.len += usize::from(before.is_none());
        before.map(Pair::into_value)
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.pair(key).map(Pair::value)
    }

    /// Whether `key` has a value.
    #[must_use]
    pub fn exists(&self, key: &[u8]) -> bool {
        self.pair(key).is_some()
    }

    fn pair(&self, key: &[u8]) -> Option<&Pair> {
        let base = self.base.generation();
        let slot = if self.overlay.is_empty() {
            base.get(key)
        } else {
            self.overlay.get(key).or_else(|| base.get(key))
        };
        slot.filter(|slot| !slot.tombstone).map(|slot| &slot.pair)
    }

    /// Takes `key` away, and answers with the value it had.
    pub fn delete(&mut self, key: &[u8]) -> Option<Bytes> {
        let before = match self.whole() {
            Some(base) => base.remove(key).map(|slot| slot.pair),
            None => self.delete_beside(key),
        };
        self.len -= usize::from(before.is_some());
        before.map(Pair::into_value)
    }

    fn delete_beside(&mut self, key: &[u8]) -> Option<Pair> {
        self.pair(key)?;
        let pair = Pair::new(key, b"");
        self.change_beside(Slot {
            pair,
            tombstone: true,
        })
    }

    /// The base, where all is in it and nobody else sees it.
    fn whole(&mut self) -> Option<&mut Generation> {
        match &mut self.base {
            Base::Ours(base) if self.overlay.is_empty() => Some(base),
            _ => None,
        }
    }

    /// Makes a change while there is a frozen view, or what gathered beside one. Answers with the
    /// pair that the key had.
    fn change_beside(&mut self, slot: Slot) -> Option<Pair> {
        let before = self.pair(slot.pair.key()).cloned();
        if self.thaw().is_none() {
            self.overlay.put(slot);
            return before;
        }
        self.overlay.remove(slot.pair.key());
        if let Base::Ours(base) = &mut self.base {
            settle(base, slot);
        }
        self.carry_over(CARRIED);
        before
    }

    /// Takes the base back where nobody holds it any more.
    fn thaw(&mut self) -> Option<()> {
        if let Base::Frozen(base) = &mut self.base {
            // There is no weak reference, and whoever held it can be gone, but not come back.
            Arc::get_mut(base)?;
            if let Base::Frozen(base) = std::mem::take(&mut self.base) {
                self.base = Base::Ours(Arc::into_inner(base)?);
            }
        }
        Some(())
    }

    /// Carries up to `count` slots from the overlay to a base that is ours.
    fn carry_over(&mut self, count: usize) {
        let Base::Ours(base) = &mut self.base else {
            return;
        };
        for _ in 0..count {
            let Some(slot) = self.overlay.pop() else {
                // What the overlay took is given back, until the next time.
                self.overlay = Generation::default();
                return;
            };
            settle(base, slot);
        }
    }

    /// The store as it is now, standing still. No pair is copied, and writers go on beside it. What
    /// gathered beside an earlier view and is not carried over yet is carried over first.
    ///
    /// # Errors
    /// [`StillFrozen`] where an earlier view is still held.
    pub fn freeze(&mut self) -> Result<Frozen, StillFrozen> {
        self.thaw().ok_or(StillFrozen)?;
        self.carry_over(usize::MAX);
        if let Base::Ours(base) = std::mem::take(&mut self.base) {
            self.base = Base::Frozen(Arc::new(base));
        }
        match &self.base {
            Base::Frozen(base) => Ok(Frozen {
                base: Arc::clone(base),
            }),
            Base::Ours(_) => Err(StillFrozen),
        }
    }

    /// The pairs whose keys begin with `prefix`, in key order.
    pub fn prefix<'a>(&'a self, prefix: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let merged = Merged {
            overlay: self.overlay.from(prefix).peekable(),
            base: self.base.generation().from(prefix).peekable(),
        };
        let pairs = merged.map(|slot| (slot.pair.key(), slot.pair.value(), slot.tombstone));
        let pairs = pairs.take_while(move |(key, ..)| key.starts_with(prefix));
        pairs.filter_map(|(key, value, gone)| (!gone).then_some((key, value)))
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Does what a logged record says.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Put(pair) => drop(self.put_pair(pair)),
            Change::Delete(key) => drop(self.delete(&key)),
        }
    }

    /// Builds a store from the records of a log. Records of other types are passed over. Keys
    /// and values are copied, so that the log can let go of its segments.
    ///
    /// # Errors
    /// - [`RebuildError::Read`]: the log could not be read.
    /// - [`RebuildError::Unreadable`]: a record is not what its type promises.
    pub fn rebuild(
        entries: impl Iterator<Item = Result<Entry, ReadError>>,
    ) -> Result<Self, RebuildError> {
        let expected = entries.size_hint().1.unwrap_or(0).min(EXPECTED_MAX);
        let changes = entries.filter_map(|entry| match read(entry).transpose()? {
            Ok(Change::Put(pair)) => Some(Ok(Slot {
                pair,
                tombstone: false,
            })),
            Ok(Change::Delete(key)) => Some(Ok(Slot {
                pair: Pair::key_alone(key),
                tombstone: true,
            })),
            Err(error) => Some(Err(error)),
        });
        let mut base = Generation::with_room(expected, 0).build(changes)?;
        base.detach();
        Ok(Self::of(base))
    }

    /// Applies the records of a log to what is there. Records of other types are passed over.
    ///
    /// # Errors
    /// As for [`rebuild`](Self::rebuild).
    pub fn replay(
        &mut self,
        entries: impl Iterator<Item = Result<Entry, ReadError>>,
    ) -> Result<(), RebuildError> {
        for entry in entries {
            if let Some(change) = read(entry)? {
                self.apply(change.detached());
            }
        }
        Ok(())
    }

    /// The pairs of a snapshot, as a store. Keys and values stay where they are.
    #[must_use]
    pub fn restore(pairs: &Pairs) -> Self {
        let slots = pairs.iter().map(|pair| {
            Ok(Slot {
                pair,
                tombstone: false,
            })
        });
        let base = Generation::with_room(pairs.len(), pairs.len());
        let base: Result<_, Infallible> = base.build(slots);
        Self::of(match base {
            Ok(base) => base,
            Err(never) => match never {},
        })
    }

    fn of(base: Generation) -> Self {
        Self {
            len: base.len(),
            base: Base::Ours(base),
            overlay: Generation::default(),
        }
    }
}

/// Lets the base say what the overlay said.
fn settle(base: &mut Generation, slot: Slot) {
    if slot.tombstone {
        base.remove(slot.pair.key());
    } else {
        base.put(slot);
    }
}

/// The slots of both, in key order, the overlay's where both know a key.
struct Merged<A: Iterator, B: Iterator> {
    overlay: Peekable<A>,
    base: Peekable<B>,
}

impl<'a, A, B> Iterator for Merged<A, B>
where
    A: Iterator<Item = &'a Slot>,
    B: Iterator<Item = &'a Slot>,
{
    type Item = &'a Slot;

    fn next(&mut self) -> Option<&'a Slot> {
        let Some(over) = self.overlay.peek() else {
            return self.base.next();
        };
        let key = over.pair.key();
        match self.base.peek().map(|slot| slot.pair.key().cmp(key)) {
            Some(std::cmp::Ordering::Less) => return self.base.next(),
            Some(std::cmp::Ordering::Equal) => drop(self.base.next()),
            Some(std::cmp::Ordering::Greater) | None => {}
        }
        self.overlay.next()
    }
}

fn read(entry: Result<Entry, ReadError>) -> Result<Option<Change>, RebuildError> {
    let Entry {
        lsn,
        kind,
        version,
        payload,
    } = entry?;
    Ok(Change::read(lsn, kind, version, payload)?)
}

#[cfg(test)]
mod tests;
