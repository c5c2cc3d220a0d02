//! The only door to the outside: files, directories, locks, time, and waiting for a thread.
//!
//! ```text
//! wal, snapshot ──► Vfs ──┬── Disk      the operating system
//!                         ├── Memory    files in memory, the same at every path and hour
//!                         └── Sim       a disk that loses, tears, lies and fails, by seed
//! ```
//!
//! Invariants:
//!
//! 1. Nothing outside this module names `std::fs`, a clock, or a lock.
//! 2. File data and directory entries become durable apart: [`VfsFile::sync_data`] promises bytes
//!    and length, [`Vfs::sync_dir`] promises names. Neither promises the other.
//! 3. A mapped file is never written or shortened again by whoever mapped it. The log maps only
//!    segments that are sealed, and reuses a file only when no mapping of it is left.
//!
//! Everything above is generic over [`Vfs`], so a door costs no indirect call on a hot path.

mod disk;
mod mapped;
mod memory;
mod sim;

use std::io;
use std::ops::DerefMut;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;

pub use self::disk::{Disk, DiskLock, ParkingMonitor};
pub use self::memory::{Memory, MemoryFile, MemoryLock};
pub use self::sim::{Calls, Failure, Plan, Sim, SimFile, SimLock};

/// Files, directories, locks, time and waiting.
pub trait Vfs: Clone + Send + Sync + 'static {
    /// An open file.
    type File: VfsFile;
    /// Held while a directory is locked; dropping it unlocks.
    type Lock: Send + Sync + 'static;
    /// A mutex with one condition to wait for.
    type Monitor<T: Send + 'static>: Monitor<T>;

    /// Creates `path` for reading and writing, emptying a file that is there already.
    ///
    /// # Errors
    /// What the system says.
    fn create(&self, path: &Path) -> io::Result<Self::File>;

    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// What the system says.
    fn open(&self, path: &Path) -> io::Result<Self::File>;

    /// Opens an existing file for reading; needs no right to write it.
    ///
    /// # Errors
    /// What the system says.
    fn open_read(&self, path: &Path) -> io::Result<Self::File>;

    /// Whether `path` is a file of its own: no link, and no directory.
    ///
    /// # Errors
    /// What the system says.
    fn is_plain(&self, path: &Path) -> io::Result<bool>;

    /// Maps a whole file. The file must not change as long as the bytes live.
    ///
    /// # Errors
    /// What the system says.
    fn map(&self, path: &Path) -> io::Result<Bytes>;

    /// Maps a whole file whose bytes will all be used. Where the medium cannot deliver them, that is
    /// an error here, and no signal later. The file must not change as long as the bytes live.
    ///
    /// # Errors
    /// What the system says.
    fn load(&self, path: &Path) -> io::Result<Bytes>;

    /// Renames a file, replacing one that has the new name.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Renames a file to a name that nobody has.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::AlreadyExists`] where there is such a file.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file's name. Mappings and open files stay valid.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// The names in `dir`, sorted: of files, and of whatever else is there.
    ///
    /// # Errors
    /// What the system says.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Creates `dir` and its missing parents, and makes their names durable. A name that was there
    /// already is made durable too: whoever created it may have been killed before that.
    ///
    /// # Errors
    /// What the system says.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes the names in `dir` durable.
    ///
    /// # Errors
    /// What the system says. The names are then in an unknown state.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Locks `path`, or answers `None` where somebody else holds it.
    ///
    /// # Errors
    /// What the system says.
    fn lock(&self, path: &Path) -> io::Result<Option<Self::Lock>>;

    /// Whether `path` still is the file that `lock` holds. It is not where its directory was
    /// renamed, or replaced by another.
    ///
    /// # Errors
    /// What the system says.
    fn is_held(&self, lock: &Self::Lock, path: &Path) -> io::Result<bool>;

    /// Microseconds since the Unix epoch.
    fn now_us(&self) -> u64;

    /// Lets other threads run that could.
    fn yield_now(&self) {
        std::thread::yield_now();
    }

    /// A number that nobody can guess, and that is unlike every other; in memory and in simulation
    /// the same from run to run.
    fn random(&self) -> u64;
}

/// An open file, read and written by position.
pub trait VfsFile: Send + Sync + 'static {
    /// Reads up to `buffer.len()` bytes at `offset`; 0 at the end of the file.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// What the system says; a part may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Writes zeros from `start` to `end`, so that later writes there allocate nothing.
    ///
    /// # Errors
    /// What the system says; a part may have been written.
    fn fill(&self, start: u64, end: u64) -> io::Result<()>;

    /// Makes the file's bytes and length durable.
    ///
    /// # Errors
    /// What the system says. The bytes are then in an unknown state, and trying again proves
    /// nothing: the kernel may have marked them clean.
    fn sync_data(&self) -> io::Result<()>;

    /// The file's length in bytes.
    ///
    /// # Errors
    /// What the system says.
    fn size(&self) -> io::Result<u64>;
}

/// A mutex with one condition, as an interface so that a model checker can stand in.
pub trait Monitor<T>: Send + Sync {
    /// Proof that the value is locked.
    type Guard<'a>: DerefMut<Target = T>
    where
        Self: 'a;

    /// Wraps `value`.
    fn new(value: T) -> Self;

    /// Locks the value.
    fn lock(&self) -> Self::Guard<'_>;

    /// Unlocks, waits for a [`notify_all`](Self::notify_all), and locks again.
    fn wait<'a>(&'a self, guard: Self::Guard<'a>) -> Self::Guard<'a>;

    /// Like [`wait`](Self::wait), but no longer than `timeout`.
    fn wait_for<'a>(&'a self, guard: Self::Guard<'a>, timeout: Duration) -> Self::Guard<'a>;

    /// Wakes every waiter.
    fn notify_all(&self);
}

/// A call through the door that failed: what was tried, and where.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot {doing} `{}`", path.display())]
pub struct IoError {
    /// What was tried, as a verb: `sync`.
    pub doing: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// What the system said; shared, because every waiter of a failed sync is told.
    #[source]
    pub source: std::sync::Arc<io::Error>,
}

/// Gives a failed call the words of [`IoError`].
pub(crate) trait Doing<T> {
    /// Says what was tried, and where.
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, IoError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, IoError> {
        self.map_err(|source| IoError {
            doing,
            path: path.to_owned(),
            source: std::sync::Arc::new(source),
        })
    }
}
