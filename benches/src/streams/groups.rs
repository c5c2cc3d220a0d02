//! Groups of consumers: commits, members that come, transactions, lag.

use engine::stream::{GroupConsumer, GroupOptions, Limits, NewMessage, Settings, Streams};

use super::{BODY, with_topic};

/// How many transactions a run makes.
const TRANSACTIONS: usize = 100;

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
