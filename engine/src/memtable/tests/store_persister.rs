//! Tables over key-value stores: in memory, and in a keyspace of the very engine that logs them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::super::{
    Memtable, Options, PersistError, Persister, RecordRef, StorePersister, WriteError, view,
};
use super::item::{BY_COLOR, BY_EMAIL, Item, email};
use super::map_persister::MapPersister;
use super::model::operations;
use super::world::{World, by_hand};
use crate::engine::{self, Engine};
use crate::store::engine::EngineStore;
use crate::store::{KeyValueStore, MemoryStore};
use crate::vfs::Sim;

const FOREVER: Duration = Duration::MAX;

/// A store, and a map that fails as told before the store is written.
struct Mirrored {
    map: MapPersister,
    store: StorePersister<Item>,
}

impl Persister<Item> for Mirrored {
    fn persist(&self, records: &[RecordRef<Item>]) -> Result<(), PersistError> {
        self.map.persist(records)?;
        self.store.persist(records)
    }

    fn remove(&self, keys: &[u8]) -> Result<(), PersistError> {
        self.map.remove(keys)?;
        self.store.remove(keys)
    }

    fn get(&self, key: &u8) -> Result<Option<Item>, PersistError> {
        self.store.get(key)
    }

    fn get_by_index(&self, index: usize, key: &[u8]) -> Result<Vec<Item>, PersistError> {
        self.store.get_by_index(index, key)
    }

    fn scan(&self, after: Option<&u8>, limit: usize) -> Result<Vec<Item>, PersistError> {
        self.store.scan(after, limit)
    }
}

fn persister(store: &Arc<MemoryStore>) -> StorePersister<Item> {
    let store: Arc<dyn KeyValueStore> = Arc::<MemoryStore>::clone(store);
    StorePersister::open(store, b"items/").expect("opens")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_table_over_a_store_says_what_a_map_says(operations in operations()) {
        let store = Arc::new(MemoryStore::default());
        store.put(b"items0", b"somebody else's").expect("is put");
        let map = MapPersister::default();
        let mirrored = Mirrored { map: map.clone(), store: persister(&store) };
        let mut world = World::with(mirrored, map);
        for operation in &operations {
            let done = world.apply(operation).and_then(|_| world.check());
            prop_assert!(done.is_ok(), "{operation:?}: {done:?}");
        }
        world.persister.heal();
        world.table.close(FOREVER).expect("the persister is well");
        // Another process finds the same, with indexes that it made anew.
        let again = persister(&store);
        let reopened = World { model: world.model.clone(), ..World::with(again, MapPersister::default()) };
        prop_assert_eq!(reopened.check(), Ok(()));
        for index in [BY_EMAIL, BY_COLOR] {
            for key in 0..8_u8 {
                let bytes = if index == BY_EMAIL { email(key).into_bytes() } else { vec![key] };
                let found = persister(&store).get_by_index(index, &bytes).expect("is read");
                let expected = world.persister.get_by_index(index, &bytes).expect("is read");
                prop_assert_eq!(found, expected);
            }
        }
    }
}

fn open(sim: &Sim) -> Engine {
    let options = engine::Options {
        background: false,
        views: vec![view()],
        ..engine::Options::default()
    };
    let opened = Engine::open_with(sim.clone(), Path::new("db"), options);
    opened.expect("opens").0
}

fn table(engine: &Engine) -> Memtable<Item> {
    let store = EngineStore::of(engine, "items").expect("is created");
    let persister = StorePersister::open(Arc::new(store), b"").expect("opens");
    Memtable::open("items", engine.clone(), persister, by_hand()).expect("opens")
}

#[test]
fn a_table_whose_log_and_persister_are_one_engine_survives_and_lets_the_log_go() {
    let sim = Sim::default();
    let put = |ids: std::ops::Range<u8>| {
        let engine = open(&sim);
        let table = table(&engine);
        for id in ids {
            let item = Item {
                email: Some(id),
                ..Item::new(id)
            };
            table.put(item).expect("is put");
            if id % 5 == 4 {
                table.flush(FOREVER).expect("is flushed");
                table.delete(&(id - 1)).expect("is deleted");
            }
        }
        engine.checkpoint().expect("is taken");
        engine.checkpoint().expect("is taken");
        engine.stats()
    };
    put(0..23);
    let stats = put(23..40);
    // The last flush is behind id 39: nothing but what follows it is held.
    assert!(stats.first.0 > 40, "the log begins at {}", stats.first);
    let engine = open(&sim.crash(0));
    let table = table(&engine);
    let ids: Vec<u8> = table.scan().map(|item| item.expect("is read").id).collect();
    let expected: Vec<u8> = (0..40).filter(|id| id % 5 != 3).collect();
    assert_eq!(ids, expected);
    let found = table.get_unique(BY_EMAIL, &email(7)).expect("is read");
    assert_eq!(found.expect("is there").id, 7);
    assert!(
        table
            .get_unique(BY_EMAIL, &email(8))
            .expect("is read")
            .is_none()
    );
    let found = table.get_by_index(BY_COLOR, &0_u8).expect("is read");
    assert_eq!(found.len(), expected.len());
}

#[test]
fn a_record_that_the_store_could_never_keep_is_refused_before_it_stops_the_flush() {
    let store = Arc::new(MemoryStore::default());
    let table = Memtable::in_memory(persister(&store), by_hand()).expect("opens");
    let huge = Item {
        tags: vec![0; 9 << 20],
        ..Item::new(1)
    };
    let done = table.put(huge);
    assert!(
        matches!(done, Err(WriteError::Unpersistable(_))),
        "{done:?}"
    );
    table.put(Item::new(2)).expect("is put");
    table.close(FOREVER).expect("is flushed");
    assert_eq!(store.stats().expect("is read").keys, 1);
}

#[test]
fn a_value_that_is_no_record_is_named() {
    let store = Arc::new(MemoryStore::default());
    store.put(b"items/x", b"?").expect("is put");
    let opened = StorePersister::<Item>::open(store, b"items/");
    let error = opened.expect_err("it is no record").to_string();
    assert!(
        error.contains("`items/x`") && error.contains("three bytes"),
        "{error}"
    );
}

#[test]
fn batches_larger_than_a_store_takes_are_split() {
    let store = Arc::new(MemoryStore::default());
    let options = Options {
        threshold_records: usize::MAX,
        threshold_bytes: usize::MAX,
        batch_records: usize::MAX,
        ..by_hand()
    };
    let table = Memtable::in_memory(persister(&store), options).expect("opens");
    for id in 0..5 {
        let large = Item {
            tags: vec![0; 7 << 20],
            ..Item::new(id)
        };
        table.put(large).expect("is put");
    }
    table.close(FOREVER).expect("is flushed in parts");
    assert_eq!(store.stats().expect("is read").keys, 5);
}
