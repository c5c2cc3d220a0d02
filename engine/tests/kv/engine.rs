//! The store in a keyspace of the engine: the suite in its three modes, crashes and bad directories.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use engine::kv::conformance::{self, Backend};
use engine::kv::engine::{EngineOptions, EngineStore};
use engine::kv::{Batch, Clock, KeyValueStore, KvError, SystemClock};
use engine::vfs::{Memory, Vfs};
use engine::wal::Mode;
use engine::{Engine, Options};
use tempfile::TempDir;

const BUFFERED: Mode = Mode::Buffered {
    interval: Duration::from_millis(100),
    max_bytes: 1 << 20,
};

fn options(mode: Mode, clock: Arc<dyn Clock>) -> EngineOptions {
    let mut engine = Options::in_mode(mode);
    engine.log.segment_bytes = 32 << 20;
    EngineOptions {
        engine,
        clock,
        ..EngineOptions::default()
    }
}

/// Engines in directories of one.
struct Directories {
    dir: TempDir,
    mode: Mode,
    opened: AtomicU64,
}

impl Directories {
    fn new(mode: Mode) -> Self {
        Self {
            dir: TempDir::new().unwrap(),
            mode,
            opened: AtomicU64::new(0),
        }
    }

    fn path(&self) -> PathBuf {
        let number = self.opened.load(Ordering::Relaxed);
        self.dir.path().join(number.to_string())
    }

    fn open(&self, clock: Arc<dyn Clock>) -> Box<dyn KeyValueStore> {
        let options = options(self.mode, clock);
        Box::new(EngineStore::open(&self.path(), options).unwrap())
    }
}

impl Backend for Directories {
    fn name(&self) -> String {
        format!("engine {:?}", self.mode)
    }

    fn empty(&self, clock: Arc<dyn Clock>) -> Box<dyn KeyValueStore> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.open(clock)
    }

    fn reopen(
        &self,
        store: Box<dyn KeyValueStore>,
        clock: Arc<dyn Clock>,
    ) -> Option<Box<dyn KeyValueStore>> {
        store.close().unwrap();
        drop(store);
        (self.mode != Mode::InMemory).then(|| self.open(clock))
    }

    fn slowness(&self) -> usize {
        if self.mode == Mode::Strict { 10 } else { 1 }
    }
}

#[test]
fn engine_in_memory_keeps_every_promise() {
    conformance::check(&Directories::new(Mode::InMemory));
}

#[test]
fn buffered_engine_keeps_every_promise() {
    conformance::check(&Directories::new(BUFFERED));
}

#[test]
fn strict_engine_keeps_every_promise() {
    conformance::check(&Directories::new(Mode::Strict));
}

fn open(path: &Path) -> Result<EngineStore, KvError> {
    EngineStore::open(path, options(Mode::Strict, Arc::new(SystemClock)))
}

#[test]
fn strict_put_is_there_after_a_crash() {
    let vfs = Memory::default();
    let open = |vfs: &Memory| {
        let clock = Arc::new(SystemClock);
        EngineStore::open_with(vfs.clone(), Path::new("db"), options(Mode::Strict, clock)).unwrap()
    };
    let store = open(&vfs);
    let version = store.put(b"key", b"value").unwrap();
    let batch = Batch::default()
        .put(b"a", b"1")
        .delete(b"key")
        .put(b"b", b"2");
    store.write(&batch).unwrap();
    // Dropped without `close`, as a crash would.
    drop(store);
    let store = open(&vfs);
    assert!(!store.exists(b"key").unwrap());
    assert_eq!(store.get(b"b").unwrap().unwrap(), "2");
    assert!(store.entry(b"a").unwrap().unwrap().version > version);
}

#[test]
fn directory_that_is_open_is_busy() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert!(matches!(error, KvError::Busy { .. }), "{error}");
    assert!(error.is_transient(), "the other one closes some time");
    store.close().unwrap();
    drop(store);
    open(dir.path()).unwrap();
}

#[test]
fn path_of_a_file_is_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, "text").unwrap();
    let error = open(&path).unwrap_err();
    assert!(matches!(error, KvError::Refused { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"text");
}

#[test]
fn damaged_log_is_corrupt() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).unwrap();
    for number in 0..100_u8 {
        store.put(&[b'k', number], &[number; 200]).unwrap();
    }
    store.close().unwrap();
    drop(store);
    let is_log = |path: &PathBuf| path.extension().is_some_and(|it| it == "wal");
    let files = std::fs::read_dir(dir.path()).unwrap();
    // The records are in the first segment; a directory lists its files in any order.
    let path = files.map(|it| it.unwrap().path()).filter(is_log).min();
    let path = path.unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[2000] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert!(matches!(error, KvError::Corrupt { .. }), "{error}");
    assert!(!error.is_transient(), "waiting repairs nothing");
}

#[test]
fn store_of_many_segments_is_read_back() {
    let vfs = Memory::default();
    let open = || {
        let mut options = options(Mode::Strict, Arc::new(SystemClock));
        options.engine.log.segment_bytes = 1 << 16;
        EngineStore::open_with(vfs.clone(), Path::new("db"), options).unwrap()
    };
    let store = open();
    for number in 0..500_u16 {
        store.put(&number.to_be_bytes(), &[7; 1000]).unwrap();
    }
    store.close().unwrap();
    drop(store);
    let names = vfs.list(Path::new("db")).unwrap();
    let is_segment = |name: &&String| Path::new(name).extension().is_some_and(|it| it == "wal");
    let segments = names.iter().filter(is_segment);
    assert!(segments.count() > 5, "{names:?}");
    let store = open();
    assert_eq!(store.stats().unwrap().keys, 500);
    assert_eq!(store.get(&[1, 243]).unwrap().unwrap(), [7; 1000][..]);
}

#[test]
fn keyspaces_of_one_engine_are_stores_of_their_own() {
    let engine = Engine::in_memory();
    let one = EngineStore::of(&engine, "one").unwrap();
    let two = EngineStore::of(&engine, "two").unwrap();
    one.put(b"key", b"1").unwrap();
    two.put(b"key", b"2").unwrap();
    one.clear().unwrap();
    assert_eq!(two.get(b"key").unwrap().unwrap(), "2");
    one.close().unwrap();
    two.put(b"key", b"3").unwrap();
    let error = EngineStore::of(&engine, "").unwrap_err();
    assert!(matches!(error, KvError::NotAStore { .. }), "{error}");
}

#[test]
fn read_value_stays_though_it_is_overwritten() {
    let store = EngineStore::of(&Engine::in_memory(), "kv").unwrap();
    let large = vec![7; 1 << 20];
    store.put(b"key", &large).unwrap();
    let held = store.get(b"key").unwrap().unwrap();
    store.put(b"key", b"other").unwrap();
    store.close().unwrap();
    drop(store);
    assert!(held == large);
}
