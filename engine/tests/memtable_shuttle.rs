//! Rotation, flush and back-pressure of a table under a scheduler that tries interleavings.
//!
//! The table is generic over its locks, threads and time, so the very code that ships runs here.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use engine::memtable::{
    BadRecord, Index, IndexKeys, Memtable, Options, PersistError, Persister, Record, RecordRef,
    Retry, Runtime, SharedLock, WriteError,
};
use engine::vfs::Monitor;
use shuttle::sync::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
use shuttle::thread;

const SCHEDULES: usize = 400;

const LONG: Duration = Duration::from_secs(1 << 30);

/// Shuttle's locks and threads, and a clock that every look moves.
#[derive(Clone, Default)]
struct Scheduled(Arc<AtomicU64>);

struct ScheduledLock<T>(RwLock<T>);

struct ScheduledMonitor<T>(Mutex<T>, Condvar);

impl Runtime for Scheduled {
    type Lock<T: Send + Sync + 'static> = ScheduledLock<T>;
    type Monitor<T: Send + 'static> = ScheduledMonitor<T>;

    fn spawn(&self, _: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        thread::spawn(work);
        Ok(())
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.fetch_add(1, Ordering::SeqCst))
    }

    fn pause(&self) {
        thread::yield_now();
    }
}

impl<T: Send + Sync> SharedLock<T> for ScheduledLock<T> {
    type Read<'a>
        = RwLockReadGuard<'a, T>
    where
        Self: 'a;
    type Write<'a>
        = RwLockWriteGuard<'a, T>
    where
        Self: 'a;

    fn new(value: T) -> Self {
        Self(RwLock::new(value))
    }

    fn read(&self) -> Self::Read<'_> {
        self.0.read().unwrap()
    }

    fn try_read(&self) -> Option<Self::Read<'_>> {
        self.0.try_read().ok()
    }

    fn write(&self) -> Self::Write<'_> {
        self.0.write().unwrap()
    }
}

impl<T: Send> Monitor<T> for ScheduledMonitor<T> {
    type Guard<'a>
        = MutexGuard<'a, T>
    where
        Self: 'a;

    fn new(value: T) -> Self {
        Self(Mutex::new(value), Condvar::new())
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }

    fn wait<'a>(&'a self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.1.wait(guard).unwrap()
    }

    // Short waits end while others run. Long ones end only when somebody notifies, so that a lost
    // notification is a deadlock, which shuttle reports.
    fn wait_for<'a>(&'a self, guard: MutexGuard<'a, T>, timeout: Duration) -> MutexGuard<'a, T> {
        if timeout > Duration::from_secs(1 << 20) {
            return self.wait(guard);
        }
        drop(guard);
        thread::yield_now();
        self.lock()
    }

    fn notify_all(&self) {
        self.1.notify_all();
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Row {
    id: u8,
    email: u8,
    color: u8,
}

const BY_EMAIL: usize = 0;
const BY_COLOR: usize = 1;

impl Record for Row {
    type Key = u8;
    const INDEXES: &'static [Index] = &[Index::unique("email"), Index::new("color")];

    fn key(&self) -> u8 {
        self.id
    }

    fn index_keys(&self, keys: &mut IndexKeys) {
        keys.add(BY_EMAIL, &self.email);
        keys.add(BY_COLOR, &self.color);
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.id, self.email, self.color]);
    }

    fn decode(bytes: &[u8]) -> Result<Self, BadRecord> {
        let [id, email, color] = *bytes else {
            return Err(BadRecord("three bytes make one"));
        };
        Ok(Self { id, email, color })
    }
}

/// A map whose calls others come between. Fails as often as told.
#[derive(Clone)]
struct Map(Arc<Mutex<(BTreeMap<u8, Row>, u32)>>);

impl Map {
    fn failing(times: u32) -> Self {
        Self(Arc::new(Mutex::new((BTreeMap::new(), times))))
    }

    fn change(&self, change: impl Fn(&mut BTreeMap<u8, Row>)) -> Result<(), PersistError> {
        thread::yield_now();
        let mut state = self.0.lock().unwrap();
        let fails = state.1 > 0;
        state.1 = state.1.saturating_sub(1);
        // What fails may have been done.
        change(&mut state.0);
        drop(state);
        thread::yield_now();
        if fails {
            return Err(PersistError::new("as told"));
        }
        Ok(())
    }

    fn rows(&self) -> BTreeMap<u8, Row> {
        self.0.lock().unwrap().0.clone()
    }
}

impl Persister<Row> for Map {
    fn persist(&self, rows: &[RecordRef<Row>]) -> Result<(), PersistError> {
        self.change(|map| {
            map.extend(rows.iter().map(|row| (row.id, Row::clone(row))));
        })
    }

    fn remove(&self, keys: &[u8]) -> Result<(), PersistError> {
        self.change(|map| map.retain(|key, _| !keys.contains(key)))
    }

    fn get(&self, key: &u8) -> Result<Option<Row>, PersistError> {
        thread::yield_now();
        Ok(self.rows().remove(key))
    }

    fn get_by_index(&self, index: usize, key: &[u8]) -> Result<Vec<Row>, PersistError> {
        thread::yield_now();
        let of = |row: &Row| {
            if index == BY_EMAIL {
                row.email
            } else {
                row.color
            }
        };
        let rows = self.rows().into_values();
        Ok(rows.filter(|row| [of(row)] == *key).collect())
    }

    fn scan(&self, after: Option<&u8>, limit: usize) -> Result<Vec<Row>, PersistError> {
        thread::yield_now();
        let from = after.map_or(Bound::Unbounded, |key| Bound::Excluded(*key));
        let rows = self.rows();
        let rows = rows.range((from, Bound::Unbounded)).take(limit);
        Ok(rows.map(|(_, row)| row.clone()).collect())
    }
}

type Table = Memtable<Row, Scheduled>;

fn table(map: &Map, threshold_records: usize, immutables_max: usize) -> Table {
    let options = Options {
        threshold_records,
        immutables_max,
        flush_interval: LONG,
        stall_timeout: LONG,
        retry: Retry {
            attempts: 2,
            backoff: Duration::from_millis(1),
            backoff_max: Duration::from_millis(1),
            pause: Duration::from_millis(1),
        },
        shards: 2,
        ..Options::default()
    };
    Memtable::with_runtime(Scheduled::default(), Arc::new(map.clone()), options).unwrap()
}

fn row(id: u8) -> Row {
    Row {
        id,
        email: id,
        color: 0,
    }
}

/// Runs `work` on several threads, each with its number.
fn threads(count: u8, table: &Table, work: fn(&Table, u8)) {
    let threads: Vec<_> = (0..count)
        .map(|number| {
            let table = table.clone();
            thread::spawn(move || work(&table, number))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn what_was_written_is_read_while_generations_rotate_and_are_flushed() {
    shuttle::check_random(
        || {
            let map = Map::failing(2);
            let table = table(&map, 2, 2);
            threads(2, &table, |table, number| {
                for id in [number, number + 10, number + 20] {
                    table.insert(row(id)).unwrap();
                    assert_eq!(table.get(&id).unwrap().unwrap().id, id);
                    let found = table.get_unique(BY_EMAIL, &id).unwrap();
                    assert_eq!(found.unwrap().id, id);
                    let found = table.get_by_index(BY_COLOR, &0_u8).unwrap();
                    assert!(found.iter().any(|row| row.id == id));
                }
                let updated = Row {
                    color: 1,
                    ..row(number)
                };
                table.update(updated).unwrap();
                let found = table.get_by_index(BY_COLOR, &1_u8).unwrap();
                assert!(found.iter().any(|row| row.id == number));
                assert!(table.delete(&(number + 10)).unwrap());
                assert!(table.get(&(number + 10)).unwrap().is_none());
            });
            while table.close(LONG).is_err() {}
            let left: Vec<u8> = map.rows().into_keys().collect();
            assert_eq!(left, [0, 1, 20, 21]);
        },
        SCHEDULES,
    );
}

#[test]
fn a_record_whose_key_never_changes_is_always_found_by_it() {
    shuttle::check_random(
        || {
            let map = Map::failing(0);
            let table = table(&map, 1, 2);
            table.insert(row(1)).unwrap();
            let writer = {
                let table = table.clone();
                thread::spawn(move || {
                    for color in 1..5 {
                        table.put(Row { color, ..row(1) }).unwrap();
                    }
                })
            };
            for _ in 0..4 {
                let found = table.get_unique(BY_EMAIL, &1_u8).unwrap();
                assert!(found.is_some(), "it has had this key all the time");
                // Its colour rises, so a lookup of the first one never finds it again.
                let color = table.get(&1).unwrap().unwrap().color;
                let found = table.get_by_index(BY_COLOR, &0_u8).unwrap();
                assert!(color == 0 || found.is_empty(), "an older record came back");
                assert_eq!(table.scan().map(Result::unwrap).count(), 1);
            }
            writer.join().unwrap();
            table.close(LONG).unwrap();
            assert_eq!(map.rows()[&1].color, 4);
        },
        SCHEDULES,
    );
}

#[test]
fn of_two_writers_one_gets_a_unique_key_wherever_its_last_holder_is() {
    shuttle::check_random(
        || {
            let map = Map::failing(0);
            let table = table(&map, 1, 2);
            table.insert(row(9)).unwrap();
            let won = Arc::new(AtomicU64::new(0));
            let threads: Vec<_> = (0..2_u8)
                .map(|id| {
                    let (table, won) = (table.clone(), Arc::clone(&won));
                    thread::spawn(move || {
                        let row = Row {
                            id,
                            email: 5,
                            color: 0,
                        };
                        match table.insert(row) {
                            Ok(()) => drop(won.fetch_add(1, Ordering::SeqCst)),
                            Err(WriteError::NotUnique { index: "email" }) => {}
                            Err(error) => panic!("{error}"),
                        }
                        // The third record gives its key away, and one of them takes it.
                        let _ = table.delete(&9);
                        let taken = Row {
                            id: id + 2,
                            email: 9,
                            color: 0,
                        };
                        match table.insert(taken) {
                            Ok(()) => drop(won.fetch_add(10, Ordering::SeqCst)),
                            Err(WriteError::NotUnique { index: "email" }) => {}
                            Err(error) => panic!("{error}"),
                        }
                    })
                })
                .collect();
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!(won.load(Ordering::SeqCst), 11);
            table.close(LONG).unwrap();
            for email in [5, 9] {
                let rows = map.rows().into_values();
                assert_eq!(rows.filter(|row| row.email == email).count(), 1);
            }
        },
        SCHEDULES,
    );
}

#[test]
fn changes_of_one_record_at_once_are_all_made() {
    shuttle::check_random(
        || {
            let map = Map::failing(1);
            let table = table(&map, 1, 1);
            table.insert(row(1)).unwrap();
            threads(3, &table, |table, _| {
                for _ in 0..2 {
                    let more = |row: &Row| Row {
                        color: row.color + 1,
                        ..row.clone()
                    };
                    table.update_with(&1, more).unwrap();
                }
            });
            assert_eq!(table.get(&1).unwrap().unwrap().color, 6);
            while table.close(LONG).is_err() {}
            assert_eq!(map.rows()[&1].color, 6);
        },
        SCHEDULES,
    );
}

#[test]
fn writers_that_wait_for_a_flush_are_all_woken() {
    shuttle::check_pct(
        || {
            let map = Map::failing(3);
            let table = table(&map, 1, 1);
            threads(3, &table, |table, number| {
                for id in [number, number + 10] {
                    table.put(row(id)).unwrap();
                }
                if number == 0 {
                    let _ = table.flush(LONG);
                }
            });
            while table.close(LONG).is_err() {}
            assert_eq!(map.rows().len(), 6);
        },
        SCHEDULES,
        3,
    );
}

#[test]
fn a_write_beside_a_close_is_refused_or_persisted() {
    shuttle::check_random(
        || {
            let map = Map::failing(0);
            let table = table(&map, 2, 2);
            let accepted = Arc::new(AtomicU64::new(0));
            let writer = {
                let (table, accepted) = (table.clone(), Arc::clone(&accepted));
                thread::spawn(move || {
                    for id in 0..4 {
                        match table.put(row(id)) {
                            Ok(()) => drop(accepted.fetch_add(1, Ordering::SeqCst)),
                            Err(WriteError::Closed) => return,
                            Err(error) => panic!("{error}"),
                        }
                    }
                })
            };
            table.close(LONG).unwrap();
            writer.join().unwrap();
            assert_eq!(map.rows().len() as u64, accepted.load(Ordering::SeqCst));
        },
        SCHEDULES,
    );
}
