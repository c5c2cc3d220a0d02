//! What of the rows of runs is text, and of which run they are: for search.

use super::attribute::{Attribute, Attributes};
use super::change::{RunId, read_event};
use super::row::{About, CELL_VALUE, Head, Span, Status};
use super::runs::Runs;
use super::spaces::{self, ABOUT, CATALOG, CELLS, EVENTS, HEAD, KEYS, PREFIX, SPANS};
use crate::engine::Keyspace;

/// What the rows of a keyspace are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// Heads, descriptions and tags; the descriptions are text.
    Catalog,
    /// Events.
    Events,
    /// The newest values of cells.
    Cells,
    /// Keys and values.
    Keys,
    /// Spans.
    Spans,
}

/// A part of a row that is text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// A key, or the name of a cell.
    Key,
    /// A value, the body of an event, or why a run ended.
    Value,
    /// The name of a run or a span, or the type of an event.
    Name,
    /// An attribute's name and what it says, or a tag.
    Attribute,
}

/// An attribute as text. Numbers are text as they are printed; bytes are none.
fn put(attributes: &Attributes, each: &mut dyn FnMut(Part, &[u8])) {
    for (name, value) in attributes {
        let text = match value {
            Attribute::Text(text) => format!("{name} {text}"),
            Attribute::Bytes(_) => name.clone(),
            Attribute::Integer(_) | Attribute::Float(_) | Attribute::Bool(_) => {
                format!("{name} {value}")
            }
        };
        each(Part::Attribute, text.as_bytes());
    }
}

impl Rows {
    /// What the rows of a keyspace of runs are; `None` of the journal, which is history, and of others.
    pub(crate) fn of(keyspace: &str) -> Option<Self> {
        Some(match keyspace {
            CATALOG => Self::Catalog,
            EVENTS => Self::Events,
            CELLS => Self::Cells,
            KEYS => Self::Keys,
            SPANS => Self::Spans,
            _ => return None,
        })
    }

    /// Whether a row of this key has text.
    pub(crate) fn is_text(self, key: &[u8]) -> bool {
        self != Self::Catalog || key.first() == Some(&ABOUT)
    }

    /// The run of a row that has text.
    pub(crate) fn run_of(self, key: &[u8]) -> Option<RunId> {
        let key = match self {
            Self::Catalog => key.strip_prefix(&[ABOUT])?,
            _ => key,
        };
        Some(RunId(u64::from_be_bytes(*key.first_chunk()?)))
    }

    /// Calls `each` with the texts of a row. One that cannot be read has none.
    pub(crate) fn texts(self, key: &[u8], value: &[u8], each: &mut dyn FnMut(Part, &[u8])) {
        let own_key = key.get(PREFIX..).unwrap_or_default();
        match self {
            Self::Catalog => {
                if let Ok(about) = About::read(value) {
                    each(Part::Name, about.name.as_bytes());
                    each(Part::Value, about.note.as_bytes());
                    for tag in &about.tags {
                        each(Part::Attribute, tag.as_bytes());
                    }
                    put(&about.metadata, each);
                }
            }
            Self::Events => {
                if let Ok(event) = read_event(0, value) {
                    each(Part::Name, event.kind.as_bytes());
                    each(Part::Value, event.body);
                    put(&event.attributes, each);
                }
            }
            Self::Cells => {
                each(Part::Key, own_key);
                each(Part::Value, value.get(CELL_VALUE..).unwrap_or_default());
            }
            Self::Keys => {
                each(Part::Key, own_key);
                each(Part::Value, value);
            }
            Self::Spans => {
                if let Ok(span) = Span::read(super::change::SpanId(0), value) {
                    each(Part::Name, span.name.as_bytes());
                    put(&span.attributes, each);
                }
            }
        }
    }

    /// Of the row of a run's head: which run, and whether it is hidden, as one that is being imported
    /// or deleted is. Without a value the head went.
    pub(crate) fn hides(self, key: &[u8], value: Option<&[u8]>) -> Option<(RunId, bool)> {
        if self != Self::Catalog || key.first() != Some(&HEAD) {
            return None;
        }
        let is_hidden = |head: Head| matches!(head.status, Status::Importing | Status::Deleting);
        let head = value.and_then(|value| Head::read(value).ok());
        Some((spaces::run_of(key)?, head.is_some_and(is_hidden)))
    }
}

impl Runs {
    /// The keyspaces that have text.
    pub(crate) fn searched(&self) -> [&Keyspace; 5] {
        let spaces = &*self.spaces;
        [
            &spaces.catalog,
            &spaces.events,
            &spaces.cells,
            &spaces.keys,
            &spaces.spans,
        ]
    }
}
