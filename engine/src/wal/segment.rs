//! The header of a segment and the names of files; `FORMAT.md` §2.

use std::path::{Path, PathBuf};

/// The bytes of a segment's header, which its first frame follows.
pub const HEADER_BYTES: usize = 64;

/// Segments cannot be smaller than this.
pub const SEGMENT_BYTES_MIN: u32 = 4 << 10;

/// The version of the segment format.
pub const SEGMENT_VERSION: u16 = 1;

/// The first bytes of every segment.
const MAGIC: [u8; 8] = *b"ENGINWAL";

/// Added to the salt from one segment to the next. Odd, so that no salt returns within 2³²
/// segments and frames of a recycled file's earlier life never validate.
const SALT_STEP: u32 = 0x9e37_79b9;

/// What a segment says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Segments are numbered without a gap.
    pub number: u64,
    /// The LSN of the first record.
    pub base_lsn: u64,
    /// Mixed into every checksum of the segment.
    pub salt: u32,
    /// The chain at the end of the segment before; 0 in the first one.
    pub prev_chain: u32,
    /// When the segment was begun, in microseconds since the Unix epoch.
    pub created_us: u64,
}

/// Why a header is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// Shorter than a header.
    #[error("{0} bytes are too few for a segment header")]
    Short(usize),
    /// Not a segment at all.
    #[error("these are not the first bytes of a segment")]
    Magic,
    /// The checksum does not hold.
    #[error("the header's checksum is {computed:08x}, not {stored:08x} as stored")]
    Checksum {
        /// The stored one.
        stored: u32,
        /// The one of the bytes.
        computed: u32,
    },
    /// Made by a newer engine.
    #[error("segment version {0} is unknown to this engine, which reads version 1")]
    Version(u16),
}

impl Header {
    /// The header of the first segment of a log.
    pub(super) fn first(created_us: u64) -> Self {
        // The low half of a microsecond clock differs between two logs made anywhere near.
        let [a, b, c, d, ..] = created_us.to_le_bytes();
        let salt = u32::from_le_bytes([a, b, c, d]).wrapping_mul(SALT_STEP);
        Self {
            number: 0,
            base_lsn: 0,
            salt,
            prev_chain: 0,
            created_us,
        }
    }

    /// The header of the segment after this one.
    pub(super) fn next(&self, base_lsn: u64, chain: u32, created_us: u64) -> Self {
        Self {
            // Wraps only after a forged one: what counts is that neighbours differ.
            number: self.number.wrapping_add(1),
            base_lsn,
            salt: self.salt.wrapping_add(SALT_STEP),
            prev_chain: chain,
            created_us,
        }
    }

    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&SEGMENT_VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.base_lsn.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.salt.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.prev_chain.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.created_us.to_le_bytes());
        let crc = crc32fast::hash(&bytes);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the header at the beginning of a segment.
    ///
    /// # Errors
    /// [`BadHeader`] where it is not one, or one of an unknown version.
    pub fn decode(segment: &[u8]) -> Result<Self, BadHeader> {
        let Some(bytes) = segment.first_chunk::<HEADER_BYTES>() else {
            return Err(BadHeader::Short(segment.len()));
        };
        if bytes[..8] != MAGIC {
            return Err(BadHeader::Magic);
        }
        let stored = u32_at(bytes, 12);
        let mut blank = *bytes;
        blank[12..16].fill(0);
        let computed = crc32fast::hash(&blank);
        if stored != computed {
            return Err(BadHeader::Checksum { stored, computed });
        }
        match u16::from_le_bytes([bytes[8], bytes[9]]) {
            SEGMENT_VERSION => Ok(Self {
                number: u64_at(bytes, 16),
                base_lsn: u64_at(bytes, 24),
                salt: u32_at(bytes, 32),
                prev_chain: u32_at(bytes, 36),
                created_us: u64_at(bytes, 40),
            }),
            unknown => Err(BadHeader::Version(unknown)),
        }
    }
}

fn u32_at(bytes: &[u8; HEADER_BYTES], at: usize) -> u32 {
    let mut field = [0; 4];
    field.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(field)
}

fn u64_at(bytes: &[u8; HEADER_BYTES], at: usize) -> u64 {
    let mut field = [0; 8];
    field.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(field)
}

/// Folds a frame's checksum into the chain over a segment, which thereby depends on every frame
/// and on their order.
#[must_use]
pub fn chained(chain: u32, crc: u32) -> u32 {
    (chain.rotate_left(5) ^ crc).wrapping_mul(SALT_STEP)
}

/// The file that is locked while a log is open.
pub(super) fn lock_path(dir: &Path) -> PathBuf {
    dir.join("LOCK")
}

/// The file of the segment with a number. A number is never used for two segments, whether they
/// hold records or not.
pub(super) fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:020}.wal"))
}

/// A file that is about to become the segment with a number.
pub(super) fn draft_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:020}.tmp"))
}

/// A file that waits to become a segment.
pub(super) fn spare_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:020}.spare"))
}

/// The index beside a segment's file.
pub(super) fn index_path(segment: &Path) -> PathBuf {
    segment.with_extension("idx")
}

/// What a file in the directory is, by its name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    /// A segment, by its number.
    Segment(u64),
    /// A file that waits to become a segment, by its number.
    Spare(u64),
    /// What is left of something that was never finished.
    Draft,
    /// Not ours.
    Other,
}

/// Reads a file name.
pub(super) fn file_kind(name: &str) -> FileKind {
    let number = |stem: &str| (stem.len() == 20).then(|| stem.parse().ok()).flatten();
    match name.split_once('.') {
        Some((stem, "wal")) => number(stem).map_or(FileKind::Other, FileKind::Segment),
        Some((stem, "spare")) => number(stem).map_or(FileKind::Other, FileKind::Spare),
        Some((stem, "tmp")) => number(stem).map_or(FileKind::Other, |_: u64| FileKind::Draft),
        _ => FileKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        number: 3,
        base_lsn: 700,
        salt: 0xabcd,
        prev_chain: 0x1234,
        created_us: 99,
    };

    #[test]
    fn a_header_comes_back_as_written() {
        assert_eq!(Header::decode(&HEADER.encode()), Ok(HEADER));
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_noticed() {
        for bit in 0..HEADER_BYTES * 8 {
            let mut bytes = HEADER.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&bytes).is_err(), "bit {bit} went unnoticed");
        }
        assert_eq!(
            Header::decode(&HEADER.encode()[..63]),
            Err(BadHeader::Short(63))
        );
    }

    #[test]
    fn an_unknown_version_is_named() {
        let mut bytes = HEADER.encode();
        bytes[8] = 2;
        bytes[12..16].fill(0);
        let crc = crc32fast::hash(&bytes);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Header::decode(&bytes), Err(BadHeader::Version(2)));
    }

    #[test]
    fn the_next_segment_has_another_salt() {
        let next = HEADER.next(800, 5, 100);
        assert_eq!((next.number, next.base_lsn, next.prev_chain), (4, 800, 5));
        assert_ne!(next.salt, HEADER.salt);
    }

    #[test]
    fn names_say_what_a_file_is() {
        let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        let dir = Path::new("d");
        assert_eq!(
            file_kind(&name(segment_path(dir, 42))),
            FileKind::Segment(42)
        );
        assert_eq!(file_kind(&name(spare_path(dir, 42))), FileKind::Spare(42));
        assert_eq!(file_kind(&name(draft_path(dir, 42))), FileKind::Draft);
        for other in [
            "LOCK",
            "42.wal",
            "00000000000000000042.wal.bak",
            "notes.txt",
        ] {
            assert_eq!(file_kind(other), FileKind::Other, "{other}");
        }
    }

    #[test]
    fn the_chain_depends_on_the_order() {
        assert_ne!(chained(chained(0, 1), 2), chained(chained(0, 2), 1));
    }
}
