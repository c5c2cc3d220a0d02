//! Crash after every call, fail every call once, and crash during recovery too.
//!
//! `TORTURE_SEED` and `TORTURE_BUDGET_SECONDS` run more scripts than the ordinary tests do. The disk also
//! fails in recovery here, which the harness of other crash tests leaves out.

use super::model::{Model, check, dir, options, run};
use super::script::{Operation, script};
use super::snapshots::{crash_and_rot, fill_the_disk};
use crate::crash_test::{Checked, further_seeds};
use crate::vfs::{Failure, Plan, Sim};
use crate::wal::Wal;

/// Operations in a script.
pub(super) const SCRIPT: usize = 200;

/// What was tried.
#[derive(Debug, Default)]
pub(super) struct Tried {
    calls: u64,
    pub crashes: u64,
    recovery_crashes: u64,
    failures: u64,
    pub rots: u64,
    pub full_disks: u64,
}

/// How many calls a script makes where nothing goes wrong.
fn calls(seed: u64, operations: &[Operation]) -> Result<u64, String> {
    let sim = Sim::default();
    run(&sim, seed, operations, &mut Model::default())?;
    Ok(sim.calls().all)
}

/// Crashes at every call, on disks of several fates, and again at every call of recovery.
pub(super) fn crash_everywhere(seed: u64, len: usize, fates: &[u64], tried: &mut Tried) -> Checked {
    let operations = script(seed, len);
    tried.calls += calls(seed, &operations)?;
    for call in 1.. {
        let sim = Sim::default();
        sim.plan(Plan::CrashAt(call));
        let mut model = Model::default();
        let story = |what: String| format!("seed {seed}, crash at call {call}, {what}");
        run(&sim, seed, &operations, &mut model).map_err(&story)?;
        for &fate in fates {
            let story = |what| story(format!("fate {fate}: {what}"));
            // Recovery itself is interrupted for one fate after another.
            if fates[usize::try_from(call).unwrap_or(0) % fates.len()] == fate {
                let disk = sim.crash(fate);
                crash_in_recovery(&disk, seed, fate + call, &model, tried).map_err(story)?;
            }
            check(&sim.crash(fate), seed, &model).map_err(story)?;
            tried.crashes += 1;
        }
        if !sim.has_crashed() {
            return Ok(());
        }
    }
    Ok(())
}

/// Crashes at one call of recovery after another, and lets a second recovery finish.
fn crash_in_recovery(
    disk: &Sim,
    seed: u64,
    fate: u64,
    model: &Model,
    tried: &mut Tried,
) -> Checked {
    for call in 1.. {
        let sim = disk.crash(1);
        sim.plan(Plan::CrashAt(call));
        let opened = Wal::open(sim.clone(), dir(), options(seed));
        if !sim.has_crashed() {
            return opened
                .map(drop)
                .map_err(|error| format!("recovery fails: {error}"));
        }
        let again = check(&sim.crash(fate % 5), seed, model);
        again.map_err(|what| format!("crash at call {call} of recovery: {what}"))?;
        tried.recovery_crashes += 1;
    }
    Ok(())
}

/// Fails every call once, in both ways. The log is then opened again, once as a new process on
/// the same system, whose cache may lie, and once after the power went.
pub(super) fn fail_everywhere(seed: u64, len: usize, fates: &[u64], tried: &mut Tried) -> Checked {
    let operations = script(seed, len);
    let calls = calls(seed, &operations)?;
    for call in 1..=calls {
        for failure in [Failure::Refused, Failure::Partial] {
            let sim = Sim::default();
            sim.plan(Plan::FailAt(call, failure));
            let mut model = Model::default();
            let story = |what| format!("seed {seed}, {failure:?} at call {call}: {what}");
            run(&sim, seed, &operations, &mut model).map_err(story)?;
            sim.plan(Plan::Fair);
            for &fate in fates {
                check(&sim.crash(fate), seed, &model).map_err(story)?;
            }
            check(&sim, seed, &model).map_err(story)?;
            tried.failures += 1;
        }
    }
    Ok(())
}

#[track_caller]
pub(super) fn holds(checked: Checked) {
    if let Err(what) = checked {
        panic!("{what}");
    }
}

#[test]
fn nothing_is_lost_by_a_crash_at_any_call() {
    for seed in 0..2 {
        holds(crash_everywhere(
            seed,
            SCRIPT,
            &[0, 1, 2, 3],
            &mut Tried::default(),
        ));
    }
}

#[test]
fn nothing_is_lost_by_a_failure_of_any_call() {
    for seed in 0..2 {
        holds(fail_everywhere(
            seed,
            SCRIPT,
            &[0, 4],
            &mut Tried::default(),
        ));
    }
}

/// The long run: scripts of further seeds until the budget is spent. A seed that fails becomes a test of
/// its own, named for what it found.
#[test]
fn further_seeds_until_the_budget_is_spent() {
    let mut tried = Tried::default();
    let (first, last) = further_seeds(|seed, is_short| {
        let len = if is_short { SCRIPT / 4 } else { SCRIPT };
        let fates = [0, 1, seed + 2];
        holds(crash_everywhere(seed, len, &fates, &mut tried));
        holds(fail_everywhere(seed, len, &[seed], &mut tried));
        holds(crash_and_rot(seed, len as u64, &fates, &mut tried));
        holds(fill_the_disk(seed, len as u64, &mut tried));
    });
    let Tried {
        calls,
        crashes,
        recovery_crashes,
        failures,
        rots,
        full_disks,
    } = tried;
    println!(
        "tried seeds {first} to {last}: {calls} calls, {crashes} crashes, {recovery_crashes} crashes \
         in recovery, {failures} failures, {rots} rotten bits below snapshots, {full_disks} full \
         disks in stores with checkpoints; nothing was lost"
    );
}
