//! Topics, producers, consumers: what they do, and what they refuse.

use std::time::Duration;

use super::world::{all, buffered, open, publish, with_topic};
use crate::engine::{Engine, Options};
use crate::stream::{
    Action, BadMessage, From, Limits, NewMessage, OutOfRange, Retention, Rule, Settings,
    StreamError, Streams, StreamsView, partition_of,
};
use crate::vfs::{Sim, Vfs};
use crate::wal::Mode;

fn bodies(count: u64) -> Vec<(u64, Vec<u8>)> {
    (0..count)
        .map(|offset| (offset, format!("body {offset}").into_bytes()))
        .collect()
}

fn fill(streams: &Streams, from: u64, until: u64) {
    let mut producer = streams.producer("t").unwrap();
    for number in from..until {
        let published = publish(&mut producer, &[format!("body {number}").as_bytes()]).unwrap();
        assert_eq!((published.offset, published.is_duplicate), (number, false));
    }
}

#[test]
fn messages_are_read_in_the_order_of_their_offsets() {
    for mode in [Mode::Strict, buffered()] {
        let streams = with_topic(&Sim::default(), mode, 1);
        // Over several segments.
        fill(&streams, 0, 300);
        assert_eq!(all(&streams, "t", 0), bodies(300));
    }
}

#[test]
fn messages_are_there_again_after_a_restart_with_and_without_a_checkpoint() {
    for is_saved in [false, true] {
        let sim = Sim::default();
        let streams = with_topic(&sim, Mode::Strict, 2);
        fill(&streams, 0, 150);
        if is_saved {
            streams.engine().checkpoint().unwrap();
        }
        fill(&streams, 150, 200);
        streams.engine().close().unwrap();
        drop(streams);
        let streams = open(&sim, Mode::Strict);
        assert_eq!(all(&streams, "t", 0), bodies(200));
        assert_eq!(all(&streams, "t", 1), []);
        fill(&streams, 200, 210);
        assert_eq!(all(&streams, "t", 0), bodies(210));
    }
}

#[test]
fn checkpoints_keep_the_messages_that_are_retained() {
    let sim = Sim::default();
    let streams = with_topic(&sim, Mode::Strict, 1);
    fill(&streams, 0, 300);
    for _ in 0..3 {
        streams.engine().checkpoint().unwrap();
        streams.maintain().unwrap();
    }
    assert_eq!(all(&streams, "t", 0), bodies(300));
}

#[test]
fn a_consumer_begins_where_it_is_told_to() {
    let sim = Sim::default();
    let streams = with_topic(&sim, buffered(), 1);
    let mut producer = streams.producer("t").unwrap();
    let mut lsns = Vec::new();
    let mut times = Vec::new();
    for number in 0..200_u64 {
        times.push(sim.now_us());
        lsns.push(
            publish(&mut producer, &[&number.to_le_bytes(), b"second"])
                .unwrap()
                .lsn,
        );
        sim.advance(10);
    }
    let mut consumer = streams.consumer();
    let mut first = |from| {
        consumer.assign("t", 0, from).unwrap();
        let polled = consumer.poll(Limits::messages(1)).unwrap();
        polled.first().map(|polled| polled.messages[0].offset)
    };
    assert_eq!(first(From::Earliest), Some(0));
    assert_eq!(first(From::Latest), None);
    assert_eq!(first(From::Offset(77)), Some(77));
    for at in [0, 1, 99, 150, 199] {
        let offset = Some(at as u64 * 2);
        assert_eq!(first(From::Time(times[at])), offset, "time {at}");
        assert_eq!(
            first(From::Time(times[at].saturating_sub(1))),
            offset,
            "before {at}"
        );
        assert_eq!(first(From::Lsn(lsns[at])), offset, "record {at}");
    }
    assert_eq!(first(From::Time(u64::MAX)), None);
}

#[test]
fn a_poll_gives_no_more_than_it_is_asked_for() {
    let streams = with_topic(&Sim::default(), buffered(), 2);
    let mut producer = streams.producer("t").unwrap();
    let bodies: Vec<_> = (0..10_u8).map(|number| [number; 92]).collect();
    let messages: Vec<_> = bodies.iter().map(|body| NewMessage::new(body)).collect();
    producer.publish_to(0, &messages).unwrap();
    producer.publish_to(1, &messages).unwrap();
    let mut consumer = streams.consumer();
    consumer.assign_all("t", From::Earliest).unwrap();
    let mut poll = |messages, bytes| {
        let polled = consumer.poll(Limits { messages, bytes }).unwrap();
        polled
            .iter()
            .map(|polled| (polled.partition, polled.messages.len()))
            .collect::<Vec<_>>()
    };
    assert_eq!(poll(3, usize::MAX), [(0, 3)]);
    assert_eq!(poll(99, 250), [(0, 2)]);
    assert_eq!(
        poll(99, 1),
        [(0, 1)],
        "one message is given whatever its size"
    );
    assert_eq!(poll(6, usize::MAX), [(0, 4), (1, 2)]);
    assert_eq!(poll(0, usize::MAX), []);
    assert_eq!(poll(99, usize::MAX), [(1, 8)]);
    assert_eq!(poll(99, usize::MAX), []);
    assert_eq!(consumer.lag().iter().map(|it| it.2).sum::<u64>(), 0);
}

#[test]
fn sealed_segments_are_read_without_a_copy() {
    let sim = Sim::default();
    let streams = with_topic(&sim, Mode::Strict, 1);
    fill(&streams, 0, 300);
    streams.maintain().unwrap();
    let read = || {
        let mut consumer = streams.consumer();
        consumer.assign("t", 0, From::Earliest).unwrap();
        consumer
            .poll(Limits::messages(1))
            .unwrap()
            .remove(0)
            .messages
            .remove(0)
    };
    let (one, other) = (read().body_bytes().unwrap(), read().body_bytes().unwrap());
    assert_eq!(one.as_ptr(), other.as_ptr());
}

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
fn what_is_not_there_is_an_error_that_says_what_is() {
    let streams = with_topic(&Sim::default(), Mode::Strict, 2);
    fill(&streams, 0, 5);
    streams.trim("t", 0, 2).unwrap();
    assert!(
        matches!(streams.producer("x"), Err(StreamError::UnknownTopic { topic }) if topic == "x")
    );
    assert!(matches!(
        streams.topic("x"),
        Err(StreamError::UnknownTopic { .. })
    ));
    let mut producer = streams.producer("t").unwrap();
    let found = producer.publish_to(2, &[NewMessage::new(b"")]);
    assert!(matches!(
        found,
        Err(StreamError::UnknownPartition {
            partition: 2,
            partitions: 2,
            ..
        })
    ));
    let mut consumer = streams.consumer();
    assert!(matches!(
        consumer.assign("x", 0, From::Earliest),
        Err(StreamError::UnknownTopic { .. })
    ));
    assert!(matches!(
        consumer.assign("t", 2, From::Earliest),
        Err(StreamError::UnknownPartition { .. })
    ));
    assert!(matches!(
        consumer.seek("t", 0, From::Earliest),
        Err(StreamError::NotAssigned { .. })
    ));
    for offset in [1, 6] {
        let found = consumer.assign("t", 0, From::Offset(offset));
        let is_told = matches!(
            found,
            Err(StreamError::OutOfRange { earliest: 2, latest: 5, offset: at, .. }) if at == offset
        );
        assert!(is_told, "{found:?}");
    }
    assert!(matches!(
        streams.trim("t", 0, 6),
        Err(StreamError::OutOfRange { .. })
    ));
}

#[test]
fn a_consumer_whose_place_went_is_told_or_goes_on() {
    let streams = with_topic(&Sim::default(), Mode::Strict, 1);
    fill(&streams, 0, 9);
    let consumer = |out_of_range| {
        let mut consumer = streams.consumer().on_out_of_range(out_of_range);
        consumer.assign("t", 0, From::Offset(1)).unwrap();
        consumer
    };
    let mut fails = consumer(OutOfRange::Fail);
    let mut earliest = consumer(OutOfRange::Earliest);
    let mut latest = consumer(OutOfRange::Latest);
    streams.trim("t", 0, 6).unwrap();
    let failed = fails.poll(Limits::default());
    assert!(matches!(
        failed,
        Err(StreamError::OutOfRange {
            offset: 1,
            earliest: 6,
            latest: 9,
            ..
        })
    ));
    assert_eq!(
        earliest.poll(Limits::default()).unwrap()[0].messages.len(),
        3
    );
    assert_eq!(latest.poll(Limits::default()).unwrap(), []);
    assert_eq!(latest.positions()[0].2, 9);
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

#[test]
fn topics_are_made_changed_and_deleted() {
    let sim = Sim::default();
    let streams = with_topic(&sim, Mode::Strict, 3);
    let made = streams.create_topic("t", 1, Settings::default());
    assert!(matches!(made, Err(StreamError::TopicExists { .. })));
    let made = streams.create_topic("a b", 1, Settings::default());
    assert!(matches!(made, Err(StreamError::TopicName { .. })));
    let made = streams.create_topic("none", 0, Settings::default());
    assert!(matches!(made, Err(StreamError::Settings { .. })));
    let settings = Settings {
        retention: Retention {
            messages: Some(2),
            ..Retention::default()
        },
        is_compacted: true,
        body_bytes_max: 9,
    };
    fill(&streams, 0, 5);
    let mut consumer = streams.consumer();
    consumer.assign("t", 0, From::Earliest).unwrap();
    let mut producer = streams.producer("t").unwrap();
    streams.change_topic("t", settings).unwrap();
    assert_eq!(streams.topic("t").unwrap().settings, settings);
    assert_eq!(all(&streams, "t", 0).len(), 5);
    streams.create_topic("u", 1, Settings::default()).unwrap();
    streams.delete_topic("t").unwrap();
    assert_eq!(streams.topics(), ["u"]);
    let found = publish(&mut producer, &[b"late"]);
    assert!(
        matches!(found, Err(StreamError::UnknownTopic { .. })),
        "{found:?}"
    );
    let found = consumer.poll(Limits::default());
    assert!(
        matches!(found, Err(StreamError::UnknownTopic { .. })),
        "{found:?}"
    );
    // Another one of the same name begins anew.
    streams.create_topic("t", 1, Settings::default()).unwrap();
    fill(&streams, 0, 2);
    for is_saved in [false, true] {
        if is_saved {
            streams.engine().checkpoint().unwrap();
        }
        let streams = open(&sim.crash(0), Mode::Strict);
        assert_eq!(streams.topics(), ["t", "u"]);
        assert_eq!(all(&streams, "t", 0).len(), 2);
    }
}

#[test]
fn whoever_waits_is_woken_and_no_longer_than_asked() {
    let dir = tempfile::tempdir().unwrap();
    let view = StreamsView::new();
    let options = Options {
        views: vec![view.as_view()],
        ..Options::in_mode(buffered())
    };
    let (engine, _) = Engine::open(dir.path(), options).unwrap();
    let streams = Streams::open(&engine, &view).unwrap();
    streams.create_topic("t", 1, Settings::default()).unwrap();
    let mut consumer = streams.consumer();
    consumer.assign("t", 0, From::Earliest).unwrap();
    let nothing = consumer
        .poll_wait(Limits::default(), Duration::from_millis(5))
        .unwrap();
    assert_eq!(nothing, []);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| consumer.poll_wait(Limits::default(), Duration::from_mins(1)));
        let mut producer = streams.producer("t").unwrap();
        producer.publish(&NewMessage::new(b"news")).unwrap();
        let polled = waiting.join().unwrap().unwrap();
        assert_eq!(polled[0].messages[0].body(), Some(&b"news"[..]));
    });
}

#[test]
fn streams_need_a_log_and_their_view() {
    let view = StreamsView::new();
    let in_memory = Streams::open(&Engine::in_memory(), &view);
    assert!(matches!(in_memory, Err(StreamError::NoLog)));
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        background: false,
        ..Options::default()
    };
    let (engine, _) = Engine::open(dir.path(), options).unwrap();
    assert!(matches!(
        Streams::open(&engine, &view),
        Err(StreamError::NoView)
    ));
}

#[test]
fn rules_are_asked_on_each_call_and_their_changes_are_seen_at_once() {
    rules();
}

/// See the test that calls it.
pub(super) fn rules() {
    let sim = Sim::default();
    let operator = with_topic(&sim, Mode::Strict, 1);
    fill(&operator, 0, 3);
    let ann = operator.act_as("ann");
    let mut producer = ann.producer("t").unwrap();
    let mut consumer = ann.consumer();
    consumer.assign("t", 0, From::Earliest).unwrap();
    consumer.poll(Limits::messages(1)).unwrap();
    operator.enforce_rules(true).unwrap();
    let denied = producer.publish(&NewMessage::new(b""));
    assert!(
        matches!(
            denied,
            Err(StreamError::Denied {
                action: Action::Publish,
                ..
            })
        ),
        "{denied:?}"
    );
    assert!(matches!(
        consumer.poll(Limits::default()),
        Err(StreamError::Denied { .. })
    ));
    assert!(matches!(
        ann.create_topic("u", 1, Settings::default()),
        Err(StreamError::Denied { .. })
    ));
    assert!(matches!(
        ann.set_rule("x", &Rule::allow("*", "*", &Action::ALL)),
        Err(StreamError::Denied { .. })
    ));
    assert!(matches!(ann.maintain(), Err(StreamError::Denied { .. })));
    assert_eq!(ann.topics(), Vec::<String>::new());
    operator
        .set_rule("ann", &Rule::allow("a*", "t", &[Action::Publish]))
        .unwrap();
    producer.publish(&NewMessage::new(b"")).unwrap();
    assert!(consumer.poll(Limits::default()).is_err());
    operator
        .set_rule("all", &Rule::allow("*", "*", &[Action::Consume]))
        .unwrap();
    assert_eq!(
        consumer.poll(Limits::default()).unwrap()[0].messages.len(),
        3
    );
    operator.remove_rule("ann").unwrap();
    assert!(producer.publish(&NewMessage::new(b"")).is_err());
    // They survive.
    let again = open(&sim.crash(0), Mode::Strict);
    let (is_on, rules) = again.rules();
    assert_eq!((is_on, rules.len(), &*rules[0].0), (true, 1, "all"));
    assert!(again.act_as("ann").producer("t").is_err());
    assert!(again.producer("t").is_ok());
}
