//! What all handles of an engine share.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use super::error::{CheckpointError, CommitError};
use super::log::{Log, Saved};
use super::sequencer::{Gate, Sequencer, Space, State, tell_observers};
use super::{KEY_BYTES_MAX, VALUE_BYTES_MAX, catalog, change};
use crate::frame::{Kind, Record};
use crate::injected_bug::{Bug, injected};
use crate::map::{Item, MapView};
use crate::wal::{Lsn, MaintainError, Mode, Poisoned};

/// How much of a writer's scratch is kept.
const SCRATCH_BYTES: usize = 64 << 10;

/// How many expired keys are swept at once.
const SWEPT: usize = 256;

thread_local! {
    /// Where a writer lays its record out.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What is counted while the engine works.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub commits: AtomicU64,
    pub conflicts: AtomicU64,
    pub checkpoints: AtomicU64,
    pub checkpoint_failures: AtomicU64,
    pub swept: AtomicU64,
    pub merges: AtomicU64,
}

/// When a checkpoint is due.
#[derive(Debug)]
pub(super) struct Schedule {
    pub bytes: Option<u64>,
    pub interval_us: Option<u64>,
    /// The log's bytes, the time and the LSN of the last one. What a log was opened with counts as
    /// bytes below zero.
    pub last: Mutex<(u64, u64, Lsn)>,
}

/// What takes the log's place in memory. Single writes go on beside each other; whoever needs the
/// sequencer (transactions, views) is alone.
#[derive(Debug)]
pub(super) struct Memory {
    phase: RwLock<()>,
    /// The LSN of the next record.
    next: AtomicU64,
    is_open: AtomicBool,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            phase: RwLock::new(()),
            next: AtomicU64::new(0),
            is_open: AtomicBool::new(true),
        }
    }
}

/// What all handles share.
pub(super) struct Shared {
    pub gate: Box<dyn Gate>,
    pub memory: Memory,
    pub log: RwLock<Option<Arc<dyn Log>>>,
    pub mode: Mode,
    pub clock: Box<dyn Fn() -> u64 + Send + Sync>,
    pub next_keyspace: AtomicU32,
    pub counted: Counted,
    pub schedule: Schedule,
    /// Whether views are missing that the directory knows.
    pub skip_views: bool,
    /// Held by whoever takes a checkpoint.
    pub checkpointing: Mutex<()>,
}

/// All keyspaces as they were at one moment.
pub(super) struct Frozen {
    pub lsn: Lsn,
    pub spaces: BTreeMap<u32, (Arc<Space>, MapView)>,
    /// What views saved, as items of the system's keyspace.
    pub saved: Vec<Item>,
    pub log: Option<Arc<dyn Log>>,
}

/// Checks the length of a key.
pub(super) fn check_key(key: &[u8]) -> Result<(), CommitError> {
    match key.len() {
        0 => Err(CommitError::EmptyKey),
        len if len > KEY_BYTES_MAX => Err(CommitError::KeyTooLong { len }),
        _ => Ok(()),
    }
}

/// Checks the length of a value.
pub(super) fn check_value(value: &[u8]) -> Result<(), CommitError> {
    match value.len() {
        len if len > VALUE_BYTES_MAX => Err(CommitError::ValueTooLong { len }),
        _ => Ok(()),
    }
}

impl Shared {
    /// Runs `work` under the sequencer's lock.
    pub(super) fn sequence<T>(&self, work: impl FnOnce(&mut Sequencer) -> T) -> T {
        let mut work = Some(work);
        let mut result = None;
        let memory = &self.memory;
        let alone = (self.mode == Mode::InMemory).then(|| memory.phase.write());
        self.gate.enter(&mut |sequencer| {
            let Some(work) = work.take() else { return };
            if alone.is_none() {
                result = Some(work(sequencer));
                return;
            }
            sequencer.next = memory.next.load(Ordering::Relaxed);
            // Where `work` panics, it stays so.
            memory.is_open.store(false, Ordering::Relaxed);
            result = Some(work(sequencer));
            let is_open = matches!(sequencer.state, State::Open);
            memory.is_open.store(is_open, Ordering::Relaxed);
            memory.next.store(sequencer.next, Ordering::Relaxed);
        });
        result.expect("a gate lets its caller in")
    }

    pub(super) fn now_us(&self) -> u64 {
        (self.clock)()
    }

    /// The log; an engine in memory or a closed one has none.
    pub(super) fn log(&self) -> Option<Arc<dyn Log>> {
        self.log.read().clone()
    }

    /// Puts or deletes one key, without a transaction's bookkeeping.
    pub(super) fn write(
        &self,
        space: &Arc<Space>,
        key: &[u8],
        value: Option<&[u8]>,
        expires_us: u64,
    ) -> Result<Lsn, CommitError> {
        check_key(key)?;
        check_value(value.unwrap_or_default())?;
        if !space.is_committed.load(Ordering::Acquire) {
            let name = space.name.clone();
            return Err(CommitError::NoKeyspace { name });
        }
        let mut payload = SCRATCH.take();
        payload.clear();
        let (kind, item) = if let Some(value) = value {
            change::put(&mut payload, space.id, expires_us, key, value);
            let key_len = u32::try_from(key.len()).unwrap_or(u32::MAX);
            let item = Item::new(Lsn(0), expires_us, key_len, &payload[change::PUT_HEAD..]);
            (Kind::KV_PUT, Some(item))
        } else {
            change::delete(&mut payload, space.id, key);
            (Kind::KV_DELETE, None)
        };
        let written = if self.mode == Mode::InMemory {
            self.write_in_memory(space, change::record(kind, &payload), key, item)
        } else {
            let late = injected(Bug::ApplyLate).then(|| item.clone());
            let record = change::record(kind, &payload);
            let written = self.sequence(|sequencer| sequencer.write(space, record, key, item));
            if let (Some(item), Ok(lsn)) = (late, &written) {
                self.sequence(|_| ());
                space.map.apply_numbered(key, item, || *lsn);
            }
            written
        };
        if payload.capacity() <= SCRATCH_BYTES {
            SCRATCH.set(payload);
        }
        let lsn = written?;
        space.observers.settle();
        self.promise(Lsn(lsn.0 + 1))?;
        Ok(lsn)
    }

    /// Changes one key beside others who do so: without a log there is no order to keep but that of
    /// each key.
    fn write_in_memory(
        &self,
        space: &Arc<Space>,
        record: Record<'_>,
        key: &[u8],
        item: Option<Item>,
    ) -> Result<Lsn, CommitError> {
        let Memory {
            phase,
            next,
            is_open,
        } = &self.memory;
        let beside = phase.read();
        if !is_open.load(Ordering::Relaxed) {
            drop(beside);
            self.sequence(|sequencer| sequencer.check_open())?;
            return Err(CommitError::Closed);
        }
        if space.observers.is_any() {
            // Who observes is told in the order of the versions, and of one commit after the other.
            drop(beside);
            return self.sequence(|sequencer| sequencer.write(space, record, key, item));
        }
        let number = || Lsn(next.fetch_add(1, Ordering::Relaxed));
        Ok(space.map.apply_numbered(key, item, number))
    }

    /// Does what the mode promises of a commit.
    pub(super) fn promise(&self, end: Lsn) -> Result<(), CommitError> {
        if self.mode == Mode::Strict
            && !injected(Bug::AcknowledgeEarly)
            && let Some(log) = self.log()
        {
            log.commit(end)?;
        }
        Ok(())
    }

    /// Everything as it is now, standing still.
    pub(super) fn freeze(&self) -> Frozen {
        self.sequence(|sequencer| {
            let next = sequencer.next;
            let view =
                |(id, space): (&u32, &Arc<Space>)| (*id, (Arc::clone(space), space.map.view(next)));
            let saved = sequencer.views.iter().filter_map(|view| {
                let key = [catalog::VIEW, view.name().as_bytes()].concat();
                let key_len = u32::try_from(key.len()).ok()?;
                let bytes = [key, view.save()?].concat();
                Some(Item::new(Lsn(next), 0, key_len, &bytes))
            });
            let saved = saved.collect();
            Frozen {
                lsn: Lsn(next),
                spaces: sequencer.by_id.iter().map(view).collect(),
                saved,
                log: sequencer.log.clone(),
            }
        })
    }

    /// Saves everything as it is now, and lets go of what the log no longer needs. Answers with the
    /// LSN of the snapshot.
    pub(super) fn checkpoint(&self) -> Result<Lsn, CheckpointError> {
        if self.skip_views {
            return Err(CheckpointError::ViewsSkipped);
        }
        let saved = self.save_all();
        // A closed engine, or one in memory, failed at nothing.
        if saved
            .as_ref()
            .is_err_and(|error| !matches!(error, CheckpointError::NoLog))
        {
            self.counted
                .checkpoint_failures
                .fetch_add(1, Ordering::Relaxed);
        }
        saved
    }

    fn save_all(&self) -> Result<Lsn, CheckpointError> {
        let _checkpointing = self.checkpointing.lock();
        let frozen = self.freeze();
        let log = frozen.log.as_ref().ok_or(CheckpointError::NoLog)?;
        let mut rows: Saved<'_> = Vec::new();
        for (id, (_, view)) in &frozen.spaces {
            view.for_each(|item| rows.push((*id, item)));
            if *id == catalog::SYSTEM {
                rows.extend(frozen.saved.iter().map(|item| (*id, item)));
                // Saved views have keys after those of holders and keyspaces, in no order.
                rows.sort_by(|(_, a), (_, b)| a.key().cmp(b.key()));
            }
        }
        let lsn = if injected(Bug::CheckpointTooNew) {
            log.watermarks().accepted
        } else {
            frozen.lsn
        };
        let oldest = log.save(lsn, &rows)?;
        // Whoever began to hold the log meanwhile is asked too.
        let held = self.sequence(|sequencer| sequencer.held());
        let held = if injected(Bug::IgnoreHolders) {
            oldest
        } else {
            held
        };
        log.truncate_below(oldest.min(held))?;
        self.counted.checkpoints.fetch_add(1, Ordering::Relaxed);
        let bytes = log.counters().bytes;
        *self.schedule.last.lock() = (bytes, self.now_us(), frozen.lsn);
        drop(rows);
        for (space, view) in frozen.spaces.into_values() {
            drop(view);
            self.merge(&space);
        }
        Ok(frozen.lsn)
    }

    /// Merges the generations of a keyspace where that is due.
    pub(super) fn merge(&self, space: &Space) {
        if space.map.merge_runs() {
            self.counted.merges.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether the log has grown, or time has passed, since the last checkpoint.
    fn is_checkpoint_due(&self, log: &dyn Log) -> bool {
        let (bytes, time, lsn) = *self.schedule.last.lock();
        if log.watermarks().accepted == lsn {
            return false;
        }
        let Schedule {
            bytes: max_bytes,
            interval_us,
            ..
        } = &self.schedule;
        let has_grown =
            max_bytes.is_some_and(|max| log.counters().bytes.wrapping_sub(bytes) >= max);
        // A clock that went back says nothing of how much time has passed; the next one counts anew.
        let passed = self.now_us().checked_sub(time);
        has_grown || interval_us.is_some_and(|interval| passed.is_none_or(|it| it >= interval))
    }

    /// Does what should be done from time to time.
    pub(super) fn maintain(&self) -> Result<(), CheckpointError> {
        self.maintain_log()?;
        self.tend()
    }

    /// Makes buffered records durable, and prepares the log's next file.
    pub(super) fn maintain_log(&self) -> Result<(), CheckpointError> {
        match self.log().map(|log| log.maintain()) {
            Some(Err(MaintainError::Poisoned(poisoned))) => Err(poisoned.into()),
            _ => Ok(()),
        }
    }

    /// Takes a checkpoint that is due, merges generations and lets go of expired keys.
    pub(super) fn tend(&self) -> Result<(), CheckpointError> {
        let spaces: Vec<_> = self.sequence(|sequencer| sequencer.by_id.values().cloned().collect());
        for space in spaces {
            self.sweep(&space);
            self.merge(&space);
        }
        if let Some(log) = self.log()
            && !self.skip_views
            && self.is_checkpoint_due(&*log)
        {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Lets go of expired keys. Nothing of it is logged: replay finds them expired as well.
    fn sweep(&self, space: &Arc<Space>) {
        if !space.map.may_expire() {
            return;
        }
        let early = if injected(Bug::SweepEarly) { 100 } else { 0 };
        let expired = space.map.expired(self.now_us() + early);
        // A few at a time, so that no writer waits for long.
        for expired in expired.chunks(SWEPT) {
            self.sequence(|_| {
                for item in expired {
                    // It may have been given another value since.
                    if space.version(item.key()) == item.version().0 {
                        let gone = Item::tombstone(item.version(), item.key());
                        drop(space.map.apply(gone.clone()));
                        if space.observers.is_any() {
                            tell_observers(space, gone);
                        }
                        self.counted.swept.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
            space.observers.settle();
        }
    }

    /// Makes everything durable, and takes no further changes.
    pub(super) fn close(&self) -> Result<(), Poisoned> {
        let _checkpointing = self.checkpointing.lock();
        let log = self.sequence(|sequencer| {
            sequencer.state = State::Closed;
            sequencer.log.take()
        });
        drop(self.log.write().take());
        log.map_or(Ok(()), |log| log.close())
    }
}
