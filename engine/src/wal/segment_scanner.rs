//! A segment's frames in order: the one place that knows which frames may follow which.
//!
//! The scan checks frames (checksum, lengths) and grammar (batches well formed, the segment's
//! end telling the truth), counts records, and folds checksums into the chain. It stops at the
//! first thing it cannot accept and says why; what that means is for recovery to judge.

use super::points::Points;
use super::segment::{HEADER_BYTES, Header, NUMBER_MAX, chained};
use crate::frame::{
    self, BatchItems, Damage, Frame, Kind, Next, Record, SegmentEnd, SyncMark, TxBegin, TxCommit,
};

/// Where a scan stands: after the frames it has accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// Bytes from the beginning of the file.
    pub at: usize,
    /// The LSN of the next record.
    pub lsn: u64,
    /// The chain over the frames so far.
    pub chain: u32,
    /// How many frames there were.
    pub frames: u64,
}

/// An accepted frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// Records: one, or a batch's.
    Records(Record<'a>),
    /// Everything before the mark was durable.
    Mark(SyncMark),
    /// A transaction begins or is complete.
    Bracket,
    /// The segment is complete; the least epoch of the next one.
    End(u32),
}

/// Why a scan went no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The bytes end here, or only zeros follow.
    #[error("the frames end")]
    Empty,
    /// What follows is not a frame.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// A transaction has no commit.
    #[error("a transaction has no commit")]
    Unfinished,
    /// The frame is intact and says something it must not.
    #[error("the checksum holds, but {0}")]
    Malformed(&'static str),
    /// The frame is intact and from a newer engine.
    #[error("frame type {kind:#04x} version {version} is unknown to this engine")]
    Unknown {
        /// Its type.
        kind: u8,
        /// Its version.
        version: u8,
    },
}

impl Stop {
    fn unknown(record: Record<'_>) -> Self {
        Self::Unknown {
            kind: record.kind.0,
            version: record.version,
        }
    }
}

/// Walks over the frames of `segment`, which is a whole file.
#[derive(Debug)]
pub(super) struct SegmentScanner<'a> {
    segment: &'a [u8],
    salt: u32,
    epoch: u32,
    /// Where the walk began there, and not in the middle.
    base_lsn: Option<u64>,
    position: Position,
    /// Within a transaction: where it begins, and how many records it promises.
    transaction: Option<(Position, u64)>,
    /// Where the records are.
    points: Points,
}

impl<'a> SegmentScanner<'a> {
    /// Begins after the header.
    pub(super) fn new(segment: &'a [u8], header: &Header) -> Self {
        let at = HEADER_BYTES;
        let position = Position {
            at,
            lsn: header.base_lsn,
            chain: header.prev_chain,
            frames: 0,
        };
        Self {
            base_lsn: Some(header.base_lsn),
            ..Self::at_position(segment, header, position)
        }
    }

    /// Goes on at a place between two frames that is known from elsewhere.
    pub(super) fn at_position(segment: &'a [u8], header: &Header, position: Position) -> Self {
        Self {
            segment,
            salt: header.salt,
            epoch: header.epoch,
            base_lsn: None,
            position,
            transaction: None,
            points: Points::default(),
        }
    }

    /// After the last accepted frame that is no part of an unfinished transaction.
    pub(super) fn position(&self) -> Position {
        self.transaction.map_or(self.position, |(begin, _)| begin)
    }

    /// The offset of the next frame.
    pub(super) fn at(&self) -> usize {
        self.position.at
    }

    /// Accepts the next frame.
    pub(super) fn step(&mut self) -> Result<Step<'a>, Stop> {
        let rest = self.segment.get(self.position.at..).unwrap_or_default();
        let frame = match frame::decode(rest, self.salt) {
            Next::Frame(frame) => frame,
            Next::End => return Err(Stop::Empty),
            Next::Damaged(damage) => return Err(Stop::Damaged(damage)),
        };
        let begin = self.position;
        let (step, records) = self.read(&frame)?;
        match frame.record.kind {
            Kind::TX_BEGIN => {
                let records = TxBegin::decode(frame.record.payload).map_or(0, |tx| tx.records);
                self.transaction = Some((begin, records));
            }
            Kind::TX_COMMIT => self.transaction = None,
            _ => {}
        }
        let before = self.position.lsn - self.base_lsn.unwrap_or(self.position.lsn);
        self.points.note(before, begin.at as u64, frame.size);
        // A header's numbers are below 2⁶² and a count below 2³², so this cannot overflow.
        let lsn = self.position.lsn + records;
        if lsn > NUMBER_MAX {
            return Err(Stop::Malformed("there are no numbers left for records"));
        }
        self.position.lsn = lsn;
        self.position.at += frame.size;
        if !matches!(step, Step::Mark(_) | Step::End(_)) {
            self.position.chain = chained(self.position.chain, frame.crc);
        }
        self.position.frames += 1;
        Ok(step)
    }

    fn read(&self, frame: &Frame<'a>) -> Result<(Step<'a>, u64), Stop> {
        let Record {
            kind,
            version,
            payload,
        } = frame.record;
        // Nearly all of them: a record that stands for itself, in a transaction or alone.
        if kind.is_known() {
            return Ok((Step::Records(frame.record), 1));
        }
        if kind.is_reserved() && version != frame::VERSION {
            return Err(Stop::unknown(frame.record));
        }
        let is_data = kind == Kind::BATCH || !kind.is_reserved();
        if self.transaction.is_some() && !is_data && kind != Kind::TX_COMMIT {
            return Err(Stop::Malformed("a transaction is interrupted"));
        }
        match kind {
            Kind::TX_BEGIN if TxBegin::decode(payload).is_some() => Ok((Step::Bracket, 0)),
            Kind::TX_BEGIN => Err(Stop::Malformed("the transaction's begin has a bad length")),
            Kind::TX_COMMIT => {
                let (begin, promised) = self
                    .transaction
                    .ok_or(Stop::Malformed("a commit ends no transaction"))?;
                let commit = TxCommit::decode(payload);
                let records = self.position.lsn - begin.lsn;
                if commit
                    != Some(TxCommit {
                        records,
                        chain: self.position.chain,
                    })
                    || promised != records
                    || records == 0
                {
                    return Err(Stop::Malformed("the commit disagrees with its transaction"));
                }
                Ok((Step::Bracket, 0))
            }
            Kind::BATCH => {
                let items = BatchItems::new(payload);
                let items = items.ok_or(Stop::Malformed("the batch is too short for its count"))?;
                let count = u64::from(items.left());
                if !items.clone().is_well_formed() {
                    return Err(Stop::Malformed("an item does not fit its batch"));
                }
                if count == 0 {
                    return Err(Stop::Malformed("the batch has no record"));
                }
                if let Some(record) = items.unknown() {
                    return Err(Stop::unknown(record));
                }
                Ok((Step::Records(frame.record), count))
            }
            Kind::SYNC_MARK => {
                let mark = SyncMark::decode(payload);
                Ok((
                    Step::Mark(mark.ok_or(Stop::Malformed("the sync mark has a bad length"))?),
                    0,
                ))
            }
            Kind::SEGMENT_END => {
                let end = SegmentEnd::decode(payload);
                let end = end.ok_or(Stop::Malformed("the segment's end has a bad length"))?;
                let lsn = self.position.lsn;
                let chain = self.position.chain;
                let truth = SegmentEnd {
                    records: self.base_lsn.map_or(end.records, |base| lsn - base),
                    end_lsn: lsn,
                    chain,
                    next_epoch: end.next_epoch.max(self.epoch),
                };
                if end != truth || end.records == 0 {
                    return Err(Stop::Malformed(
                        "the segment's end disagrees with its frames",
                    ));
                }
                Ok((Step::End(end.next_epoch), 0))
            }
            _ => Err(Stop::unknown(frame.record)),
        }
    }
}

/// What a scan over a whole segment found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verified {
    /// After the last frame to keep; for a sealed segment before its end frame.
    pub last: Position,
    /// Where the scan stopped. Beyond `last` where that is inside a transaction.
    pub at: usize,
    /// Why it stopped; `None` where the segment is sealed.
    pub stop: Option<Stop>,
    /// The least epoch of the next segment.
    pub next_epoch: u32,
    /// The furthest offset that a mark says was durable.
    pub synced: u64,
    /// What stands at the offset that was to be noted, where a record or transaction ends there.
    pub noted: Option<Position>,
}

/// Walks over a whole segment, and notes where its records are, and what stands at offset `note`.
pub(super) fn verify(segment: &[u8], header: &Header, note: Option<u64>) -> (Verified, Points) {
    verify_from(SegmentScanner::new(segment, header), note)
}

/// Walks over the rest of a segment.
pub(super) fn verify_from(mut scan: SegmentScanner<'_>, note: Option<u64>) -> (Verified, Points) {
    let note = note.map_or(usize::MAX, |at| usize::try_from(at).unwrap_or(usize::MAX));
    let mut noted = None;
    let mut synced = 0;
    let mut next_epoch = scan.epoch;
    loop {
        let (last, at) = (scan.position(), scan.at());
        if last.at == note {
            noted = Some(last);
        }
        let stop = match scan.step() {
            Ok(Step::End(epoch)) => {
                next_epoch = epoch;
                None
            }
            Ok(Step::Mark(mark)) => {
                synced = mark.offset.max(synced);
                continue;
            }
            Ok(Step::Records(_) | Step::Bracket) => continue,
            // A transaction that merely ends too early is as torn as a frame that does.
            Err(Stop::Empty) if at > last.at => Some(Stop::Unfinished),
            Err(stop) => Some(stop),
        };
        let verified = Verified {
            last,
            at,
            stop,
            next_epoch,
            synced,
            noted,
        };
        return (verified, scan.points);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Prepared;

    const SALT: u32 = 5;

    /// A segment of frames of the log's own types, and what its scan stops at.
    fn stop(frames: &[(Kind, u8, &[u8])]) -> (u64, Option<Stop>) {
        stop_from(10, frames)
    }

    /// The same, of a segment that begins with record `base_lsn`.
    fn stop_from(base_lsn: u64, frames: &[(Kind, u8, &[u8])]) -> (u64, Option<Stop>) {
        let header = Header {
            base_lsn,
            salt: SALT,
            ..Header::default()
        };
        let mut segment = header.encode().to_vec();
        for (kind, version, payload) in frames {
            let record = Record {
                kind: *kind,
                version: *version,
                payload,
            };
            Prepared::new(record).unwrap().write_to(&mut segment, SALT);
        }
        let (verified, _) = verify(&segment, &header, None);
        (verified.last.lsn, verified.stop)
    }

    #[test]
    fn what_a_frame_must_not_say_is_named() {
        let begin = TxBegin { records: 1 }.encode();
        let record: (Kind, u8, &[u8]) = (Kind(0x40), 1, b"record");
        let malformed = |frames: &[(Kind, u8, &[u8])]| {
            let (lsn, stop) = stop(frames);
            let Some(Stop::Malformed(what)) = stop else {
                panic!("{stop:?}")
            };
            (lsn, what)
        };
        let early_commit = TxCommit {
            records: 0,
            chain: 0,
        }
        .encode();
        assert_eq!(
            malformed(&[record, (Kind::TX_COMMIT, 1, &early_commit)]),
            (11, "a commit ends no transaction")
        );
        assert_eq!(
            malformed(&[(Kind::TX_BEGIN, 1, &begin), (Kind::TX_BEGIN, 1, &begin)]),
            (10, "a transaction is interrupted")
        );
        assert_eq!(
            malformed(&[
                (Kind::TX_BEGIN, 1, &begin),
                record,
                (Kind::TX_COMMIT, 1, &early_commit)
            ]),
            (10, "the commit disagrees with its transaction")
        );
        let end = SegmentEnd {
            records: 1,
            end_lsn: 11,
            chain: 1,
            next_epoch: 0,
        }
        .encode();
        assert_eq!(
            malformed(&[record, (Kind::SEGMENT_END, 1, &end)]),
            (11, "the segment's end disagrees with its frames")
        );
        assert_eq!(
            malformed(&[(Kind::BATCH, 1, &[2, 0, 0, 0, 1])]),
            (10, "the batch is too short for its count")
        );
        assert_eq!(
            malformed(&[(Kind::SYNC_MARK, 1, b"")]),
            (10, "the sync mark has a bad length")
        );
    }

    #[test]
    fn a_commit_that_tells_the_truth_does_not_excuse_a_begin_that_does_not() {
        let record: (Kind, u8, &[u8]) = (Kind(0x40), 1, b"record");
        let crc = |(kind, version, payload): (Kind, u8, &[u8])| {
            let record = Record {
                kind,
                version,
                payload,
            };
            Prepared::new(record).unwrap().crc()
        };
        for (promised, is_true) in [(1, true), (0, false), (2, false), (u64::MAX, false)] {
            let begin = TxBegin { records: promised }.encode();
            let begin: (Kind, u8, &[u8]) = (Kind::TX_BEGIN, 1, &begin);
            let chain = chained(chained(0, crc(begin)), crc(record));
            let commit = TxCommit { records: 1, chain }.encode();
            let (lsn, stop) = stop(&[begin, record, (Kind::TX_COMMIT, 1, &commit)]);
            let expected = if is_true {
                (11, Stop::Empty)
            } else {
                let what = "the commit disagrees with its transaction";
                (10, Stop::Malformed(what))
            };
            assert_eq!((lsn, stop), (expected.0, Some(expected.1)), "{promised}");
        }
    }

    #[test]
    fn a_transaction_without_records_is_malformed_although_its_brackets_agree() {
        let begin = TxBegin { records: 0 }.encode();
        let crc = Prepared::new(TxBegin::record(&begin)).unwrap().crc();
        let commit = TxCommit {
            records: 0,
            chain: chained(0, crc),
        };
        let commit = commit.encode();
        assert_eq!(
            stop(&[(Kind::TX_BEGIN, 1, &begin), (Kind::TX_COMMIT, 1, &commit)]),
            (
                10,
                Some(Stop::Malformed("the commit disagrees with its transaction"))
            )
        );
    }

    #[test]
    fn the_last_number_is_given_to_a_record_and_none_after_it() {
        let record: (Kind, u8, &[u8]) = (Kind(0x40), 1, b"record");
        assert_eq!(
            stop_from(NUMBER_MAX - 1, &[record]),
            (NUMBER_MAX, Some(Stop::Empty))
        );
        let none_left = Stop::Malformed("there are no numbers left for records");
        assert_eq!(
            stop_from(NUMBER_MAX - 1, &[record, record]),
            (NUMBER_MAX, Some(none_left))
        );
    }

    #[test]
    fn frames_of_a_newer_engine_are_named() {
        let unknown = |kind, version| Some(Stop::Unknown { kind, version });
        assert_eq!(stop(&[(Kind(0x0f), 1, b"")]).1, unknown(0x0f, 1));
        assert_eq!(stop(&[(Kind::BATCH, 2, &[0; 4])]).1, unknown(0x03, 2));
        assert_eq!(
            stop(&[(Kind(0x40), 99, b"its owner's")]),
            (11, Some(Stop::Empty))
        );
        for kind in [0x12, 0x30, 0x3f] {
            let stop = stop(&[(Kind(kind), 1, b"")]).1;
            assert_eq!(stop, unknown(kind, 1), "{stop:?}");
        }
        let in_a_batch = [1, 0, 0, 0, 2, 0, 0, 0, 0x30, 4];
        assert_eq!(
            stop(&[(Kind::BATCH, 1, &in_a_batch)]).1,
            unknown(0x30, 4),
            "in a batch"
        );
    }

    #[test]
    fn an_unfinished_transaction_ends_the_log_before_it() {
        let begin = TxBegin { records: 2 }.encode();
        let record: (Kind, u8, &[u8]) = (Kind(0x40), 1, b"record");
        let frames = [record, (Kind::TX_BEGIN, 1, &begin[..]), record];
        assert_eq!(stop(&frames), (11, Some(Stop::Unfinished)));
    }
}
