//! What a store answers with.

use bytes::Bytes;

/// The number of the write that gave a key its value.
///
/// Within one store a later batch has greater versions, across deletions, restarts and `clear`: a
/// version never stands for two values of a key. Values of one batch may share a version. Versions of
/// two stores have nothing to do with each other, and there are gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

/// A value, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Bytes,
    /// Which write it is of.
    pub version: Version,
    /// The moment at which it is gone, in milliseconds since 1970; `None` for never.
    pub expires_ms: Option<u64>,
}

/// A part of a list, in key order (bytes, unsigned).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Keys and what they have.
    pub entries: Vec<(Bytes, Entry)>,
    /// Where the next page begins: pass it as `after`. `None` where this was the last page.
    pub next: Option<Bytes>,
}

/// How much a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Keys with a value that has not expired.
    pub keys: u64,
    /// The bytes of these keys and values.
    pub bytes: u64,
    /// Values that expired and were not reclaimed yet.
    pub expired: u64,
}
