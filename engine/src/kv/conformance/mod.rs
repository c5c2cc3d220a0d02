//! One suite for every backend: what [`KeyValueStore`] promises, as cases that a backend passes or not.
//!
//! Anybody with a backend of their own can run it:
//!
//! ```
//! use std::sync::Arc;
//! use engine::kv::conformance::{self, Backend};
//! use engine::kv::{Clock, KeyValueStore, MemoryStore};
//!
//! struct Mine;
//!
//! impl Backend for Mine {
//!     fn name(&self) -> String {
//!         "memory".to_owned()
//!     }
//!     fn empty(&self, clock: Arc<dyn Clock>) -> Box<dyn KeyValueStore> {
//!         Box::new(MemoryStore::new(clock))
//!     }
//! }
//!
//! # // One case here; `check` runs all.
//! # for case in conformance::cases().filter(|case| case.name == "value_is_read_as_it_was_put") {
//! #     (case.run)(&Mine);
//! # }
//! # if false {
//! conformance::check(&Mine);
//! # }
//! ```

#![expect(
    clippy::unwrap_used,
    reason = "a case panics where the backend breaks a promise"
)]

mod batches;
mod expiry;
mod lists;
mod restart;
mod sizes;
mod threads;
mod values;

use std::sync::Arc;

use super::clock::{Clock, ManualClock};
use super::contract::KeyValueStore;

/// A kind of store that is to be tested.
pub trait Backend: Sync {
    /// What it is called in what is printed.
    fn name(&self) -> String;

    /// An empty store that nobody else uses.
    fn empty(&self, clock: Arc<dyn Clock>) -> Box<dyn KeyValueStore>;

    /// Closes `store`, which is of [`empty`](Self::empty), and opens the same again; `None` for stores
    /// that do not outlive their handle.
    fn reopen(
        &self,
        store: Box<dyn KeyValueStore>,
        clock: Arc<dyn Clock>,
    ) -> Option<Box<dyn KeyValueStore>> {
        drop((store, clock));
        None
    }

    /// Divides how much the larger cases do: 1 for a store in this process, more for a slow one.
    fn slowness(&self) -> usize {
        1
    }
}

/// One promise, and what tests it.
#[derive(Clone, Copy)]
pub struct Case {
    /// The promise, as a claim.
    pub name: &'static str,
    /// Panics where a backend breaks it.
    pub run: fn(&dyn Backend),
}

/// All cases.
pub fn cases() -> impl Iterator<Item = Case> {
    [
        values::CASES,
        batches::CASES,
        lists::CASES,
        expiry::CASES,
        sizes::CASES,
        threads::CASES,
        restart::CASES,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// Runs all cases, and answers with their number.
///
/// # Panics
/// At the first case that fails, after printing its name.
pub fn check(backend: &dyn Backend) -> usize {
    let mut count = 0;
    for case in cases() {
        eprintln!("{}: {}", backend.name(), case.name);
        (case.run)(backend);
        count += 1;
    }
    count
}

/// Lists functions as cases under their own names.
macro_rules! claims {
    ($($name:ident,)+) => {
        pub(super) const CASES: &[super::Case] = &[$(super::Case {
            name: stringify!($name),
            run: $name,
        },)+];
    };
}
use claims;

/// Where a case's clock begins: late enough to subtract from.
const START_MS: u64 = 1_000_000;

/// An empty store on a clock that stands.
fn fresh(backend: &dyn Backend) -> (Box<dyn KeyValueStore>, ManualClock) {
    let clock = ManualClock::at(START_MS);
    (backend.empty(Arc::new(clock.clone())), clock)
}

/// All keys under a prefix, page by page.
fn keys(store: &dyn KeyValueStore, prefix: &[u8], limit: usize) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    let mut after = None;
    loop {
        let page = store.list(prefix, after.as_deref(), limit).unwrap();
        assert!(page.entries.len() <= limit);
        keys.extend(page.entries.iter().map(|(key, _)| key.to_vec()));
        after = page.next;
        if after.is_none() {
            return keys;
        }
    }
}
