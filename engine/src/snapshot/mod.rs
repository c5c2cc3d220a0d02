//! The state at one point of the log, in one file, so that replay need not begin at the start.
//!
//! ```text
//! │ header 39 bytes │ section │ section │ … │ crc u32 │
//! │ type u8 │ len u64 │ payload … │
//! ```
//!
//! Invariants:
//!
//! 1. A snapshot is written to a draft, synced, renamed, and the directory synced, in this order.
//!    Under its final name it is whole, or it is corrupt.
//! 2. The log is truncated only below the older of two snapshots that are durable and were found
//!    good, so that one may rot.
//! 3. Loading maps the file and copies nothing: sections and rows are slices of it.
//!
//! `FORMAT.md` §4 is the only description of the bytes.

mod directory;
mod file;
mod rows;
mod write;

pub use self::directory::{Newest, SaveError, load_newest, save, save_among};
pub(crate) use self::directory::{load, remove_drafts, snapshots};
pub use self::file::{BadSnapshot, HEADER_BYTES, Loaded, Meta, read};
pub use self::rows::{ROWS, Row, Rows, write_rows};
