//! The map in memory: points by hash, order when somebody asks for it, views that stand still.
//!
//! ```text
//! point reads ──► 64 shards    table: the newest state, by hash
//! changes ──────►              tail:  the active generation, unsorted
//!                    │ rotate (a view is taken)
//! views ────────► runs         immutable generations behind Arc, sorted at the first scan
//!                    │ merge (beside readers and writers)
//!                 fewer, larger runs
//! ```
//!
//! Invariants:
//!
//! 1. Changes come one at a time, in the order of their versions: the sequencer makes them. Readers
//!    come at any time.
//! 2. A run never changes. A view holds the runs that were there when it was taken, and so is the
//!    state of that moment, however long it is held. Taking one copies no pair.
//! 3. The tables are the newest state: a point read never looks at a run.
//! 4. The tails and the runs together say all that the tables say.
//!
//! A view for a reader, a transaction's scan and a checkpoint are the same thing. There may be any
//! number of them at once.

mod hashing;
mod item;
mod run;
mod scan;
mod shard;

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock, RwLockWriteGuard};

pub use self::hashing::HashSeed;
pub(crate) use self::hashing::Hashing;
pub use self::item::{Item, Value};
pub use self::run::Bounds;
use self::run::Run;
pub use self::scan::Scan;
use self::scan::merge;
use self::shard::Shard;
use crate::injected_bug::{Bug, injected};
use crate::wal::Lsn;

/// How many shards there are.
const SHARDS: usize = 64;

/// A run is merged with the older one before it once it has this share of its length.
const MERGED_SHARE: usize = 4;

/// How many keys are looked at by a sweep.
const SWEPT: usize = 16 << 10;

/// With more runs than this, the newest are merged whatever their lengths are.
const RUNS_MAX: usize = 6;

/// Which shard a hash belongs to: of bits that the tables do not look at.
#[inline]
fn shard_of(hash: u64) -> usize {
    usize::try_from(hash >> 40).unwrap_or(0) % SHARDS
}

/// A shard with its lock, on cache lines of its own: neighbours do not slow each other down.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Locked(RwLock<Shard>);

/// Keys and values; see the [module](self).
#[derive(Debug)]
pub struct Map {
    hashing: Hashing,
    shards: Box<[Locked]>,
    /// The immutable generations, the oldest first.
    runs: RwLock<Vec<Arc<Run>>>,
    /// Whether the tails may hold something.
    is_dirty: AtomicBool,
    /// Whether there may be an item that expires.
    may_expire: AtomicBool,
    /// The shard that is swept next.
    sweep_at: AtomicUsize,
    /// No tombstone that was merged away is newer: what was deleted since cannot be seen in runs.
    forgotten: AtomicU64,
    /// How many keys the last view has. Of ten thousand keyspaces few change between two views, and
    /// nobody is to wait while the shards of all of them are counted.
    viewed: AtomicUsize,
    /// Held by whoever merges.
    merging: Mutex<()>,
}

impl Default for Map {
    fn default() -> Self {
        Self::new(Hashing::default())
    }
}

/// A map as it was at one moment.
#[derive(Debug, Clone)]
pub struct MapView {
    /// The oldest first.
    runs: Vec<Arc<Run>>,
    len: usize,
}

impl Map {
    /// An empty map.
    pub(crate) fn new(hashing: Hashing) -> Self {
        Self {
            hashing,
            shards: (0..SHARDS).map(|_| Locked::default()).collect(),
            runs: RwLock::default(),
            is_dirty: AtomicBool::new(false),
            may_expire: AtomicBool::new(false),
            sweep_at: AtomicUsize::new(0),
            forgotten: AtomicU64::new(0),
            viewed: AtomicUsize::new(0),
            merging: Mutex::new(()),
        }
    }

    /// How its keys are hashed, for another map of the same engine.
    pub(crate) fn hashing(&self) -> Hashing {
        self.hashing.clone()
    }

    /// A map of items that are sorted by key, one a key, none of them a tombstone.
    pub(crate) fn of_sorted(hashing: Hashing, items: Vec<Item>) -> Self {
        let map = Self::new(hashing);
        // Shard by shard: the table of one fits a cache that those of all do not. What is moved
        // there is not looked at again.
        let room = items.len() / SHARDS + items.len() / (SHARDS * 8);
        let mut parts: Vec<_> = (0..SHARDS).map(|_| Vec::with_capacity(room)).collect();
        let (mut newest, mut may_expire) = (0, false);
        for item in &items {
            newest = newest.max(item.version().0);
            may_expire |= item.expires_us() != 0;
            let hash = map.hashing.hash(item.key());
            parts[shard_of(hash)].push((hash, item.clone()));
        }
        map.may_expire.store(may_expire, Ordering::Relaxed);
        for (shard, part) in map.shards.iter().zip(parts) {
            let mut shard = shard.0.write();
            shard.reserve(part.len());
            shard.rotate(newest + 1);
            for (hash, item) in part {
                shard.put_sorted(hash, item);
            }
        }
        map.viewed.store(items.len(), Ordering::Relaxed);
        if !items.is_empty() {
            let run = Run::sorted_items(items, newest);
            map.runs.write().push(Arc::new(run));
        }
        map
    }

    /// Calls `read` with the item of `key`, expired or not, and whatever it answers.
    #[inline]
    pub fn with<T>(&self, key: &[u8], read: impl FnOnce(Option<&Item>) -> T) -> T {
        let hash = self.hashing.hash(key);
        read(self.shards[shard_of(hash)].0.read().get(hash, key))
    }

    /// The item of `key`, expired or not.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Item> {
        let hash = self.hashing.hash(key);
        self.shards[shard_of(hash)].0.read().get(hash, key).cloned()
    }

    /// Takes in an item: a pair, or a tombstone. Answers with the item that its key had. Items come
    /// in the order of their versions.
    pub(crate) fn apply(&self, item: Item) -> Option<Item> {
        let (hash, version) = (self.hashing.hash(item.key()), item.version());
        let mut shard = self.write(hash, item.expires_us());
        if item.is_tombstone() {
            shard.delete(hash, item.key(), version)
        } else {
            shard.put(hash, item)
        }
    }

    /// Gives `key` what `item` has, or takes it away where there is none, with the version that
    /// `number` answers under the lock of the key: of one key, versions rise.
    pub(crate) fn apply_numbered(
        &self,
        key: &[u8],
        item: Option<Item>,
        number: impl FnOnce() -> Lsn,
    ) -> Lsn {
        let hash = self.hashing.hash(key);
        let mut shard = self.write(hash, item.as_ref().map_or(0, Item::expires_us));
        let version = number();
        let had = match item {
            Some(item) => {
                item.set_version(version);
                shard.put(hash, item)
            }
            None => shard.delete(hash, key, version),
        };
        // What nobody else has is let go without the lock.
        drop(shard);
        drop(had);
        version
    }

    /// The shard of a hash, to be changed.
    fn write(&self, hash: u64, expires_us: u64) -> RwLockWriteGuard<'_, Shard> {
        if expires_us != 0 {
            self.may_expire.store(true, Ordering::Relaxed);
        }
        let shard = self.shards[shard_of(hash)].0.write();
        // Rotation looks at it while no change is made.
        if !self.is_dirty.load(Ordering::Relaxed) {
            self.is_dirty.store(true, Ordering::Relaxed);
        }
        shard
    }

    /// How many keys there are, those that expired and are not swept yet included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.0.read().len()).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many immutable generations there are.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.runs.read().len()
    }

    /// Ends the active generation and gives the map as it is now: what comes later has versions from
    /// `next` on. No change may be made meanwhile, so the sequencer calls this.
    pub(crate) fn view(&self, next: u64) -> MapView {
        if self.is_dirty.swap(false, Ordering::Relaxed) {
            let rotate = |shard: &Locked| shard.0.write().rotate(next);
            let parts: Vec<_> = self.shards.iter().map(rotate).collect();
            let run = Run::unsorted(parts, next);
            if run.len() > 0 {
                self.runs.write().push(Arc::new(run));
            }
            self.viewed.store(self.len(), Ordering::Relaxed);
        }
        MapView {
            runs: self.runs.read().clone(),
            len: self.viewed.load(Ordering::Relaxed),
        }
    }

    /// Whether a key within bounds may have changed with a version not below `since`. It may say so
    /// of one that did not, and never says that none did where one did: a key that came and went is
    /// as it was.
    pub(crate) fn has_changed(&self, since: u64, bounds: &Bounds) -> bool {
        let runs = self.runs.read().clone();
        // After the runs: whoever merged a tombstone away noted it before its runs were seen.
        if self.forgotten.load(Ordering::Acquire) >= since.max(1) {
            return true;
        }
        let is_new = |item: &Item| item.version().0 >= since && run::contains(bounds, item.key());
        runs.iter().any(|run| run.has_since(since, bounds))
            || (self.is_dirty.load(Ordering::Relaxed)
                && self
                    .shards
                    .iter()
                    .any(|shard| shard.0.read().tail().any(is_new)))
    }

    /// Merges runs where there are many, or where a newer one has grown to a share of the one before
    /// it. Readers and writers go on; who else merges is left alone. Answers whether it did.
    pub(crate) fn merge_runs(&self) -> bool {
        let Some(_merging) = self.merging.try_lock() else {
            return false;
        };
        let runs = self.runs.read().clone();
        let Some(first) = first_merged(&runs) else {
            return false;
        };
        let merged = &runs[first..];
        let is_oldest = first == 0 || injected(Bug::DropTombstones);
        let mut sorted: Vec<_> = merged.iter().map(|run| run.sorted().entries()).collect();
        if injected(Bug::MergeOlder) {
            sorted.reverse();
        }
        let mut items = Vec::with_capacity(sorted.iter().map(|run| run.len()).sum());
        let mut forgotten = 0;
        merge(&sorted, |item| {
            if is_oldest && item.is_tombstone() {
                forgotten = forgotten.max(item.version().0);
            } else {
                items.push(item.clone());
            }
        });
        let newest = merged.iter().map(|run| run.newest()).max().unwrap_or(0);
        let run = Run::sorted_items(items, newest);
        self.forgotten.fetch_max(forgotten, Ordering::AcqRel);
        let mut runs = self.runs.write();
        // Others only add runs at the end.
        let range = first..first + merged.len();
        let replaced: Vec<_> = runs.splice(range, [Arc::new(run)]).collect();
        // What nobody else holds is let go without the lock.
        drop(runs);
        drop(replaced);
        true
    }

    /// How many items the active generation has.
    #[cfg(test)]
    pub(crate) fn tail_len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| shard.0.read().places())
            .sum()
    }

    /// Whether an item that expires was ever taken in.
    pub(crate) fn may_expire(&self) -> bool {
        self.may_expire.load(Ordering::Relaxed)
    }

    /// The next keys that expired by `now_us`, of those that were not looked at for longest. It looks
    /// at some [`SWEPT`] keys, so that a large map is gone through in several calls.
    pub(crate) fn expired(&self, now_us: u64) -> Vec<Item> {
        let (mut found, mut seen) = (Vec::new(), 0);
        for _ in 0..SHARDS {
            let number = self.sweep_at.fetch_add(1, Ordering::Relaxed) % SHARDS;
            let shard = self.shards[number].0.read();
            found.extend(shard.items().filter(|item| !item.is_live(now_us)).cloned());
            seen += shard.len();
            if seen >= SWEPT {
                break;
            }
        }
        found
    }
}

/// Which run the merge begins with; `None` where there is nothing to merge.
fn first_merged(runs: &[Arc<Run>]) -> Option<usize> {
    let mut first = runs.len().checked_sub(1)?;
    let mut newer = runs[first].len();
    while first > 0 && newer >= runs[first - 1].len() / MERGED_SHARE {
        first -= 1;
        newer += runs[first].len();
    }
    if runs.len() > RUNS_MAX {
        first = first.min(runs.len() - 2);
    }
    (first + 1 < runs.len()).then_some(first)
}

impl MapView {
    /// The live pairs within bounds at `now_us`, in key order, from either end.
    #[must_use]
    pub fn scan(&self, bounds: &Bounds, now_us: u64) -> Scan {
        Scan::new(self.runs.iter().rev(), bounds, now_us)
    }

    /// As [`scan`](Self::scan), as if `items` had been applied to the map.
    pub(crate) fn scan_with(&self, items: Vec<Item>, bounds: &Bounds, now_us: u64) -> Scan {
        let beside = Arc::new(Run::sorted_items(items, u64::MAX));
        let runs = std::iter::once(&beside).chain(self.runs.iter().rev());
        Scan::new(runs, bounds, now_us)
    }

    /// What `key` had, expired or not.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&Item> {
        let found = self.runs.iter().rev().find_map(|run| run.sorted().get(key));
        found.filter(|item| !item.is_tombstone())
    }

    /// All items, in key order, expired ones included.
    pub fn for_each<'a>(&'a self, mut each: impl FnMut(&'a Item)) {
        let sorted: Vec<_> = self.runs.iter().map(|run| run.sorted().entries()).collect();
        merge(&sorted, |item| {
            if !item.is_tombstone() {
                each(item);
            }
        });
    }

    /// How many generations it is made of.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// How many items there are, expired ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The bounds of all keys that begin with `prefix`.
#[must_use]
pub fn prefix_bounds(prefix: &[u8]) -> Bounds {
    let mut above = prefix.to_vec();
    while above.last() == Some(&u8::MAX) {
        above.pop();
    }
    let high = match above.last_mut() {
        Some(last) => {
            *last += 1;
            Bound::Excluded(above)
        }
        None => Bound::Unbounded,
    };
    (Bound::Included(prefix.to_vec()), high)
}
