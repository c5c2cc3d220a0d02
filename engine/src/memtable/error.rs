//! What can happen to a table, operation by operation.

use std::io;
use std::time::Duration;

use super::log::LogError;
use super::persister::PersistError;
use super::record::BadRecord;
use crate::engine::CommitError;
use crate::wal::Lsn;

/// A write changed nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// There is a record with this key.
    #[error("a record with this key is there already; to replace it, use `put` or `update`")]
    KeyExists,
    /// There is no record with this key.
    #[error("there is no record with this key; to add it, use `put` or `insert`")]
    KeyNotFound,
    /// Another record has the same key in a unique index.
    #[error("another record has the same key in the unique index `{index}`")]
    NotUnique {
        /// The index.
        index: &'static str,
    },
    /// A record has a key in an index that its type does not declare.
    #[error(
        "the record has a key in index {index}, and its type declares {declared}; add it to `INDEXES`"
    )]
    NoSuchIndex {
        /// What the record named.
        index: usize,
        /// How many there are.
        declared: usize,
    },
    /// A function of the record's type panicked.
    #[error("`{function}` of the record's type panicked: {message}")]
    RecordPanicked {
        /// Which function.
        function: &'static str,
        /// What it said.
        message: String,
    },
    /// The function given to `update_with` changed the primary key.
    #[error("the changed record has another primary key; delete the old record and insert the new")]
    KeyChanged,
    /// Others changed the record whenever it was about to be changed.
    #[error("others changed the record {tries} times meanwhile; try again later")]
    Contended {
        /// How often it was tried.
        tries: u32,
    },
    /// The flush does not keep up, and the bound of what may wait is reached.
    #[error(
        "{immutables} generations wait to be flushed, and none was in {waited:?}: {cause}; \
         the write can be tried again"
    )]
    Stalled {
        /// How many generations wait.
        immutables: usize,
        /// How long the writer waited.
        waited: Duration,
        /// Why nothing is flushed.
        cause: Stall,
    },
    /// The persister could never keep the record.
    #[error("the persister cannot keep this record")]
    Unpersistable(#[source] PersistError),
    /// The persister could not say what it holds.
    #[error("cannot tell what the persister holds")]
    Persister(#[source] PersistError),
    /// The table's log is not that of the engine whose transaction it is.
    #[error(
        "the table `{table}` is not logged by the engine of this transaction; open it over that engine"
    )]
    NotOfEngine {
        /// The table.
        table: String,
    },
    /// The log did not take the change, or not for good.
    #[error("cannot log the change")]
    Log(#[source] LogError),
    /// The table was closed.
    #[error("the table is closed")]
    Closed,
}

impl From<WriteError> for CommitError {
    /// A transaction whose body or commit fails so is given up: the error is its cause.
    fn from(error: WriteError) -> Self {
        Self::abort(error)
    }
}

/// Why nothing is flushed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Stall {
    /// It is, and not fast enough.
    #[error("the persister is slower than the writers")]
    Slow,
    /// The last attempt failed.
    #[error("the persister failed {failures} times, the last time with: {error}")]
    Failing {
        /// How often in this round.
        failures: u32,
        /// What it said.
        error: FlushFailure,
    },
    /// A call of the persister does not return.
    #[error("a call of the persister has not returned for {since:?}")]
    Hanging {
        /// How long it takes already.
        since: Duration,
    },
}

/// Why an attempt to flush failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FlushFailure {
    /// The persister answered with an error.
    #[error(transparent)]
    Persister(PersistError),
    /// The persister panicked.
    #[error("the persister panicked: {0}")]
    Panicked(String),
    /// The log could not make durable what was to be flushed, or not note that it was.
    #[error(transparent)]
    Log(LogError),
}

/// A read has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// Memory does not know, and the persister failed.
    #[error("the persister cannot answer")]
    Persister(#[source] PersistError),
    /// A function of the record's type panicked.
    #[error("`{function}` of the record's type panicked: {message}")]
    RecordPanicked {
        /// Which function.
        function: &'static str,
        /// What it said.
        message: String,
    },
    /// There is no such index.
    #[error("there is no index {index}; the record's type declares {declared}")]
    NoSuchIndex {
        /// What was asked for.
        index: usize,
        /// How many there are.
        declared: usize,
    },
    /// The index is not unique, so that a key may have several records.
    #[error("the index `{index}` is not unique; use `get_by_index`")]
    NotUnique {
        /// The index.
        index: &'static str,
    },
}

/// Not all was flushed. What was not stays readable, and is tried again.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FlushError {
    /// A round of attempts failed.
    #[error("cannot flush; {attempts} attempts failed, the last with: {error}")]
    Failed {
        /// How many attempts the round had.
        attempts: u32,
        /// What the last one said.
        #[source]
        error: FlushFailure,
    },
    /// It took longer than it may.
    #[error("the flush is not done after {waited:?}: {cause}")]
    TimedOut {
        /// How long was waited.
        waited: Duration,
        /// Why it is not done.
        cause: Stall,
    },
}

/// A table could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The name does not fit a record of the log.
    #[error("a table's name has 1 to 255 bytes, not {len}")]
    BadName {
        /// How many it has.
        len: usize,
    },
    /// The number of shards is not one.
    #[error("{shards} shards: choose a power of two up to 4096")]
    BadShards {
        /// What was asked for.
        shards: usize,
    },
    /// The log could not be read.
    #[error("cannot replay the log")]
    Log(#[source] LogError),
    /// A record of the log is none of the table's.
    #[error("record {lsn} of the log cannot be replayed: {cause}")]
    BadRecord {
        /// Which record.
        lsn: Lsn,
        /// What is wrong with it.
        cause: BadRecord,
    },
    /// A function of the record's type panicked.
    #[error("record {lsn} of the log cannot be replayed: {cause}")]
    RecordPanicked {
        /// Which record.
        lsn: Lsn,
        /// Which function, and what it said.
        cause: WriteError,
    },
    /// The thread that flushes could not be started.
    #[error("cannot start the thread that flushes")]
    Thread(#[source] io::Error),
}
