//! What producers publish, once and in order.

use super::world::{all, buffered, fill, open, publish, with_topic};
use crate::stream::{BadMessage, From, Limits, NewMessage, Settings, StreamError, partition_of};
use crate::vfs::{Sim, Vfs};
use crate::wal::Mode;

#[test]
fn messages_of_a_key_go_to_one_partition_and_others_in_turn() {
    let streams = with_topic(&Sim::default(), buffered(), 5);
    let mut producer = streams.producer("t").unwrap();
    for key in 0..50_u32 {
        let key = key.to_le_bytes();
        let published = producer.publish(&NewMessage::new(b"").key(&key)).unwrap();
        assert_eq!(published.partition, partition_of(&key, 5));
    }
    let turns: Vec<_> = (0..10)
        .map(|_| producer.publish(&NewMessage::new(b"")).unwrap().partition)
        .collect();
    assert_eq!(turns, [1, 2, 3, 4, 0, 1, 2, 3, 4, 0]);
}

#[test]
fn time_does_not_go_back_where_the_clock_does() {
    let sim = Sim::default();
    sim.advance(1_000_000);
    let streams = with_topic(&sim, Mode::Strict, 1);
    fill(&streams, 0, 1);
    let before = sim.now_us();
    // A disk with an earlier clock.
    let again = sim.crash(0);
    let streams = open(&again, Mode::Strict);
    assert!(again.now_us() <= before);
    let mut producer = streams.producer("t").unwrap();
    publish(&mut producer, &[b"later"]).unwrap();
    let mut consumer = streams.consumer();
    consumer.assign("t", 0, From::Earliest).unwrap();
    let polled = consumer.poll(Limits::default()).unwrap();
    assert!(
        polled[0]
            .messages
            .is_sorted_by_key(|message| message.time_us)
    );
    consumer.seek("t", 0, From::Time(before)).unwrap();
    assert!(!consumer.poll(Limits::default()).unwrap().is_empty());
}

#[test]
fn a_batch_that_is_sent_again_is_stored_once() {
    let sim = Sim::default();
    let streams = with_topic(&sim, Mode::Strict, 1);
    let mut producer = streams.idempotent_producer("t", "p").unwrap();
    let messages = [NewMessage::new(b"one"), NewMessage::new(b"two")];
    let first = producer.publish_to(0, &messages).unwrap();
    let again = producer.publish_again(0, 0, &messages).unwrap();
    assert_eq!(
        (again.offset, again.lsn, again.is_duplicate),
        (first.offset, first.lsn, true)
    );
    assert_eq!(all(&streams, "t", 0).len(), 2);
    // Also after a restart, by whoever has the number.
    let third = producer
        .publish_to(0, &[NewMessage::new(b"three")])
        .unwrap();
    assert_eq!(third.offset, 2);
    let gap = producer.publish_again(0, 4, &messages);
    assert!(
        matches!(
            gap,
            Err(StreamError::OutOfSequence {
                expected: 3,
                found: 4,
                ..
            })
        ),
        "{gap:?}"
    );
    let old = producer.publish_again(0, 0, &messages);
    assert!(matches!(
        old,
        Err(StreamError::OutOfSequence {
            expected: 3,
            found: 0,
            ..
        })
    ));
    assert_eq!(all(&streams, "t", 0).len(), 3);
}

/// A batch that is stored and not durable is durable once its duplicate is acknowledged.
pub(super) fn duplicate_is_durable() -> Result<(), String> {
    let sim = Sim::default();
    let streams = with_topic(&sim, Mode::Strict, 1);
    let mut producer = streams.idempotent_producer("t", "p").unwrap();
    let message = NewMessage::new(b"once");
    // It reaches the log, and nobody waits for the disk: its sender was interrupted.
    producer.accept(0, 0, &[message]).unwrap();
    let again = producer.publish_again(0, 0, &[message]).unwrap();
    assert!(again.is_duplicate);
    let found = all(&open(&sim.crash(0), Mode::Strict), "t", 0);
    if found.len() == 1 {
        Ok(())
    } else {
        Err(format!("{found:?}"))
    }
}

#[test]
fn a_duplicate_is_acknowledged_once_it_is_durable() {
    duplicate_is_durable().unwrap();
}

#[test]
fn a_producer_whose_name_another_one_takes_is_fenced_off() {
    fencing();
}

/// See the test that calls it.
pub(super) fn fencing() {
    let sim = Sim::default();
    let streams = with_topic(&sim, Mode::Strict, 1);
    let mut one = streams.idempotent_producer("t", "p").unwrap();
    one.publish(&NewMessage::new(b"one")).unwrap();
    let mut other = streams.idempotent_producer("t", "p").unwrap();
    let fenced = one.publish(&NewMessage::new(b"late"));
    assert!(
        matches!(
            fenced,
            Err(StreamError::ProducerFenced {
                epoch: 0,
                current: 1,
                ..
            })
        ),
        "{fenced:?}"
    );
    other.publish(&NewMessage::new(b"two")).unwrap();
    let bodies: Vec<_> = all(&streams, "t", 0)
        .into_iter()
        .map(|(_, body)| body)
        .collect();
    assert_eq!(bodies, [b"one", b"two"]);
    // The epoch survives.
    streams.engine().checkpoint().unwrap();
    streams.engine().close().unwrap();
    drop((streams, one, other));
    let streams = open(&sim, Mode::Strict);
    let mut third = streams.idempotent_producer("t", "p").unwrap();
    third.publish(&NewMessage::new(b"three")).unwrap();
    assert_eq!(all(&streams, "t", 0).len(), 3);
}

#[test]
fn what_is_too_large_or_empty_is_refused_as_a_whole() {
    let streams = with_topic(&Sim::default(), Mode::Strict, 1);
    let settings = Settings {
        body_bytes_max: 4,
        ..Settings::default()
    };
    streams.create_topic("small", 1, settings).unwrap();
    let mut producer = streams.producer("small").unwrap();
    let refused = producer.publish_to(0, &[NewMessage::new(b"1234"), NewMessage::new(b"12345")]);
    let is_told = matches!(
        refused,
        Err(StreamError::Message {
            index: 1,
            problem: BadMessage::Body { size: 5, max: 4 },
            ..
        })
    );
    assert!(is_told, "{refused:?}");
    assert!(matches!(
        producer.publish_to(0, &[]),
        Err(StreamError::EmptyBatch { .. })
    ));
    assert_eq!(all(&streams, "small", 0), []);
    producer.publish_to(0, &[NewMessage::new(b"1234")]).unwrap();
    // Larger than a segment: the log refuses it, and goes on.
    let mut producer = streams.producer("t").unwrap();
    let large = vec![1; 5000];
    let refused = producer.publish(&NewMessage::new(&large));
    assert!(
        matches!(refused, Err(StreamError::Commit(_))),
        "{refused:?}"
    );
    let published = producer.publish(&NewMessage::new(b"fits")).unwrap();
    assert_eq!(published.offset, 0);
    assert_eq!(all(&streams, "t", 0), [(0, b"fits".to_vec())]);
    let huge = vec![0; 1 << 20];
    let many: Vec<_> = (0..17).map(|_| NewMessage::new(&huge)).collect();
    assert!(matches!(
        producer.publish_to(0, &many),
        Err(StreamError::BatchTooLarge { .. })
    ));
}
