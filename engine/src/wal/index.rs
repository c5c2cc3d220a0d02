//! Where in a sealed segment a record is to be found, roughly: one point every 4 KiB.
//!
//! An index is derived. It is written beside its segment the first time that somebody looks for a
//! record inside of it, never synced, and built anew where it is missing or does not fit; losing
//! one loses nothing. `FORMAT.md` §5 describes the bytes.

use super::segment::{HEADER_BYTES, Header};
use super::segment_writer::SealedSegment;
use crate::frame::{self, BatchItems, Kind, Next};

/// The bytes before the points.
const HEAD_BYTES: usize = 40;

/// Between two points lie at least so many bytes.
const STRIDE: usize = 4 << 10;

const MAGIC: [u8; 8] = *b"ENGINIDX";
const VERSION: u16 = 1;

/// The points of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index {
    base_lsn: u64,
    end_lsn: u64,
    chain: u32,
    /// How far from the base LSN, and where in the file, a frame begins.
    points: Vec<(u32, u32)>,
}

impl Index {
    /// Walks over a sealed segment, which was verified before.
    pub(super) fn build(segment: &[u8], sealed: &SealedSegment) -> Self {
        let Header { base_lsn, .. } = sealed.header;
        let mut points = Vec::new();
        let (mut at, mut records, mut next_point) = (HEADER_BYTES, 0_u32, HEADER_BYTES + STRIDE);
        while let Next::Frame(frame) = frame::split(segment.get(at..).unwrap_or_default()) {
            if at >= next_point
                && let Ok(offset) = u32::try_from(at)
            {
                points.push((records, offset));
                next_point = at + STRIDE;
            }
            records += match frame.record.kind {
                Kind::SEGMENT_END => break,
                Kind::BATCH => {
                    BatchItems::new(frame.record.payload).map_or(0, |items| items.left())
                }
                kind => u32::from(!kind.is_reserved()),
            };
            at += frame.size;
        }
        Self {
            base_lsn,
            end_lsn: sealed.end_lsn,
            chain: sealed.chain,
            points,
        }
    }

    /// A place at or before the record `lsn`: the LSN of a record, and the offset of its frame.
    pub(super) fn seek(&self, lsn: u64) -> (u64, usize) {
        let wanted = lsn.saturating_sub(self.base_lsn);
        let after = self
            .points
            .partition_point(|(delta, _)| u64::from(*delta) <= wanted);
        match after.checked_sub(1).map(|index| self.points[index]) {
            Some((delta, offset)) => (self.base_lsn + u64::from(delta), offset as usize),
            None => (self.base_lsn, HEADER_BYTES),
        }
    }

    /// The bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + self.points.len() * 8);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 6]);
        bytes.extend_from_slice(&self.base_lsn.to_le_bytes());
        bytes.extend_from_slice(&self.end_lsn.to_le_bytes());
        bytes.extend_from_slice(&self.chain.to_le_bytes());
        let count = u32::try_from(self.points.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&count.to_le_bytes());
        for (delta, offset) in &self.points {
            bytes.extend_from_slice(&delta.to_le_bytes());
            bytes.extend_from_slice(&offset.to_le_bytes());
        }
        let crc = crc32fast::hash(&bytes);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the index of a segment of so many bytes; `None` where it is damaged, of another version,
    /// or of another segment.
    pub(super) fn decode(bytes: &[u8], sealed: &SealedSegment, segment: usize) -> Option<Self> {
        let (head, points) = bytes.split_first_chunk::<HEAD_BYTES>()?;
        let crc = u32_at(head, 12)?;
        let mut blank = bytes.to_vec();
        blank[12..16].fill(0);
        let known = head[..8] == MAGIC && head[8..10] == VERSION.to_le_bytes();
        if !known || crc32fast::hash(&blank) != crc {
            return None;
        }
        let count = usize::try_from(u32_at(head, 36)?).ok()?;
        if points.len() != count * 8 {
            return None;
        }
        let point = |bytes: &[u8]| Some((u32_at(bytes, 0)?, u32_at(bytes, 4)?));
        let index = Self {
            base_lsn: u64_at(head, 16)?,
            end_lsn: u64_at(head, 24)?,
            chain: u32_at(head, 32)?,
            points: points.chunks_exact(8).map(point).collect::<Option<_>>()?,
        };
        let rise = |pair: &[(u32, u32)]| pair[0].0 <= pair[1].0 && pair[0].1 < pair[1].1;
        let inside = |offset: u32| (HEADER_BYTES..segment).contains(&(offset as usize));
        let is_sound = index.points.windows(2).all(rise)
            && index.points.iter().all(|(_, offset)| inside(*offset));
        let fits = is_sound
            && index.base_lsn == sealed.header.base_lsn
            && index.end_lsn == sealed.end_lsn
            && index.chain == sealed.chain;
        fits.then_some(index)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|field| u32::from_le_bytes(*field))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|field| u64::from_le_bytes(*field))
}

#[cfg(test)]
mod tests {
    use super::super::pin::Pin;
    use super::*;

    fn sealed() -> SealedSegment {
        let header = Header {
            number: 1,
            base_lsn: 100,
            ..Header::default()
        };
        SealedSegment {
            header,
            end_lsn: 400,
            chain: 9,
            pin: Pin::default(),
        }
    }

    /// The bytes of the segment.
    const SEGMENT: usize = 9300;

    fn index() -> Index {
        Index {
            base_lsn: 100,
            end_lsn: 400,
            chain: 9,
            points: vec![(50, 5000), (90, 9200)],
        }
    }

    #[test]
    fn a_seek_gives_the_last_point_that_is_not_too_far() {
        let found = [0, 100, 149, 150, 189, 190, 399].map(|lsn| index().seek(lsn));
        let (start, first, second) = ((100, HEADER_BYTES), (150, 5000), (190, 9200));
        assert_eq!(found, [start, start, start, first, first, second, second]);
    }

    #[test]
    fn an_index_comes_back_as_written_and_damage_is_noticed() {
        let good = index().encode();
        assert_eq!(Index::decode(&good, &sealed(), SEGMENT), Some(index()));
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                Index::decode(&bad, &sealed(), SEGMENT),
                None,
                "bit {bit} went unnoticed"
            );
        }
        for len in 0..good.len() {
            assert_eq!(
                Index::decode(&good[..len], &sealed(), SEGMENT),
                None,
                "cut to {len}"
            );
        }
    }

    #[test]
    fn points_outside_of_the_segment_or_out_of_order_are_refused_whatever_the_checksum_says() {
        for points in [
            vec![(50, 9300)],
            vec![(50, 63)],
            vec![(50, 5000), (90, 5000)],
            vec![(90, 5000), (50, 9200)],
        ] {
            let forged = Index { points, ..index() };
            assert_eq!(Index::decode(&forged.encode(), &sealed(), SEGMENT), None);
        }
    }

    #[test]
    fn an_index_of_another_segment_is_not_used() {
        let good = index().encode();
        for other in [
            SealedSegment {
                end_lsn: 401,
                ..sealed()
            },
            SealedSegment {
                chain: 8,
                ..sealed()
            },
        ] {
            assert_eq!(Index::decode(&good, &other, SEGMENT), None);
        }
    }
}
