//! Files of which one directory can be read and nothing else, as for a user without the right to
//! write there. Tests that run as root could not see otherwise what needs that right.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use engine::vfs::{Memory, MemoryFile, MemoryLock, ParkingMonitor, Vfs};

#[derive(Clone)]
pub(crate) struct Protected {
    pub(crate) files: Memory,
    pub(crate) dir: PathBuf,
}

impl Protected {
    fn writable(&self, path: &Path) -> io::Result<()> {
        if path.starts_with(&self.dir) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(())
    }
}

impl Vfs for Protected {
    type File = MemoryFile;
    type Lock = MemoryLock;
    type Monitor<T: Send + 'static> = ParkingMonitor<T>;

    fn create(&self, path: &Path) -> io::Result<MemoryFile> {
        self.writable(path)?;
        self.files.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<MemoryFile> {
        self.writable(path)?;
        self.files.open(path)
    }

    fn open_read(&self, path: &Path) -> io::Result<MemoryFile> {
        self.files.open_read(path)
    }

    fn is_plain(&self, path: &Path) -> io::Result<bool> {
        self.files.is_plain(path)
    }

    fn map(&self, path: &Path) -> io::Result<Bytes> {
        self.files.map(path)
    }

    fn load(&self, path: &Path) -> io::Result<Bytes> {
        self.files.load(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.writable(from)?;
        self.writable(to)?;
        self.files.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.writable(from)?;
        self.writable(to)?;
        self.files.rename_new(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.writable(path)?;
        self.files.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.files.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.writable(dir)?;
        self.files.create_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.files.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<MemoryLock>> {
        self.writable(path)?;
        self.files.lock(path)
    }

    fn is_held(&self, lock: &MemoryLock, path: &Path) -> io::Result<bool> {
        self.files.is_held(lock, path)
    }

    fn now_us(&self) -> u64 {
        self.files.now_us()
    }

    fn random(&self) -> u64 {
        self.files.random()
    }
}
