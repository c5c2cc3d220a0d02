//! The event log: scans by sequence number and by time.

use std::ops::{Bound, RangeBounds};

use super::change::{self, Event, RunId};
use super::error::RunError;
use super::runs::{Runs, read_row, tail};
use super::spaces;
use crate::engine::{Item, Scan};

/// An event as it is kept.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    /// Its place in the event log, from 0 on.
    pub seq: u64,
    /// The step that appended it.
    pub step: u64,
    /// When that was: microseconds since the Unix epoch.
    pub time_us: u64,
    run: RunId,
    item: Item,
}

impl StoredEvent {
    pub(super) fn read(run: RunId, item: Item) -> Result<Self, RunError> {
        let head = change::read_event_head(item.value());
        let (step, time_us) = read_row(run, spaces::EVENTS, tail(item.key()), head)?;
        Ok(Self {
            seq: spaces::number_of(item.key()),
            step,
            time_us,
            run,
            item,
        })
    }

    /// What happened.
    ///
    /// # Errors
    /// [`RunError::Row`] where it cannot be read.
    pub fn event(&self) -> Result<Event<'_>, RunError> {
        let event = change::read_event(self.seq, self.item.value());
        read_row(self.run, spaces::EVENTS, self.seq, event)
    }

    /// Its body as text.
    ///
    /// # Errors
    /// [`RunError::NotText`] where it is no UTF-8.
    pub fn text(&self) -> Result<&str, RunError> {
        std::str::from_utf8(self.event()?.body).map_err(|error| RunError::NotText {
            what: format!("the body of event {} of run {}", self.seq, self.run),
            valid_up_to: error.valid_up_to(),
        })
    }

    /// Its row.
    pub(super) fn into_item(self) -> Item {
        self.item
    }
}

/// Events of an event log, in order, from either end.
#[derive(Debug)]
pub struct Events {
    run: RunId,
    rows: Scan,
}

impl Iterator for Events {
    type Item = Result<StoredEvent, RunError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(StoredEvent::read(self.run, self.rows.next()?))
    }
}

impl DoubleEndedIterator for Events {
    fn next_back(&mut self) -> Option<Self::Item> {
        Some(StoredEvent::read(self.run, self.rows.next_back()?))
    }
}

impl Runs {
    /// The event of a sequence number; `None` after the last one.
    ///
    /// # Errors
    /// [`RunError::UnknownRun`]; [`RunError::Row`] where it cannot be read.
    pub fn event(&self, run: RunId, seq: u64) -> Result<Option<StoredEvent>, RunError> {
        let row = self.spaces.events.get(&spaces::numbered(run, seq));
        match row {
            Some(row) => Ok(Some(StoredEvent::read(run, row.into_item())?)),
            None => self.head(run).map(|_| None),
        }
    }

    /// The events whose sequence numbers are in `range`, in order, from either end.
    ///
    /// # Errors
    /// [`RunError::UnknownRun`]. Of an event that cannot be read, its own.
    pub fn events(&self, run: RunId, range: impl RangeBounds<u64>) -> Result<Events, RunError> {
        self.head(run)?;
        let rows = match numbers(&range) {
            Some((first, last)) => {
                let keys = spaces::numbered(run, first)..=spaces::numbered(run, last);
                self.spaces.events.range(keys)
            }
            None => Scan::default(),
        };
        Ok(Events { run, rows })
    }

    /// The events whose times are in `range`, in order, from either end. Times never go back, so the
    /// first one is found by bisection: no index of times is kept.
    ///
    /// # Errors
    /// As for [`events`](Self::events).
    pub fn events_at(&self, run: RunId, range: impl RangeBounds<u64>) -> Result<Events, RunError> {
        let events = self.head(run)?.events;
        let (first_us, last_us) = numbers(&range).unwrap_or((1, 0));
        let first = self.first_event(run, events, |time_us| time_us >= first_us)?;
        let end = if first_us <= last_us {
            self.first_event(run, events, |time_us| time_us > last_us)?
        } else {
            first
        };
        self.events(run, first..end)
    }

    /// The first of `events` events whose time is as asked, or their number.
    fn first_event(
        &self,
        run: RunId,
        events: u64,
        is_in: impl Fn(u64) -> bool,
    ) -> Result<u64, RunError> {
        let (mut below, mut end) = (0, events);
        while below < end {
            let middle = below + (end - below) / 2;
            let event = self.event(run, middle)?;
            if event.is_none_or(|event| is_in(event.time_us)) {
                end = middle;
            } else {
                below = middle + 1;
            }
        }
        Ok(end)
    }
}

/// The first and the last number of a range; `None` of an empty one.
fn numbers(range: &impl RangeBounds<u64>) -> Option<(u64, u64)> {
    let first = match range.start_bound() {
        Bound::Included(first) => *first,
        Bound::Excluded(before) => before.checked_add(1)?,
        Bound::Unbounded => 0,
    };
    let last = match range.end_bound() {
        Bound::Included(last) => *last,
        Bound::Excluded(end) => end.checked_sub(1)?,
        Bound::Unbounded => u64::MAX,
    };
    (first <= last).then_some((first, last))
}
