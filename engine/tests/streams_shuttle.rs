//! Publishing, committing, rebalancing and upkeep under a scheduler that tries interleavings.
//!
//! Streams take their locks from the engine's door, so the very code that ships runs here.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/scheduled.rs"]
mod scheduled;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::stream::{
    From, GroupOptions, Limits, NewMessage, Retention, Settings, StreamError, Streams, StreamsView,
};
use engine::vfs::{Monitor, Sim, SimFile, SimLock, Vfs, VfsFile};
use engine::wal::{self, Mode};
use engine::{Engine, Options};
use shuttle::thread;

use scheduled::Scheduled;

const SCHEDULES: usize = 60;

fn open(vfs: &Scheduled, mode: Mode) -> Streams {
    let view = StreamsView::new();
    let options = Options {
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
    };
    let opened = Engine::open_with(vfs.clone(), Path::new("db"), options);
    Streams::open_with::<Scheduled>(&opened.unwrap().0, &view).unwrap()
}

fn with_topic(vfs: &Scheduled, partitions: u32) -> Streams {
    let streams = open(vfs, Mode::Strict);
    streams
        .create_topic("t", partitions, Settings::default())
        .unwrap();
    streams
}

#[test]
fn producers_of_one_partition_leave_no_gap_and_lose_nothing() {
    let run = || {
        let vfs = Scheduled::default();
        let streams = with_topic(&vfs, 1);
        let threads: Vec<_> = (0..2_u8)
            .map(|number| {
                let streams = streams.clone();
                thread::spawn(move || {
                    let mut producer = streams.producer("t").unwrap();
                    for round in 0..2 {
                        producer
                            .publish_to(0, &[NewMessage::new(&[number, round])])
                            .unwrap();
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let again = open(&Scheduled(vfs.0.crash(0)), Mode::Strict);
        for streams in [&streams, &again] {
            let mut consumer = streams.consumer();
            consumer.assign("t", 0, From::Earliest).unwrap();
            let polled = consumer.poll(Limits::default()).unwrap();
            let bodies: Vec<_> = polled[0]
                .messages
                .iter()
                .map(|it| it.body().unwrap().to_vec())
                .collect();
            assert_eq!(bodies.len(), 4);
            for number in 0..2 {
                let own: Vec<_> = bodies.iter().filter(|body| body[0] == number).collect();
                assert_eq!(own, [&[number, 0], &[number, 1]]);
            }
        }
    };
    shuttle::check_random(run, SCHEDULES);
}

#[test]
fn members_that_come_and_commit_at_once_lose_no_message_and_repeat_no_committed_one() {
    let run = || {
        let streams = with_topic(&Scheduled::default(), 2);
        let mut producer = streams.producer("t").unwrap();
        for number in 0..3_u8 {
            for partition in 0..2 {
                producer
                    .publish_to(partition, &[NewMessage::new(&[number])])
                    .unwrap();
            }
        }
        let seen = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let threads: Vec<_> = (0..2)
            .map(|number| {
                let (streams, seen) = (streams.clone(), Arc::clone(&seen));
                thread::spawn(move || {
                    let name = format!("m{number}");
                    let mut member = streams
                        .join("g", &name, &["t"], GroupOptions::default())
                        .unwrap();
                    for _ in 0..3 {
                        let polled = member.poll(Limits::messages(1)).unwrap();
                        match member.commit() {
                            // What was committed is seen by nobody else.
                            Ok(()) => seen.lock().extend(polled.iter().flat_map(|polled| {
                                polled
                                    .messages
                                    .iter()
                                    .map(|it| (polled.partition, it.offset))
                            })),
                            // It is read again, by whoever has the partition.
                            Err(StreamError::MemberFenced { .. }) => {
                                drop(
                                    streams
                                        .join("g", &name, &["t"], GroupOptions::default())
                                        .map(|again| member = again),
                                );
                            }
                            Err(error) => panic!("{error}"),
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let mut member = streams
            .join("rest", "m", &["t"], GroupOptions::default())
            .unwrap();
        member.heartbeat().unwrap();
        let mut seen = seen.lock().clone();
        seen.sort_unstable();
        let count = seen.len();
        seen.dedup();
        assert_eq!(
            seen.len(),
            count,
            "a committed message was read again: {seen:?}"
        );
        for progress in streams.progress("g") {
            let committed: Vec<_> = seen
                .iter()
                .filter(|it| it.0 == progress.partition)
                .map(|it| it.1)
                .collect();
            let expected: Vec<_> = (0..progress.committed).collect();
            assert_eq!(committed, expected, "a message was passed over");
        }
    };
    shuttle::check_random(run, SCHEDULES);
}

#[test]
fn upkeep_and_checkpoints_beside_a_producer_lose_nothing() {
    let run = || {
        let vfs = Scheduled::default();
        let mode = Mode::Buffered {
            interval: Duration::ZERO,
            max_bytes: u64::MAX,
        };
        let streams = open(&vfs, mode);
        let retention = Retention {
            messages: Some(2),
            ..Retention::default()
        };
        let settings = Settings {
            retention,
            ..Settings::default()
        };
        streams.create_topic("t", 1, settings).unwrap();
        let worker = streams.clone();
        let upkeep = thread::spawn(move || {
            for _ in 0..2 {
                worker.maintain().unwrap();
            }
        });
        let engine = streams.engine().clone();
        let checkpoints = thread::spawn(move || {
            for _ in 0..2 {
                engine.checkpoint().unwrap();
            }
        });
        let mut producer = streams.producer("t").unwrap();
        let body = [7; 1500];
        for _ in 0..6 {
            producer.publish_to(0, &[NewMessage::new(&body)]).unwrap();
        }
        upkeep.join().unwrap();
        checkpoints.join().unwrap();
        let again = open(&Scheduled(vfs.0.crash(0)), mode);
        let status = again.topic("t").unwrap().partitions[0];
        let mut consumer = again.consumer();
        consumer.assign("t", 0, From::Earliest).unwrap();
        let polled = consumer.poll(Limits::default()).unwrap();
        let found = polled
            .first()
            .map_or(0, |polled| polled.messages.len() as u64);
        assert_eq!(found, status.latest - status.earliest);
    };
    shuttle::check_random(run, SCHEDULES);
}

#[test]
fn whoever_waits_is_woken() {
    let run = || {
        let streams = with_topic(&Scheduled::default(), 1);
        let waiting = streams.clone();
        let waiter = thread::spawn(move || {
            let mut consumer = waiting.consumer();
            consumer.assign("t", 0, From::Earliest).unwrap();
            // Time passes as the scheduler likes, so it may have to wait again.
            (0..200).any(|_| {
                let polled = consumer
                    .poll_wait(Limits::default(), Duration::from_mins(1))
                    .unwrap();
                !polled.is_empty()
            })
        });
        let mut producer = streams.producer("t").unwrap();
        producer.publish_to(0, &[NewMessage::new(b"news")]).unwrap();
        assert!(waiter.join().unwrap());
    };
    shuttle::check_random(run, SCHEDULES);
}
