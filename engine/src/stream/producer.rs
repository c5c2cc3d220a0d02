//! Producers: messages become a record of one partition, once.
//!
//! ```text
//! messages ──► record (encoded before any lock) ──► partition's lock ──► its place, log, index ──► unlock
//!                                                                                      wait, as the mode says
//! ```
//!
//! A batch is one record with one checksum: all of it is there, or nothing.
//!
//! An idempotent producer numbers its messages, per partition from 0 on. A batch that is sent again,
//! because nobody knows whether it arrived, has the same number, and is stored once; the answer is the
//! same. Whoever opens a producer under the same name has the next epoch, and fences the former off.
//! The numbers go on, so that also after a crash a batch of which nobody knows can be sent again.

use std::sync::Arc;

use bytes::Bytes;

use super::error::StreamError;
use super::message::NewMessage;
use super::partition::{Partition, Sequence};
use super::record::{self, Batch, Stamp};
use super::rules::{Action, Decided};
use super::streams::{Shared, Streams, check_name, partition_at};
use super::topic::{Topic, partition_of};
use crate::frame::{PAYLOAD_BYTES_MAX, Record};
use crate::injected_bug::{Bug, injected};
use crate::wal::Lsn;

/// Where messages were stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The partition.
    pub partition: u32,
    /// The offset of the first one; the others follow.
    pub offset: u64,
    /// The record that holds them. Wait for the one after it with
    /// [`Engine::wait_durable`](crate::Engine::wait_durable).
    pub lsn: Lsn,
    /// Whether they were there already.
    pub is_duplicate: bool,
}

/// Publishes to one topic. It is for one thread at a time; make one for each.
#[derive(Debug)]
pub struct Producer {
    streams: Streams,
    topic: Arc<Topic>,
    decided: Decided,
    /// Where messages without a key go next.
    turn: u32,
    identity: Option<Identity>,
}

/// Of an idempotent producer.
#[derive(Debug)]
struct Identity {
    name: String,
    id: u64,
    epoch: u16,
}

impl Streams {
    /// A producer for `topic`.
    ///
    /// # Errors
    /// [`StreamError::UnknownTopic`], [`StreamError::Denied`].
    pub fn producer(&self, topic: &str) -> Result<Producer, StreamError> {
        self.check(topic, Action::Publish)?;
        Ok(Producer {
            streams: self.clone(),
            topic: self.shared.topic(topic)?,
            decided: Decided::default(),
            turn: 0,
            identity: None,
        })
    }

    /// A producer for `topic` whose batches are stored once, however often they are sent. Any other
    /// producer of the same name is fenced off.
    ///
    /// # Errors
    /// As for [`producer`](Self::producer), [`StreamError::Name`], and [`StreamError::Commit`] where
    /// the log did not take the new epoch.
    pub fn idempotent_producer(&self, topic: &str, name: &str) -> Result<Producer, StreamError> {
        check_name("producer", name)?;
        let mut producer = self.producer(topic)?;
        let shared = &self.shared;
        let (id, epoch) = shared.sync.topics(|| {
            let (id, epoch) = {
                let registry = shared.state.registry.read();
                match registry.producers.get(name) {
                    // After 65,535 openings it is a new producer.
                    Some(known) if known.epoch < u16::MAX => (known.id, known.epoch + 1),
                    _ => (registry.next_producer.max(1), 0),
                }
            };
            let lsn = shared.engine.append_told(Record {
                kind: record::PRODUCER,
                version: record::VERSION,
                payload: &record::producer(id, epoch, name),
            })?;
            shared.engine.promise(Lsn(lsn.0 + 1))?;
            Ok::<_, StreamError>((id, epoch))
        })?;
        producer.identity = Some(Identity {
            name: name.to_owned(),
            id,
            epoch,
        });
        Ok(producer)
    }
}

/// Encodes a batch whose place is not known yet.
pub(super) fn encode(
    topic: &Topic,
    partition: u32,
    stamp: Option<Stamp>,
    messages: &[NewMessage<'_>],
) -> Result<Vec<u8>, StreamError> {
    let name = || topic.name.to_string();
    if messages.is_empty() {
        return Err(StreamError::EmptyBatch { topic: name() });
    }
    let max = topic.settings.body_bytes_max as usize;
    let mut size = record::BATCH_HEAD;
    for (index, message) in messages.iter().enumerate() {
        if let Err(problem) = message.check(max) {
            let topic = name();
            return Err(StreamError::Message {
                topic,
                index,
                problem,
            });
        }
        size += message.size();
    }
    let (Ok(count), true) = (u32::try_from(messages.len()), size <= PAYLOAD_BYTES_MAX) else {
        return Err(StreamError::BatchTooLarge {
            topic: name(),
            size,
            max: PAYLOAD_BYTES_MAX,
        });
    };
    let mut payload = Vec::with_capacity(size);
    let batch = Batch {
        partition,
        count,
        base: 0,
        time_us: 0,
        stamp,
    };
    batch.encode(&mut payload);
    for message in messages {
        message.encode(&mut payload);
    }
    Ok(payload)
}

impl Shared {
    /// Gives an encoded batch its place, and appends it. Whoever calls holds the partition's lock.
    fn append_batch(
        &self,
        partition: &Partition,
        mut payload: Vec<u8>,
    ) -> Result<(u64, Lsn), StreamError> {
        let now_us = self.now_us();
        let (base, payload) = {
            let mut extent = partition.extent.lock();
            // Time does not go back within a partition, even where the clock does.
            Batch::place(&mut payload, extent.next, now_us.max(extent.time_us));
            let payload = Bytes::from(payload);
            extent.tail.stage(payload.clone());
            (extent.next, payload)
        };
        let appended = self.engine.append_told(Record {
            kind: record::MESSAGES,
            version: record::VERSION,
            payload: &payload,
        });
        match appended {
            Ok(lsn) => Ok((base, lsn)),
            Err(error) => {
                partition.extent.lock().tail.unstage();
                Err(error.into())
            }
        }
    }
}

impl Producer {
    /// The topic's name.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic.name
    }

    /// Whether the rules allow this producer to publish now.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        let principal = self.streams.principal.as_ref();
        let rules = &self.streams.shared.rules;
        rules
            .check(principal, &self.topic.name, Action::Publish, &self.decided)
            .is_ok()
    }

    /// Publishes one message to the partition of its key, or else to each in turn.
    ///
    /// # Errors
    /// As for [`publish_to`](Self::publish_to).
    pub fn publish(&mut self, message: &NewMessage<'_>) -> Result<Published, StreamError> {
        let partition = self.partition_for(message);
        self.publish_to(partition, std::slice::from_ref(message))
    }

    /// Where a message goes: by its key, or else in turn.
    pub fn partition_for(&mut self, message: &NewMessage<'_>) -> u32 {
        let partitions = u32::try_from(self.topic.partitions.len()).unwrap_or(u32::MAX);
        let Some(key) = message.key_bytes() else {
            self.turn = (self.turn + 1) % partitions;
            return self.turn;
        };
        partition_of(key, partitions)
    }

    /// Publishes messages to one partition: all of them or none, one after the other.
    ///
    /// In Strict they are durable once this returns, and in Buffered accepted. Where it fails with
    /// [`StreamError::Commit`] of [`NotDurable`](crate::engine::CommitError::NotDurable), they may be
    /// stored or not: an idempotent producer calls [`publish_again`](Self::publish_again).
    ///
    /// # Errors
    /// - [`StreamError::UnknownPartition`], [`StreamError::EmptyBatch`], [`StreamError::Message`],
    ///   [`StreamError::BatchTooLarge`], [`StreamError::Denied`]: nothing happened.
    /// - [`StreamError::UnknownTopic`]: it was deleted meanwhile.
    /// - [`StreamError::ProducerFenced`]: another one has this producer's name.
    /// - [`StreamError::Commit`]: the log did not take them.
    pub fn publish_to(
        &mut self,
        partition: u32,
        messages: &[NewMessage<'_>],
    ) -> Result<Published, StreamError> {
        let sequence = self.next_sequence(partition)?;
        self.send(partition, sequence, messages)
    }

    /// The sequence that the next message to a partition has: how many messages this producer's name
    /// has stored there. 0 of a producer that is not idempotent.
    ///
    /// # Errors
    /// [`StreamError::UnknownPartition`].
    pub fn next_sequence(&self, partition: u32) -> Result<u32, StreamError> {
        let partition = partition_at(&self.topic, partition)?;
        let identity = self.identity.as_ref();
        Ok(identity.map_or(0, |it| partition.extent.lock().next_sequence(it.id)))
    }

    /// As [`publish_to`](Self::publish_to), with a sequence of the caller's: of the first message,
    /// among all that this producer sent to the partition. A batch that is stored already is not stored
    /// again, and the answer says where it is.
    ///
    /// # Errors
    /// As for [`publish_to`](Self::publish_to), and [`StreamError::OutOfSequence`].
    pub fn publish_again(
        &mut self,
        partition: u32,
        sequence: u32,
        messages: &[NewMessage<'_>],
    ) -> Result<Published, StreamError> {
        self.send(partition, sequence, messages)
    }

    /// Stores messages, and waits for nobody.
    pub(super) fn accept(
        &self,
        index: u32,
        sequence: u32,
        messages: &[NewMessage<'_>],
    ) -> Result<Published, StreamError> {
        let shared = &self.streams.shared;
        let principal = self.streams.principal.as_ref();
        shared
            .rules
            .check(principal, &self.topic.name, Action::Publish, &self.decided)?;
        let partition = partition_at(&self.topic, index)?;
        let stamp = self.identity.as_ref().map(|identity| Stamp {
            producer: identity.id,
            epoch: identity.epoch,
            sequence,
        });
        let payload = encode(&self.topic, partition.number, stamp, messages)?;
        let published = shared.sync.partition(partition.number, || {
            if !shared.state.has(partition) {
                let topic = self.topic.name.to_string();
                return Err(StreamError::UnknownTopic { topic });
            }
            if let (Some(identity), Some(stamp)) = (&self.identity, stamp) {
                let count = u32::try_from(messages.len()).unwrap_or(u32::MAX);
                if let Some((offset, lsn)) = self.stored(identity, partition, stamp, count)? {
                    return Ok((offset, lsn, true));
                }
            }
            let (offset, lsn) = shared.append_batch(partition, payload)?;
            Ok((offset, lsn, false))
        });
        let (offset, lsn, is_duplicate) = published?;
        Ok(Published {
            partition: index,
            offset,
            lsn,
            is_duplicate,
        })
    }

    fn send(
        &self,
        index: u32,
        sequence: u32,
        messages: &[NewMessage<'_>],
    ) -> Result<Published, StreamError> {
        let shared = &self.streams.shared;
        let published = self.accept(index, sequence, messages)?;
        let Published {
            lsn, is_duplicate, ..
        } = published;
        // One that is stored already is not durable for that.
        if !(is_duplicate && injected(Bug::AcknowledgeDuplicateEarly)) {
            shared.engine.promise(Lsn(lsn.0 + 1))?;
        }
        shared.sync.announce();
        Ok(published)
    }

    /// Where a batch is stored already, if it is.
    fn stored(
        &self,
        identity: &Identity,
        partition: &Partition,
        stamp: Stamp,
        count: u32,
    ) -> Result<Option<(u64, Lsn)>, StreamError> {
        let shared = &self.streams.shared;
        let current = shared
            .state
            .registry
            .read()
            .producers
            .get(&identity.name)
            .copied();
        let fenced = |current| StreamError::ProducerFenced {
            producer: identity.name.clone(),
            epoch: identity.epoch,
            current,
        };
        if let Some(current) = current
            && (current.id, current.epoch) != (identity.id, identity.epoch)
            && !injected(Bug::SkipFencing)
        {
            return Err(fenced(current.epoch));
        }
        match partition.extent.lock().sequence(stamp, count) {
            Sequence::Next => Ok(None),
            Sequence::Stored(offset, lsn) => Ok(Some((offset, lsn))),
            Sequence::Fenced(current) => Err(fenced(current)),
            Sequence::Gap(expected) => Err(StreamError::OutOfSequence {
                producer: identity.name.clone(),
                topic: self.topic.name.to_string(),
                partition: partition.index,
                expected,
                found: stamp.sequence,
            }),
        }
    }
}
