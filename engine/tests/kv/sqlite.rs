//! The store in SQLite: the suite, and databases that are locked, read-only, full, foreign or broken.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use engine::kv::conformance::{self, Backend};
use engine::kv::sqlite::{SqliteOptions, SqliteStore, Synchronous};
use engine::kv::{Batch, Clock, Expect, KeyValueStore, KvError, Outcome};
use rusqlite::Connection;
use tempfile::TempDir;

/// Long enough for 16 threads of a loaded machine to take turns.
const PATIENT: Duration = Duration::from_mins(10);

fn on(clock: Arc<dyn Clock>, synchronous: Synchronous) -> SqliteOptions {
    SqliteOptions {
        clock,
        synchronous,
        busy: PATIENT,
        ..SqliteOptions::default()
    }
}

/// Databases in files of one directory.
struct Files {
    dir: TempDir,
    synchronous: Synchronous,
    opened: AtomicU64,
}

impl Files {
    fn new(synchronous: Synchronous) -> Self {
        Self {
            dir: TempDir::new().unwrap(),
            synchronous,
            opened: AtomicU64::new(0),
        }
    }

    fn path(&self) -> PathBuf {
        let number = self.opened.load(Ordering::Relaxed);
        self.dir.path().join(format!("{number}.db"))
    }
}

impl Backend for Files {
    fn name(&self) -> String {
        format!("sqlite {:?}", self.synchronous)
    }

    fn empty(&self, clock: Arc<dyn Clock>) -> Box<dyn KeyValueStore> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let options = on(clock, self.synchronous);
        Box::new(SqliteStore::open(&self.path(), options).unwrap())
    }

    fn reopen(
        &self,
        store: Box<dyn KeyValueStore>,
        clock: Arc<dyn Clock>,
    ) -> Option<Box<dyn KeyValueStore>> {
        store.close().unwrap();
        let options = on(clock, self.synchronous);
        Some(Box::new(SqliteStore::open(&self.path(), options).unwrap()))
    }

    fn slowness(&self) -> usize {
        10
    }
}

struct InMemory;

impl Backend for InMemory {
    fn name(&self) -> String {
        "sqlite in memory".to_owned()
    }

    fn empty(&self, clock: Arc<dyn Clock>) -> Box<dyn KeyValueStore> {
        Box::new(SqliteStore::in_memory(on(clock, Synchronous::Normal)).unwrap())
    }

    fn slowness(&self) -> usize {
        4
    }
}

#[test]
fn sqlite_with_normal_syncs_keeps_every_promise() {
    conformance::check(&Files::new(Synchronous::Normal));
}

#[test]
fn sqlite_with_full_syncs_keeps_every_promise() {
    conformance::check(&Files::new(Synchronous::Full));
}

#[test]
fn sqlite_in_memory_keeps_every_promise() {
    conformance::check(&InMemory);
}

fn quick() -> SqliteOptions {
    SqliteOptions {
        busy: Duration::from_millis(50),
        ..SqliteOptions::default()
    }
}

fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, quick()).unwrap()
}

fn in_dir() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("store.db");
    (dir, path)
}

#[test]
fn locked_database_is_busy_for_writers_and_open_for_readers() {
    let (_dir, path) = in_dir();
    let store = open(&path);
    store.put(b"key", b"value").unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let busy = |error: KvError| {
        assert!(matches!(error, KvError::Busy { .. }), "{error}");
        assert!(error.is_transient());
    };
    busy(store.put(b"key", b"another").unwrap_err());
    busy(store.delete(b"key").unwrap_err());
    busy(store.clear().unwrap_err());
    busy(store.write(&Batch::default().delete(b"key")).unwrap_err());
    assert_eq!(store.get(b"key").unwrap().unwrap(), "value");
    assert_eq!(store.list(b"", None, 9).unwrap().entries.len(), 1);
    other.execute_batch("ROLLBACK").unwrap();
    store.put(b"key", b"another").unwrap();
}

#[test]
fn database_that_is_locked_altogether_is_busy_when_opened() {
    let (_dir, path) = in_dir();
    open(&path).close().unwrap();
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
        .unwrap();
    let error = SqliteStore::open(&path, quick()).unwrap_err();
    assert!(matches!(error, KvError::Busy { .. }), "{error}");
}

#[test]
fn database_opened_for_reading_refuses_writes_and_reads() {
    let (_dir, path) = in_dir();
    let writer = open(&path);
    writer.put(b"key", b"value").unwrap();
    let options = SqliteOptions {
        read_only: true,
        ..quick()
    };
    let store = SqliteStore::open(&path, options).unwrap();
    let read_only = |error| assert!(matches!(error, KvError::ReadOnly { .. }), "{error}");
    read_only(store.put(b"key", b"another").unwrap_err());
    read_only(store.clear().unwrap_err());
    assert_eq!(store.get(b"key").unwrap().unwrap(), "value");
    writer.put(b"key", b"newer").unwrap();
    assert_eq!(store.get(b"key").unwrap().unwrap(), "newer");
    store.close().unwrap();
}

#[test]
fn absent_database_cannot_be_opened_for_reading() {
    let (_dir, path) = in_dir();
    let options = SqliteOptions {
        read_only: true,
        ..quick()
    };
    let error = SqliteStore::open(&path, options).unwrap_err();
    assert!(matches!(error, KvError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("store.db"), "{error}");
    assert!(!path.exists());
}

#[test]
fn directory_and_path_to_nowhere_are_refused() {
    let dir = TempDir::new().unwrap();
    for path in [dir.path().to_owned(), dir.path().join("absent/store.db")] {
        let error = SqliteStore::open(&path, quick()).unwrap_err();
        assert!(matches!(error, KvError::Refused { .. }), "{error}");
    }
    let error = SqliteStore::open(Path::new(""), quick()).unwrap_err();
    assert!(matches!(error, KvError::NotAStore { .. }), "{error}");
}

#[test]
fn full_database_refuses_a_batch_whole_and_goes_on() {
    let (_dir, path) = in_dir();
    let options = SqliteOptions {
        bytes_max: Some(200 << 10),
        ..quick()
    };
    let store = SqliteStore::open(&path, options).unwrap();
    store.put(b"first", b"value").unwrap();
    let batch = Batch::default()
        .delete(b"first")
        .put(b"small", b"value")
        .put(b"large", &vec![1; 1 << 20]);
    let error = store.write(&batch).unwrap_err();
    assert!(matches!(error, KvError::Full { .. }), "{error}");
    assert_eq!(store.stats().unwrap().keys, 1, "no half batch");
    // Small ones until no more fit; deleting makes room again.
    let mut number = 0_u32;
    let error = loop {
        match store.put(&number.to_be_bytes(), &[0; 4000]) {
            Ok(_) => number += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, KvError::Full { .. }), "{error}");
    assert!(number > 10);
    assert_eq!(u64::from(number) + 1, store.stats().unwrap().keys);
    store.clear().unwrap();
    store.put(b"again", &[0; 4000]).unwrap();
}

#[test]
fn file_that_is_no_database_is_not_touched() {
    let (_dir, path) = in_dir();
    let text = "This is a letter, and longer than the header of a database. ".repeat(40);
    std::fs::write(&path, &text).unwrap();
    let error = SqliteStore::open(&path, quick()).unwrap_err();
    assert!(matches!(error, KvError::NotAStore { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn database_of_another_program_is_not_touched() {
    let (_dir, path) = in_dir();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE kv (a, b)").unwrap();
    drop(other);
    let before = std::fs::read(&path).unwrap();
    let error = SqliteStore::open(&path, quick()).unwrap_err();
    assert!(matches!(error, KvError::NotAStore { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn tables_of_a_newer_version_are_refused() {
    let (_dir, path) = in_dir();
    open(&path).close().unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("PRAGMA user_version = 2").unwrap();
    let error = SqliteStore::open(&path, quick()).unwrap_err();
    assert!(error.to_string().contains("version 2"), "{error}");
}

#[test]
fn damaged_pages_are_reported_as_corrupt() {
    let (_dir, path) = in_dir();
    let store = open(&path);
    for number in 0..200_u8 {
        store.put(&[b'k', number], &[number; 500]).unwrap();
    }
    store.close().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let error = match SqliteStore::open(&path, quick()) {
        Ok(store) => store.get(&[b'k', 5]).unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(error, KvError::Corrupt { .. }), "{error}");
}

#[test]
fn table_that_somebody_dropped_is_reported() {
    let (_dir, path) = in_dir();
    let store = open(&path);
    let other = Connection::open(&path).unwrap();
    other.execute_batch("DROP TABLE kv").unwrap();
    let error = store.get(b"key").unwrap_err();
    assert!(matches!(error, KvError::Corrupt { .. }), "{error}");
    let error = store.put(b"key", b"value").unwrap_err();
    assert!(matches!(error, KvError::Corrupt { .. }), "{error}");
}

#[test]
fn two_handles_see_each_other_and_swap_safely() {
    let (_dir, path) = in_dir();
    let options = || SqliteOptions {
        busy: PATIENT,
        ..SqliteOptions::default()
    };
    let stores = [(); 2].map(|()| SqliteStore::open(&path, options()).unwrap());
    stores[0].put(b"counter", b"0").unwrap();
    std::thread::scope(|scope| {
        for store in &stores {
            scope.spawn(|| {
                let mut done = 0;
                while done < 50 {
                    let entry = store.entry(b"counter").unwrap().unwrap();
                    let text = std::str::from_utf8(&entry.value).unwrap();
                    let next = (text.parse::<u32>().unwrap() + 1).to_string();
                    let expect = Expect::Version(entry.version);
                    let outcome = store.compare_and_swap(b"counter", expect, next.as_bytes());
                    done += u32::from(matches!(outcome.unwrap(), Outcome::Applied { .. }));
                }
            });
        }
    });
    assert_eq!(stores[1].get(b"counter").unwrap().unwrap(), "100");
}

#[test]
fn new_database_can_be_opened_by_many_at_once() {
    for _ in 0..30 {
        let (_dir, path) = in_dir();
        std::thread::scope(|scope| {
            for number in 0..8_u8 {
                let path = &path;
                scope.spawn(move || {
                    let options = SqliteOptions {
                        busy: PATIENT,
                        ..SqliteOptions::default()
                    };
                    let store = SqliteStore::open(path, options).unwrap();
                    store.put(&[number + 1], b"value").unwrap();
                });
            }
        });
        assert_eq!(open(&path).stats().unwrap().keys, 8);
    }
}
