//! The header of a segment and the names of files; `FORMAT.md` §2.

use crate::fields::{u32_at, u64_at};
use std::path::{Path, PathBuf};

/// The bytes of a segment's header, which its first frame follows.
pub const HEADER_BYTES: usize = 64;

/// Segments cannot be smaller than this.
pub const SEGMENT_BYTES_MIN: u32 = 4 << 10;

/// The version of the segment format.
pub const SEGMENT_VERSION: u16 = 2;

/// How much of a segment's file is there, as zeros, from the beginning: enough to tell a first
/// commit that was torn from a file that was shortened, and little enough to cost nothing.
const FIRST_BYTES: u64 = 64 << 10;

/// How many times as long a file is after it has grown, until it has [`STEP_BYTES`]. Each time,
/// a commit waits for the file system to make a new length durable.
const GROWTH: u64 = 8;

/// By how much a large file grows.
const STEP_BYTES: u64 = 4 << 20;

/// The first bytes of every segment.
const MAGIC: [u8; 8] = *b"ENGINWAL";

/// Added to the salt from one segment to the next. Odd, so that no salt returns within 2³²
/// segments and frames of a recycled file's earlier life never validate.
const SALT_STEP: u32 = 0x9e37_79b9;

/// The largest number that a record or a segment may have. A larger one is a forged one, and is
/// refused, so that counting on from it cannot overflow.
pub(super) const NUMBER_MAX: u64 = 1 << 62;

/// What a segment says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// Segments are numbered without a gap.
    pub number: u64,
    /// The LSN of the first record.
    pub base_lsn: u64,
    /// Mixed into every checksum of the segment.
    pub salt: u32,
    /// The chain at the end of the segment before, with which this one goes on; 0 in the first one.
    pub prev_chain: u32,
    /// When the segment was begun, in microseconds since the Unix epoch.
    pub created_us: u64,
    /// The identity of the log: random, and the same in all of its segments.
    pub log_id: u64,
    /// Raised by every rewind: by each recovery after which numbers may be given out again.
    pub epoch: u32,
    /// How long the file is once it is filled.
    pub segment_bytes: u32,
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
    /// Made by the engine before this one.
    #[error(
        "segment version 1 is no longer read; read the log with engine 0.1 and append its records \
         to a new one, or recreate it"
    )]
    Outdated,
    /// Made by a newer engine.
    #[error("segment version {0} is unknown to this engine, which reads version 2")]
    Version(u16),
    /// The checksum holds, and there are flags that this engine does not know.
    #[error("the header's flags {0:#06x} are unknown to this engine")]
    Flags(u16),
    /// The checksum holds, and a number is larger than any that was given out.
    #[error("the header's checksum holds, but its numbers are larger than any that is given out")]
    Number,
}

impl Header {
    /// The header of the first segment of a log.
    pub(super) fn first(created_us: u64, log_id: u64, segment_bytes: u32) -> Self {
        let [a, b, c, d, ..] = log_id.to_le_bytes();
        Self {
            salt: u32::from_le_bytes([a, b, c, d]),
            created_us,
            log_id,
            segment_bytes,
            ..Self::default()
        }
    }

    /// The header of the segment after this one.
    pub(super) fn next(&self, base_lsn: u64, chain: u32, created_us: u64) -> Self {
        Self {
            number: self.number + 1,
            base_lsn,
            salt: self.salt.wrapping_add(SALT_STEP),
            prev_chain: chain,
            created_us,
            ..*self
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
        bytes[48..56].copy_from_slice(&self.log_id.to_le_bytes());
        bytes[56..60].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[60..64].copy_from_slice(&self.segment_bytes.to_le_bytes());
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
            SEGMENT_VERSION => {}
            1 => return Err(BadHeader::Outdated),
            unknown => return Err(BadHeader::Version(unknown)),
        }
        let flags = u16::from_le_bytes([bytes[10], bytes[11]]);
        if flags != 0 {
            return Err(BadHeader::Flags(flags));
        }
        let header = Self {
            number: u64_at(bytes, 16),
            base_lsn: u64_at(bytes, 24),
            salt: u32_at(bytes, 32),
            prev_chain: u32_at(bytes, 36),
            created_us: u64_at(bytes, 40),
            log_id: u64_at(bytes, 48),
            epoch: u32_at(bytes, 56),
            segment_bytes: u32_at(bytes, 60),
        };
        if header.number.max(header.base_lsn) > NUMBER_MAX {
            return Err(BadHeader::Number);
        }
        Ok(header)
    }

    /// How long the file is at least, once the bytes before `written` are: it grows ahead of
    /// what is written, eightfold and then by equal steps. So a small log is a small file, and
    /// few commits have to make a new length durable.
    pub(super) fn file_bytes(&self, written: u64) -> u64 {
        let whole = u64::from(self.segment_bytes);
        // What a damaged mark claims may be any number.
        let written = written.min(whole);
        let mut bytes = FIRST_BYTES;
        while bytes < written.min(STEP_BYTES) {
            bytes *= GROWTH;
        }
        if written > STEP_BYTES {
            bytes = written.next_multiple_of(STEP_BYTES);
        }
        bytes.min(whole)
    }
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

/// What a file in the directory is, by its name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    /// A segment, by its number.
    Segment(u64),
    /// A file that waits to become a segment, by its number.
    Spare(u64),
    /// Something that was never finished, or an index as earlier engines left them.
    Draft,
    /// Not ours.
    Other,
}

/// Reads a file name. A spare's number that is too large to count on from is no number.
pub(super) fn file_kind(name: &str) -> FileKind {
    let number = |stem: &str| {
        let is_number = stem.len() == 20 && stem.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| stem.parse::<u64>().ok()).flatten()
    };
    match name.split_once('.') {
        Some((stem, "wal")) => number(stem).map_or(FileKind::Other, FileKind::Segment),
        Some((stem, "spare")) => match number(stem) {
            Some(number) if number <= NUMBER_MAX => FileKind::Spare(number),
            _ => FileKind::Other,
        },
        Some((stem, "tmp" | "idx" | "idx.tmp")) => {
            number(stem).map_or(FileKind::Other, |_| FileKind::Draft)
        }
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
        log_id: 0x0102_0304_0506_0708,
        epoch: 5,
        segment_bytes: 4096,
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

    /// A header with another byte, and a checksum that holds.
    fn forged(at: usize, byte: u8) -> Result<Header, BadHeader> {
        let mut bytes = HEADER.encode();
        bytes[at] = byte;
        bytes[12..16].fill(0);
        let crc = crc32fast::hash(&bytes);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        Header::decode(&bytes)
    }

    #[test]
    fn other_versions_are_refused_by_name() {
        assert_eq!(forged(8, 1), Err(BadHeader::Outdated));
        assert!(BadHeader::Outdated.to_string().contains("with engine 0.1"));
        assert_eq!(forged(8, 3), Err(BadHeader::Version(3)));
    }

    #[test]
    fn unknown_flags_are_refused() {
        assert_eq!(forged(10, 1), Err(BadHeader::Flags(1)));
        assert_eq!(forged(11, 0x80), Err(BadHeader::Flags(0x8000)));
    }

    #[test]
    fn numbers_that_counting_on_would_overflow_are_refused() {
        for at in [23, 31] {
            assert_eq!(forged(at, 0xff), Err(BadHeader::Number), "byte {at}");
        }
        let of = |number, base_lsn| Header {
            number,
            base_lsn,
            ..HEADER
        };
        let largest = of(NUMBER_MAX, NUMBER_MAX);
        assert_eq!(Header::decode(&largest.encode()), Ok(largest));
        for beyond in [of(NUMBER_MAX + 1, 0), of(0, NUMBER_MAX + 1)] {
            let decoded = Header::decode(&beyond.encode());
            assert_eq!(decoded, Err(BadHeader::Number), "{beyond:?}");
        }
    }

    #[test]
    fn a_spare_may_have_the_largest_number_and_none_above_it() {
        let kind = |number: u64| file_kind(&format!("{number:020}.spare"));
        assert_eq!(kind(NUMBER_MAX), FileKind::Spare(NUMBER_MAX));
        assert_eq!(kind(NUMBER_MAX + 1), FileKind::Other);
    }

    #[test]
    fn the_next_segment_has_another_salt() {
        let next = HEADER.next(800, 5, 100);
        assert_eq!((next.number, next.base_lsn, next.prev_chain), (4, 800, 5));
        assert_ne!(next.salt, HEADER.salt);
        assert_eq!((next.log_id, next.epoch), (HEADER.log_id, HEADER.epoch));
    }

    #[test]
    fn a_file_grows_eightfold_and_then_by_equal_steps() {
        let header = Header {
            segment_bytes: (9 << 20) + 1,
            ..HEADER
        };
        let kib = |written: u64| header.file_bytes(written << 10) >> 10;
        assert_eq!([0, 1, 64, 65, 512].map(kib), [64, 64, 64, 512, 512]);
        assert_eq!([513, 4096, 4097, 9000].map(kib), [4096, 4096, 8192, 9216]);
        let small = Header {
            segment_bytes: 4096,
            ..HEADER
        };
        assert_eq!(small.file_bytes(0), 4096);
        assert_eq!(small.file_bytes(u64::MAX), 4096);
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
