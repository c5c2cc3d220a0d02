//! Any sequence of calls does what a list of messages does.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::world::{buffered, open};
use crate::stream::{
    From, GroupConsumer, GroupOptions, Limits, NewMessage, OutOfRange, Settings, StreamError,
    Streams,
};
use crate::vfs::Sim;
use crate::wal::Mode;

const PARTITIONS: u32 = 3;

#[derive(Debug, Clone)]
enum Call {
    Publish(u32, usize),
    Transact(u32, u32, bool),
    Poll(usize),
    Commit,
    Rejoin,
    Trim(u32, u64),
    Seek(u32, u64),
    Maintain,
    Checkpoint,
    Restart,
}

fn call() -> impl Strategy<Value = Call> {
    let partition = 0..PARTITIONS;
    prop_oneof![
        4 => (partition.clone(), 1_usize..5).prop_map(|(to, count)| Call::Publish(to, count)),
        2 => (partition.clone(), partition.clone(), any::<bool>())
            .prop_map(|(one, other, fails)| Call::Transact(one, other, fails)),
        4 => (0_usize..7).prop_map(Call::Poll),
        2 => Just(Call::Commit),
        1 => Just(Call::Rejoin),
        1 => (partition.clone(), 0_u64..12).prop_map(|(of, offset)| Call::Trim(of, offset)),
        1 => (partition, 0_u64..12).prop_map(|(of, offset)| Call::Seek(of, offset)),
        1 => Just(Call::Maintain),
        1 => Just(Call::Checkpoint),
        1 => Just(Call::Restart),
    ]
}

/// What streams should be.
#[derive(Debug, Default)]
struct Model {
    /// Bodies by partition, and the first that is kept.
    logs: BTreeMap<u32, (Vec<Vec<u8>>, u64)>,
    positions: BTreeMap<u32, u64>,
    committed: BTreeMap<u32, u64>,
}

impl Model {
    fn log(&mut self, partition: u32) -> &mut (Vec<Vec<u8>>, u64) {
        self.logs.entry(partition).or_default()
    }

    fn publish(&mut self, partition: u32, body: Vec<u8>) {
        self.log(partition).0.push(body);
    }

    /// Polls, and checks what there is.
    fn poll(&mut self, member: &mut GroupConsumer, count: usize) {
        let polled = member.poll(Limits::messages(count)).unwrap();
        let mut seen = 0;
        for polled in &polled {
            for message in &polled.messages {
                self.see(polled.partition, message.offset, message.body().unwrap());
                seen += 1;
            }
        }
        let left: u64 = member.lag().iter().map(|it| it.2).sum();
        assert!(
            seen == count || left == 0,
            "{seen} of {count}, and {left} are left"
        );
    }

    /// Reads from an offset on, where that is kept.
    fn seek(&mut self, streams: &Streams, partition: u32, offset: u64) {
        let mut consumer = streams.consumer().on_out_of_range(OutOfRange::Fail);
        let sought = consumer.assign("t", partition, From::Offset(offset));
        let (log, start) = self.log(partition);
        if !(*start..=log.len() as u64).contains(&offset) {
            assert!(matches!(sought, Err(StreamError::OutOfRange { .. })));
            return;
        }
        sought.unwrap();
        let polled = consumer.poll(Limits::messages(1)).unwrap();
        let found = polled
            .first()
            .map(|polled| polled.messages[0].body().unwrap().to_vec());
        assert_eq!(found.as_ref(), log.get(usize::try_from(offset).unwrap()));
    }

    /// Checks a message that was polled, and moves on.
    fn see(&mut self, partition: u32, offset: u64, body: &[u8]) {
        let start = self.log(partition).1;
        let position = self.positions.entry(partition).or_default();
        assert_eq!(offset, (*position).max(start), "partition {partition}");
        *position = offset + 1;
        let at = usize::try_from(offset).unwrap();
        assert_eq!(self.log(partition).0[at], body);
    }
}

fn join(streams: &Streams) -> GroupConsumer {
    streams
        .join("g", "m", &["t"], GroupOptions::default())
        .unwrap()
}

fn run(mode: Mode, calls: &[Call]) {
    let sim = Sim::default();
    let mut streams = open(&sim, mode);
    streams
        .create_topic("t", PARTITIONS, Settings::default())
        .unwrap();
    let mut member = join(&streams);
    let mut model = Model::default();
    for (number, call) in calls.iter().enumerate() {
        let body = |part: usize| format!("{number}.{part} {}", "x".repeat(part * 70)).into_bytes();
        match call {
            Call::Publish(partition, count) => {
                let bodies: Vec<_> = (0..*count).map(body).collect();
                let messages: Vec<_> = bodies.iter().map(|body| NewMessage::new(body)).collect();
                let first = model.log(*partition).0.len() as u64;
                let mut producer = streams.producer("t").unwrap();
                let published = producer.publish_to(*partition, &messages).unwrap();
                assert_eq!(published.offset, first);
                for body in bodies {
                    model.publish(*partition, body);
                }
            }
            Call::Transact(one, other, fails) => {
                let (first, second) = (body(0), body(1));
                let done = streams.transaction(|tx| {
                    tx.publish("t", *one, &[NewMessage::new(&first)])?;
                    tx.publish("t", *other, &[NewMessage::new(&second)])?;
                    if *fails {
                        tx.publish("t", PARTITIONS, &[NewMessage::new(b"")])?;
                    }
                    Ok(())
                });
                assert_eq!(done.is_err(), *fails);
                if !fails {
                    model.publish(*one, first.clone());
                    model.publish(*other, second.clone());
                }
            }
            Call::Poll(count) => {
                model.poll(&mut member, *count);
            }
            Call::Commit => {
                // The first poll is when a member learns what it reads.
                if member.generation() == 0 {
                    assert!(matches!(
                        member.commit(),
                        Err(StreamError::MemberFenced { .. })
                    ));
                    continue;
                }
                member.commit().unwrap();
                for (_, partition, offset) in member.positions() {
                    model.committed.insert(partition, offset);
                }
            }
            Call::Rejoin => {
                member = join(&streams);
                model.positions.clone_from(&model.committed);
            }
            Call::Trim(partition, offset) => {
                let (log, start) = model.log(*partition);
                if *offset <= log.len() as u64 {
                    *start = (*start).max(*offset);
                    streams.trim("t", *partition, *offset).unwrap();
                } else {
                    let trimmed = streams.trim("t", *partition, *offset);
                    assert!(matches!(trimmed, Err(StreamError::OutOfRange { .. })));
                }
            }
            Call::Seek(partition, offset) => {
                model.seek(&streams, *partition, *offset);
            }
            Call::Maintain => drop(streams.maintain().unwrap()),
            Call::Checkpoint => drop(streams.engine().checkpoint().unwrap()),
            Call::Restart => {
                streams.engine().close().unwrap();
                drop(member);
                drop(streams);
                streams = open(&sim, mode);
                member = join(&streams);
                model.positions.clone_from(&model.committed);
            }
        }
    }
    for (partition, (log, start)) in &model.logs {
        let found = super::world::all(&streams, "t", *partition);
        let expected: Vec<_> = (0..)
            .zip(log.iter().cloned())
            .skip(usize::try_from(*start).unwrap())
            .collect();
        assert_eq!(found, expected, "partition {partition}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn streams_are_lists_of_messages(calls in proptest::collection::vec(call(), 1..60), is_strict in any::<bool>()) {
        run(if is_strict { Mode::Strict } else { buffered() }, &calls);
    }
}
