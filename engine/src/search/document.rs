//! What a document is: a key and its value in a keyspace, as fields of text.

/// A part of a document in which a word can be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Field {
    /// The key.
    Key = 0,
    /// The value.
    Value = 1,
}

impl Field {
    /// All fields.
    pub(super) const ALL: [Self; 2] = [Self::Key, Self::Value];

    /// Fields, and what queries call them.
    pub(super) const NAMED: [(Self, &'static str); 2] =
        [(Self::Key, "key"), (Self::Value, "value")];

    /// The term that a token of this field is: its number, and the token.
    pub(super) fn term(self, token: &str, term: &mut Vec<u8>) {
        term.clear();
        term.push(self as u8);
        term.extend_from_slice(token.as_bytes());
    }
}

/// Calls `each` with the fields of a key and its value, and their text.
pub(super) fn fields(key: &[u8], value: &[u8], mut each: impl FnMut(Field, &[u8])) {
    each(Field::Key, key);
    each(Field::Value, value);
}
