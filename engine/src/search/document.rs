//! What a document is: a row of a keyspace, as fields of text.
//!
//! | row | key | value | name | attribute |
//! |---|---|---|---|---|
//! | of keys and values | the key | the value | | |
//! | of a run's event | | its body | its type | names and values |
//! | of a run's span | | | its name | names and values |
//! | of a run's cell or key | the key | the value | | |
//! | of a run | | why it ended | its name | tags, names and values of its metadata |

use crate::engine::Keyspace;

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
}

impl Kind {
    pub(super) fn of(_keyspace: &Keyspace) -> Self {
        Self::Pairs
    }
}

/// Calls `each` with the texts of a row, and the field of each.
pub(super) fn texts(kind: Kind, key: &[u8], value: &[u8], mut each: impl FnMut(Field, &[u8])) {
    match kind {
        Kind::Pairs => {
            each(Field::Key, key);
            each(Field::Value, value);
        }
    }
}
