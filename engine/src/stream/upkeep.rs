//! What is done from time to time: trim, compact, copy forward, and let go of the log.
//!
//! ```text
//! log   │ a │ b │ · │ · │ a │ · │ · │ · │ c │ c │ c │      · is dead
//!         └───┴── few, and old: copied ──┘            ──► │ a' b' a' │   offsets stay
//! held  ▲                                       moves here ▲ once the copies are durable
//! ```
//!
//! The holder moves only once everything that it relies on is durable: otherwise a checkpoint could let
//! go of messages of which the copies, or the trim, are lost in a crash.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::cursor::{Cursor, Room, Stopped};
use super::error::StreamError;
use super::message::Message;
use super::partition::{Extent, Partition};
use super::record::{self, Copy};
use super::retention;
use super::rules::Action;
use super::state::NAME;
use super::streams::{Shared, Streams};
use super::topic::Topic;
use crate::frame::Record;
use crate::injected_bug::{Bug, injected};
use crate::wal::Lsn;

/// How many bytes of messages a record of copies has, roughly.
const COPY_BYTES: usize = 64 << 10;

/// How much is read at once.
const CHUNK: Room = Room {
    messages: 1000,
    bytes: COPY_BYTES,
};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Upkeep {
    /// How many messages are no longer kept.
    pub trimmed: u64,
    /// How many messages compaction let go of.
    pub compacted: u64,
    /// How many messages were copied forward, those that compaction kept included.
    pub copied: u64,
    /// The first record that is still needed.
    pub held: Lsn,
}

impl Streams {
    /// Trims what is above the topics' limits, compacts topics that ask for it where half of what they
    /// keep is new, copies forward what would hold nearly dead segments, and lets go of the log before
    /// the oldest record that is still needed. The engine's next checkpoint then frees the files.
    ///
    /// Call it every few seconds, from one thread; it may read and write much. Only the operator's
    /// handle may.
    ///
    /// # Errors
    /// [`StreamError::Denied`]; [`StreamError::Commit`] or [`StreamError::Read`] where the log failed.
    /// What was done until then stays.
    pub fn maintain(&self) -> Result<Upkeep, StreamError> {
        self.check_operator()?;
        let shared = &self.shared;
        shared.sync.upkeep(|| {
            let mut done = Upkeep::default();
            for topic in shared.topics() {
                done.trimmed += shared.trim(&topic)?;
                for partition in topic
                    .partitions
                    .iter()
                    .filter(|_| topic.settings.is_compacted)
                {
                    if is_half_new(&partition.extent.lock()) {
                        shared.compact(&topic, partition, &mut done)?;
                    }
                }
            }
            shared.copy_forward(&mut done)?;
            done.held = shared.release()?;
            Ok(done)
        })
    }

    /// Compacts a topic now: of each key, the last message stays, and messages without a key. A message
    /// that says that nothing is left of its key goes with the second compaction after it.
    ///
    /// # Errors
    /// As for [`maintain`](Self::maintain), and [`StreamError::UnknownTopic`].
    pub fn compact(&self, topic: &str) -> Result<Upkeep, StreamError> {
        self.check(topic, Action::Admin)?;
        let shared = &self.shared;
        let topic = shared.topic(topic)?;
        shared.sync.upkeep(|| {
            let mut done = Upkeep::default();
            for partition in &topic.partitions {
                shared.compact(&topic, partition, &mut done)?;
            }
            done.held = shared.release()?;
            Ok(done)
        })
    }

    /// Lets go of the messages of a partition before `offset`.
    ///
    /// # Errors
    /// [`StreamError::OutOfRange`] where the partition ends before; as for
    /// [`maintain`](Self::maintain), [`StreamError::UnknownTopic`], [`StreamError::UnknownPartition`].
    pub fn trim(&self, topic: &str, partition: u32, offset: u64) -> Result<(), StreamError> {
        self.check(topic, Action::Admin)?;
        let shared = &self.shared;
        let topic = shared.topic(topic)?;
        let partition = super::streams::partition_at(&topic, partition)?;
        shared.sync.upkeep(|| {
            let (earliest, latest) = {
                let extent = partition.extent.lock();
                (extent.start, extent.next)
            };
            if offset > latest {
                return Err(StreamError::OutOfRange {
                    topic: topic.name.to_string(),
                    partition: partition.index,
                    offset,
                    earliest,
                    latest,
                });
            }
            shared.append_upkeep(record::TRIMMED, &record::trimmed(partition.number, offset))
        })
    }
}

/// Whether at least half of what a partition keeps came since it was compacted.
fn is_half_new(extent: &Extent) -> bool {
    let copied: u64 = extent.copies.iter().map(|copied| copied.bytes).sum();
    let kept = extent.kept_bytes();
    kept > copied && (kept - copied) * 2 >= kept
}

/// Copies that are being gathered.
struct Gathered<'a> {
    shared: &'a Shared,
    partition: &'a Partition,
    /// The first offset that the next record covers.
    base: u64,
    deltas: Vec<u32>,
    messages: Vec<u8>,
    time_us: u64,
}

impl<'a> Gathered<'a> {
    fn new(shared: &'a Shared, partition: &'a Partition, base: u64) -> Self {
        Self {
            shared,
            partition,
            base,
            deltas: Vec::new(),
            messages: Vec::new(),
            time_us: 0,
        }
    }

    fn push(&mut self, message: &Message) -> Result<(), StreamError> {
        let is_far = message.offset - self.base > u64::from(u32::MAX);
        if !self.deltas.is_empty() && (is_far || self.messages.len() + message.size() > COPY_BYTES)
        {
            self.flush(message.offset)?;
        }
        if message.offset - self.base > u64::from(u32::MAX) {
            self.flush(message.offset)?;
        }
        self.deltas
            .push(u32::try_from(message.offset - self.base).unwrap_or(u32::MAX));
        self.time_us = self.time_us.max(message.time_us);
        message.encode_with_time(&mut self.messages);
        Ok(())
    }

    /// Appends a record that covers everything before `until`.
    fn flush(&mut self, until: u64) -> Result<(), StreamError> {
        if until <= self.base {
            return Ok(());
        }
        let copy = Copy {
            partition: self.partition.number,
            count: u32::try_from(self.deltas.len()).unwrap_or(u32::MAX),
            base: self.base,
            time_us: self.time_us,
            until,
        };
        let mut payload = Vec::new();
        copy.encode(&self.deltas, &mut payload);
        payload.extend_from_slice(&self.messages);
        self.shared.append_upkeep(record::COPIED, &payload)?;
        self.base = until;
        self.deltas.clear();
        self.messages.clear();
        self.time_us = 0;
        Ok(())
    }
}

impl Shared {
    fn topics(&self) -> Vec<Arc<Topic>> {
        let registry = self.state.registry.read();
        let names = registry.by_id.values();
        names
            .filter_map(|name| registry.topics.get(name).cloned())
            .collect()
    }

    fn append_upkeep(&self, kind: crate::frame::Kind, payload: &[u8]) -> Result<(), StreamError> {
        self.engine.append_told(Record {
            kind,
            version: record::VERSION,
            payload,
        })?;
        Ok(())
    }

    /// Lets go of what is above the limits of a topic.
    fn trim(&self, topic: &Topic) -> Result<u64, StreamError> {
        let now_us = self.now_us();
        let mut trimmed = 0;
        for partition in &topic.partitions {
            let (start, former) = {
                let extent = partition.extent.lock();
                (
                    retention::start(&extent, &topic.settings.retention, now_us),
                    extent.start,
                )
            };
            if start > former {
                let payload = record::trimmed(partition.number, start);
                self.append_upkeep(record::TRIMMED, &payload)?;
                trimmed += start - former;
            }
        }
        Ok(trimmed)
    }

    /// Calls `visit` with the messages of a partition from `from` to `until`, and answers with the offset
    /// up to which it has.
    fn visit(
        &self,
        topic: &Topic,
        partition: &Arc<Partition>,
        from: u64,
        until: u64,
        mut visit: impl FnMut(&Message) -> Result<(), StreamError>,
    ) -> Result<u64, StreamError> {
        let mut cursor = Cursor::new(Arc::clone(partition), from);
        let mut messages = Vec::new();
        while cursor.offset < until {
            messages.clear();
            let mut room = CHUNK;
            let visible = self.visible();
            let stopped = cursor.read(self, &topic.name, visible, &mut room, &mut messages)?;
            for message in messages.iter().take_while(|message| message.offset < until) {
                visit(message)?;
            }
            if stopped == Stopped::Empty && messages.is_empty() {
                break;
            }
        }
        Ok(cursor.offset.min(until))
    }

    /// Rewrites a partition with the last message of each key alone.
    fn compact(
        &self,
        topic: &Topic,
        partition: &Arc<Partition>,
        done: &mut Upkeep,
    ) -> Result<(), StreamError> {
        let (start, until, compacted) = {
            let extent = partition.extent.lock();
            (extent.start, extent.next, extent.copied_until)
        };
        // All messages before `until` can be read from here on.
        self.engine.durable()?;
        let mut last: HashMap<Vec<u8>, u64, FixedState> = HashMap::default();
        self.visit(topic, partition, start, until, |message| {
            if let Some(key) = message.key() {
                if injected(Bug::CompactKeepsFirst) {
                    last.entry(key.to_vec()).or_insert(message.offset);
                } else {
                    last.insert(key.to_vec(), message.offset);
                }
            }
            Ok(())
        })?;
        let mut gathered = Gathered::new(self, partition, start);
        let reached = self.visit(topic, partition, start, until, |message| {
            let is_last = message
                .key()
                .is_none_or(|key| last.get(key) == Some(&message.offset));
            // A tombstone is kept once, so that whoever follows sees it.
            let is_spent = message.body().is_none() && message.offset < compacted;
            if is_last && !is_spent {
                done.copied += 1;
                return gathered.push(message);
            }
            done.compacted += 1;
            Ok(())
        })?;
        gathered.flush(reached)
    }

    /// Copies what would hold nearly dead segments: where the older half of the log that is held is to
    /// at most a quarter alive.
    fn copy_forward(&self, done: &mut Upkeep) -> Result<(), StreamError> {
        let next = self.engine.next_lsn();
        let oldest = self.oldest(next);
        let cutoff = Lsn(oldest.0 + (next.0 - oldest.0) / 2);
        let bytes_from = |lsn| self.engine.log_bytes_from(lsn);
        let held = bytes_from(oldest).saturating_sub(bytes_from(cutoff));
        let topics = self.topics();
        let partitions = topics.iter().flat_map(|topic| topic.partitions.iter());
        let alive: u64 = partitions
            .map(|it| bytes_before(&it.extent.lock(), cutoff))
            .sum();
        if held == 0 || alive > held / 4 {
            return Ok(());
        }
        for topic in &topics {
            for partition in &topic.partitions {
                self.copy_before(topic, partition, cutoff, done)?;
            }
        }
        Ok(())
    }

    /// Copies the messages of a partition whose records are before `cutoff`.
    fn copy_before(
        &self,
        topic: &Topic,
        partition: &Arc<Partition>,
        cutoff: Lsn,
        done: &mut Upkeep,
    ) -> Result<(), StreamError> {
        let (ranges, logged) = {
            let extent = partition.extent.lock();
            let copies = extent.copies.iter().filter(|copied| copied.lsn < cutoff);
            let ranges: Vec<_> = copies
                .map(|copied| (copied.base.max(extent.start), copied.until))
                .collect();
            let from = extent.copied_until.max(extent.start);
            let is_old = extent
                .points
                .floor(from)
                .is_some_and(|point| point.lsn < cutoff);
            let until = extent.points.all.iter().find(|point| point.lsn >= cutoff);
            let until = until.map_or(extent.next, |point| point.offset);
            (ranges, (is_old && from < until).then_some((from, until)))
        };
        for (from, until) in ranges.into_iter().chain(logged) {
            let mut gathered = Gathered::new(self, partition, from);
            let reached = self.visit(topic, partition, from, until, |message| {
                done.copied += 1;
                gathered.push(message)
            })?;
            gathered.flush(reached)?;
        }
        Ok(())
    }

    /// The first record that any partition needs, all of which are before `next`.
    fn oldest(&self, next: Lsn) -> Lsn {
        let registry = self.state.registry.read();
        let oldest = registry
            .partitions
            .values()
            .filter_map(|it| it.extent.lock().oldest());
        oldest.min().unwrap_or(next).min(next)
    }

    /// Lets go of the log before the oldest record that is needed, once it is safe.
    fn release(&self) -> Result<Lsn, StreamError> {
        // Whatever is published from here on is behind it.
        let next = self.engine.next_lsn();
        let oldest = if injected(Bug::HoldTooLittle) {
            next
        } else {
            self.oldest(next)
        };
        self.engine.durable()?;
        let written = self
            .engine
            .watermarks()
            .map_or(Lsn(0), |marks| marks.written);
        let registry = self.state.registry.read();
        for partition in registry.partitions.values() {
            partition.extent.lock().tail.forget(written);
        }
        drop(registry);
        if self
            .engine
            .held_from(NAME)
            .is_some_and(|held| held < oldest)
        {
            self.engine.transaction(|tx| tx.hold_lazily(NAME, oldest))?;
        }
        Ok(oldest)
    }
}

/// How many bytes of a partition's records before `cutoff` are alive, at least.
fn bytes_before(extent: &Extent, cutoff: Lsn) -> u64 {
    let copies = extent.copies.iter().filter(|copied| copied.lsn < cutoff);
    let bytes: u64 = copies.map(|copied| copied.bytes).sum();
    let from = extent.points.floor(extent.copied_until.max(extent.start));
    let after = extent.points.all.iter().find(|point| point.lsn >= cutoff);
    let until = after.map_or(extent.bytes, |point| point.bytes);
    bytes + from.map_or(0, |from| until.saturating_sub(from.bytes))
}
