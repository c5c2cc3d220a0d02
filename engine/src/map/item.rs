//! A key, its value and what is known of both, in one allocation behind one thin pointer.
//!
//! ```text
//! Item ──► │ count │ version │ expires │ key_len │ flags │ len │ key value │
//! ```
//!
//! Hash table, unsorted tail and sorted runs hold eight bytes each for the same allocation. A key and
//! its value lie side by side, as in the log, so that whoever compares the key has the value at hand.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{self, AtomicU64};

use triomphe::ThinArc;

use crate::injected_bug::{Bug, injected};
use crate::wal::Lsn;

/// A key with its value, or a key that went away. Cloning counts, and copies nothing.
#[derive(Clone)]
pub struct Item(ThinArc<Head, u8>);

struct Head {
    /// Set once, before the item can be seen by others: it is known only under the sequencer's
    /// lock, and the item is made before that.
    version: AtomicU64,
    /// 0 where it does not expire.
    expires_us: u64,
    key_len: u32,
    is_tombstone: bool,
}

impl Item {
    /// Copies `bytes`, of which the first `key_len` are the key and the rest is the value.
    ///
    /// # Panics
    /// Where there are fewer bytes than that.
    #[must_use]
    pub fn new(version: Lsn, expires_us: u64, key_len: u32, bytes: &[u8]) -> Self {
        assert!(key_len as usize <= bytes.len(), "a key within its bytes");
        let head = Head {
            version: AtomicU64::new(version.0),
            expires_us,
            key_len,
            is_tombstone: false,
        };
        Self(ThinArc::from_header_and_slice(head, bytes))
    }

    /// Says that `key` went away.
    ///
    /// # Panics
    /// Where the key is longer than 4 GiB.
    #[must_use]
    pub fn tombstone(version: Lsn, key: &[u8]) -> Self {
        let head = Head {
            version: AtomicU64::new(version.0),
            expires_us: 0,
            key_len: u32::try_from(key.len()).expect("a key is below 4 GiB"),
            is_tombstone: true,
        };
        Self(ThinArc::from_header_and_slice(head, key))
    }

    /// Gives the item its version. Nobody else sees it yet.
    pub(crate) fn set_version(&self, version: Lsn) {
        let place = &self.0.header.header.version;
        place.store(version.0, atomic::Ordering::Relaxed);
    }

    /// The key.
    #[must_use]
    #[inline]
    pub fn key(&self) -> &[u8] {
        &self.0.slice[..self.0.header.header.key_len as usize]
    }

    /// The value; none of a tombstone.
    #[must_use]
    #[inline]
    pub fn value(&self) -> &[u8] {
        &self.0.slice[self.0.header.header.key_len as usize..]
    }

    /// Key and value, one after the other.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.slice
    }

    /// The LSN of the record that said this.
    #[must_use]
    #[inline]
    pub fn version(&self) -> Lsn {
        let version = &self.0.header.header.version;
        Lsn(version.load(atomic::Ordering::Relaxed))
    }

    /// When it expires, in microseconds since the Unix epoch; 0 where it does not.
    #[must_use]
    #[inline]
    pub fn expires_us(&self) -> u64 {
        self.0.header.header.expires_us
    }

    /// Whether it says that the key went away.
    #[must_use]
    #[inline]
    pub fn is_tombstone(&self) -> bool {
        self.0.header.header.is_tombstone
    }

    /// Whether readers at `now_us` see a value. An item expires at its time, not after it.
    #[must_use]
    #[inline]
    pub fn is_live(&self, now_us: u64) -> bool {
        let expires_us = self.expires_us();
        let is_early = now_us < expires_us || (injected(Bug::ExpireLate) && now_us == expires_us);
        !self.is_tombstone() && (expires_us == 0 || is_early)
    }

    /// By key; of one key, the newest first.
    pub(super) fn in_order(&self, other: &Self) -> Ordering {
        let by_key = self.key().cmp(other.key());
        by_key.then_with(|| other.version().cmp(&self.version()))
    }
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Item");
        debug.field("key", &self.key().escape_ascii().to_string());
        if !self.is_tombstone() {
            debug.field("value", &self.value().escape_ascii().to_string());
        }
        debug.field("version", &self.version().0).finish()
    }
}

/// The value of a key, as it was when it was read: counted, not copied.
#[derive(Clone, Debug)]
pub struct Value(Item);

impl Value {
    pub(crate) fn new(item: Item) -> Self {
        Self(item)
    }

    /// The LSN of the record that gave the key this value.
    #[must_use]
    pub fn version(&self) -> Lsn {
        self.0.version()
    }

    /// When it expires, in microseconds since the Unix epoch; `None` where it does not.
    #[must_use]
    pub fn expires_us(&self) -> Option<u64> {
        Some(self.0.expires_us()).filter(|at| *at != 0)
    }

    /// The key and the value.
    #[must_use]
    pub fn into_item(self) -> Item {
        self.0
    }
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.value()
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        self.0.value()
    }
}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Value {
    fn eq(&self, other: &T) -> bool {
        self.0.value() == other.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_has_what_it_was_made_of() {
        for (key, value) in [("key", "value"), ("k", ""), ("", "v")] {
            let key_len = u32::try_from(key.len()).unwrap();
            let bytes = [key.as_bytes(), value.as_bytes()].concat();
            let item = Item::new(Lsn(7), 9, key_len, &bytes);
            assert_eq!(
                (item.key(), item.value()),
                (key.as_bytes(), value.as_bytes())
            );
            assert_eq!((item.version(), item.expires_us()), (Lsn(7), 9));
            assert_eq!(item.as_bytes(), bytes);
            assert!(!item.is_tombstone());
        }
        assert_eq!(size_of::<Item>(), 8);
    }

    #[test]
    fn an_item_expires_at_its_time_and_not_before() {
        let item = Item::new(Lsn(0), 100, 1, b"kv");
        assert_eq!(
            [99, 100, 101].map(|now| item.is_live(now)),
            [true, false, false]
        );
        assert!(Item::new(Lsn(0), 0, 1, b"kv").is_live(u64::MAX));
        assert!(!Item::tombstone(Lsn(0), b"k").is_live(0));
    }
}
