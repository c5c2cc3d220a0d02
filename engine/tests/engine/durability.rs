//! What is there after the power went, the disk filled up, or the engine was closed.

use std::path::Path;

use engine::engine::{CheckpointError, CommitError, OpenError};
use engine::frame::{Kind, Record};
use engine::vfs::{Failure, Memory, Plan, Sim};
use engine::wal::{self, Lsn, Mode};
use engine::{Engine, Options};

use super::{open, options, pairs, try_open};

#[test]
fn what_a_strict_commit_acknowledged_survives_power_loss() {
    let sim = Sim::default();
    let (engine, _) = open(&sim);
    let [tea, cups] = ["tea", "cups"].map(|name| engine.keyspace(name).unwrap());
    tea.put(b"a", b"1").unwrap();
    let both = engine.transaction(|tx| {
        tx.put(&tea, b"b", b"2")?;
        tx.put(&cups, b"c", b"3")?;
        tx.delete(&tea, b"a")
    });
    both.unwrap();
    let (engine, recovery) = open(&sim.crash(0));
    assert!(recovery.snapshot.is_none());
    let [tea, cups] = ["tea", "cups"].map(|name| engine.keyspace(name).unwrap());
    assert_eq!(pairs(tea.scan()), [("b".into(), "2".into())]);
    assert_eq!(pairs(cups.scan()), [("c".into(), "3".into())]);
}

#[test]
fn a_buffered_commit_is_durable_once_somebody_waited_for_it() {
    let sim = Sim::default();
    let buffered = Mode::Buffered {
        interval: std::time::Duration::ZERO,
        max_bytes: u64::MAX,
    };
    let (engine, _) = Engine::open_with(sim.clone(), Path::new("db"), options(buffered)).unwrap();
    let tea = engine.keyspace("tea").unwrap();
    tea.put(b"a", b"1").unwrap();
    assert_eq!(engine.watermarks().unwrap().durable, Lsn(0));
    let committed = engine.transaction(|tx| tx.put(&tea, b"b", b"2")).unwrap();
    engine.wait_durable(committed.end).unwrap();
    tea.put(b"c", b"3").unwrap();
    assert_eq!(
        tea.get(b"c").unwrap(),
        b"3",
        "a read may be ahead of the disk"
    );
    let (after, _) = open(&sim.crash(0));
    let found = pairs(after.keyspace("tea").unwrap().scan());
    assert_eq!(
        found,
        [("a", "1"), ("b", "2")].map(|(k, v)| (k.into(), v.into()))
    );
    engine.durable().unwrap();
    let (after, _) = open(&sim.crash(0));
    assert_eq!(after.keyspace("tea").unwrap().len(), 3);
}

#[test]
fn in_memory_there_is_nothing_to_wait_for_or_to_save() {
    let engine = Engine::in_memory();
    engine.keyspace("tea").unwrap().put(b"a", b"1").unwrap();
    assert!(matches!(engine.durable(), Err(CommitError::NotDurable(_))));
    assert!(matches!(engine.checkpoint(), Err(CheckpointError::NoLog)));
    assert!(engine.records_from(Lsn(0)).unwrap().next().is_none());
    assert!(engine.read(Lsn(0)).unwrap().is_none() && engine.watermarks().is_none());
    engine.close().unwrap();
    let tea = engine.keyspace("tea").unwrap();
    assert!(matches!(tea.put(b"b", b"2"), Err(CommitError::Closed)));
    assert_eq!(tea.len(), 1);
}

#[test]
fn a_closed_engine_refuses_writes_and_lets_go_of_its_directory() {
    let sim = Sim::default();
    let (engine, _) = open(&sim);
    let tea = engine.keyspace("tea").unwrap();
    tea.put(b"a", b"1").unwrap();
    let locked = try_open(&sim).unwrap_err();
    assert!(
        matches!(locked, OpenError::Log(wal::OpenError::Locked { .. })),
        "{locked}"
    );
    engine.close().unwrap();
    engine.close().unwrap();
    assert!(matches!(tea.put(b"b", b"2"), Err(CommitError::Closed)));
    let refused = engine.transaction(|tx| tx.put(&tea, b"b", b"2"));
    assert!(matches!(refused, Err(CommitError::Closed)));
    assert!(matches!(engine.keyspace("new"), Err(CommitError::Closed)));
    assert!(matches!(engine.durable(), Err(CommitError::Closed)));
    assert!(matches!(engine.checkpoint(), Err(CheckpointError::NoLog)));
    assert_eq!(tea.get(b"a").unwrap(), b"1");
    let (again, recovery) = open(&sim);
    assert!(recovery.log.cut.is_none());
    assert_eq!(again.keyspace("tea").unwrap().len(), 1);
}

#[test]
fn checkpoints_let_go_of_the_log_and_lose_nothing() {
    let vfs = Memory::default();
    let small = || Options {
        checkpoint_bytes: Some(20_000),
        ..options(Mode::Strict)
    };
    let (engine, _) = Engine::open_with(vfs.clone(), "db", small()).unwrap();
    let tea = engine.keyspace("tea").unwrap();
    for number in 0..4000_u32 {
        tea.put(&(number % 300).to_be_bytes(), &number.to_be_bytes())
            .unwrap();
        if number % 50 == 0 {
            engine.maintain().unwrap();
        }
    }
    let stats = engine.stats();
    assert!(stats.checkpoints >= 5, "{stats:?}");
    assert!(stats.first > Lsn(0), "segments were let go: {stats:?}");
    let before = pairs(tea.scan());
    drop((engine, tea));
    let (engine, recovery) = Engine::open_with(vfs, "db", small()).unwrap();
    assert!(recovery.replayed < 1000, "{recovery:?}");
    assert_eq!(pairs(engine.keyspace("tea").unwrap().scan()), before);
}

#[test]
fn a_checkpoint_by_time_is_taken_once_something_changed() {
    let sim = Sim::default();
    let timed = Options {
        checkpoint_interval: Some(std::time::Duration::from_secs(1)),
        ..options(Mode::Strict)
    };
    let (engine, _) = Engine::open_with(sim.clone(), "db", timed).unwrap();
    let tea = engine.keyspace("tea").unwrap();
    tea.put(b"a", b"1").unwrap();
    engine.maintain().unwrap();
    assert_eq!(engine.stats().checkpoints, 0);
    sim.advance(1_000_000);
    engine.maintain().unwrap();
    assert_eq!(engine.stats().checkpoints, 1);
    sim.advance(1_000_000);
    engine.maintain().unwrap();
    assert_eq!(engine.stats().checkpoints, 1, "nothing has changed since");
}

#[test]
fn the_engines_thread_takes_checkpoints_beside_the_writers() {
    let vfs = Memory::default();
    let background = Options {
        checkpoint_bytes: Some(50_000),
        background: true,
        ..options(Mode::Strict)
    };
    let (engine, _) = Engine::open_with(vfs.clone(), "db", background).unwrap();
    let tea = engine.keyspace("tea").unwrap();
    // As long as it takes: a machine may be busy.
    let mut number = 0_u32;
    while engine.stats().checkpoints < 3 {
        number += 1;
        tea.put(&(number % 500).to_be_bytes(), &number.to_be_bytes())
            .unwrap();
    }
    let before = pairs(tea.scan());
    drop((engine, tea));
    let (engine, recovery) = Engine::open_with(vfs, "db", options(Mode::Strict)).unwrap();
    assert!(recovery.snapshot.is_some());
    assert_eq!(pairs(engine.keyspace("tea").unwrap().scan()), before);
}

#[test]
fn a_checkpoint_that_fails_is_counted_and_costs_nothing() {
    let sim = Sim::default();
    let (engine, _) = open(&sim);
    let tea = engine.keyspace("tea").unwrap();
    tea.put(b"a", b"1").unwrap();
    let mut failures = 0;
    for call in 1.. {
        sim.plan(Plan::FailAt(call, Failure::Partial));
        let done = engine.checkpoint();
        let is_over = sim.calls().all < call;
        sim.plan(Plan::Fair);
        failures += u64::from(done.is_err());
        assert_eq!(engine.stats().checkpoint_failures, failures);
        assert_eq!(tea.get(b"a").unwrap(), b"1");
        if is_over || engine.durable().is_err() {
            break;
        }
        tea.put(b"a", b"1").unwrap();
    }
    assert!(failures > 2, "{failures}");
    let (after, _) = open(&sim.crash(0));
    assert_eq!(after.keyspace("tea").unwrap().get(b"a").unwrap(), b"1");
}

#[test]
fn a_snapshot_that_says_what_it_must_not_is_refused_although_its_checksum_holds() {
    let vfs = Memory::default();
    let (engine, _) = Engine::open_with(vfs.clone(), "db", options(Mode::Strict)).unwrap();
    let tea = engine.keyspace("tea").unwrap();
    for key in [b"key-a", b"key-b"] {
        tea.put(key, b"value").unwrap();
    }
    let lsn = engine.checkpoint().unwrap();
    engine.close().unwrap();
    drop((engine, tea));
    let path = Path::new("db").join(format!("{:020}.snap", lsn.0));
    let good = vfs.read(&path).unwrap();
    let rows = 39 + 45 + 9 + 8;
    let key = |name: &[u8]| good.windows(5).position(|it| it == name).unwrap();
    let forgeries: [(&str, usize, &[u8]); 4] = [
        ("keys out of order", key(b"key-b"), b"key-0"),
        ("the same key twice", key(b"key-b"), b"key-a"),
        (
            "a keyspace that nobody created",
            rows + 2 * 28 + 8,
            &9_u32.to_le_bytes(),
        ),
        ("a keyspace twice", rows + 2 * 28 + 8, &0_u32.to_le_bytes()),
    ];
    for (what, at, bytes) in forgeries {
        let mut forged = good.clone();
        forged[at..at + bytes.len()].copy_from_slice(bytes);
        let end = forged.len() - 4;
        let crc = crc32fast::hash(&forged[..end]);
        forged[end..].copy_from_slice(&crc.to_le_bytes());
        vfs.write(&path, forged);
        let refused = Engine::open_with(vfs.clone(), "db", options(Mode::Strict));
        assert!(
            matches!(refused, Err(OpenError::Malformed(_))),
            "{what}: {refused:?}"
        );
    }
    vfs.write(&path, good);
    Engine::open_with(vfs, "db", options(Mode::Strict)).unwrap();
}

#[test]
fn records_of_callers_in_the_same_log_are_passed_over_and_those_of_views_that_are_missing_refused()
{
    let vfs = Memory::default();
    let append = |kind| {
        let log = options(Mode::Strict).log;
        let (wal, _) = wal::Wal::open(vfs.clone(), Path::new("db"), log).unwrap();
        let record = Record {
            kind: Kind(kind),
            version: 1,
            payload: b"somebody else's",
        };
        wal.append(record).unwrap();
        wal.close().unwrap();
    };
    for round in 0..20_u8 {
        append(0x40 + round);
        let (engine, _) = Engine::open_with(vfs.clone(), "db", options(Mode::Strict)).unwrap();
        let tea = engine.keyspace("default").unwrap();
        assert_eq!(tea.len(), usize::from(round));
        assert_eq!(
            tea.put(&[round], b"tea").unwrap(),
            Lsn(2 * u64::from(round) + 1)
        );
    }
    append(Kind::STREAM.0);
    let refused = Engine::open_with(vfs, "db", options(Mode::Strict)).unwrap_err();
    assert!(
        matches!(
            refused,
            OpenError::Record {
                lsn: Lsn(40),
                kind: 0x20,
                ..
            }
        ),
        "{refused}"
    );
}

#[test]
fn transaction_that_writes_nothing_asks_the_disk_for_nothing() {
    let sim = Sim::default();
    let (engine, _) = open(&sim);
    let tea = engine.keyspace("tea").unwrap();
    tea.put(b"a", b"1").unwrap();
    sim.plan(Plan::FailAt(1, Failure::Refused));
    let failed = tea.put(b"b", b"2");
    assert!(
        matches!(failed, Err(CommitError::NotDurable(_))),
        "{failed:?}"
    );
    sim.plan(Plan::Fair);
    // The log failed for good, and what is in memory is still read.
    let read = engine.transaction(|tx| Ok(tx.contains(&tea, b"a")));
    let read = read.unwrap();
    assert!(read.value && read.first == read.end);
    assert!(tea.put(b"c", b"3").is_err());
}
