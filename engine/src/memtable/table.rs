//! The table: what its threads share, how it is made, and what it says of itself.

use std::hash::BuildHasher;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, AtomicU8, Ordering};
use std::time::Duration;

use foldhash::fast::FixedState;

use super::control::{Control, Status};
use super::error::{FlushError, OpenError};
use super::generation::{IndexPart, Older, Part, Slots, Uncounted};
use super::log::ChangeLog;
use super::options::Options;
use super::persister::Persister;
use super::posting::Postings;
use super::record::Record;
use super::runtime::{Os, Runtime, SharedLock};
use crate::vfs::Monitor;
use crate::wal::Lsn;

/// No more writes are accepted until a generation was flushed.
pub(super) const FULL: u8 = 1;
/// No more writes are accepted.
pub(super) const CLOSED: u8 = 2;

/// The most parts a table can have.
const SHARDS_MAX: usize = 4096;

/// A table of records. Clones are handles to the same table. See the [module](super).
pub struct Memtable<R: Record, T: Runtime = Os> {
    pub(super) shared: Arc<Shared<R, T>>,
    owner: Arc<Owner<R, T>>,
}

impl<R: Record, T: Runtime> Clone for Memtable<R, T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            owner: Arc::clone(&self.owner),
        }
    }
}

impl<R: Record, T: Runtime> std::fmt::Debug for Memtable<R, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memtable")
            .field("name", &self.shared.name)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// Held by all handles, and not by the thread that flushes: with the last handle that thread ends.
struct Owner<R: Record, T: Runtime>(Arc<Shared<R, T>>);

impl<R: Record, T: Runtime> Drop for Owner<R, T> {
    fn drop(&mut self) {
        self.0.control.lock().is_stopping = true;
        self.0.control.notify_all();
    }
}

/// A lock on cache lines of its own, so that threads at neighbouring parts do not disturb each other.
#[repr(align(128))]
pub(super) struct Apart<L>(pub(super) L);

/// The locks of the parts, by number.
pub(super) type Locks<L> = Box<[Apart<L>]>;

/// What all handles and the flushing thread share.
pub(super) struct Shared<R: Record, T: Runtime> {
    pub(super) name: String,
    pub(super) options: Options,
    pub(super) hasher: FixedState,
    pub(super) parts: Locks<T::Lock<Part<R>>>,
    pub(super) indexes: Locks<T::Lock<IndexPart<R>>>,
    pub(super) active: Active,
    /// [`FULL`] and [`CLOSED`]. Changed under the lock of `control`; closed under all locks.
    pub(super) gate: AtomicU8,
    pub(super) control: T::Monitor<Control<R>>,
    pub(super) persister: Arc<dyn Persister<R>>,
    /// Whether a key that memory does not know may have a record.
    pub(super) falls_through: bool,
    pub(super) log: Option<Arc<dyn ChangeLog>>,
    pub(super) runtime: T,
}

/// What the active generation holds, as far as its parts have reported it.
#[derive(Debug, Default)]
pub(super) struct Active {
    pub(super) records: AtomicIsize,
    pub(super) bytes: AtomicIsize,
}

impl Active {
    pub(super) fn records(&self) -> usize {
        usize::try_from(self.records.load(Ordering::Relaxed)).unwrap_or(0)
    }

    pub(super) fn bytes(&self) -> usize {
        usize::try_from(self.bytes.load(Ordering::Relaxed)).unwrap_or(0)
    }
}

impl<R: Record> Memtable<R> {
    /// A table that begins empty and is not logged: what was not flushed ends with the process.
    ///
    /// # Errors
    /// [`OpenError`] where the options are none, or the thread could not be started.
    pub fn in_memory(persister: impl Persister<R>, options: Options) -> Result<Self, OpenError> {
        Self::with_runtime(Os::default(), Arc::new(persister), options)
    }

    /// The table called `name` of a log, with everything in it that the log has and the persister
    /// may not have. Every change is logged before it is made.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was changed.
    pub fn open(
        name: &str,
        log: impl ChangeLog,
        persister: impl Persister<R>,
        options: Options,
    ) -> Result<Self, OpenError> {
        let log = Arc::new(log);
        Self::open_with_runtime(Os::default(), name, log, Arc::new(persister), options)
    }
}

impl<R: Record, T: Runtime> Memtable<R, T> {
    /// As [`in_memory`](Memtable::in_memory), with the locks, threads and time of `runtime`.
    ///
    /// # Errors
    /// As there.
    pub fn with_runtime(
        runtime: T,
        persister: Arc<dyn Persister<R>>,
        options: Options,
    ) -> Result<Self, OpenError> {
        Self::start(Shared::new(runtime, "memtable", None, persister, options)?)
    }

    /// As [`open`](Memtable::open), with the locks, threads and time of `runtime`.
    ///
    /// # Errors
    /// As there.
    pub fn open_with_runtime(
        runtime: T,
        name: &str,
        log: Arc<dyn ChangeLog>,
        persister: Arc<dyn Persister<R>>,
        options: Options,
    ) -> Result<Self, OpenError> {
        if name.is_empty() || name.len() > 255 {
            return Err(OpenError::BadName { len: name.len() });
        }
        let shared = Shared::new(runtime, name, Some(log), persister, options)?;
        shared.recover()?;
        Self::start(shared)
    }

    fn start(shared: Shared<R, T>) -> Result<Self, OpenError> {
        let shared = Arc::new(shared);
        let owner = Arc::new(Owner(Arc::clone(&shared)));
        if shared.options.is_background {
            let worker = Arc::clone(&shared);
            shared.control.lock().has_worker = true;
            let spawned = shared
                .runtime
                .spawn("memtable-flush", move || worker.work());
            spawned.map_err(OpenError::Thread)?;
        }
        Ok(Self { shared, owner })
    }

    /// What the table holds, and how its flushes fare.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// The first record of the log that the table may need after a crash: the log can be truncated
    /// below it. `None` without a log.
    #[must_use]
    pub fn needs_from(&self) -> Option<Lsn> {
        self.shared.log.as_ref()?;
        Some(self.shared.control.lock().needs_from)
    }

    /// Makes the active generation immutable without waiting for its flush. Answers whether it was: it
    /// stays where it is empty, or where too many wait already.
    #[expect(
        clippy::must_use_candidate,
        reason = "who rotates need not know whether there was something to rotate"
    )]
    pub fn rotate(&self) -> bool {
        let mut control = self.shared.control.lock();
        let has_room = control.queue.len() < self.shared.options.immutables_max;
        let is_rotated = has_room && self.shared.rotate(&mut control, false);
        drop(control);
        self.shared.control.notify_all();
        is_rotated
    }

    /// Rotates the active generation and returns once all that was written before is the
    /// persister's. Tries at once, whatever pause a failure demands.
    ///
    /// # Errors
    /// - [`FlushError::Failed`]: a round of attempts failed. Nothing is lost; it goes on trying.
    /// - [`FlushError::TimedOut`]: it is not done in time, and goes on.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        self.shared.flush(timeout)
    }

    /// Refuses further writes, flushes, and ends the flushing thread. Reads go on. Can be called
    /// again where it failed.
    ///
    /// # Errors
    /// As [`flush`](Self::flush). What was not flushed is lost with the last handle, unless it is
    /// in a log.
    pub fn close(&self, timeout: Duration) -> Result<(), FlushError> {
        self.shared.close(timeout)
    }
}

impl<R: Record, T: Runtime> Shared<R, T> {
    fn new(
        runtime: T,
        name: &str,
        log: Option<Arc<dyn ChangeLog>>,
        persister: Arc<dyn Persister<R>>,
        options: Options,
    ) -> Result<Self, OpenError> {
        let shards = options.shards;
        if !shards.is_power_of_two() || shards > SHARDS_MAX {
            return Err(OpenError::BadShards { shards });
        }
        let older = Arc::new(Older::none());
        let part = |_| {
            Apart(T::Lock::new(Part {
                slots: Slots::default(),
                older: Arc::clone(&older),
                uncounted: Uncounted::default(),
            }))
        };
        let index = |_| {
            Apart(T::Lock::new(IndexPart {
                postings: Postings::default(),
                older: Arc::clone(&older),
            }))
        };
        let needs_from = log.as_ref().map_or(Lsn(0), |log| log.end());
        Ok(Self {
            name: name.to_owned(),
            options: Options {
                immutables_max: options.immutables_max.max(1),
                batch_records: options.batch_records.max(1),
                ..options
            },
            hasher: FixedState::with_seed(options.hash_seed),
            parts: (0..shards).map(part).collect(),
            indexes: (0..shards).map(index).collect(),
            active: Active::default(),
            gate: AtomicU8::new(0),
            control: T::Monitor::new(Control::new(runtime.now(), needs_from)),
            falls_through: !persister.is_write_only(),
            persister,
            log,
            runtime,
        })
    }

    pub(super) fn hash(&self, key: &R::Key) -> u64 {
        self.hasher.hash_one(key)
    }

    pub(super) fn index_hash(&self, index: usize, key: &[u8]) -> u64 {
        self.hasher.hash_one((index, key))
    }

    /// Which part a hash belongs to. The table inside takes its bits from both ends.
    pub(super) fn part_of(&self, hash: u64) -> usize {
        let bits = usize::try_from(hash >> 32 & 0xffff).unwrap_or(0);
        bits & (self.parts.len() - 1)
    }

    /// From how many unreported records or bytes on a part reports them: together the parts keep
    /// back at most an eighth of the threshold.
    pub(super) fn grain(&self, threshold: usize) -> isize {
        let grain = NonZeroUsize::new(threshold / self.parts.len() / 8);
        isize::try_from(grain.map_or(1, usize::from)).unwrap_or(isize::MAX)
    }

    /// Whether the active generation has reached a threshold.
    pub(super) fn is_active_full(&self) -> bool {
        self.active.records() >= self.options.threshold_records
            || self.active.bytes() >= self.options.threshold_bytes
    }
}
