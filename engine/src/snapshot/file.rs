//! A snapshot's file: header, sections, checksum, and how it gets in place.

use crate::fields::u64_at;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::vfs::{Doing, IoError, Vfs, VfsFile};
use crate::wal::{Lsn, ORIGIN_BYTES, Origin};

/// The bytes of the header.
pub const HEADER_BYTES: usize = 39;

/// The bytes before a section's payload.
pub(super) const SECTION_BYTES: usize = 9;

/// The bytes of the section that says of which log a snapshot is.
pub(super) const ORIGIN_SECTION_BYTES: usize = SECTION_BYTES + ORIGIN_BYTES;

/// The bytes after the last section.
const CRC_BYTES: usize = 4;

const MAGIC: [u8; 10] = *b"ENGINESNAP";

/// The version of the snapshot format.
const VERSION: u32 = 2;

/// The type of the section that says of which log a snapshot is.
const ORIGIN: u8 = 2;

/// How many good snapshots are kept.
const KEPT: usize = 2;

/// How many digits of an LSN a name has, so that names sort like numbers.
const LSN_DIGITS: usize = 20;

/// What a snapshot says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// When it was taken, in microseconds since the Unix epoch.
    pub taken_us: u64,
    /// The state is the one after all records below this one.
    pub lsn: Lsn,
    /// How many changes had been made to the state.
    pub changes: u64,
    /// Where in which log's history the LSN is.
    pub origin: Origin,
}

/// Why a file is not a snapshot that can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSnapshot {
    /// Shorter than an empty snapshot.
    #[error("{0} bytes are too few for a snapshot")]
    Short(usize),
    /// Not a snapshot at all.
    #[error("these are not the first bytes of a snapshot")]
    Magic,
    /// Made by the engine before this one.
    #[error("snapshot version 1 is no longer read; take a new one, or read it with engine 0.1")]
    Outdated,
    /// Made by a newer engine.
    #[error("snapshot version {0} is unknown to this engine, which reads version 2")]
    Version(u32),
    /// The checksum does not hold.
    #[error("the checksum is {computed:08x}, not {stored:08x} as stored")]
    Checksum {
        /// The stored one.
        stored: u32,
        /// The one of the bytes.
        computed: u32,
    },
    /// The checksum holds, and the sections do not add up.
    #[error("section {0} does not fit the file")]
    Section(u8),
    /// The checksum holds, and what the reader came for is not there.
    #[error("there is no section of type {0}")]
    NoSection(u8),
    /// The file has another snapshot's name.
    #[error("the file is named for record {name}, and the snapshot is of record {within}")]
    Name {
        /// What the name says.
        name: Lsn,
        /// What the header says.
        within: Lsn,
    },
}

/// The bytes of the header of a snapshot with so many sections.
pub(super) fn header(meta: &Meta, sections: u8) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..10].copy_from_slice(&MAGIC);
    bytes[10..14].copy_from_slice(&VERSION.to_le_bytes());
    bytes[14..22].copy_from_slice(&meta.taken_us.to_le_bytes());
    bytes[22..30].copy_from_slice(&meta.lsn.0.to_le_bytes());
    bytes[30..38].copy_from_slice(&meta.changes.to_le_bytes());
    bytes[38] = sections;
    bytes
}

/// The bytes of the section that says of which log a snapshot is.
pub(super) fn origin_section(meta: &Meta) -> [u8; ORIGIN_SECTION_BYTES] {
    let mut bytes = [0; ORIGIN_SECTION_BYTES];
    bytes[..SECTION_BYTES].copy_from_slice(&section_head(ORIGIN, ORIGIN_BYTES as u64));
    bytes[SECTION_BYTES..].copy_from_slice(&meta.origin.encode());
    bytes
}

/// The bytes before a section's payload of so many bytes.
pub(super) fn section_head(kind: u8, len: u64) -> [u8; SECTION_BYTES] {
    let mut bytes = [kind; SECTION_BYTES];
    bytes[1..].copy_from_slice(&len.to_le_bytes());
    bytes
}

/// A snapshot that was read and verified.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it says about itself.
    pub meta: Meta,
    sections: Vec<(u8, Bytes)>,
}

impl Loaded {
    /// The payload of the section of a type, sharing the file's mapping.
    #[must_use]
    pub fn section(&self, kind: u8) -> Option<&Bytes> {
        self.sections
            .iter()
            .find(|(found, _)| *found == kind)
            .map(|(_, payload)| payload)
    }
}

/// Verifies the bytes of a snapshot.
///
/// # Errors
/// [`BadSnapshot`] where they cannot be believed.
pub fn read(bytes: &Bytes) -> Result<Loaded, BadSnapshot> {
    let Some((header, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(BadSnapshot::Short(bytes.len()));
    };
    let Some((covered, stored)) = bytes.split_last_chunk::<CRC_BYTES>() else {
        return Err(BadSnapshot::Short(bytes.len()));
    };
    if covered.len() < HEADER_BYTES {
        return Err(BadSnapshot::Short(bytes.len()));
    }
    if header[..10] != MAGIC {
        return Err(BadSnapshot::Magic);
    }
    let stored = u32::from_le_bytes(*stored);
    let computed = crc32fast::hash(covered);
    if stored != computed {
        return Err(BadSnapshot::Checksum { stored, computed });
    }
    let version = [header[10], header[11], header[12], header[13]];
    match u32::from_le_bytes(version) {
        VERSION => {}
        1 => return Err(BadSnapshot::Outdated),
        unknown => return Err(BadSnapshot::Version(unknown)),
    }
    let sections = read_sections(bytes, covered.len(), header[HEADER_BYTES - 1])?;
    let origin = sections.iter().find(|(kind, _)| *kind == ORIGIN);
    let (_, origin) = origin.ok_or(BadSnapshot::NoSection(ORIGIN))?;
    let meta = Meta {
        taken_us: u64_at(header, 14),
        lsn: Lsn(u64_at(header, 22)),
        changes: u64_at(header, 30),
        origin: Origin::decode(origin).ok_or(BadSnapshot::Section(ORIGIN))?,
    };
    Ok(Loaded { meta, sections })
}

fn read_sections(bytes: &Bytes, end: usize, count: u8) -> Result<Vec<(u8, Bytes)>, BadSnapshot> {
    let mut sections = Vec::new();
    let mut at = HEADER_BYTES;
    for number in 0..count {
        let bad = BadSnapshot::Section(number);
        let head = bytes[..end].get(at..at + SECTION_BYTES).ok_or(bad)?;
        let len = usize::try_from(u64_at(head, 1)).map_err(|_| bad)?;
        let start = at + SECTION_BYTES;
        let next = start
            .checked_add(len)
            .filter(|next| *next <= end)
            .ok_or(bad)?;
        sections.push((head[0], bytes.slice(start..next)));
        at = next;
    }
    if at == end {
        Ok(sections)
    } else {
        Err(BadSnapshot::Section(count))
    }
}

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
    use super::*;
    use crate::vfs::{Memory, Plan, Sim};

    const META: Meta = Meta {
        taken_us: 5,
        lsn: Lsn(70),
        changes: 90,
        origin: ORIGIN_OF_TEST,
    };

    const ORIGIN_OF_TEST: Origin = Origin {
        log_id: 1,
        epoch: 2,
        segment: 3,
        salt: 4,
        offset: 5,
        chain: 6,
    };

    fn snapshot() -> Bytes {
        snapshot_of(&META)
    }

    /// A snapshot of three sections, of which no reader knows the last.
    fn snapshot_of(meta: &Meta) -> Bytes {
        let first = section_head(1, 5);
        let origin = origin_section(meta);
        let last = section_head(9, 0);
        let mut bytes = [&header(meta, 3)[..], &first, b"first", &origin, &last].concat();
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.into()
    }

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
    fn a_snapshot_comes_back_as_written() {
        let loaded = read(&snapshot()).unwrap();
        assert_eq!(loaded.meta, META);
        assert_eq!(loaded.section(1).unwrap(), "first");
        assert_eq!(loaded.section(9).unwrap(), "");
        assert!(loaded.section(3).is_none());
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_an_error() {
        let good = snapshot();
        for bit in 0..good.len() * 8 {
            let mut bad = good.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&bad.into()).is_err(), "bit {bit} went unnoticed");
        }
        for len in 0..good.len() {
            assert!(read(&good.slice(..len)).is_err(), "cut to {len}");
        }
    }

    #[test]
    fn an_unknown_version_and_sections_that_do_not_fit_are_refused() {
        let forged = |at: usize, byte: u8| {
            let mut bytes = snapshot().to_vec();
            bytes.truncate(bytes.len() - CRC_BYTES);
            bytes[at] = byte;
            let crc = crc32fast::hash(&bytes);
            bytes.extend_from_slice(&crc.to_le_bytes());
            read(&bytes.into()).unwrap_err()
        };
        assert_eq!(forged(10, 1), BadSnapshot::Outdated);
        assert_eq!(forged(10, 3), BadSnapshot::Version(3));
        assert_eq!(forged(38, 4), BadSnapshot::Section(3));
        assert_eq!(forged(38, 2), BadSnapshot::Section(2));
        let origin = HEADER_BYTES + SECTION_BYTES + 5;
        assert_eq!(forged(origin, 7), BadSnapshot::NoSection(2));
        assert_eq!(forged(HEADER_BYTES + 1, 200), BadSnapshot::Section(0));
        assert_eq!(forged(HEADER_BYTES + 8, 255), BadSnapshot::Section(0));
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
