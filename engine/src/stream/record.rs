//! Records of streams ⇄ bytes; `FORMAT.md` §6. Pure.
//!
//! ```text
//! 0x20 messages   partition, count, base, time, producer, epoch, sequence │ message │ message │ …
//! 0x21 topic      id, first partition, how many, settings, name
//! 0x22 deleted    id
//! 0x23 trimmed    partition, start
//! 0x24 copied     partition, count, base, time, until │ offset deltas │ message │ …
//! 0x25 producer   id, epoch, name
//! ```

use bytes::Bytes;

use super::message::{self, Message};
use super::topic::{Retention, Settings};
use crate::fields::{u32_at, u64_at};
use crate::frame::Kind;
use crate::wal::Lsn;

/// Messages of one partition, published together.
pub(super) const MESSAGES: Kind = Kind(0x20);
/// A topic was created, or has other settings.
pub(super) const TOPIC: Kind = Kind(0x21);
/// A topic was deleted.
pub(super) const DELETED: Kind = Kind(0x22);
/// A partition begins later.
pub(super) const TRIMMED: Kind = Kind(0x23);
/// Messages of one partition, copied forward.
pub(super) const COPIED: Kind = Kind(0x24);
/// A producer was given a number, or a new epoch.
pub(super) const PRODUCER: Kind = Kind(0x25);
/// The last type that streams have.
pub(super) const LAST: Kind = Kind(0x27);

/// The version of all of them.
pub(super) const VERSION: u8 = 1;

/// The bytes of [`MESSAGES`] before the first message.
pub(super) const BATCH_HEAD: usize = 38;
/// The bytes of [`COPIED`] before the deltas.
const COPY_HEAD: usize = 32;

const SHORT: &str = "its payload is too short";
const NOT_TEXT: &str = "its name is not UTF-8";

/// Who published a batch, so that one that is sent again is stored once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub producer: u64,
    pub epoch: u16,
    /// Of the first message, among all that the producer sent to the partition.
    pub sequence: u32,
}

/// What a record of messages says before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Batch {
    pub partition: u32,
    pub count: u32,
    /// The offset of the first message.
    pub base: u64,
    /// When the log took it.
    pub time_us: u64,
    pub stamp: Option<Stamp>,
}

impl Batch {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let stamp = self.stamp.unwrap_or(Stamp {
            producer: 0,
            epoch: 0,
            sequence: 0,
        });
        out.extend_from_slice(&self.partition.to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&self.base.to_le_bytes());
        out.extend_from_slice(&self.time_us.to_le_bytes());
        out.extend_from_slice(&stamp.producer.to_le_bytes());
        out.extend_from_slice(&stamp.sequence.to_le_bytes());
        out.extend_from_slice(&stamp.epoch.to_le_bytes());
    }

    pub(super) fn read(payload: &[u8]) -> Result<Self, &'static str> {
        let head = payload.get(..BATCH_HEAD).ok_or(SHORT)?;
        let producer = u64_at(head, 24);
        let stamp = Stamp {
            producer,
            sequence: u32_at(head, 32),
            epoch: u16::from_le_bytes([head[36], head[37]]),
        };
        let batch = Self {
            partition: u32_at(head, 0),
            count: u32_at(head, 4),
            base: u64_at(head, 8),
            time_us: u64_at(head, 16),
            stamp: (producer != 0).then_some(stamp),
        };
        let end = batch.base.checked_add(u64::from(batch.count));
        match (batch.count, end) {
            (0, _) => Err("it has no message"),
            (_, None) => Err("its offsets are too large"),
            _ => Ok(batch),
        }
    }

    /// Gives the batch at the beginning of an encoded record its place.
    pub(super) fn place(record: &mut [u8], base: u64, time_us: u64) {
        record[8..16].copy_from_slice(&base.to_le_bytes());
        record[16..24].copy_from_slice(&time_us.to_le_bytes());
    }
}

/// What a record of copied messages says before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Copy {
    pub partition: u32,
    pub count: u32,
    pub base: u64,
    pub time_us: u64,
    /// The copies of all offsets below are in this record or in those before.
    pub until: u64,
}

impl Copy {
    pub(super) fn encode(&self, deltas: &[u32], out: &mut Vec<u8>) {
        out.extend_from_slice(&self.partition.to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&self.base.to_le_bytes());
        out.extend_from_slice(&self.time_us.to_le_bytes());
        out.extend_from_slice(&self.until.to_le_bytes());
        for delta in deltas {
            out.extend_from_slice(&delta.to_le_bytes());
        }
    }

    pub(super) fn read(payload: &[u8]) -> Result<Self, &'static str> {
        let head = payload.get(..COPY_HEAD).ok_or(SHORT)?;
        let copy = Self {
            partition: u32_at(head, 0),
            count: u32_at(head, 4),
            base: u64_at(head, 8),
            time_us: u64_at(head, 16),
            until: u64_at(head, 24),
        };
        let deltas = (copy.count as usize).saturating_mul(4);
        if deltas > payload.len() - COPY_HEAD {
            return Err(SHORT);
        }
        if copy.base > copy.until {
            return Err("it ends before it begins");
        }
        Ok(copy)
    }
}

/// The messages of a record, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Messages {
    bytes: Bytes,
    /// Where the next message begins.
    at: usize,
    lsn: Lsn,
    time_us: u64,
    base: u64,
    /// The offset after the last message that it could have.
    end: u64,
    /// How many were read, and how many there are.
    read: u32,
    count: u32,
    is_copy: bool,
}

impl Messages {
    /// The messages of a record of a partition; `None` where the record is something else, or of
    /// another partition.
    pub(super) fn of(kind: Kind, lsn: Lsn, payload: &Bytes, partition: u32) -> Option<Self> {
        if payload.get(..4)? != partition.to_le_bytes() {
            return None;
        }
        let (at, base, end, count, time_us) = match kind {
            MESSAGES => {
                let batch = Batch::read(payload).ok()?;
                let end = batch.base + u64::from(batch.count);
                (BATCH_HEAD, batch.base, end, batch.count, batch.time_us)
            }
            COPIED => {
                let copy = Copy::read(payload).ok()?;
                let deltas = copy.count as usize * 4;
                let at = COPY_HEAD + deltas;
                (at, copy.base, copy.until, copy.count, copy.time_us)
            }
            _ => return None,
        };
        Some(Self {
            bytes: payload.clone(),
            at,
            lsn,
            time_us,
            base,
            end,
            read: 0,
            count,
            is_copy: kind == COPIED,
        })
    }

    /// The offset of the first message.
    pub(super) fn base(&self) -> u64 {
        self.base
    }

    /// The offset after the last message that the record could have.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The record.
    pub(super) fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// Whether all messages were read.
    pub(super) fn is_read(&self) -> bool {
        self.read >= self.count
    }

    /// When the log took the messages, the last of them at least.
    pub(super) fn time_us(&self) -> u64 {
        self.time_us
    }

    /// The offset of the next message.
    #[inline]
    pub(super) fn next_offset(&self) -> Option<u64> {
        if self.read >= self.count {
            return None;
        }
        if !self.is_copy {
            return Some(self.base + u64::from(self.read));
        }
        let at = COPY_HEAD + self.read as usize * 4;
        let delta = self.bytes.get(at..)?.first_chunk::<4>()?;
        self.base.checked_add(u64::from(u32::from_le_bytes(*delta)))
    }

    /// Passes over the messages before `offset`.
    pub(super) fn skip_to(&mut self, offset: u64) {
        while self.next_offset().is_some_and(|next| next < offset) {
            let Some(size) = self.bytes.get(self.at..).and_then(message::size_at) else {
                self.read = self.count;
                return;
            };
            self.at += size;
            self.read += 1;
        }
    }

    /// How many bytes the next message takes.
    #[inline]
    pub(super) fn next_size(&self) -> Option<usize> {
        if self.read >= self.count {
            return None;
        }
        self.bytes.get(self.at..).and_then(message::size_at)
    }
}

impl Iterator for Messages {
    type Item = Message;

    #[inline]
    fn next(&mut self) -> Option<Message> {
        let offset = self.next_offset()?;
        let decoded = message::decode(&self.bytes, self.at, offset, self.lsn, self.time_us);
        let Some((message, size)) = decoded else {
            self.read = self.count;
            return None;
        };
        self.at += size;
        self.read += 1;
        Some(message)
    }
}

/// A topic, as its record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TopicRecord {
    pub id: u32,
    /// The number of its first partition; the others follow.
    pub first: u32,
    pub partitions: u32,
    pub settings: Settings,
    pub name: String,
}

/// What a limit that is not set is written as.
const UNLIMITED: u64 = u64::MAX;

impl TopicRecord {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let Settings {
            retention,
            is_compacted,
            body_bytes_max,
        } = &self.settings;
        let Retention {
            age_us,
            bytes,
            messages,
        } = retention;
        out.extend_from_slice(&self.id.to_le_bytes());
        out.extend_from_slice(&self.first.to_le_bytes());
        out.extend_from_slice(&self.partitions.to_le_bytes());
        for limit in [age_us, bytes, messages] {
            out.extend_from_slice(&limit.unwrap_or(UNLIMITED).to_le_bytes());
        }
        out.extend_from_slice(&body_bytes_max.to_le_bytes());
        out.push(u8::from(*is_compacted));
        out.extend_from_slice(self.name.as_bytes());
    }

    pub(super) fn read(payload: &[u8]) -> Result<Self, &'static str> {
        let (head, name) = payload.split_at_checked(41).ok_or(SHORT)?;
        let limit = |at| match u64_at(head, at) {
            UNLIMITED => None,
            limit => Some(limit),
        };
        let topic = Self {
            id: u32_at(head, 0),
            first: u32_at(head, 4),
            partitions: u32_at(head, 8),
            settings: Settings {
                retention: Retention {
                    age_us: limit(12),
                    bytes: limit(20),
                    messages: limit(28),
                },
                body_bytes_max: u32_at(head, 36),
                is_compacted: match head[40] {
                    0 => false,
                    1 => true,
                    _ => return Err("it has a setting that is unknown to this engine"),
                },
            },
            name: std::str::from_utf8(name).map_err(|_| NOT_TEXT)?.to_owned(),
        };
        match (topic.partitions, topic.first.checked_add(topic.partitions)) {
            (0, _) => Err("it has no partition"),
            (_, None) => Err("its partitions' numbers are too large"),
            _ => Ok(topic),
        }
    }
}

/// A number in a record of nothing else.
pub(super) fn read_id(payload: &[u8]) -> Result<u32, &'static str> {
    let id = payload
        .try_into()
        .map_err(|_| "its payload is not a number")?;
    Ok(u32::from_le_bytes(id))
}

/// A partition that begins later.
pub(super) fn trimmed(partition: u32, start: u64) -> [u8; 12] {
    let mut out = [0; 12];
    out[..4].copy_from_slice(&partition.to_le_bytes());
    out[4..].copy_from_slice(&start.to_le_bytes());
    out
}

pub(super) fn read_trimmed(payload: &[u8]) -> Result<(u32, u64), &'static str> {
    if payload.len() != 12 {
        return Err("its payload has not twelve bytes");
    }
    Ok((u32_at(payload, 0), u64_at(payload, 4)))
}

/// A producer that was given a number or an epoch.
pub(super) fn producer(id: u64, epoch: u16, name: &str) -> Vec<u8> {
    [&id.to_le_bytes()[..], &epoch.to_le_bytes(), name.as_bytes()].concat()
}

pub(super) fn read_producer(payload: &[u8]) -> Result<(u64, u16, String), &'static str> {
    let (head, name) = payload.split_at_checked(10).ok_or(SHORT)?;
    let name = std::str::from_utf8(name).map_err(|_| NOT_TEXT)?;
    let epoch = u16::from_le_bytes([head[8], head[9]]);
    Ok((u64_at(head, 0), epoch, name.to_owned()))
}
