//! A whole engine: transactions over several keyspaces and two views, with checkpoints, sweeps,
//! scans and restarts; crashed or failed at every call.
//!
//! ```text
//! script ─► Engine over Sim ─► crash or failure at call n ─► Engine::open ─► check
//!    └────► model: what each commit did, and from which LSN to which ────────┘
//! ```
//!
//! What is checked after every interruption, and at each scan while nothing went wrong:
//!
//! 1. the engine opens, and its next LSN is the end of a commit: none is cut in two;
//! 2. no commit is missing that was acknowledged as durable;
//! 3. keys, values, versions and expiry in all keyspaces are those of that commit, by points and in
//!    order, and both views are where they were: the one that is saved and the one that holds the log;
//! 4. the engine can be used again, and what it served after recovery is durable.

mod model;
mod open;
mod script;

use std::collections::BTreeMap;
use std::time::Duration;

use self::model::{Model, check_state, key};
use self::open::open;
use self::script::run;
use super::crash::holds;
use super::model::{Checked, ensure};
use crate::vfs::{Failure, Plan, Sim};

/// Recovers the engine on `sim` and checks everything that the module's header lists.
fn check(sim: &Sim, seed: u64, model: &Model) -> Checked {
    let opened = open(sim, seed)?;
    check_state(&opened, model, sim)?;
    let mut settled = model.clone();
    settled.settle(opened.engine.stats().next.0);
    // The power may go right after recovery …
    let again = open(&sim.crash(0), seed)?;
    check_state(&again, &settled, sim)?;
    // … or once the engine has been used again.
    let changes = BTreeMap::from([((0, key(0)), Some((b"again".to_vec(), 0)))]);
    settled.attempt(0, changes, None);
    let used = opened.spaces[&0].put(&key(0), b"again");
    ensure!(used.is_ok(), "the recovered engine refuses a put: {used:?}");
    let saved = opened.engine.checkpoint();
    ensure!(
        saved.is_ok(),
        "the recovered engine refuses a checkpoint: {saved:?}"
    );
    settled.durable = settled.next;
    let again = open(&sim.crash(0), seed)?;
    check_state(&again, &settled, sim)
}

/// What was tried.
#[derive(Debug, Default)]
struct Tried {
    crashes: u64,
    failures: u64,
}

/// Crashes at every call, and lets the power of the same disk go with several fates.
fn crash_everywhere(seed: u64, len: usize, fates: &[u64], tried: &mut Tried) -> Checked {
    for call in 1.. {
        let sim = Sim::default();
        sim.plan(Plan::CrashAt(call));
        let mut model = Model::default();
        let story = |what: String| format!("seed {seed}, crash at call {call}: {what}");
        let ended = run(&sim, seed, len, &mut model).map_err(story)?;
        if !sim.has_crashed() {
            return ended.map_err(|()| "a script fails where nothing goes wrong".into());
        }
        for fate in fates {
            let story = |what: String| format!("{}, fate {fate}", story(what));
            check(&sim.crash(*fate), seed, &model).map_err(story)?;
            tried.crashes += 1;
        }
    }
    Ok(())
}

/// Fails every call once, in both ways: the disk is full, or refuses.
fn fail_everywhere(seed: u64, len: usize, tried: &mut Tried) -> Checked {
    let sim = Sim::default();
    let _ = run(&sim, seed, len, &mut Model::default())?;
    for call in 1..=sim.calls().all {
        for failure in [Failure::Refused, Failure::Partial] {
            let sim = Sim::default();
            sim.plan(Plan::FailAt(call, failure));
            let mut model = Model::default();
            let story = |what| format!("seed {seed}, {failure:?} at call {call}: {what}");
            let _ = run(&sim, seed, len, &mut model).map_err(story)?;
            sim.plan(Plan::Fair);
            check(&sim.crash(0), seed, &model).map_err(story)?;
            check(&sim, seed, &model).map_err(story)?;
            tried.failures += 1;
        }
    }
    Ok(())
}

/// Steps of a script in the ordinary tests.
pub(super) const STEPS: usize = 45;

/// Everything that the harness has for one seed, in its short form.
pub(super) fn harness(seed: u64) -> Checked {
    for further in 0..40 {
        let sim = Sim::default();
        let calm = run(&sim, seed + further * 100, STEPS * 4, &mut Model::default())?;
        ensure!(calm.is_ok(), "a script fails where nothing goes wrong");
    }
    crash_everywhere(seed, STEPS, &[0, seed + 1], &mut Tried::default())
}

#[test]
fn an_engine_loses_nothing_by_a_crash_at_any_call() {
    for seed in 0..4 {
        holds(crash_everywhere(
            seed,
            STEPS,
            &[0, 1, seed + 2],
            &mut Tried::default(),
        ));
    }
}

#[test]
fn an_engine_loses_nothing_by_a_failure_of_any_call() {
    for seed in 0..2 {
        holds(fail_everywhere(seed, STEPS, &mut Tried::default()));
    }
}

#[test]
fn an_engine_does_what_the_model_does_where_nothing_goes_wrong() {
    for seed in 0..300 {
        let sim = Sim::default();
        let calm = run(&sim, seed, 200, &mut Model::default());
        holds(calm.map(|ended| assert!(ended.is_ok(), "seed {seed} fails")));
    }
}

/// The long run: scripts of further seeds until the budget is spent.
#[test]
fn further_seeds_of_engines_until_the_budget_is_spent() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|value| value.parse().ok())
    };
    let first: u64 = number("TORTURE_SEED").unwrap_or(1000);
    let budget = Duration::from_secs(number("TORTURE_BUDGET_SECONDS").unwrap_or(0));
    let begun = std::time::Instant::now();
    let (mut tried, mut seed) = (Tried::default(), first);
    loop {
        let len = if budget.is_zero() {
            STEPS / 2
        } else {
            STEPS * 3
        };
        holds(crash_everywhere(seed, len, &[0, 1, seed + 2], &mut tried));
        holds(fail_everywhere(seed, len, &mut tried));
        seed += 1;
        if begun.elapsed() >= budget {
            break;
        }
    }
    let Tried { crashes, failures } = tried;
    println!(
        "tried engines of seeds {first} to {}: {crashes} crashes, {failures} failures; nothing was \
         lost",
        seed - 1
    );
}
