//! Key-value stores behind one trait: a program keeps its code and picks its store by a URL.
//!
//! ```text
//! open("memory:" │ "engine:path" │ "sqlite:path" │ "redis://host") ──► Box<dyn KeyValueStore>
//!
//! contract     the trait: what each call promises, per backend where they differ
//! batch, entry, limits, ttl, clock, error     what is passed through it
//! memory, engine, sqlite, redis               the backends
//! open, url    a store by its URL
//! persister    a memtable's records in any of them
//! conformance  one suite for all of them, and for yours
//! ```
//!
//! SQLite and Redis are cargo features (`sqlite`, `redis`). They implement the trait and use nothing of
//! the engine.

mod batch;
mod clock;
pub mod conformance;
mod contract;
pub mod engine;
mod entry;
mod error;
mod limits;
mod memory;
mod open;
mod persister;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod ttl;
mod url;

pub use self::batch::{Batch, Expect, Outcome, Write};
pub use self::clock::{Clock, ManualClock, SystemClock};
pub use self::contract::KeyValueStore;
pub use self::entry::{Entry, Page, Stats, Version};
pub use self::error::{Cause, KvError};
pub use self::limits::{
    BATCH_BYTES_MAX, BATCH_ITEMS_MAX, KEY_BYTES_MAX, PAGE_BYTES_MAX, PAGE_ENTRIES_MAX,
    VALUE_BYTES_MAX, check_batch, check_key, check_keys, check_pair, page_entries,
};
pub use self::memory::MemoryStore;
pub use self::open::{URL_VARIABLE, open, open_from_environment, open_with};
pub use self::persister::StorePersister;
pub use self::ttl::{TTL_MAX, TtlError, expiry, ttl_from_millis};
pub use self::url::OpenError;
