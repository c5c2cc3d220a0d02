//! Keys and values in memory, and their form in the log.
//!
//! ```text
//! Store ──┬── base      Generation: points by hash, order by key; may be frozen for a snapshot
//!         └── overlay   Generation: what changed beside a frozen base
//! ```
//!
//! The store is a view of the log: [`Store::apply`] is the only way in which a logged record
//! changes it, so a store rebuilt from the log equals the one that wrote it.

mod change;
mod durable;
mod generation;
mod order;
mod store;

pub use self::change::{Change, UnreadableChange};
pub use self::durable::{
    CheckpointError, RecoverError, Recovery, checkpoint, open, recover, write_snapshot,
};
pub use self::store::{Frozen, RebuildError, StillFrozen, Store};
