//! A run, step by step: the state at any point of it.
//!
//! ```text
//! journal  1 2 3     6 7   9       rows in the order of their steps, each at the LSN that made it
//! events         4 5     8
//!                    ▲
//!              state after step 5
//! ```
//!
//! A replay stands on a view of the engine, so that what happens meanwhile does not move it. It goes
//! forwards only; whoever wants to go back begins again.

use super::change::{self, Change, RunId};
use super::error::RunError;
use super::event::StoredEvent;
use super::runs::{Runs, read_row};
use super::spaces;
use super::state::RunState;
use crate::engine::{Item, ReadView, Scan};
use crate::injected_bug::{Bug, injected};
use crate::wal::Lsn;

/// A point of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Point {
    /// After so many steps; 0 is before the run began.
    Step(u64),
    /// After all steps up to this time, in microseconds since the Unix epoch.
    Time(u64),
    /// After all commits below this LSN: one that a commit [ended](crate::engine::Committed::end) with.
    /// Within a commit, records are in the order of their keyspaces and not of their steps.
    Lsn(Lsn),
    /// After all steps.
    #[default]
    End,
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Step(step) => write!(f, "step {step}"),
            Self::Time(time_us) => write!(f, "time {time_us} us"),
            Self::Lsn(lsn) => write!(f, "record {lsn}"),
            Self::End => f.write_str("end"),
        }
    }
}

/// A step of a run.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its number, from 1 on.
    pub number: u64,
    /// When it was made: microseconds since the Unix epoch.
    pub time_us: u64,
    run: RunId,
    is_event: bool,
    item: Item,
}

impl Step {
    fn of_journal(run: RunId, item: Item) -> Result<Self, RunError> {
        let number = spaces::number_of(item.key());
        let time_us = change::read_time(item.value());
        Ok(Self {
            number,
            time_us: read_row(run, spaces::JOURNAL, number, time_us)?,
            run,
            is_event: false,
            item,
        })
    }

    fn of_event(run: RunId, item: Item) -> Result<Self, RunError> {
        let seq = spaces::number_of(item.key());
        let head = change::read_event_head(item.value());
        let (number, time_us) = read_row(run, spaces::EVENTS, seq, head)?;
        Ok(Self {
            number,
            time_us,
            run,
            is_event: true,
            item,
        })
    }

    /// The LSN of the record that made it.
    #[must_use]
    pub fn lsn(&self) -> Lsn {
        self.item.version()
    }

    /// What it did.
    ///
    /// # Errors
    /// [`RunError::Row`] where it cannot be read.
    pub fn change(&self) -> Result<Change<'_>, RunError> {
        let row = self.item.value();
        if self.is_event {
            let seq = spaces::number_of(self.item.key());
            let event = change::read_event(seq, row);
            return Ok(Change::Event(read_row(
                self.run,
                spaces::EVENTS,
                seq,
                event,
            )?));
        }
        read_row(self.run, spaces::JOURNAL, self.number, change::read(row))
    }

    pub(super) fn is_event(&self) -> bool {
        self.is_event
    }

    pub(super) fn item(&self) -> &Item {
        &self.item
    }

    pub(super) fn stored_event(&self) -> Result<StoredEvent, RunError> {
        StoredEvent::read(self.run, self.item.clone())
    }
}

/// The steps of a run in order, without their states.
#[derive(Debug)]
pub struct Steps {
    run: RunId,
    journal: Source,
    events: Source,
    /// The number of the last one that came.
    last: u64,
    /// How many there are.
    count: u64,
}

/// One of the two keyspaces that have steps.
#[derive(Debug)]
struct Source {
    rows: Scan,
    read: fn(RunId, Item) -> Result<Step, RunError>,
    next: Option<Step>,
}

impl Source {
    fn new(rows: Scan, read: fn(RunId, Item) -> Result<Step, RunError>) -> Self {
        let next = None;
        Self { rows, read, next }
    }

    /// The number of the next step.
    fn peek(&mut self, run: RunId) -> Result<Option<u64>, RunError> {
        if self.next.is_none()
            && let Some(item) = self.rows.next()
        {
            self.next = Some((self.read)(run, item)?);
        }
        Ok(self.next.as_ref().map(|step| step.number))
    }
}

impl Steps {
    pub(super) fn new(runs: &Runs, view: &ReadView, run: RunId) -> Result<Self, RunError> {
        let count = runs.head_in(view, run)?.steps;
        let prefix = spaces::prefix(run);
        let journal = view.prefix(&runs.spaces.journal, &prefix);
        let events = view.prefix(&runs.spaces.events, &prefix);
        Ok(Self {
            run,
            journal: Source::new(journal, Step::of_journal),
            events: Source::new(events, Step::of_event),
            last: 0,
            count,
        })
    }

    fn pull(&mut self) -> Result<Option<Step>, RunError> {
        let run = self.run;
        let step = match (self.journal.peek(run)?, self.events.peek(run)?) {
            (Some(change), Some(event)) if event < change => self.events.next.take(),
            (None, _) => self.events.next.take(),
            _ => self.journal.next.take(),
        };
        let number = step.as_ref().map_or(self.count + 1, |step| step.number);
        if number != self.last + 1 {
            return Err(RunError::Row {
                run,
                keyspace: spaces::JOURNAL,
                row: (self.last + 1).to_string(),
                reason: "is missing",
            });
        }
        if step.is_some() {
            self.last = number;
        }
        Ok(step)
    }
}

impl Iterator for Steps {
    type Item = Result<Step, RunError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.pull().transpose()
    }
}

/// A run that is replayed; see the [module](self).
#[derive(Debug)]
pub struct Replay {
    run: RunId,
    steps: Steps,
    /// A step that was looked at, and is after the point that was asked for.
    ahead: Option<Step>,
    state: RunState,
}

impl Replay {
    pub(super) fn new(runs: &Runs, view: &ReadView, run: RunId) -> Result<Self, RunError> {
        Ok(Self {
            run,
            steps: Steps::new(runs, view, run)?,
            ahead: None,
            state: RunState::default(),
        })
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.run
    }

    /// How many steps the run has.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps.count
    }

    /// Everything as it was after the steps so far.
    #[must_use]
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// Everything as it was after the steps so far, without the replay.
    #[must_use]
    pub fn into_state(self) -> RunState {
        self.state
    }

    /// Goes one step further, and answers with it; `None` at the end.
    ///
    /// # Errors
    /// [`RunError::Row`] where a row cannot be read or is missing.
    pub fn step(&mut self) -> Result<Option<Step>, RunError> {
        self.step_if(|_| true)
    }

    fn step_if(&mut self, goes_on: impl FnOnce(&Step) -> bool) -> Result<Option<Step>, RunError> {
        let step = match self.ahead.take() {
            Some(step) => Some(step),
            None => self.steps.pull()?,
        };
        let Some(step) = step else { return Ok(None) };
        if !goes_on(&step) {
            self.ahead = Some(step);
            return Ok(None);
        }
        let is_forgotten =
            injected(Bug::ReplayForgetsDeletes) && matches!(step.change()?, Change::Deleted { .. });
        if is_forgotten {
            self.state.steps = step.number;
        } else {
            self.state.apply(self.run, &step)?;
        }
        Ok(Some(step))
    }

    /// Goes forwards to a point. One that is behind leaves the replay where it is.
    ///
    /// # Errors
    /// [`RunError::NoStep`] of a step that the run does not have; as for [`step`](Self::step).
    pub fn forward_to(&mut self, point: Point) -> Result<(), RunError> {
        let (run, steps) = (self.run, self.steps());
        if let Point::Step(step) = point
            && step > steps
        {
            return Err(RunError::NoStep { run, step, steps });
        }
        let is_before = |step: &Step| match point {
            Point::Step(last) => step.number <= last,
            Point::Time(last_us) => step.time_us <= last_us,
            Point::Lsn(end) => step.lsn() < end,
            Point::End => true,
        };
        while self.step_if(is_before)?.is_some() {}
        Ok(())
    }
}

impl Runs {
    /// Replays a run from before its beginning. The replay sees the run as it is now, whatever is
    /// changed meanwhile.
    ///
    /// # Errors
    /// [`RunError::UnknownRun`].
    pub fn replay(&self, run: RunId) -> Result<Replay, RunError> {
        Replay::new(self, &self.engine.view(), run)
    }

    /// Everything of a run as it was at a point.
    ///
    /// # Errors
    /// [`RunError::UnknownRun`], [`RunError::NoStep`]; [`RunError::Row`] where it cannot be read.
    pub fn state_at(&self, run: RunId, point: Point) -> Result<RunState, RunError> {
        let mut replay = self.replay(run)?;
        replay.forward_to(point)?;
        Ok(replay.into_state())
    }

    /// The steps of a run, in order: the index of its LSNs.
    ///
    /// # Errors
    /// [`RunError::UnknownRun`].
    pub fn steps(&self, run: RunId) -> Result<Steps, RunError> {
        Steps::new(self, &self.engine.view(), run)
    }
}
