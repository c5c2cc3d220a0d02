//! A storage engine: one log, many views.
//!
//! A change is a record in the [log](wal); what is kept in memory is a view that can be rebuilt
//! from it. The log loses nothing that it called durable, and says so when the disk did.
//!
//! One program over several of them: keys and values, a table of typed records, and a key-value store.
//!
//! ```
//! use std::time::Duration;
//!
//! use engine::kv::{self, KeyValueStore};
//! use engine::memtable::{self, BadRecord, Index, IndexKeys, KeyspacePersister, Memtable, Record};
//! use engine::wal::Mode;
//! use engine::{Engine, Options};
//!
//! /// A customer; nobody else has the address.
//! struct Customer {
//!     id: u64,
//!     email: String,
//! }
//!
//! const BY_EMAIL: usize = 0;
//!
//! impl Record for Customer {
//!     type Key = u64;
//!     const INDEXES: &'static [Index] = &[Index::unique("email")];
//!
//!     fn key(&self) -> u64 {
//!         self.id
//!     }
//!
//!     fn index_keys(&self, keys: &mut IndexKeys) {
//!         keys.add(BY_EMAIL, &self.email);
//!     }
//!
//!     fn encode(&self, out: &mut Vec<u8>) {
//!         out.extend_from_slice(&self.id.to_le_bytes());
//!         out.extend_from_slice(self.email.as_bytes());
//!     }
//!
//!     fn decode(bytes: &[u8]) -> Result<Self, BadRecord> {
//!         let (id, email) = bytes.split_first_chunk().ok_or(BadRecord("too short"))?;
//!         let email = String::from_utf8(email.to_vec()).map_err(|_| BadRecord("no text"))?;
//!         Ok(Self { id: u64::from_le_bytes(*id), email })
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! // Strict: what a commit acknowledged survives power loss. Whoever opens a log with records of tables
//! // says so.
//! let options = Options { views: vec![memtable::view()], ..Options::in_mode(Mode::Strict) };
//! let (engine, _) = Engine::open(dir, options.clone())?;
//! let stock = engine.keyspace("stock")?;
//! let orders = engine.keyspace("orders")?;
//! stock.put(b"sencha", &[3])?;
//!
//! // A table, flushed in the background to a keyspace.
//! let persister = KeyspacePersister::open(&engine, "customers")?;
//! let customers = Memtable::open("customers", engine.clone(), persister, Default::default())?;
//! customers.insert(Customer { id: 7, email: "ada@example.com".into() })?;
//!
//! // Over keyspaces and tables: all of it or nothing, tried again where others were faster.
//! let sold = engine.retry(10, |tx| {
//!     let left = tx.get(&stock, b"sencha").map_or(0, |value| value[0]);
//!     let customer = customers.get_in(tx, &7)?;
//!     let (1.., Some(customer)) = (left, customer) else {
//!         return Ok(false);
//!     };
//!     tx.put(&stock, b"sencha", &[left - 1])?;
//!     tx.put(&orders, b"2026/0001", customer.email.as_bytes())?;
//!     customers.put_in(tx, Customer { id: 8, email: "emmy@example.com".into() })?;
//!     Ok(true)
//! })?;
//! assert!(sold.value);
//! assert_eq!(customers.get_unique(BY_EMAIL, "emmy@example.com")?.unwrap().id, 8);
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
//! customers.flush(Duration::from_secs(10))?;
//! engine.checkpoint()?;
//! stock.put(b"assam", &[7])?;
//! customers.close(Duration::from_secs(10))?;
//! engine.close()?;
//! # drop((engine, stock, orders, customers));
//!
//! let (engine, recovery) = Engine::open(dir, options)?;
//! assert_eq!(recovery.replayed, 1);
//! assert_eq!(engine.keyspace("stock")?.get(b"sencha").unwrap(), &[2]);
//!
//! // Programs that choose their store by configuration take a URL.
//! let sessions = kv::open("memory:")?;
//! sessions.put_with_ttl(b"token", b"7", Duration::from_hours(1))?;
//! assert_eq!(sessions.get(b"token")?.unwrap(), "7");
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

#[cfg(test)]
mod crash_test;
mod fields;
mod injected_bug;
#[cfg(test)]
mod torture;
