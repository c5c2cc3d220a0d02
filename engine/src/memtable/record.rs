//! What a table holds: records with a primary key and keys of secondary indexes.

use std::fmt;

use smallvec::SmallVec;

use super::key::{IndexKey, Key};

/// A secondary index of a record type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Index {
    /// Its name, for messages and persisters.
    pub name: &'static str,
    /// Whether two records may not have the same key in it.
    pub unique: bool,
}

impl Index {
    /// An index in which any number of records share a key.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            unique: false,
        }
    }

    /// An index in which a key belongs to one record.
    #[must_use]
    pub const fn unique(name: &'static str) -> Self {
        Self { name, unique: true }
    }
}

/// A record of a [`Memtable`](super::Memtable).
///
/// Its functions are called once for each write, before anything is changed and while no lock is
/// held; what they answered is kept. A function that panics fails that write alone.
///
/// ```
/// use engine::memtable::{BadRecord, Index, IndexKeys, Record};
///
/// struct User {
///     id: u64,
///     email: String,
///     country: u16,
/// }
///
/// const BY_EMAIL: usize = 0;
/// const BY_COUNTRY: usize = 1;
///
/// impl Record for User {
///     type Key = u64;
///     const INDEXES: &'static [Index] = &[Index::unique("email"), Index::new("country")];
///
///     fn key(&self) -> u64 {
///         self.id
///     }
///
///     fn index_keys(&self, keys: &mut IndexKeys) {
///         keys.add(BY_EMAIL, &self.email);
///         keys.add(BY_COUNTRY, &self.country);
///     }
///
///     fn encode(&self, out: &mut Vec<u8>) {
///         out.extend_from_slice(&self.id.to_le_bytes());
///         out.extend_from_slice(&self.country.to_le_bytes());
///         out.extend_from_slice(self.email.as_bytes());
///     }
///
///     fn decode(bytes: &[u8]) -> Result<Self, BadRecord> {
///         let (id, rest) = bytes.split_first_chunk().ok_or(BadRecord("too short"))?;
///         let (country, email) = rest.split_first_chunk().ok_or(BadRecord("too short"))?;
///         Ok(Self {
///             id: u64::from_le_bytes(*id),
///             country: u16::from_le_bytes(*country),
///             email: std::str::from_utf8(email).map_err(|_| BadRecord("not UTF-8"))?.into(),
///         })
///     }
/// }
/// ```
pub trait Record: Send + Sync + Sized + 'static {
    /// The type of the primary key.
    type Key: Key;

    /// The secondary indexes. An index is called by its place in this list.
    const INDEXES: &'static [Index];

    /// The primary key.
    fn key(&self) -> Self::Key;

    /// Adds the record's keys. A record may have none, one or several keys in an index; one that has
    /// none is not found through it.
    fn index_keys(&self, keys: &mut IndexKeys);

    /// Appends bytes from which [`decode`](Self::decode) makes an equal record.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// [`BadRecord`] where the bytes are none of a record. They may be of any kind: a persister can
    /// be damaged, or of an older version.
    fn decode(bytes: &[u8]) -> Result<Self, BadRecord>;

    /// The bytes that it holds on the heap, for the threshold in bytes.
    fn heap_bytes(&self) -> usize {
        0
    }
}

/// Why bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a record: {0}")]
pub struct BadRecord(pub &'static str);

/// Takes the keys that a record has in its indexes.
#[derive(Default)]
pub struct IndexKeys {
    bytes: SmallVec<[u8; 64]>,
    keys: SmallVec<[Span; 4]>,
}

#[derive(Clone, Copy)]
struct Span {
    index: usize,
    start: usize,
    end: usize,
}

impl fmt::Debug for IndexKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl IndexKeys {
    /// Adds a key to the index at this place of [`Record::INDEXES`]. The same key again changes
    /// nothing.
    pub fn add(&mut self, index: usize, key: &(impl IndexKey + ?Sized)) {
        let start = self.bytes.len();
        key.with_bytes(|bytes| self.bytes.extend_from_slice(bytes));
        let added = Span {
            index,
            start,
            end: self.bytes.len(),
        };
        let is_known = self
            .keys
            .iter()
            .any(|known| known.index == index && self.of(*known) == self.of(added));
        if is_known {
            self.bytes.truncate(start);
        } else {
            self.keys.push(added);
        }
    }

    fn of(&self, span: Span) -> &[u8] {
        &self.bytes[span.start..span.end]
    }

    /// Each index and the bytes of a key in it, in the order added.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (usize, &[u8])> {
        self.keys.iter().map(|span| (span.index, self.of(*span)))
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The index and bytes of the key with a number.
    pub(super) fn nth(&self, number: usize) -> (usize, &[u8]) {
        let span = self.keys[number];
        (span.index, self.of(span))
    }

    /// How many bytes the keys take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_keys_of_an_index_are_kept_once() {
        let mut keys = IndexKeys::default();
        keys.add(0, "tea");
        keys.add(1, "tea");
        keys.add(0, "");
        keys.add(0, "tea");
        keys.add(0, "");
        let found: Vec<_> = keys.iter().collect();
        assert_eq!(found, [(0, &b"tea"[..]), (1, b"tea"), (0, b"")]);
        assert_eq!(keys.bytes(), 6);
    }
}
