//! What has been accepted and not yet been written: the pure half of the writer.
//!
//! Frames are laid out here, in order and at their final offsets, before any of them reaches a
//! file. A segment that is full is sealed here too. Pure: no file, no thread.
//!
//! ```text
//! queue   │ chunk (sealed, segment 7) │ chunk (sealed, segment 8) │
//! filling │ chunk (segment 9) … frames are appended here          │
//! ```
//!
//! Invariants:
//!
//! 1. Chunks lie end to end: each begins where the one before it ended, or after the header of
//!    the next segment.
//! 2. A frame never straddles two segments, and the bytes for a segment's end are always kept
//!    free.

use super::points::Points;
use super::segment::{HEADER_BYTES, Header, chained};
use crate::frame::{
    END_PAYLOAD_BYTES, MARK_PAYLOAD_BYTES, OVERHEAD, Prepared, Record, SegmentEnd, SyncMark,
    TxBegin, TxCommit,
};

/// Kept free in every segment for its end.
const END_BYTES: u64 = (END_PAYLOAD_BYTES + OVERHEAD) as u64;

/// What a transaction adds to its frames.
pub(super) const BRACKET_BYTES: usize = 18 + 22;

/// Bytes for one segment, to be written at once.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    /// The segment they belong to.
    pub header: Header,
    /// Where in the file they begin.
    pub start: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The LSN after the last record in them.
    pub end_lsn: u64,
    /// Where they end with the segment's end: the chain over its frames.
    pub sealed: Option<u32>,
}

/// Accepted frames on their way to the file.
#[derive(Debug)]
pub(super) struct Pending {
    queue: Vec<Chunk>,
    filling: Chunk,
    chain: u32,
    segment_bytes: u64,
    /// Of the segment being filled.
    points: Points,
    /// Of segments that are full and not yet written to their end, by their numbers.
    full: Vec<(u64, Points)>,
    /// Buffers that were written and can be filled again.
    spare: Vec<Vec<u8>>,
}

impl Pending {
    /// Begins with an empty segment.
    pub(super) fn new(header: Header, segment_bytes: u64) -> Self {
        let filling = Chunk {
            header,
            start: HEADER_BYTES as u64,
            bytes: Vec::new(),
            end_lsn: header.base_lsn,
            sealed: None,
        };
        Self {
            queue: Vec::new(),
            filling,
            chain: header.prev_chain,
            segment_bytes,
            points: Points::default(),
            full: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// The largest frame that fits a segment.
    pub(super) fn frame_bytes_max(&self) -> usize {
        let room = self.segment_bytes - HEADER_BYTES as u64 - END_BYTES;
        usize::try_from(room).unwrap_or(usize::MAX)
    }

    /// The LSN of the next record.
    pub(super) fn next_lsn(&self) -> u64 {
        self.filling.end_lsn
    }

    /// Whether the segment being filled has a record. Marks follow records only, so a segment
    /// without one has no frame either.
    pub(super) fn has_records(&self) -> bool {
        self.filling.end_lsn > self.filling.header.base_lsn
    }

    /// How many bytes wait.
    pub(super) fn bytes(&self) -> usize {
        self.queue
            .iter()
            .map(|chunk| chunk.bytes.len())
            .sum::<usize>()
            + self.filling.bytes.len()
    }

    /// Whether a frame of `size` bytes still goes into the segment being filled.
    pub(super) fn fits(&self, size: usize) -> bool {
        self.offset() + size as u64 + END_BYTES <= self.segment_bytes
    }

    /// Lays out a frame of `records` records. It must fit; see [`roll`](Self::roll).
    pub(super) fn push(&mut self, frame: &Prepared<'_>, records: u64) {
        let before = self.filling.end_lsn - self.filling.header.base_lsn;
        self.points.note(before, self.offset(), frame.size());
        frame.write_to(&mut self.filling.bytes, self.filling.header.salt);
        self.filling.end_lsn += records;
        self.chain = chained(self.chain, frame.crc());
    }

    /// Lays out a transaction: its begin, its frames, and its commit. All of it must fit.
    pub(super) fn push_transaction(&mut self, begin: TxBegin, frames: &[(Prepared<'_>, u64)]) {
        self.push_small(TxBegin::record(&begin.encode()));
        for (frame, records) in frames {
            self.push(frame, *records);
        }
        let commit = TxCommit {
            records: begin.records,
            chain: self.chain,
        };
        self.push_small(TxCommit::record(&commit.encode()));
    }

    /// Seals the segment being filled, which must have a record, and begins the next.
    pub(super) fn roll(&mut self, created_us: u64) {
        debug_assert!(
            self.has_records(),
            "a segment without records is never sealed"
        );
        let header = self.filling.header;
        let end_lsn = self.filling.end_lsn;
        let chain = self.chain;
        let end = SegmentEnd {
            records: end_lsn - header.base_lsn,
            end_lsn,
            chain,
            next_epoch: header.epoch,
        }
        .encode();
        self.push_unchained(SegmentEnd::record(&end));
        self.filling.sealed = Some(chain);
        self.full
            .push((header.number, std::mem::take(&mut self.points)));
        let next = Chunk {
            header: header.next(end_lsn, chain, created_us),
            start: HEADER_BYTES as u64,
            bytes: self.spare.pop().unwrap_or_default(),
            end_lsn,
            sealed: None,
        };
        self.queue.push(std::mem::replace(&mut self.filling, next));
    }

    /// Where the records of segment `number` are, which is not yet written to its end.
    pub(super) fn points(&self, number: u64) -> &Points {
        let full = self.full.iter().find(|(full, _)| *full == number);
        full.map_or(&self.points, |(_, points)| points)
    }

    /// Gives away the points of segment `number`, which is full and written.
    pub(super) fn take_points(&mut self, number: u64) -> Points {
        let full = self.full.iter().position(|(full, _)| *full == number);
        full.map_or_else(Points::default, |index| self.full.remove(index).1)
    }

    /// Notes that the bytes before `mark.offset` of segment `number` are durable. Says nothing
    /// where that segment is no longer being filled, as its successor is proof enough, nor where
    /// it has no record: there is nothing to say, and an empty segment must stay empty.
    pub(super) fn mark(&mut self, number: u64, mark: SyncMark) {
        let is_filling = self.filling.header.number == number && self.has_records();
        if is_filling && self.fits(MARK_PAYLOAD_BYTES + OVERHEAD) {
            self.push_unchained(SyncMark::record(&mark.encode()));
        }
    }

    /// For what the log says of its files, which is no part of its history.
    fn push_unchained(&mut self, record: Record<'_>) {
        if let Some(frame) = Prepared::new(record) {
            frame.write_to(&mut self.filling.bytes, self.filling.header.salt);
        }
    }

    fn push_small(&mut self, record: Record<'_>) {
        if let Some(frame) = Prepared::new(record) {
            self.push(&frame, 0);
        }
    }

    /// Takes all chunks, the one being filled included, and goes on filling after it.
    pub(super) fn take(&mut self) -> Vec<Chunk> {
        let rest = Chunk {
            start: self.offset(),
            bytes: self.spare.pop().unwrap_or_default(),
            ..self.filling.clone_empty()
        };
        let mut chunks = std::mem::take(&mut self.queue);
        chunks.push(std::mem::replace(&mut self.filling, rest));
        chunks
    }

    /// Drops what was laid out. Only the numbers remain.
    pub(super) fn forget(&mut self) {
        self.queue.clear();
        self.filling.bytes.clear();
    }

    /// Gives back the buffers of chunks that are written.
    pub(super) fn reuse(&mut self, chunks: Vec<Chunk>) {
        // Two are enough: one is filled while the other is written.
        for mut chunk in chunks.into_iter().rev() {
            if self.spare.len() < 2 && chunk.bytes.capacity() > 0 {
                chunk.bytes.clear();
                self.spare.push(chunk.bytes);
            }
        }
    }

    fn offset(&self) -> u64 {
        self.filling.start + self.filling.bytes.len() as u64
    }
}

impl Chunk {
    /// The same place without the bytes.
    fn clone_empty(&self) -> Self {
        Self {
            bytes: Vec::new(),
            ..*self
        }
    }

    /// Where in the file they end.
    pub(super) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Kind;
    use crate::wal::segment_scanner;

    const SEGMENT: u64 = 4096;

    fn filled(payloads: &[&[u8]]) -> Pending {
        let mut pending = Pending::new(Header::first(1, 2, 4096), SEGMENT);
        for payload in payloads {
            let record = Record {
                kind: Kind::KV_PUT,
                version: 1,
                payload,
            };
            let frame = Prepared::new(record).unwrap();
            if !pending.fits(frame.size()) {
                pending.roll(2);
            }
            pending.push(&frame, 1);
        }
        pending
    }

    /// The file that chunks of one segment make.
    fn file(chunks: &[Chunk]) -> Vec<u8> {
        let mut file = chunks[0].header.encode().to_vec();
        for chunk in chunks {
            assert_eq!(file.len() as u64, chunk.start);
            file.extend_from_slice(&chunk.bytes);
        }
        file
    }

    #[test]
    fn chunks_lie_end_to_end() {
        let mut pending = filled(&[b"a", b"b"]);
        let mut chunks = pending.take();
        pending.mark(
            0,
            SyncMark {
                offset: chunks[0].end(),
                lsn: 2,
            },
        );
        chunks.extend(pending.take());
        let (verified, _) = segment_scanner::verify(&file(&chunks), &chunks[0].header, None);
        assert_eq!((verified.last.lsn, verified.last.frames), (2, 3));
        assert_eq!(verified.stop, Some(segment_scanner::Stop::Empty));
    }

    #[test]
    fn a_full_segment_is_sealed_and_the_next_continues_it() {
        let payload = [7; 1000];
        let mut pending = filled(&[&payload[..]; 4]);
        let chunks = pending.take();
        assert_eq!(chunks.len(), 2);
        let (sealed, _) = segment_scanner::verify(&file(&chunks[..1]), &chunks[0].header, None);
        assert_eq!((sealed.stop, sealed.last.lsn), (None, 3));
        assert_eq!(chunks[1].header.base_lsn, 3);
        assert_eq!(chunks[1].header.prev_chain, sealed.last.chain);
        assert_eq!(chunks[1].end_lsn, 4);
    }

    #[test]
    fn the_largest_frame_fills_a_segment_to_the_last_byte() {
        let pending = Pending::new(Header::first(1, 2, 4096), SEGMENT);
        let largest = vec![1; pending.frame_bytes_max() - OVERHEAD];
        let mut pending = filled(&[&largest]);
        assert!(!pending.fits(OVERHEAD));
        pending.roll(2);
        assert_eq!(pending.take()[0].end(), SEGMENT);
    }

    #[test]
    fn buffers_are_used_again_and_no_more_than_two_are_kept() {
        let payload = [7; 1000];
        let mut pending = filled(&[&payload[..]; 20]);
        let mut chunks = pending.take();
        assert!(chunks.len() > 3);
        // One that was never filled is no buffer to keep.
        chunks[0].bytes = Vec::new();
        pending.reuse(chunks);
        assert_eq!(pending.spare.len(), 2);
        assert!(
            pending
                .spare
                .iter()
                .all(|it| it.is_empty() && it.capacity() > 0)
        );
        let mut empty = filled(&[b"a"]);
        let mut chunks = empty.take();
        empty.spare.clear();
        chunks[0].bytes = Vec::new();
        empty.reuse(chunks);
        assert!(empty.spare.is_empty());
    }

    #[test]
    fn a_mark_for_an_earlier_segment_is_not_written() {
        let mut pending = filled(&[&[7; 1000][..]; 4]);
        pending.take();
        pending.mark(0, SyncMark { offset: 64, lsn: 0 });
        assert_eq!(pending.bytes(), 0);
        pending.mark(1, SyncMark { offset: 64, lsn: 3 });
        assert_eq!(pending.bytes(), MARK_PAYLOAD_BYTES + OVERHEAD);
    }
}
