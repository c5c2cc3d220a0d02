//! A door to the outside with another clock: the engine's values expire by the store's.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::kv::clock::Clock;
use crate::vfs::Vfs;

/// Everything as `V` does it, at the time of a [`Clock`].
#[derive(Debug, Clone)]
pub(super) struct Clocked<V> {
    pub(super) vfs: V,
    pub(super) clock: Arc<dyn Clock>,
}

impl<V: Vfs> Vfs for Clocked<V> {
    type File = V::File;
    type Lock = V::Lock;
    type Monitor<T: Send + 'static> = V::Monitor<T>;

    fn create(&self, path: &Path) -> io::Result<Self::File> {
        self.vfs.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<Self::File> {
        self.vfs.open(path)
    }

    fn open_read(&self, path: &Path) -> io::Result<Self::File> {
        self.vfs.open_read(path)
    }

    fn is_plain(&self, path: &Path) -> io::Result<bool> {
        self.vfs.is_plain(path)
    }

    fn map(&self, path: &Path) -> io::Result<Bytes> {
        self.vfs.map(path)
    }

    fn load(&self, path: &Path) -> io::Result<Bytes> {
        self.vfs.load(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.vfs.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.vfs.rename_new(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.vfs.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.vfs.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.vfs.create_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.vfs.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Self::Lock>> {
        self.vfs.lock(path)
    }

    fn is_held(&self, lock: &Self::Lock, path: &Path) -> io::Result<bool> {
        self.vfs.is_held(lock, path)
    }

    fn now_us(&self) -> u64 {
        self.clock.now_ms().saturating_mul(1000)
    }

    fn random(&self) -> u64 {
        self.vfs.random()
    }
}
