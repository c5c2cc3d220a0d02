//! The store in memory.

use std::sync::Arc;

use engine::kv::conformance::{self, Backend};
use engine::kv::{Clock, KeyValueStore, MemoryStore};

struct Memory;

impl Backend for Memory {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    fn empty(&self, clock: Arc<dyn Clock>) -> Box<dyn KeyValueStore> {
        Box::new(MemoryStore::new(clock))
    }
}

#[test]
fn memory_keeps_every_promise() {
    assert!(conformance::check(&Memory) > 40);
}
