//! What can go wrong with a store, whichever it is.
//!
//! A program decides by the variant: refused input (nothing happened, do not repeat), a store that
//! cannot be used now (repeat later), an outcome that nobody knows, and data that is not what it was.

use std::error::Error;
use std::time::Duration;

use super::limits::{BATCH_BYTES_MAX, BATCH_ITEMS_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use super::ttl::TtlError;

/// The backend's own error.
pub type Cause = Box<dyn Error + Send + Sync>;

/// An operation failed. `place` names the store, without passwords.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KvError {
    /// A key has to have at least one byte.
    #[error("a key is empty; a key has 1 to {KEY_BYTES_MAX} bytes")]
    EmptyKey,
    /// A key is longer than [`KEY_BYTES_MAX`].
    #[error("a key has {bytes} bytes; at most {KEY_BYTES_MAX} are allowed")]
    KeyTooLarge {
        /// Its length.
        bytes: usize,
    },
    /// A value is longer than [`VALUE_BYTES_MAX`].
    #[error("a value has {bytes} bytes; at most {VALUE_BYTES_MAX} are allowed: split it")]
    ValueTooLarge {
        /// Its length.
        bytes: usize,
    },
    /// A batch is larger than [`BATCH_ITEMS_MAX`] or [`BATCH_BYTES_MAX`].
    #[error(
        "a batch has {items} items and {bytes} bytes; at most {BATCH_ITEMS_MAX} and \
         {BATCH_BYTES_MAX} are allowed: split it"
    )]
    BatchTooLarge {
        /// Its conditions and writes.
        items: usize,
        /// The bytes of its keys and values.
        bytes: usize,
    },
    /// A time to live is not one.
    #[error(transparent)]
    Ttl(#[from] TtlError),
    /// The store was closed.
    #[error("`{place}` was closed")]
    Closed {
        /// The store.
        place: String,
    },
    /// Somebody else holds the store locked. Nothing was changed; repeating may succeed.
    #[error(
        "`{place}` was in use by another program for {} ms; repeat, or wait for longer",
        waited.as_millis()
    )]
    Busy {
        /// The store.
        place: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The store takes no writes. Nothing was changed.
    #[error("`{place}` can only be read: {cause}")]
    ReadOnly {
        /// The store.
        place: String,
        /// What the backend says.
        #[source]
        cause: Cause,
    },
    /// The store has no room. Nothing was changed.
    #[error("`{place}` is full: {cause}")]
    Full {
        /// The store.
        place: String,
        /// What the backend says.
        #[source]
        cause: Cause,
    },
    /// What is there is not this kind of store.
    #[error("`{place}` is not a store of this kind: {detail}")]
    NotAStore {
        /// The store.
        place: String,
        /// What it is.
        detail: String,
    },
    /// The server cannot be reached. Nothing was changed.
    #[error("cannot reach `{place}`: {cause}")]
    Unreachable {
        /// The store.
        place: String,
        /// What the backend says.
        #[source]
        cause: Cause,
    },
    /// The server did not answer a read in time.
    #[error("`{place}` did not answer within {} ms", waited.as_millis())]
    Timeout {
        /// The store.
        place: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// A write was sent and no answer came, or its log failed before it was durable. It is applied whole
    /// or not at all, by a slow server perhaps only later. Read to learn which.
    #[error("`{place}` did not confirm a write, which may have been applied: {cause}")]
    OutcomeUnknown {
        /// The store.
        place: String,
        /// What the backend says.
        #[source]
        cause: Cause,
    },
    /// The server no longer has what this program wrote. Every call says so until the store is opened
    /// again, so that versions read before are not compared with those of other data.
    #[error("`{place}` lost its data: {detail}; open it again to go on with what is there")]
    DataLost {
        /// The store.
        place: String,
        /// How that shows.
        detail: String,
    },
    /// What is stored cannot be read.
    #[error("`{place}` is corrupt: {detail}")]
    Corrupt {
        /// The store.
        place: String,
        /// What is wrong.
        detail: String,
    },
    /// The backend refused for another reason: no permission, a script it does not know.
    #[error("`{place}` refused: {cause}")]
    Refused {
        /// The store.
        place: String,
        /// What the backend says.
        #[source]
        cause: Cause,
    },
}

impl KvError {
    /// Whether the same call can succeed later without anybody repairing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Busy { .. } | Self::Unreachable { .. } | Self::Timeout { .. }
        )
    }
}
