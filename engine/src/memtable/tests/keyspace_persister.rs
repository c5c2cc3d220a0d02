//! Tables over a keyspace: of an engine in memory, and of the very engine that logs them.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::super::{
    KeyspacePersister, Memtable, Options, PersistError, Persister, RecordRef, WriteError, view,
};
use super::item::{BY_COLOR, BY_EMAIL, Item, email};
use super::map_persister::MapPersister;
use super::model::operations;
use super::world::{World, by_hand};
use crate::engine::{self, Engine};
use crate::vfs::Sim;

const FOREVER: Duration = Duration::MAX;

/// A keyspace, and a map that fails as told before the keyspace is written.
struct Mirrored {
    map: MapPersister,
    keyspace: KeyspacePersister<Item>,
}

impl Persister<Item> for Mirrored {
    fn persist(&self, records: &[RecordRef<Item>]) -> Result<(), PersistError> {
        self.map.persist(records)?;
        self.keyspace.persist(records)
    }

    fn remove(&self, keys: &[u8]) -> Result<(), PersistError> {
        self.map.remove(keys)?;
        self.keyspace.remove(keys)
    }

    fn get(&self, key: &u8) -> Result<Option<Item>, PersistError> {
        self.keyspace.get(key)
    }

    fn get_by_index(&self, index: usize, key: &[u8]) -> Result<Vec<Item>, PersistError> {
        self.keyspace.get_by_index(index, key)
    }

    fn scan(&self, after: Option<&u8>, limit: usize) -> Result<Vec<Item>, PersistError> {
        self.keyspace.scan(after, limit)
    }
}

fn persister(engine: &Engine) -> KeyspacePersister<Item> {
    KeyspacePersister::open(engine, "items").expect("opens")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_table_over_a_keyspace_says_what_a_map_says(operations in operations()) {
        let store = Engine::in_memory();
        let map = MapPersister::default();
        let mirrored = Mirrored { map: map.clone(), keyspace: persister(&store) };
        let mut world = World::with(mirrored, map);
        for operation in &operations {
            let done = world.apply(operation).and_then(|_| world.check());
            prop_assert!(done.is_ok(), "{operation:?}: {done:?}");
        }
        world.persister.heal();
        world.table.close(FOREVER).expect("the persister is well");
        // Another process finds the same, with indexes that it rebuilt.
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
    Memtable::open("items", engine.clone(), persister(engine), by_hand()).expect("opens")
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
fn a_record_that_a_keyspace_could_never_keep_is_refused_before_it_stops_the_flush() {
    let engine = Engine::in_memory();
    let table = Memtable::in_memory(persister(&engine), by_hand()).expect("opens");
    let huge = Item {
        tags: vec![0; 16 << 20],
        ..Item::new(1)
    };
    let done = table.put(huge);
    assert!(
        matches!(done, Err(WriteError::Unpersistable(_))),
        "{done:?}"
    );
    table.put(Item::new(2)).expect("is put");
    table.close(FOREVER).expect("is flushed");
    assert_eq!(engine.keyspace("items").expect("is there").len(), 1);
}

#[test]
fn a_value_that_is_no_record_is_named() {
    let engine = Engine::in_memory();
    let keyspace = engine.keyspace("items").expect("is created");
    keyspace.put(b"rx", b"?").expect("is put");
    let opened = KeyspacePersister::<Item>::open(&engine, "items");
    let error = opened.expect_err("it is no record").to_string();
    assert!(
        error.contains("`rx`") && error.contains("three bytes"),
        "{error}"
    );
}

#[test]
fn flushes_larger_than_a_segment_are_split() {
    let options = engine::Options {
        background: false,
        views: vec![view()],
        log: crate::wal::Options {
            segment_bytes: 4096,
            ..crate::wal::Options::default()
        },
        ..engine::Options::default()
    };
    let (engine, _) = Engine::open_with(Sim::default(), Path::new("db"), options).expect("opens");
    let options = Options {
        threshold_records: usize::MAX,
        batch_records: usize::MAX,
        ..by_hand()
    };
    let table = Memtable::in_memory(persister(&engine), options).expect("opens");
    for id in 0..20 {
        let large = Item {
            tags: vec![0; 1000],
            ..Item::new(id)
        };
        table.put(large).expect("is put");
    }
    table.close(FOREVER).expect("is flushed in parts");
    assert_eq!(engine.keyspace("items").expect("is there").len(), 20);
}
