//! Who is told of the changes to a keyspace, in step with its commits: derived indexes.
//!
//! ```text
//! commit ──► lock ──► keyspaces ──► Observer::changed, once, with all of it ──► unlock ──► settle
//! ```
//!
//! An observer follows from what the keyspaces hold, and so is neither logged nor saved. It begins with
//! a view that is taken under the same lock under which it is added, and misses nothing after it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::RwLock;

use super::sequencer::Space;
use super::{Engine, Keyspace};
use crate::map::{Hashing, Item, MapView};

/// What follows from the changes to keyspaces.
pub(crate) trait Observer: Send + Sync {
    /// Takes note of a commit: of all that it changed in keyspaces that are observed, in the order of
    /// the versions. It is called under the sequencer's lock: it must be short, must not use the
    /// engine, and must not panic.
    fn changed(&self, changes: Vec<Observed>);

    /// Does what a change means. Writers call it after the lock, as often as they like.
    fn settle(&self);
}

/// What a key of a keyspace is now: a pair, or a tombstone.
#[derive(Debug, Clone)]
pub(crate) struct Observed {
    pub keyspace: u32,
    pub item: Item,
}

/// Those who observe a keyspace. They end with their last handle elsewhere.
#[derive(Default)]
pub(super) struct Observers {
    is_any: AtomicBool,
    list: RwLock<Vec<Weak<dyn Observer>>>,
}

impl std::fmt::Debug for Observers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().finish_non_exhaustive()
    }
}

impl Observers {
    /// Whether there may be any. It changes under the sequencer's lock alone.
    #[inline]
    pub(super) fn is_any(&self) -> bool {
        self.is_any.load(Ordering::Relaxed)
    }

    fn add(&self, observer: &Arc<dyn Observer>) {
        let mut list = self.list.write();
        list.retain(|it| it.strong_count() > 0);
        list.push(Arc::downgrade(observer));
        self.is_any.store(true, Ordering::Relaxed);
    }

    fn each(&self, mut each: impl FnMut(Arc<dyn Observer>)) {
        let list = self.list.read();
        for observer in list.iter().filter_map(Weak::upgrade) {
            each(observer);
        }
    }

    /// Lets them do what the changes mean, without the sequencer's lock.
    pub(super) fn settle(&self) {
        if self.is_any() {
            let mut observers = Vec::new();
            self.each(|observer| observers.push(observer));
            for observer in observers {
                observer.settle();
            }
        }
    }

    /// Lets go of those that ended, under the sequencer's lock.
    fn prune(&self) {
        let mut list = self.list.write();
        list.retain(|it| it.strong_count() > 0);
        self.is_any.store(!list.is_empty(), Ordering::Relaxed);
    }
}

/// The changes of a commit, by observer.
#[derive(Default)]
pub(super) struct Told {
    by: Vec<(Arc<dyn Observer>, Vec<Observed>)>,
}

impl Told {
    /// Adds a change where somebody observes the keyspace.
    #[inline]
    pub(super) fn add(&mut self, space: &Space, item: &Item) {
        if space.observers.is_any() {
            self.add_observed(space, item);
        }
    }

    fn add_observed(&mut self, space: &Space, item: &Item) {
        let mut is_any = false;
        space.observers.each(|observer| {
            is_any = true;
            let change = Observed {
                keyspace: space.id,
                item: item.clone(),
            };
            let known = self
                .by
                .iter_mut()
                .find(|(it, _)| Arc::ptr_eq(it, &observer));
            match known {
                Some((_, changes)) => changes.push(change),
                None => self.by.push((observer, vec![change])),
            }
        });
        if !is_any {
            space.observers.prune();
        }
    }

    /// Tells all of them.
    pub(super) fn send(self) {
        for (observer, changes) in self.by {
            observer.changed(changes);
        }
    }
}

impl Engine {
    /// How keys are hashed, for what is made of them.
    pub(crate) fn hashing(&self) -> Hashing {
        self.inner.system.map.hashing()
    }

    /// Tells `observer` of every commit to `keyspaces` from now on, for as long as somebody else holds
    /// it, and answers with the keyspaces as they are now.
    ///
    /// # Errors
    /// The name of a keyspace that is of another engine, or was never committed.
    pub(crate) fn observe(
        &self,
        keyspaces: &[Keyspace],
        observer: &Arc<dyn Observer>,
    ) -> Result<Vec<MapView>, String> {
        self.inner.shared.sequence(|sequencer| {
            for Keyspace { space, inner } in keyspaces {
                let is_ours = Arc::ptr_eq(&inner.shared, &self.inner.shared);
                if !is_ours || !space.is_committed.load(Ordering::Acquire) {
                    return Err(space.name.clone());
                }
            }
            let view = |keyspace: &Keyspace| {
                keyspace.space.observers.add(observer);
                keyspace.space.map.view(sequencer.next)
            };
            Ok(keyspaces.iter().map(view).collect())
        })
    }
}
