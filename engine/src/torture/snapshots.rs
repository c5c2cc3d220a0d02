//! An engine with snapshots: crashed at every call, with rot below the newest snapshot, and on a disk
//! that is full in the middle of a checkpoint.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::crash::{Tried, holds};
use super::model::dir;
use crate::crash_test::{Checked, ensure};
use crate::engine::{Engine, Keyspace, OpenError, Options, Recovery};
use crate::random::SplitMix64;
use crate::snapshot::{Newest, load_newest};
use crate::vfs::{Failure, Plan, Sim, Vfs};
use crate::wal::{self, Mode, Policy};

type Contents = BTreeMap<Vec<u8>, Vec<u8>>;

/// What is known of an engine from outside.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    attempted: u64,
    durable: u64,
}

fn open(sim: &Sim, seed: u64) -> Result<(Engine, Recovery), OpenError> {
    let policies = [Policy::TornTail, Policy::PointInTime];
    let buffered = Mode::Buffered {
        interval: Duration::ZERO,
        max_bytes: u64::MAX,
    };
    let options = Options {
        log: wal::Options {
            mode: buffered,
            policy: policies[usize::from(seed % 2 == 1)],
            segment_bytes: 4096,
            buffer_bytes: 400,
            threads: 1,
            ..wal::Options::default()
        },
        background: false,
        ..Options::default()
    };
    Engine::open_with(sim.clone(), dir(), options)
}

fn pair(number: u64) -> (Vec<u8>, Vec<u8>) {
    let len = usize::try_from(number * 37 % 190).unwrap_or(0);
    let value = number.to_le_bytes().into_iter().cycle().take(8 + len);
    (vec![b'k', (number % 13).to_le_bytes()[0]], value.collect())
}

fn model(count: u64) -> Contents {
    (0..count).map(pair).collect()
}

/// Puts, waits for the disk, checkpoints, closes and restarts. Goes on after a checkpoint that failed;
/// ends where the log does.
fn run(sim: &Sim, seed: u64, len: u64, known: &mut Known) -> Result<(), String> {
    let Ok((mut engine, _)) = open(sim, seed) else {
        return Ok(());
    };
    let mut random = SplitMix64::new(seed);
    for _ in 0..len {
        match random.below(40) {
            0 => drop(engine.checkpoint()),
            step @ (1 | 2) => {
                if step == 1 && (engine.close().is_err() || engine.close().is_err()) {
                    return Ok(());
                }
                drop(engine);
                let Ok((again, recovery)) = open(sim, seed) else {
                    return Ok(());
                };
                let count = recovery.log.end.0;
                check_store(&again, count, *known)?;
                (known.attempted, known.durable) = (count, count);
                engine = again;
            }
            _ => {
                let (key, value) = pair(known.attempted);
                known.attempted += 1;
                let put = default(&engine)?.put(&key, &value);
                let is_waiting = random.below(3) == 0;
                if put.is_err() || is_waiting && engine.durable().is_err() {
                    return Ok(());
                }
            }
        }
        let durable = engine.watermarks().map_or(0, |marks| marks.durable.0);
        known.durable = known.durable.max(durable);
    }
    Ok(())
}

fn default(engine: &Engine) -> Result<Keyspace, String> {
    engine
        .keyspace("default")
        .map_err(|error| error.to_string())
}

fn check_store(engine: &Engine, count: u64, known: Known) -> Checked {
    let Known { attempted, durable } = known;
    ensure!(
        durable <= count && count <= attempted,
        "{count} changes are left of {durable} durable and {attempted} attempted ones"
    );
    let pairs = default(engine)?.scan();
    let found: Contents = pairs
        .map(|item| (item.key().to_vec(), item.value().to_vec()))
        .collect();
    ensure!(
        found == model(count),
        "the engine is not the one of {count} changes"
    );
    Ok(())
}

/// Flips a bit below the newest snapshot, and says where.
fn rot(disk: &Sim, random: &mut SplitMix64) -> Option<(PathBuf, usize)> {
    let Newest { loaded, .. } = load_newest(disk, dir()).ok()?;
    let origin = loaded?.meta.origin;
    let number = |name: &String| name.strip_suffix(".wal")?.parse::<u64>().ok();
    let names = disk.list(dir()).ok()?;
    let below: Vec<u64> = names.iter().filter_map(number).collect();
    let below: Vec<u64> = below
        .into_iter()
        .filter(|it| *it <= origin.segment)
        .collect();
    let pick = random.below(below.len().max(1) as u64);
    let picked = *below.get(usize::try_from(pick).ok()?)?;
    let path = dir().join(format!("{picked:020}.wal"));
    let len = disk.read(&path)?.len() as u64;
    let end = if picked == origin.segment {
        origin.offset.min(len)
    } else {
        len
    };
    let at = usize::try_from(random.below(end.max(1))).ok()?;
    let bit = random.below(8);
    disk.damage(&path, |bytes| bytes[at] ^= 1 << bit);
    Some((path, at))
}

fn check_disk(disk: &Sim, seed: u64, known: Known) -> Checked {
    let opened = open(disk, seed);
    let (engine, recovery) = opened.map_err(|error| format!("refused: {error}"))?;
    let count = recovery.log.end.0;
    check_store(&engine, count, known)?;
    // It can be written, and opened again.
    let (key, value) = pair(count);
    let put = default(&engine)?.put(&key, &value);
    put.and_then(|_| engine.durable())
        .map_err(|error| error.to_string())?;
    // Whatever rots below the snapshot is found in time, and what is left can be read.
    for _ in 0..=recovery.log.unverified {
        engine.maintain().map_err(|error| error.to_string())?;
    }
    let records = engine.records_from(engine.stats().first);
    for entry in records.map_err(|error| error.to_string())? {
        entry.map_err(|error| format!("it was verified: {error}"))?;
    }
    drop(engine);
    let opened = open(&disk.crash(0), 0);
    let (engine, _) = opened.map_err(|error| format!("refused the next time: {error}"))?;
    let known = Known {
        attempted: count + 1,
        durable: count + 1,
    };
    check_store(&engine, count + 1, known)
}

/// Crashes at every call, and lets a bit below the newest snapshot rot.
pub(super) fn crash_and_rot(seed: u64, len: u64, fates: &[u64], tried: &mut Tried) -> Checked {
    for call in 1.. {
        let sim = Sim::default();
        sim.plan(Plan::CrashAt(call));
        let mut known = Known::default();
        let story = |what: String| format!("seed {seed}, crash at call {call}, {what}");
        run(&sim, seed, len, &mut known).map_err(&story)?;
        for &fate in fates {
            let disk = sim.crash(fate);
            let rot = rot(&disk, &mut SplitMix64::new(seed ^ (call << 8) ^ fate));
            tried.rots += u64::from(rot.is_some());
            tried.crashes += 1;
            let checked = check_disk(&disk, seed + fate, known);
            checked.map_err(|what| story(format!("fate {fate}, rot {rot:?}: {what}")))?;
        }
        if !sim.has_crashed() {
            return Ok(());
        }
    }
    Ok(())
}

/// Fails every call once, as a full disk does. A checkpoint that fails leaves nothing behind.
pub(super) fn fill_the_disk(seed: u64, len: u64, tried: &mut Tried) -> Checked {
    let sim = Sim::default();
    run(&sim, seed, len, &mut Known::default())?;
    for call in 1..=sim.calls().all {
        let sim = Sim::default();
        sim.plan(Plan::FailAt(call, Failure::Partial));
        let mut known = Known::default();
        let story = |what: String| format!("seed {seed}, full at call {call}: {what}");
        run(&sim, seed, len, &mut known).map_err(&story)?;
        sim.plan(Plan::Fair);
        let names = sim.list(dir()).unwrap_or_default();
        let left: Vec<_> = names
            .iter()
            .filter(|name| name.ends_with(".snap.tmp"))
            .collect();
        if !left.is_empty() {
            return Err(story(format!("{left:?} is left")));
        }
        check_disk(&sim.crash(seed), seed, known).map_err(&story)?;
        check_disk(&sim, seed, known).map_err(&story)?;
        tried.full_disks += 1;
    }
    Ok(())
}

#[test]
fn rot_below_a_snapshot_and_a_crash_lose_nothing() {
    for seed in 0..2 {
        let mut tried = Tried::default();
        holds(crash_and_rot(seed, 160, &[0, 1, 5], &mut tried));
        assert!(tried.rots > 100, "{tried:?}");
    }
}

#[test]
fn full_disk_in_a_checkpoint_loses_nothing_and_is_given_back() {
    for seed in 0..2 {
        holds(fill_the_disk(seed, 160, &mut Tried::default()));
    }
}
