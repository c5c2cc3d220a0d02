//! Writes that happen together, and on conditions: the one primitive under compare-and-swap and
//! batches.

use std::time::Duration;

use bytes::Bytes;

use super::entry::Version;

/// What a key has to be for a batch to be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// It has no value.
    Absent,
    /// It has a value, whichever.
    Present,
    /// It has the value of this version.
    Version(Version),
}

impl Expect {
    /// Whether a key that has this version, or no value, is what is expected.
    #[must_use]
    pub fn holds(self, actual: Option<Version>) -> bool {
        match self {
            Self::Absent => actual.is_none(),
            Self::Present => actual.is_some(),
            Self::Version(version) => actual == Some(version),
        }
    }
}

/// One write of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// The key gets the value.
    Put {
        /// The key.
        key: Bytes,
        /// The value.
        value: Bytes,
        /// How long it lives; for good, where there is none.
        ttl: Option<Duration>,
    },
    /// The key loses its value, where it has one.
    Delete {
        /// The key.
        key: Bytes,
    },
}

impl Write {
    /// The key that is written.
    #[must_use]
    pub fn key(&self) -> &Bytes {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }
}

/// Conditions and writes. All conditions are checked first, against what is there before the batch; if
/// all hold, all writes are applied in their order, so that the last one to a key counts.
///
/// ```
/// use engine::kv::{Batch, Expect, KeyValueStore, MemoryStore, Outcome};
///
/// # fn main() -> Result<(), engine::kv::KvError> {
/// let store = MemoryStore::default();
/// let move_it = Batch::default()
///     .expect(b"lock", Expect::Absent)
///     .put(b"lock", b"mine")
///     .delete(b"queue/1");
/// assert!(matches!(store.write(&move_it)?, Outcome::Applied { .. }));
/// assert!(matches!(store.write(&move_it)?, Outcome::Conflict { .. }));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    conditions: Vec<(Bytes, Expect)>,
    writes: Vec<Write>,
}

impl Batch {
    /// Adds a condition.
    #[must_use]
    pub fn expect(mut self, key: &[u8], expect: Expect) -> Self {
        self.conditions.push((Bytes::copy_from_slice(key), expect));
        self
    }

    /// Adds a put.
    #[must_use]
    pub fn put(mut self, key: &[u8], value: &[u8]) -> Self {
        self.push(Write::Put {
            key: Bytes::copy_from_slice(key),
            value: Bytes::copy_from_slice(value),
            ttl: None,
        });
        self
    }

    /// Adds a put of a value that lives for `ttl` from the moment when the batch is applied.
    #[must_use]
    pub fn put_with_ttl(mut self, key: &[u8], value: &[u8], ttl: Duration) -> Self {
        self.push(Write::Put {
            key: Bytes::copy_from_slice(key),
            value: Bytes::copy_from_slice(value),
            ttl: Some(ttl),
        });
        self
    }

    /// Adds a deletion.
    #[must_use]
    pub fn delete(mut self, key: &[u8]) -> Self {
        self.push(Write::Delete {
            key: Bytes::copy_from_slice(key),
        });
        self
    }

    /// Adds a write without copying it.
    pub fn push(&mut self, write: Write) {
        self.writes.push(write);
    }

    /// The conditions, in their order.
    #[must_use]
    pub fn conditions(&self) -> &[(Bytes, Expect)] {
        &self.conditions
    }

    /// The bytes of all keys and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let conditions = self.conditions.iter().map(|(key, _)| key.len());
        let writes = self.writes.iter().map(|write| match write {
            Write::Put { key, value, .. } => key.len() + value.len(),
            Write::Delete { key } => key.len(),
        });
        conditions.chain(writes).sum()
    }

    /// The writes, in their order.
    #[must_use]
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }
}

/// What became of a batch. A condition that does not hold is an outcome and no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All conditions held, and all writes are done.
    Applied {
        /// The greatest version of its values; that of the value, where there is one. The others have
        /// versions up to this, and greater than all that were there before.
        version: Version,
        /// How many of its deletions met a value.
        removed: u64,
    },
    /// A condition did not hold. Nothing was written.
    Conflict {
        /// Which one: its place in the batch.
        condition: usize,
        /// The version that its key has, if it has a value.
        actual: Option<Version>,
    },
}
