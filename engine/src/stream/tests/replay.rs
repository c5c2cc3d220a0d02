//! Replay from offsets, times and records; its pace; following.

use std::time::Duration;

use super::world::{publish, with_topic};
use crate::stream::{From, Pace, Replay, ReplayOptions, Step, Streams};
use crate::vfs::Sim;
use crate::wal::Mode;

/// Ten messages, 100 microseconds apart.
fn filled(sim: &Sim) -> Streams {
    let streams = with_topic(sim, Mode::Strict, 2);
    let mut producer = streams.producer("t").unwrap();
    for number in 0..10_u8 {
        publish(&mut producer, &[&[number]]).unwrap();
        sim.advance(100);
    }
    streams
}

fn body(step: Step) -> Option<u8> {
    match step {
        Step::Message(replayed) => Some(replayed.message.body().unwrap()[0]),
        _ => None,
    }
}

fn given(replay: &mut Replay) -> Vec<u8> {
    std::iter::from_fn(|| body(replay.step().unwrap())).collect()
}

#[test]
fn a_replay_ends_with_what_was_there_when_it_began() {
    let streams = filled(&Sim::default());
    let mut replay = streams.replay("t", None, ReplayOptions::default()).unwrap();
    publish(&mut streams.producer("t").unwrap(), &[b"later"]).unwrap();
    assert_eq!(given(&mut replay), (0..10).collect::<Vec<_>>());
    assert_eq!(replay.step().unwrap(), Step::End);
    let from = ReplayOptions {
        from: From::Offset(7),
        ..ReplayOptions::default()
    };
    let mut replay = streams.replay("t", Some(0), from).unwrap();
    assert_eq!(given(&mut replay).len(), 4);
}

#[test]
fn a_replay_that_follows_goes_on() {
    let streams = filled(&Sim::default());
    let options = ReplayOptions {
        from: From::Latest,
        follow: true,
        ..ReplayOptions::default()
    };
    let mut replay = streams.replay("t", Some(0), options).unwrap();
    assert_eq!(replay.step().unwrap(), Step::Waiting);
    publish(&mut streams.producer("t").unwrap(), &[&[77]]).unwrap();
    assert_eq!(body(replay.step_wait(Duration::ZERO).unwrap()), Some(77));
    assert_eq!(
        replay.step_wait(Duration::from_millis(1)).unwrap(),
        Step::Waiting
    );
}

#[test]
fn a_replay_keeps_its_pace() {
    for (pace, apart_us) in [(Pace::PerSecond(2000), 500), (Pace::Recorded(4), 25)] {
        let sim = Sim::default();
        let streams = filled(&sim);
        let options = ReplayOptions {
            pace,
            ..ReplayOptions::default()
        };
        let mut replay = streams.replay("t", Some(0), options).unwrap();
        let mut waited = 0;
        let mut bodies = Vec::new();
        loop {
            match replay.step().unwrap() {
                Step::End => break,
                Step::NotBefore(_) => {
                    sim.advance(1);
                    waited += 1;
                }
                step => bodies.push(body(step).unwrap()),
            }
        }
        assert_eq!(bodies, (0..10).collect::<Vec<_>>());
        // The simulated clock moves on with each call too.
        assert!(
            waited <= 9 * apart_us && waited > 9 * apart_us / 4,
            "{pace:?}: {waited}"
        );
    }
}
