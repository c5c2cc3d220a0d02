//! Group commit: who writes, who waits, and who is woken.
//!
//! ```text
//! wait ─┬─ reached already ─────────────────────────────► return
//!       ├─ writer free ──► leader: write, sync, wake ───► return
//!       └─ otherwise ────► sleep on a turn … woken ─────► return, or lead
//! ```
//!
//! No thread belongs to the log: of those who wait, one takes the writer and becomes the leader,
//! writes and syncs everything accepted so far, and wakes those whose records that covers.
//!
//! Two things make a sync carry many commits:
//!
//! - Committers that a sync releases come back at about the same time. The last of them leads the
//!   next one, or the first that comes later than a share of what a sync takes.
//!   Otherwise half of them would always just miss the sync that the other half waits for.
//!   Where syncs are slow, who waits for the others sleeps; where they are fast, it yields its
//!   processor to them. Nobody is waited for while that is of no use.
//! - Everybody sleeps on a [`Turn`] of his own and is woken without the log's lock. Woken on one
//!   condition, sleepers would pass the lock on from one to the next, each as late as the busy
//!   processors let it run.
//!
//! Invariants:
//!
//! 1. A free writer is taken by whoever comes first, so that no sync waits for a thread that was
//!    woken and does not run yet. Only claims go first, in their order: those who need the
//!    writer for something else than writing. After each claim, those who wait for records have
//!    their turn, so that neither can keep the other from it.
//! 2. Whenever the writer becomes free and anybody waits, somebody is woken to take it.
//! 3. Where the log fails, or a leader panics, everybody is woken and told.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::cohort::{Cohort, Patience};
use super::error::{Poisoned, WaitError};
use super::log::{Guard, Shared, State, Wal};
use super::lsn::Lsn;
use super::options::Mode;
use super::pin::Pin;
use super::segment::HEADER_BYTES;
use super::segment_view::SegmentView;
use super::segment_writer::{Progress, SegmentWriter};
use crate::frame::SyncMark;
use crate::injected_bug::{Bug, injected};
use crate::vfs::{IoError, Monitor, Vfs};

/// Where one thread sleeps.
type Turn<V> = Arc<<V as Vfs>::Monitor<Signal>>;

/// Why a thread was woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// It was not.
    Asleep,
    /// Its records are where it wants them.
    Reached,
    /// The writer is free, or the log failed.
    Look,
}

/// What a thread waits for: the records below `end`, written or durable.
#[derive(Debug, Clone, Copy)]
struct Goal {
    end: u64,
    durable: bool,
}

/// Those who wait for a writer, or for what it does.
pub(super) struct Waiting<V: Vfs> {
    sleepers: Vec<(Goal, Turn<V>)>,
    /// Those who need the writer for something else, in order.
    claims: VecDeque<Turn<V>>,
    /// Whether the next turn belongs to a sleeper, as a claim just had one.
    sleepers_first: bool,
    /// Who leads if the cohort is not complete in time. Only while the writer is free.
    gathering: Gathering<V>,
    cohort: Cohort,
}

/// Who waits for the cohort.
enum Gathering<V: Vfs> {
    Nobody,
    /// One that runs again and again, and looks.
    Yielding,
    /// One that the clock wakes.
    Sleeping(Turn<V>),
}

impl<V: Vfs> Default for Waiting<V> {
    fn default() -> Self {
        Self {
            sleepers: Vec::new(),
            claims: VecDeque::new(),
            sleepers_first: false,
            gathering: Gathering::Nobody,
            cohort: Cohort::default(),
        }
    }
}

/// Threads to be woken once the lock is released.
#[must_use]
struct Wake<V: Vfs>(Vec<(Signal, Turn<V>)>);

impl<V: Vfs> Wake<V> {
    fn now(self) {
        for (signal, turn) in self.0 {
            *turn.lock() = signal;
            turn.notify_all();
        }
    }
}

impl Goal {
    fn is_reached(self, progress: &Progress) -> bool {
        let reached = if self.durable {
            progress.durable
        } else {
            progress.written
        };
        reached >= self.end
    }
}

impl<V: Vfs> Waiting<V> {
    /// The one that yielded its processor to the cohort runs again, at `now_us`.
    fn look_again(&mut self, now_us: u64) {
        if matches!(self.gathering, Gathering::Yielding) {
            self.gathering = Gathering::Nobody;
            self.cohort.note_yield(now_us);
        }
    }

    /// One who was to lead if the cohort is not complete in time was not woken until then, but
    /// by the clock, at `now_us`.
    fn give_up(&mut self, turn: &Turn<V>, now_us: u64) {
        self.sleepers.retain(|(_, other)| !Arc::ptr_eq(other, turn));
        if matches!(&self.gathering, Gathering::Sleeping(other) if Arc::ptr_eq(other, turn)) {
            self.gathering = Gathering::Nobody;
            self.cohort.note_late(now_us);
        }
    }

    /// After the writer has done something: those who are done, and one who takes over.
    fn release(&mut self, progress: &Progress, released: usize) -> Wake<V> {
        let mut wake = Vec::new();
        let mut committers = released;
        self.sleepers.retain(|(goal, turn)| {
            let is_reached = goal.is_reached(progress);
            if is_reached {
                committers += usize::from(goal.durable);
                wake.push((Signal::Reached, Arc::clone(turn)));
            }
            !is_reached
        });
        self.cohort.release(committers);
        self.sleepers_first &= !self.sleepers.is_empty();
        match self.claims.front() {
            Some(claim) if !self.sleepers_first => wake.push((Signal::Look, Arc::clone(claim))),
            _ if self.sleepers.is_empty() => {}
            _ => wake.push((Signal::Look, self.sleepers.remove(0).1)),
        }
        Wake(wake)
    }

    /// After a failure: everybody.
    fn all(&mut self) -> Wake<V> {
        self.gathering = Gathering::Nobody;
        let sleepers = self.sleepers.drain(..).map(|(_, turn)| turn);
        let woken = sleepers.chain(self.claims.drain(..));
        Wake(woken.map(|turn| (Signal::Look, turn)).collect())
    }
}

/// Sleeps until woken, or for `patience` where there is one.
fn sleep<V: Vfs>(turn: &Turn<V>, patience: Option<Duration>) -> Signal {
    let mut signal = turn.lock();
    while *signal == Signal::Asleep {
        signal = match patience {
            None => turn.wait(signal),
            Some(patience) => return *turn.wait_for(signal, patience),
        };
    }
    *signal
}

/// Closes the log for good, and wakes everybody.
fn fail<V: Vfs>(mut state: Guard<'_, V>, cause: IoError) -> Poisoned {
    let poisoned = state.failure.insert(Poisoned { cause }).clone();
    let wake = state.waiting.all();
    drop(state);
    wake.now();
    poisoned
}

/// What a thread does that waits for something.
enum Next<V: Vfs> {
    Lead(Box<SegmentWriter<V>>),
    Yield,
    Sleep(Turn<V>, Option<Duration>),
}

impl<V: Vfs> State<V> {
    /// Takes the writer where it is free and this thread is to have it, or a place to sleep.
    fn next(&mut self, goal: Goal, now_us: impl FnOnce() -> u64) -> Next<V> {
        let waiting = &mut self.waiting;
        let is_turn = waiting.claims.is_empty() || waiting.sleepers_first;
        let is_free = self.writer.is_some() && is_turn;
        let patience = if is_free && goal.durable {
            waiting.cohort.patience(now_us)
        } else {
            None
        };
        if patience.is_none()
            && is_free
            && let Some(writer) = self.writer.take()
        {
            waiting.gathering = Gathering::Nobody;
            waiting.sleepers_first = false;
            return Next::Lead(writer);
        }
        // One waits for the cohort; the others sleep until it has what they want.
        let is_first = matches!(waiting.gathering, Gathering::Nobody);
        let patience = patience.filter(|_| is_first);
        if patience == Some(Patience::Yield) {
            waiting.gathering = Gathering::Yielding;
            return Next::Yield;
        }
        let turn = Arc::new(V::Monitor::new(Signal::Asleep));
        waiting.sleepers.push((goal, Arc::clone(&turn)));
        let Some(Patience::Sleep(patience)) = patience else {
            return Next::Sleep(turn, None);
        };
        waiting.gathering = Gathering::Sleeping(Arc::clone(&turn));
        Next::Sleep(turn, Some(patience))
    }
}

impl<V: Vfs> Wal<V> {
    /// Keeps what waits in memory, and what a crash may cost, within bounds.
    pub(super) fn relieve<'a>(&'a self, mut state: Guard<'a, V>) -> Result<(), Poisoned> {
        let options = &self.shared.options;
        let mut is_back = false;
        loop {
            let durable = match options.mode {
                Mode::Buffered { max_bytes, .. } => state.volatile_bytes > max_bytes,
                Mode::InMemory | Mode::Strict => false,
            };
            if !durable && state.pending.bytes() <= options.buffer_bytes {
                return Ok(());
            }
            if durable && !is_back {
                is_back = true;
                state.waiting.cohort.arrive();
            }
            let end = state.pending.next_lsn();
            let further = self.lead_or_sleep(state, Goal { end, durable })?;
            state = further.unwrap_or_else(|| self.shared.state.lock());
        }
    }

    /// Returns once the records below `end` are written, or durable.
    pub(super) fn wait(&self, end: Lsn, durable: bool) -> Result<(), WaitError> {
        if self.shared.options.mode == Mode::InMemory {
            return Err(WaitError::InMemory);
        }
        let mut state = self.shared.state.lock();
        // Nobody can wait for what was never appended.
        let end = end.0.min(state.pending.next_lsn());
        let goal = Goal { end, durable };
        if goal.is_reached(&state.progress) {
            return Ok(());
        }
        if durable {
            state.waiting.cohort.arrive();
        }
        while !goal.is_reached(&state.progress) {
            match self.lead_or_sleep(state, goal)? {
                Some(further) => state = further,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Does a step towards the goal, or waits for whoever does. Answers with the lock, but for
    /// those who were woken because their goal is reached: they need it no more.
    fn lead_or_sleep<'a>(
        &'a self,
        mut state: Guard<'a, V>,
        goal: Goal,
    ) -> Result<Option<Guard<'a, V>>, Poisoned> {
        if let Some(poisoned) = &state.failure {
            return Err(poisoned.clone());
        }
        let (turn, patience) = match state.next(goal, || self.shared.vfs.now_us()) {
            Next::Lead(writer) => return self.lead(state, writer, goal.durable).map(Some),
            Next::Yield => {
                drop(state);
                self.shared.vfs.yield_now();
                let mut state = self.shared.state.lock();
                state.waiting.look_again(self.shared.vfs.now_us());
                return Ok(Some(state));
            }
            Next::Sleep(turn, patience) => (turn, patience),
        };
        drop(state);
        let signal = sleep::<V>(&turn, patience);
        if signal == Signal::Reached {
            return Ok(None);
        }
        let mut state = self.shared.state.lock();
        if signal == Signal::Asleep {
            state.waiting.give_up(&turn, self.shared.vfs.now_us());
        }
        Ok(Some(state))
    }

    /// Writes everything accepted, and makes it durable where `durable` says so.
    pub(super) fn lead<'a>(
        &'a self,
        mut state: Guard<'a, V>,
        mut writer: Box<SegmentWriter<V>>,
        durable: bool,
    ) -> Result<Guard<'a, V>, Poisoned> {
        let Shared {
            vfs,
            state: monitor,
            ..
        } = &*self.shared;
        let chunks = state.pending.take();
        let volatile_bytes = state.volatile_bytes;
        drop(state);
        let unfinished = Unfinished(&self.shared);
        let begun_us = durable.then(|| vfs.now_us());
        let outcome = writer.write(&chunks, durable);
        std::mem::forget(unfinished);
        let mut state = monitor.lock();
        let before = state.progress.durable;
        state.progress = writer.progress();
        let active_file = writer.active_file();
        let is_known = |known: &Arc<V::File>| Arc::ptr_eq(known, active_file);
        if !state.active_file.as_ref().is_some_and(is_known) {
            state.active_file = Some(Arc::clone(active_file));
        }
        for mut sealed in writer.take_sealed() {
            let points = state.pending.take_points(sealed.header.number);
            sealed.view = Arc::new(SegmentView::new(points));
            let fresh = Pin::new(&state.lock);
            sealed.pin = std::mem::replace(&mut state.active_pin, fresh);
            state.sealed.push(sealed);
        }
        state.pending.reuse(chunks);
        if state.progress.durable == state.progress.written {
            state.volatile_bytes -= volatile_bytes;
        }
        if let Err(cause) = outcome {
            return Err(fail::<V>(state, cause));
        }
        if let Some(begun_us) = begun_us
            && state.progress.durable > before
        {
            state.waiting.cohort.note_sync(begun_us, vfs.now_us());
            mark(&mut state);
        }
        state.writer = Some(writer);
        // The leader itself is one of those who will be back.
        let released = usize::from(durable);
        let progress = state.progress;
        let wake = state.waiting.release(&progress, released);
        if wake.0.is_empty() {
            return Ok(state);
        }
        drop(state);
        wake.now();
        Ok(monitor.lock())
    }

    /// Waits until it is one's turn to have the writer, and takes it.
    pub(super) fn take_writer(&self) -> Result<(Guard<'_, V>, Box<SegmentWriter<V>>), Poisoned> {
        let mut state = self.shared.state.lock();
        let mut mine: Option<Turn<V>> = None;
        loop {
            if let Some(poisoned) = &state.failure {
                return Err(poisoned.clone());
            }
            let front = state.waiting.claims.front();
            let is_next = match (&mine, front) {
                (None, front) => front.is_none(),
                (Some(mine), front) => front.is_some_and(|front| Arc::ptr_eq(front, mine)),
            };
            let is_turn = is_next && !state.waiting.sleepers_first;
            if is_turn && let Some(writer) = state.writer.take() {
                if mine.is_some() {
                    state.waiting.claims.pop_front();
                }
                state.waiting.gathering = Gathering::Nobody;
                return Ok((state, writer));
            }
            let turn = mine.get_or_insert_with(|| {
                let turn: Turn<V> = Arc::new(V::Monitor::new(Signal::Asleep));
                state.waiting.claims.push_back(Arc::clone(&turn));
                turn
            });
            drop(state);
            sleep::<V>(turn, None);
            *turn.lock() = Signal::Asleep;
            state = self.shared.state.lock();
        }
    }

    /// Puts the writer back, or closes the log where `outcome` is an error.
    pub(super) fn put_back(
        &self,
        writer: Box<SegmentWriter<V>>,
        outcome: Result<(), IoError>,
    ) -> Result<(), Poisoned> {
        let mut state = self.shared.state.lock();
        if let Err(cause) = outcome {
            return Err(fail::<V>(state, cause));
        }
        state.writer = Some(writer);
        state.waiting.sleepers_first = true;
        let progress = state.progress;
        let wake = state.waiting.release(&progress, 0);
        drop(state);
        wake.now();
        Ok(())
    }
}

/// Lays out the mark for what was just synced.
fn mark<V: Vfs>(state: &mut State<V>) {
    let Progress {
        header,
        synced,
        durable,
        ..
    } = state.progress;
    if synced > HEADER_BYTES as u64 {
        let stuck = injected(Bug::SyncMarkStuckAtZero);
        let mark = SyncMark {
            offset: if stuck { 0 } else { synced },
            lsn: durable,
        };
        state.pending.mark(header.number, mark);
    }
}

/// Work with the writer that must not be left half done: where its thread panics, the log is closed
/// and everyone who waits is told, instead of waiting for a writer that never comes back.
pub(super) struct Unfinished<'a, V: Vfs>(pub &'a Shared<V>);

impl<V: Vfs> Drop for Unfinished<'_, V> {
    fn drop(&mut self) {
        let source = io::Error::other("a thread panicked while it wrote");
        let path = self.0.dir.clone();
        let cause = IoError {
            doing: "go on writing in",
            path,
            source: Arc::new(source),
        };
        let mut state = self.0.state.lock();
        state.failure = Some(Poisoned { cause });
        let wake = state.waiting.all();
        drop(state);
        wake.now();
    }
}
