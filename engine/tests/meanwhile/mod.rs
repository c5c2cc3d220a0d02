//! A disk that does something else before every call about a snapshot.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use engine::vfs::{Vfs, VfsFile};
use parking_lot::Mutex;

type Work = Box<dyn FnMut() + Send>;

/// Passes every call on to `inner`.
#[derive(Clone)]
pub(crate) struct Meanwhile<V> {
    inner: V,
    work: Arc<Mutex<Option<Work>>>,
}

/// An open file, and whether it is a snapshot.
pub(crate) struct MeanwhileFile<V: Vfs> {
    file: V::File,
    vfs: Meanwhile<V>,
    watched: bool,
}

impl<V> fmt::Debug for Meanwhile<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meanwhile").finish_non_exhaustive()
    }
}

impl<V: Vfs> Meanwhile<V> {
    pub(crate) fn new(inner: V) -> Self {
        Self {
            inner,
            work: Arc::default(),
        }
    }

    /// Does `work` before every call about a snapshot.
    pub(crate) fn meanwhile(&self, work: impl FnMut() + Send + 'static) {
        *self.work.lock() = Some(Box::new(work));
    }

    /// Does nothing else any more.
    pub(crate) fn rest(&self) {
        *self.work.lock() = None;
    }

    fn watch(&self, watched: bool) {
        // Taken out meanwhile, so that what is done does not call for itself.
        let work = if watched {
            self.work.lock().take()
        } else {
            None
        };
        if let Some(mut work) = work {
            work();
            *self.work.lock() = Some(work);
        }
    }

    fn watch_path(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let watched = name.contains(".snap");
        self.watch(watched);
        watched
    }
}

impl<V: Vfs> Vfs for Meanwhile<V> {
    type File = MeanwhileFile<V>;
    type Lock = V::Lock;
    type Monitor<T: Send + 'static> = V::Monitor<T>;

    fn create(&self, path: &Path) -> io::Result<Self::File> {
        let watched = self.watch_path(path);
        Ok(MeanwhileFile {
            file: self.inner.create(path)?,
            vfs: self.clone(),
            watched,
        })
    }

    fn open(&self, path: &Path) -> io::Result<Self::File> {
        let watched = self.watch_path(path);
        Ok(MeanwhileFile {
            file: self.inner.open(path)?,
            vfs: self.clone(),
            watched,
        })
    }

    fn open_read(&self, path: &Path) -> io::Result<Self::File> {
        let watched = self.watch_path(path);
        Ok(MeanwhileFile {
            file: self.inner.open_read(path)?,
            vfs: self.clone(),
            watched,
        })
    }

    fn is_plain(&self, path: &Path) -> io::Result<bool> {
        self.inner.is_plain(path)
    }

    fn map(&self, path: &Path) -> io::Result<Bytes> {
        self.inner.map(path)
    }

    fn load(&self, path: &Path) -> io::Result<Bytes> {
        self.inner.load(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.watch_path(from);
        self.inner.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.watch_path(from);
        self.inner.rename_new(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.watch_path(path);
        self.inner.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.create_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Self::Lock>> {
        self.inner.lock(path)
    }

    fn is_held(&self, lock: &Self::Lock, path: &Path) -> io::Result<bool> {
        self.inner.is_held(lock, path)
    }

    fn now_us(&self) -> u64 {
        self.inner.now_us()
    }

    fn random(&self) -> u64 {
        self.inner.random()
    }
}

impl<V: Vfs> VfsFile for MeanwhileFile<V> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.vfs.watch(self.watched);
        self.file.write_at(bytes, offset)
    }

    fn fill(&self, start: u64, end: u64) -> io::Result<()> {
        self.file.fill(start, end)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.vfs.watch(self.watched);
        self.file.sync_data()
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }
}
