//! How other modules keep a state of their own in step with the log.
//!
//! ```text
//! transaction ──► log ──► keyspaces        the engine's own
//!                    └──► View, View, …    streams, runs, memtables: records of their types
//! ```
//!
//! A view owns a range of record types between [`Kind::MEMTABLE`] and 0x2f, or above 0x40. It adds
//! records to a transaction with [`Transaction::record`](super::Transaction::record), and is told of
//! each record of its types once, in the order of the LSNs: when the transaction commits, and when
//! the log is replayed. So a view that only does what records say is the same after recovery.
//!
//! What a view keeps outlives a checkpoint in one of two ways:
//!
//! - It gives its state to each checkpoint ([`View::save`]), and gets it back ([`View::restore`])
//!   before it is told of the records that came later.
//! - It holds the log: [`Transaction::hold`](super::Transaction::hold) says under a name which LSN
//!   and all later ones are still needed. Then it is told of all records of its types that the log
//!   still has.

use std::ops::RangeInclusive;

use crate::frame::Kind;
use crate::wal::Lsn;

/// A state beside the keyspaces that follows from the log; see the [module](self).
pub trait View: Send + Sync + 'static {
    /// A name that no other view has. It is kept in checkpoints.
    fn name(&self) -> &str;

    /// The types of its records.
    fn kinds(&self) -> RangeInclusive<Kind>;

    /// Does what a record says. It is called under the sequencer's lock: it must be short, and must
    /// not use the engine.
    ///
    /// # Errors
    /// [`Refused`] where the record cannot be read. At recovery the engine is then not opened; when
    /// a transaction commits, the engine is closed, because its memory is not what its log says.
    fn apply(&self, record: Applied<'_>) -> Result<(), Refused>;

    /// All records of a commit were applied, and the next record is `end`. Until it is called, a part
    /// of a transaction may be missing. It is called under the sequencer's lock, as
    /// [`apply`](Self::apply) is, and not at recovery.
    fn committed(&self, _end: Lsn) {}

    /// Its state for a checkpoint; `None` where it holds the log instead. It is called under the
    /// sequencer's lock, after all records of which it was told.
    fn save(&self) -> Option<Vec<u8>> {
        None
    }

    /// Takes the state of a checkpoint back.
    ///
    /// # Errors
    /// [`Refused`] where it cannot be read; the engine is then not opened.
    fn restore(&self, _saved: &[u8]) -> Result<(), Refused> {
        Err(Refused("this view saves nothing".into()))
    }
}

/// A record of a view's types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied<'a> {
    /// Its number.
    pub lsn: Lsn,
    /// Its type.
    pub kind: Kind,
    /// The version of its payload.
    pub version: u8,
    /// Its content.
    pub payload: &'a [u8],
    /// Whether the log is being replayed.
    pub is_replay: bool,
}

/// Why a view cannot take a record or a saved state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);
