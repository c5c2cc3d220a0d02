//! Rows of the present ⇄ bytes: heads, descriptions, cells, spans.

use std::collections::BTreeSet;

use super::attribute::{self, Attributes};
use super::change::{Outcome, SpanId, VERSION};
use super::code::{Reader, put_name, utf8};
use super::error::Malformed;

/// What becomes of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It goes on.
    Open,
    /// It is over.
    Ended(Outcome),
    /// A crash left it open; it is to be resumed or closed.
    Orphaned,
    /// It is being imported. Nobody sees it.
    #[doc(hidden)]
    Importing,
    /// It is being deleted. Nobody sees it.
    #[doc(hidden)]
    Deleting,
}

impl Status {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Ended(outcome) => outcome.name(),
            Self::Orphaned => "orphaned",
            Self::Importing => "importing",
            Self::Deleting => "deleting",
        }
    }

    fn bytes(self) -> [u8; 2] {
        match self {
            Self::Open => [1, 0],
            Self::Ended(outcome) => [2, outcome as u8],
            Self::Orphaned => [3, 0],
            Self::Importing => [4, 0],
            Self::Deleting => [5, 0],
        }
    }

    fn read(row: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match (row.u8()?, row.u8()?) {
            (1, _) => Self::Open,
            (2, outcome) => Self::Ended(Outcome::read(outcome)?),
            (3, _) => Self::Orphaned,
            (4, _) => Self::Importing,
            (5, _) => Self::Deleting,
            _ => return Err(Malformed("has an unknown status")),
        })
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What every change of a run reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub status: Status,
    /// How many steps there are; the number of the last one.
    pub steps: u64,
    /// How many events there are; the sequence number of the next one.
    pub events: u64,
    /// The highest number of a span.
    pub spans: u64,
    pub began_us: u64,
    /// The time of the last step.
    pub last_us: u64,
}

impl Head {
    pub(super) fn bytes(&self) -> [u8; 43] {
        let mut row = [VERSION; 43];
        row[1..3].copy_from_slice(&self.status.bytes());
        let numbers = [
            self.steps,
            self.events,
            self.spans,
            self.began_us,
            self.last_us,
        ];
        for (field, number) in row[3..].chunks_exact_mut(8).zip(numbers) {
            field.copy_from_slice(&number.to_le_bytes());
        }
        row
    }

    pub(super) fn read(row: &[u8]) -> Result<Self, Malformed> {
        let mut row = versioned(row)?;
        let head = Self {
            status: Status::read(&mut row)?,
            steps: row.u64()?,
            events: row.u64()?,
            spans: row.u64()?,
            began_us: row.u64()?,
            last_us: row.u64()?,
        };
        row.end()?;
        Ok(head)
    }
}

fn versioned(row: &[u8]) -> Result<Reader<'_>, Malformed> {
    let mut row = Reader(row);
    match row.u8()? {
        VERSION => Ok(row),
        _ => Err(Malformed("is of a version that this engine does not know")),
    }
}

/// What is known of a run beside its head.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct About {
    pub name: String,
    /// Why it ended, in words.
    pub note: String,
    pub tags: BTreeSet<String>,
    pub metadata: Attributes,
}

impl About {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut row = vec![VERSION];
        put_name(&mut row, &self.name);
        let count = u16::try_from(self.tags.len()).unwrap_or(u16::MAX);
        row.extend_from_slice(&count.to_le_bytes());
        for tag in &self.tags {
            put_name(&mut row, tag);
        }
        attribute::put_all(&mut row, &self.metadata);
        row.extend_from_slice(self.note.as_bytes());
        row
    }

    pub(super) fn read(row: &[u8]) -> Result<Self, Malformed> {
        let mut row = versioned(row)?;
        let name = row.name()?.to_owned();
        let mut tags = BTreeSet::new();
        for _ in 0..row.u16()? {
            tags.insert(row.name()?.to_owned());
        }
        Ok(Self {
            name,
            tags,
            metadata: attribute::read_all(&mut row)?,
            note: utf8(row.rest())?.to_owned(),
        })
    }
}

/// The bytes of a cell's row before its version and its value.
pub(super) const CELL_HEAD: usize = 17;

/// The bytes of a cell's row before its value.
pub(super) const CELL_VALUE: usize = CELL_HEAD + 8;

/// The row of a cell: version, step, time, version of the cell, value.
pub(super) fn cell(step: u64, time_us: u64, version: u64, value: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(CELL_VALUE + value.len());
    row.push(VERSION);
    for number in [step, time_us, version] {
        row.extend_from_slice(&number.to_le_bytes());
    }
    row.extend_from_slice(value);
    row
}

/// The step, the time and the version of a cell's row.
pub(super) fn read_cell(row: &[u8]) -> Result<[u64; 3], Malformed> {
    let mut row = versioned(row)?;
    Ok([row.u64()?, row.u64()?, row.u64()?])
}

/// A span of a run's trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Its number within the run.
    pub id: SpanId,
    /// The span within which it is.
    pub parent: Option<SpanId>,
    /// Its name.
    pub name: String,
    /// What is known of it.
    pub attributes: Attributes,
    /// When it started: microseconds since the Unix epoch.
    pub started_us: u64,
    /// The step that started it.
    pub started_step: u64,
    /// How and when it ended; absent while it goes on, and for good where its run ended before.
    pub end: Option<SpanEnd>,
}

/// The end of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanEnd {
    /// How.
    pub outcome: Outcome,
    /// When: microseconds since the Unix epoch.
    pub time_us: u64,
    /// The step that ended it.
    pub step: u64,
}

/// The bytes of a span's row before what can be compared between runs.
pub(super) const SPAN_HEAD: usize = 33;

impl Span {
    /// Its row: version, times and steps, then [`content`](Self::put_content).
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut row = vec![VERSION];
        let end = self.end;
        let numbers = [
            self.started_us,
            self.started_step,
            end.map_or(0, |it| it.time_us),
            end.map_or(0, |it| it.step),
        ];
        for number in numbers {
            row.extend_from_slice(&number.to_le_bytes());
        }
        self.put_content(&mut row);
        row
    }

    /// Appends parent, outcome, name and attributes.
    pub(super) fn put_content(&self, row: &mut Vec<u8>) {
        row.extend_from_slice(&self.parent.map_or(0, |it| it.0).to_le_bytes());
        row.push(self.end.map_or(0, |it| it.outcome as u8));
        put_name(row, &self.name);
        attribute::put_all(row, &self.attributes);
    }

    pub(super) fn read(id: SpanId, row: &[u8]) -> Result<Self, Malformed> {
        let mut head = versioned(row)?;
        let [started_us, started_step, time_us, step] =
            [head.u64()?, head.u64()?, head.u64()?, head.u64()?];
        let (parent, outcome, name, attributes) = read_span_content(head.0)?;
        Ok(Self {
            id,
            parent,
            name,
            attributes,
            started_us,
            started_step,
            end: outcome.map(|outcome| SpanEnd {
                outcome,
                time_us,
                step,
            }),
        })
    }
}

/// What two runs' spans are compared by.
pub(super) type SpanContent = (Option<SpanId>, Option<Outcome>, String, Attributes);

/// Reads what [`Span::put_content`] wrote.
pub(super) fn read_span_content(content: &[u8]) -> Result<SpanContent, Malformed> {
    let mut row = Reader(content);
    let parent = Some(SpanId(row.u64()?)).filter(|it| it.0 != 0);
    let outcome = match row.u8()? {
        0 => None,
        outcome => Some(Outcome::read(outcome)?),
    };
    let (name, attributes) = (row.name()?.to_owned(), attribute::read_all(&mut row)?);
    row.end()?;
    Ok((parent, outcome, name, attributes))
}
