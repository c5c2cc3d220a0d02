//! What is so now: runs, events, cells, keys, spans.

use std::collections::BTreeSet;

use super::attribute::Attributes;
use super::cell::Cell;
use super::change::{self, Change, RunId, SpanId};
use super::error::RunError;
use super::row::{About, Head, Span, Status};
use super::runs::{Runs, read_row, tail};
use super::spaces;
use crate::engine::{Item, ReadView, Value};

/// A run, with what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunInfo {
    /// Its number.
    pub id: RunId,
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub status: Status,
    /// Why it ended, in words; empty before.
    pub note: String,
    /// By what it can be found.
    pub tags: BTreeSet<String>,
    /// What is known of it.
    pub metadata: Attributes,
    /// When it began: microseconds since the Unix epoch.
    pub began_us: u64,
    /// The time of its last step.
    pub last_us: u64,
    /// How many steps it has.
    pub steps: u64,
    /// How many events it has.
    pub events: u64,
}

impl RunInfo {
    pub(super) fn new(id: RunId, head: &Head, about: About) -> Self {
        Self {
            id,
            name: about.name,
            status: head.status,
            note: about.note,
            tags: about.tags,
            metadata: about.metadata,
            began_us: head.began_us,
            last_us: head.last_us,
            steps: head.steps,
            events: head.events,
        }
    }
}

/// A value that a cell had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellVersion {
    /// The version.
    pub version: u64,
    /// The step that set it.
    pub step: u64,
    /// When that was: microseconds since the Unix epoch.
    pub time_us: u64,
    /// The value.
    pub value: Vec<u8>,
}

impl Runs {
    /// What is known of a run.
    ///
    /// # Errors
    /// [`RunError::UnknownRun`]; [`RunError::Row`] where it cannot be read.
    pub fn info(&self, run: RunId) -> Result<RunInfo, RunError> {
        loop {
            let head = self.head(run)?;
            let about = self.catalog_row(spaces::ABOUT, run)?;
            let about = read_row(run, spaces::CATALOG, "about", About::read(&about))?;
            // Every change changes the head: where it is the same, the two go together.
            if self.head(run)? == head {
                return Ok(RunInfo::new(run, &head, about));
            }
        }
    }

    /// All runs, in the order in which they began.
    ///
    /// # Errors
    /// [`RunError::Row`] where one cannot be read.
    pub fn list(&self) -> Result<Vec<RunInfo>, RunError> {
        let view = self.engine.view();
        let heads = view.prefix(&self.spaces.catalog, &[spaces::HEAD]);
        let mut runs = Vec::new();
        for item in heads {
            let Some(run) = spaces::run_of(item.key()) else {
                continue;
            };
            match self.info_in(&view, run) {
                Err(RunError::UnknownRun { .. }) => {}
                info => runs.push(info?),
            }
        }
        Ok(runs)
    }

    /// The runs that have a tag, in the order in which they began.
    ///
    /// # Errors
    /// [`RunError::Row`] where one cannot be read.
    pub fn tagged(&self, tag: &str) -> Result<Vec<RunInfo>, RunError> {
        let view = self.engine.view();
        let rows = view.prefix(&self.spaces.catalog, &spaces::tag_prefix(tag));
        let mut runs = Vec::new();
        for run in rows.filter_map(|item| spaces::run_of(item.key())) {
            match self.info_in(&view, run) {
                Err(RunError::UnknownRun { .. }) => {}
                info => runs.push(info?),
            }
        }
        Ok(runs)
    }

    /// As [`info`](Self::info), in a view.
    pub(super) fn info_in(&self, view: &ReadView, run: RunId) -> Result<RunInfo, RunError> {
        let head = self.head_in(view, run)?;
        let about = view.get(&self.spaces.catalog, &spaces::catalog(spaces::ABOUT, run));
        let about = about.ok_or(RunError::UnknownRun { run })?;
        let about = read_row(run, spaces::CATALOG, "about", About::read(&about))?;
        Ok(RunInfo::new(run, &head, about))
    }

    /// The head of a run that can be seen in a view.
    pub(super) fn head_in(&self, view: &ReadView, run: RunId) -> Result<Head, RunError> {
        let row = view.get(&self.spaces.catalog, &spaces::catalog(spaces::HEAD, run));
        let row = row.ok_or(RunError::UnknownRun { run })?;
        let head = read_row(run, spaces::CATALOG, "head", Head::read(&row))?;
        match head.status {
            Status::Importing | Status::Deleting => Err(RunError::UnknownRun { run }),
            _ => Ok(head),
        }
    }

    /// A state cell; `None` of one that was never set.
    ///
    /// # Errors
    /// [`RunError::UnknownRun`]; [`RunError::Row`] where it cannot be read.
    pub fn cell(&self, run: RunId, name: &str) -> Result<Option<Cell>, RunError> {
        let row = self.spaces.cells.get(&spaces::named(run, name.as_bytes()));
        match row {
            Some(row) => Ok(Some(Cell::read(run, name, row)?)),
            None => self.head(run).map(|_| None),
        }
    }

    /// All cells, by name.
    ///
    /// # Errors
    /// As for [`cell`](Self::cell).
    pub fn cells(&self, run: RunId) -> Result<Vec<(String, Cell)>, RunError> {
        self.head(run)?;
        let rows = self.spaces.cells.prefix(&spaces::prefix(run));
        let cell = |item: Item| {
            let name = &item.key()[spaces::PREFIX..];
            let name = read_row(
                run,
                spaces::CELLS,
                tail(item.key()),
                super::code::utf8(name),
            )?;
            let name = name.to_owned();
            let cell = Cell::read(run, &name, Value::new(item))?;
            Ok((name, cell))
        };
        rows.map(cell).collect()
    }

    /// The values that a cell had, the newest first. Each is looked up when it is asked for.
    ///
    /// # Errors
    /// [`RunError::UnknownRun`]. Of a value that cannot be read, its own.
    pub fn cell_history(
        &self,
        run: RunId,
        name: &str,
    ) -> Result<impl Iterator<Item = Result<CellVersion, RunError>>, RunError> {
        let mut next = self.cell(run, name)?.map_or(0, |it| it.step);
        let journal = &self.spaces.journal;
        Ok(std::iter::from_fn(move || {
            let step = std::mem::take(&mut next);
            let row = journal.get(&spaces::numbered(run, step))?;
            let read = read_row(run, spaces::JOURNAL, step, change::read(&row));
            let time_us = read_row(run, spaces::JOURNAL, step, change::read_time(&row));
            match (read, time_us) {
                (
                    Ok(Change::Cell {
                        previous,
                        version,
                        value,
                        ..
                    }),
                    Ok(time_us),
                ) => {
                    // A row that pointed forwards would never end.
                    next = if previous < step { previous } else { 0 };
                    Some(Ok(CellVersion {
                        version,
                        step,
                        time_us,
                        value: value.to_owned(),
                    }))
                }
                (Ok(_), Ok(_)) => None,
                (Err(error), _) | (_, Err(error)) => Some(Err(error)),
            }
        }))
    }

    /// The value of a key.
    ///
    /// # Errors
    /// [`RunError::UnknownRun`].
    pub fn get(&self, run: RunId, key: &[u8]) -> Result<Option<Value>, RunError> {
        match self.spaces.keys.get(&spaces::named(run, key)) {
            Some(value) => Ok(Some(value)),
            None => self.head(run).map(|_| None),
        }
    }

    /// The keys that begin with `prefix` and their values, in order, from either end.
    ///
    /// # Errors
    /// [`RunError::UnknownRun`].
    pub fn keys(
        &self,
        run: RunId,
        prefix: &[u8],
    ) -> Result<impl DoubleEndedIterator<Item = (Vec<u8>, Value)> + use<>, RunError> {
        self.head(run)?;
        let rows = self.spaces.keys.prefix(&spaces::named(run, prefix));
        Ok(rows.map(|item| (item.key()[spaces::PREFIX..].to_owned(), Value::new(item))))
    }

    /// A span.
    ///
    /// # Errors
    /// [`RunError::UnknownRun`], [`RunError::UnknownSpan`]; [`RunError::Row`] where it cannot be
    /// read.
    pub fn span(&self, run: RunId, span: SpanId) -> Result<Span, RunError> {
        let Some(row) = self.spaces.spans.get(&spaces::span(run, span)) else {
            self.head(run)?;
            return Err(RunError::UnknownSpan { run, span });
        };
        read_row(run, spaces::SPANS, span, Span::read(span, &row))
    }

    /// All spans, by number.
    ///
    /// # Errors
    /// As for [`span`](Self::span).
    pub fn spans(&self, run: RunId) -> Result<Vec<Span>, RunError> {
        self.head(run)?;
        let rows = self.spaces.spans.prefix(&spaces::prefix(run));
        let span = |item: Item| {
            let id = SpanId(spaces::number_of(item.key()));
            read_row(run, spaces::SPANS, id, Span::read(id, item.value()))
        };
        rows.map(span).collect()
    }
}
