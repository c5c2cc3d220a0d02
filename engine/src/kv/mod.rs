//! Keys and values in memory, and their form in the log.
//!
//! ```text
//! points   hash table   key ─► value        one probe
//! order    ordered set  key                 touched only when a key comes or goes
//! ```
//!
//! The store is a view of the log: [`Store::apply`] is the only way in which a logged record
//! changes it, so a store rebuilt from the log equals the one that wrote it.

mod change;
mod durable;
mod store;

pub use self::change::{Change, UnreadableChange};
pub use self::durable::{
    CheckpointError, RecoverError, Recovery, checkpoint, encode_snapshot, recover,
};
pub use self::store::{RebuildError, Store};
