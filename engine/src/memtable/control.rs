//! What rotation, flush and waiting writers agree on, under one lock.
//!
//! ```text
//! writer that fills the active generation ──► rotate ──► queue ──► flush round ──► persister
//! writer that finds FULL ──► waits ◄── notified ◄────────────────── complete
//! ```
//!
//! Lock order: control, then parts by number, then index parts by number. A writer holds one part
//! and some index parts, and never asks for control meanwhile.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::error::{FlushFailure, Stall, WriteError};
use super::generation::{Generation, Older, Slots, Uncounted};
use super::posting::Postings;
use super::record::Record;
use super::runtime::{Runtime, SharedLock};
use super::table::{CLOSED, FULL, Shared};
use crate::injected_bug::{Bug, injected};
use crate::vfs::Monitor;
use crate::wal::Lsn;

/// No spare table is prepared for more than this.
const SPARE_MAX: usize = 1 << 16;

/// What is decided under the lock.
pub(super) struct Control<R: Record> {
    /// What waits to be flushed, the oldest first.
    pub(super) queue: VecDeque<Arc<Generation<R>>>,
    /// The number of the active generation.
    pub(super) active: u64,
    /// The newest generation that the persister has.
    pub(super) flushed: u64,
    /// Somebody is flushing: there is one at a time.
    pub(super) is_flushing: bool,
    /// When the persister was called, while it is.
    pub(super) called: Option<Duration>,
    /// The next round begins no earlier.
    pub(super) not_before: Duration,
    /// Failures of the present round.
    pub(super) failures: u32,
    pub(super) rounds_failed: u64,
    pub(super) error: Option<FlushFailure>,
    /// How many attempts the last failed round had, and what the last of them failed with.
    pub(super) failed_round: Option<(u32, FlushFailure)>,
    /// When the active generation began.
    pub(super) rotated: Duration,
    pub(super) has_worker: bool,
    pub(super) is_stopping: bool,
    /// Changes below are the persister's.
    pub(super) needs_from: Lsn,
    pub(super) stalls: u64,
    pub(super) persisted: u64,
}

impl<R: Record> Control<R> {
    pub(super) fn new(now: Duration, needs_from: Lsn) -> Self {
        Self {
            queue: VecDeque::new(),
            active: 1,
            flushed: 0,
            is_flushing: false,
            called: None,
            not_before: Duration::ZERO,
            failures: 0,
            rounds_failed: 0,
            error: None,
            failed_round: None,
            rotated: now,
            has_worker: false,
            is_stopping: false,
            needs_from,
            stalls: 0,
            persisted: 0,
        }
    }

    fn older(&self) -> Arc<Older<R>> {
        Arc::new(Older {
            generations: self.queue.iter().rev().cloned().collect(),
            flushed: self.flushed,
        })
    }

    /// Why nothing is flushed, as it looks now.
    pub(super) fn stall(&self, now: Duration, persist_timeout: Duration) -> Stall {
        let since = self.called.map(|called| now.saturating_sub(called));
        match (since, &self.error) {
            (Some(since), _) if since >= persist_timeout => Stall::Hanging { since },
            (_, Some(error)) => Stall::Failing {
                failures: self.failures,
                error: error.clone(),
            },
            _ => Stall::Slow,
        }
    }
}

/// What a table holds, and how its flushes fare.
#[derive(Debug, Clone)]
pub struct Status {
    /// Records and tombstones of the active generation. Parts report late: up to an eighth of the
    /// threshold may be missing.
    pub active_records: usize,
    /// Their bytes.
    pub active_bytes: usize,
    /// Generations that wait to be flushed.
    pub immutables: usize,
    /// Generations that were flushed.
    pub flushed: u64,
    /// Records and removals that the persister took, counted again where it took them again.
    pub persisted: u64,
    /// Rounds of attempts that failed.
    pub rounds_failed: u64,
    /// Writers that had to wait for a flush.
    pub stalls: u64,
    /// What the last attempt failed with; `None` once one succeeded.
    pub error: Option<FlushFailure>,
    /// For how long a call of the persister has been hanging, once that is longer than
    /// [`persist_timeout`](super::Options::persist_timeout).
    pub hanging: Option<Duration>,
}

impl<R: Record, T: Runtime> Shared<R, T> {
    pub(super) fn status(&self) -> Status {
        let control = self.control.lock();
        let now = self.runtime.now();
        let since = control.called.map(|called| now.saturating_sub(called));
        Status {
            active_records: self.active.records(),
            active_bytes: self.active.bytes(),
            immutables: control.queue.len(),
            flushed: control.flushed,
            persisted: control.persisted,
            rounds_failed: control.rounds_failed,
            stalls: control.stalls,
            error: control.error.clone(),
            hanging: since.filter(|since| *since >= self.options.persist_timeout),
        }
    }

    /// Returns once a write may be made.
    pub(super) fn wait_for_room(&self) -> Result<(), WriteError> {
        if self.gate.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        let begun = self.runtime.now();
        let mut control = self.control.lock();
        let mut is_counted = false;
        loop {
            let gate = self.gate.load(Ordering::Acquire);
            if gate & CLOSED != 0 {
                return Err(WriteError::Closed);
            }
            if gate & FULL == 0 {
                return Ok(());
            }
            if !is_counted {
                control.stalls += 1;
                is_counted = true;
            }
            let now = self.runtime.now();
            let waited = now.saturating_sub(begun);
            let Some(left) = self.options.stall_timeout.checked_sub(waited) else {
                return Err(self.stalled(&control, now, waited));
            };
            if left.is_zero() {
                return Err(self.stalled(&control, now, waited));
            }
            control = self.control.wait_for(control, left);
        }
    }

    fn stalled(&self, control: &Control<R>, now: Duration, waited: Duration) -> WriteError {
        WriteError::Stalled {
            immutables: control.queue.len(),
            waited,
            cause: control.stall(now, self.options.persist_timeout),
        }
    }

    /// Rotates a full generation, or closes the gate where too many wait already. Called by the
    /// writer that filled it.
    pub(super) fn relieve(&self) {
        let mut control = self.control.lock();
        self.rotate_if_full(&mut control);
        drop(control);
        self.control.notify_all();
    }

    pub(super) fn rotate_if_full(&self, control: &mut Control<R>) {
        if !self.is_active_full() {
            return;
        }
        if control.queue.len() < self.options.immutables_max {
            self.rotate(control, false);
        } else {
            self.gate.fetch_or(FULL, Ordering::Release);
        }
    }

    /// Makes the active generation immutable and begins another; with `is_closing` for good.
    /// An empty one stays. Answers whether there is another. Writers wait for as long as it takes to
    /// swap some tables.
    pub(super) fn rotate(&self, control: &mut Control<R>, is_closing: bool) -> bool {
        let room = self.options.threshold_records.min(self.active.records()) / self.parts.len();
        let mut spare = self.spare(room.min(SPARE_MAX));
        let mut parts: Vec<_> = self.parts.iter().map(|part| part.0.write()).collect();
        let mut indexes: Vec<_> = self.indexes.iter().map(|part| part.0.write()).collect();
        if is_closing {
            self.gate.fetch_or(CLOSED, Ordering::Release);
        }
        control.rotated = self.runtime.now();
        if parts.iter().all(|part| part.slots.len() == 0) {
            return false;
        }
        // All that is logged is applied, as every writer holds a lock from one to the other.
        let end = self.log.as_ref().map(|log| log.end());
        let swapped = parts.iter_mut().enumerate().map(|(number, part)| {
            part.uncounted = Uncounted::default();
            let slots = std::mem::replace(&mut part.slots, spare.0.pop().unwrap_or_default());
            if injected(Bug::RotationForgetsPart) && number == 0 {
                Slots::default()
            } else {
                slots
            }
        });
        let slots = swapped.collect();
        let swapped = indexes
            .iter_mut()
            .map(|part| std::mem::replace(&mut part.postings, spare.1.pop().unwrap_or_default()));
        let generation = Arc::new(Generation {
            number: control.active,
            parts: slots,
            indexes: swapped.collect(),
            end,
        });
        control.queue.push_back(generation);
        control.active += 1;
        let older = control.older();
        for part in &mut parts {
            part.older = Arc::clone(&older);
        }
        for part in &mut indexes {
            part.older = Arc::clone(&older);
        }
        self.active.records.store(0, Ordering::Relaxed);
        self.active.bytes.store(0, Ordering::Relaxed);
        true
    }

    /// Tables with room for what comes, made before the locks are taken.
    fn spare(&self, room: usize) -> (Vec<Slots<R>>, Vec<Postings<R>>) {
        let slots = self.parts.iter().map(|_| Slots::with_capacity(room));
        let postings = self.indexes.iter().map(|_| Postings::with_capacity(room));
        (slots.collect(), postings.collect())
    }

    /// Lets go of a generation that the persister has.
    pub(super) fn complete(&self, control: &mut Control<R>, number: u64) {
        let place = control.queue.iter().position(|it| it.number == number);
        let Some(done) = place.and_then(|place| control.queue.remove(place)) else {
            return;
        };
        control.flushed = done.number;
        control.failures = 0;
        control.error = None;
        control.not_before = Duration::ZERO;
        if let Some(end) = done.end {
            control.needs_from = end;
        }
        let older = control.older();
        for part in &self.parts {
            let before = std::mem::replace(&mut part.0.write().older, Arc::clone(&older));
            drop(before);
        }
        for part in &self.indexes {
            let before = std::mem::replace(&mut part.0.write().older, Arc::clone(&older));
            drop(before);
        }
        if control.queue.len() < self.options.immutables_max {
            self.gate.fetch_and(!FULL, Ordering::Release);
            self.rotate_if_full(control);
        }
    }
}
