//! A store that outlives its process: a snapshot, and the log from there on.
//!
//! ```text
//! checkpoint   records durable → snapshot durable → log truncated below the older snapshot
//! recover      newest good snapshot → records of the log from its LSN on
//! ```
//!
//! A checkpoint works on a frozen view of the store: writers go on while it is written and synced.

use std::io;
use std::path::{Path, PathBuf};

use super::store::{Frozen, RebuildError, Store};
use crate::snapshot::{self, BadSnapshot, Meta, Newest, PAIRS, Pairs, SaveError, write_pairs};
use crate::vfs::{IoError, Vfs, VfsFile};
use crate::wal::{Lsn, Poisoned, WaitError, Wal};

/// A checkpoint was not completed. What was durable before still is.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The records that the snapshot covers could not be made durable.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// The snapshot could not be saved.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// The log could not be truncated; the snapshot is good.
    #[error(transparent)]
    Truncate(#[from] Poisoned),
}

/// A store could not be recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The directory could not be read.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The log could not be replayed.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    /// A snapshot is intact and says something it must not.
    #[error("the snapshot's checksum holds, but {0}")]
    Malformed(#[from] BadSnapshot),
    /// The log ends before the snapshot: records that were durable are gone.
    #[error("the log ends at record {end}, before the snapshot at record {snapshot}")]
    LogTooShort {
        /// Where the log ends.
        end: Lsn,
        /// Where the snapshot was taken.
        snapshot: Lsn,
    },
    /// No snapshot can be believed, and the log no longer reaches back to the beginning.
    #[error("the log begins at record {first}, and no snapshot covers the ones before it")]
    NoSnapshot {
        /// Where the log begins.
        first: Lsn,
    },
}

/// What recovery found.
#[derive(Debug)]
pub struct Recovery {
    /// The store.
    pub store: Store,
    /// The snapshot that it began with.
    pub snapshot: Option<Meta>,
    /// Newer snapshots that could not be believed.
    pub passed_over: Vec<(PathBuf, BadSnapshot)>,
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
    wal.wait_durable(lsn)?;
    let meta = Meta {
        taken_us: vfs.now_us(),
        lsn,
        changes: lsn.0,
    };
    let oldest = snapshot::save(vfs, dir, lsn, |file| write_snapshot(file, view, &meta))?;
    wal.truncate_below(oldest)?;
    Ok(())
}

/// Builds the store from the newest good snapshot and the log.
///
/// # Errors
/// [`RecoverError`] where the directory cannot be read, or the two do not fit together.
pub fn recover<V: Vfs>(vfs: &V, dir: &Path, wal: &Wal<V>) -> Result<Recovery, RecoverError> {
    let Newest {
        loaded,
        passed_over,
    } = snapshot::load_newest(vfs, dir)?;
    let mut store = None;
    let snapshot = loaded.as_ref().map(|loaded| loaded.meta);
    if let Some(loaded) = &loaded {
        let payload = loaded.section(PAIRS);
        let payload = payload.ok_or(BadSnapshot::NoSection(PAIRS))?;
        store = Some(Store::restore(&Pairs::load(payload)?));
    }
    let (first, end) = (wal.first_lsn(), wal.watermarks().accepted);
    let from = snapshot.map_or(Lsn(0), |meta| meta.lsn);
    if end < from {
        return Err(RecoverError::LogTooShort {
            end,
            snapshot: from,
        });
    }
    if from < first {
        return Err(RecoverError::NoSnapshot { first });
    }
    let entries = wal.entries_from(from).map_err(RebuildError::from)?;
    let store = match store {
        None => Store::rebuild(entries)?,
        Some(mut store) => {
            store.replay(entries)?;
            store
        }
    };
    Ok(Recovery {
        store,
        snapshot,
        passed_over,
    })
}
