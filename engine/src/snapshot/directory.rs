//! Snapshots in a directory: how one gets in place, which are kept, and which one is loaded.
//!
//! ```text
//! N.snap.tmp ── write, sync ──► rename ──► N.snap ── sync the directory ──► older than two: removed
//! ```

use std::io;
use std::path::{Path, PathBuf};

use super::file::{BadSnapshot, Loaded, Meta, read};
use crate::vfs::{Doing, IoError, Vfs, VfsFile};
use crate::wal::Lsn;

/// How many good snapshots are kept.
const KEPT: usize = 2;

/// How many digits of an LSN a name has, so that names sort like numbers.
const LSN_DIGITS: usize = 20;

/// A snapshot could not be saved, or the outdated ones not removed. The newest two that were there
/// are as they were.
#[derive(Debug, thiserror::Error)]
#[error("saving a snapshot did not come to its end")]
pub struct SaveError(#[from] IoError);

/// Saves the snapshot that `write` writes durably in `dir`, removes what is older than the newest
/// two that can be believed, and answers with the LSN of the older of these: the log must reach
/// back to it. While there is one alone, that is 0.
///
/// A rotten one is no snapshot to go back to, so the earlier ones are read. The new one is not: what
/// could be wrong with it now would be wrong with the memory that it was written from.
///
/// # Errors
/// [`SaveError`] where the system refused.
pub fn save<V: Vfs>(
    vfs: &V,
    dir: &Path,
    lsn: Lsn,
    write: impl FnOnce(&V::File) -> io::Result<u64>,
) -> Result<Lsn, SaveError> {
    save_among(vfs, dir, lsn, |_| true, write)
}

/// As [`save`], where only those that `is_ours` may be gone back to. Another one, of another log or
/// of before a rewind, is not one of the two.
///
/// # Errors
/// [`SaveError`] where the system refused.
pub fn save_among<V: Vfs>(
    vfs: &V,
    dir: &Path,
    lsn: Lsn,
    is_ours: impl Fn(&Meta) -> bool,
    write: impl FnOnce(&V::File) -> io::Result<u64>,
) -> Result<Lsn, SaveError> {
    remove_drafts(vfs, dir)?;
    let draft = dir.join(format!("{:020}.snap.tmp", lsn.0));
    let path = dir.join(format!("{:020}.snap", lsn.0));
    let written = write_draft(vfs, &draft, write);
    let named = written.and_then(|()| vfs.rename(&draft, &path).doing("rename", &draft));
    if let Err(error) = named {
        // What it took of the disk is given back. If that fails, the next one does it.
        let _ = vfs.remove(&draft);
        return Err(error.into());
    }
    vfs.sync_dir(dir).doing("sync", dir)?;
    let mut kept = Vec::with_capacity(KEPT);
    for (at, path) in snapshots(vfs, dir)?.into_iter().rev() {
        if kept.len() == KEPT {
            vfs.remove(&path).doing("remove", &path)?;
        } else if at == lsn
            || load(vfs, &path, at)
                .is_ok_and(|loaded| loaded.is_ok_and(|loaded| is_ours(&loaded.meta)))
        {
            kept.push(at);
        }
    }
    Ok(kept.get(KEPT - 1).copied().unwrap_or(Lsn(0)))
}

fn write_draft<V: Vfs>(
    vfs: &V,
    draft: &Path,
    write: impl FnOnce(&V::File) -> io::Result<u64>,
) -> Result<(), IoError> {
    let file = vfs.create(draft).doing("create", draft)?;
    write(&file).doing("write", draft)?;
    file.sync_data().doing("sync", draft)
}

/// Removes what is left of snapshots that were never finished.
pub(crate) fn remove_drafts<V: Vfs>(vfs: &V, dir: &Path) -> Result<(), IoError> {
    for name in vfs.list(dir).doing("list", dir)? {
        if name.ends_with(".snap.tmp") {
            let path = dir.join(name);
            vfs.remove(&path).doing("remove", &path)?;
        }
    }
    Ok(())
}

/// Loads the snapshot of `lsn`.
pub(crate) fn load<V: Vfs>(
    vfs: &V,
    path: &Path,
    lsn: Lsn,
) -> Result<Result<Loaded, BadSnapshot>, IoError> {
    let bytes = vfs.load(path).doing("read", path)?;
    Ok(read(&bytes).and_then(|loaded| {
        let within = loaded.meta.lsn;
        let is_named = within == lsn;
        is_named
            .then_some(loaded)
            .ok_or(BadSnapshot::Name { name: lsn, within })
    }))
}

/// The snapshots in a directory, oldest first.
pub(crate) fn snapshots<V: Vfs>(vfs: &V, dir: &Path) -> Result<Vec<(Lsn, PathBuf)>, IoError> {
    let mut found = Vec::new();
    for name in vfs.list(dir).doing("list", dir)? {
        if let Some((lsn, "snap")) = name.split_once('.')
            && lsn.len() == LSN_DIGITS
            && let Ok(lsn) = lsn.parse()
        {
            found.push((Lsn(lsn), dir.join(&name)));
        }
    }
    Ok(found)
}

/// What a directory holds of snapshots.
#[derive(Debug, Default)]
pub struct Newest {
    /// The newest one that can be believed.
    pub loaded: Option<Loaded>,
    /// Newer ones, and why they were passed over.
    pub passed_over: Vec<(PathBuf, BadSnapshot)>,
}

/// Loads the newest snapshot in a directory that can be believed.
///
/// # Errors
/// [`IoError`] where the system refused. A bad snapshot is no error here: the log reaches back
/// to the one before it.
pub fn load_newest<V: Vfs>(vfs: &V, dir: &Path) -> Result<Newest, IoError> {
    let mut newest = Newest::default();
    for (lsn, path) in snapshots(vfs, dir)?.into_iter().rev() {
        match load(vfs, &path, lsn)? {
            Ok(loaded) => {
                newest.loaded = Some(loaded);
                break;
            }
            Err(bad) => newest.passed_over.push((path, bad)),
        }
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::super::file::tests::{META, snapshot_of};
    use super::*;
    use crate::vfs::{Memory, Plan, Sim};

    fn save_all<V: Vfs>(vfs: &V, dir: &Path, lsn: u64) -> Result<Lsn, SaveError> {
        let meta = Meta {
            lsn: Lsn(lsn),
            ..META
        };
        let bytes = snapshot_of(&meta);
        let write = |file: &V::File| file.write_at(&bytes, 0).map(|()| bytes.len() as u64);
        save(vfs, dir, meta.lsn, write)
    }

    #[test]
    fn two_are_kept_and_the_newest_good_one_is_loaded() {
        let (vfs, dir) = (Memory::default(), Path::new("d"));
        vfs.write(&dir.join("00000000000000000005.snap.tmp"), b"half".to_vec());
        for lsn in [10, 20, 30] {
            save_all(&vfs, dir, lsn).unwrap();
        }
        assert_eq!(
            vfs.list(dir).unwrap().len(),
            2,
            "the draft and the oldest are gone"
        );
        let Newest {
            loaded: newest,
            passed_over,
        } = load_newest(&vfs, dir).unwrap();
        assert_eq!((newest.unwrap().meta.lsn, passed_over.len()), (Lsn(30), 0));
        let path = dir.join("00000000000000000030.snap");
        let mut rotten = vfs.read(&path).unwrap();
        rotten[20] ^= 1;
        vfs.write(&path, rotten);
        let Newest {
            loaded: older,
            passed_over,
        } = load_newest(&vfs, dir).unwrap();
        assert_eq!((older.unwrap().meta.lsn, passed_over.len()), (Lsn(20), 1));
    }

    #[test]
    fn failed_save_gives_back_what_it_took() {
        let (vfs, dir) = (Memory::default(), Path::new("d"));
        save_all(&vfs, dir, 10).unwrap();
        for lsn in 20..30 {
            let full = |file: &crate::vfs::MemoryFile| {
                file.write_at(&[7; 100], 0)?;
                Err(io::ErrorKind::StorageFull.into())
            };
            save(&vfs, dir, Lsn(lsn), full).unwrap_err();
            assert_eq!(vfs.list(dir).unwrap(), ["00000000000000000010.snap"]);
        }
    }

    #[test]
    fn snapshot_that_is_not_ours_is_not_one_of_the_two_that_are_kept() {
        let (vfs, dir) = (Memory::default(), Path::new("d"));
        for lsn in [10, 20, 30] {
            let meta = Meta {
                lsn: Lsn(lsn),
                ..META
            };
            let bytes = snapshot_of(&meta);
            let write = |file: &crate::vfs::MemoryFile| file.write_at(&bytes, 0).map(|()| 0);
            let oldest = save_among(&vfs, dir, Lsn(lsn), |meta| meta.lsn != Lsn(20), write);
            assert_eq!(oldest.unwrap(), Lsn(if lsn == 10 { 0 } else { 10 }));
        }
    }

    #[test]
    fn a_snapshot_under_another_ones_name_is_passed_over() {
        let (vfs, dir) = (Memory::default(), Path::new("d"));
        save_all(&vfs, dir, 10).unwrap();
        let bytes = vfs.read(&dir.join("00000000000000000010.snap")).unwrap();
        vfs.write(&dir.join("00000000000000000011.snap"), bytes.clone());
        vfs.write(&dir.join("9.snap"), bytes);
        let newest = load_newest(&vfs, dir).unwrap();
        assert_eq!(newest.loaded.unwrap().meta.lsn, Lsn(10));
        let [(_, bad)] = &newest.passed_over[..] else {
            panic!("{:?}", newest.passed_over);
        };
        let (name, within) = (Lsn(11), Lsn(10));
        assert_eq!(*bad, BadSnapshot::Name { name, within });
    }

    #[test]
    fn the_log_is_not_let_go_of_for_one_snapshot_alone() {
        let (vfs, dir) = (Memory::default(), Path::new("d"));
        assert_eq!(save_all(&vfs, dir, 10).unwrap(), Lsn(0));
        assert_eq!(save_all(&vfs, dir, 20).unwrap(), Lsn(10));
    }

    #[test]
    fn a_rotten_snapshot_is_not_one_of_the_two_that_are_kept() {
        let (vfs, dir) = (Memory::default(), Path::new("d"));
        save_all(&vfs, dir, 10).unwrap();
        save_all(&vfs, dir, 20).unwrap();
        let path = dir.join("00000000000000000020.snap");
        let mut rotten = vfs.read(&path).unwrap();
        rotten[20] ^= 1;
        vfs.write(&path, rotten);
        assert_eq!(save_all(&vfs, dir, 30).unwrap(), Lsn(10));
        assert_eq!(vfs.list(dir).unwrap().len(), 3);
        assert_eq!(save_all(&vfs, dir, 40).unwrap(), Lsn(30));
        let names = vfs.list(dir).unwrap();
        assert_eq!(
            names,
            ["00000000000000000030.snap", "00000000000000000040.snap"]
        );
    }

    #[test]
    fn a_crash_at_any_call_leaves_the_old_snapshot_or_the_new_one() {
        let dir = Path::new("d");
        for call in 1.. {
            let sim = Sim::default();
            save_all(&sim, dir, 1).unwrap();
            sim.plan(Plan::CrashAt(call));
            let saved = save_all(&sim, dir, 70).is_ok();
            for fate in 0..6 {
                let Newest {
                    loaded,
                    passed_over,
                } = load_newest(&sim.crash(fate), dir).unwrap();
                let lsn = loaded.expect("one is always there").meta.lsn;
                assert!(
                    lsn == Lsn(70) || !saved && lsn == Lsn(1),
                    "call {call}: {lsn}"
                );
                assert!(
                    passed_over.is_empty(),
                    "call {call}: half a snapshot has a final name"
                );
            }
            if !sim.has_crashed() {
                return;
            }
        }
    }
}
