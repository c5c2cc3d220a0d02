//! A simulated disk whose callers are scheduled by shuttle. Whoever includes this file brings the
//! names of `engine::vfs` into scope, which are others inside of the crate.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use shuttle::sync::{Condvar, Mutex, MutexGuard};
use shuttle::thread;

use super::{Monitor, Sim, SimFile, SimLock, Vfs, VfsFile};

/// How often the others are scheduled before a timeout passes.
const PATIENCE: usize = 20;

/// A simulated disk whose callers are scheduled by shuttle.
#[derive(Clone, Default)]
pub(crate) struct Scheduled(pub(crate) Sim);

pub(crate) struct ScheduledFile(SimFile, Sim);

pub(crate) struct ScheduledMonitor<T> {
    value: Mutex<T>,
    changed: Condvar,
}

impl<T: Send> Monitor<T> for ScheduledMonitor<T> {
    type Guard<'a>
        = MutexGuard<'a, T>
    where
        Self: 'a;

    fn new(value: T) -> Self {
        Self {
            value: Mutex::new(value),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap()
    }

    fn wait<'a>(&'a self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.changed.wait(guard).unwrap()
    }

    // Time passes while others run. It may pass too soon for them.
    fn wait_for<'a>(&'a self, guard: MutexGuard<'a, T>, _: Duration) -> MutexGuard<'a, T> {
        drop(guard);
        for _ in 0..PATIENCE {
            thread::yield_now();
        }
        self.lock()
    }

    fn notify_all(&self) {
        self.changed.notify_all();
    }
}

impl Vfs for Scheduled {
    type File = ScheduledFile;
    type Lock = SimLock;
    type Monitor<T: Send + 'static> = ScheduledMonitor<T>;

    fn create(&self, path: &Path) -> io::Result<ScheduledFile> {
        Ok(ScheduledFile(self.0.create(path)?, self.0.clone()))
    }

    fn open(&self, path: &Path) -> io::Result<ScheduledFile> {
        Ok(ScheduledFile(self.0.open(path)?, self.0.clone()))
    }

    fn open_read(&self, path: &Path) -> io::Result<ScheduledFile> {
        self.0
            .open_read(path)
            .map(|file| ScheduledFile(file, self.0.clone()))
    }

    fn is_plain(&self, path: &Path) -> io::Result<bool> {
        self.0.is_plain(path)
    }

    fn map(&self, path: &Path) -> io::Result<Bytes> {
        self.0.map(path)
    }

    fn load(&self, path: &Path) -> io::Result<Bytes> {
        self.0.load(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename_new(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.0.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.create_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        thread::yield_now();
        self.0.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<SimLock>> {
        self.0.lock(path)
    }

    fn is_held(&self, lock: &SimLock, path: &Path) -> io::Result<bool> {
        self.0.is_held(lock, path)
    }

    fn now_us(&self) -> u64 {
        self.0.now_us()
    }

    fn yield_now(&self) {
        thread::yield_now();
    }

    fn random(&self) -> u64 {
        self.0.random()
    }
}

impl VfsFile for ScheduledFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        thread::yield_now();
        self.0.write_at(bytes, offset)
    }

    fn fill(&self, start: u64, end: u64) -> io::Result<()> {
        self.0.fill(start, end)
    }

    fn sync_data(&self) -> io::Result<()> {
        thread::yield_now();
        // A sync takes time, so that leaders wait for those whom it releases: asleep, or yielding
        // where the disk is fast, which one is whose clock began with an odd number.
        let is_fast = self.1.now_us() % 2 == 1;
        self.1.advance(if is_fast { 60 } else { 1000 });
        self.0.sync_data()
    }

    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }
}
