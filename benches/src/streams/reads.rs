//! Polling, seeking and replaying.

use engine::stream::{Consumer, From, Limits, Replay, ReplayOptions, Step, Streams};

use super::{MESSAGES, filled};

/// A consumer, and how many messages it polls at once.
pub struct Reads {
    streams: Streams,
    consumer: Consumer,
    at_once: usize,
    done: usize,
    time_us: u64,
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
