//! A step of a run ⇄ bytes.
//!
//! ```text
//! journal   key  run u64 BE, step u64 BE    value  version 1, type u8, time u64, fields
//! events    key  run u64 BE, seq u64 BE     value  version 1, step u64, time u64, event
//! ```
//!
//! `FORMAT.md` has the fields. What can be compared between two runs comes last in a row and without
//! times: whoever compares looks at the bytes alone.

use std::borrow::Cow;
use std::fmt;

use super::attribute::{self, Attribute, Attributes};
use super::code::{Reader, put_name};
use super::error::Malformed;

/// The version of the rows.
pub(super) const VERSION: u8 = 1;

/// The number of a run; given out in rising order and never again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a span within its run. 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(pub u64);

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a run or a span ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// It did what it was to do.
    Succeeded = 1,
    /// It did not.
    Failed = 2,
    /// Somebody stopped it.
    Cancelled = 3,
    /// A crash left it, and it was closed later.
    Abandoned = 4,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::Abandoned,
    ];

    /// The outcome of a name, as it is printed.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Abandoned => "abandoned",
        }
    }

    pub(super) fn read(byte: u8) -> Result<Self, Malformed> {
        let found = Self::ALL.into_iter().find(|it| *it as u8 == byte);
        found.ok_or(Malformed("has an unknown outcome"))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a step did.
#[derive(Debug, Clone, PartialEq)]
pub enum Change<'a> {
    /// The run began; always the first step.
    Began {
        /// The run's name.
        name: &'a str,
    },
    /// It was found open after a crash, and goes on.
    Resumed,
    /// It was found open after a crash, and waits for a decision.
    Orphaned,
    /// It ended.
    Ended {
        /// How.
        outcome: Outcome,
        /// Why, in words.
        note: &'a str,
    },
    /// The run got a tag, or lost it.
    Tagged {
        /// The tag.
        tag: &'a str,
        /// Whether it has it now.
        is_set: bool,
    },
    /// The run's metadata got a value, or lost it.
    Noted {
        /// The name of the value.
        name: &'a str,
        /// Absent where it went.
        value: Option<Cow<'a, Attribute>>,
    },
    /// An event was appended to the event log.
    Event(Event<'a>),
    /// A key got a value.
    Put {
        /// The key.
        key: &'a [u8],
        /// Its value.
        value: &'a [u8],
    },
    /// A key went.
    Deleted {
        /// The key.
        key: &'a [u8],
    },
    /// A state cell got a value.
    Cell {
        /// Its name.
        name: &'a str,
        /// The step that gave it the value before; 0 of the first.
        previous: u64,
        /// Its new version: 1 of the first value.
        version: u64,
        /// The value.
        value: &'a [u8],
    },
    /// A span started.
    SpanStarted {
        /// Its number.
        span: SpanId,
        /// The span within which it is.
        parent: Option<SpanId>,
        /// Its name.
        name: &'a str,
        /// What is known of it.
        attributes: Cow<'a, Attributes>,
    },
    /// A span ended.
    SpanEnded {
        /// Its number.
        span: SpanId,
        /// How.
        outcome: Outcome,
        /// What became known of it; of a name that it had, the new value counts.
        attributes: Cow<'a, Attributes>,
    },
}

/// An event of an event log.
#[derive(Debug, Clone, PartialEq)]
pub struct Event<'a> {
    /// Its place in the run's event log, from 0 on.
    pub seq: u64,
    /// What sort of event it is, such as `tool.call`.
    pub kind: &'a str,
    /// What is known of it.
    pub attributes: Cow<'a, Attributes>,
    /// Its content: text, JSON, or any bytes.
    pub body: &'a [u8],
}

const BEGAN: u8 = 1;
const RESUMED: u8 = 2;
const ORPHANED: u8 = 3;
const ENDED: u8 = 4;
const TAGGED: u8 = 5;
const NOTED: u8 = 6;
const PUT: u8 = 7;
const DELETED: u8 = 8;
const CELL: u8 = 9;
const SPAN_STARTED: u8 = 10;
const SPAN_ENDED: u8 = 11;

/// Appends the row of a step to `row`; `None` of an event, which has a row of its own.
pub(super) fn put(row: &mut Vec<u8>, time_us: u64, change: &Change<'_>) -> Option<()> {
    let kind = match change {
        Change::Began { .. } => BEGAN,
        Change::Resumed => RESUMED,
        Change::Orphaned => ORPHANED,
        Change::Ended { .. } => ENDED,
        Change::Tagged { .. } => TAGGED,
        Change::Noted { .. } => NOTED,
        Change::Event(_) => return None,
        Change::Put { .. } => PUT,
        Change::Deleted { .. } => DELETED,
        Change::Cell { .. } => CELL,
        Change::SpanStarted { .. } => SPAN_STARTED,
        Change::SpanEnded { .. } => SPAN_ENDED,
    };
    row.extend_from_slice(&[VERSION, kind]);
    row.extend_from_slice(&time_us.to_le_bytes());
    match change {
        Change::Began { name } => put_name(row, name),
        Change::Resumed | Change::Orphaned | Change::Event(_) => {}
        Change::Ended { outcome, note } => {
            row.push(*outcome as u8);
            row.extend_from_slice(note.as_bytes());
        }
        Change::Tagged { tag, is_set } => {
            row.push(u8::from(*is_set));
            put_name(row, tag);
        }
        Change::Noted { name, value } => {
            put_name(row, name);
            row.push(u8::from(value.is_some()));
            if let Some(value) = value {
                attribute::put(row, value);
            }
        }
        Change::Put { key, value } => {
            let key_len = u32::try_from(key.len()).unwrap_or(u32::MAX);
            row.extend_from_slice(&key_len.to_le_bytes());
            row.extend_from_slice(key);
            row.extend_from_slice(value);
        }
        Change::Deleted { key } => row.extend_from_slice(key),
        Change::Cell {
            name,
            previous,
            version,
            value,
        } => {
            row.extend_from_slice(&previous.to_le_bytes());
            put_name(row, name);
            row.extend_from_slice(&version.to_le_bytes());
            row.extend_from_slice(value);
        }
        Change::SpanStarted {
            span,
            parent,
            name,
            attributes,
        } => {
            row.extend_from_slice(&span.0.to_le_bytes());
            row.extend_from_slice(&parent.map_or(0, |it| it.0).to_le_bytes());
            put_name(row, name);
            attribute::put_all(row, attributes);
        }
        Change::SpanEnded {
            span,
            outcome,
            attributes,
        } => {
            row.extend_from_slice(&span.0.to_le_bytes());
            row.push(*outcome as u8);
            attribute::put_all(row, attributes);
        }
    }
    Some(())
}

/// The time of a journal's row.
pub(super) fn read_time(row: &[u8]) -> Result<u64, Malformed> {
    let mut row = Reader(row);
    check_version(&mut row)?;
    row.u8()?;
    row.u64()
}

fn check_version(row: &mut Reader<'_>) -> Result<(), Malformed> {
    match row.u8()? {
        VERSION => Ok(()),
        _ => Err(Malformed("is of a version that this engine does not know")),
    }
}

/// Reads a row of the journal.
pub(super) fn read(row: &[u8]) -> Result<Change<'_>, Malformed> {
    let mut row = Reader(row);
    check_version(&mut row)?;
    let kind = row.u8()?;
    row.u64()?;
    let change = match kind {
        BEGAN => Change::Began { name: row.name()? },
        RESUMED => Change::Resumed,
        ORPHANED => Change::Orphaned,
        ENDED => Change::Ended {
            outcome: Outcome::read(row.u8()?)?,
            note: super::code::utf8(row.rest())?,
        },
        TAGGED => Change::Tagged {
            is_set: row.u8()? != 0,
            tag: row.name()?,
        },
        NOTED => Change::Noted {
            name: row.name()?,
            value: match row.u8()? {
                0 => None,
                _ => Some(Cow::Owned(attribute::read(&mut row)?)),
            },
        },
        PUT => Change::Put {
            key: row.bytes()?,
            value: row.rest(),
        },
        DELETED => Change::Deleted { key: row.rest() },
        CELL => Change::Cell {
            previous: row.u64()?,
            name: row.name()?,
            version: row.u64()?,
            value: row.rest(),
        },
        SPAN_STARTED => Change::SpanStarted {
            span: SpanId(row.u64()?),
            parent: Some(SpanId(row.u64()?)).filter(|it| it.0 != 0),
            name: row.name()?,
            attributes: Cow::Owned(attribute::read_all(&mut row)?),
        },
        SPAN_ENDED => Change::SpanEnded {
            span: SpanId(row.u64()?),
            outcome: Outcome::read(row.u8()?)?,
            attributes: Cow::Owned(attribute::read_all(&mut row)?),
        },
        _ => return Err(Malformed("has a change of an unknown type")),
    };
    row.end()?;
    Ok(change)
}

/// The bytes of an event's row before what can be compared between runs.
pub(super) const EVENT_HEAD: usize = 17;

/// Appends the row of an event.
pub(super) fn put_event(row: &mut Vec<u8>, step: u64, time_us: u64, event: &Event<'_>) {
    row.reserve(EVENT_HEAD + 4 + event.kind.len() + event.body.len());
    row.push(VERSION);
    row.extend_from_slice(&step.to_le_bytes());
    row.extend_from_slice(&time_us.to_le_bytes());
    put_name(row, event.kind);
    attribute::put_all(row, &event.attributes);
    row.extend_from_slice(event.body);
}

/// The step and the time of an event's row.
pub(super) fn read_event_head(row: &[u8]) -> Result<(u64, u64), Malformed> {
    let mut row = Reader(row);
    check_version(&mut row)?;
    Ok((row.u64()?, row.u64()?))
}

/// Reads an event of a row.
pub(super) fn read_event(seq: u64, row: &[u8]) -> Result<Event<'_>, Malformed> {
    read_event_head(row)?;
    read_event_content(seq, &row[EVENT_HEAD..])
}

/// Reads the part of an event's row that can be compared between runs.
pub(super) fn read_event_content(seq: u64, content: &[u8]) -> Result<Event<'_>, Malformed> {
    let mut row = Reader(content);
    Ok(Event {
        seq,
        kind: row.name()?,
        attributes: Cow::Owned(attribute::read_all(&mut row)?),
        body: row.rest(),
    })
}
