//! A handle to a keyspace: what one key at a time needs, and scans.

use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use super::catalog::KeyspaceType;
use super::error::CommitError;
use super::sequencer::Space;
use super::{Engine, Inner, ReadView};
use crate::map::{Bounds, Item, MapView, Scan, Value, prefix_bounds};
use crate::wal::Lsn;

/// A named part of an engine. Clones are handles to the same one.
///
/// A write through the handle is a transaction of its own. A read sees the newest committed state,
/// which in [`Mode::Strict`](crate::wal::Mode::Strict) may be a moment ahead of the disk: whoever
/// must not act on what power loss could take back calls
/// [`Engine::durable`](super::Engine::durable) first.
#[derive(Clone)]
pub struct Keyspace {
    pub(super) space: Arc<Space>,
    pub(super) inner: Arc<Inner>,
}

impl fmt::Debug for Keyspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyspace")
            .field("name", &self.space.name)
            .field("type", &self.space.kind)
            .finish_non_exhaustive()
    }
}

/// The bounds of a range, on their own.
pub(super) fn owned<K: AsRef<[u8]>>(range: &impl RangeBounds<K>) -> Bounds {
    let own = |bound: Bound<&K>| bound.map(|key| key.as_ref().to_vec());
    (own(range.start_bound()), own(range.end_bound()))
}

impl Keyspace {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.space.name
    }

    /// Whether it is a handle of `engine`.
    pub(crate) fn is_of(&self, engine: &Engine) -> bool {
        Arc::ptr_eq(&self.inner.shared, &engine.inner.shared)
    }

    /// Whether somebody is told of its changes.
    #[cfg(test)]
    pub(crate) fn is_observed(&self) -> bool {
        self.space.observers.is_any()
    }

    /// Its number, which it keeps.
    pub(crate) fn id(&self) -> u32 {
        self.space.id
    }

    /// What it holds.
    #[must_use]
    pub fn kind(&self) -> KeyspaceType {
        self.space.kind
    }

    /// Calls `read` with the value of `key` and gives back what it answers: the shortest way to a
    /// value. Writers of some keys wait meanwhile, so `read` must be short and must not use the
    /// engine.
    #[inline]
    pub fn get_with<T>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> T) -> Option<T> {
        self.with_live(key, |item| read(item.value()))
    }

    /// The value of `key`; it is counted, not copied, and stays as it is.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Value> {
        self.with_live(key, |item| Value::new(item.clone()))
    }

    /// Whether `key` has a value.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.with_live(key, |_| ()).is_some()
    }

    /// The version of `key`: the LSN of the record that gave it its value.
    #[must_use]
    pub fn version(&self, key: &[u8]) -> Option<Lsn> {
        self.with_live(key, Item::version)
    }

    #[inline]
    fn with_live<T>(&self, key: &[u8], read: impl FnOnce(&Item) -> T) -> Option<T> {
        self.space.map.with(key, |item| {
            // Only what can expire asks for the time.
            let is_live =
                |item: &&Item| item.expires_us() == 0 || item.is_live(self.inner.shared.now_us());
            item.filter(is_live).map(read)
        })
    }

    /// Gives `key` a value, and answers with the key's new version.
    ///
    /// # Errors
    /// [`CommitError`], where nothing happened unless it is [`CommitError::NotDurable`].
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<Lsn, CommitError> {
        self.inner.shared.write(&self.space, key, Some(value), 0)
    }

    /// As [`put`](Self::put); the value is gone from `expires_us` on, in microseconds since the Unix
    /// epoch. 0 means never.
    ///
    /// # Errors
    /// As for [`put`](Self::put).
    pub fn put_until(&self, key: &[u8], value: &[u8], expires_us: u64) -> Result<Lsn, CommitError> {
        self.inner
            .shared
            .write(&self.space, key, Some(value), expires_us)
    }

    /// Takes `key` away, whether it is there or not, and answers with the LSN of that.
    ///
    /// # Errors
    /// As for [`put`](Self::put).
    pub fn delete(&self, key: &[u8]) -> Result<Lsn, CommitError> {
        self.inner.shared.write(&self.space, key, None, 0)
    }

    /// The keyspace as it is now, for as long as it is wanted; writers go on.
    fn view(&self) -> MapView {
        let Self { space, inner } = self;
        let view = |inner: &Inner| inner.shared.sequence(|it| space.map.view(it.next));
        let taken = view(inner);
        if taken.runs() > 1 {
            inner.shared.merge(space);
        }
        taken
    }

    /// All pairs, in key order, from either end, as they are now: what is written while the scan
    /// goes on is not seen.
    #[must_use]
    pub fn scan(&self) -> Scan {
        self.scan_bounds(&(Bound::Unbounded, Bound::Unbounded))
    }

    /// The pairs whose keys begin with `prefix`; otherwise as [`scan`](Self::scan).
    #[must_use]
    pub fn prefix(&self, prefix: &[u8]) -> Scan {
        self.scan_bounds(&prefix_bounds(prefix))
    }

    /// The pairs whose keys are in `range`; otherwise as [`scan`](Self::scan).
    #[must_use]
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Scan {
        self.scan_bounds(&owned(&range))
    }

    fn scan_bounds(&self, bounds: &Bounds) -> Scan {
        self.view().scan(bounds, self.inner.shared.now_us())
    }

    /// How many keys there are, those that expired and are not swept yet included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.space.map.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl ReadView {
    /// The LSN of the view: it is the state after all records below.
    #[must_use]
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    fn map(&self, keyspace: &Keyspace) -> Option<&MapView> {
        let (space, view) = self.spaces.get(&keyspace.space.id)?;
        Arc::ptr_eq(space, &keyspace.space).then_some(view)
    }

    /// What `key` had.
    #[must_use]
    pub fn get(&self, keyspace: &Keyspace, key: &[u8]) -> Option<Value> {
        let item = self.map(keyspace)?.get(key)?;
        item.is_live(self.now_us).then(|| Value::new(item.clone()))
    }

    /// The pairs whose keys are in `range`, in key order, from either end.
    #[must_use]
    pub fn range<K: AsRef<[u8]>>(&self, keyspace: &Keyspace, range: impl RangeBounds<K>) -> Scan {
        self.scan_bounds(keyspace, &owned(&range))
    }

    /// The pairs whose keys begin with `prefix`, in key order, from either end.
    #[must_use]
    pub fn prefix(&self, keyspace: &Keyspace, prefix: &[u8]) -> Scan {
        self.scan_bounds(keyspace, &prefix_bounds(prefix))
    }

    /// All pairs, in key order, from either end.
    #[must_use]
    pub fn scan(&self, keyspace: &Keyspace) -> Scan {
        self.scan_bounds(keyspace, &(Bound::Unbounded, Bound::Unbounded))
    }

    fn scan_bounds(&self, keyspace: &Keyspace, bounds: &Bounds) -> Scan {
        let view = self.map(keyspace);
        view.map_or_else(Scan::default, |view| view.scan(bounds, self.now_us))
    }
}
