//! What a document is: a row of a keyspace, as fields of text.
//!
//! | row | key | value | name | attribute |
//! |---|---|---|---|---|
//! | of keys and values | the key | the value | | |
//! | of a run's event | | its body | its type | names and values |
//! | of a run's span | | | its name | names and values |
//! | of a run's cell or key | the key | the value | | |
//! | of a run | | why it ended | its name | tags, names and values of its metadata |

use crate::engine::{Keyspace, KeyspaceType};
use crate::map::Item;
use crate::run::{Part, Rows, RunId};

/// A part of a document in which a word can be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Field {
    /// The key.
    Key = 0,
    /// The value; the body of an event.
    Value = 1,
    /// The name of a run or a span, or the type of an event.
    Name = 2,
    /// Attributes, their names and what they say; tags.
    Attribute = 3,
}

impl Field {
    /// All fields, in the order of their numbers.
    pub(super) const ALL: [Self; 4] = [Self::Key, Self::Value, Self::Name, Self::Attribute];

    /// What queries call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Value => "value",
            Self::Name => "name",
            Self::Attribute => "attribute",
        }
    }

    /// The term that a token of this field is: its number, and the token.
    pub(super) fn term(self, token: &str, term: &mut Vec<u8>) {
        term.clear();
        term.push(self as u8);
        term.extend_from_slice(token.as_bytes());
    }
}

/// How the rows of a keyspace are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Keys and values.
    Pairs,
    /// Rows of runs.
    Runs(Rows),
}

impl Kind {
    pub(super) fn of(keyspace: &Keyspace) -> Self {
        match keyspace.kind() {
            KeyspaceType::Runs => Rows::of(keyspace.name()).map_or(Self::Pairs, Self::Runs),
            _ => Self::Pairs,
        }
    }

    /// Whether a row of this key is a document.
    pub(super) fn is_document(self, key: &[u8]) -> bool {
        match self {
            Self::Pairs => true,
            Self::Runs(rows) => rows.is_text(key),
        }
    }

    /// The run of a document.
    pub(super) fn run_of(self, key: &[u8]) -> Option<RunId> {
        match self {
            Self::Pairs => None,
            Self::Runs(rows) => rows.run_of(key),
        }
    }

    /// Of a row that says whether a run is hidden: which run, and whether it is.
    pub(super) fn hides(self, item: &Item) -> Option<(RunId, bool)> {
        let Self::Runs(rows) = self else { return None };
        let value = (!item.is_tombstone()).then(|| item.value());
        rows.hides(item.key(), value)
    }

    /// Calls `each` with the texts of a document, and the field of each.
    pub(super) fn texts(self, key: &[u8], value: &[u8], mut each: impl FnMut(Field, &[u8])) {
        match self {
            Self::Pairs => {
                each(Field::Key, key);
                each(Field::Value, value);
            }
            Self::Runs(rows) => rows.texts(key, value, &mut |part, text| {
                let field = match part {
                    Part::Key => Field::Key,
                    Part::Value => Field::Value,
                    Part::Name => Field::Name,
                    Part::Attribute => Field::Attribute,
                };
                each(field, text);
            }),
        }
    }
}
