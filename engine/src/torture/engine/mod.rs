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

use self::model::{Model, check_state, key};
use self::open::open;
use self::script::run;
use super::crash::holds;
use crate::crash_test::{
    Checked, Script, crash_everywhere, ensure, fail_everywhere, further_seeds,
};
use crate::vfs::{Failure, Sim};

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

/// An engine at work.
struct Work {
    seed: u64,
    len: usize,
}

impl Script for Work {
    type Known = (Model, Result<(), ()>);

    fn run(&self, sim: &Sim) -> Result<Self::Known, String> {
        let mut model = Model::default();
        let ended = run(sim, self.seed, self.len, &mut model)?;
        Ok((model, ended))
    }

    fn is_done(&self, (_, ended): &Self::Known) -> bool {
        ended.is_ok()
    }

    fn check(&self, disk: &Sim, (model, _): &Self::Known) -> Checked {
        let story = |what| format!("seed {}: {what}", self.seed);
        check(disk, self.seed, model).map_err(story)
    }
}

/// A call that fails: the disk refuses, or is full.
const FAILURES: [Failure; 2] = [Failure::Refused, Failure::Partial];

/// Steps of a script in the ordinary tests.
pub(super) const STEPS: usize = 45;

/// Everything that the harness has for one seed, in its short form.
pub(super) fn harness(seed: u64) -> Checked {
    for further in 0..40 {
        let sim = Sim::default();
        let calm = run(&sim, seed + further * 100, STEPS * 4, &mut Model::default())?;
        ensure!(calm.is_ok(), "a script fails where nothing goes wrong");
    }
    crash_everywhere(&Work { seed, len: STEPS }, 1, &[0, seed + 1]).map(drop)
}

#[test]
fn an_engine_loses_nothing_by_a_crash_at_any_call() {
    for seed in 0..4 {
        let work = Work { seed, len: STEPS };
        holds(crash_everywhere(&work, 1, &[0, 1, seed + 2]).map(drop));
    }
}

#[test]
fn an_engine_loses_nothing_by_a_failure_of_any_call() {
    for seed in 0..2 {
        let work = Work { seed, len: STEPS };
        holds(fail_everywhere(&work, 1, &FAILURES, 0).map(drop));
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
    let (mut crashes, mut failures) = (0, 0);
    let (first, last) = further_seeds(|seed, is_short| {
        let len = if is_short { STEPS / 2 } else { STEPS * 3 };
        let work = Work { seed, len };
        crashes += crash_everywhere(&work, 1, &[0, 1, seed + 2]).unwrap();
        failures += fail_everywhere(&work, 1, &FAILURES, 0).unwrap();
    });
    println!(
        "tried engines of seeds {first} to {last}: {crashes} crashes, {failures} failures; nothing was \
         lost"
    );
}
