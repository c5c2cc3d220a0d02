//! Consumers: partitions that are read from a place on, as fast as one likes.
//!
//! ```text
//! assign, seek ──► cursor per partition ──► poll: at most N messages or bytes, partitions in turn
//! ```
//!
//! A consumer sees what is durable in Strict, and what is accepted in Buffered: the same as the engine's
//! keyspaces show. It never sees a part of a batch's or a transaction's messages without the others
//! being there to be read.

use std::sync::Arc;
use std::time::Duration;

use super::cursor::{Cursor, Room, Stopped};
use super::error::StreamError;
use super::message::Message;
use super::rules::{Action, Decided};
use super::streams::{Shared, Streams, partition_at};
use super::topic::Topic;
use crate::wal::Lsn;

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// With the first message that is kept.
    Earliest,
    /// After the last one.
    Latest,
    /// With the message that has this offset.
    Offset(u64),
    /// With the first batch that the log took at this time or later, in microseconds since the Unix
    /// epoch.
    Time(u64),
    /// With the first batch whose record is this one or a later one.
    Lsn(Lsn),
}

/// What happens where a consumer's place is no longer kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutOfRange {
    /// Polling fails, and says what there is.
    #[default]
    Fail,
    /// It goes on with the first message that is kept.
    Earliest,
    /// It goes on after the last one.
    Latest,
}

/// How much one poll gives at most. The first message is given whatever its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// So many messages.
    pub messages: usize,
    /// So many bytes, as they are in the log.
    pub bytes: usize,
}

impl Default for Limits {
    /// 1,000 messages, 1 MiB.
    fn default() -> Self {
        Self {
            messages: 1000,
            bytes: 1 << 20,
        }
    }
}

impl Limits {
    /// So many messages, of whatever size.
    #[must_use]
    pub const fn messages(messages: usize) -> Self {
        Self {
            messages,
            bytes: usize::MAX,
        }
    }
}

/// Messages of one partition, in the order of their offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Polled {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: u32,
    /// At least one message.
    pub messages: Vec<Message>,
}

/// A partition that a consumer reads.
pub(super) struct Assigned {
    pub topic: Arc<Topic>,
    pub cursor: Cursor,
    pub decided: Decided,
}

/// Reads partitions. It is for one thread at a time; make one for each.
pub struct Consumer {
    pub(super) streams: Streams,
    pub(super) assigned: Vec<Assigned>,
    turn: usize,
    out_of_range: OutOfRange,
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer")
            .field("positions", &self.positions())
            .finish_non_exhaustive()
    }
}

impl Streams {
    /// A consumer that reads nothing yet.
    #[must_use]
    pub fn consumer(&self) -> Consumer {
        Consumer {
            streams: self.clone(),
            assigned: Vec::new(),
            turn: 0,
            out_of_range: OutOfRange::Fail,
        }
    }
}

/// The offset with which reading `from` begins.
pub(super) fn resolve(
    shared: &Shared,
    topic: &Topic,
    index: u32,
    from: From,
) -> Result<u64, StreamError> {
    let partition = partition_at(topic, index)?;
    let (earliest, latest) = {
        let extent = partition.extent.lock();
        (extent.start, extent.next)
    };
    let begin = match from {
        From::Earliest => return Ok(earliest),
        From::Latest => return Ok(latest),
        From::Offset(offset) if (earliest..=latest).contains(&offset) => return Ok(offset),
        From::Offset(offset) => {
            return Err(StreamError::OutOfRange {
                topic: topic.name.to_string(),
                partition: index,
                offset,
                earliest,
                latest,
            });
        }
        From::Time(time_us) => {
            let extent = partition.extent.lock();
            // Copies have no points; they are read from the first one on.
            let is_copied = extent.copies.iter().any(|copied| copied.time_us >= time_us);
            let point = extent.points.before(time_us).filter(|_| !is_copied);
            point.map_or(earliest, |point| point.offset)
        }
        From::Lsn(_) => earliest,
    };
    let mut cursor = Cursor::new(Arc::clone(partition), begin.max(earliest));
    match from {
        From::Time(time_us) => {
            cursor.seek_record(shared, &topic.name, |found| found.time_us() >= time_us)?;
        }
        From::Lsn(lsn) => cursor.seek_record(shared, &topic.name, |found| found.lsn() >= lsn)?,
        _ => {}
    }
    Ok(cursor.offset)
}

impl Consumer {
    /// What happens where a place is no longer kept.
    #[must_use]
    pub fn on_out_of_range(mut self, out_of_range: OutOfRange) -> Self {
        self.out_of_range = out_of_range;
        self
    }

    /// Reads a partition too, or reads it from elsewhere on.
    ///
    /// # Errors
    /// [`StreamError::UnknownTopic`], [`StreamError::UnknownPartition`], [`StreamError::OutOfRange`],
    /// [`StreamError::Denied`]; [`StreamError::Read`] where the log had to be read for it, and cannot be.
    pub fn assign(&mut self, topic: &str, partition: u32, from: From) -> Result<(), StreamError> {
        self.streams.check(topic, Action::Consume)?;
        let found = self.streams.shared.topic(topic)?;
        let offset = resolve(&self.streams.shared, &found, partition, from)?;
        match self.find(topic, partition) {
            Some(assigned) => assigned.cursor.seek(offset),
            None => self.begin(found, partition, offset)?,
        }
        Ok(())
    }

    /// Reads all partitions of a topic too.
    ///
    /// # Errors
    /// As for [`assign`](Self::assign).
    pub fn assign_all(&mut self, topic: &str, from: From) -> Result<(), StreamError> {
        let partitions = self.streams.shared.topic(topic)?.partitions.len();
        let partitions = u32::try_from(partitions).unwrap_or(u32::MAX);
        (0..partitions).try_for_each(|partition| self.assign(topic, partition, from))
    }

    /// Goes elsewhere in a partition that is read.
    ///
    /// # Errors
    /// As for [`assign`](Self::assign), and [`StreamError::NotAssigned`].
    pub fn seek(&mut self, topic: &str, partition: u32, from: From) -> Result<(), StreamError> {
        if self.find(topic, partition).is_none() {
            let topic = topic.to_owned();
            return Err(StreamError::NotAssigned { topic, partition });
        }
        self.assign(topic, partition, from)
    }

    /// Reads a partition from `offset` on, whether that is still kept or not.
    pub(super) fn begin(
        &mut self,
        topic: Arc<Topic>,
        partition: u32,
        offset: u64,
    ) -> Result<(), StreamError> {
        self.assigned.push(Assigned {
            cursor: Cursor::new(Arc::clone(partition_at(&topic, partition)?), offset),
            topic,
            decided: Decided::default(),
        });
        Ok(())
    }

    fn find(&mut self, topic: &str, partition: u32) -> Option<&mut Assigned> {
        let is_it =
            |it: &&mut Assigned| *it.topic.name == *topic && it.cursor.partition.index == partition;
        self.assigned.iter_mut().find(is_it)
    }

    /// Lets go of the log until the next poll, so that nothing is held for a consumer that pauses.
    pub fn rest(&mut self) {
        for assigned in &mut self.assigned {
            assigned.cursor.rest();
        }
    }

    /// Where each partition is read next: topic, partition, offset.
    #[must_use]
    pub fn positions(&self) -> Vec<(Arc<str>, u32, u64)> {
        let position = |it: &Assigned| {
            let name = Arc::clone(&it.topic.name);
            (name, it.cursor.partition.index, it.cursor.offset)
        };
        self.assigned.iter().map(position).collect()
    }

    /// How many messages each partition has after the place where it is read: topic, partition, lag.
    #[must_use]
    pub fn lag(&self) -> Vec<(Arc<str>, u32, u64)> {
        let lag = |it: &Assigned| {
            let next = it.cursor.partition.extent.lock().next;
            let name = Arc::clone(&it.topic.name);
            (
                name,
                it.cursor.partition.index,
                next.saturating_sub(it.cursor.offset),
            )
        };
        self.assigned.iter().map(lag).collect()
    }

    /// What there is to read now, up to `limits`; nothing where there is nothing. Partitions take
    /// turns. Where one of them fails, what was read of others is given first, and the error by the
    /// next poll.
    ///
    /// # Errors
    /// [`StreamError::Denied`]; [`StreamError::UnknownTopic`] where it was deleted;
    /// [`StreamError::OutOfRange`] unless the consumer goes on elsewhere; [`StreamError::Read`].
    pub fn poll(&mut self, limits: Limits) -> Result<Vec<Polled>, StreamError> {
        let mut room = Room {
            messages: limits.messages,
            bytes: limits.bytes,
        };
        let visible = self.streams.shared.visible();
        let mut all = Vec::new();
        let count = self.assigned.len();
        for _ in 0..count {
            let at = self.turn % count;
            let mut messages = Vec::new();
            let read = self.read(at, visible, &mut room, &mut messages);
            if !messages.is_empty() {
                all.push(Polled {
                    topic: Arc::clone(&self.assigned[at].topic.name),
                    partition: self.assigned[at].cursor.partition.index,
                    messages,
                });
            }
            match read {
                Ok(Stopped::Empty) => self.turn = at + 1,
                Err(error) if all.is_empty() => {
                    self.turn = at + 1;
                    return Err(error);
                }
                Ok(Stopped::Full) | Err(_) => return Ok(all),
            }
        }
        Ok(all)
    }

    fn read(
        &mut self,
        at: usize,
        visible: Lsn,
        room: &mut Room,
        out: &mut Vec<Message>,
    ) -> Result<Stopped, StreamError> {
        let Self {
            streams,
            assigned,
            out_of_range,
            ..
        } = self;
        let Assigned {
            topic,
            cursor,
            decided,
        } = &mut assigned[at];
        let shared = &streams.shared;
        let principal = streams.principal.as_ref();
        shared
            .rules
            .check(principal, &topic.name, Action::Consume, decided)?;
        if !shared.state.has(&cursor.partition) {
            let topic = topic.name.to_string();
            return Err(StreamError::UnknownTopic { topic });
        }
        match cursor.read(shared, &topic.name, visible, room, out) {
            Err(StreamError::OutOfRange {
                earliest, latest, ..
            }) if *out_of_range != OutOfRange::Fail => {
                let is_earliest = *out_of_range == OutOfRange::Earliest;
                cursor.seek(if is_earliest { earliest } else { latest });
                cursor.read(shared, &topic.name, visible, room, out)
            }
            read => read,
        }
    }

    /// As [`poll`](Self::poll), and waits up to `timeout` for the first message.
    ///
    /// # Errors
    /// As for [`poll`](Self::poll).
    pub fn poll_wait(
        &mut self,
        limits: Limits,
        timeout: Duration,
    ) -> Result<Vec<Polled>, StreamError> {
        let shared = Arc::clone(&self.streams.shared);
        let begun_us = shared.now_us();
        let left = || {
            let passed = shared.now_us().saturating_sub(begun_us);
            timeout.saturating_sub(Duration::from_micros(passed))
        };
        let polled = shared.sync.wait(
            || {
                let polled = self.poll(limits)?;
                Ok::<_, StreamError>((!polled.is_empty()).then_some(polled))
            },
            left,
        )?;
        Ok(polled.unwrap_or_default())
    }
}
