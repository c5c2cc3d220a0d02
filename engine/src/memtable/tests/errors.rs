//! Bad input: each is an error that says what is wrong, and changes nothing.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::super::{
    BadRecord, FlushFailure, Index, IndexKeys, Memtable, NoopPersister, OpenError, Options,
    ReadError, Record, WriteError, view,
};
use super::item::{BY_COLOR, BY_EMAIL, Item, Panics, email, panicking};
use super::map_persister::{Fault, MapPersister};
use super::world::{Operation, World, by_hand};
use crate::engine::{self, Engine};
use crate::vfs::Sim;

const FOREVER: Duration = Duration::MAX;

fn red(id: u8) -> Item {
    Item {
        email: Some(id),
        tags: vec![1, 2],
        ..Item::new(id)
    }
}

#[test]
fn a_record_whose_function_panics_changes_nothing() {
    let engine = Engine::in_memory();
    let log = Arc::new(engine);
    let mut world = World::over_log(log, MapPersister::default(), by_hand()).expect("opens");
    world.apply(&Operation::Put(red(1))).expect("is put");
    let cases = [
        (Panics::Key, "key"),
        (Panics::IndexKeys, "index_keys"),
        (Panics::IndexKeysLate, "index_keys"),
        (Panics::Encode, "encode"),
    ];
    for (panics, named) in cases {
        let table = &world.table;
        let done = panicking(panics, || {
            [
                table.put(red(1)),
                table.insert(red(2)),
                table.update(red(1)),
            ]
        });
        for done in done {
            let Err(WriteError::RecordPanicked { function, message }) = done else {
                panic!("{panics:?}: {done:?}");
            };
            assert_eq!(function, named);
            assert!(message.starts_with("as told"), "{message}");
        }
        assert_eq!(world.check(), Ok(()));
    }
    let done = world.table.update_with(&1, |_| panic!("as told"));
    assert!(matches!(done, Err(WriteError::RecordPanicked { .. })));
    assert_eq!(world.check(), Ok(()));
    // Nothing of it is in the way of later writes.
    world.apply(&Operation::Put(red(2))).expect("is put");
    assert_eq!(world.check(), Ok(()));
}

#[test]
fn a_change_of_the_primary_key_is_refused() {
    let mut world = World::in_memory(by_hand());
    world.apply(&Operation::Put(red(1))).expect("is put");
    let done = world.table.update_with(&1, |item| Item {
        id: 2,
        ..item.clone()
    });
    assert!(matches!(done, Err(WriteError::KeyChanged)), "{done:?}");
    assert_eq!(world.check(), Ok(()));
}

#[test]
fn indexes_that_do_not_exist_are_named() {
    let world = World::in_memory(by_hand());
    let found = world.table.get_by_index(9, "x");
    let expected = ReadError::NoSuchIndex {
        index: 9,
        declared: 3,
    };
    assert_eq!(
        found.expect_err("no index").to_string(),
        expected.to_string()
    );
    let found = world.table.get_unique(BY_COLOR, &1_u8);
    assert!(matches!(
        found,
        Err(ReadError::NotUnique { index: "color" })
    ));
    let found = world.table.get_unique(9, &1_u8);
    assert!(matches!(found, Err(ReadError::NoSuchIndex { .. })));
}

/// A record with a key in an index that its type does not declare.
struct Undeclared;

impl Record for Undeclared {
    type Key = u8;
    const INDEXES: &'static [Index] = &[Index::new("only")];

    fn key(&self) -> u8 {
        0
    }

    fn index_keys(&self, keys: &mut IndexKeys) {
        keys.add(0, "declared");
        keys.add(1, "not");
    }

    fn encode(&self, _: &mut Vec<u8>) {}

    fn decode(_: &[u8]) -> Result<Self, BadRecord> {
        Ok(Self)
    }
}

#[test]
fn a_key_of_an_undeclared_index_is_refused() {
    let table = Memtable::in_memory(NoopPersister::default(), by_hand()).expect("opens");
    let done = table.put(Undeclared);
    let expected = (1, 1);
    let Err(WriteError::NoSuchIndex { index, declared }) = done else {
        panic!("{done:?}");
    };
    assert_eq!((index, declared), expected);
    assert!(table.get(&0).expect("memory knows").is_none());
    assert!(
        table
            .get_by_index(0, "declared")
            .expect("can be read")
            .is_empty()
    );
}

#[test]
fn options_and_names_that_cannot_be_are_refused() {
    for shards in [0, 3, 8192] {
        let options = Options {
            shards,
            ..by_hand()
        };
        let opened = Memtable::<Item>::in_memory(NoopPersister::default(), options);
        assert!(
            matches!(opened, Err(OpenError::BadShards { .. })),
            "{shards}"
        );
    }
    for name in [String::new(), "x".repeat(256)] {
        let engine = Engine::in_memory();
        let opened = Memtable::<Item>::open(&name, engine, NoopPersister::default(), by_hand());
        assert!(matches!(opened, Err(OpenError::BadName { .. })), "{name}");
    }
    let longest = "x".repeat(255);
    let engine = Engine::in_memory();
    let opened = Memtable::<Item>::open(&longest, engine, NoopPersister::default(), by_hand());
    assert!(opened.is_ok());
}

#[test]
fn keys_are_spread_over_hashes_and_so_are_equal_keys_of_two_indexes() {
    let table = Memtable::in_memory(MapPersister::default(), by_hand()).expect("opens");
    let shared = &table.shared;
    let of_keys = (0..=255_u8).map(|key| shared.hash(&key));
    let of_index =
        (0..=255_u8).flat_map(|key| [0, 1].map(|index| shared.index_hash(index, &[key])));
    let hashes: BTreeSet<_> = of_keys.chain(of_index).collect();
    assert_eq!(hashes.len(), 3 * 256);
}

#[test]
fn limits_of_zero_mean_one() {
    let options = Options {
        immutables_max: 0,
        batch_records: 0,
        threshold_records: 0,
        ..by_hand()
    };
    let mut world = World::in_memory(options);
    for id in 0..3 {
        world
            .apply(&Operation::Put(red(id)))
            .expect("is put or stalls");
    }
    world.apply(&Operation::Flush).expect("is flushed");
    assert_eq!(world.check(), Ok(()));
}

#[test]
fn a_persister_that_cannot_be_read_hides_nothing_that_memory_knows() {
    let mut world = World::in_memory(by_hand());
    world.apply(&Operation::Put(red(1))).expect("is put");
    world.apply(&Operation::Flush).expect("is flushed");
    world.apply(&Operation::Put(red(2))).expect("is put");
    world.persister.become_unreadable();
    let table = &world.table;
    assert!(matches!(table.get(&1), Err(ReadError::Persister(_))));
    assert!(table.get(&2).expect("memory knows").is_some());
    let found = table.get_unique(BY_EMAIL, &email(2));
    assert!(found.expect("memory knows").is_some());
    assert!(table.get_by_index(BY_COLOR, &0_u8).is_err());
    // Whether these keys are free, nobody can tell.
    assert!(matches!(
        table.insert(Item::new(3)),
        Err(WriteError::Persister(_))
    ));
    assert!(matches!(table.put(red(4)), Err(WriteError::Persister(_))));
    // This can be told without it.
    assert!(table.put(Item::new(3)).is_ok());
    let scanned: Vec<_> = table.scan().collect();
    assert!(
        matches!(scanned[..], [Err(ReadError::Persister(_))]),
        "{scanned:?}"
    );
}

#[test]
fn a_closed_table_is_read_and_not_written() {
    let mut world = World::in_memory(by_hand());
    world.apply(&Operation::Put(red(1))).expect("is put");
    world.persister.fail(&[Fault::Panic, Fault::Panic]);
    let closed = world
        .table
        .close(FOREVER)
        .expect_err("the persister panics");
    assert!(closed.to_string().contains("as told"), "{closed}");
    let error = world.table.status().error;
    assert!(
        matches!(error, Some(FlushFailure::Panicked(_))),
        "{error:?}"
    );
    assert!(matches!(world.table.put(red(2)), Err(WriteError::Closed)));
    assert!(matches!(world.table.delete(&1), Err(WriteError::Closed)));
    assert_eq!(world.check(), Ok(()));
    // The persister has recovered.
    for _ in 0..2 {
        world.table.close(FOREVER).expect("is flushed");
        assert_eq!(world.persister.items(), world.model);
        assert_eq!(world.check(), Ok(()));
    }
    assert!(world.table.status().error.is_none());
}

fn engine_on(sim: &Sim, views: bool) -> Result<Engine, engine::OpenError> {
    let options = engine::Options {
        background: false,
        views: views.then(view).into_iter().collect(),
        ..engine::Options::default()
    };
    Engine::open_with(sim.clone(), Path::new("db"), options).map(|it| it.0)
}

fn open(engine: &Engine, name: &str) -> Result<Memtable<Item>, OpenError> {
    Memtable::open(name, engine.clone(), MapPersister::default(), by_hand())
}

#[test]
fn tables_of_one_engine_do_not_mix() {
    let sim = Sim::default();
    {
        let engine = engine_on(&sim, true).expect("opens");
        let [tea, teapots] = ["tea", "teapots"].map(|name| open(&engine, name).expect("opens"));
        tea.put(red(1)).expect("is put");
        teapots.put(red(2)).expect("is put");
        teapots.put(red(1)).expect("is put");
        teapots.delete(&1).expect("is deleted");
    }
    let engine = engine_on(&sim, true).expect("opens");
    let ids = |name| -> Vec<u8> {
        let table = open(&engine, name).expect("opens");
        table
            .scan()
            .map(|item| item.expect("can be read").id)
            .collect()
    };
    assert_eq!(ids("tea"), [1]);
    assert_eq!(ids("teapots"), [2]);
    assert_eq!(ids("t"), [0; 0]);
}

#[test]
fn checkpoints_keep_what_a_table_has_not_flushed() {
    let sim = Sim::default();
    {
        let engine = engine_on(&sim, true).expect("opens");
        let table = open(&engine, "tea").expect("opens");
        table.put(red(1)).expect("is put");
        for _ in 0..4 {
            let other = engine.keyspace("other").expect("is created");
            other.put(b"key", &[0; 1000]).expect("is put");
            engine.checkpoint().expect("is taken");
        }
    }
    let engine = engine_on(&sim, true).expect("opens");
    let table = open(&engine, "tea").expect("opens");
    assert!(table.get(&1).expect("memory knows").is_some());
}

#[test]
fn an_engine_that_does_not_know_tables_refuses_their_records() {
    let sim = Sim::default();
    {
        let engine = engine_on(&sim, true).expect("opens");
        open(&engine, "tea")
            .expect("opens")
            .put(red(1))
            .expect("is put");
    }
    let refused = engine_on(&sim, false).expect_err("no view has the type");
    assert!(
        matches!(refused, engine::OpenError::Record { .. }),
        "{refused}"
    );
}

#[test]
fn a_record_that_panics_in_replay_is_named() {
    let sim = Sim::default();
    {
        let engine = engine_on(&sim, true).expect("opens");
        open(&engine, "tea")
            .expect("opens")
            .put(red(1))
            .expect("is put");
    }
    for panics in [Panics::Decode, Panics::Key, Panics::IndexKeysLate] {
        let engine = engine_on(&sim, true).expect("opens");
        let opened = panicking(panics, || open(&engine, "tea"));
        let error = opened.expect_err("it panics").to_string();
        assert!(
            error.starts_with("record ") && error.contains("as told"),
            "{error}"
        );
    }
    let engine = engine_on(&sim, true).expect("opens");
    assert!(open(&engine, "tea").is_ok());
}

#[test]
fn records_above_the_cap_and_closed_engines_are_errors() {
    let sim = Sim::default();
    let engine = engine_on(&sim, true).expect("opens");
    let table = open(&engine, "tea").expect("opens");
    table.put(red(1)).expect("is put");
    let huge = Item {
        tags: vec![0; 17 << 20],
        ..Item::new(2)
    };
    let done = table.put(huge);
    assert!(matches!(done, Err(WriteError::Log(_))), "{done:?}");
    assert!(table.get(&2).expect("memory knows").is_none());
    table.put(red(3)).expect("the log goes on");
    engine.close().expect("closes");
    let done = table.put(red(4));
    assert!(matches!(done, Err(WriteError::Log(_))), "{done:?}");
    assert!(table.get(&4).expect("can be read").is_none());
    assert!(table.get(&3).expect("can be read").is_some());
    let flushed = table
        .flush(FOREVER)
        .expect_err("nothing can be made durable");
    assert!(flushed.to_string().contains("cannot flush"), "{flushed}");
}
