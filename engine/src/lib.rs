//! A storage engine: one log, many views.
//!
//! A change is a record in the [log](wal); what is kept in memory is a view that can be rebuilt
//! from it. The log loses nothing that it called durable, and says so when the disk did.
//!
//! ```
//! use std::time::Duration;
//!
//! use engine::wal::Mode;
//! use engine::{Engine, Options};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! // Strict: what a commit acknowledged survives power loss.
//! let (engine, _) = Engine::open(dir, Options::in_mode(Mode::Strict))?;
//! let stock = engine.keyspace("stock")?;
//! let orders = engine.keyspace("orders")?;
//! stock.put(b"sencha", &[3])?;
//!
//! // Over several keyspaces: all of it or nothing, tried again where others were faster.
//! let sold = engine.retry(10, |tx| {
//!     let left = tx.get(&stock, b"sencha").map_or(0, |value| value[0]);
//!     if left == 0 {
//!         return Ok(false);
//!     }
//!     tx.put(&stock, b"sencha", &[left - 1])?;
//!     tx.put(&orders, b"2026/0001", b"sencha")?;
//!     Ok(true)
//! })?;
//! assert!(sold.value);
//!
//! // A value that is gone after a minute.
//! let minute = Duration::from_mins(1).as_micros() as u64;
//! orders.put_until(b"offer", b"genmaicha", engine.now_us() + minute)?;
//!
//! // In key order, from either end; what is written meanwhile is not seen.
//! let keys: Vec<_> = orders.prefix(b"2026/").map(|item| item.key().to_vec()).collect();
//! assert_eq!(keys, [b"2026/0001"]);
//!
//! // A snapshot beside the writers, so that the log need not be replayed from its beginning.
//! engine.checkpoint()?;
//! stock.put(b"assam", &[7])?;
//! engine.close()?;
//! # drop((engine, stock, orders));
//!
//! let (engine, recovery) = Engine::open(dir, Options::default())?;
//! assert_eq!(recovery.replayed, 1);
//! assert_eq!(engine.keyspace("stock")?.get(b"sencha").unwrap(), &[2]);
//! # Ok(())
//! # }
//! ```
//!
//! The modules, each using only those before it:

pub mod random;

pub mod vfs;

pub mod frame;

pub mod wal;

pub mod snapshot;

pub mod map;

pub mod engine;

pub mod memtable;

pub mod stream;

pub mod kv;

pub mod run;

pub mod search;

pub use self::engine::{Engine, Options};

mod fields;
mod injected_bug;
#[cfg(test)]
mod torture;
