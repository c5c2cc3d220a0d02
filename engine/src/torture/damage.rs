//! Every bit flipped and every length cut: an error or a correct prefix, and never anything else.

use std::path::{Path, PathBuf};

use super::crash::holds;
use super::model::{KIND, Model, dir, options, run};
use super::script::{Operation, payload};
use crate::crash_test::{Checked, ensure};
use crate::vfs::{Plan, Sim, Vfs};
use crate::wal::{OpenError, Options, Policy, Wal};

/// A small log: three segments, marks, and batches, left behind without a close.
fn small_log(seed: u64) -> Result<(Sim, Model), String> {
    let sim = Sim::default();
    let mut model = Model::default();
    let mut operations = Vec::new();
    for _ in 0..24 {
        operations.extend([Operation::Commit, Operation::Append, Operation::Batch(2)]);
    }
    operations.push(Operation::Sync);
    run(&sim, seed, &operations, &mut model)?;
    Ok((sim.crash(1), model))
}

fn segments(sim: &Sim) -> Vec<PathBuf> {
    let paths = sim
        .list(dir())
        .unwrap_or_default()
        .into_iter()
        .map(|name| dir().join(name));
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "wal"))
        .collect()
}

/// Where the bytes of a segment end that mean anything.
fn used(sim: &Sim, path: &Path) -> usize {
    let bytes = sim.read(path).unwrap_or_default();
    bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1)
}

fn with(policy: Policy, seed: u64) -> Options {
    Options {
        policy,
        ..options(seed)
    }
}

/// Opens a damaged log: an error, or records that were appended, in order, and no half batch.
/// Answers how many.
fn error_or_prefix(sim: &Sim, seed: u64, model: &Model) -> Result<Option<u64>, String> {
    let options = with(Policy::TornTail, seed);
    let Ok((wal, _)) = Wal::open(sim.clone(), dir(), options) else {
        return Ok(None);
    };
    let mut count = 0;
    for entry in wal.entries() {
        let entry = entry.map_err(|error| format!("opened, and then unreadable: {error}"))?;
        ensure!(
            entry.payload == payload(count),
            "record {count} has changed"
        );
        ensure!(entry.kind == KIND, "record {count} has another type");
        count += 1;
    }
    let lenient = Model {
        durable: 0,
        ..model.clone()
    };
    lenient.check_count(count)?;
    Ok(Some(count))
}

fn flip_every_bit(seed: u64, step: usize) -> Checked {
    let (pristine, model) = small_log(seed)?;
    for path in segments(&pristine) {
        for bit in (0..used(&pristine, &path) * 8).step_by(step) {
            let sim = pristine.crash(1);
            sim.damage(&path, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
            let story = |what| format!("bit {bit} of {}: {what}", path.display());
            error_or_prefix(&sim, seed, &model).map_err(story)?;
        }
    }
    Ok(())
}

/// A flipped bit in bytes that a later mark vouches for must be an error.
pub(super) fn rot_before_a_mark_is_reported(seed: u64) -> Checked {
    let (pristine, _) = small_log(seed)?;
    let path = segments(&pristine).pop().ok_or("no segment")?;
    // The first frame of the last segment; many marks follow it.
    let sim = pristine.crash(1);
    sim.damage(&path, |bytes| bytes[80] ^= 1);
    match Wal::open(sim, dir(), with(Policy::TornTail, seed)) {
        Err(OpenError::Corrupt(corruption)) => {
            ensure!(
                corruption.path == path && corruption.offset == 64,
                "reported elsewhere: {corruption}"
            );
            Ok(())
        }
        other => Err(format!(
            "durable records are gone, and nobody says so: {other:?}"
        )),
    }
}

#[test]
fn every_flipped_bit_gives_an_error_or_a_prefix() {
    holds(flip_every_bit(0, 1));
}

#[test]
fn every_length_gives_an_error_or_a_prefix() {
    let (pristine, model) = small_log(0).unwrap();
    for path in segments(&pristine) {
        for len in 0..used(&pristine, &path) {
            let sim = pristine.crash(1);
            sim.damage(&path, |bytes| bytes.truncate(len));
            if let Err(what) = error_or_prefix(&sim, 0, &model) {
                panic!("{} cut to {len}: {what}", path.display());
            }
        }
    }
}

#[test]
fn a_sector_that_was_never_written_gives_an_error_or_a_prefix() {
    let (pristine, model) = small_log(0).unwrap();
    for path in segments(&pristine) {
        for start in (0..used(&pristine, &path)).step_by(512) {
            let sim = pristine.crash(1);
            sim.damage(&path, |bytes| {
                let end = bytes.len().min(start + 512);
                bytes[start..end].fill(0);
            });
            if let Err(what) = error_or_prefix(&sim, 0, &model) {
                panic!("{} without the sector at {start}: {what}", path.display());
            }
        }
    }
}

#[test]
fn a_stale_sector_gives_an_error_or_a_prefix() {
    let (pristine, model) = small_log(0).unwrap();
    let paths = segments(&pristine);
    let stale = pristine.read(&paths[0]).unwrap();
    for path in &paths[1..] {
        for start in (0..used(&pristine, path)).step_by(512) {
            // What stood in this sector before the file was recycled.
            let sim = pristine.crash(1);
            sim.damage(path, |bytes| {
                let end = bytes.len().min(start + 512).min(stale.len());
                bytes[start..end].copy_from_slice(&stale[start..end]);
            });
            if let Err(what) = error_or_prefix(&sim, 0, &model) {
                panic!("{} with an old sector at {start}: {what}", path.display());
            }
        }
    }
}

#[test]
fn rot_among_marked_bytes_is_an_error_and_no_torn_tail() {
    for seed in 0..4 {
        holds(rot_before_a_mark_is_reported(seed));
    }
}

/// Opens a damaged log with the policy that goes back to before the damage: it must open, be a
/// prefix, and be the same to whoever opens it next. Answers how many records are left.
fn prefix_before(sim: &Sim, seed: u64, model: &Model) -> Result<u64, String> {
    let opened = Wal::open(sim.clone(), dir(), with(Policy::PointInTime, seed));
    let (wal, recovered) = opened.map_err(|error| format!("refused: {error}"))?;
    let end = recovered.end.0;
    drop(wal);
    let again = error_or_prefix(sim, seed, model)?;
    ensure!(
        again == Some(end),
        "{end} records first, and then {again:?}"
    );
    Ok(end)
}

#[test]
fn every_flipped_bit_can_be_gone_back_before() {
    let (pristine, model) = small_log(0).unwrap();
    let (mut whole, mut shorter) = (0, 0);
    for path in segments(&pristine) {
        for bit in (0..used(&pristine, &path) * 8).step_by(11) {
            let sim = pristine.crash(1);
            sim.damage(&path, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
            match prefix_before(&sim, 0, &model) {
                Ok(end) if end == model.attempted => whole += 1,
                Ok(_) => shorter += 1,
                Err(what) => panic!("bit {bit} of {}: {what}", path.display()),
            }
        }
    }
    assert!(
        shorter > 20 * whole,
        "{shorter} of {whole}: nothing was lost"
    );
}

#[test]
fn going_back_can_itself_be_interrupted() {
    let (pristine, model) = small_log(0).unwrap();
    let mut crashes = 0;
    for path in segments(&pristine) {
        for byte in [20, 80, used(&pristine, &path) / 2] {
            let damaged = || {
                let sim = pristine.crash(1);
                sim.damage(&path, |bytes| bytes[byte] ^= 1);
                sim
            };
            let expected = prefix_before(&damaged(), 0, &model).unwrap();
            for call in 1.. {
                let sim = damaged();
                sim.plan(Plan::CrashAt(call));
                let opened = Wal::open(sim.clone(), dir(), with(Policy::PointInTime, 0));
                for fate in 0..4 {
                    let after = prefix_before(&sim.crash(fate), 0, &model);
                    let story = format!("byte {byte} of {}, call {call}", path.display());
                    assert_eq!(after, Ok(expected), "{story}, fate {fate}");
                    crashes += 1;
                }
                if opened.is_ok() {
                    break;
                }
            }
        }
    }
    assert!(crashes > 200, "{crashes} crashes");
}
