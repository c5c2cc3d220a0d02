//! Workloads of streams: publishing, polling, groups, transactions, upkeep, replay, opening.
//!
//! Over files in memory, in Buffered without a thread, so that counts depend on the work alone.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use engine::engine::{Engine, Options};
use engine::stream::{
    Action, Consumer, From, GroupConsumer, GroupOptions, Limits, NewMessage, Producer, Replay,
    ReplayOptions, Retention, Rule, Settings, Step, Streams, StreamsView,
};
use engine::vfs::Memory;
use engine::wal::{self, Mode};

use crate::suite::suite;

/// How many messages a run handles.
const MESSAGES: usize = 1000;
/// The bytes of a body.
const BODY: [u8; 64] = [7; 64];
/// How many transactions a run makes.
const TRANSACTIONS: usize = 100;

suite!(streams {
    publish: publish(Writes) {
        single: writes_setup(1) => writes_check,
        batch10: writes_setup(10) => writes_check,
        batch100: writes_setup(100) => writes_check,
        batch1000: writes_setup(1000) => writes_check,
        idempotent: idempotent_setup() => writes_check,
        ruled: ruled_setup() => writes_check,
    }
    publish_keyed: publish_keyed(Writes) {
        partitions8: keyed_setup() => keyed_check,
    }
    poll: poll(Reads) {
        recent: reads_setup(true, 100) => reads_check,
        logged: reads_setup(false, 100) => reads_check,
        single: reads_setup(false, 1) => reads_check,
        interleaved: interleaved_setup() => reads_check,
    }
    publish_poll: publish_poll(Writes) {
        single: writes_setup(1) => writes_check,
    }
    seek: seek(Reads) {
        time: reads_setup(false, 1) => seek_check,
    }
    authorise: authorise(Writes) {
        known: ruled_setup() => authorise_check,
    }
    group_commit: group_commit(Groups) {
        n100: groups_setup(1) => groups_check,
    }
    rebalance: rebalance(Groups) {
        members16: groups_setup(64) => rebalance_check,
    }
    transaction: transaction(Groups) {
        n100: groups_setup(1) => transaction_check,
    }
    lag: lag(Groups) {
        partitions64: groups_setup(64) => lag_check,
    }
    trim: maintain(Upkeep) {
        count: upkeep_setup(Some(10), false) => trim_check,
    }
    compact: maintain(Upkeep) {
        keys10: upkeep_setup(None, true) => compact_check,
    }
    replay: replay(Replays) {
        n1000: replay_setup() => replay_check,
    }
    checkpoint: checkpoint(Opening) {
        topics1000: opening_setup() => opening_check,
    }
    open: open_again(Opening) {
        topics1000: saved_setup() => opening_check,
        records1000: replayed_setup() => opening_check,
    }
});

fn open(memory: &Memory) -> Streams {
    let view = StreamsView::new();
    let mode = Mode::Buffered {
        interval: Duration::from_mins(1),
        max_bytes: u64::MAX,
    };
    let log = wal::Options {
        mode,
        threads: 1,
        ..wal::Options::default()
    };
    let options = Options {
        log,
        background: false,
        views: vec![view.as_view()],
        ..Options::default()
    };
    let opened = Engine::open_with(memory.clone(), Path::new("db"), options);
    let (engine, _) = opened.expect("memory fails nobody");
    Streams::open_with::<Memory>(&engine, &view).expect("it has the view")
}

fn with_topic(partitions: u32, settings: Settings) -> Streams {
    let streams = open(&Memory::default());
    streams
        .create_topic("t", partitions, settings)
        .expect("it is new");
    streams
}

/// A producer, and how many messages go into a batch.
pub struct Writes {
    streams: Streams,
    producer: Producer,
    consumer: Consumer,
    batch: usize,
    done: usize,
}

impl Writes {
    fn of(streams: Streams, producer: Producer, batch: usize) -> Self {
        let mut consumer = streams.consumer();
        let assigned = consumer.assign_all("t", From::Earliest);
        assigned.expect("it is there");
        Self {
            streams,
            producer,
            consumer,
            batch,
            done: 0,
        }
    }
}

/// An empty topic of one partition.
#[must_use]
pub fn writes_setup(batch: usize) -> Writes {
    let streams = with_topic(1, Settings::default());
    let producer = streams.producer("t").expect("it is there");
    Writes::of(streams, producer, batch)
}

/// As for batches of 100, by an idempotent producer.
#[must_use]
pub fn idempotent_setup() -> Writes {
    let streams = with_topic(1, Settings::default());
    let producer = streams.idempotent_producer("t", "p");
    Writes::of(streams, producer.expect("it is there"), 100)
}

/// As for batches of 100, by somebody whom a rule allows it.
#[must_use]
pub fn ruled_setup() -> Writes {
    let streams = with_topic(1, Settings::default());
    let rule = Rule::allow("an*", "t*", &Action::ALL);
    streams.set_rule("all", &rule).expect("memory fails nobody");
    streams.enforce_rules(true).expect("memory fails nobody");
    let producer = streams.act_as("ann").producer("t");
    Writes::of(streams, producer.expect("it is allowed"), 100)
}

/// Publishes 1,000 messages.
#[must_use]
pub fn publish(mut input: Writes) -> Writes {
    let messages = vec![NewMessage::new(&BODY); input.batch];
    for _ in 0..MESSAGES / input.batch {
        let published = input.producer.publish_to(0, &messages);
        input.done += published.map_or(0, |_| messages.len());
    }
    input
}

/// All of them must be there, in order.
pub fn writes_check(mut output: Writes) {
    assert_eq!(output.done, MESSAGES);
    output.consumer = output.streams.consumer();
    let assigned = output.consumer.assign("t", 0, From::Earliest);
    assigned.expect("it is there");
    let polled = output.consumer.poll(Limits::messages(usize::MAX));
    let messages = &polled.expect("memory can be read")[0].messages;
    assert_eq!(messages.len(), MESSAGES);
    for (offset, message) in (0..).zip(messages) {
        assert_eq!((message.offset, message.body()), (offset, Some(&BODY[..])));
    }
}

/// An empty topic of eight partitions.
#[must_use]
pub fn keyed_setup() -> Writes {
    let streams = with_topic(8, Settings::default());
    let producer = streams.producer("t").expect("it is there");
    Writes::of(streams, producer, 1)
}

/// Publishes 1,000 messages by their keys.
#[must_use]
pub fn publish_keyed(mut input: Writes) -> Writes {
    for number in 0..MESSAGES {
        let key = number.to_le_bytes();
        let message = NewMessage::new(&BODY).key(&key);
        input.done += usize::from(input.producer.publish(&message).is_ok());
    }
    input
}

/// All must be there, and none of the partitions empty.
pub fn keyed_check(output: Writes) {
    let topic = output.streams.topic("t").expect("it is there");
    let counts: Vec<_> = topic.partitions.iter().map(|it| it.latest).collect();
    assert_eq!(counts.iter().sum::<u64>(), MESSAGES as u64);
    assert!(counts.iter().all(|count| *count > 80));
}

/// Publishes 1,000 messages, each of which is polled at once.
#[must_use]
pub fn publish_poll(mut input: Writes) -> Writes {
    for _ in 0..MESSAGES {
        let published = input.producer.publish_to(0, &[NewMessage::new(&BODY)]);
        let polled = input.consumer.poll(Limits::default());
        let is_done = published.is_ok() && polled.is_ok_and(|polled| polled.len() == 1);
        input.done += usize::from(is_done);
    }
    input
}

/// Asks 1,000 times whether it may publish.
#[must_use]
pub fn authorise(mut input: Writes) -> Writes {
    for _ in 0..MESSAGES {
        input.done += usize::from(black_box(&input.producer).is_allowed());
    }
    input
}

/// It may.
pub fn authorise_check(output: Writes) {
    assert_eq!(output.done, MESSAGES);
}

/// A consumer, and how many messages it polls at once.
pub struct Reads {
    streams: Streams,
    consumer: Consumer,
    at_once: usize,
    done: usize,
    time_us: u64,
}

fn filled(partitions: u32, batch: usize) -> Streams {
    let streams = with_topic(partitions, Settings::default());
    let mut producer = streams.producer("t").expect("it is there");
    let messages = vec![NewMessage::new(&BODY); batch];
    for number in 0..MESSAGES / batch {
        for partition in 0..partitions {
            let published = producer.publish_to(partition, &messages);
            assert_eq!(
                published.expect("memory fails nobody").offset,
                (number * batch) as u64
            );
        }
    }
    streams
}

fn reader(streams: Streams, at_once: usize) -> Reads {
    let mut consumer = streams.consumer();
    let assigned = consumer.assign("t", 0, From::Earliest);
    assigned.expect("it is there");
    let time_us = streams.engine().now_us();
    Reads {
        streams,
        consumer,
        at_once,
        done: 0,
        time_us,
    }
}

/// A partition with 1,000 messages, that are in memory, or in the log alone.
#[must_use]
pub fn reads_setup(is_recent: bool, at_once: usize) -> Reads {
    let streams = filled(1, 100);
    if !is_recent {
        streams.maintain().expect("memory fails nobody");
    }
    reader(streams, at_once)
}

/// As above, with the records of nine other partitions between.
#[must_use]
pub fn interleaved_setup() -> Reads {
    let streams = filled(10, 10);
    streams.maintain().expect("memory fails nobody");
    reader(streams, 100)
}

/// Polls until there is nothing.
#[must_use]
pub fn poll(mut input: Reads) -> Reads {
    while let Ok(polled) = input.consumer.poll(Limits::messages(input.at_once)) {
        let Some(polled) = polled.first() else { break };
        input.done += polled.messages.len();
    }
    input
}

/// It must have seen all.
pub fn reads_check(output: Reads) {
    assert_eq!(output.done, MESSAGES);
    assert_eq!(output.consumer.lag()[0].2, 0);
}

/// Looks for a time ten times.
#[must_use]
pub fn seek(mut input: Reads) -> Reads {
    for _ in 0..10 {
        let found = input.consumer.seek("t", 0, From::Time(input.time_us));
        input.done += usize::from(found.is_ok());
    }
    input
}

/// It must have been found.
pub fn seek_check(output: Reads) {
    assert_eq!(output.done, 10);
    assert_eq!(output.streams.topics(), ["t"]);
}

/// A group with a member.
pub struct Groups {
    streams: Streams,
    member: GroupConsumer,
    members: Vec<GroupConsumer>,
    done: usize,
}

/// A topic with 100 messages in partition 0, and a group that reads it.
#[must_use]
pub fn groups_setup(partitions: u32) -> Groups {
    let streams = with_topic(partitions, Settings::default());
    let mut producer = streams.producer("t").expect("it is there");
    for _ in 0..TRANSACTIONS {
        let published = producer.publish_to(0, &[NewMessage::new(&BODY)]);
        published.expect("memory fails nobody");
    }
    streams
        .create_topic("out", 2, Settings::default())
        .expect("it is new");
    let member = streams.join("g", "m", &["t"], GroupOptions::default());
    let mut member = member.expect("it is there");
    member.heartbeat().expect("it is alive");
    Groups {
        streams,
        member,
        members: Vec::new(),
        done: 0,
    }
}

/// Polls one message and commits, 100 times.
#[must_use]
pub fn group_commit(mut input: Groups) -> Groups {
    for _ in 0..TRANSACTIONS {
        let polled = input.member.poll(Limits::messages(1));
        let is_done = polled.is_ok_and(|it| it.len() == 1) && input.member.commit().is_ok();
        input.done += usize::from(is_done);
    }
    input
}

/// The group must have come to the end.
pub fn groups_check(output: Groups) {
    assert_eq!(output.done, TRANSACTIONS);
    assert_eq!(output.streams.progress("g")[0].lag, 0);
}

/// Fifteen more members join.
#[must_use]
pub fn rebalance(mut input: Groups) -> Groups {
    for number in 0..15 {
        let name = format!("m{number}");
        let joined = input
            .streams
            .join("g", &name, &["t"], GroupOptions::default());
        input.members.extend(joined);
    }
    input
}

/// Each must have four of the 64 partitions.
pub fn rebalance_check(output: Groups) {
    let mut members = output.members;
    members.push(output.member);
    for member in &mut members {
        member.heartbeat().expect("it is alive");
        assert_eq!(member.positions().len(), 4);
    }
}

/// Consumes a message, publishes two, puts a key and commits the offset, 100 times.
#[must_use]
pub fn transaction(mut input: Groups) -> Groups {
    let Ok(space) = input.streams.engine().keyspace("default") else {
        return input;
    };
    for number in 0..TRANSACTIONS {
        let Ok(polled) = input.member.poll(Limits::messages(1)) else {
            break;
        };
        let body = polled
            .first()
            .and_then(|polled| polled.messages[0].body_bytes());
        let body = body.unwrap_or_default();
        let member = &input.member;
        let done = input.streams.transaction(|tx| {
            tx.publish("out", 0, &[NewMessage::new(&body)])?;
            tx.publish("out", 1, &[NewMessage::new(&body)])?;
            tx.engine().put(&space, b"count", &number.to_le_bytes())?;
            tx.commit_offsets(member)
        });
        input.done += usize::from(done.is_ok());
    }
    input
}

/// All of it must be there.
pub fn transaction_check(output: Groups) {
    let topic = output.streams.topic("out").expect("it is there");
    assert!(
        topic
            .partitions
            .iter()
            .all(|it| it.latest == TRANSACTIONS as u64)
    );
    groups_check(output);
}

/// Asks for the group's lag ten times.
#[must_use]
pub fn lag(mut input: Groups) -> Groups {
    for _ in 0..10 {
        let progress = input.streams.progress("g");
        input.done += progress.iter().filter(|it| it.lag > 0).count();
    }
    input
}

/// One of the partitions must have one.
pub fn lag_check(output: Groups) {
    assert_eq!(output.done, 10);
}

/// A topic that needs upkeep.
pub struct Upkeep {
    streams: Streams,
    done: Option<engine::stream::Upkeep>,
}

/// 1,000 messages with ten keys.
#[must_use]
pub fn upkeep_setup(messages: Option<u64>, is_compacted: bool) -> Upkeep {
    let retention = Retention {
        messages,
        ..Retention::default()
    };
    let streams = with_topic(
        1,
        Settings {
            retention,
            is_compacted,
            ..Settings::default()
        },
    );
    let mut producer = streams.producer("t").expect("it is there");
    for number in 0..MESSAGES {
        let key = [u8::try_from(number % 10).unwrap_or(0)];
        let published = producer.publish(&NewMessage::new(&BODY).key(&key));
        published.expect("memory fails nobody");
    }
    Upkeep {
        streams,
        done: None,
    }
}

/// Maintains it once.
#[must_use]
pub fn maintain(mut input: Upkeep) -> Upkeep {
    input.done = input.streams.maintain().ok();
    input
}

/// Ten messages must be left.
pub fn trim_check(output: Upkeep) {
    let done = output.done.expect("memory fails nobody");
    assert_eq!(done.trimmed, MESSAGES as u64 - 10);
    left(&output.streams);
}

/// One message of each key must be left.
pub fn compact_check(output: Upkeep) {
    let done = output.done.expect("memory fails nobody");
    assert_eq!(done.compacted, MESSAGES as u64 - 10);
    left(&output.streams);
}

fn left(streams: &Streams) {
    let mut consumer = streams.consumer();
    let assigned = consumer.assign("t", 0, From::Earliest);
    assigned.expect("it is there");
    let polled = consumer.poll(Limits::default());
    assert_eq!(polled.expect("memory can be read")[0].messages.len(), 10);
}

/// A replay.
pub struct Replays {
    replay: Replay,
    done: usize,
    is_over: bool,
}

/// A log of 1,000 messages.
#[must_use]
pub fn replay_setup() -> Replays {
    let streams = filled(1, 100);
    streams.maintain().expect("memory fails nobody");
    let replay = streams.replay("t", None, ReplayOptions::default());
    Replays {
        replay: replay.expect("it is there"),
        done: 0,
        is_over: false,
    }
}

/// Replays all of it.
#[must_use]
pub fn replay(mut input: Replays) -> Replays {
    loop {
        match input.replay.step() {
            Ok(Step::Message(_)) => input.done += 1,
            step => {
                input.is_over = matches!(step, Ok(Step::End));
                return input;
            }
        }
    }
}

/// All must have been given.
pub fn replay_check(output: Replays) {
    assert_eq!((output.done, output.is_over), (MESSAGES, true));
}

/// A directory, and what it was opened as.
pub struct Opening {
    memory: Memory,
    streams: Option<Streams>,
    topics: usize,
}

fn many_topics() -> (Memory, Streams) {
    let memory = Memory::default();
    let streams = open(&memory);
    for number in 0..MESSAGES {
        let name = format!("t{number}");
        let made = streams.create_topic(&name, 1, Settings::default());
        made.expect("it is new");
    }
    (memory, streams)
}

/// 1,000 topics.
#[must_use]
pub fn opening_setup() -> Opening {
    let (memory, streams) = many_topics();
    Opening {
        memory,
        streams: Some(streams),
        topics: MESSAGES,
    }
}

/// 1,000 topics in a snapshot.
#[must_use]
pub fn saved_setup() -> Opening {
    let (memory, streams) = many_topics();
    streams.engine().checkpoint().expect("memory fails nobody");
    streams.engine().close().expect("memory fails nobody");
    drop(streams);
    Opening {
        memory,
        streams: None,
        topics: MESSAGES,
    }
}

/// A log with 1,000 records of messages, and no snapshot.
#[must_use]
pub fn replayed_setup() -> Opening {
    let memory = Memory::default();
    let streams = open(&memory);
    streams
        .create_topic("t", 1, Settings::default())
        .expect("it is new");
    let mut producer = streams.producer("t").expect("it is there");
    for _ in 0..MESSAGES {
        let published = producer.publish(&NewMessage::new(&BODY));
        published.expect("memory fails nobody");
    }
    streams.engine().close().expect("memory fails nobody");
    drop((streams, producer));
    Opening {
        memory,
        streams: None,
        topics: 1,
    }
}

/// Takes a checkpoint.
#[must_use]
pub fn checkpoint(input: Opening) -> Opening {
    if let Some(streams) = &input.streams {
        streams.engine().checkpoint().expect("memory fails nobody");
    }
    input
}

/// Opens the directory.
#[must_use]
pub fn open_again(mut input: Opening) -> Opening {
    input.streams = Some(open(&input.memory));
    input
}

/// All topics must be there.
pub fn opening_check(output: Opening) {
    let streams = output.streams.expect("it was opened");
    assert_eq!(streams.topics().len(), output.topics);
}
