//! Workloads of the table of typed records: a primary key, a unique index, one of ten keys, and one of
//! a hundred.
//!
//! The tables have no thread and no clock, so that counts depend on the work alone; what several
//! threads do is timed by `wall_time/memtable.rs`.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::memtable::{Memtable, NoopPersister, Options, Os, Runtime, view};
use engine::vfs::Memory;
use engine::wal::{self, Mode};
use engine::{Engine, Options as EngineOptions};

use crate::data::Random;
use crate::suite::suite;

mod item;
mod reads;

use item::CATEGORIES;
pub use item::{BY_CATEGORY, BY_NAME, BY_VALUE, Item};
pub use reads::*;

/// How many records a table holds before a run.
const RECORDS: usize = 2000;
/// How many operations a run performs.
const OPERATIONS: usize = 1000;
suite!(memtable {
    insert: insert(Writes) {
        n100: inserts_setup(100) => inserts_check,
        n1000: inserts_setup(1000) => inserts_check,
        n10000: inserts_setup(10_000) => inserts_check,
    }
    insert_logged: insert(Writes) {
        n1000: logged_setup() => inserts_check,
    }
    get: get(Reads) {
        hit: reads_setup(Held::Active) => reads_check,
        immutable: reads_setup(Held::Immutable) => reads_check,
        persisted: reads_setup(Held::Persisted) => reads_check,
        miss: reads_setup(Held::Nowhere) => reads_check,
    }
    get_unique: get_unique(Reads) {
        hit: reads_setup(Held::Active) => reads_check,
        immutable: reads_setup(Held::Immutable) => reads_check,
    }
    get_by_index: get_by_index(Reads) {
        n20: reads_setup(Held::Active) => by_index_check,
    }
    update: update(Writes) {
        same_keys: updates_setup(0) => updates_check,
        other_keys: updates_setup(2000) => updates_check,
    }
    delete: delete(Writes) {
        active: updates_setup(0) => deletes_check,
        immutable: deletes_below_setup() => deletes_below_check,
    }
    mixed: mixed(Writes) {
        read50: updates_setup(0) => updates_check,
    }
    rotate_flush: flush(Writes) {
        n1000: flush_setup() => flush_check,
    }
    scan: scan(Reads) {
        n1000: reads_setup(Held::Active) => scan_check,
    }
    recover: recover(Recovery) {
        n1000: recover_setup() => recover_check,
    }
});

/// Locks as they ship, a clock that stands still, and no thread.
#[derive(Debug, Clone, Copy)]
pub struct Still;

impl Runtime for Still {
    type Lock<T: Send + Sync + 'static> = <Os as Runtime>::Lock<T>;
    type Monitor<T: Send + 'static> = <Os as Runtime>::Monitor<T>;

    fn spawn(&self, _: &str, _: impl FnOnce() + Send + 'static) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn pause(&self) {}
}

/// A table without thread or clock.
type Table = Memtable<Item, Still>;

/// Rotated by hand only.
fn options() -> Options {
    Options {
        threshold_records: usize::MAX,
        threshold_bytes: usize::MAX,
        is_background: false,
        ..Options::default()
    }
}

fn empty(persister: &NoopPersister) -> Table {
    let table = Memtable::with_runtime(Still, Arc::new(persister.clone()), options());
    table.expect("the options are right")
}

fn items(count: usize, seed: usize) -> Vec<Item> {
    let mut items: Vec<_> = (0..count).map(|number| Item::new(number, seed)).collect();
    Random::new(6).shuffle(&mut items);
    items
}

fn fill(table: &Table, count: usize) {
    for item in items(count, 0) {
        table.insert(item).expect("its key is new");
    }
}

/// A table, and items to write.
pub struct Writes {
    table: Table,
    persister: NoopPersister,
    items: Vec<Item>,
    done: usize,
}

impl Writes {
    fn of(table: Table, persister: NoopPersister, items: Vec<Item>) -> Self {
        Self {
            table,
            persister,
            items,
            done: 0,
        }
    }
}

/// An empty table, and so many items.
#[must_use]
pub fn inserts_setup(count: usize) -> Writes {
    let persister = NoopPersister::default();
    Writes::of(empty(&persister), persister, items(count, 0))
}

fn engine_in(memory: &Memory) -> Engine {
    let mode = Mode::Buffered {
        interval: Duration::from_mins(1),
        max_bytes: u64::MAX,
    };
    let log = wal::Options {
        mode,
        threads: 1,
        ..wal::Options::default()
    };
    let options = EngineOptions {
        log,
        background: false,
        views: vec![view()],
        ..EngineOptions::default()
    };
    let opened = Engine::open_with(memory.clone(), Path::new("db"), options);
    opened.expect("memory fails nobody").0
}

fn open(engine: &Engine) -> Table {
    let (log, persister) = (Arc::new(engine.clone()), Arc::new(NoopPersister::default()));
    let opened = Memtable::open_with_runtime(Still, "items", log, persister, options());
    opened.expect("the log can be read")
}

/// An empty table that is logged by an engine with files in memory, and 1,000 items.
#[must_use]
pub fn logged_setup() -> Writes {
    let table = open(&engine_in(&Memory::default()));
    Writes::of(table, NoopPersister::default(), items(OPERATIONS, 0))
}

/// Inserts the items.
#[must_use]
pub fn insert(mut input: Writes) -> Writes {
    for item in std::mem::take(&mut input.items) {
        input.done += usize::from(input.table.insert(item).is_ok());
    }
    input
}

/// Every item must be found by its key, and by each of its indexes.
pub fn inserts_check(output: Writes) {
    let held = items(output.done, 0);
    assert!(!held.is_empty());
    check(&output.table, &held);
}

fn check(table: &Table, items: &[Item]) {
    for item in items {
        let found = table
            .get(&item.id)
            .expect("memory knows")
            .expect("is there");
        assert_eq!(*found, *item);
        let found = table.get_unique(BY_NAME, &item.name).expect("memory knows");
        assert_eq!(found.expect("is there").id, item.id);
    }
    for category in 0..CATEGORIES {
        let category = u8::try_from(category).unwrap_or(0);
        let found = table.get_by_index(BY_CATEGORY, &category);
        let expected = items.iter().filter(|item| item.category == category);
        assert_eq!(found.expect("memory knows").len(), expected.count());
    }
}

/// A table of 2,000 records, and 1,000 items of which it has the primary keys. With a `seed` of 0 it
/// has their other keys too.
#[must_use]
pub fn updates_setup(seed: usize) -> Writes {
    let persister = NoopPersister::default();
    let table = empty(&persister);
    fill(&table, RECORDS);
    let mut items = items(RECORDS, seed);
    items.truncate(OPERATIONS);
    Writes::of(table, persister, items)
}

/// Updates the items.
#[must_use]
pub fn update(mut input: Writes) -> Writes {
    for item in &input.items {
        input.done += usize::from(input.table.update(item.clone()).is_ok());
    }
    input
}

/// The items must be as they were written, and the others as they were.
pub fn updates_check(output: Writes) {
    assert_eq!(output.done, OPERATIONS);
    let mut all: Vec<_> = (0..RECORDS).map(|number| Item::new(number, 0)).collect();
    for item in output.items {
        let place = usize::try_from(item.id).unwrap_or(0);
        all[place] = item;
    }
    check(&output.table, &all);
}

/// Gets every second item, and updates the others.
#[must_use]
pub fn mixed(mut input: Writes) -> Writes {
    for (number, item) in input.items.iter().enumerate() {
        let done = if number % 2 == 0 {
            matches!(input.table.get(&item.id), Ok(Some(_)))
        } else {
            input.table.update(item.clone()).is_ok()
        };
        input.done += usize::from(done);
    }
    input
}

/// Deletes the items.
#[must_use]
pub fn delete(mut input: Writes) -> Writes {
    for item in &input.items {
        input.done += usize::from(matches!(input.table.delete(&item.id), Ok(true)));
    }
    input
}

/// The items must be gone, and the others as they were.
pub fn deletes_check(output: Writes) {
    assert_eq!(output.done, OPERATIONS);
    let gone = |item: &Item| output.items.iter().any(|gone| gone.id == item.id);
    let mut left = items(RECORDS, 0);
    left.retain(|item| !gone(item));
    check(&output.table, &left);
    let found = output.items.iter().any(|item| {
        let by_name = output.table.get_unique(BY_NAME, &item.name);
        by_name.expect("memory knows").is_some()
    });
    assert!(!found, "a deleted record is found by its name");
}

/// A table whose 2,000 records are immutable, and 1,000 of them.
#[must_use]
pub fn deletes_below_setup() -> Writes {
    let input = updates_setup(0);
    assert!(input.table.rotate(), "it has records");
    input
}

/// As for the others; the tombstones reach the persister.
pub fn deletes_below_check(output: Writes) {
    let persister = output.persister.clone();
    let table = output.table.clone();
    deletes_check(output);
    table.flush(Duration::MAX).expect("nothing fails");
    assert_eq!(persister.removed(), OPERATIONS as u64);
}

/// A table with 1,000 records and 100 tombstones.
#[must_use]
pub fn flush_setup() -> Writes {
    let mut input = inserts_setup(OPERATIONS);
    let items = input.items.clone();
    input = insert(input);
    for item in &items[..100] {
        let deleted = input.table.delete(&item.id).expect("memory knows");
        assert!(deleted, "it was inserted");
    }
    input
}

/// Rotates and flushes.
#[must_use]
pub fn flush(input: Writes) -> Writes {
    input.table.flush(Duration::MAX).expect("nothing fails");
    input
}

/// The persister must have been given everything.
pub fn flush_check(output: Writes) {
    let given = (output.persister.persisted(), output.persister.removed());
    assert_eq!(given, (OPERATIONS as u64 - 100, 100));
    assert_eq!(output.table.status().flushed, 1);
}

/// An engine whose log has the changes of a table, and the table once it was opened.
pub struct Recovery {
    engine: Engine,
    table: Option<Table>,
}

/// A log of 1,000 inserts.
#[must_use]
pub fn recover_setup() -> Recovery {
    let engine = engine_in(&Memory::default());
    let table = open(&engine);
    fill(&table, OPERATIONS);
    engine.durable().expect("memory fails nobody");
    Recovery {
        engine,
        table: None,
    }
}

/// Opens the table.
#[must_use]
pub fn recover(mut input: Recovery) -> Recovery {
    input.table = Some(open(&input.engine));
    input
}

/// The table must have everything.
pub fn recover_check(output: Recovery) {
    let table = output.table.expect("it was opened");
    check(&table, &items(OPERATIONS, 0));
}
