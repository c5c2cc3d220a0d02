//! A storage engine: one log, many views.
//!
//! A change is a record in the [log](wal); what is kept in memory is a view that can be rebuilt
//! from it. The log loses nothing that it called durable, and says so when the disk did.
//!
//! ```
//! use engine::kv::{Change, Store};
//! use engine::vfs::Disk;
//! use engine::wal::{Options, Wal};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let options = Options { segment_bytes: 1 << 20, ..Options::default() };
//! let (wal, _) = Wal::open(Disk, dir, options)?;
//! let mut payload = Vec::new();
//! let appended = wal.append(Change::put(&mut payload, b"tea", b"sencha"))?;
//! wal.commit(appended.end)?; // survives power loss from here on
//! drop(wal);
//!
//! let (wal, recovered) = Wal::open(Disk, dir, options)?;
//! assert_eq!(recovered.records, 1);
//! let store = Store::rebuild(wal.entries())?;
//! assert_eq!(store.get(b"tea").unwrap(), b"sencha");
//! # Ok(())
//! # }
//! ```
//!
//! The modules, each using only those before it:

pub mod random;

pub mod vfs;

pub mod frame;

pub mod wal;

pub mod pair;

pub mod snapshot;

pub mod map;

pub mod engine;

pub mod kv;

pub mod store;

pub mod memtable;

pub use self::engine::{Engine, Options};

mod fields;
mod injected_bug;
#[cfg(test)]
mod torture;
