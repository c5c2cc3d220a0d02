//! What of a simulated disk is not durable yet, and what a crash leaves of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::random::SplitMix64;

/// What a disk writes as one piece.
const SECTOR: usize = 512;

#[derive(Debug, Clone, Default)]
pub(super) struct Inode {
    pub(super) live: Vec<u8>,
    pub(super) durable: Vec<u8>,
    pub(super) unsynced: Vec<Change>,
}

/// Bytes on their way to the disk. A change beyond the end also changes the length.
#[derive(Debug, Clone)]
pub(super) struct Change {
    offset: usize,
    bytes: Vec<u8>,
}

#[derive(Debug, Clone)]
pub(super) enum NameChange {
    Set(PathBuf, usize),
    Unset(PathBuf),
    Rename(PathBuf, PathBuf, usize),
}

impl NameChange {
    pub(super) fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Set(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            Self::Unset(name) => {
                names.remove(name);
            }
            Self::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
        }
    }

    pub(super) fn is_in(&self, dir: &Path) -> bool {
        let (Self::Set(name, _) | Self::Unset(name) | Self::Rename(name, _, _)) = self;
        name.parent() == Some(dir)
    }
}

impl Inode {
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        put(&mut self.live, offset, bytes);
        self.unsynced.push(Change {
            offset,
            bytes: bytes.to_vec(),
        });
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            put(&mut self.durable, change.offset, &change.bytes);
        }
    }

    /// What is left on the disk if the power goes now.
    pub(super) fn after_crash(&self, luck: &mut Luck) -> Vec<u8> {
        let mut image = self.durable.clone();
        let mut len = image.len();
        for change in &self.unsynced {
            let end = change.offset + change.bytes.len();
            if end > len && luck.keeps() {
                len = end;
            }
            let mut at = change.offset;
            while at < end {
                let sector_end = (at / SECTOR + 1) * SECTOR;
                let piece_end = sector_end.min(end);
                if luck.keeps() {
                    let piece = &change.bytes[at - change.offset..piece_end - change.offset];
                    put(&mut image, at, piece);
                }
                at = piece_end;
            }
        }
        image.resize(len, 0);
        image
    }
}

pub(super) fn put(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[offset..end].copy_from_slice(bytes);
}

/// Decides what a crash keeps.
pub(super) struct Luck {
    random: SplitMix64,
    /// Of 8 unsynced pieces, how many are kept.
    kept_of_8: u64,
}

impl Luck {
    /// Seed 0 keeps nothing and seed 1 everything; others keep a share of their own.
    pub(super) fn new(seed: u64) -> Self {
        let kept_of_8 = match seed {
            0 => 0,
            1 => 8,
            seed => [4, 1, 7, 6, 2][usize::try_from(seed % 5).unwrap_or(0)],
        };
        Self {
            random: SplitMix64::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            kept_of_8,
        }
    }

    pub(super) fn keeps(&mut self) -> bool {
        self.random.below(8) < self.kept_of_8
    }
}
