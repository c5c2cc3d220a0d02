//! What can go wrong, by operation. Each error says what, where, and what to do about it.

use std::path::PathBuf;

use super::view::Refused;
use crate::snapshot::{BadSnapshot, SaveError};
use crate::vfs::IoError;
use crate::wal::{self, AppendError, Lsn, Poisoned, ReadError, WaitError};

/// An engine could not be opened. Nothing was lost: whatever the directory held is still there.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The log could not be opened: locked by another engine, damaged, or refused by the system.
    #[error(transparent)]
    Log(#[from] wal::OpenError),
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The system refused.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A snapshot is intact and says something it must not.
    #[error("the snapshot's checksum holds, but {0}")]
    Malformed(#[from] BadSnapshot),
    /// The log ends before the snapshot: records that were durable are gone.
    #[error(
        "the log ends at record {end}, before the snapshot at record {snapshot}; restore its \
         segments from a copy, or open it with the policy PointInTime"
    )]
    LogTooShort {
        /// Where the log ends.
        end: Lsn,
        /// Where the snapshot was taken.
        snapshot: Lsn,
    },
    /// The snapshot is of another log.
    #[error(
        "`{}` is a snapshot of another log; move it away, or restore the log that it goes with",
        path.display()
    )]
    AnotherLog {
        /// The snapshot.
        path: PathBuf,
    },
    /// No snapshot can be believed, and the log no longer reaches back to the beginning.
    #[error("the log begins at record {first}, and no snapshot covers the ones before it")]
    NoSnapshot {
        /// Where the log begins.
        first: Lsn,
    },
    /// A record is of the engine's types, and nobody here can read it.
    #[error(
        "record {lsn} (type {kind:#04x}, version {version}) cannot be read: {reason}; open it with \
         the engine and the views that wrote it"
    )]
    Record {
        /// Which record.
        lsn: Lsn,
        /// Its type.
        kind: u8,
        /// Its version.
        version: u8,
        /// What is wrong with it.
        reason: String,
    },
    /// A view cannot read what it saved.
    #[error("the view `{view}` cannot be restored: {reason}")]
    View {
        /// Its name.
        view: String,
        /// What it says.
        reason: Refused,
    },
    /// A snapshot has the state of a view that is not there; the next one would lose it.
    #[error(
        "the snapshot has the state of the view `{view}`, which this engine does not have; open it \
         with that view, or with `skip_views` to look into it"
    )]
    NoView {
        /// Its name.
        view: String,
    },
    /// Two views want the same name or the same types of records.
    #[error("the views `{one}` and `{other}` have the same name, or types of records in common")]
    ViewsClash {
        /// The one.
        one: String,
        /// The other.
        other: String,
    },
    /// The system gives no thread for the background work.
    #[error("cannot start the engine's thread; open it with `background: false`")]
    Thread(#[source] std::io::Error),
}

/// A write or a transaction did not happen, or is not as safe as the mode promises.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Something that the transaction read was changed by another one, so nothing of it happened.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// Keys have at least one byte.
    #[error("the key is empty; keys have 1 to {} bytes", super::KEY_BYTES_MAX)]
    EmptyKey,
    /// A key above the cap.
    #[error("the key has {len} bytes; keys have 1 to {}", super::KEY_BYTES_MAX)]
    KeyTooLong {
        /// How many it has.
        len: usize,
    },
    /// A value above the cap.
    #[error(
        "the value has {len} bytes; values have at most {}",
        super::VALUE_BYTES_MAX
    )]
    ValueTooLong {
        /// How many it has.
        len: usize,
    },
    /// A record of a type that no view of this engine has.
    #[error("record type {kind:#04x} belongs to no view of this engine")]
    NoView {
        /// The type.
        kind: u8,
    },
    /// A keyspace of another type than was asked for.
    #[error("the keyspace `{name}` holds {found}, and not {wanted}")]
    WrongType {
        /// Its name.
        name: String,
        /// What it holds.
        found: super::KeyspaceType,
        /// What was asked for.
        wanted: super::KeyspaceType,
    },
    /// A name that no keyspace can have.
    #[error("a keyspace's name has 1 to 255 bytes; `{name}` has {}", name.len())]
    KeyspaceName {
        /// The name.
        name: String,
    },
    /// The handle is of another engine, or of a transaction that did not commit.
    #[error("the keyspace `{name}` is not of this engine, or was never committed")]
    NoKeyspace {
        /// Its name.
        name: String,
    },
    /// The body gave up. Nothing of the transaction happened.
    #[error("the transaction was given up")]
    Aborted(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The engine was closed.
    #[error("the engine is closed; open the directory again")]
    Closed,
    /// The engine's memory is no longer what its log says. Nothing was lost.
    #[error("the engine stopped, since {reason}; open the directory again")]
    Failed {
        /// What happened.
        reason: String,
    },
    /// The log did not accept it, so nothing of it happened.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// It happened, and is not durable: the log failed meanwhile, and takes nothing more.
    #[error("the change is not durable")]
    NotDurable(#[from] WaitError),
}

impl CommitError {
    /// What a transaction's body returns to give up, and why.
    #[must_use]
    pub fn abort(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Aborted(reason.into())
    }

    /// Whether trying again can help.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }
}

/// What a transaction read was changed before it committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} in the keyspace `{keyspace}` was changed by another transaction (attempt {attempts}); \
     try again"
)]
pub struct Conflict {
    /// The keyspace.
    pub keyspace: String,
    /// What changed there.
    pub what: Changed,
    /// How often it was tried.
    pub attempts: u32,
}

/// What changed before a transaction committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// This key.
    Key(Vec<u8>),
    /// A key in a range that was scanned, or the range may have.
    Range,
}

impl std::fmt::Display for Changed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(key) => write!(f, "the key `{}`", key.escape_ascii()),
            Self::Range => f.write_str("a scanned range"),
        }
    }
}

/// A checkpoint was not completed. What was durable before still is, and the engine goes on.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The engine was closed, or is in memory only.
    #[error("the engine has no log: it is closed, or in memory only")]
    NoLog,
    /// The engine was opened without views that its directory knows.
    #[error("the engine was opened with `skip_views`; a checkpoint would lose what the views have")]
    ViewsSkipped,
    /// The records that the snapshot covers could not be made durable.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log's directory is not where it was.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The snapshot could not be saved.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// The log could not be truncated; the snapshot is good.
    #[error(transparent)]
    Truncate(#[from] Poisoned),
}
