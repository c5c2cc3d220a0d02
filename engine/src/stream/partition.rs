//! A partition: which offsets it has, and where in the log they are. No body is kept here, but for
//! the newest ones.
//!
//! ```text
//! offsets  start ──────── copied_until ───────────────── next
//!            │  copies, in order │  records where they were published │
//!                                                        └─ tail ─┘ in memory too
//! ```
//!
//! Invariants:
//!
//! 1. It follows from the records alone: replaying them gives the same again.
//! 2. `start ≤ next`, and both only rise. Offsets have no gap; a copied range may have gaps, where
//!    compaction let go of messages.
//! 3. The order of offsets above `copied_until` is the order of the log.
//! 4. Nothing here calls the engine, so its lock may be taken under any other.

use parking_lot::Mutex;

use super::points::{Point, Points};
use super::record::{Batch, Copy, Stamp};
use super::tail::{Recent, Tail};
use crate::injected_bug::{Bug, injected};
use crate::wal::Lsn;

/// How many producers a partition remembers: the ones that published last.
pub(super) const PRODUCERS_MAX: usize = 64;

/// A partition of a topic.
#[derive(Debug)]
pub(super) struct Partition {
    /// Among the partitions of all topics.
    pub number: u32,
    /// Among those of its topic.
    pub index: u32,
    pub extent: Mutex<Extent>,
}

/// What a partition knows of a producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    pub producer: u64,
    pub epoch: u16,
    /// Of the first message of its last batch, and how many that batch has.
    pub sequence: u32,
    pub count: u32,
    /// The offset of that batch.
    pub base: u64,
    pub lsn: Lsn,
}

/// A record that was copied forward.
#[derive(Debug, Clone, std::marker::Copy, PartialEq, Eq)]
pub(super) struct Copied {
    pub base: u64,
    pub until: u64,
    pub lsn: Lsn,
    pub time_us: u64,
    pub bytes: u64,
}

/// What a partition has.
#[derive(Debug, Default)]
pub(super) struct Extent {
    /// The first offset that is kept.
    pub start: u64,
    /// The offset of the next message.
    pub next: u64,
    /// When the log took the newest record.
    pub time_us: u64,
    /// The bytes of all records that were ever published.
    pub bytes: u64,
    pub points: Points,
    /// Messages below it were copied forward.
    pub copied_until: u64,
    pub copies: Vec<Copied>,
    pub sent: Vec<Sent>,
    /// The newest records, in memory too.
    pub tail: Tail,
}

/// What a producer's batch is to a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sequence {
    /// The next one.
    Next,
    /// It is there already: its offset, and the record that holds it.
    Stored(u64, Lsn),
    /// Another one should come next.
    Gap(u32),
    /// Of an epoch that is over.
    Fenced(u16),
}

/// Where an offset is.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// It is not there yet.
    NotYet,
    /// It is no longer there.
    Gone,
    /// In a record that is in memory.
    Recent(Recent),
    /// In this record, or else in the next copy.
    Copied(Lsn),
    /// In a range of which nothing is left; it goes on here.
    Skip(u64),
    /// In this record of the log, or a later one.
    Logged(Lsn),
}

impl Partition {
    pub(super) fn new(number: u32, index: u32) -> Self {
        Self {
            number,
            index,
            extent: Mutex::default(),
        }
    }
}

impl Extent {
    /// Takes in a record of messages.
    pub(super) fn publish(
        &mut self,
        lsn: Lsn,
        batch: &Batch,
        size: usize,
    ) -> Result<(), &'static str> {
        if batch.base != self.next {
            return Err("its offset is not the partition's next");
        }
        self.time_us = self.time_us.max(batch.time_us);
        self.points.push(Point {
            offset: batch.base,
            lsn,
            time_us: self.time_us,
            bytes: self.bytes,
        });
        self.bytes += size as u64;
        self.next += u64::from(batch.count);
        if let Some(stamp) = batch.stamp {
            self.note(stamp, batch, lsn);
        }
        Ok(())
    }

    fn note(&mut self, stamp: Stamp, batch: &Batch, lsn: Lsn) {
        let sent = Sent {
            producer: stamp.producer,
            epoch: stamp.epoch,
            sequence: stamp.sequence,
            count: batch.count,
            base: batch.base,
            lsn,
        };
        if let Some(known) = self
            .sent
            .iter_mut()
            .find(|it| it.producer == stamp.producer)
        {
            *known = sent;
            return;
        }
        if self.sent.len() >= PRODUCERS_MAX
            && let Some(oldest) = (0..self.sent.len()).min_by_key(|at| self.sent[*at].lsn)
        {
            self.sent.swap_remove(oldest);
        }
        if self.sent.is_empty() {
            self.sent.reserve_exact(1);
        }
        self.sent.push(sent);
    }

    /// The sequence that a producer's next message should have.
    pub(super) fn next_sequence(&self, producer: u64) -> u32 {
        let known = self.sent.iter().find(|it| it.producer == producer);
        known.map_or(0, |sent| sent.sequence.wrapping_add(sent.count))
    }

    /// What a batch of a producer is.
    pub(super) fn sequence(&self, stamp: Stamp, count: u32) -> Sequence {
        if injected(Bug::ForgetSequences) {
            return Sequence::Next;
        }
        let known = self.sent.iter().find(|it| it.producer == stamp.producer);
        let Some(sent) = known else {
            // A producer that was forgotten goes on where it was.
            return Sequence::Next;
        };
        if stamp.epoch < sent.epoch {
            return Sequence::Fenced(sent.epoch);
        }
        let next = sent.sequence.wrapping_add(sent.count);
        if stamp.sequence == next {
            Sequence::Next
        } else if stamp.sequence == sent.sequence && count == sent.count {
            Sequence::Stored(sent.base, sent.lsn)
        } else {
            Sequence::Gap(next)
        }
    }

    /// Takes in a record of copied messages.
    pub(super) fn copy(&mut self, lsn: Lsn, copy: &Copy, size: usize) -> Result<(), &'static str> {
        let reached = self.copied_until.max(self.start);
        if copy.base > reached || copy.until > self.next {
            return Err("it leaves out messages");
        }
        if copy.until <= self.start {
            // It was trimmed while it was copied.
            return Ok(());
        }
        // Of a record of which a part is copied, the rest is still where it was.
        self.copies
            .retain(|it| it.until <= copy.base || it.until > copy.until);
        for it in self.copies.iter_mut().filter(|it| it.until > copy.until) {
            it.base = it.base.max(copy.until);
        }
        if copy.count > 0 {
            let at = self.copies.partition_point(|it| it.base < copy.base);
            let copied = Copied {
                base: copy.base,
                until: copy.until,
                lsn,
                time_us: copy.time_us,
                bytes: size as u64,
            };
            self.copies.insert(at, copied);
        }
        self.copied_until = self.copied_until.max(copy.until);
        self.settle();
        Ok(())
    }

    /// Lets go of everything before `start`.
    pub(super) fn trim(&mut self, start: u64) -> Result<(), &'static str> {
        if start > self.next {
            return Err("it would begin after its end");
        }
        self.start = self.start.max(start);
        self.settle();
        Ok(())
    }

    /// Forgets what is no longer needed to find a message.
    fn settle(&mut self) {
        let start = self.start;
        self.copies.retain(|copied| copied.until > start);
        self.copied_until = self.copied_until.max(start);
        if self.copied_until >= self.next {
            self.points.all = Vec::new();
        } else {
            self.points.trim(self.copied_until);
        }
    }

    /// Where `offset` is.
    pub(super) fn find(&self, offset: u64) -> Found {
        if offset >= self.next {
            return Found::NotYet;
        }
        if offset < self.start {
            return Found::Gone;
        }
        if offset < self.copied_until {
            let after = self.copies.partition_point(|it| it.until <= offset);
            return match self.copies.get(after) {
                Some(copied) => Found::Copied(copied.lsn),
                None => Found::Skip(self.copied_until),
            };
        }
        if let Some(recent) = self.tail.find(offset) {
            return Found::Recent(recent.clone());
        }
        match self.points.floor(offset) {
            Some(point) => Found::Logged(point.lsn),
            None => Found::Gone,
        }
    }

    /// The first record that is still needed; `None` where there is none.
    pub(super) fn oldest(&self) -> Option<Lsn> {
        let copied = self.copies.iter().map(|copied| copied.lsn).min();
        let logged = (self.copied_until < self.next)
            .then(|| Some(self.points.floor(self.copied_until)?.lsn))
            .flatten();
        copied.into_iter().chain(logged).min()
    }

    /// The bytes of the records that are kept.
    pub(super) fn kept_bytes(&self) -> u64 {
        let copied: u64 = self.copies.iter().map(|copied| copied.bytes).sum();
        let before = self
            .points
            .floor(self.copied_until)
            .map_or(self.bytes, |point| point.bytes);
        copied + (self.bytes - before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(base: u64, count: u32, stamp: Option<Stamp>) -> Batch {
        Batch {
            partition: 0,
            count,
            base,
            time_us: 100 + base,
            stamp,
        }
    }

    fn stamp(epoch: u16, sequence: u32) -> Stamp {
        Stamp {
            producer: 7,
            epoch,
            sequence,
        }
    }

    /// Ten records of ten messages, 40 records apart.
    fn filled() -> Extent {
        let mut extent = Extent::default();
        for number in 0..10 {
            let batch = batch(number * 10, 10, None);
            extent.publish(Lsn(number * 40), &batch, 100).unwrap();
        }
        extent
    }

    fn logged(extent: &Extent, offset: u64) -> Option<u64> {
        match extent.find(offset) {
            Found::Logged(lsn) | Found::Copied(lsn) => Some(lsn.0),
            _ => None,
        }
    }

    #[test]
    fn offsets_are_found_from_the_first_to_the_last() {
        let mut extent = filled();
        assert_eq!(logged(&extent, 0), Some(0));
        assert_eq!(logged(&extent, 99), Some(360));
        assert!(matches!(extent.find(100), Found::NotYet));
        extent.trim(15).unwrap();
        assert!(matches!(extent.find(14), Found::Gone));
        assert_eq!(logged(&extent, 15), Some(40));
        assert_eq!(extent.oldest(), Some(Lsn(40)));
        assert_eq!(extent.kept_bytes(), 900);
    }

    #[test]
    fn a_record_out_of_order_is_refused() {
        let mut extent = filled();
        assert!(extent.publish(Lsn(400), &batch(99, 1, None), 1).is_err());
        assert!(extent.publish(Lsn(400), &batch(101, 1, None), 1).is_err());
        assert!(extent.trim(101).is_err());
        assert_eq!(extent.next, 100);
    }

    #[test]
    fn a_partition_of_which_everything_went_holds_nothing() {
        let mut extent = filled();
        extent.trim(100).unwrap();
        assert_eq!((extent.oldest(), extent.kept_bytes()), (None, 0));
        extent.publish(Lsn(400), &batch(100, 1, None), 5).unwrap();
        assert_eq!(extent.oldest(), Some(Lsn(400)));
        assert_eq!(logged(&extent, 100), Some(400));
        assert_eq!(extent.kept_bytes(), 5);
    }

    #[test]
    fn copies_take_the_place_of_what_they_are_copies_of() {
        let mut extent = filled();
        let copy = |base, until, count| Copy {
            partition: 0,
            count,
            base,
            time_us: 1,
            until,
        };
        extent.copy(Lsn(400), &copy(0, 20, 3), 30).unwrap();
        extent.copy(Lsn(401), &copy(20, 40, 0), 0).unwrap();
        assert_eq!(logged(&extent, 5), Some(400));
        assert!(matches!(extent.find(25), Found::Skip(40)));
        assert_eq!(logged(&extent, 40), Some(160));
        assert_eq!(extent.oldest(), Some(Lsn(160)));
        assert!(extent.copy(Lsn(402), &copy(50, 60, 1), 0).is_err(), "a gap");
        // A second copy of the same range.
        extent.copy(Lsn(403), &copy(0, 40, 2), 20).unwrap();
        assert_eq!(logged(&extent, 39), Some(403));
        assert_eq!(extent.kept_bytes(), 620);
        extent.trim(40).unwrap();
        assert_eq!(extent.kept_bytes(), 600);
        // One that was copied in parts is found in both.
        let mut parts = filled();
        parts.copy(Lsn(400), &copy(0, 40, 4), 40).unwrap();
        parts.copy(Lsn(401), &copy(0, 20, 2), 20).unwrap();
        assert_eq!(
            (logged(&parts, 19), logged(&parts, 20)),
            (Some(401), Some(400))
        );
        parts.copy(Lsn(402), &copy(20, 40, 2), 20).unwrap();
        assert_eq!(
            (logged(&parts, 19), logged(&parts, 20)),
            (Some(401), Some(402))
        );
        assert_eq!(parts.copies.len(), 2);
        // One that was trimmed meanwhile changes nothing.
        extent.copy(Lsn(404), &copy(0, 20, 2), 20).unwrap();
        assert_eq!(extent.kept_bytes(), 600);
    }

    #[test]
    fn a_batch_that_is_sent_again_is_known() {
        let mut extent = Extent::default();
        assert_eq!(extent.sequence(stamp(1, 0), 3), Sequence::Next);
        extent
            .publish(Lsn(5), &batch(0, 3, Some(stamp(1, 0))), 1)
            .unwrap();
        assert_eq!(extent.sequence(stamp(1, 0), 3), Sequence::Stored(0, Lsn(5)));
        assert_eq!(extent.sequence(stamp(1, 3), 1), Sequence::Next);
        assert_eq!(extent.sequence(stamp(1, 4), 1), Sequence::Gap(3));
        assert_eq!(extent.sequence(stamp(1, 0), 2), Sequence::Gap(3));
        assert_eq!(extent.sequence(stamp(0, 3), 1), Sequence::Fenced(1));
        // Numbers go on from epoch to epoch: what was sent before a crash is known after it.
        assert_eq!(extent.sequence(stamp(2, 0), 3), Sequence::Stored(0, Lsn(5)));
        assert_eq!(extent.sequence(stamp(2, 3), 1), Sequence::Next);
    }

    #[test]
    fn the_producers_that_published_last_are_remembered() {
        let mut extent = Extent::default();
        for producer in 0..=PRODUCERS_MAX as u64 {
            let stamp = Stamp {
                producer,
                ..stamp(0, 0)
            };
            let batch = batch(producer, 1, Some(stamp));
            extent.publish(Lsn(producer), &batch, 1).unwrap();
        }
        assert_eq!(extent.sent.len(), PRODUCERS_MAX);
        assert!(!extent.sent.iter().any(|sent| sent.producer == 0));
    }

    #[test]
    fn newest_record_is_found_in_memory_and_older_ones_in_the_log() {
        let mut extent = filled();
        extent.tail.stage(b"a".as_slice().into());
        extent.publish(Lsn(400), &batch(100, 5, None), 1).unwrap();
        extent.tail.keep(Lsn(400), 100);
        assert!(matches!(extent.find(104), Found::Recent(recent) if recent.base == 100));
        assert_eq!(logged(&extent, 99), Some(360));
    }
}
