//! The flushing thread and a persister that is slow, hangs, fails or panics. Threads are real here;
//! tests wait for what must come, and for nothing else.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::super::{
    FlushError, Memtable, NoopPersister, Options, PersistError, Persister, RecordRef, Retry, Stall,
    WriteError,
};
use super::item::{BY_COLOR, Item};
use super::map_persister::{Fault, MapPersister};
use super::world::by_hand;

const LONG: Duration = Duration::from_mins(1);

/// Passes calls on, while its door is open.
#[derive(Clone, Default)]
struct Door {
    inner: MapPersister,
    state: Arc<(Mutex<(bool, u32)>, Condvar)>,
}

impl Door {
    fn shut(&self, is_shut: bool) {
        self.state.0.lock().0 = is_shut;
        self.state.1.notify_all();
    }

    /// Waits until somebody stands at the door.
    fn wait_for_caller(&self) {
        let mut state = self.state.0.lock();
        while state.1 == 0 {
            self.state.1.wait(&mut state);
        }
    }

    fn pass(&self) {
        let mut state = self.state.0.lock();
        state.1 += 1;
        self.state.1.notify_all();
        while state.0 {
            self.state.1.wait(&mut state);
        }
        state.1 -= 1;
    }
}

impl Persister<Item> for Door {
    fn persist(&self, records: &[RecordRef<Item>]) -> Result<(), PersistError> {
        self.pass();
        self.inner.persist(records)
    }

    fn remove(&self, keys: &[u8]) -> Result<(), PersistError> {
        self.pass();
        self.inner.remove(keys)
    }

    fn get(&self, key: &u8) -> Result<Option<Item>, PersistError> {
        self.inner.get(key)
    }

    fn get_by_index(&self, index: usize, key: &[u8]) -> Result<Vec<Item>, PersistError> {
        self.inner.get_by_index(index, key)
    }

    fn scan(&self, after: Option<&u8>, limit: usize) -> Result<Vec<Item>, PersistError> {
        self.inner.scan(after, limit)
    }
}

fn background() -> Options {
    Options {
        is_background: true,
        flush_interval: LONG,
        stall_timeout: LONG,
        ..by_hand()
    }
}

/// Puts records of ids that rise until one is refused.
fn fill(table: &Memtable<Item>, from: u8) -> WriteError {
    (from..=u8::MAX)
        .find_map(|id| table.put(Item::new(id)).err())
        .expect("the bound is reached")
}

#[test]
fn a_persister_that_hangs_stalls_writers_with_an_error_and_no_reader() {
    let door = Door::default();
    door.shut(true);
    let options = Options {
        stall_timeout: Duration::from_millis(20),
        persist_timeout: Duration::ZERO,
        ..background()
    };
    let table = Memtable::in_memory(door.clone(), options).expect("opens");
    // Only a persister that was called can hang, and the thread that calls it may be late.
    for id in 0..6 {
        table.put(Item::new(id)).expect("there is room");
    }
    door.wait_for_caller();
    let WriteError::Stalled {
        immutables, cause, ..
    } = fill(&table, 6)
    else {
        panic!("the persister hangs");
    };
    assert_eq!(immutables, 3);
    assert!(matches!(cause, Stall::Hanging { .. }), "{cause}");
    assert!(table.status().hanging.is_some());
    let flushed = table.flush(Duration::from_millis(5));
    assert!(
        matches!(flushed, Err(FlushError::TimedOut { .. })),
        "{flushed:?}"
    );
    // Everything that was accepted can be read meanwhile, in every way.
    let ids: Vec<u8> = table.scan().map(|item| item.expect("is read").id).collect();
    assert!(ids.len() >= 15, "{ids:?}");
    let found = table.get_by_index(BY_COLOR, &0_u8).expect("is read");
    assert_eq!(found.len(), ids.len());
    // It answers after all.
    door.shut(false);
    table.flush(LONG).expect("is flushed");
    assert!(door.inner.items().keys().eq(&ids));
    table.put(Item::new(200)).expect("there is room");
    table.close(LONG).expect("closes");
    assert!(door.inner.items().contains_key(&200));
    assert!(table.status().hanging.is_none());
}

#[test]
fn a_writer_that_waits_goes_on_once_there_is_room() {
    let door = Door::default();
    door.shut(true);
    let table = Memtable::in_memory(door.clone(), background()).expect("opens");
    let writer = {
        let table = table.clone();
        thread::spawn(move || (0..200).try_for_each(|id| table.put(Item::new(id))))
    };
    door.wait_for_caller();
    while table.status().stalls == 0 {
        thread::yield_now();
    }
    assert!(!writer.is_finished());
    door.shut(false);
    writer.join().expect("no panic").expect("all is written");
    table.close(LONG).expect("closes");
    assert_eq!(door.inner.items().len(), 200);
}

#[test]
fn a_persister_that_fails_and_panics_is_tried_until_it_recovers() {
    let persister = MapPersister::default();
    let faults = [Fault::Partial, Fault::Panic, Fault::Late, Fault::Refuse];
    persister.fail(&faults.repeat(5));
    let options = Options {
        retry: Retry {
            attempts: 3,
            ..by_hand().retry
        },
        ..background()
    };
    let table = Memtable::in_memory(persister.clone(), options).expect("opens");
    for id in 0..100 {
        table.put(Item::new(id)).expect("is put");
    }
    // Rounds fail, and the thread goes on by itself.
    while table.flush(LONG).is_err() {}
    assert!(persister.items().keys().copied().eq(0..100));
    assert!(table.status().rounds_failed >= 1);
    assert!(table.status().error.is_none());
    table.close(LONG).expect("closes");
}

#[test]
fn a_change_is_flushed_after_the_interval_and_a_write_of_its_own() {
    let persister = NoopPersister::default();
    let options = Options {
        flush_interval: Duration::from_millis(1),
        threshold_records: usize::MAX,
        ..background()
    };
    let table = Memtable::in_memory(persister.clone(), options).expect("opens");
    for id in 0..3 {
        table.put(Item::new(id)).expect("is put");
        while persister.persisted() <= u64::from(id) {
            thread::yield_now();
        }
    }
    table.put(Item::new(9)).expect("is put");
    table.delete(&9).expect("is deleted");
    table.close(LONG).expect("closes");
    assert_eq!(persister.removed(), 1);
}

#[test]
fn the_last_handle_ends_the_thread_after_a_last_flush() {
    let persister = MapPersister::default();
    let table = Memtable::in_memory(persister.clone(), background()).expect("opens");
    table.put(Item::new(1)).expect("is put");
    drop(table.clone());
    table.put(Item::new(2)).expect("another handle is left");
    drop(table);
    while persister.items().len() < 2 {
        thread::yield_now();
    }
}

#[test]
fn a_failed_round_is_reported_and_a_later_one_flushes() {
    let door = Door::default();
    let table = Memtable::in_memory(door.clone(), background()).expect("opens");
    door.inner.refuse();
    table.put(Item::new(1)).expect("is put");
    let failed = table.flush(LONG).expect_err("it is refused");
    assert!(
        matches!(failed, FlushError::Failed { attempts: 2, .. }),
        "{failed:?}"
    );
    assert!(table.get(&1).expect("is read").is_some());
    door.inner.heal();
    table.flush(LONG).expect("is flushed");
    assert_eq!(door.inner.items().len(), 1);
}

#[test]
fn threads_that_write_at_once_leave_what_the_last_of_them_wrote() {
    let persister = MapPersister::default();
    let table = Memtable::in_memory(persister.clone(), background()).expect("opens");
    let threads: Vec<_> = (0..4_u8)
        .map(|number| {
            let table = table.clone();
            thread::spawn(move || {
                for round in 0..200_u32 {
                    let id = number * 50 + u8::try_from(round % 50).expect("below 50");
                    let item = Item {
                        color: u8::try_from(round / 50).expect("below 4"),
                        ..Item::new(id)
                    };
                    table.put(item).expect("is put");
                    let count = table.get_by_index(BY_COLOR, &0_u8).expect("is read").len();
                    assert!(count <= 200, "{count} of 200 records");
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
    assert_eq!(
        table.get_by_index(BY_COLOR, &3_u8).expect("is read").len(),
        200
    );
    assert!(
        table
            .get_by_index(BY_COLOR, &0_u8)
            .expect("is read")
            .is_empty()
    );
    table.close(LONG).expect("closes");
    assert!(persister.items().values().all(|item| item.color == 3));
    assert_eq!(persister.items().len(), 200);
}
