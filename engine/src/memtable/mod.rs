//! A table of typed records in memory, with secondary indexes, that a thread flushes to a persister.
//!
//! ```text
//! put, update, delete ──► active generation ──rotate──► immutable, immutable ──flush──► Persister
//!                │              │                              │                            │
//!                └► log         └────────── reads, in this order: the newest knows best ────┘
//! ```
//!
//! Invariants:
//!
//! 1. A record and its index keys change together. Whatever the record's own code does, nothing is
//!    left half done: it is called before anything is changed.
//! 2. What was accepted is read until the persister has it, and after that from the persister.
//!    A persister that fails, hangs or panics loses nothing: its generation stays and is tried again.
//! 3. Over an [`Engine`](crate::Engine) a change is a record of the log before it is made. The log
//!    keeps it until the persister has it, and it reaches the persister only once it is durable.
//! 4. Indexes follow from the records. They are not logged, and recovery builds them again.
//! 5. No reader waits for a flush. A writer waits only where
//!    [`immutables_max`](Options::immutables_max) generations wait already, and no longer than
//!    [`stall_timeout`](Options::stall_timeout).
//!
//! ```
//! use std::time::Duration;
//! use engine::memtable::{Memtable, NoopPersister, Options};
//! # use engine::memtable::{BadRecord, Index, IndexKeys, Record};
//! # struct User { id: u64, email: String }
//! # const BY_EMAIL: usize = 0;
//! # impl Record for User {
//! #     type Key = u64;
//! #     const INDEXES: &'static [Index] = &[Index::unique("email")];
//! #     fn key(&self) -> u64 { self.id }
//! #     fn index_keys(&self, keys: &mut IndexKeys) { keys.add(BY_EMAIL, &self.email); }
//! #     fn encode(&self, out: &mut Vec<u8>) { out.extend_from_slice(self.email.as_bytes()); }
//! #     fn decode(_: &[u8]) -> Result<Self, BadRecord> { Err(BadRecord("not here")) }
//! # }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let persister = NoopPersister::default();
//! let users = Memtable::in_memory(persister.clone(), Options::default())?;
//! users.insert(User { id: 7, email: "ada@example.com".into() })?;
//! let user = users.get_unique(BY_EMAIL, "ada@example.com")?.expect("was inserted");
//! assert_eq!(user.id, 7);
//! // Nobody else can have the address.
//! assert!(users.insert(User { id: 8, email: "ada@example.com".into() }).is_err());
//! users.close(Duration::from_secs(10))?;
//! assert_eq!(persister.persisted(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! [`Memtable::open`] makes a table over an engine, [`Record`] shows a whole record type.
//!
//! # Choosing threshold and interval
//!
//! `FIGURES_ONLY=memtable make bench-engine` prints these tables, and the rates of all operations. They
//! were measured on two processors that were busy with other work too: compare lines, not machines.
//!
//! A larger [threshold](Options::threshold_records) writes less, as a record that is changed again before
//! the flush is persisted once, and takes more memory and a longer recovery. 100,000 puts of 25,000 keys,
//! logged and persisted by one engine:
//!
//! | threshold | puts a second | rotations | records persisted | opened after a crash |
//! |---|---|---|---|---|
//! | 100 | 11,000 | 997 | 99,000 | 0.50 s |
//! | 1,000 | 17,000 | 97 | 96,000 | 0.63 s |
//! | 10,000 | 21,000 | 7 | 63,000 | 1.1 s |
//! | 50,000: more than there are keys | 50,000 | 0 | 0 | 1.6 s |
//!
//! Memory holds up to `threshold × (immutables_max + 1)` records. A burst that is longer than that waits for
//! the persister.
//!
//! A longer [interval](Options::flush_interval) writes less in the same way, and lets the persister lag
//! behind: it matters to whoever reads there, and to how much is lost where nothing is logged. 5,000 puts a
//! second of 1,000 keys:
//!
//! | interval | flushes in 3 s | records persisted per 100 puts |
//! |---|---|---|
//! | 20 ms | 127 | 94 |
//! | 100 ms | 27 | 84 |
//! | 500 ms | 5 | 46 |
//! | 1.5 s | 1 | 11 |
//!
//! | for | threshold | interval |
//! |---|---|---|
//! | little memory, a fresh persister, no log | 1,000 | 1 s or less |
//! | most tables | 65,536 (the default) | 30 s (the default) |
//! | many changes of few records, a log, a slow persister | more than there are records | minutes |
//!
//! # Transactions
//!
//! Over an engine, [`put_in`](Memtable::put_in) and its siblings make a record's change a part of a
//! transaction over keyspaces and other tables; without one, each write is a transaction of its own.
//! Deliberately absent: lookups by index and scans within a transaction.

mod apply;
mod control;
mod engine_log;
mod entry;
mod error;
mod flush;
mod generation;
mod key;
mod keyspace_persister;
mod log;
mod options;
mod panics;
mod persister;
mod posting;
mod prepare;
mod read;
mod record;
mod recovery;
mod runtime;
mod scan;
mod table;
#[cfg(test)]
mod tests;
mod transaction;
mod unique;
mod write;

pub use self::control::Status;
pub use self::engine_log::view;
pub use self::entry::RecordRef;
pub use self::error::{FlushError, FlushFailure, OpenError, ReadError, Stall, WriteError};
pub use self::key::{IndexKey, Key};
pub use self::keyspace_persister::KeyspacePersister;
pub use self::log::{ChangeLog, LogError};
pub use self::options::{Options, Retry};
pub use self::persister::{Batch, NoopPersister, PersistError, Persister};
pub use self::record::{BadRecord, Index, IndexKeys, Record};
pub use self::runtime::{Os, Runtime, SharedLock};
pub use self::scan::Scan;
pub use self::table::Memtable;
