//! When a table in memory begins another generation, and what its persister is given.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use engine::Engine;
use engine::memtable::{
    BadRecord, Batch, FlushError, Index, IndexKeys, KeyspacePersister, Memtable, NoopPersister,
    Options, PersistError, Persister, Record, RecordRef, Retry,
};
use engine::vfs::Memory;

/// A page of a book; it has its bytes on the heap.
struct Page {
    number: u32,
    text: Vec<u8>,
}

impl Record for Page {
    type Key = u32;
    const INDEXES: &'static [Index] = &[];

    fn key(&self) -> u32 {
        self.number
    }

    fn index_keys(&self, _: &mut IndexKeys) {}

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.text);
    }

    fn decode(bytes: &[u8]) -> Result<Self, BadRecord> {
        let (number, text) = bytes.split_first_chunk().ok_or(BadRecord("too short"))?;
        let (number, text) = (u32::from_le_bytes(*number), text.to_vec());
        Ok(Self { number, text })
    }

    fn heap_bytes(&self) -> usize {
        self.text.len()
    }
}

fn page(number: u32, bytes: usize) -> Page {
    let text = vec![7; bytes];
    Page { number, text }
}

/// One part, nobody flushes by itself, and only the thresholds begin a generation.
fn options() -> Options {
    Options {
        threshold_records: usize::MAX,
        threshold_bytes: usize::MAX,
        flush_interval: Duration::MAX,
        is_background: false,
        shards: 1,
        ..Options::default()
    }
}

fn table(options: Options) -> Memtable<Page> {
    Memtable::in_memory(NoopPersister::default(), options).unwrap()
}

#[test]
fn generation_ends_once_its_records_take_the_bytes_of_the_threshold() {
    let threshold_bytes = 64 << 10;
    // Large records, each of which is reported, and small ones, of which several are reported at once.
    for (bytes, at_least, at_most) in [(10_000, 6, 7), (100, 200, 700)] {
        let table = table(Options {
            threshold_bytes,
            ..options()
        });
        let written = (0..1000).find(|number| {
            table.put(page(*number, bytes)).unwrap();
            table.status().immutables > 0
        });
        let written = written.map(|last| last + 1);
        assert!(
            written.is_some_and(|it| (at_least..=at_most).contains(&it)),
            "{written:?} records of {bytes} bytes"
        );
        assert_eq!(table.status().active_bytes, 0);
    }
}

#[test]
fn generation_ends_once_it_has_the_records_of_the_threshold() {
    let table = table(Options {
        threshold_records: 100,
        ..options()
    });
    for number in 0..99 {
        table.put(page(number, 0)).unwrap();
        // What is put again is no further record.
        table.put(page(number, 1)).unwrap();
    }
    assert_eq!(table.status().immutables, 0);
    // A part reports an eighth of the threshold at once.
    for number in 99..112 {
        table.put(page(number, 0)).unwrap();
    }
    assert_eq!(table.status().immutables, 1);
    assert!(table.status().active_records < 12);
}

#[test]
fn generation_ends_with_the_record_that_reaches_the_threshold() {
    // Eight parts of a threshold of eight: each record is reported.
    let table = table(Options {
        threshold_records: 8,
        ..options()
    });
    for number in 1..=24 {
        table.put(page(number, 0)).unwrap();
        assert_eq!(table.status().immutables, number as usize / 8);
        assert_eq!(table.status().active_records, number as usize % 8);
    }
}

/// The records and the removed keys of each batch.
#[derive(Clone, Default)]
struct Batches(Arc<Mutex<Vec<(usize, usize)>>>);

impl Persister<Page> for Batches {
    fn apply(&self, batch: &Batch<Page>) -> Result<(), PersistError> {
        let (records, removed) = (batch.records().len(), batch.removed().len());
        assert_eq!(batch.len(), records + removed);
        assert_eq!(batch.is_empty(), records + removed == 0);
        self.0.lock().unwrap().push((records, removed));
        Ok(())
    }

    fn persist(&self, _: &[RecordRef<Page>]) -> Result<(), PersistError> {
        unreachable!("batches are applied")
    }

    fn remove(&self, _: &[u32]) -> Result<(), PersistError> {
        unreachable!("batches are applied")
    }

    fn get(&self, _: &u32) -> Result<Option<Page>, PersistError> {
        Ok(None)
    }

    fn get_by_index(&self, _: usize, _: &[u8]) -> Result<Vec<Page>, PersistError> {
        Ok(Vec::new())
    }

    fn scan(&self, _: Option<&u32>, _: usize) -> Result<Vec<Page>, PersistError> {
        Ok(Vec::new())
    }
}

#[test]
fn flush_that_fits_a_batch_is_one_and_a_longer_one_is_cut_removals_first() {
    assert!(Batch::<Page>::default().is_empty());
    for (records, removed, expected) in [
        (3, 1, vec![(3, 1)]),
        (3, 2, vec![(0, 2), (3, 0)]),
        (9, 5, vec![(0, 4), (0, 1), (4, 0), (4, 0), (1, 0)]),
    ] {
        let persister = Batches::default();
        let options = Options {
            batch_records: 4,
            ..options()
        };
        let table = Memtable::in_memory(persister.clone(), options).unwrap();
        for number in 0..records {
            table.put(page(number, 0)).unwrap();
        }
        for number in 100..100 + removed {
            table.put(page(number, 0)).unwrap();
            table.delete(&number).unwrap();
        }
        table.flush(Duration::MAX).unwrap();
        assert_eq!(*persister.0.lock().unwrap(), expected);
    }
}

#[test]
fn what_the_persister_has_is_counted_by_records_and_removed_keys() {
    let persister = NoopPersister::default();
    let options = Options {
        batch_records: 4,
        ..options()
    };
    assert!(Persister::<Page>::is_write_only(&persister));
    let table = Memtable::in_memory(persister.clone(), options).unwrap();
    for number in 0..10 {
        table.put(page(number, 10)).unwrap();
    }
    for number in 7..10 {
        table.delete(&number).unwrap();
    }
    table.flush(Duration::MAX).unwrap();
    assert_eq!((persister.persisted(), persister.removed()), (7, 3));
    assert_eq!(table.status().persisted, 10);
    // Nothing changed, so that there is nothing to persist.
    table.flush(Duration::MAX).unwrap();
    assert_eq!(table.status().persisted, 10);
}

#[test]
fn persister_in_a_keyspace_commits_up_to_a_mebibyte_at_once() {
    // A key of five bytes, and a value of four before the text.
    let half = (1 << 19) - 9;
    for (over, commits) in [(0, 1), (1, 2)] {
        let engine = Engine::in_memory();
        let persister = KeyspacePersister::open(&engine, "pages").unwrap();
        let table = Memtable::in_memory(persister, options()).unwrap();
        table.put(page(1, half)).unwrap();
        table.put(page(2, half + over)).unwrap();
        let before = engine.stats().commits;
        table.flush(Duration::MAX).unwrap();
        assert_eq!(engine.stats().commits - before, commits, "{over} over");
        assert_eq!(engine.keyspace("pages").unwrap().len(), 2);
    }
}

#[test]
fn rotation_by_hand_ends_a_generation_while_there_is_room_for_another() {
    let table = table(Options {
        immutables_max: 2,
        ..options()
    });
    assert!(!table.rotate(), "an empty generation stays");
    for number in 0..2 {
        table.put(page(number, 0)).unwrap();
        assert!(table.rotate());
        assert_eq!(table.status().immutables, number as usize + 1);
    }
    table.put(page(2, 0)).unwrap();
    assert!(!table.rotate(), "two wait already");
    assert_eq!(table.status().immutables, 2);
    table.flush(Duration::MAX).unwrap();
    assert_eq!(table.status().immutables, 0);
    assert_eq!(table.status().persisted, 3);
}

/// Whoever has an address of their own.
struct Customer {
    id: u32,
    email: String,
}

impl Record for Customer {
    type Key = u32;
    const INDEXES: &'static [Index] = &[Index::unique("email")];

    fn key(&self) -> u32 {
        self.id
    }

    fn index_keys(&self, keys: &mut IndexKeys) {
        keys.add(0, &self.email);
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.email.as_bytes());
    }

    fn decode(_: &[u8]) -> Result<Self, BadRecord> {
        Err(BadRecord("never read"))
    }
}

/// Takes everything and says that it cannot be read; whoever reads it all the same gets an error.
struct WriteOnly;

impl Persister<Customer> for WriteOnly {
    fn persist(&self, _: &[RecordRef<Customer>]) -> Result<(), PersistError> {
        Ok(())
    }

    fn remove(&self, _: &[u32]) -> Result<(), PersistError> {
        Ok(())
    }

    fn get(&self, _: &u32) -> Result<Option<Customer>, PersistError> {
        Err(PersistError::new("was read by key"))
    }

    fn get_by_index(&self, _: usize, _: &[u8]) -> Result<Vec<Customer>, PersistError> {
        Err(PersistError::new("was read by index"))
    }

    fn scan(&self, _: Option<&u32>, _: usize) -> Result<Vec<Customer>, PersistError> {
        Err(PersistError::new("was scanned"))
    }

    fn is_write_only(&self) -> bool {
        true
    }
}

#[test]
fn write_only_persister_is_never_read() {
    let table = Memtable::in_memory(WriteOnly, options()).unwrap();
    let customer = |id: u32, email: &str| Customer {
        id,
        email: email.to_owned(),
    };
    assert_eq!(
        customer(1, "").heap_bytes(),
        0,
        "what a record says of itself by default"
    );
    for round in 0..2 {
        // In the second round all of it was flushed, and is gone from sight.
        table.insert(customer(1, "ada@example.com")).unwrap();
        table.put(customer(1, "emmy@example.com")).unwrap();
        table.put(customer(2, "ada@example.com")).unwrap();
        assert!(table.insert(customer(3, "ada@example.com")).is_err());
        // Older generations are asked in place of the persister.
        table.rotate();
        assert!(table.insert(customer(3, "ada@example.com")).is_err());
        table.update(customer(2, "grace@example.com")).unwrap();
        table.insert(customer(3, "ada@example.com")).unwrap();
        assert_eq!(table.get(&1).unwrap().unwrap().email, "emmy@example.com");
        assert!(table.get(&4).unwrap().is_none());
        let found = table.get_unique(0, "ada@example.com").unwrap();
        assert_eq!(found.unwrap().id, 3);
        table.delete(&1).unwrap();
        let left = table.scan().map(|record| record.unwrap().id);
        assert_eq!(left.collect::<Vec<_>>(), [2, 3], "round {round}");
        table.flush(Duration::MAX).unwrap();
        assert!(table.get(&2).unwrap().is_none());
    }
}

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

/// Fails, and counts how often it was asked.
#[derive(Clone, Default)]
struct Failing(Arc<AtomicU64>);

impl Persister<Page> for Failing {
    fn persist(&self, _: &[RecordRef<Page>]) -> Result<(), PersistError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Err(PersistError::new("as told"))
    }

    fn remove(&self, _: &[u32]) -> Result<(), PersistError> {
        Ok(())
    }

    fn get(&self, _: &u32) -> Result<Option<Page>, PersistError> {
        Ok(None)
    }

    fn get_by_index(&self, _: usize, _: &[u8]) -> Result<Vec<Page>, PersistError> {
        Ok(Vec::new())
    }

    fn scan(&self, _: Option<&u32>, _: usize) -> Result<Vec<Page>, PersistError> {
        Ok(Vec::new())
    }
}

#[test]
fn failed_round_is_followed_by_its_pause_and_not_by_another_round() {
    let persister = Failing::default();
    let table = Memtable::in_memory(
        persister.clone(),
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
    assert_eq!(persister.0.load(Ordering::SeqCst), 1);
}

/// Holds its first caller until it is opened.
#[derive(Clone, Default)]
struct Held(Arc<(Mutex<(u32, bool)>, Condvar)>);

impl Held {
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

impl Persister<Page> for Held {
    fn persist(&self, _: &[RecordRef<Page>]) -> Result<(), PersistError> {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        state.0 += 1;
        changed.notify_all();
        if state.0 == 1 {
            drop(changed.wait_while(state, |it| !it.1).unwrap());
        }
        Ok(())
    }

    fn remove(&self, _: &[u32]) -> Result<(), PersistError> {
        Ok(())
    }

    fn get(&self, _: &u32) -> Result<Option<Page>, PersistError> {
        Ok(None)
    }

    fn get_by_index(&self, _: usize, _: &[u8]) -> Result<Vec<Page>, PersistError> {
        Ok(Vec::new())
    }

    fn scan(&self, _: Option<&u32>, _: usize) -> Result<Vec<Page>, PersistError> {
        Ok(Vec::new())
    }
}

#[test]
fn flush_beside_a_flush_waits_for_it_and_does_not_ask_the_persister_too() {
    let persister = Held::default();
    let table = Memtable::in_memory(persister.clone(), options()).unwrap();
    table.put(page(1, 0)).unwrap();
    let (second, calls) = std::thread::scope(|scope| {
        let first = scope.spawn(|| table.flush(Duration::MAX));
        persister.wait_for_caller();
        table.put(page(2, 0)).unwrap();
        let second = table.flush(Duration::from_millis(20));
        let calls = persister.calls();
        persister.open();
        first.join().unwrap().unwrap();
        (second, calls)
    });
    assert!(
        matches!(second, Err(FlushError::TimedOut { .. })),
        "{second:?}"
    );
    assert_eq!(calls, 1);
    table.flush(Duration::MAX).unwrap();
    assert_eq!((persister.calls(), table.status().persisted), (2, 2));
}

#[test]
fn flush_ends_no_generation_while_there_is_no_room_for_another() {
    let persister = Held::default();
    let options = Options {
        immutables_max: 1,
        ..options()
    };
    let table = Memtable::in_memory(persister.clone(), options).unwrap();
    table.put(page(1, 0)).unwrap();
    assert!(table.rotate());
    table.put(page(2, 0)).unwrap();
    let waiting = std::thread::scope(|scope| {
        let flush = scope.spawn(|| table.flush(Duration::MAX));
        persister.wait_for_caller();
        let waiting = table.status().immutables;
        persister.open();
        flush.join().unwrap().unwrap();
        waiting
    });
    assert_eq!(waiting, 1);
    assert_eq!((persister.calls(), table.status().persisted), (2, 2));
}
