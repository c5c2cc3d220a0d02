//! The changes of one run within one transaction.
//!
//! ```text
//! head ──► check ──► journal or event, rows of the present ──► head
//! ```
//!
//! Whatever can be refused is checked before the first row of a change is put: a change that fails
//! leaves nothing behind in the transaction.

use std::borrow::Cow;

use super::attribute::{self, Attribute, Attributes};
use super::change::{self, Change, Event, RunId};
use super::error::{RunError, check_name};
use super::row::{Head, Status};
use super::runs::Runs;
use super::spaces;
use crate::engine::{KEY_BYTES_MAX, Transaction, VALUE_BYTES_MAX, Value};
use crate::injected_bug::{Bug, injected};

/// What a row has at most beside what callers give: numbers, lengths, a name.
const OVERHEAD: usize = 128 + super::NAME_BYTES_MAX;

/// The longest key of a run, in bytes.
pub const RUN_KEY_BYTES_MAX: usize = KEY_BYTES_MAX - spaces::PREFIX;

/// The longest value, body, or list of attributes of a step, in bytes.
pub const STEP_BYTES_MAX: usize = VALUE_BYTES_MAX - KEY_BYTES_MAX - OVERHEAD;

/// Changes a run; see [`Runs::within`] and [`Runs::write`].
pub struct RunWriter<'w, 'e> {
    pub(super) runs: &'w Runs,
    pub(super) tx: &'w mut Transaction<'e>,
    pub(super) run: RunId,
    pub(super) head: Head,
    saved: Head,
    /// The time of the steps that are made, where it is not the transaction's.
    time_us: Option<u64>,
}

pub(super) fn check_len(what: &'static str, len: usize, max: usize) -> Result<(), RunError> {
    if len > max {
        return Err(RunError::TooLong { what, len, max });
    }
    Ok(())
}

/// As [`attribute::check`], and all of them together fit a row.
pub(super) fn check_attributes(attributes: &Attributes) -> Result<(), RunError> {
    attribute::check(attributes)?;
    let len = |(name, value): (&String, &Attribute)| match value {
        Attribute::Text(text) => name.len() + text.len() + 16,
        Attribute::Bytes(bytes) => name.len() + bytes.len() + 16,
        _ => name.len() + 16,
    };
    // A span has those of its end as well.
    let total = attributes.iter().map(len).sum();
    check_len("all attributes together", total, STEP_BYTES_MAX / 4)
}

impl<'w, 'e> RunWriter<'w, 'e> {
    pub(super) fn new(runs: &'w Runs, tx: &'w mut Transaction<'e>, run: RunId, head: Head) -> Self {
        Self {
            runs,
            tx,
            run,
            saved: head,
            head,
            time_us: None,
        }
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.run
    }

    /// The transaction, to change other keyspaces too.
    pub fn transaction(&mut self) -> &mut Transaction<'e> {
        self.tx
    }

    /// How many steps the run has so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.head.steps
    }

    pub(super) fn head(&mut self) -> &mut Head {
        &mut self.head
    }

    /// Makes the coming steps at a time of their own: of an import.
    #[cfg(feature = "json")]
    pub(super) fn set_time(&mut self, time_us: u64) {
        self.time_us = Some(time_us);
    }

    fn now_us(&self) -> u64 {
        let now_us = self.time_us.unwrap_or_else(|| self.tx.now_us());
        // Clocks go back, steps do not.
        now_us.max(self.head.last_us)
    }

    /// An error unless the run takes changes.
    pub(super) fn check_open(&self) -> Result<(), RunError> {
        let run = self.run;
        match self.head.status {
            Status::Open | Status::Importing => Ok(()),
            _ if injected(Bug::RunTakesAnything) => Ok(()),
            Status::Ended(outcome) => Err(RunError::Ended { run, outcome }),
            Status::Orphaned => Err(RunError::Orphaned { run }),
            Status::Deleting => Err(RunError::UnknownRun { run }),
        }
    }

    /// Makes a step: puts its row, and answers with its number.
    pub(super) fn step(&mut self, change: &Change<'_>) -> Result<u64, RunError> {
        let (step, time_us) = (self.head.steps + 1, self.now_us());
        let mut row = Vec::new();
        let spaces = &self.runs.spaces;
        if let Change::Event(event) = change {
            change::put_event(&mut row, step, time_us, event);
            let key = spaces::numbered(self.run, event.seq);
            self.tx.put(&spaces.events, &key, &row)?;
            self.head.events = event.seq + 1;
        } else {
            change::put(&mut row, time_us, change);
            let key = spaces::numbered(self.run, step);
            self.tx.put(&spaces.journal, &key, &row)?;
        }
        self.head.steps = step;
        if step == 1 {
            self.head.began_us = time_us;
        }
        self.head.last_us = time_us;
        Ok(step)
    }

    /// Puts the head, where it changed.
    pub(super) fn save(&mut self) -> Result<(), RunError> {
        if self.head == self.saved {
            return Ok(());
        }
        self.save_head()
    }

    /// As [`save`](Self::save), also where it is as it was read.
    pub(super) fn save_head(&mut self) -> Result<(), RunError> {
        let key = spaces::catalog(spaces::HEAD, self.run);
        let row = self.head.bytes();
        self.tx.put(&self.runs.spaces.catalog, &key, &row)?;
        self.saved = self.head;
        Ok(())
    }

    /// Appends an event without attributes to the event log, and answers with its sequence number.
    ///
    /// # Errors
    /// [`RunError`] where the run takes no changes, or something is too long or empty.
    pub fn append(&mut self, kind: &str, body: &[u8]) -> Result<u64, RunError> {
        self.append_with(kind, body, &Attributes::new())
    }

    /// As [`append`](Self::append), with attributes.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub fn append_with(
        &mut self,
        kind: &str,
        body: &[u8],
        attributes: &Attributes,
    ) -> Result<u64, RunError> {
        self.check_open()?;
        check_name("an event's type", kind)?;
        check_len("an event's body", body.len(), STEP_BYTES_MAX / 2)?;
        check_attributes(attributes)?;
        let seq = self.head.events;
        let event = Event {
            seq,
            kind,
            attributes: Cow::Borrowed(attributes),
            body,
        };
        self.step(&Change::Event(event))?;
        Ok(seq)
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&mut self, key: &[u8]) -> Option<Value> {
        let key = spaces::named(self.run, key);
        self.tx.get(&self.runs.spaces.keys, &key)
    }

    /// Gives a key a value.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), RunError> {
        self.check_open()?;
        check_key(key)?;
        check_len("a value", value.len(), STEP_BYTES_MAX)?;
        self.step(&Change::Put { key, value })?;
        let row = spaces::named(self.run, key);
        Ok(self.tx.put(&self.runs.spaces.keys, &row, value)?)
    }

    /// Takes a key away, and answers whether it was there. One that was not makes no step.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub fn delete(&mut self, key: &[u8]) -> Result<bool, RunError> {
        self.check_open()?;
        check_key(key)?;
        let row = spaces::named(self.run, key);
        if !self.tx.contains(&self.runs.spaces.keys, &row) {
            return Ok(false);
        }
        if !injected(Bug::RunDeletesUnseen) {
            self.step(&Change::Deleted { key })?;
        }
        self.tx.delete(&self.runs.spaces.keys, &row)?;
        Ok(true)
    }
}

fn check_key(key: &[u8]) -> Result<(), RunError> {
    if key.is_empty() {
        return Err(RunError::Empty { what: "a key" });
    }
    check_len("a key", key.len(), RUN_KEY_BYTES_MAX)
}
