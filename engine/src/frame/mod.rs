//! One record ⇄ bytes. Pure: no file, no clock, no allocation when decoding.
//!
//! ```text
//! │ len u32 LE │ type u8 │ version u8 │ payload … │ crc u32 LE │      10 bytes around a payload
//! └──────────── covered by crc ───────────────────┘
//!               └──────────────── len bytes ────────────────────┘
//! ```
//!
//! Invariants:
//!
//! 1. A length is checked against the cap and against the bytes at hand before it is used, and
//!    decoding allocates nothing: hostile bytes cost no memory.
//! 2. The checksum is computed without the salt and stored with it, so it can be computed before
//!    it is known in which segment the frame will land.
//! 3. A frame of another salt does not validate. What an earlier use of a recycled file left
//!    behind therefore never comes back to life.
//!
//! `FORMAT.md` §1 is the only description of the bytes; the golden tests quote it.

mod batch;
mod mark;
mod transaction;

pub(crate) use self::batch::ITEM_HEAD;
pub use self::batch::{BATCH_BYTES_MAX, Batch, BatchItems};
pub(crate) use self::mark::END_PAYLOAD_BYTES;
pub use self::mark::{MARK_PAYLOAD_BYTES, SegmentEnd, SyncMark, TxBegin, TxCommit};
pub use self::transaction::Transaction;

use crate::injected_bug::{Bug, injected};

/// What a frame adds to its payload: length, type, version and checksum.
pub const OVERHEAD: usize = 10;

/// The largest payload of one frame.
pub const PAYLOAD_BYTES_MAX: usize = 16 << 20;

/// The version of the frames that the log itself writes.
pub const VERSION: u8 = 1;

/// The bytes before the payload.
pub(crate) const HEAD: usize = 6;
/// The bytes after the payload.
const CRC: usize = 4;

/// What a frame says: one byte, whose meanings `FORMAT.md` §1 lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u8);

impl Kind {
    /// The transaction before it is complete.
    pub const TX_COMMIT: Self = Self(0x00);
    /// Many records under one checksum, replayed all or none.
    pub const BATCH: Self = Self(0x03);
    /// Up to where the segment is known to be durable.
    pub const SYNC_MARK: Self = Self(0x04);
    /// The last frame of a sealed segment.
    pub const SEGMENT_END: Self = Self(0x05);
    /// A transaction begins.
    pub const TX_BEGIN: Self = Self(0x06);
    /// A key got a value.
    pub const KV_PUT: Self = Self(0x10);
    /// A key went away.
    pub const KV_DELETE: Self = Self(0x11);
    /// The first of the types that memtables may use, up to 0x1f.
    pub const MEMTABLE: Self = Self(0x18);
    /// The first of the types that streams may use, up to 0x27.
    pub const STREAM: Self = Self(0x20);
    /// The first of the types that runs and traces may use, up to 0x2f.
    pub const RUN: Self = Self(0x28);

    /// Whether the log itself writes frames of this type, so that callers may not.
    #[must_use]
    pub const fn is_reserved(self) -> bool {
        self.0 < 0x10
    }

    /// Whether this engine knows whose records of this type are. Types from 0x40 on are callers',
    /// whatever they mean. Of the engine's own, from 0x10 to 0x3f, it knows the ones named here:
    /// another one is a newer engine's, and passing over it would lose what it says.
    #[must_use]
    pub const fn is_known(self) -> bool {
        self.0 >= 0x40 || matches!(self.0, 0x10 | 0x11 | 0x18..=0x2f)
    }
}

/// A record: what callers append, and what replay hands back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// What it says.
    pub kind: Kind,
    /// The version of the payload's layout; its meaning belongs to whoever owns the type.
    pub version: u8,
    /// The content.
    pub payload: &'a [u8],
}

/// A frame whose checksum is computed and which waits for its salt and its place.
#[derive(Debug, Clone, Copy)]
pub struct Prepared<'a> {
    head: [u8; HEAD],
    payload: &'a [u8],
    crc: u32,
}

impl<'a> Prepared<'a> {
    /// Computes the checksum of `record`, or answers `None` where its payload is larger than
    /// [`PAYLOAD_BYTES_MAX`].
    #[must_use]
    pub fn new(record: Record<'a>) -> Option<Self> {
        let Record {
            kind,
            version,
            payload,
        } = record;
        if payload.len() > PAYLOAD_BYTES_MAX {
            return None;
        }
        let len = u32::try_from(payload.len() + OVERHEAD - 4).ok()?;
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(&len.to_le_bytes());
        head[4] = kind.0;
        head[5] = version;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&head);
        hasher.update(payload);
        Some(Self {
            head,
            payload,
            crc: hasher.finalize(),
        })
    }

    /// How many bytes the frame takes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.payload.len() + OVERHEAD
    }

    /// The checksum before the salt is applied.
    #[must_use]
    pub fn crc(&self) -> u32 {
        self.crc
    }

    /// Appends the frame to `out`.
    pub fn write_to(&self, out: &mut Vec<u8>, salt: u32) {
        out.reserve(self.size());
        out.extend_from_slice(&self.head);
        out.extend_from_slice(self.payload);
        out.extend_from_slice(&(self.crc ^ salt).to_le_bytes());
    }
}

/// A frame whose checksum held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it says.
    pub record: Record<'a>,
    /// How many bytes it takes, which is where the next one begins.
    pub size: usize,
    /// Its checksum without the salt.
    pub crc: u32,
}

/// What stands at the beginning of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next<'a> {
    /// A good frame.
    Frame(Frame<'a>),
    /// Nothing, or zeros that no frame was written over.
    End,
    /// Bytes that are not a frame.
    Damaged(Damage),
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Fewer bytes than a length field takes.
    #[error("{0} bytes are left, too few for a length")]
    Short(usize),
    /// A length below the smallest frame.
    #[error("length {0} is below the smallest frame's")]
    LengthBelowMin(u32),
    /// A length above the cap.
    #[error("length {0} is above the cap")]
    LengthAboveMax(u32),
    /// A length that reaches beyond the bytes at hand.
    #[error("length {len} reaches beyond the {left} bytes that are left")]
    BeyondEnd {
        /// The length field.
        len: u32,
        /// The bytes after it.
        left: usize,
    },
    /// The checksum does not hold.
    #[error("checksum is {computed:08x}, not {stored:08x} as stored")]
    Checksum {
        /// The stored one, without the salt.
        stored: u32,
        /// The one of the bytes.
        computed: u32,
    },
}

/// Reads the frame at the beginning of `bytes` and verifies its checksum.
#[must_use]
pub fn decode(bytes: &[u8], salt: u32) -> Next<'_> {
    let next = split(bytes);
    let Next::Frame(frame) = next else {
        return next;
    };
    let stored = frame.crc ^ salt;
    let computed = crc32fast::hash(&bytes[..frame.size - CRC]);
    if stored != computed && !injected(Bug::IgnoreChecksum) {
        return Next::Damaged(Damage::Checksum { stored, computed });
    }
    Next::Frame(Frame {
        crc: computed,
        ..frame
    })
}

/// Reads the frame at the beginning of `bytes` and believes its checksum: `crc` is as stored,
/// with the salt. For bytes that were verified before.
pub(crate) fn split(bytes: &[u8]) -> Next<'_> {
    let Some((len_bytes, rest)) = bytes.split_first_chunk::<4>() else {
        return match bytes {
            [] => Next::End,
            short => Next::Damaged(Damage::Short(short.len())),
        };
    };
    let len = u32::from_le_bytes(*len_bytes);
    let body = len as usize;
    if body == 0 {
        return Next::End;
    }
    if body < OVERHEAD - 4 {
        return Next::Damaged(Damage::LengthBelowMin(len));
    }
    if body > PAYLOAD_BYTES_MAX + OVERHEAD - 4 {
        return Next::Damaged(Damage::LengthAboveMax(len));
    }
    if body > rest.len() {
        return Next::Damaged(Damage::BeyondEnd {
            len,
            left: rest.len(),
        });
    }
    let (covered, crc) = bytes[..4 + body].split_at(body);
    let crc = crc.try_into().map_or(0, u32::from_le_bytes);
    let record = Record {
        kind: Kind(covered[4]),
        version: covered[5],
        payload: &covered[HEAD..],
    };
    Next::Frame(Frame {
        record,
        size: 4 + body,
        crc,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(payload: &[u8], salt: u32) -> Vec<u8> {
        let mut out = Vec::new();
        let record = Record {
            kind: Kind::KV_PUT,
            version: 7,
            payload,
        };
        Prepared::new(record).unwrap().write_to(&mut out, salt);
        out
    }

    #[test]
    fn a_frame_comes_back_as_it_was_written() {
        for payload in [&b""[..], b"x", &[0; 300]] {
            for salt in [0, 0xdead_beef] {
                let bytes = encode(payload, salt);
                assert_eq!(bytes.len(), payload.len() + OVERHEAD);
                let Next::Frame(frame) = decode(&bytes, salt) else {
                    panic!("not a frame")
                };
                let record = Record {
                    kind: Kind::KV_PUT,
                    version: 7,
                    payload,
                };
                assert_eq!((frame.record, frame.size), (record, bytes.len()));
            }
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let good = encode(b"some payload", 3);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(
                !matches!(decode(&bad, 3), Next::Frame(_)),
                "bit {bit} went unnoticed"
            );
        }
    }

    #[test]
    fn every_cut_is_noticed() {
        let good = encode(b"some payload", 3);
        assert_eq!(decode(&[], 3), Next::End);
        for len in 1..good.len() {
            assert!(
                matches!(decode(&good[..len], 3), Next::Damaged(_)),
                "cut to {len}"
            );
        }
    }

    #[test]
    fn a_frame_of_another_salt_does_not_validate() {
        let stale = encode(b"from the file's last life", 1);
        assert!(matches!(
            decode(&stale, 2),
            Next::Damaged(Damage::Checksum { .. })
        ));
    }

    #[test]
    fn lengths_are_refused_before_they_are_used() {
        let with_len = |len: u32| [&len.to_le_bytes()[..], &[0; 60]].concat();
        let damage = |len| match decode(&with_len(len), 0) {
            Next::Damaged(damage) => damage,
            other => panic!("{other:?}"),
        };
        assert_eq!(decode(&with_len(0), 0), Next::End);
        assert_eq!(damage(5), Damage::LengthBelowMin(5));
        assert_eq!(damage(61), Damage::BeyondEnd { len: 61, left: 60 });
        let cap = u32::try_from(PAYLOAD_BYTES_MAX + OVERHEAD - 4).unwrap();
        assert_eq!(damage(cap), Damage::BeyondEnd { len: cap, left: 60 });
        assert_eq!(damage(cap + 1), Damage::LengthAboveMax(cap + 1));
        assert_eq!(damage(u32::MAX), Damage::LengthAboveMax(u32::MAX));
    }

    #[test]
    fn a_payload_above_the_cap_is_refused() {
        let payload = vec![0; PAYLOAD_BYTES_MAX + 1];
        let record = |payload| Record {
            kind: Kind::KV_PUT,
            version: 1,
            payload,
        };
        assert!(Prepared::new(record(&payload)).is_none());
        assert!(Prepared::new(record(&payload[1..])).is_some());
    }
}
