//! The handle to an engine's runs: begin, change, end.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::attribute::{self, Attribute, Attributes};
use super::change::{Outcome, RunId, SpanId};
use super::error::{Malformed, RunError, check_name};
use super::orphan::{Orphan, Orphans};
use super::row::{About, Head, Status};
use super::spaces::{self, Spaces};
use super::span::NewSpan;
use super::writer::RunWriter;
use crate::engine::{Committed, Engine, Transaction, Value};

/// How often a change is tried while others change the same run. Of all that meet, one commits.
const ATTEMPTS: u32 = 10_000;

/// The runs of an engine. Clones are handles to the same ones.
#[derive(Clone)]
pub struct Runs {
    pub(super) engine: Engine,
    pub(super) spaces: Arc<Spaces>,
}

impl fmt::Debug for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runs")
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

/// A run that is to begin.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NewRun {
    /// Its name; any number of runs may have the same.
    pub name: String,
    /// By what it can be found.
    pub tags: BTreeSet<String>,
    /// What is known of it.
    pub metadata: Attributes,
}

impl NewRun {
    /// A run without tags and metadata.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(mut self, tag: &str) -> Self {
        self.tags.insert(tag.to_owned());
        self
    }

    /// Adds a value.
    #[must_use]
    pub fn metadata(mut self, name: &str, value: impl Into<Attribute>) -> Self {
        self.metadata.insert(name.to_owned(), value.into());
        self
    }

    fn check(&self) -> Result<(), RunError> {
        check_name("a run's name", &self.name)?;
        check_tags(self.tags.len())?;
        let mut tags = self.tags.iter();
        tags.try_for_each(|tag| check_name("a tag", tag))?;
        attribute::check(&self.metadata)
    }
}

/// An error where a run cannot have so many tags.
pub(super) fn check_tags(len: usize) -> Result<(), RunError> {
    let max = attribute::ATTRIBUTES_MAX;
    let what = "the list of tags";
    if len > max {
        return Err(RunError::TooLong { what, len, max });
    }
    Ok(())
}

impl Runs {
    /// The runs of `engine`. Those that a crash left open are found, and become what `orphans` says;
    /// those that were being imported or deleted are let go.
    ///
    /// A run is left open by a crash where it is open and nobody has begun or resumed it since the
    /// engine was opened. So it does no harm to call this more than once for an open engine.
    ///
    /// # Errors
    /// [`RunError`]. What was done until then is done.
    pub fn open(engine: &Engine, orphans: Orphans) -> Result<(Self, Vec<Orphan>), RunError> {
        let runs = Self {
            engine: engine.clone(),
            spaces: Arc::new(Spaces::open(engine)?),
        };
        let found = runs.settle(orphans)?;
        Ok((runs, found))
    }

    /// The runs of `engine` as they are, to look at: nothing is created, and no orphan is touched.
    /// `None` where there never were any.
    ///
    /// # Errors
    /// [`RunError::Commit`] where keyspaces of these names hold something else.
    pub fn look(engine: &Engine) -> Result<Option<Self>, RunError> {
        let Some(spaces) = Spaces::existing(engine)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            engine: engine.clone(),
            spaces: Arc::new(spaces),
        }))
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Begins a run.
    ///
    /// # Errors
    /// [`RunError`] where name, tags or metadata are too long or empty, or the engine refuses.
    pub fn begin(&self, new: &NewRun) -> Result<RunId, RunError> {
        let begun = self
            .engine
            .retry(ATTEMPTS, |tx| Ok(self.begin_within(tx, new)?));
        Ok(begun?.value)
    }

    /// As [`begin`](Self::begin), within a transaction.
    ///
    /// # Errors
    /// As for [`begin`](Self::begin).
    pub fn begin_within(&self, tx: &mut Transaction<'_>, new: &NewRun) -> Result<RunId, RunError> {
        new.check()?;
        self.create(tx, Status::Open, |writer| {
            writer.began(&new.name)?;
            new.tags.iter().try_for_each(|tag| writer.tag(tag))?;
            let mut metadata = new.metadata.iter();
            metadata.try_for_each(|(name, value)| writer.note(name, Some(value)))
        })
    }

    /// Gives a new run a number, a head and what `body` makes of it.
    pub(super) fn create(
        &self,
        tx: &mut Transaction<'_>,
        status: Status,
        body: impl FnOnce(&mut RunWriter<'_, '_>) -> Result<(), RunError>,
    ) -> Result<RunId, RunError> {
        let catalog = &self.spaces.catalog;
        let next = tx.get(catalog, spaces::NEXT);
        let next = next.and_then(|it| Some(u64::from_le_bytes(it[..].try_into().ok()?)));
        let run = RunId(next.unwrap_or(1));
        tx.put(catalog, spaces::NEXT, &(run.0 + 1).to_le_bytes())?;
        tx.put(catalog, &spaces::catalog(spaces::UNFINISHED, run), &[])?;
        // The first step gives it its times, which an import has of its own.
        let head = Head {
            status,
            steps: 0,
            events: 0,
            spans: 0,
            began_us: 0,
            last_us: 0,
        };
        let mut writer = RunWriter::new(self, tx, run, head);
        writer.set_about(&About::default())?;
        body(&mut writer)?;
        writer.save_head()?;
        Ok(run)
    }

    /// Changes `run` within a transaction, together with whatever else the transaction changes. What
    /// `body` did is seen by later reads of the transaction.
    ///
    /// An error of `body` should end the transaction: changes that it made before would commit.
    ///
    /// # Errors
    /// Those of `body`; [`RunError::UnknownRun`].
    pub fn within<T>(
        &self,
        tx: &mut Transaction<'_>,
        run: RunId,
        body: impl FnOnce(&mut RunWriter<'_, '_>) -> Result<T, RunError>,
    ) -> Result<T, RunError> {
        let head = self.head_within(tx, run)?;
        if matches!(head.status, Status::Importing | Status::Deleting) {
            return Err(RunError::UnknownRun { run });
        }
        let mut writer = RunWriter::new(self, tx, run, head);
        let done = body(&mut writer);
        // Whatever succeeded before an error has its steps counted.
        writer.save()?;
        done
    }

    /// The head of a run as a transaction sees it, hidden or not.
    pub(super) fn head_within(
        &self,
        tx: &mut Transaction<'_>,
        run: RunId,
    ) -> Result<Head, RunError> {
        let key = spaces::catalog(spaces::HEAD, run);
        let row = tx.get(&self.spaces.catalog, &key);
        let row = row.ok_or(RunError::UnknownRun { run })?;
        read_row(run, spaces::CATALOG, "head", Head::read(&row))
    }

    /// Changes `run` in a transaction of its own, which is tried again while others change the run.
    ///
    /// # Errors
    /// Those of `body`, and of the commit.
    pub fn write<T>(
        &self,
        run: RunId,
        mut body: impl FnMut(&mut RunWriter<'_, '_>) -> Result<T, RunError>,
    ) -> Result<Committed<T>, RunError> {
        let written = self
            .engine
            .retry(ATTEMPTS, |tx| Ok(self.within(tx, run, &mut body)?));
        Ok(written?)
    }

    /// Appends an event without attributes to the run's event log, and answers with its sequence
    /// number.
    ///
    /// # Errors
    /// [`RunError::Ended`], [`RunError::Orphaned`], [`RunError::UnknownRun`]; others of the commit.
    pub fn append(&self, run: RunId, kind: &str, body: &[u8]) -> Result<u64, RunError> {
        Ok(self.write(run, |it| it.append(kind, body))?.value)
    }

    /// Gives a key of the run a value.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub fn put(&self, run: RunId, key: &[u8], value: &[u8]) -> Result<(), RunError> {
        self.write(run, |it| it.put(key, value)).map(drop)
    }

    /// Takes a key of the run away, and answers whether it was there.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub fn delete(&self, run: RunId, key: &[u8]) -> Result<bool, RunError> {
        Ok(self.write(run, |it| it.delete(key))?.value)
    }

    /// Gives a state cell a value whatever it had, and answers with its new version.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub fn set_cell(&self, run: RunId, name: &str, value: &[u8]) -> Result<u64, RunError> {
        Ok(self.write(run, |it| it.set_cell(name, value))?.value)
    }

    /// Gives a state cell a value if its version is `expected`, where 0 is that of a cell that is not
    /// there. Answers with its new version, which is one more.
    ///
    /// # Errors
    /// [`RunError::CellVersion`] where it has another; as for [`append`](Self::append).
    pub fn compare_and_set(
        &self,
        run: RunId,
        name: &str,
        expected: u64,
        value: &[u8],
    ) -> Result<u64, RunError> {
        let set = self.write(run, |it| it.compare_and_set(name, expected, value));
        Ok(set?.value)
    }

    /// Starts a span.
    ///
    /// # Errors
    /// [`RunError::MissingParent`], [`RunError::SpanCycle`], [`RunError::SpanNumber`]; as for
    /// [`append`](Self::append).
    pub fn start_span(&self, run: RunId, new: &NewSpan) -> Result<SpanId, RunError> {
        Ok(self.write(run, |it| it.start_span(new))?.value)
    }

    /// Ends a span.
    ///
    /// # Errors
    /// [`RunError::UnknownSpan`], [`RunError::SpanEnded`]; as for [`append`](Self::append).
    pub fn end_span(&self, run: RunId, span: SpanId, outcome: Outcome) -> Result<(), RunError> {
        let attributes = Attributes::new();
        let ended = self.write(run, |it| it.end_span(span, outcome, &attributes));
        ended.map(drop)
    }

    /// Ends a run, open or orphaned. Spans that have not ended never will.
    ///
    /// # Errors
    /// [`RunError::Ended`] where it ended before; as for [`append`](Self::append).
    pub fn end(&self, run: RunId, outcome: Outcome, note: &str) -> Result<(), RunError> {
        self.write(run, |it| it.end(outcome, note)).map(drop)
    }

    /// Lets an orphaned run go on.
    ///
    /// # Errors
    /// [`RunError::NotOrphaned`] where it is anything else; as for [`append`](Self::append).
    pub fn resume(&self, run: RunId) -> Result<(), RunError> {
        self.write(run, |it| {
            it.resume()?;
            Ok(())
        })
        .map(drop)
    }

    /// The head of a run that can be seen.
    pub(super) fn head(&self, run: RunId) -> Result<Head, RunError> {
        let row = self.catalog_row(spaces::HEAD, run)?;
        let head = read_row(run, spaces::CATALOG, "head", Head::read(&row))?;
        match head.status {
            Status::Importing | Status::Deleting => Err(RunError::UnknownRun { run }),
            _ => Ok(head),
        }
    }

    pub(super) fn catalog_row(&self, row: u8, run: RunId) -> Result<Value, RunError> {
        let row = self.spaces.catalog.get(&spaces::catalog(row, run));
        row.ok_or(RunError::UnknownRun { run })
    }
}

/// A row that was read, or the error that says which one could not be.
pub(super) fn read_row<T>(
    run: RunId,
    keyspace: &'static str,
    row: impl fmt::Display,
    read: Result<T, Malformed>,
) -> Result<T, RunError> {
    read.map_err(|Malformed(reason)| RunError::Row {
        run,
        keyspace,
        row: row.to_string(),
        reason,
    })
}

/// The end of a key behind the run's number, for errors.
pub(super) fn tail(key: &[u8]) -> impl fmt::Display + '_ {
    key.get(spaces::PREFIX..).unwrap_or_default().escape_ascii()
}
