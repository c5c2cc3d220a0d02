//! A store that outlives its process: a snapshot, and the log from there on.
//!
//! ```text
//! checkpoint   records durable → snapshot durable → log truncated below the older snapshot
//! open         newest good snapshot → log above it → records of the log from its LSN on
//! ```
//!
//! A checkpoint works on a frozen view of the store: writers go on while it is written and synced.
//! A snapshot is used only with the log, and the epoch of the log, that it was taken of.

use std::io;
use std::path::{Path, PathBuf};

use super::store::{Frozen, RebuildError, Store};
use crate::snapshot::{
    self, BadSnapshot, Loaded, Meta, Newest, PAIRS, Pairs, SaveError, write_pairs,
};
use crate::vfs::{IoError, Vfs, VfsFile};
use crate::wal::{
    Fit, Floor, Lsn, Mode, OpenError, Options, Poisoned, Policy, ReadError, Recovered, WaitError,
    Wal, set_file_aside,
};

/// A checkpoint was not completed. What was durable before still is.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The LSN is not one that the log has given out.
    #[error("record {lsn} was never given out; the log is at record {accepted}")]
    Beyond {
        /// What was asked for.
        lsn: Lsn,
        /// Where the log is.
        accepted: Lsn,
    },
    /// The records that the snapshot covers could not be made durable.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// The log could not be read, or begins after the LSN.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log's directory is not where it was.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The snapshot could not be saved.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// The log could not be truncated; the snapshot is good.
    #[error(transparent)]
    Truncate(#[from] Poisoned),
}

/// A store could not be recovered. Nothing was set aside.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The directory could not be read.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The log could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log could not be replayed.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    /// A snapshot is intact and says something it must not.
    #[error("the snapshot's checksum holds, but {0}")]
    Malformed(#[from] BadSnapshot),
    /// The log ends before the snapshot: records that were durable are gone.
    #[error(
        "the log ends at record {end}, before the snapshot at record {snapshot}; restore its \
         segments from a copy, or open it with the policy PointInTime"
    )]
    LogTooShort {
        /// Where the log ends.
        end: Lsn,
        /// Where the snapshot was taken.
        snapshot: Lsn,
    },
    /// The snapshot is of another log.
    #[error(
        "`{}` is a snapshot of another log; move it away, or restore the log that it goes with",
        path.display()
    )]
    AnotherLog {
        /// The snapshot.
        path: PathBuf,
    },
    /// No snapshot can be believed, and the log no longer reaches back to the beginning.
    #[error("the log begins at record {first}, and no snapshot covers the ones before it")]
    NoSnapshot {
        /// Where the log begins.
        first: Lsn,
    },
}

/// What recovery found.
#[derive(Debug, Default)]
pub struct Recovery {
    /// The store.
    pub store: Store,
    /// The snapshot that it began with.
    pub snapshot: Option<Meta>,
    /// Newer snapshots that could not be believed.
    pub passed_over: Vec<(PathBuf, BadSnapshot)>,
    /// Newer snapshots that are good and not of this log's history, and why. They were renamed to
    /// the names given here.
    pub set_aside: Vec<(PathBuf, Fit)>,
}

/// Writes the snapshot of `view`, which is the state after all records below `meta.lsn`, and says
/// how long it is.
///
/// # Errors
/// What the system says.
pub fn write_snapshot<F: VfsFile>(file: &F, view: &Frozen, meta: &Meta) -> io::Result<u64> {
    write_pairs(file, meta, view.len(), view.iter())
}

/// Saves `view`, which is the state after all records below `lsn`, and lets go of what the log
/// no longer needs. The store that was frozen can be written all the while:
///
/// ```
/// # use engine::kv::{Change, Store, checkpoint};
/// # use engine::vfs::Memory;
/// # use engine::wal::{Options, Wal};
/// # use std::path::Path;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (vfs, dir) = (Memory::default(), Path::new("db"));
/// # let (wal, _) = Wal::open(vfs.clone(), dir, Options { segment_bytes: 4096, ..Options::default() })?;
/// # let mut store = Store::default();
/// # wal.append(Change::put(&mut Vec::new(), b"tea", b"sencha"))?;
/// # store.put(b"tea", b"sencha");
/// let (view, lsn) = (store.freeze()?, wal.watermarks().accepted);
/// std::thread::scope(|scope| {
///     let saved = scope.spawn(|| checkpoint(&vfs, dir, &wal, &view, lsn));
///     store.put(b"tea", b"gyokuro");
///     saved.join().unwrap()
/// })?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`CheckpointError`], by step.
pub fn checkpoint<V: Vfs>(
    vfs: &V,
    dir: &Path,
    wal: &Wal<V>,
    view: &Frozen,
    lsn: Lsn,
) -> Result<(), CheckpointError> {
    let accepted = wal.watermarks().accepted;
    if lsn > accepted {
        return Err(CheckpointError::Beyond { lsn, accepted });
    }
    wal.wait_durable(lsn)?;
    wal.check_place()?;
    let meta = Meta {
        taken_us: vfs.now_us(),
        lsn,
        changes: lsn.0,
        origin: wal.origin(lsn)?,
    };
    let is_ours = |other: &Meta| matches!(wal.fit(other.lsn, &other.origin), Ok(Fit::Held));
    let write = |file: &V::File| write_snapshot(file, view, &meta);
    let oldest = snapshot::save_among(vfs, dir, lsn, is_ours, write)?;
    wal.truncate_below(oldest)?;
    Ok(())
}

/// Opens the log in `dir` above the newest good snapshot there, and builds the store from both.
/// Damage in the log below that snapshot costs nothing, and is reported.
///
/// ```
/// # use engine::kv;
/// # use engine::vfs::Memory;
/// # use engine::wal::Options;
/// # use std::path::Path;
/// # fn main() -> Result<(), kv::RecoverError> {
/// # let (vfs, dir, options) = (Memory::default(), Path::new("db"), Options { segment_bytes: 4096, ..Options::default() });
/// let (wal, recovered, recovery) = kv::open(vfs, dir, options)?;
/// assert!(recovered.set_aside.is_empty() && recovery.set_aside.is_empty());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`RecoverError`] where the log cannot be opened, or the two do not fit together.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the log keeps a clone, as `Wal::open` keeps what it is given"
)]
pub fn open<V: Vfs>(
    vfs: V,
    dir: &Path,
    options: Options,
) -> Result<(Wal<V>, Recovered, Recovery), RecoverError> {
    let floor = || {
        snapshot::remove_drafts(&vfs, dir)?;
        let Newest { loaded, .. } = snapshot::load_newest(&vfs, dir)?;
        Ok(loaded.map(|Loaded { meta, .. }| Floor {
            lsn: meta.lsn,
            origin: meta.origin,
        }))
    };
    let (wal, recovered) = Wal::open_above(vfs.clone(), dir, options, floor)?;
    let recovery = recover(&vfs, dir, &wal)?;
    Ok((wal, recovered, recovery))
}

/// Builds the store from the newest good snapshot that goes with the log, and the log.
///
/// A newer snapshot from before a rewind is set aside. So is one beyond the log's end, or of another
/// log, where the log was opened with [`Policy::PointInTime`].
///
/// # Errors
/// [`RecoverError`] where the directory cannot be read, or the two do not fit together.
pub fn recover<V: Vfs>(vfs: &V, dir: &Path, wal: &Wal<V>) -> Result<Recovery, RecoverError> {
    if wal.mode() == Mode::InMemory {
        return Ok(Recovery::default());
    }
    let mut recovery = Recovery::default();
    let mut unfit = Vec::new();
    let mut store = None;
    for (lsn, path) in snapshot::snapshots(vfs, dir)?.into_iter().rev() {
        let loaded = match snapshot::load(vfs, &path, lsn)? {
            Ok(loaded) => loaded,
            Err(bad) => {
                recovery.passed_over.push((path, bad));
                continue;
            }
        };
        match wal.fit(lsn, &loaded.meta.origin)? {
            Fit::Held => {
                let payload = loaded.section(PAIRS);
                let payload = payload.ok_or(BadSnapshot::NoSection(PAIRS))?;
                store = Some(Store::restore(&Pairs::load(payload)?));
                recovery.snapshot = Some(loaded.meta);
                break;
            }
            Fit::Truncated => {}
            fit => {
                refuse(wal, lsn, &path, fit)?;
                unfit.push((path, fit));
            }
        }
    }
    let first = wal.first_lsn();
    let from = recovery.snapshot.map_or(Lsn(0), |meta| meta.lsn);
    if from < first {
        return Err(RecoverError::NoSnapshot { first });
    }
    let entries = wal.entries_from(from).map_err(RebuildError::from)?;
    recovery.store = match store {
        None => Store::rebuild(entries)?,
        Some(mut store) => {
            store.replay(entries)?;
            store
        }
    };
    for (path, fit) in unfit {
        recovery
            .set_aside
            .push((set_file_aside(vfs, dir, &path)?, fit));
    }
    Ok(recovery)
}

/// An error where a snapshot that does not go with the log proves that records are gone.
fn refuse<V: Vfs>(wal: &Wal<V>, lsn: Lsn, path: &Path, fit: Fit) -> Result<(), RecoverError> {
    let is_lenient = wal.policy() == Policy::PointInTime;
    match fit {
        Fit::TooShort if !is_lenient => Err(RecoverError::LogTooShort {
            end: wal.watermarks().accepted,
            snapshot: lsn,
        }),
        Fit::AnotherLog if !is_lenient => Err(RecoverError::AnotherLog {
            path: path.to_owned(),
        }),
        _ => Ok(()),
    }
}
