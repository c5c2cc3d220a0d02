//! Proof of the table: a model that every interleaving is compared with, crashes at every call, and
//! bugs that all of that would find.
//!
//! ```text
//! operations ─► table over a persister that fails as told (over a log that crashes) ─► compare
//!      └──────► BTreeMap ────────────────────────────────────────────────────────────────┘
//! ```

mod crash;
mod errors;
mod faults;
mod injected_bugs;
mod item;
mod keyspace_persister;
mod map_persister;
mod model;
mod transactions;
mod world;

pub(super) use self::item::Item;
pub(super) use self::world::by_hand;
