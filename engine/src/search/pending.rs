//! How an index keeps in step: changes are noted under the sequencer's lock, and read after it.
//!
//! ```text
//! sequencer ──► pending: change, change, …     a commit's at once
//! writer, search ──► index lock ──► pending is taken ──► index
//! ```
//!
//! Invariants:
//!
//! 1. Whoever takes what is pending holds the index for writing: changes come in their order.
//! 2. All changes of a commit are noted at once, and taken at once.
//! 3. A writer that finds the index busy leaves its changes to the next one, unless there are many.

use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::document::Kind;
use super::error::SearchError;
use super::index::Index;
use crate::engine::{Observed, Observer};
use crate::injected_bug::{Bug, injected};
use crate::map::{Hashing, Item};

/// With more changes than this pending, a writer waits until they are in the index.
pub const PENDING_MAX: usize = 1024;

/// With more bytes of keys and values than this pending, a writer waits until they are in the index.
pub const PENDING_BYTES_MAX: usize = 16 << 20;

/// An index that is kept in step.
#[derive(Debug)]
pub(super) struct Kept {
    /// The numbers of the keyspaces, and how each is read, in the order of the sources.
    keyspaces: Vec<(u32, Kind)>,
    index: RwLock<Sound>,
    pending: Mutex<Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    changes: Vec<Observed>,
    bytes: usize,
}

/// An index that says all that its keyspaces do, or why it no longer does.
#[derive(Debug)]
pub(super) struct Sound {
    index: Index,
    failed: Option<SearchError>,
}

impl std::ops::Deref for Sound {
    type Target = Index;

    fn deref(&self) -> &Index {
        &self.index
    }
}

impl Sound {
    /// Builds it of items in any order.
    pub(super) fn build(
        &mut self,
        kinds: &[Kind],
        mut items: Vec<(u32, Item)>,
    ) -> Result<(), SearchError> {
        items.sort_unstable_by(|(a_source, a), (b_source, b)| {
            let by_version = a.version().cmp(&b.version());
            // Those of a database from before there were keyspaces have one version.
            by_version.then_with(|| (a_source, a.key()).cmp(&(b_source, b.key())))
        });
        for (source, item) in items {
            self.index.apply(source, kinds[source as usize], item)?;
        }
        self.index.shrink();
        Ok(())
    }

    pub(super) fn failed(&self) -> Option<&SearchError> {
        self.failed.as_ref()
    }
}

impl Kept {
    /// An empty one.
    pub(super) fn new(hashing: Hashing, keyspaces: Vec<(u32, Kind)>) -> Self {
        let index = Index::new(hashing);
        let failed = None;
        Self {
            keyspaces,
            index: RwLock::new(Sound { index, failed }),
            pending: Mutex::default(),
        }
    }

    /// The index, to be built.
    pub(super) fn index(&self) -> RwLockWriteGuard<'_, Sound> {
        self.index.write()
    }

    /// The index with all that was noted before the call, at `now_us`.
    pub(super) fn read(&self, now_us: u64) -> RwLockReadGuard<'_, Sound> {
        let index = self.index.read();
        let is_caught_up =
            self.pending.lock().changes.is_empty() || injected(Bug::SearchBeforePending);
        if is_caught_up && !index.is_due(now_us) {
            return index;
        }
        drop(index);
        let mut index = self.index.write();
        self.catch_up(&mut index);
        index.index.tick(now_us);
        RwLockWriteGuard::downgrade(index)
    }

    /// Takes in what is pending.
    fn catch_up(&self, index: &mut Sound) {
        let Pending { changes, .. } = std::mem::take(&mut *self.pending.lock());
        for Observed { keyspace, item } in changes {
            let mut sources = (0..).zip(&self.keyspaces);
            let Some((source, (_, kind))) = sources.find(|(_, (id, _))| *id == keyspace) else {
                continue;
            };
            if index.failed.is_none()
                && let Err(error) = index.index.apply(source, *kind, item)
            {
                index.failed = Some(error);
            }
        }
    }
}

impl Observer for Kept {
    fn changed(&self, changes: Vec<Observed>) {
        let mut pending = self.pending.lock();
        let bytes = changes.iter().map(|change| change.item.as_bytes().len());
        pending.bytes += bytes.sum::<usize>();
        if pending.changes.is_empty() {
            pending.changes = changes;
        } else {
            pending.changes.extend(changes);
        }
    }

    fn settle(&self) {
        let is_much = {
            let pending = self.pending.lock();
            if pending.changes.is_empty() {
                return;
            }
            pending.changes.len() > PENDING_MAX || pending.bytes > PENDING_BYTES_MAX
        };
        let index = if is_much {
            Some(self.index.write())
        } else {
            self.index.try_write()
        };
        if let Some(mut index) = index {
            self.catch_up(&mut index);
        }
    }
}
