//! Transactions: messages, offsets, keys and values, all or none.

use super::world::{all, open, with_topic};
use crate::engine::CommitError;
use crate::stream::{From, GroupOptions, Limits, NewMessage, Settings, StreamError, Streams};
use crate::vfs::{Plan, Sim};
use crate::wal::Mode;

fn two_topics(sim: &Sim) -> Streams {
    let streams = with_topic(sim, Mode::Strict, 2);
    streams
        .create_topic("out", 70, Settings::default())
        .unwrap();
    streams
}

#[test]
fn messages_offsets_and_keys_are_there_together() {
    let sim = Sim::default();
    let streams = two_topics(&sim);
    let space = streams.engine().keyspace("sums").unwrap();
    let mut producer = streams.producer("t").unwrap();
    for number in 1..=9_u8 {
        producer
            .publish_to(0, &[NewMessage::new(&[number])])
            .unwrap();
    }
    let mut member = streams
        .join("g", "a", &["t"], GroupOptions::default())
        .unwrap();
    while let Some(polled) = member.poll(Limits::messages(2)).unwrap().first() {
        let done = streams.transaction(|tx| {
            let mut sum = tx.engine().get(&space, b"sum").map_or(0, |value| value[0]);
            for message in &polled.messages {
                sum += message.body().unwrap()[0];
                // Partitions 0 and 64 share a lock.
                tx.publish("out", 0, &[NewMessage::new(&[sum])])?;
                tx.publish("out", 64, &[NewMessage::new(&[sum]), NewMessage::new(b"")])?;
            }
            tx.engine().put(&space, b"sum", &[sum])?;
            tx.commit_offsets(&member)?;
            Ok(sum)
        });
        let done = done.unwrap();
        assert_eq!(done.published.len(), polled.messages.len() * 2);
        let read = streams
            .engine()
            .read(done.published[1].lsn)
            .unwrap()
            .unwrap();
        assert_eq!(read.kind.0, 0x20);
    }
    for streams in [&streams, &open(&sim.crash(0), Mode::Strict)] {
        let sums: Vec<_> = all(streams, "out", 0)
            .into_iter()
            .map(|(_, body)| body[0])
            .collect();
        assert_eq!(sums, [1, 3, 6, 10, 15, 21, 28, 36, 45]);
        assert_eq!(all(streams, "out", 64).len(), 18);
        let space = streams.engine().keyspace("sums").unwrap();
        assert_eq!(space.get(b"sum").unwrap()[0], 45);
        assert_eq!(streams.progress("g")[0].lag, 0);
    }
}

#[test]
fn a_transaction_that_is_given_up_leaves_nothing() {
    let streams = two_topics(&Sim::default());
    let given_up = streams.transaction(|tx| {
        tx.publish("t", 0, &[NewMessage::new(b"never")])?;
        Err::<(), _>(CommitError::abort("changed my mind").into())
    });
    assert!(matches!(
        given_up,
        Err(StreamError::Commit(CommitError::Aborted(_)))
    ));
    let unknown = streams.transaction(|tx| {
        tx.publish("t", 0, &[NewMessage::new(b"never")])?;
        tx.publish("x", 0, &[NewMessage::new(b"never")])
    });
    assert!(matches!(unknown, Err(StreamError::UnknownTopic { .. })));
    assert_eq!(all(&streams, "t", 0), []);
    // What follows is as if it had never been.
    streams
        .producer("t")
        .unwrap()
        .publish_to(0, &[NewMessage::new(b"one")])
        .unwrap();
    assert_eq!(all(&streams, "t", 0), [(0, b"one".to_vec())]);
}

#[test]
fn a_transaction_that_others_disturb_is_tried_again() {
    let streams = two_topics(&Sim::default());
    let space = streams.engine().keyspace("sums").unwrap();
    let mut tries = 0;
    let done = streams.transaction(|tx| {
        tries += 1;
        let _ = tx.engine().get(&space, b"key");
        if tries == 1 {
            space.put(b"key", b"disturbed")?;
        }
        tx.engine().put(&space, b"other", b"")?;
        tx.publish("t", 1, &[NewMessage::new(b"once")])
    });
    assert_eq!((done.unwrap().published[0].offset, tries), (0, 2));
    assert_eq!(all(&streams, "t", 1), [(0, b"once".to_vec())]);
}

#[test]
fn a_member_that_is_fenced_off_commits_nothing_of_its_transaction() {
    let streams = two_topics(&Sim::default());
    streams
        .producer("t")
        .unwrap()
        .publish_to(0, &[NewMessage::new(b"in")])
        .unwrap();
    let mut former = streams
        .join("g", "a", &["t"], GroupOptions::default())
        .unwrap();
    former.poll(Limits::default()).unwrap();
    let _new = streams
        .join("g", "b", &["t"], GroupOptions::default())
        .unwrap();
    let fenced = streams.transaction(|tx| {
        tx.publish("out", 0, &[NewMessage::new(b"twice")])?;
        tx.commit_offsets(&former)
    });
    assert!(
        matches!(fenced, Err(StreamError::MemberFenced { .. })),
        "{fenced:?}"
    );
    assert_eq!(all(&streams, "out", 0), []);
}

/// Crashes consume, transform, produce at every call; see the test of the same name.
pub(super) fn exactly_once() -> Result<(), String> {
    for call in 1.. {
        let sim = Sim::default();
        let streams = two_topics(&sim);
        let mut producer = streams.producer("t").unwrap();
        for number in 0..6_u8 {
            producer
                .publish_to(0, &[NewMessage::new(&[number])])
                .unwrap();
        }
        drop((producer, streams));
        let disk = sim.crash(0);
        disk.plan(Plan::CrashAt(call));
        let ended = transform(&disk);
        let has_crashed = disk.has_crashed();
        if !has_crashed {
            ended.map_err(|error| error.to_string())?;
        }
        let disk = disk.crash(call);
        transform(&disk).map_err(|error| format!("after a crash at call {call}: {error}"))?;
        let streams = super::world::try_open(&disk, Mode::Strict)?;
        let out: Vec<_> = all(&streams, "out", 0)
            .into_iter()
            .map(|(_, body)| body[0])
            .collect();
        if out != [0, 1, 2, 3, 4, 5] {
            return Err(format!(
                "after a crash at call {call} the output is {out:?}"
            ));
        }
        if !has_crashed {
            return Ok(());
        }
    }
    Ok(())
}

/// Copies what is left of topic `t` to `out`, one by one.
fn transform(sim: &Sim) -> Result<(), StreamError> {
    let Ok(streams) = super::world::try_open(sim, Mode::Strict) else {
        return Ok(());
    };
    let mut member = streams.join("g", "a", &["t"], GroupOptions::default())?;
    while let Some(polled) = member.poll(Limits::messages(2))?.first() {
        streams.transaction(|tx| {
            for message in &polled.messages {
                let body = message.body().unwrap_or_default();
                tx.publish("out", 0, &[NewMessage::new(body)])?;
            }
            tx.commit_offsets(&member)
        })?;
    }
    Ok(())
}

#[test]
fn what_is_consumed_and_produced_in_a_transaction_has_its_effect_once() {
    exactly_once().unwrap();
}

#[test]
fn a_consumer_never_sees_a_half() {
    let streams = two_topics(&Sim::default());
    let mut consumer = streams.consumer();
    consumer.assign("out", 0, From::Earliest).unwrap();
    consumer.assign("out", 1, From::Earliest).unwrap();
    std::thread::scope(|scope| {
        let streams = &streams;
        scope.spawn(move || {
            for _ in 0..200 {
                let done = streams.transaction(|tx| {
                    tx.publish("out", 0, &[NewMessage::new(b"left")])?;
                    tx.publish("out", 1, &[NewMessage::new(b"right")])
                });
                done.unwrap();
            }
        });
        let mut seen = [0_usize; 2];
        while seen != [200, 200] {
            for polled in consumer.poll(Limits::messages(usize::MAX)).unwrap() {
                seen[polled.partition as usize] += polled.messages.len();
            }
            assert_eq!(seen[0], seen[1]);
        }
    });
}
