//! What is hostile, extreme or unlucky: many keyspaces, many openings, clocks that jump, a full disk.

use std::path::Path;
use std::time::Duration;

use engine::engine::{CheckpointError, CommitError};
use engine::vfs::{Failure, Plan, Sim, Vfs};
use engine::wal::Mode;
use engine::{Engine, Options};

use super::{open, options};

/// The segments in the directory.
fn segments(sim: &Sim) -> usize {
    let names = sim.list(Path::new("db")).unwrap();
    let names = names.iter().map(Path::new);
    let names = names.filter(|name| name.extension().is_some_and(|it| it == "wal"));
    names.count()
}

#[test]
fn ten_thousand_keyspaces_are_kept_apart_in_views_checkpoints_and_after_an_opening() {
    const KEYSPACES: u32 = 10_000;
    let sim = Sim::default();
    let name = |number: u32| format!("space/{number}");
    let (engine, _) = open(&sim);
    for first in (0..KEYSPACES).step_by(500) {
        let created = engine.transaction(|tx| {
            for number in first..first + 500 {
                let space = tx.keyspace(&name(number))?;
                tx.put(&space, b"key", &number.to_le_bytes())?;
            }
            Ok(())
        });
        created.unwrap();
    }
    let (before, changed) = (engine.view(), engine.keyspace(&name(7)).unwrap());
    changed.put(b"other", b"").unwrap();
    changed.delete(b"key").unwrap();
    engine.checkpoint().unwrap();
    let check = |engine: &Engine| {
        for number in (0..KEYSPACES).step_by(997).chain([7, 8]) {
            let space = engine.keyspace(&name(number)).unwrap();
            let value = space.get(b"key");
            assert_eq!(value.is_none(), number == 7);
            assert!(value.is_none_or(|value| value == number.to_le_bytes()));
            assert_eq!(space.len(), 1);
        }
        assert_eq!(engine.stats().keyspaces.len(), KEYSPACES as usize + 1);
    };
    check(&engine);
    assert_eq!(before.get(&changed, b"key").unwrap(), 7_u32.to_le_bytes());
    assert!(before.get(&changed, b"other").is_none());
    engine.close().unwrap();
    drop((engine, before, changed));
    let (engine, recovery) = open(&sim);
    assert_eq!(recovery.replayed, 0);
    check(&engine);
}

#[test]
fn a_program_that_is_started_often_does_not_fill_its_directory() {
    let sim = Sim::default();
    let mut most = 0;
    for number in 0..300_u32 {
        let (engine, _) = open(&sim);
        let space = engine.keyspace("default").unwrap();
        space.put(&number.to_be_bytes(), b"value").unwrap();
        engine.maintain().unwrap();
        // As a crash would.
        drop((engine, space));
        most = most.max(segments(&sim));
    }
    assert!(most < 150, "{most} segments");
    let (engine, _) = open(&sim);
    assert_eq!(engine.keyspace("default").unwrap().len(), 300);
}

#[test]
fn a_clock_that_jumps_takes_values_back_and_forth_and_no_checkpoint_away() {
    let sim = Sim::default();
    sim.set_now_us(1_000_000);
    let hourly = || {
        let options = Options {
            checkpoint_interval: Some(Duration::from_hours(1)),
            ..options(Mode::Strict)
        };
        Engine::open_with(sim.clone(), Path::new("db"), options)
            .unwrap()
            .0
    };
    let engine = hourly();
    let space = engine.keyspace("default").unwrap();
    space.put_until(b"offer", b"value", 2_000_000).unwrap();
    space.put_until(b"past", b"value", 1).unwrap();
    space.put_until(b"now", b"value", 1_000_000).unwrap();
    space.put_until(b"far", b"value", u64::MAX).unwrap();
    let seen = || ["offer", "past", "now", "far"].map(|key| space.contains(key.as_bytes()));
    assert_eq!(seen(), [true, false, false, true]);
    sim.set_now_us(u64::MAX - 1);
    assert_eq!(seen(), [false, false, false, true]);
    sim.set_now_us(0);
    assert_eq!(seen(), [true, true, true, true]);
    // It went back to before the last checkpoint: the next does not wait for that time to come again.
    engine.maintain().unwrap();
    assert_eq!(engine.stats().checkpoints, 1);
    space.put(b"more", b"").unwrap();
    engine.maintain().unwrap();
    assert_eq!(engine.stats().checkpoints, 1);
    sim.advance(3_600_000_000);
    engine.maintain().unwrap();
    assert_eq!(engine.stats().checkpoints, 2);
}

#[test]
fn an_interval_without_end_takes_no_checkpoint() {
    let sim = Sim::default();
    sim.set_now_us(1_000_000);
    let options = Options {
        checkpoint_interval: Some(Duration::MAX),
        checkpoint_bytes: None,
        ..options(Mode::Strict)
    };
    let (engine, _) = Engine::open_with(sim.clone(), Path::new("db"), options).unwrap();
    engine
        .keyspace("default")
        .unwrap()
        .put(b"key", b"")
        .unwrap();
    engine.maintain().unwrap();
    assert_eq!(engine.stats().checkpoints, 0);
}

#[test]
fn a_transaction_without_end_is_refused_whole() {
    let sim = Sim::default();
    let (engine, _) = open(&sim);
    let space = engine.keyspace("default").unwrap();
    let refused = engine.transaction(|tx| {
        for number in 0..200_u8 {
            tx.put(&space, &[number], &vec![7; 40_000])?;
        }
        Ok(())
    });
    assert!(
        matches!(refused, Err(CommitError::Append(_))),
        "{refused:?}"
    );
    assert!(space.is_empty());
    space.put(b"key", b"value").unwrap();
    drop((engine, space));
    let (engine, _) = open(&sim);
    assert_eq!(engine.keyspace("default").unwrap().len(), 1);
}

#[test]
fn a_checkpoint_on_a_full_disk_fails_and_the_next_one_on_a_free_disk_does_not() {
    for call in 1..12 {
        let sim = Sim::default();
        let (engine, _) = open(&sim);
        let space = engine.keyspace("default").unwrap();
        space.put(b"key", b"value").unwrap();
        sim.plan(Plan::FailAt(call, Failure::Refused));
        let failed: Result<_, CheckpointError> = engine.checkpoint();
        sim.plan(Plan::Fair);
        assert_eq!(space.get(b"key").unwrap(), b"value");
        if failed.is_err() && space.put(b"key", b"again").is_ok() {
            engine.checkpoint().unwrap();
        }
        drop((engine, space));
        let (engine, _) = open(&sim.crash(call));
        assert!(
            engine.keyspace("default").unwrap().contains(b"key"),
            "call {call}"
        );
    }
}
