//! What can go wrong, by operation. Each error says what, where, and what to do about it.

use std::path::PathBuf;

use super::lsn::Lsn;
use super::segment::BadHeader;
use super::segment_scanner::Stop;
use crate::vfs::IoError;

/// A log could not be opened. Nothing was changed, unless an [`Io`](Self::Io) error interrupted
/// recovery, which can simply be run again.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another log, in this process or another, has the directory open, or somebody still holds
    /// entries that were read from it: their bytes lie in its files.
    #[error(
        "`{}` is open elsewhere, or entries of it are still held; close it and let go of them first",
        dir.display()
    )]
    Locked {
        /// The directory.
        dir: PathBuf,
    },
    /// The log was not closed, and the policy accepts only logs that were.
    #[error(
        "`{}` was not closed (its records end at byte {offset}); open it with the policy TornTail",
        path.display()
    )]
    Unclean {
        /// The last segment.
        path: PathBuf,
        /// Where its frames end.
        offset: u64,
    },
    /// Bytes that were durable have changed or gone.
    #[error(transparent)]
    Corrupt(#[from] Corruption),
    /// The log ends before the records that a snapshot covers: segments are gone.
    #[error(
        "the log in `{}` ends at record {end}, and the newest snapshot was taken at record {floor}, \
         so records are gone; restore the segments from a copy, or go on from the snapshot with \
         the policy PointInTime",
        dir.display()
    )]
    TooShort {
        /// The directory.
        dir: PathBuf,
        /// Where the log ends.
        end: Lsn,
        /// Where the snapshot was taken.
        floor: Lsn,
    },
    /// The system refused.
    #[error(transparent)]
    Io(#[from] IoError),
}

/// Bytes that were durable have changed or gone. Nothing after them is believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is corrupt at byte {offset}: {reason}; restore it from a copy, or keep what is intact \
     with `cargo run -p engine --example wal -- repair DIR`",
    path.display()
)]
pub struct Corruption {
    /// The file.
    pub path: PathBuf,
    /// Where in it.
    pub offset: u64,
    /// What is wrong there.
    pub reason: CorruptionKind,
}

/// What is wrong with a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CorruptionKind {
    /// Its header.
    #[error(transparent)]
    Header(#[from] BadHeader),
    /// A frame that is known to have been durable.
    #[error("{0}, within bytes that are known to have been durable")]
    Frame(Stop),
    /// It was durable with more bytes than it has now.
    #[error("the file has {found} bytes, and had at least {expected}; its end was cut off")]
    Shortened {
        /// How many it had.
        expected: u64,
        /// How many it has.
        found: u64,
    },
    /// A number in the header that its name or the segment before contradicts.
    #[error("{field} is {found}, where {expected} was expected; a segment is missing or misplaced")]
    Order {
        /// Which number.
        field: &'static str,
        /// What it should be.
        expected: u64,
        /// What it is.
        found: u64,
    },
}

impl CorruptionKind {
    /// Whether bytes have changed or gone, rather than that an engine wrote them so.
    pub(super) fn is_damage(self) -> bool {
        match self {
            Self::Header(bad) => !matches!(
                bad,
                BadHeader::Version(_)
                    | BadHeader::Outdated
                    | BadHeader::Flags(_)
                    | BadHeader::Number
            ),
            Self::Frame(stop) => !matches!(stop, Stop::Malformed(_) | Stop::Unknown { .. }),
            Self::Shortened { .. } | Self::Order { .. } => true,
        }
    }
}

/// A record was not accepted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// It does not fit a segment or a frame. Nothing was written; split it, or open the log with
    /// larger segments.
    #[error("{size} bytes with their frames are more than the {max} that fit this log")]
    TooLarge {
        /// What it takes, frames included.
        size: usize,
        /// What there is room for.
        max: usize,
    },
    /// The batch or transaction has no record, so it has no number either.
    #[error("there is no record in it; append at least one")]
    Empty,
    /// Types below 0x40 belong to the engine itself.
    #[error("record type {kind:#04x} is reserved for the engine; use 0x40 or above")]
    Reserved {
        /// The type.
        kind: u8,
    },
    /// The log takes nothing more.
    #[error(transparent)]
    Poisoned(#[from] Poisoned),
}

/// An earlier write or sync failed, and the log has been closed for good.
///
/// The kernel may have dropped the pages of a failed sync and called them clean, so trying again
/// would prove nothing. Open the directory again: recovery keeps every record that was durable.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the log is closed since an earlier failure; open the directory again to recover it")]
pub struct Poisoned {
    /// The first failure.
    #[source]
    pub cause: IoError,
}

/// What should be done from time to time was not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MaintainError {
    /// The log takes nothing more.
    #[error(transparent)]
    Poisoned(#[from] Poisoned),
    /// There is no file for the next segment. The log goes on: the segment will be begun in a file
    /// of its own, if there is room for it by then.
    #[error("no file could be prepared for the next segment; make room on the disk")]
    Spare(#[source] IoError),
    /// A segment that nobody needed yet could not be read, so it is not verified.
    #[error("a segment could not be verified; whoever reads it will be refused")]
    Verify(#[source] IoError),
}

/// Records will not reach the state that somebody waited for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WaitError {
    /// The log was opened in [`Mode::InMemory`](super::Mode::InMemory), and keeps nothing.
    #[error("the log is in memory only; open it as Buffered or Strict to keep records")]
    InMemory,
    /// A write or sync failed.
    #[error(transparent)]
    Poisoned(#[from] Poisoned),
}

/// Records could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// They were cut off below a snapshot.
    #[error("record {lsn} is gone; the log begins at record {first}")]
    Truncated {
        /// The one asked for.
        lsn: Lsn,
        /// The first one that is left.
        first: Lsn,
    },
    /// A file changed while it was in use.
    #[error(transparent)]
    Corrupt(#[from] Corruption),
    /// The system refused.
    #[error(transparent)]
    Io(#[from] IoError),
}
