//! Every bit flipped and every length cut: an error or a correct prefix, and never anything else.

use std::path::{Path, PathBuf};

use super::crash::holds;
use super::model::{Checked, KIND, Model, dir, ensure, options, run};
use super::script::{Operation, payload};
use crate::vfs::{Sim, Vfs};
use crate::wal::{OpenError, Wal};

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

/// Opens a damaged log: an error, or records that were appended, in order, and no half batch.
/// Answers how many.
fn error_or_prefix(sim: &Sim, seed: u64, model: &Model) -> Result<Option<u64>, String> {
    let Ok((wal, _)) = Wal::open(sim.clone(), dir(), options(seed)) else {
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
    match Wal::open(sim, dir(), options(seed)) {
        Err(OpenError::Corrupt(rot)) => {
            ensure!(
                rot.path == path && rot.offset == 64,
                "reported elsewhere: {rot}"
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
