//! The changes of one run within one transaction.
//!
//! ```text
//! head ──► check ──► journal or event, rows of the present, observers ──► head
//! ```
//!
//! Whatever can be refused is checked before the first row of a change is put: a change that fails
//! leaves nothing behind in the transaction.

use std::borrow::Cow;

use super::attribute::{self, Attribute, Attributes};
use super::change::{self, Change, Event, Outcome, RunId, SpanId};
use super::error::{RunError, check_name};
use super::row::{self, About, Head, Span, SpanEnd, Status};
use super::runs::{Runs, check_tags, read_row};
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
    runs: &'w Runs,
    tx: &'w mut Transaction<'e>,
    run: RunId,
    head: Head,
    saved: Head,
    /// The time of the steps that are made, where it is not the transaction's.
    time_us: Option<u64>,
}

/// A span that is to start.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NewSpan {
    /// Its name.
    pub name: String,
    /// The span within which it is; absent of a root.
    pub parent: Option<SpanId>,
    /// Its number, where it was traced elsewhere; absent where the run is to number it.
    pub id: Option<SpanId>,
    /// What is known of it.
    pub attributes: Attributes,
}

impl NewSpan {
    /// A root without attributes.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Puts it within another span.
    #[must_use]
    pub fn within(mut self, parent: SpanId) -> Self {
        self.parent = Some(parent);
        self
    }

    /// Gives it the number that it has elsewhere.
    #[must_use]
    pub fn numbered(mut self, id: SpanId) -> Self {
        self.id = Some(id);
        self
    }

    /// Adds an attribute.
    #[must_use]
    pub fn attribute(mut self, name: &str, value: impl Into<Attribute>) -> Self {
        self.attributes.insert(name.to_owned(), value.into());
        self
    }
}

/// A state cell as it is.
#[derive(Debug, Clone)]
pub struct Cell {
    /// How often it was set.
    pub version: u64,
    /// The step that set it.
    pub step: u64,
    /// When that was: microseconds since the Unix epoch.
    pub time_us: u64,
    row: Value,
}

impl Cell {
    pub(super) fn read(run: RunId, name: &str, row: Value) -> Result<Self, RunError> {
        let numbers = read_row(run, spaces::CELLS, name, row::read_cell(&row));
        let [step, time_us, version] = numbers?;
        Ok(Self {
            version,
            step,
            time_us,
            row,
        })
    }

    /// Its value.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.row[row::CELL_VALUE..]
    }
}

fn check_len(what: &'static str, len: usize, max: usize) -> Result<(), RunError> {
    if len > max {
        return Err(RunError::TooLong { what, len, max });
    }
    Ok(())
}

/// As [`attribute::check`], and all of them together fit a row.
fn check_attributes(attributes: &Attributes) -> Result<(), RunError> {
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
    fn check_open(&self) -> Result<(), RunError> {
        let run = self.run;
        match self.head.status {
            Status::Open | Status::Importing => Ok(()),
            _ if injected(Bug::RunTakesAnything) => Ok(()),
            Status::Ended(outcome) => Err(RunError::Ended { run, outcome }),
            Status::Orphaned => Err(RunError::Orphaned { run }),
            Status::Deleting => Err(RunError::UnknownRun { run }),
        }
    }

    /// Makes a step: puts its row, tells the observers, and answers with its number.
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
        for observer in &*self.runs.observers {
            observer.changed(self.tx, self.run, step, change)?;
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
        if self.head != self.saved {
            let key = spaces::catalog(spaces::HEAD, self.run);
            self.tx
                .put(&self.runs.spaces.catalog, &key, &self.head.bytes())?;
            self.saved = self.head;
        }
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

    /// A state cell; `None` of one that was never set.
    ///
    /// # Errors
    /// [`RunError::Row`] where it cannot be read.
    pub fn cell(&mut self, name: &str) -> Result<Option<Cell>, RunError> {
        let key = spaces::named(self.run, name.as_bytes());
        let row = self.tx.get(&self.runs.spaces.cells, &key);
        row.map(|row| Cell::read(self.run, name, row)).transpose()
    }

    /// Gives a cell a value whatever it had, and answers with its new version.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub fn set_cell(&mut self, name: &str, value: &[u8]) -> Result<u64, RunError> {
        self.change_cell(name, value, |_| Ok(()))
    }

    /// Gives a cell a value if its version is `expected`, where 0 is that of a cell that is not
    /// there; answers with its new version.
    ///
    /// # Errors
    /// [`RunError::CellVersion`] where it has another; as for [`append`](Self::append).
    pub fn compare_and_set(
        &mut self,
        name: &str,
        expected: u64,
        value: &[u8],
    ) -> Result<u64, RunError> {
        let run = self.run;
        self.change_cell(name, value, |cell| {
            let found = cell.map_or(0, |it| it.version);
            if found == expected || injected(Bug::CellIgnoresVersion) {
                return Ok(());
            }
            Err(RunError::CellVersion {
                run,
                cell: name.to_owned(),
                expected,
                found,
            })
        })
    }

    /// Takes a cell from one value to another, and answers with its new version.
    ///
    /// # Errors
    /// [`RunError::CellValue`] where it has another value than `from`; as for
    /// [`append`](Self::append).
    pub fn transition(&mut self, name: &str, from: &[u8], to: &[u8]) -> Result<u64, RunError> {
        let run = self.run;
        self.change_cell(name, to, |cell| match cell {
            Some(cell) if cell.value() == from => Ok(()),
            _ => Err(RunError::CellValue {
                run,
                cell: name.to_owned(),
                expected: from.to_owned(),
                found: cell.map(|it| it.value().to_owned()),
            }),
        })
    }

    fn change_cell(
        &mut self,
        name: &str,
        value: &[u8],
        check: impl FnOnce(Option<&Cell>) -> Result<(), RunError>,
    ) -> Result<u64, RunError> {
        self.check_open()?;
        check_name("a cell's name", name)?;
        check_len("a cell's value", value.len(), STEP_BYTES_MAX)?;
        let cell = self.cell(name)?;
        check(cell.as_ref())?;
        let (previous, version) = cell.map_or((0, 1), |it| (it.step, it.version + 1));
        let change = Change::Cell {
            name,
            previous,
            version,
            value,
        };
        let step = self.step(&change)?;
        let row = row::cell(step, self.head.last_us, version, value);
        let key = spaces::named(self.run, name.as_bytes());
        self.tx.put(&self.runs.spaces.cells, &key, &row)?;
        Ok(version)
    }

    /// A span of the run.
    ///
    /// # Errors
    /// [`RunError::UnknownSpan`]; [`RunError::Row`] where it cannot be read.
    pub fn span(&mut self, span: SpanId) -> Result<Span, RunError> {
        let run = self.run;
        let row = self
            .tx
            .get(&self.runs.spaces.spans, &spaces::span(run, span));
        let row = row.ok_or(RunError::UnknownSpan { run, span })?;
        read_row(run, spaces::SPANS, span, Span::read(span, &row))
    }

    /// Starts a span. Its parent must have started, and may have ended.
    ///
    /// # Errors
    /// [`RunError::MissingParent`], [`RunError::SpanCycle`], [`RunError::SpanNumber`]; as for
    /// [`append`](Self::append).
    pub fn start_span(&mut self, new: &NewSpan) -> Result<SpanId, RunError> {
        self.check_open()?;
        check_name("a span's name", &new.name)?;
        check_attributes(&new.attributes)?;
        let run = self.run;
        let span = new.id.unwrap_or(SpanId(self.head.spans.wrapping_add(1)));
        if new.parent == Some(span) {
            return Err(RunError::SpanCycle { run, span });
        }
        let spans = &self.runs.spaces.spans;
        if span.0 == 0 || self.tx.contains(spans, &spaces::span(run, span)) {
            return Err(RunError::SpanNumber { run, span });
        }
        if let Some(parent) = new.parent
            && !self.tx.contains(spans, &spaces::span(run, parent))
        {
            let name = new.name.clone();
            return Err(RunError::MissingParent { run, parent, name });
        }
        let started_step = self.step(&Change::SpanStarted {
            span,
            parent: new.parent,
            name: &new.name,
            attributes: Cow::Borrowed(&new.attributes),
        })?;
        self.head.spans = self.head.spans.max(span.0);
        let row = Span {
            id: span,
            parent: new.parent,
            name: new.name.clone(),
            attributes: new.attributes.clone(),
            started_us: self.head.last_us,
            started_step,
            end: None,
        };
        self.tx.put(spans, &spaces::span(run, span), &row.bytes())?;
        Ok(span)
    }

    /// Ends a span, and adds attributes to it.
    ///
    /// # Errors
    /// [`RunError::UnknownSpan`], [`RunError::SpanEnded`]; as for [`append`](Self::append).
    pub fn end_span(
        &mut self,
        span: SpanId,
        outcome: Outcome,
        attributes: &Attributes,
    ) -> Result<(), RunError> {
        self.check_open()?;
        let run = self.run;
        let mut row = self.span(span)?;
        if row.end.is_some() {
            return Err(RunError::SpanEnded { run, span });
        }
        check_attributes(attributes)?;
        row.attributes.extend(attributes.clone());
        check_attributes(&row.attributes)?;
        let step = self.step(&Change::SpanEnded {
            span,
            outcome,
            attributes: Cow::Borrowed(attributes),
        })?;
        row.end = Some(SpanEnd {
            outcome,
            time_us: self.head.last_us,
            step,
        });
        let key = spaces::span(run, span);
        Ok(self.tx.put(&self.runs.spaces.spans, &key, &row.bytes())?)
    }

    fn about(&mut self) -> Result<About, RunError> {
        let run = self.run;
        let key = spaces::catalog(spaces::ABOUT, run);
        let row = self.tx.get(&self.runs.spaces.catalog, &key);
        let row = row.ok_or(RunError::UnknownRun { run })?;
        read_row(run, spaces::CATALOG, "about", About::read(&row))
    }

    pub(super) fn set_about(&mut self, about: &About) -> Result<(), RunError> {
        let key = spaces::catalog(spaces::ABOUT, self.run);
        let catalog = &self.runs.spaces.catalog;
        Ok(self.tx.put(catalog, &key, &about.bytes())?)
    }

    /// Names the run: its first step.
    pub(super) fn began(&mut self, name: &str) -> Result<(), RunError> {
        check_name("a run's name", name)?;
        self.step(&Change::Began { name })?;
        let mut about = self.about()?;
        name.clone_into(&mut about.name);
        self.set_about(&about)
    }

    /// Gives the run a tag. One that it has makes no step.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub fn tag(&mut self, tag: &str) -> Result<(), RunError> {
        self.check_open()?;
        check_name("a tag", tag)?;
        let mut about = self.about()?;
        if !about.tags.insert(tag.to_owned()) {
            return Ok(());
        }
        check_tags(about.tags.len())?;
        self.step(&Change::Tagged { tag, is_set: true })?;
        self.set_about(&about)?;
        let key = spaces::tag(tag, self.run);
        Ok(self.tx.put(&self.runs.spaces.catalog, &key, &[])?)
    }

    /// Takes a tag away. One that it has not makes no step.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub fn untag(&mut self, tag: &str) -> Result<(), RunError> {
        self.check_open()?;
        let mut about = self.about()?;
        if !about.tags.remove(tag) {
            return Ok(());
        }
        self.step(&Change::Tagged { tag, is_set: false })?;
        self.set_about(&about)?;
        let key = spaces::tag(tag, self.run);
        Ok(self.tx.delete(&self.runs.spaces.catalog, &key)?)
    }

    /// Gives the run's metadata a value, or takes it away.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub fn note(&mut self, name: &str, value: Option<&Attribute>) -> Result<(), RunError> {
        self.check_open()?;
        let mut about = self.about()?;
        if let Some(value) = value {
            attribute::check_one(name, value)?;
            about.metadata.insert(name.to_owned(), value.clone());
            check_attributes(&about.metadata)?;
        } else if about.metadata.remove(name).is_none() {
            return Ok(());
        }
        let change = Change::Noted {
            name,
            value: value.map(Cow::Borrowed),
        };
        self.step(&change)?;
        self.set_about(&about)
    }

    /// Ends the run, open or orphaned.
    ///
    /// # Errors
    /// [`RunError::Ended`] where it ended before; [`RunError::TooLong`] of the note.
    pub fn end(&mut self, outcome: Outcome, note: &str) -> Result<(), RunError> {
        if self.head.status != Status::Orphaned {
            self.check_open()?;
        }
        check_len("a note", note.len(), STEP_BYTES_MAX / 4)?;
        self.step(&Change::Ended { outcome, note })?;
        let mut about = self.about()?;
        note.clone_into(&mut about.note);
        self.set_about(&about)?;
        if self.head.status != Status::Importing {
            self.head.status = Status::Ended(outcome);
            self.set_unfinished(false)?;
        }
        Ok(())
    }

    /// Lets an orphaned run go on.
    pub(super) fn resume(&mut self) -> Result<(), RunError> {
        let run = self.run;
        if self.head.status != Status::Orphaned {
            return Err(RunError::NotOrphaned { run });
        }
        self.go_on()
    }

    /// Says that somebody goes on with the run since the engine was opened.
    pub(super) fn go_on(&mut self) -> Result<(), RunError> {
        self.step(&Change::Resumed)?;
        if self.head.status != Status::Importing {
            self.head.status = Status::Open;
            self.set_unfinished(true)?;
        }
        Ok(())
    }

    /// Says that a crash left the run, and that somebody has to decide.
    pub(super) fn orphan(&mut self) -> Result<(), RunError> {
        self.step(&Change::Orphaned)?;
        if self.head.status != Status::Importing {
            self.head.status = Status::Orphaned;
            self.set_unfinished(false)?;
        }
        Ok(())
    }

    /// Notes that the run is not over, or no longer.
    pub(super) fn set_unfinished(&mut self, is_unfinished: bool) -> Result<(), RunError> {
        let key = spaces::catalog(spaces::UNFINISHED, self.run);
        let catalog = &self.runs.spaces.catalog;
        if is_unfinished {
            return Ok(self.tx.put(catalog, &key, &[])?);
        }
        Ok(self.tx.delete(catalog, &key)?)
    }
}

fn check_key(key: &[u8]) -> Result<(), RunError> {
    if key.is_empty() {
        return Err(RunError::Empty { what: "a key" });
    }
    check_len("a key", key.len(), RUN_KEY_BYTES_MAX)
}
