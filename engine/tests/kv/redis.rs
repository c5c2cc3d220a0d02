//! The store on a Redis server: the suite, on a server of our own or on that of `REDIS_URL`.
//!
//! Where there is no server, that is printed beside the results, past the test harness, which keeps
//! what passing tests print to itself.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use engine::kv::conformance::{self, Backend};
use engine::kv::redis::{RedisOptions, RedisStore};
use engine::kv::{Clock, KeyValueStore};

use crate::redis_server::{Server, server};

/// Stores in namespaces of one server.
pub(crate) struct OnServer {
    pub(crate) server: Arc<Server>,
    opened: AtomicU64,
}

impl OnServer {
    fn options(&self, clock: Arc<dyn Clock>) -> RedisOptions {
        let number = self.opened.load(Ordering::Relaxed);
        RedisOptions {
            namespace: format!("test {} {number}", std::process::id()),
            timeout: Duration::from_mins(1),
            clock,
        }
    }
}

impl Backend for OnServer {
    fn name(&self) -> String {
        "redis".to_owned()
    }

    fn empty(&self, clock: Arc<dyn Clock>) -> Box<dyn KeyValueStore> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let store = RedisStore::open(&self.server.url, self.options(clock)).unwrap();
        store.clear().unwrap();
        Box::new(store)
    }

    fn reopen(
        &self,
        store: Box<dyn KeyValueStore>,
        clock: Arc<dyn Clock>,
    ) -> Option<Box<dyn KeyValueStore>> {
        store.close().unwrap();
        let store = RedisStore::open(&self.server.url, self.options(clock)).unwrap();
        Some(Box::new(store))
    }

    fn slowness(&self) -> usize {
        2
    }
}

/// Says, where nobody can overlook it, that a test did nothing.
pub(crate) fn skipped(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
}

#[test]
fn redis_keeps_every_promise() {
    match server() {
        Ok(server) => {
            let backend = OnServer {
                server,
                opened: AtomicU64::new(0),
            };
            conformance::check(&backend);
        }
        Err(reason) => skipped("redis_keeps_every_promise", &reason),
    }
}
