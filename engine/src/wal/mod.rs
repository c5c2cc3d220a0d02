//! The write-ahead log: a change is written here before any reader can see it.
//!
//! ```text
//! Wal ── append ──► pending ── writer ──► 00000000000000000000.wal   sealed
//!                                         00000000000000000001.wal   sealed
//!  ▲                                      00000000000000000002.wal   active
//!  └── entries ◄── mapped, not copied ───┘
//! ```
//!
//! Invariants:
//!
//! 1. Records are numbered without a gap, within and across segments, in the order accepted.
//! 2. Once a commit returns in [`Mode::Strict`], its records survive power loss.
//! 3. Only the last segment may end in damage, and recovery cuts it there. Damage anywhere else,
//!    or where a later mark proves that the bytes were durable, is reported and never skipped.
//! 4. A segment is sealed only with a record in it, and named by its number, so no two segments
//!    share a file. It is never written again once sealed, and the log never goes on writing in a file
//!    that it found when it was opened. Only recovery replaces a file.
//! 5. After a failed write or sync the log accepts nothing more.
//!
//! Deliberately absent: compression, and a retry of anything that failed.

mod below;
mod cohort;
mod cursor;
mod durable_mark;
mod error;
mod files;
mod frame_search;
mod group;
mod log;
mod lsn;
mod maintainer;
mod options;
mod origin;
mod pending;
mod pin;
mod points;
mod reader;
mod recover;
mod repair;
mod sealed_copy;
mod segment;
mod segment_scanner;
mod segment_view;
mod segment_writer;
mod verify;

pub use self::error::{
    AppendError, Corruption, CorruptionKind, MaintainError, OpenError, Poisoned, ReadError,
    WaitError,
};
pub(crate) use self::files::set_file_aside;
pub use self::log::{Appended, Wal, Watermarks};
pub use self::lsn::Lsn;
pub use self::maintainer::Maintainer;
pub use self::options::{Mode, Options, Policy};
pub use self::origin::{Fit, Floor, ORIGIN_BYTES, Origin};
pub use self::reader::{Entries, Entry, Tail, Watermark};
pub use self::recover::Recovered;
pub use self::repair::{Gap, RepairError, RepairReport, SegmentReport, inspect, repair};
pub use self::segment::{
    BadHeader, HEADER_BYTES, Header, SEGMENT_BYTES_MIN, SEGMENT_VERSION, chained,
};
pub use self::segment_scanner::Stop;
pub use self::segment_writer::Counters;
pub use self::verify::TornTail;
