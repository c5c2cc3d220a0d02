//! Transactions: messages to several partitions, committed offsets, and keys and values, all or none.
//!
//! ```text
//! body ──► batches, offsets, puts ──► partitions' locks ──► offsets given ──► one commit of the engine
//! ```
//!
//! Consume, transform, produce: where the offsets of what was read and the messages that came of it are
//! one transaction, each message has its effect once, whatever crashes.

use std::sync::Arc;

use bytes::Bytes;

use super::error::StreamError;
use super::group::GroupConsumer;
use super::membership::ATTEMPTS;
use super::message::NewMessage;
use super::partition::Partition;
use super::producer::{Published, encode};
use super::record::{self, Batch};
use super::rules::Action;
use super::streams::{Shared, Streams, partition_at};
use super::topic::Topic;
use crate::engine::{CommitError, Transaction};
use crate::injected_bug::{Bug, injected};
use crate::wal::Lsn;

/// A transaction that is being made.
pub struct StreamTransaction<'s> {
    streams: &'s Streams,
    tx: Transaction<'s>,
    batches: Vec<Staged>,
}

/// A batch that waits for its place.
struct Staged {
    topic: Arc<Topic>,
    partition: Arc<Partition>,
    payload: Vec<u8>,
}

/// What a transaction that committed gives back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transacted<T> {
    /// What the body answered.
    pub value: T,
    /// Where its batches were stored, in the order in which they were published.
    pub published: Vec<Published>,
    /// The LSN after its last record.
    pub end: Lsn,
}

impl<'s> StreamTransaction<'s> {
    /// Publishes messages to one partition, once the transaction commits.
    ///
    /// # Errors
    /// As for [`Producer::publish_to`](super::Producer::publish_to).
    pub fn publish(
        &mut self,
        topic: &str,
        partition: u32,
        messages: &[NewMessage<'_>],
    ) -> Result<(), StreamError> {
        self.streams.check(topic, Action::Publish)?;
        let topic = self.streams.shared.topic(topic)?;
        let partition = Arc::clone(partition_at(&topic, partition)?);
        let payload = encode(&topic, partition.number, None, messages)?;
        self.batches.push(Staged {
            topic,
            partition,
            payload,
        });
        Ok(())
    }

    /// Commits how far a member of a group has read, once the transaction commits.
    ///
    /// # Errors
    /// [`StreamError::MemberFenced`], [`StreamError::Denied`].
    pub fn commit_offsets(&mut self, consumer: &GroupConsumer) -> Result<(), StreamError> {
        consumer.put_offsets(&mut self.tx)
    }

    /// The engine's transaction, for keys and values.
    pub fn engine(&mut self) -> &mut Transaction<'s> {
        &mut self.tx
    }

    /// Gives the batches their places and commits. Nobody else publishes to the partitions meanwhile.
    fn accept(self, shared: &Shared) -> Result<(Vec<Published>, Lsn), StreamError> {
        let Self {
            mut tx, batches, ..
        } = self;
        let mut published = Vec::with_capacity(batches.len());
        let mut numbered: Vec<(u32, u64)> = Vec::new();
        let now_us = shared.now_us();
        for staged in &batches {
            if !shared.state.has(&staged.partition) {
                let topic = staged.topic.name.to_string();
                return Err(StreamError::UnknownTopic { topic });
            }
        }
        let partitions: Vec<_> = batches.iter().map(|it| Arc::clone(&it.partition)).collect();
        let record = || {
            for Staged {
                partition,
                mut payload,
                ..
            } in batches
            {
                let count = Batch::read(&payload).map_or(0, |batch| u64::from(batch.count));
                let mut extent = partition.extent.lock();
                let known = numbered
                    .iter_mut()
                    .find(|(number, _)| *number == partition.number);
                let base = if let Some((_, next)) = known {
                    std::mem::replace(next, *next + count)
                } else {
                    numbered.push((partition.number, extent.next + count));
                    extent.next
                };
                Batch::place(&mut payload, base, now_us.max(extent.time_us));
                tx.record(record::MESSAGES, record::VERSION, &payload)?;
                extent.tail.stage(Bytes::from(payload));
                published.push(Published {
                    partition: partition.index,
                    offset: base,
                    lsn: Lsn(0),
                    is_duplicate: false,
                });
            }
            Ok::<_, CommitError>(())
        };
        let accepted = record().and_then(|()| shared.engine.accept(tx));
        match accepted {
            Ok((_, end)) => {
                let first = end.0 - published.len() as u64;
                for (lsn, published) in (first..).zip(&mut published) {
                    published.lsn = Lsn(lsn);
                }
                Ok((published, end))
            }
            Err(error) => {
                for partition in partitions {
                    partition.extent.lock().tail.unstage();
                }
                Err(error.into())
            }
        }
    }
}

impl Streams {
    /// Runs `body` as one transaction: messages to any partitions, committed offsets, keys and values.
    /// All of it is there once this returns, as safely as the mode says, or nothing is. It is tried again
    /// where others changed what it read.
    ///
    /// # Errors
    /// What `body` answers, and [`StreamError::Commit`]: nothing happened, but for
    /// [`NotDurable`](CommitError::NotDurable), where it happened and may not survive.
    pub fn transaction<T>(
        &self,
        mut body: impl FnMut(&mut StreamTransaction<'_>) -> Result<T, StreamError>,
    ) -> Result<Transacted<T>, StreamError> {
        let shared = &self.shared;
        let mut attempt = 1;
        loop {
            let mut transaction = StreamTransaction {
                streams: self,
                tx: shared.engine.begin(),
                batches: Vec::new(),
            };
            let value = body(&mut transaction)?;
            if injected(Bug::PublishBesideTransaction) {
                self.publish_beside(&mut transaction)?;
            }
            let partitions: Vec<_> = transaction
                .batches
                .iter()
                .map(|it| it.partition.number)
                .collect();
            let accepted = shared
                .sync
                .partitions(&partitions, || transaction.accept(shared));
            match accepted {
                Err(StreamError::Commit(CommitError::Conflict(_))) if attempt < ATTEMPTS => {
                    attempt += 1;
                }
                Err(error) => return Err(error),
                Ok((published, end)) => {
                    shared.engine.promise(end)?;
                    shared.sync.announce();
                    return Ok(Transacted {
                        value,
                        published,
                        end,
                    });
                }
            }
        }
    }

    /// The bug of whoever publishes first and commits afterwards.
    fn publish_beside(&self, transaction: &mut StreamTransaction<'_>) -> Result<(), StreamError> {
        for Staged {
            topic,
            partition,
            payload,
        } in transaction.batches.drain(..)
        {
            let mut beside = StreamTransaction {
                streams: self,
                tx: self.shared.engine.begin(),
                batches: Vec::new(),
            };
            let numbers = [partition.number];
            beside.batches.push(Staged {
                topic,
                partition,
                payload,
            });
            let (_, end) = self
                .shared
                .sync
                .partitions(&numbers, || beside.accept(&self.shared))?;
            self.shared.engine.promise(end)?;
        }
        Ok(())
    }
}
