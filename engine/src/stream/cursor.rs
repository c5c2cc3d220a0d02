//! Reading one partition in order, from wherever its messages are.
//!
//! ```text
//! offset ──► tail in memory     the newest records
//!        ├─► copy               one record of the log, by its number
//!        └─► log                from a point on, passing over the records of other partitions
//! ```
//!
//! A cursor goes on where it stopped: as long as it reads the log in order, it looks for nothing.

use std::sync::Arc;

use super::error::StreamError;
use super::message::Message;
use super::partition::{Found, Partition};
use super::record::Messages;
use super::streams::Shared;
use crate::engine::Records;
use crate::wal::{Lsn, Mode};

/// A place so many records ahead is gone to by its number, and not past all records before it.
const JUMP: u64 = 64;

/// Reads a partition.
pub(super) struct Cursor {
    pub partition: Arc<Partition>,
    /// The offset of the next message.
    pub offset: u64,
    /// The record being read.
    current: Option<Messages>,
    /// Where the log is being read, and the LSN of its next record.
    log: Option<(Records, Lsn)>,
    /// Every record of the partition before this one was read.
    passed: Lsn,
}

/// How much is read at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    pub messages: usize,
    pub bytes: usize,
}

impl Room {
    /// Takes room for a message, unless there is none. The first one always fits.
    #[inline]
    fn take(&mut self, size: usize, is_first: bool) -> bool {
        if self.messages == 0 || (size > self.bytes && !is_first) {
            return false;
        }
        self.messages -= 1;
        self.bytes = self.bytes.saturating_sub(size);
        true
    }
}

/// Why reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    /// There is no room.
    Full,
    /// There is nothing more to see.
    Empty,
}

impl Cursor {
    pub(super) fn new(partition: Arc<Partition>, offset: u64) -> Self {
        Self {
            partition,
            offset,
            current: None,
            log: None,
            passed: Lsn(0),
        }
    }

    /// Goes to an offset.
    pub(super) fn seek(&mut self, offset: u64) {
        *self = Self::new(Arc::clone(&self.partition), offset);
    }

    /// Lets go of the log, so that nothing is held for a reader that waits.
    pub(super) fn rest(&mut self) {
        self.log = None;
        self.current = None;
    }

    /// Reads messages below `visible` into `out` while there is room.
    pub(super) fn read(
        &mut self,
        shared: &Shared,
        topic: &str,
        visible: Lsn,
        room: &mut Room,
        out: &mut Vec<Message>,
    ) -> Result<Stopped, StreamError> {
        // What was let go of between two polls is not given from a record that was begun before.
        if self.current.is_some() && self.partition.extent.lock().start > self.offset {
            self.current = None;
        }
        loop {
            if let Some(messages) = &mut self.current {
                while let Some(size) = messages.next_size() {
                    if !room.take(size, out.is_empty()) {
                        return Ok(Stopped::Full);
                    }
                    let Some(message) = messages.next() else {
                        break;
                    };
                    self.offset = message.offset + 1;
                    out.push(message);
                }
                let (end, lsn, is_read) = (messages.end(), messages.lsn(), messages.is_read());
                self.current = None;
                if !is_read {
                    return Err(self.lost(topic, lsn));
                }
                self.offset = self.offset.max(end);
            }
            if room.messages == 0 || (room.bytes == 0 && !out.is_empty()) {
                return Ok(Stopped::Full);
            }
            if !self.step(shared, topic, visible)? {
                self.log = None;
                return Ok(Stopped::Empty);
            }
        }
    }

    /// Goes to the first message of the first record for which `is_it` holds, from the current place
    /// on, or to the end.
    pub(super) fn seek_record(
        &mut self,
        shared: &Shared,
        topic: &str,
        is_it: impl Fn(&Messages) -> bool,
    ) -> Result<(), StreamError> {
        let visible = shared.visible();
        loop {
            if let Some(messages) = &self.current {
                if is_it(messages) {
                    return Ok(());
                }
                self.offset = self.offset.max(messages.end());
                self.current = None;
            }
            if !self.step(shared, topic, visible)? {
                return Ok(());
            }
        }
    }

    /// Finds the record of the next message; `false` where it cannot be seen yet.
    fn step(&mut self, shared: &Shared, topic: &str, visible: Lsn) -> Result<bool, StreamError> {
        let (found, earliest, latest) = {
            let extent = self.partition.extent.lock();
            (extent.find(self.offset), extent.start, extent.next)
        };
        match found {
            Found::NotYet if self.offset == latest => Ok(false),
            Found::NotYet | Found::Gone => Err(StreamError::OutOfRange {
                topic: topic.to_owned(),
                partition: self.partition.index,
                offset: self.offset,
                earliest,
                latest,
            }),
            Found::Skip(offset) => {
                self.offset = offset;
                Ok(true)
            }
            Found::Recent(recent) => {
                if recent.lsn >= visible {
                    return Ok(false);
                }
                self.passed = self.passed.max(Lsn(recent.lsn.0 + 1));
                let number = self.partition.number;
                let kind = super::record::MESSAGES;
                let found = Messages::of(kind, recent.lsn, &recent.payload, number);
                self.begin(found, recent.lsn, topic)
            }
            Found::Copied(lsn) => self.read_copy(shared, topic, lsn),
            Found::Logged(lsn) => self.read_log(shared, topic, lsn, visible),
        }
    }

    /// Goes on with a record that has the next message.
    fn begin(
        &mut self,
        found: Option<Messages>,
        lsn: Lsn,
        topic: &str,
    ) -> Result<bool, StreamError> {
        let mut messages = found.ok_or_else(|| self.lost(topic, lsn))?;
        if messages.end() <= self.offset {
            return Err(self.lost(topic, lsn));
        }
        messages.skip_to(self.offset);
        self.current = Some(messages);
        Ok(true)
    }

    fn read_copy(&mut self, shared: &Shared, topic: &str, lsn: Lsn) -> Result<bool, StreamError> {
        let engine = &shared.engine;
        let mut entry = engine.read(lsn)?;
        if entry.is_none() {
            // It was copied a moment ago.
            let end = Lsn(lsn.0 + 1);
            if engine.mode() == Mode::Strict {
                engine.wait_durable(end)?;
            } else {
                engine.wait_written(end)?;
            }
            entry = engine.read(lsn)?;
        }
        let number = self.partition.number;
        let found = entry.and_then(|it| Messages::of(it.kind, it.lsn, &it.payload, number));
        self.begin(found, lsn, topic)
    }

    /// Reads the log from `point` on, or from where it was read to, to the record of the next message.
    fn read_log(
        &mut self,
        shared: &Shared,
        topic: &str,
        point: Lsn,
        visible: Lsn,
    ) -> Result<bool, StreamError> {
        let mut is_written = false;
        loop {
            let from = self.passed.max(point);
            if from >= visible {
                return Ok(false);
            }
            let is_near = |next: &Lsn| *next <= from && from.0 - next.0 <= JUMP;
            if self.log.as_ref().is_none_or(|(_, next)| !is_near(next)) {
                self.log = Some((shared.engine.records_from(from)?, from));
            }
            let number = self.partition.number;
            while let Some((records, next)) = &mut self.log {
                let Some(entry) = records.next() else { break };
                let entry = entry?;
                if entry.lsn >= visible {
                    self.log = None;
                    return Ok(false);
                }
                *next = Lsn(entry.lsn.0 + 1);
                self.passed = *next;
                if entry.kind != super::record::MESSAGES {
                    continue;
                }
                let found = Messages::of(entry.kind, entry.lsn, &entry.payload, number);
                if let Some(messages) = found.filter(|messages| messages.end() > self.offset) {
                    if messages.base() > self.offset {
                        return Err(self.lost(topic, entry.lsn));
                    }
                    return self.begin(Some(messages), entry.lsn, topic);
                }
            }
            self.log = None;
            if is_written {
                return Ok(false);
            }
            // What was accepted and is neither written nor in memory is written now.
            if let Mode::Buffered { .. } = shared.engine.mode() {
                shared.engine.wait_written(visible)?;
            }
            is_written = true;
        }
    }

    /// The log does not have the next message, although it is retained.
    fn lost(&self, topic: &str, lsn: Lsn) -> StreamError {
        StreamError::Inconsistent {
            topic: topic.to_owned(),
            partition: self.partition.index,
            offset: self.offset,
            lsn: lsn.0,
        }
    }
}
