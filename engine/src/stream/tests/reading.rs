//! What consumers are given.

use std::time::Duration;

use super::world::{all, bodies, buffered, fill, open, publish, with_topic};
use crate::engine::{Engine, Options};
use crate::stream::{
    From, Limits, NewMessage, OutOfRange, Settings, StreamError, Streams, StreamsView,
};
use crate::vfs::{Sim, Vfs};
use crate::wal::Mode;

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
