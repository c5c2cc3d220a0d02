//! Files in memory: no system call, no path, no clock, so that a count taken over them is the
//! same on every machine.
//!
//! Every clone sees the same files. Nothing here can fail or be lost; syncs are free.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::{ParkingMonitor, Vfs, VfsFile};
use crate::random::SplitMix64;

/// A file system in memory. Its clock stands still at zero.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    tree: Arc<Mutex<Tree>>,
}

#[derive(Debug, Default)]
struct Tree {
    files: BTreeMap<PathBuf, MemoryFile>,
    locks: Vec<PathBuf>,
    /// How many random numbers were given out.
    given: u64,
}

/// An open file of [`Memory`].
#[derive(Debug, Clone, Default)]
pub struct MemoryFile {
    content: Arc<Mutex<Content>>,
}

/// Bytes that are written, or bytes that are shared with mappings.
#[derive(Debug)]
enum Content {
    Written(Vec<u8>),
    Mapped(Bytes),
}

impl Default for Content {
    fn default() -> Self {
        Self::Written(Vec::new())
    }
}

impl Content {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Written(bytes) => bytes,
            Self::Mapped(bytes) => bytes,
        }
    }

    /// The bytes, shared from now on: a later write copies them first.
    fn map(&mut self) -> Bytes {
        let bytes = match std::mem::take(self) {
            Self::Written(bytes) => Bytes::from(bytes),
            Self::Mapped(bytes) => bytes,
        };
        *self = Self::Mapped(bytes.clone());
        bytes
    }

    fn written(&mut self) -> &mut Vec<u8> {
        if let Self::Mapped(bytes) = self {
            *self = Self::Written(bytes.to_vec());
        }
        match self {
            Self::Written(bytes) => bytes,
            Self::Mapped(_) => unreachable!("was just copied"),
        }
    }
}

impl Memory {
    /// The content of `path`, for a test that wants to damage it.
    #[must_use]
    pub fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let file = self.tree.lock().files.get(path)?.clone();
        let bytes = file.content.lock().bytes().to_vec();
        Some(bytes)
    }

    /// Replaces or creates `path`, leaving mappings of its old content as they are.
    pub fn write(&self, path: &Path, bytes: Vec<u8>) {
        let content = Arc::new(Mutex::new(Content::Written(bytes)));
        self.tree
            .lock()
            .files
            .insert(path.to_owned(), MemoryFile { content });
    }

    fn file(&self, path: &Path) -> io::Result<MemoryFile> {
        self.tree
            .lock()
            .files
            .get(path)
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Vfs for Memory {
    type File = MemoryFile;
    type Lock = MemoryLock;
    type Monitor<T: Send + 'static> = ParkingMonitor<T>;

    fn create(&self, path: &Path) -> io::Result<MemoryFile> {
        let file = MemoryFile::default();
        self.tree.lock().files.insert(path.to_owned(), file.clone());
        Ok(file)
    }

    fn open(&self, path: &Path) -> io::Result<MemoryFile> {
        self.file(path)
    }

    fn open_read(&self, path: &Path) -> io::Result<MemoryFile> {
        self.open(path)
    }

    fn is_plain(&self, _path: &Path) -> io::Result<bool> {
        Ok(true)
    }

    fn map(&self, path: &Path) -> io::Result<Bytes> {
        let file = self.file(path)?;
        let bytes = file.content.lock().map();
        Ok(bytes)
    }

    fn load(&self, path: &Path) -> io::Result<Bytes> {
        self.map(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut tree = self.tree.lock();
        let file = tree.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        tree.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut tree = self.tree.lock();
        if tree.files.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = tree.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        tree.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.tree
            .lock()
            .files
            .remove(path)
            .ok_or(io::ErrorKind::NotFound)?;
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let tree = self.tree.lock();
        let inside = tree.files.keys().filter(|path| path.parent() == Some(dir));
        let names = inside.filter_map(|path| path.file_name()?.to_str());
        Ok(names.map(str::to_owned).collect())
    }

    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<MemoryLock>> {
        let mut tree = self.tree.lock();
        if tree.locks.iter().any(|locked| locked == path) {
            return Ok(None);
        }
        tree.locks.push(path.to_owned());
        Ok(Some(MemoryLock {
            tree: Arc::clone(&self.tree),
            path: path.to_owned(),
        }))
    }

    fn is_held(&self, lock: &MemoryLock, path: &Path) -> io::Result<bool> {
        Ok(lock.path == path)
    }

    fn now_us(&self) -> u64 {
        0
    }

    fn random(&self) -> u64 {
        let given = &mut self.tree.lock().given;
        *given += 1;
        SplitMix64::new(*given - 1).next_u64()
    }
}

/// A held lock of [`Memory`].
#[derive(Debug)]
pub struct MemoryLock {
    tree: Arc<Mutex<Tree>>,
    path: PathBuf,
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.tree.lock().locks.retain(|locked| *locked != self.path);
    }
}

impl VfsFile for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let content = self.content.lock();
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = content.bytes().get(start..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut content = self.content.lock();
        let written = content.written();
        let end = start + bytes.len();
        if written.len() < end {
            written.resize(end, 0);
        }
        written[start..end].copy_from_slice(bytes);
        Ok(())
    }

    fn fill(&self, start: u64, end: u64) -> io::Result<()> {
        let position = |at| usize::try_from(at).map_err(|_| io::ErrorKind::FileTooLarge);
        let (start, end) = (position(start)?, position(end)?);
        let mut content = self.content.lock();
        let written = content.written();
        written.truncate(start);
        written.resize(end, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.content.lock().bytes().len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_keeps_its_bytes_when_the_file_is_written_again() {
        let vfs = Memory::default();
        let file = vfs.create(Path::new("a")).unwrap();
        file.write_at(b"before", 0).unwrap();
        let mapping = vfs.map(Path::new("a")).unwrap();
        file.write_at(b"after!", 0).unwrap();
        assert_eq!(mapping, "before");
        assert_eq!(vfs.read(Path::new("a")).unwrap(), b"after!");
    }

    #[test]
    fn a_lock_is_free_again_once_dropped() {
        let vfs = Memory::default();
        let held = vfs.lock(Path::new("LOCK")).unwrap();
        assert!(held.is_some());
        assert!(vfs.lock(Path::new("LOCK")).unwrap().is_none());
        drop(held);
        assert!(vfs.lock(Path::new("LOCK")).unwrap().is_some());
    }

    #[test]
    fn only_the_files_of_the_directory_are_listed() {
        let vfs = Memory::default();
        for path in ["d/b", "d/a", "e/c", "d/x/y"] {
            vfs.create(Path::new(path)).unwrap();
        }
        assert_eq!(vfs.list(Path::new("d")).unwrap(), ["a", "b"]);
    }
}
