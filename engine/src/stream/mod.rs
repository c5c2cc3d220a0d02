//! Streams: topics, partitions, producers, consumers and groups, on the engine's log.
//!
//! ```text
//! Producer ──► record of n messages ──► engine's log ──► Consumer, GroupConsumer, Replay
//!                       │                     ▲
//!                       └─► points: offset → LSN, a few per partition; no body is kept twice
//! ```
//!
//! **Records** (`FORMAT.md` §6). One record (0x20) is a batch: n messages of one partition, with the
//! offset of the first, under one checksum. Topics (0x21, 0x22), trims (0x23), copies (0x24) and
//! producers' epochs (0x25) are records too, and all state follows from them.
//!
//! **Offsets** are given under a lock of the partition, so that they have no gap; the sequencer is
//! entered with the record encoded and its checksum computed. An offset is not an LSN: each partition
//! keeps [points] at some distance, at most 512, and a reader passes over what lies between.
//!
//! **A partition** is one entry in a table: a few hundred bytes, no file, no thread, no buffer. While it
//! is busy, its newest records are in memory too (at most 256 KiB), so that whoever follows closely reads
//! no file; [upkeep](Streams::maintain) lets go of them once they are written.
//!
//! **Checkpoints** keep all of that but the records in memory. Opening restores it and replays what came
//! later, so it does not take longer the more is retained.
//!
//! **The log** is held under the name `streams` from the oldest record on that any partition needs.
//! Retention trims partitions and moves the holder on; where a few old messages would hold many
//! segments, their records are copied forward, with their offsets, and so is what compaction leaves.
//!
//! Invariants:
//!
//! 1. Nothing acknowledged is lost; a batch, and a transaction, is there as a whole or not at all.
//! 2. The order of a partition's messages is that of their offsets, and no offset is given twice.
//! 3. A batch of an idempotent producer is stored once.
//! 4. Offsets that a group commits are those of the generation of whoever commits them.
//!
//! Deliberately absent: a server, replication, and messages in an engine in memory.
//!
//! ```
//! use engine::stream::{From, Limits, NewMessage, Settings, Streams, StreamsView};
//! use engine::{Engine, Options};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let view = StreamsView::new();
//! let options = Options {
//!     views: vec![view.as_view()],
//!     ..Options::default()
//! };
//! let (engine, _) = Engine::open(dir, options)?;
//! let streams = Streams::open(&engine, &view)?;
//! streams.create_topic("orders", 4, Settings::default())?;
//!
//! let mut producer = streams.producer("orders")?;
//! let published = producer.publish(&NewMessage::new(b"a pot of sencha").key(b"ann"))?;
//!
//! let mut consumer = streams.consumer();
//! consumer.assign_all("orders", From::Earliest)?;
//! let polled = consumer.poll(Limits::default())?;
//! let message = &polled[0].messages[0];
//! assert_eq!((polled[0].partition, message.offset), (published.partition, 0));
//! assert_eq!(message.body(), Some(&b"a pot of sencha"[..]));
//! # Ok(())
//! # }
//! ```

mod assignment;
mod consumer;
mod cursor;
mod error;
mod group;
mod locks;
mod membership;
mod message;
mod partition;
mod points;
mod producer;
mod record;
mod replay;
mod retention;
mod rules;
mod saved;
mod state;
mod streams;
mod tail;
mod topic;
mod transaction;
mod upkeep;

#[cfg(test)]
mod tests;

pub use self::consumer::{Consumer, From, Limits, OutOfRange, Polled};
pub use self::error::StreamError;
pub use self::group::{GroupConsumer, GroupOptions, Progress};
pub use self::message::{BODY_BYTES_MAX, BadMessage, Headers, KEY_BYTES_MAX, Message, NewMessage};
pub use self::producer::{Producer, Published};
pub use self::replay::{Pace, Replay, ReplayOptions, Replayed, Step};
pub use self::rules::{Action, Rule};
pub use self::state::StreamsView;
pub use self::streams::{PartitionStatus, Streams, TopicStatus};
pub use self::topic::{PARTITIONS_MAX, Retention, Settings, TOPIC_NAME_MAX, partition_of};
pub use self::transaction::{StreamTransaction, Transacted};
pub use self::upkeep::Upkeep;
