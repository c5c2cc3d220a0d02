//! A disk that loses, tears, lies and fails, by seed.
//!
//! ```text
//! write ─► live bytes ──────────────────────────► what the running system reads
//!      └─► unsynced operations ── sync ─► durable bytes
//!                     └── crash: each 512-byte sector, each length and each name is kept or
//!                         lost for itself
//! ```
//!
//! Invariants:
//!
//! 1. [`Sim::crash`] gives an independent disk on which everything synced is present, and of
//!    everything else an arbitrary subset, chosen by the seed. Names and data are durable apart.
//! 2. A failed sync may mark the bytes clean: they are then read back until the power goes, and
//!    never reach the disk, however often a sync succeeds afterwards.
//! 3. The same calls with the same plan give the same results. Time stands still unless told.

mod volatile;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use self::volatile::{Inode, Luck, NameChange};
use super::{ParkingMonitor, Vfs, VfsFile};
use crate::random::SplitMix64;

/// A simulated disk and the system on top of it. Clones are handles to the same one.
#[derive(Debug, Clone, Default)]
pub struct Sim {
    world: Arc<Mutex<World>>,
}

/// What goes wrong, and at which call. Calls are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Plan {
    /// Nothing.
    #[default]
    Fair,
    /// The call does not happen, nor does any after it.
    CrashAt(u64),
    /// The call fails; the ones after it do not.
    FailAt(u64, Failure),
}

/// How a call fails. Calls that are neither a write nor a sync fail without an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Without an effect; what a failed sync should have made durable stays unsynced.
    Refused,
    /// A write writes half of its bytes (the disk is full); a sync marks the bytes clean and
    /// loses them.
    Partial,
    /// The calling thread panics.
    Panic,
}

/// How many calls of each kind there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Calls {
    /// All of them.
    pub all: u64,
    /// Writes to a file.
    pub writes: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Syncs of a file.
    pub syncs: u64,
    /// Syncs of a directory.
    pub dir_syncs: u64,
}

#[derive(Debug, Default)]
struct World {
    files: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    unsynced_names: Vec<NameChange>,
    locks: BTreeSet<PathBuf>,
    plan: Plan,
    crashed: bool,
    calls: Calls,
    now_us: u64,
    /// How many random numbers were given out.
    given: u64,
}

/// The call's outcome according to the plan.
enum Fate {
    Happens,
    Fails(Failure),
}

impl World {
    fn call(&mut self) -> io::Result<Fate> {
        if self.crashed {
            return Err(io::Error::other("the system has crashed"));
        }
        self.calls.all += 1;
        match self.plan {
            Plan::CrashAt(call) if call == self.calls.all => {
                self.crashed = true;
                Err(io::Error::other("the system has crashed"))
            }
            Plan::FailAt(call, Failure::Panic) if call == self.calls.all => panic!("as planned"),
            Plan::FailAt(call, failure) if call == self.calls.all => Ok(Fate::Fails(failure)),
            _ => Ok(Fate::Happens),
        }
    }

    /// For calls that have no effect when they fail.
    fn simple_call(&mut self) -> io::Result<()> {
        match self.call()? {
            Fate::Happens => Ok(()),
            Fate::Fails(_) => Err(io::Error::other("injected failure")),
        }
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let inode = self.inode(from)?;
        let change = NameChange::Rename(from.to_owned(), to.to_owned(), inode);
        change.apply(&mut self.names);
        self.unsynced_names.push(change);
        Ok(())
    }

    fn inode(&self, path: &Path) -> io::Result<usize> {
        self.names
            .get(path)
            .copied()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Sim {
    /// Decides what goes wrong from here on, and starts to count calls again.
    pub fn plan(&self, plan: Plan) {
        let mut world = self.world.lock();
        world.plan = plan;
        world.calls = Calls::default();
    }

    /// The calls since the last [`plan`](Self::plan).
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.world.lock().calls
    }

    /// Whether a planned crash has happened.
    #[must_use]
    pub fn has_crashed(&self) -> bool {
        self.world.lock().crashed
    }

    /// Lets time pass.
    pub fn advance(&self, us: u64) {
        self.world.lock().now_us += us;
    }

    /// Sets the clock, forward or back.
    pub fn set_now_us(&self, now_us: u64) {
        self.world.lock().now_us = now_us;
    }

    /// The disk after the power went: a fair system that has just started. This one goes on
    /// undisturbed, so that one run serves many seeds.
    #[must_use]
    pub fn crash(&self, seed: u64) -> Self {
        let world = self.world.lock();
        let mut luck = Luck::new(seed);
        let mut names = world.durable_names.clone();
        for change in &world.unsynced_names {
            if luck.keeps() {
                change.apply(&mut names);
            }
        }
        let files = world.files.iter().map(|file| {
            let durable = file.after_crash(&mut luck);
            Inode {
                live: durable.clone(),
                durable,
                unsynced: Vec::new(),
            }
        });
        let after = World {
            files: files.collect(),
            durable_names: names.clone(),
            names,
            now_us: world.now_us,
            // Another one than what the running system will give out next.
            given: world.given.wrapping_add(seed << 32),
            ..World::default()
        };
        Self {
            world: Arc::new(Mutex::new(after)),
        }
    }

    /// Changes a file behind everybody's back, on the disk and in memory.
    ///
    /// # Panics
    /// Where there is no such file.
    pub fn damage(&self, path: &Path, damage: impl Fn(&mut Vec<u8>)) {
        let mut world = self.world.lock();
        let inode = world
            .inode(path)
            .unwrap_or_else(|_| panic!("no file {}", path.display()));
        damage(&mut world.files[inode].live);
        damage(&mut world.files[inode].durable);
    }

    /// The bytes that the running system sees.
    #[must_use]
    pub fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let world = self.world.lock();
        let inode = world.inode(path).ok()?;
        Some(world.files[inode].live.clone())
    }
}

impl Vfs for Sim {
    type File = SimFile;
    type Lock = SimLock;
    type Monitor<T: Send + 'static> = ParkingMonitor<T>;

    fn create(&self, path: &Path) -> io::Result<SimFile> {
        let mut world = self.world.lock();
        world.simple_call()?;
        let inode = world.files.len();
        world.files.push(Inode::default());
        world.names.insert(path.to_owned(), inode);
        world
            .unsynced_names
            .push(NameChange::Set(path.to_owned(), inode));
        Ok(SimFile {
            world: Arc::clone(&self.world),
            inode,
        })
    }

    fn open(&self, path: &Path) -> io::Result<SimFile> {
        let mut world = self.world.lock();
        world.simple_call()?;
        let inode = world.inode(path)?;
        Ok(SimFile {
            world: Arc::clone(&self.world),
            inode,
        })
    }

    fn open_read(&self, path: &Path) -> io::Result<SimFile> {
        self.open(path)
    }

    fn is_plain(&self, _path: &Path) -> io::Result<bool> {
        Ok(true)
    }

    fn map(&self, path: &Path) -> io::Result<Bytes> {
        let mut world = self.world.lock();
        world.simple_call()?;
        let inode = world.inode(path)?;
        Ok(Bytes::copy_from_slice(&world.files[inode].live))
    }

    fn load(&self, path: &Path) -> io::Result<Bytes> {
        self.map(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world.lock();
        world.simple_call()?;
        world.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world.lock();
        world.simple_call()?;
        if world.names.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        world.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world.lock();
        world.simple_call()?;
        world.inode(path)?;
        world.names.remove(path);
        world
            .unsynced_names
            .push(NameChange::Unset(path.to_owned()));
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut world = self.world.lock();
        world.simple_call()?;
        let inside = world.names.keys().filter(|path| path.parent() == Some(dir));
        let names = inside.filter_map(|path| path.file_name()?.to_str());
        Ok(names.map(str::to_owned).collect())
    }

    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        self.world.lock().simple_call()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut world = self.world.lock();
        world.calls.dir_syncs += 1;
        world.simple_call()?;
        let (synced, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut world.unsynced_names)
            .into_iter()
            .partition(|name| name.is_in(dir));
        world.unsynced_names = rest;
        for change in synced {
            change.apply(&mut world.durable_names);
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<SimLock>> {
        let mut world = self.world.lock();
        world.simple_call()?;
        let free = world.locks.insert(path.to_owned());
        Ok(free.then(|| SimLock {
            world: Arc::clone(&self.world),
            path: path.to_owned(),
        }))
    }

    fn is_held(&self, lock: &SimLock, path: &Path) -> io::Result<bool> {
        Ok(lock.path == path)
    }

    fn now_us(&self) -> u64 {
        self.world.lock().now_us
    }

    fn random(&self) -> u64 {
        let given = &mut self.world.lock().given;
        *given += 1;
        SplitMix64::new(*given - 1).next_u64()
    }
}

/// An open file of [`Sim`].
#[derive(Debug, Clone)]
pub struct SimFile {
    world: Arc<Mutex<World>>,
    inode: usize,
}

impl VfsFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut world = self.world.lock();
        world.simple_call()?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = world.files[self.inode]
            .live
            .get(start..)
            .unwrap_or_default();
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut world = self.world.lock();
        world.calls.writes += 1;
        world.calls.bytes += bytes.len() as u64;
        let fate = world.call()?;
        let file = &mut world.files[self.inode];
        match fate {
            Fate::Happens => {
                file.write(offset, bytes);
                Ok(())
            }
            Fate::Fails(Failure::Refused | Failure::Panic) => {
                Err(io::Error::other("injected failure"))
            }
            Fate::Fails(Failure::Partial) => {
                file.write(offset, &bytes[..bytes.len() / 2]);
                Err(io::ErrorKind::StorageFull.into())
            }
        }
    }

    fn fill(&self, start: u64, end: u64) -> io::Result<()> {
        let len = usize::try_from(end.saturating_sub(start)).unwrap_or_default();
        self.write_at(&vec![0; len], start)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut world = self.world.lock();
        world.calls.syncs += 1;
        let fate = world.call()?;
        let file = &mut world.files[self.inode];
        match fate {
            Fate::Happens => {
                file.sync();
                Ok(())
            }
            Fate::Fails(failure) => {
                if failure == Failure::Partial {
                    file.unsynced.clear();
                }
                Err(io::Error::other("injected failure"))
            }
        }
    }

    fn size(&self) -> io::Result<u64> {
        let mut world = self.world.lock();
        world.simple_call()?;
        Ok(world.files[self.inode].live.len() as u64)
    }
}

/// A held lock of [`Sim`]; it ends with the process, however that ends.
#[derive(Debug)]
pub struct SimLock {
    world: Arc<Mutex<World>>,
    path: PathBuf,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.world.lock().locks.remove(&self.path);
    }
}

#[cfg(test)]
mod tests;
