//! What can go wrong with streams. Each error says what, where, and what to do about it.

use super::message::BadMessage;
use super::rules::Action;
use crate::engine::CommitError;
use crate::wal::ReadError;

/// A call did nothing, unless the error says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// Messages are kept in the log, and this engine has none.
    #[error("an engine in memory has no log to keep messages in; open it with a directory")]
    NoLog,
    /// The view was not among the engine's options.
    #[error("the engine does not have this view; put it into its options before it is opened")]
    NoView,
    /// No topic has this name.
    #[error("there is no topic `{topic}`; create it first")]
    UnknownTopic {
        /// Its name.
        topic: String,
    },
    /// A topic has this name already.
    #[error("there is a topic `{topic}` already")]
    TopicExists {
        /// Its name.
        topic: String,
    },
    /// No topic can have this name.
    #[error("`{topic}` is no name for a topic; names have 1 to 249 letters, digits, `.`, `_`, `-`")]
    TopicName {
        /// The name.
        topic: String,
    },
    /// No topic can have these settings.
    #[error("the topic `{topic}` cannot be so: {problem}")]
    Settings {
        /// Its name.
        topic: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The topic has fewer partitions.
    #[error("the topic `{topic}` has no partition {partition}; it has {partitions}, from 0 on")]
    UnknownPartition {
        /// The topic.
        topic: String,
        /// Which one was asked for.
        partition: u32,
        /// How many there are.
        partitions: u32,
    },
    /// The partition does not have this offset: no longer, or not yet.
    #[error(
        "offset {offset} of partition {partition} of `{topic}` is out of range: the earliest is \
         {earliest}, and the next one will be {latest}"
    )]
    OutOfRange {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The offset.
        offset: u64,
        /// The first offset that is kept.
        earliest: u64,
        /// The offset that the next message will have.
        latest: u64,
    },
    /// A message cannot be published; neither was the rest of its batch.
    #[error("message {index} for `{topic}` is refused: {problem}")]
    Message {
        /// The topic.
        topic: String,
        /// Its place in the batch.
        index: usize,
        /// What is wrong with it.
        problem: BadMessage,
    },
    /// A batch has no message.
    #[error("the batch for `{topic}` has no message")]
    EmptyBatch {
        /// The topic.
        topic: String,
    },
    /// A batch that fits no record.
    #[error("the batch for `{topic}` takes {size} bytes, and a batch at most {max}; split it")]
    BatchTooLarge {
        /// The topic.
        topic: String,
        /// How many bytes it takes.
        size: usize,
        /// How many it may take.
        max: usize,
    },
    /// Another producer took this one's name.
    #[error(
        "the producer `{producer}` is fenced off: its epoch {epoch} is over, and {current} is the \
         current one; open it again"
    )]
    ProducerFenced {
        /// Its name.
        producer: String,
        /// Its epoch.
        epoch: u16,
        /// The one of the producer that has its name now.
        current: u16,
    },
    /// Messages of an idempotent producer are missing before these ones, or these are too old to tell
    /// whether they were stored.
    #[error(
        "the producer `{producer}` sent sequence {found} to partition {partition} of `{topic}`, \
         where {expected} is the next; send what is missing first"
    )]
    OutOfSequence {
        /// Its name.
        producer: String,
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// What should come next.
        expected: u32,
        /// What came.
        found: u32,
    },
    /// A member of a group whose partitions may be others' by now.
    #[error(
        "the member `{member}` of the group `{group}` is fenced off: its generation is \
         {generation}, and the group's is {current}; poll to go on with the partitions that it has now, \
         or join again"
    )]
    MemberFenced {
        /// The group.
        group: String,
        /// The member.
        member: String,
        /// The generation that it knows.
        generation: u64,
        /// The group's.
        current: u64,
    },
    /// A name that no group, member or producer can have.
    #[error("`{name}` is no name for a {what}; names have 1 to 249 bytes without a zero byte")]
    Name {
        /// Of what.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A consumer that reads only what it is assigned was asked for another partition.
    #[error("partition {partition} of `{topic}` is not assigned to this consumer")]
    NotAssigned {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
    },
    /// The rules do not allow it.
    #[error("`{principal}` may not {action} `{topic}`: no rule allows it")]
    Denied {
        /// Who asked.
        principal: String,
        /// For what.
        action: Action,
        /// The topic.
        topic: String,
    },
    /// A record is not what the index says of it.
    #[error("record {lsn} does not hold offset {offset} of partition {partition} of `{topic}`")]
    Inconsistent {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The offset.
        offset: u64,
        /// The record.
        lsn: u64,
    },
    /// A saved rule cannot be read.
    #[error("the rule `{rule}` cannot be read; it is of a newer engine, or damaged")]
    Rule {
        /// Which one.
        rule: String,
    },
    /// The engine did not take it.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}
