//! An engine with streams on a simulated disk, small enough to meet every seam.

use std::path::Path;
use std::time::Duration;

use crate::engine::{Engine, OpenError, Options};
use crate::stream::{
    From, Limits, NewMessage, Producer, Published, Settings, StreamError, Streams, StreamsView,
};
use crate::vfs::Sim;
use crate::wal::{self, Mode};

/// What makes a commit wait for nothing.
pub(super) fn buffered() -> Mode {
    Mode::Buffered {
        interval: Duration::ZERO,
        max_bytes: u64::MAX,
    }
}

/// The options of small engines.
pub(super) fn options(mode: Mode, view: &StreamsView) -> Options {
    Options {
        log: wal::Options {
            mode,
            segment_bytes: 4096,
            buffer_bytes: 700,
            threads: 1,
            ..wal::Options::default()
        },
        checkpoint_bytes: None,
        checkpoint_interval: None,
        background: false,
        views: vec![view.as_view()],
        ..Options::default()
    }
}

/// Opens what a disk holds.
pub(super) fn try_open(sim: &Sim, mode: Mode) -> Result<Streams, String> {
    let view = StreamsView::new();
    let opened: Result<_, OpenError> =
        Engine::open_with(sim.clone(), Path::new("db"), options(mode, &view));
    let (engine, _) = opened.map_err(|error| format!("the engine does not open: {error}"))?;
    Streams::open_with::<Sim>(&engine, &view).map_err(|error| error.to_string())
}

pub(super) fn open(sim: &Sim, mode: Mode) -> Streams {
    try_open(sim, mode).unwrap()
}

/// Streams with the topic `t` of so many partitions.
pub(super) fn with_topic(sim: &Sim, mode: Mode, partitions: u32) -> Streams {
    let streams = open(sim, mode);
    streams
        .create_topic("t", partitions, Settings::default())
        .unwrap();
    streams
}

/// Publishes bodies to partition 0 as one batch.
pub(super) fn publish(producer: &mut Producer, bodies: &[&[u8]]) -> Result<Published, StreamError> {
    let messages: Vec<_> = bodies.iter().map(|body| NewMessage::new(body)).collect();
    producer.publish_to(0, &messages)
}

/// All messages of a partition: offsets and bodies.
pub(super) fn all(streams: &Streams, topic: &str, partition: u32) -> Vec<(u64, Vec<u8>)> {
    let mut consumer = streams.consumer();
    consumer.assign(topic, partition, From::Earliest).unwrap();
    let mut found = Vec::new();
    loop {
        let polled = consumer.poll(Limits::messages(3)).unwrap();
        if polled.is_empty() {
            return found;
        }
        for message in polled.iter().flat_map(|polled| &polled.messages) {
            found.push((message.offset, message.body().unwrap_or(b"-").to_vec()));
        }
    }
}

/// So many messages as [`fill`] publishes them.
pub(super) fn bodies(count: u64) -> Vec<(u64, Vec<u8>)> {
    (0..count)
        .map(|offset| (offset, format!("body {offset}").into_bytes()))
        .collect()
}

/// Publishes messages to partition 0 of topic `t`, each of which says its offset.
pub(super) fn fill(streams: &Streams, from: u64, until: u64) {
    let mut producer = streams.producer("t").unwrap();
    for number in from..until {
        let published = publish(&mut producer, &[format!("body {number}").as_bytes()]).unwrap();
        assert_eq!((published.offset, published.is_duplicate), (number, false));
    }
}
