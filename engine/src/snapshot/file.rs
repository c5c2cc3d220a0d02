//! A snapshot's bytes: header, sections and checksum.

use bytes::Bytes;

use crate::fields::u64_at;
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::snapshot) const META: Meta = Meta {
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
    pub(in crate::snapshot) fn snapshot_of(meta: &Meta) -> Bytes {
        let first = section_head(1, 5);
        let origin = origin_section(meta);
        let last = section_head(9, 0);
        let mut bytes = [&header(meta, 3)[..], &first, b"first", &origin, &last].concat();
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.into()
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
}
