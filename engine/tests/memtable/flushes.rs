//! Flushes that fail, wait for each other, or find no room.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use engine::Engine;
use engine::memtable::{
    Batch, FlushError, KeyspacePersister, Memtable, Options, PersistError, Retry,
};
use engine::vfs::Memory;

use super::{Given, Page, options, page};

#[test]
fn record_longer_than_a_segment_fails_its_flush_and_nothing_else() {
    let engine_options = engine::Options {
        background: false,
        log: engine::wal::Options {
            segment_bytes: 4096,
            ..engine::wal::Options::default()
        },
        ..engine::Options::default()
    };
    let (engine, _) = Engine::open_with(Memory::default(), "db", engine_options).unwrap();
    let persister = KeyspacePersister::open(&engine, "pages").unwrap();
    let options = Options {
        retry: Retry {
            attempts: 1,
            ..Retry::default()
        },
        ..options()
    };
    let table = Memtable::in_memory(persister, options).unwrap();
    table.put(page(1, 5000)).unwrap();
    table.put(page(2, 10)).unwrap();
    let failed = table.flush(Duration::MAX);
    assert!(
        matches!(failed, Err(FlushError::Failed { .. })),
        "{failed:?}"
    );
    // It stays readable, and so is what is written after it.
    assert_eq!(table.get(&1).unwrap().unwrap().text.len(), 5000);
    table.put(page(1, 20)).unwrap();
    table.delete(&2).unwrap();
    assert_eq!(table.get(&1).unwrap().unwrap().text.len(), 20);
}

#[test]
fn failed_round_is_followed_by_its_pause_and_not_by_another_round() {
    let asked = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&asked);
    let table = Memtable::in_memory(
        Given(move |_: &Batch<Page>| {
            counter.fetch_add(1, Ordering::SeqCst);
            Err(PersistError::new("as told"))
        }),
        Options {
            is_background: true,
            retry: Retry {
                attempts: 1,
                pause: Duration::from_hours(1),
                ..Retry::default()
            },
            ..options()
        },
    );
    let table = table.unwrap();
    table.put(page(0, 0)).unwrap();
    assert!(table.rotate());
    while table.status().rounds_failed == 0 {
        std::thread::yield_now();
    }
    // The thread has all this work's time to ask again.
    for number in 1..3000 {
        table.put(page(number, 100)).unwrap();
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

/// Holds its first caller until it is opened.
#[derive(Clone, Default)]
struct Held(Arc<(Mutex<(u32, bool)>, Condvar)>);

impl Held {
    fn hold(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        state.0 += 1;
        changed.notify_all();
        if state.0 == 1 {
            drop(changed.wait_while(state, |it| !it.1).unwrap());
        }
    }

    fn persister(&self) -> Given<impl Fn(&Batch<Page>) -> Result<(), PersistError> + use<>> {
        let held = self.clone();
        Given(move |_: &Batch<Page>| {
            held.hold();
            Ok(())
        })
    }

    fn wait_for_caller(&self) {
        let (state, changed) = &*self.0;
        let guard = changed.wait_while(state.lock().unwrap(), |it| it.0 == 0);
        drop(guard.unwrap());
    }

    fn calls(&self) -> u32 {
        self.0.0.lock().unwrap().0
    }

    fn open(&self) {
        self.0.0.lock().unwrap().1 = true;
        self.0.1.notify_all();
    }
}

#[test]
fn flush_beside_a_flush_waits_for_it_and_does_not_ask_the_persister_too() {
    let held = Held::default();
    let table = Memtable::in_memory(held.persister(), options()).unwrap();
    table.put(page(1, 0)).unwrap();
    let (second, calls) = std::thread::scope(|scope| {
        let first = scope.spawn(|| table.flush(Duration::MAX));
        held.wait_for_caller();
        table.put(page(2, 0)).unwrap();
        let second = table.flush(Duration::from_millis(20));
        let calls = held.calls();
        held.open();
        first.join().unwrap().unwrap();
        (second, calls)
    });
    assert!(
        matches!(second, Err(FlushError::TimedOut { .. })),
        "{second:?}"
    );
    assert_eq!(calls, 1);
    table.flush(Duration::MAX).unwrap();
    assert_eq!((held.calls(), table.status().persisted), (2, 2));
}

#[test]
fn flush_ends_no_generation_while_there_is_no_room_for_another() {
    let held = Held::default();
    let options = Options {
        immutables_max: 1,
        ..options()
    };
    let table = Memtable::in_memory(held.persister(), options).unwrap();
    table.put(page(1, 0)).unwrap();
    assert!(table.rotate());
    table.put(page(2, 0)).unwrap();
    let waiting = std::thread::scope(|scope| {
        let flush = scope.spawn(|| table.flush(Duration::MAX));
        held.wait_for_caller();
        let waiting = table.status().immutables;
        held.open();
        flush.join().unwrap().unwrap();
        waiting
    });
    assert_eq!(waiting, 1);
    assert_eq!((held.calls(), table.status().persisted), (2, 2));
}
