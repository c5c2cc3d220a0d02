//! Publishing, and asking whether one may.

use std::hint::black_box;

use engine::stream::{
    Action, Consumer, From, Limits, NewMessage, Producer, Rule, Settings, Streams,
};

use super::{BODY, MESSAGES, with_topic};

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

/// As for batches of 100, with access rules enforced, and one that allows it.
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
