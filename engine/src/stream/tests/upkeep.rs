//! Retention, compaction, copying forward, and the log that they hold.

use super::world::{all, buffered, open, publish, try_open, with_topic};
use crate::stream::{From, GroupOptions, Limits, NewMessage, Retention, Settings, Streams};
use crate::vfs::{Sim, Vfs};
use crate::wal::{Lsn, Mode};

fn limited(retention: Retention) -> Settings {
    Settings {
        retention,
        ..Settings::default()
    }
}

fn fill(streams: &Streams, topic: &str, count: u64) {
    let mut producer = streams.producer(topic).unwrap();
    for number in 0..count {
        let body = [&number.to_le_bytes()[..], &[7; 92]].concat();
        producer.publish_to(0, &[NewMessage::new(&body)]).unwrap();
    }
}

/// Two checkpoints free what one leaves for the older snapshot.
fn free(streams: &Streams) -> Lsn {
    for number in 0..2 {
        streams
            .engine()
            .keyspace("default")
            .unwrap()
            .put(b"key", &[number])
            .unwrap();
        streams.engine().checkpoint().unwrap();
    }
    streams.engine().stats().first
}

#[test]
fn what_is_above_a_limit_goes_and_frees_the_log() {
    let sim = Sim::default();
    let streams = open(&sim, Mode::Strict);
    let retention = Retention {
        messages: Some(50),
        ..Retention::default()
    };
    streams.create_topic("t", 1, limited(retention)).unwrap();
    fill(&streams, "t", 500);
    assert_eq!(free(&streams), Lsn(0), "everything is held");
    let done = streams.maintain().unwrap();
    assert_eq!(done.trimmed, 450);
    assert!(free(&streams) > Lsn(300));
    let status = streams.topic("t").unwrap().partitions[0];
    assert_eq!((status.earliest, status.latest), (450, 500));
    let again = open(&sim.crash(0), Mode::Strict);
    for streams in [&streams, &again] {
        let found = all(streams, "t", 0);
        assert_eq!((found.len(), found[0].0), (50, 450));
    }
}

#[test]
fn messages_go_by_age_as_the_clock_says() {
    let sim = Sim::default();
    let streams = open(&sim, Mode::Strict);
    let retention = Retention {
        age_us: Some(1_000_000),
        ..Retention::default()
    };
    streams.create_topic("t", 1, limited(retention)).unwrap();
    fill(&streams, "t", 100);
    sim.advance(500_000);
    fill(&streams, "t", 100);
    assert_eq!(streams.maintain().unwrap().trimmed, 0);
    sim.advance(600_000);
    let trimmed = streams.maintain().unwrap().trimmed;
    assert!((60..=100).contains(&trimmed), "{trimmed}");
    sim.advance(600_000);
    streams.maintain().unwrap();
    assert_eq!(all(&streams, "t", 0), []);
    assert_eq!(streams.topic("t").unwrap().partitions[0].earliest, 200);
    fill(&streams, "t", 1);
    assert_eq!(all(&streams, "t", 0)[0].0, 200);
}

#[test]
fn messages_go_by_bytes() {
    let streams = open(&Sim::default(), Mode::Strict);
    let retention = Retention {
        bytes: Some(5000),
        ..Retention::default()
    };
    streams.create_topic("t", 1, limited(retention)).unwrap();
    fill(&streams, "t", 400);
    streams.maintain().unwrap();
    let kept = streams.topic("t").unwrap().partitions[0].bytes;
    assert!((5000..5000 + 33 * 150).contains(&kept), "{kept}");
}

fn compacted() -> Settings {
    Settings {
        is_compacted: true,
        ..Settings::default()
    }
}

/// Publishes pairs; `None` is a tombstone.
fn put(streams: &Streams, pairs: &[(u8, Option<u8>)]) {
    let mut producer = streams.producer("t").unwrap();
    for (key, value) in pairs {
        let (key, body) = ([*key], value.map(|value| [value]));
        let message = match &body {
            Some(body) => NewMessage::new(body).key(&key),
            None => NewMessage::tombstone(&key),
        };
        producer.publish_to(0, &[message]).unwrap();
    }
}

fn found(streams: &Streams) -> Vec<(u64, u8)> {
    all(streams, "t", 0)
        .iter()
        .map(|(offset, body)| (*offset, body[0]))
        .collect()
}

#[test]
fn compaction_keeps_the_last_message_of_each_key() {
    compaction().unwrap();
}

/// What compaction keeps, before and after a crash.
pub(super) fn compaction() -> Result<(), String> {
    let sim = Sim::default();
    let streams = open(&sim, Mode::Strict);
    streams.create_topic("t", 1, compacted()).unwrap();
    let mut consumer = streams.consumer();
    put(
        &streams,
        &[
            (1, Some(10)),
            (2, Some(20)),
            (1, Some(11)),
            (3, None),
            (2, Some(21)),
        ],
    );
    consumer.assign("t", 0, From::Offset(1)).unwrap();
    publish(&mut streams.producer("t").unwrap(), &[b"no key"]).unwrap();
    let done = streams.compact("t").unwrap();
    assert_eq!((done.compacted, done.copied), (2, 4));
    let dash = b'-';
    let expected = vec![(2, 11), (3, dash), (4, 21), (5, b'n')];
    if found(&streams) != expected {
        return Err(format!("compaction left {:?}", found(&streams)));
    }
    // Whoever reads goes on past what went.
    let polled = consumer.poll(Limits::default()).unwrap();
    assert_eq!(polled[0].messages[0].offset, 2);
    put(&streams, &[(1, Some(12))]);
    // The tombstone was there once.
    streams.compact("t").unwrap();
    let expected = vec![(4, 21), (5, b'n'), (6, 12)];
    let again = try_open(&sim.crash(0), Mode::Strict)?;
    for streams in [&streams, &again] {
        if found(streams) != expected {
            return Err(format!("the second compaction left {:?}", found(streams)));
        }
        assert_eq!(streams.topic("t").unwrap().partitions[0].latest, 7);
    }
    Ok(())
}

#[test]
fn upkeep_compacts_where_half_is_new() {
    let streams = open(&Sim::default(), Mode::Strict);
    streams.create_topic("t", 1, compacted()).unwrap();
    for round in 0..20 {
        put(
            &streams,
            &[(1, Some(round)), (2, Some(round)), (1, Some(round))],
        );
        streams.maintain().unwrap();
        assert!(found(&streams).len() <= 5, "{:?}", found(&streams));
    }
}

#[test]
fn a_few_old_messages_are_copied_forward_and_keep_their_offsets() {
    let sim = Sim::default();
    let streams = open(&sim, Mode::Strict);
    streams.create_topic("t", 1, Settings::default()).unwrap();
    let retention = Retention {
        messages: Some(10),
        ..Retention::default()
    };
    streams.create_topic("busy", 1, limited(retention)).unwrap();
    let headers: [(&str, &[u8]); 1] = [("name", b"value")];
    let mut producer = streams.producer("t").unwrap();
    let messages = [
        NewMessage::new(b"one").key(b"k").headers(&headers),
        NewMessage::new(b"two").at(5),
    ];
    producer.publish_to(0, &messages).unwrap();
    let read = |streams: &Streams| {
        let mut consumer = streams.consumer();
        consumer.assign("t", 0, From::Earliest).unwrap();
        let polled = consumer.poll(Limits::default()).unwrap().remove(0).messages;
        let of = |message: &crate::stream::Message| {
            let headers: Vec<_> = message
                .headers()
                .map(|(name, value)| (name.to_owned(), value.to_vec()))
                .collect();
            (
                message.offset,
                message.time_us,
                message.key().map(<[u8]>::to_vec),
                message.body().map(<[u8]>::to_vec),
                headers,
            )
        };
        polled.iter().map(of).collect::<Vec<_>>()
    };
    let before = read(&streams);
    sim.advance(1000);
    for round in 0..4 {
        fill(&streams, "busy", 300);
        let done = streams.maintain().unwrap();
        assert_eq!(done.copied, 2, "round {round}");
        let first = free(&streams);
        assert!(first > Lsn(round * 300 + 100), "round {round}: {first}");
        assert_eq!(read(&streams), before);
    }
    let again = open(&sim.crash(0), Mode::Strict);
    assert_eq!(read(&again), before);
    producer
        .publish_to(0, &[NewMessage::new(b"three")])
        .unwrap();
    assert_eq!(all(&streams, "t", 0).len(), 3);
}

#[test]
fn what_a_consumer_reads_stays_until_it_lets_go() {
    let sim = Sim::default();
    let streams = open(&sim, Mode::Strict);
    let retention = Retention {
        messages: Some(1),
        ..Retention::default()
    };
    streams.create_topic("t", 1, limited(retention)).unwrap();
    fill(&streams, "t", 200);
    let mut consumer = streams.consumer();
    consumer.assign("t", 0, From::Earliest).unwrap();
    let polled = consumer.poll(Limits::messages(1)).unwrap();
    streams.maintain().unwrap();
    free(&streams);
    fill(&streams, "t", 200);
    free(&streams);
    let body = polled[0].messages[0].body().unwrap();
    assert_eq!(body[..8], 0_u64.to_le_bytes());
}

#[test]
fn opening_reads_no_message_that_a_checkpoint_covers() {
    let sim = Sim::default();
    let streams = with_topic(&sim, buffered(), 1);
    let opened = |sim: &Sim| {
        let disk = sim.crash(0);
        let view = crate::stream::StreamsView::new();
        let options = super::world::options(Mode::Strict, &view);
        let path = std::path::Path::new("db");
        let (_, recovery) = crate::engine::Engine::open_with(disk.clone(), path, options).unwrap();
        (recovery.replayed, recovery.log.bytes)
    };
    let mut costs = Vec::new();
    for _ in 0..3 {
        fill(&streams, "t", 400);
        free(&streams);
        costs.push(opened(&sim));
    }
    assert!(costs.iter().all(|(replayed, _)| *replayed < 5), "{costs:?}");
    assert_eq!(all(&streams, "t", 0).len(), 1200);
}

#[test]
fn damage_in_what_is_retained_is_an_error_of_whoever_reads_it() {
    let sim = Sim::default();
    let streams = with_topic(&sim, Mode::Strict, 1);
    fill(&streams, "t", 200);
    free(&streams);
    streams.engine().close().unwrap();
    drop(streams);
    let path = std::path::Path::new("db/00000000000000000001.wal");
    let file = sim.open(path).unwrap();
    crate::vfs::VfsFile::write_at(&file, b"rot", 2000).unwrap();
    crate::vfs::VfsFile::sync_data(&file).unwrap();
    let streams = open(&sim, Mode::Strict);
    let mut consumer = streams.consumer();
    consumer.assign("t", 0, From::Earliest).unwrap();
    let mut seen = 0;
    let failed = loop {
        match consumer.poll(Limits::default()) {
            Ok(polled) if polled.is_empty() => panic!("the damage went unnoticed"),
            Ok(polled) => seen += polled[0].messages.len(),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(failed, crate::stream::StreamError::Read(_)),
        "{failed:?}"
    );
    assert!(seen < 60);
    // What is not damaged can be read.
    consumer.seek("t", 0, From::Offset(150)).unwrap();
    assert_eq!(
        consumer.poll(Limits::default()).unwrap()[0].messages.len(),
        50
    );
}

#[test]
fn a_group_whose_offset_was_trimmed_goes_on_with_what_there_is() {
    let streams = with_topic(&Sim::default(), Mode::Strict, 1);
    fill(&streams, "t", 10);
    let mut member = streams
        .join("g", "a", &["t"], GroupOptions::default())
        .unwrap();
    member.poll(Limits::messages(2)).unwrap();
    member.commit().unwrap();
    drop(member);
    streams.trim("t", 0, 5).unwrap();
    assert_eq!(streams.progress("g")[0].lag, 5);
    let mut member = streams
        .join("g", "a", &["t"], GroupOptions::default())
        .unwrap();
    assert_eq!(
        member.poll(Limits::messages(2)).unwrap()[0].messages[0].offset,
        5
    );
}
