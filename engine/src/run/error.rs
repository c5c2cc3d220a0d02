//! What can go wrong with runs. Each error says what, where, and what to do about it.

use super::NAME_BYTES_MAX;
use super::change::{Outcome, RunId, SpanId};
use crate::engine::CommitError;

/// What is wrong with a row; the words follow "the row".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed(pub &'static str);

/// Something could not be done with a run. Nothing of it happened, unless it is
/// [`CommitError::NotDurable`].
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No run has this number.
    #[error("there is no run {run}; `engine runs list` prints those that are there")]
    UnknownRun {
        /// The number.
        run: RunId,
    },
    /// The run ended before, and changes no more.
    #[error("run {run} has ended ({outcome}); begin another one")]
    Ended {
        /// The run.
        run: RunId,
        /// How it ended.
        outcome: Outcome,
    },
    /// A crash left the run, and nobody has decided what becomes of it.
    #[error("run {run} was left open by a crash; resume it or close it first")]
    Orphaned {
        /// The run.
        run: RunId,
    },
    /// Only an orphaned run can be resumed.
    #[error("run {run} is not orphaned, so it cannot be resumed")]
    NotOrphaned {
        /// The run.
        run: RunId,
    },
    /// A run that is not over cannot be deleted.
    #[error("run {run} is still open; end it before it is deleted")]
    StillOpen {
        /// The run.
        run: RunId,
    },
    /// No span of the run has this number.
    #[error("run {run} has no span {span}; start it first")]
    UnknownSpan {
        /// The run.
        run: RunId,
        /// The number.
        span: SpanId,
    },
    /// A span's parent has not started.
    #[error("run {run} has no span {parent} to be the parent of `{name}`; start the parent first")]
    MissingParent {
        /// The run.
        run: RunId,
        /// The parent that is missing.
        parent: SpanId,
        /// The name of the new span.
        name: String,
    },
    /// A span would be within itself.
    #[error("span {span} of run {run} would be its own ancestor; give it another parent")]
    SpanCycle {
        /// The run.
        run: RunId,
        /// The span.
        span: SpanId,
    },
    /// The number is taken, or is 0.
    #[error("run {run} cannot start another span {span}; let the run number its spans")]
    SpanNumber {
        /// The run.
        run: RunId,
        /// The number.
        span: SpanId,
    },
    /// The span ended before.
    #[error("span {span} of run {run} has ended; start another one")]
    SpanEnded {
        /// The run.
        run: RunId,
        /// The span.
        span: SpanId,
    },
    /// A cell has another version than the one that was expected.
    #[error(
        "the cell `{cell}` of run {run} has version {found}, and not {expected}; read it again and \
         decide again"
    )]
    CellVersion {
        /// The run.
        run: RunId,
        /// The cell.
        cell: String,
        /// The version that was expected; 0 of a cell that is not there.
        expected: u64,
        /// The version that it has.
        found: u64,
    },
    /// A cell has another value than the one that a transition starts from.
    #[error(
        "the cell `{cell}` of run {run} is `{}`, and not `{}`; read it again and decide again",
        found.as_ref().map_or_else(|| "absent".to_owned(), |it| it.escape_ascii().to_string()),
        expected.escape_ascii()
    )]
    CellValue {
        /// The run.
        run: RunId,
        /// The cell.
        cell: String,
        /// The value that was expected.
        expected: Vec<u8>,
        /// The value that it has.
        found: Option<Vec<u8>>,
    },
    /// A name or a list is longer than it may be.
    #[error("{what} has {len}; at most {max} are possible")]
    TooLong {
        /// Of what.
        what: &'static str,
        /// How long it is.
        len: usize,
        /// How long it may be.
        max: usize,
    },
    /// A name has no character.
    #[error("{what} is empty; give it at least one character")]
    Empty {
        /// Of what.
        what: &'static str,
    },
    /// A number that is infinite or NaN.
    #[error("the attribute `{name}` is no finite number; leave it away or write it as text")]
    NotFinite {
        /// The attribute.
        name: String,
    },
    /// Something that is to be text is none.
    #[error("{what} is not UTF-8 from byte {valid_up_to} on; read it as bytes")]
    NotText {
        /// What it is.
        what: String,
        /// How much of it is text.
        valid_up_to: usize,
    },
    /// A point after the run's last step.
    #[error("run {run} has {steps} steps, so there is no step {step}")]
    NoStep {
        /// The run.
        run: RunId,
        /// The step that was asked for.
        step: u64,
        /// How many there are.
        steps: u64,
    },
    /// A row cannot be read, although its checksums held.
    #[error(
        "run {run} cannot be read: the row {row} of `{keyspace}` {reason}; use the engine that \
         wrote it"
    )]
    Row {
        /// The run.
        run: RunId,
        /// The keyspace.
        keyspace: &'static str,
        /// The rest of the row's key.
        row: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The engine refused.
    #[error(transparent)]
    Commit(CommitError),
}

impl RunError {
    /// Whether trying again can help.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Commit(error) if error.is_conflict())
    }
}

impl From<CommitError> for RunError {
    /// An error of a run that passed through a transaction is itself again.
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Aborted(reason) => match reason.downcast::<Self>() {
                Ok(own) => *own,
                Err(reason) => Self::Commit(CommitError::Aborted(reason)),
            },
            error => Self::Commit(error),
        }
    }
}

impl From<RunError> for CommitError {
    /// Ends a transaction's body.
    fn from(error: RunError) -> Self {
        match error {
            RunError::Commit(error) => error,
            error => Self::abort(error),
        }
    }
}

/// An error where nothing can be named so.
pub(super) fn check_name(what: &'static str, name: &str) -> Result<(), RunError> {
    match name.len() {
        0 => Err(RunError::Empty { what }),
        len if len > NAME_BYTES_MAX => Err(RunError::TooLong {
            what,
            len,
            max: NAME_BYTES_MAX,
        }),
        _ => Ok(()),
    }
}
