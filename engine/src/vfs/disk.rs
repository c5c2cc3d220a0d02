//! The operating system behind the door.

use std::collections::hash_map::RandomState;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::BuildHasher;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, MutexGuard};

use super::{Monitor, Vfs, VfsFile, mapped};

/// How many zeros are written at once when a file is filled: a page. A file system that keeps a
/// file in pieces as large as its writes looks at the whole piece whenever a commit touches it,
/// which makes a commit of 256 bytes a seventh slower with pieces of a megabyte.
const FILL_BYTES: usize = 4 << 10;

/// The real file system and the real clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

/// A locked file.
///
/// It is unlocked when dropped, and not merely closed: a child process that another thread starts
/// has a copy of every open file until it runs its own program, and a lock lasts as long as any copy
/// does. Whoever closes a log and opens it again would find it in use.
#[derive(Debug)]
pub struct DiskLock(File);

impl Drop for DiskLock {
    fn drop(&mut self) {
        // Where that fails, the lock ends with the last copy.
        let _ = self.0.unlock();
    }
}

impl Vfs for Disk {
    type File = File;
    type Lock = DiskLock;
    type Monitor<T: Send + 'static> = ParkingMonitor<T>;

    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(path)
    }

    fn open_read(&self, path: &Path) -> io::Result<File> {
        File::open(path)
    }

    fn is_plain(&self, path: &Path) -> io::Result<bool> {
        Ok(fs::symlink_metadata(path)?.is_file())
    }

    fn map(&self, path: &Path) -> io::Result<Bytes> {
        mapped::map(&File::open(path)?)
    }

    fn load(&self, path: &Path) -> io::Result<Bytes> {
        mapped::load(&File::open(path)?)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    // The directory is locked, so nobody of ours creates the file between the two calls. A hard
    // link would be one call, and a crash after it leaves one file with two names.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        match fs::symlink_metadata(to) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::rename(from, to),
            Err(error) => Err(error),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            names.extend(entry?.file_name().into_string());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        for step in creation(dir, Path::exists) {
            match step {
                Step::Create(path) => match fs::create_dir(path) {
                    // Somebody else creates it at the same time.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    created => created?,
                },
                Step::Sync(path) => self.sync_dir(path)?,
                Step::SyncIfAllowed(path) => match self.sync_dir(path) {
                    // Who cannot read it did not create anything in it either.
                    Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                    synced => synced?,
                },
            }
        }
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Option<DiskLock>> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(DiskLock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn is_held(&self, lock: &DiskLock, path: &Path) -> io::Result<bool> {
        let held = lock.0.metadata()?;
        match fs::symlink_metadata(path) {
            Ok(found) => Ok((found.dev(), found.ino()) == (held.dev(), held.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn now_us(&self) -> u64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }

    // The keys of a new state are the system's random numbers.
    fn random(&self) -> u64 {
        RandomState::new().hash_one(self.now_us())
    }
}

/// What it takes to create a directory so that it outlives a power loss.
#[derive(Debug, PartialEq, Eq)]
enum Step<'a> {
    Create(&'a Path),
    Sync(&'a Path),
    SyncIfAllowed(&'a Path),
}

/// The steps that create `dir`, from the top down: each name is durable before anything is put
/// below it, so that a kill leaves one name at most that is not. That one is the lowest which is
/// there already, so it is made durable first.
fn creation(dir: &Path, exists: impl Fn(&Path) -> bool) -> Vec<Step<'_>> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !exists(path);
    let mut missing: Vec<&Path> = dir.ancestors().take_while(is_missing).collect();
    let lowest = missing.last().map_or(Some(dir), |top| parent_of(top));
    let mut steps = Vec::new();
    if let Some(path) = lowest.and_then(parent_of) {
        steps.push(Step::SyncIfAllowed(path));
    }
    while let Some(path) = missing.pop() {
        steps.push(Step::Create(path));
        steps.extend(parent_of(path).map(Step::Sync));
    }
    steps
}

/// The directory that a name is in.
fn parent_of(path: &Path) -> Option<&Path> {
    match path.parent() {
        Some(parent) if parent == Path::new("") => Some(Path::new(".")),
        parent => parent,
    }
}

impl VfsFile for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    // Zeros are written rather than reserved: an extent that is merely allocated has to be
    // converted at its first write, which puts file system metadata into every commit.
    fn fill(&self, start: u64, end: u64) -> io::Result<()> {
        let zeros = vec![0; FILL_BYTES];
        let mut at = start;
        while at < end {
            let rest = usize::try_from(end - at)
                .unwrap_or(FILL_BYTES)
                .min(FILL_BYTES);
            self.write_all_at(&zeros[..rest], at)?;
            at += rest as u64;
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

/// The monitor of real threads.
#[derive(Debug, Default)]
pub struct ParkingMonitor<T> {
    value: Mutex<T>,
    changed: Condvar,
}

impl<T: Send> Monitor<T> for ParkingMonitor<T> {
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
        self.value.lock()
    }

    fn wait<'a>(&'a self, mut guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.changed.wait(&mut guard);
        guard
    }

    fn wait_for<'a>(
        &'a self,
        mut guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> MutexGuard<'a, T> {
        self.changed.wait_for(&mut guard, timeout);
        guard
    }

    fn notify_all(&self) {
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_lock_is_free_although_a_child_process_has_a_copy_of_its_file() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("LOCK");
        let held = Disk.lock(&path).expect("it can be locked");
        let held = held.expect("nobody else has it");
        // What a child has from its fork until it runs its own program.
        let copy = held.0.try_clone().expect("it is open");
        assert!(Disk.lock(&path).expect("it can be asked").is_none());
        drop(held);
        assert!(Disk.lock(&path).expect("it can be asked").is_some());
        drop(copy);
    }

    fn steps<'a>(dir: &'a str, there: &[&str]) -> Vec<Step<'a>> {
        creation(Path::new(dir), |path| {
            there.iter().any(|name| path == Path::new(name))
        })
    }

    #[test]
    fn name_that_was_there_is_made_durable_before_anything_below_it() {
        let sync = |path| Step::Sync(Path::new(path));
        let before = |path| Step::SyncIfAllowed(Path::new(path));
        let create = |path| Step::Create(Path::new(path));
        assert_eq!(steps("/a/log", &["/a/log", "/a", "/"]), [before("/a")]);
        assert_eq!(
            steps("/a/b/log", &["/a", "/"]),
            [
                before("/"),
                create("/a/b"),
                sync("/a"),
                create("/a/b/log"),
                sync("/a/b")
            ]
        );
        assert_eq!(steps("log", &["log"]), [before(".")]);
        assert_eq!(steps("log", &[]), [before("."), create("log"), sync(".")]);
    }
}
