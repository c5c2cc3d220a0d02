//! The flush: the oldest generation goes to the persister, as often as it takes.
//!
//! ```text
//! round    log durable ─► batch ─► batch ─► … ─► noted in the log ─► generation let go
//!                          └ failed: wait, twice as long each time, and again from that batch
//!          attempts used up: the round failed; the next begins after a pause
//! ```
//!
//! Invariants:
//!
//! 1. One generation is flushed at a time, the oldest. Were a newer one first, a retry of the older
//!    could bring back what was replaced.
//! 2. A generation stays readable until the persister has all of it.
//! 3. Nothing reaches the persister that the log could still lose.
//! 4. A call that hangs is reported and never abandoned: a second call beside it could be overtaken
//!    by the first.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::control::Control;
use super::entry::{RecordRef, Slot};
use super::error::{FlushError, FlushFailure};
use super::generation::Generation;
use super::log::{self, FLUSHED, VERSION};
use super::panics::message;
use super::persister::Batch;
use super::record::Record;
use super::runtime::Runtime;
use super::table::Shared;
use crate::frame;
use crate::injected_bug::{Bug, injected};
use crate::vfs::Monitor;

/// A lock that was given back while something else was done.
type Guard<'a, R, T> = <<T as Runtime>::Monitor<Control<R>> as Monitor<Control<R>>>::Guard<'a>;

fn next_to_flush<R: Record>(control: &Control<R>) -> Option<Arc<Generation<R>>> {
    if injected(Bug::NewestGenerationFirst) {
        return control.queue.back().cloned();
    }
    control.queue.front().cloned()
}

/// A round came to its end.
enum Round {
    Flushed,
    Failed,
}

impl<R: Record, T: Runtime> Shared<R, T> {
    /// What the flushing thread does until the table is closed.
    pub(super) fn work(&self) {
        let mut control = self.control.lock();
        loop {
            let now = self.runtime.now();
            let is_due = now >= control.not_before && !control.is_flushing;
            if is_due && let Some(oldest) = next_to_flush(&control) {
                let (guard, round) = self.round(control, &oldest);
                control = guard;
                if control.is_stopping && matches!(round, Round::Failed) {
                    break;
                }
                continue;
            }
            if control.is_stopping && control.queue.is_empty() {
                if self.rotate(&mut control, true) {
                    continue;
                }
                break;
            }
            let due = control.rotated.saturating_add(self.options.flush_interval);
            let has_room = control.queue.len() < self.options.immutables_max;
            if now >= due && has_room {
                self.rotate(&mut control, false);
                continue;
            }
            let wake = match (control.queue.is_empty(), has_room) {
                (true, _) => due,
                (false, true) => due.min(control.not_before),
                (false, false) => control.not_before,
            };
            let wait = wake.saturating_sub(now).max(Duration::from_millis(1));
            control = self.control.wait_for(control, wait);
        }
        control.has_worker = false;
        drop(control);
        self.control.notify_all();
    }

    /// Tries to flush a generation until a round of attempts is used up. Nobody else is at it.
    fn round<'a>(
        &'a self,
        mut control: Guard<'a, R, T>,
        generation: &Generation<R>,
    ) -> (Guard<'a, R, T>, Round) {
        control.is_flushing = true;
        control.failures = 0;
        if injected(Bug::LetGoBeforePersisted) {
            self.complete(&mut control, generation.number);
        }
        drop(control);
        let batches = self.batches(generation);
        let mut done = 0;
        loop {
            let result = self.attempt_flush(generation, &batches, &mut done);
            let mut control = self.control.lock();
            control.called = None;
            let Err(error) = result else {
                if !injected(Bug::LetGoBeforePersisted) {
                    self.complete(&mut control, generation.number);
                }
                control.is_flushing = false;
                self.control.notify_all();
                return (control, Round::Flushed);
            };
            control.failures += 1;
            control.error = Some(error.clone());
            let wait = self.options.retry.wait(control.failures);
            let until = self.runtime.now().saturating_add(wait);
            if control.failures >= self.options.retry.attempts.max(1) {
                control.rounds_failed += 1;
                control.failed_round = Some((control.failures, error));
                control.not_before = until;
                control.is_flushing = false;
                self.control.notify_all();
                return (control, Round::Failed);
            }
            if injected(Bug::RetrySkipsBatch) {
                done += 1;
            }
            loop {
                let left = until.saturating_sub(self.runtime.now());
                if left.is_zero() {
                    break;
                }
                control = self.control.wait_for(control, left);
            }
        }
    }

    /// What the persister is given, removals first.
    fn batches(&self, generation: &Generation<R>) -> Vec<Batch<R>> {
        let slots = generation.sorted();
        let size = self.options.batch_records;
        let tombstones = slots.iter().filter_map(|slot| match slot {
            Slot::Tombstone(key, _) => Some(key.clone()),
            Slot::Live(_) => None,
        });
        let removed: Vec<_> = if injected(Bug::FlushSkipsTombstones) {
            Vec::new()
        } else {
            tombstones.collect()
        };
        let records = slots.iter().filter_map(|slot| slot.live());
        let records: Vec<_> = records.map(|entry| RecordRef(Arc::clone(entry))).collect();
        if removed.len() + records.len() <= size {
            return vec![Batch { records, removed }];
        }
        let removed = removed.chunks(size).map(|keys| Batch {
            removed: keys.to_vec(),
            records: Vec::new(),
        });
        let records = records.chunks(size).map(|records| Batch {
            records: records.to_vec(),
            removed: Vec::new(),
        });
        removed.chain(records).collect()
    }

    /// Gives the persister the batches from number `done` on.
    fn attempt_flush(
        &self,
        generation: &Generation<R>,
        batches: &[Batch<R>],
        done: &mut usize,
    ) -> Result<(), FlushFailure> {
        if let (Some(log), Some(end)) = (&self.log, generation.end) {
            log.wait_durable(end).map_err(FlushFailure::Log)?;
        }
        if injected(Bug::NoteFlushBeforePersisting) {
            self.note(generation)?;
        }
        while let Some(batch) = batches.get(*done) {
            self.control.lock().called = Some(self.runtime.now());
            let applied = catch_unwind(AssertUnwindSafe(|| self.persister.apply(batch)));
            self.control.lock().called = None;
            match applied {
                Ok(applied) => applied.map_err(FlushFailure::Persister)?,
                Err(panic) => return Err(FlushFailure::Panicked(message(&*panic))),
            }
            self.control.lock().persisted += batch.len() as u64;
            *done += 1;
        }
        self.note(generation)
    }

    /// Notes in the log that the persister has all changes of a generation. The note may be lost: the
    /// changes are then replayed, and flushed again.
    fn note(&self, generation: &Generation<R>) -> Result<(), FlushFailure> {
        let (Some(log), Some(end)) = (&self.log, generation.end) else {
            return Ok(());
        };
        let record = frame::Record {
            kind: FLUSHED,
            version: VERSION,
            payload: &log::flushed(&self.name, end),
        };
        log.append(record).map_err(FlushFailure::Log)?;
        log.hold(&self.name, end).map_err(FlushFailure::Log)
    }

    pub(super) fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        let begun = self.runtime.now();
        let mut control = self.control.lock();
        let failed_before = control.rounds_failed;
        control.not_before = Duration::ZERO;
        let active = control.active;
        let mut goal = None;
        self.control.notify_all();
        loop {
            if control.active > active {
                goal = goal.or(Some(active));
            } else if goal.is_none() && control.queue.len() < self.options.immutables_max {
                let is_rotated = self.rotate(&mut control, false);
                goal = Some(if is_rotated { active } else { active - 1 });
                self.control.notify_all();
            }
            if goal.is_some_and(|goal| control.flushed >= goal) {
                return Ok(());
            }
            if control.rounds_failed > failed_before
                && let Some((attempts, error)) = control.failed_round.clone()
            {
                return Err(FlushError::Failed { attempts, error });
            }
            if !control.has_worker
                && !control.is_flushing
                && let Some(oldest) = next_to_flush(&control)
            {
                control = self.round(control, &oldest).0;
                continue;
            }
            let now = self.runtime.now();
            let waited = now.saturating_sub(begun);
            let left = timeout.saturating_sub(waited);
            if left.is_zero() {
                let cause = control.stall(now, self.options.persist_timeout);
                return Err(FlushError::TimedOut { waited, cause });
            }
            control = self.control.wait_for(control, left);
        }
    }

    pub(super) fn close(&self, timeout: Duration) -> Result<(), FlushError> {
        let begun = self.runtime.now();
        {
            let mut control = self.control.lock();
            // From here on nobody writes, so this generation is the last one, whatever the bound.
            self.rotate(&mut control, true);
        }
        self.flush(timeout)?;
        let mut control = self.control.lock();
        control.is_stopping = true;
        self.control.notify_all();
        while control.has_worker {
            let now = self.runtime.now();
            let waited = now.saturating_sub(begun);
            let left = timeout.saturating_sub(waited);
            if left.is_zero() {
                let cause = control.stall(now, self.options.persist_timeout);
                return Err(FlushError::TimedOut { waited, cause });
            }
            control = self.control.wait_for(control, left);
        }
        Ok(())
    }
}
