//! All primitives in one transaction on a simulated disk, crashed or failed at every call.
//!
//! What is checked after each: the runs are those after a prefix of the commits which holds all that
//! were durable, with every point of their pasts; and what the crash left open is orphaned.

use std::path::Path;
use std::time::Duration;

use super::check::World;
use super::model::Model;
use super::operation::{Operation, kind_of};
use crate::crash_test::{Checked, Script, crash_everywhere, ensure, fail_everywhere};
use crate::engine::{self, Engine};
use crate::random::SplitMix64;
use crate::run::{RunError, RunId, Status};
use crate::vfs::{Failure, Sim, Vfs};
use crate::wal::{self, Lsn, Mode};

/// The model after each commit, with its end.
struct History {
    commits: Vec<(Lsn, Model)>,
    /// What was being done when the disk failed.
    attempted: Option<Model>,
    /// The end of the last commit that was called durable.
    durable: Lsn,
}

fn open(sim: &Sim, seed: u64) -> Result<Engine, String> {
    let buffered = Mode::Buffered {
        interval: Duration::ZERO,
        max_bytes: 2000,
    };
    let log = wal::Options {
        mode: if seed.is_multiple_of(2) {
            Mode::Strict
        } else {
            buffered
        },
        segment_bytes: 16 << 10,
        buffer_bytes: 900,
        threads: 1,
        ..wal::Options::default()
    };
    let options = engine::Options {
        log,
        checkpoint_bytes: None,
        checkpoint_interval: None,
        background: false,
        ..engine::Options::default()
    };
    let opened = Engine::open_with(sim.clone(), Path::new("db"), options);
    opened.map(|it| it.0).map_err(|error| error.to_string())
}

/// Marks what is open in the model as orphaned, as opening the runs does.
fn orphan(model: &mut Model, now_us: u64) {
    let open: Vec<_> = World::open_runs(model).collect();
    for at in open {
        model.runs[at].orphan(now_us);
    }
}

/// Works until the disk fails.
fn run(sim: &Sim, seed: u64, len: usize) -> Result<History, String> {
    let mut history = History {
        commits: vec![(Lsn(0), Model::default())],
        attempted: Some(Model::default()),
        durable: Lsn(0),
    };
    let mut random = SplitMix64::new(seed);
    let mut model = Model::default();
    let Ok(engine) = open(sim, seed) else {
        return Ok(history);
    };
    let Ok(mut world) = World::of(sim.clone(), &engine) else {
        return Ok(history);
    };
    drop(engine);
    for step in 0..len {
        history.note(&world, &model);
        let mut next = model.clone();
        match random.below(12) {
            0 => drop(world.runs.engine().checkpoint()),
            1 => {
                // What is lost here was never durable, so the model is what comes back.
                if world.runs.engine().close().is_err() {
                    return Ok(history);
                }
                drop(world);
                orphan(&mut next, sim.now_us());
                history.attempted = Some(next.clone());
                let Ok(engine) = open(sim, seed) else {
                    return Ok(history);
                };
                let Ok(again) = World::of(sim.clone(), &engine) else {
                    return Ok(history);
                };
                world = again;
                model = next;
                world.check(&model)?;
            }
            2 => {
                let orphan = |run: &super::model::Run| run.state().status == Some(Status::Orphaned);
                if let Some(at) = model.runs.iter().position(orphan) {
                    next.runs[at].resume(sim.now_us());
                    history.attempted = Some(next.clone());
                    match world.runs.resume(RunId(at as u64 + 1)) {
                        Ok(()) => model = next,
                        Err(_) => return Ok(history),
                    }
                }
            }
            _ => {
                let operation = match step {
                    0 => Operation::Begin(1),
                    _ => Operation::random(&mut random),
                };
                let known = model.runs.len();
                let expected = next.apply(&operation, sim.now_us());
                history.attempted = Some(next.clone());
                let found = world.apply(&operation, known);
                if let Err(RunError::Commit(error)) = &found
                    && !matches!(error, engine::CommitError::Aborted(_))
                {
                    return Ok(history);
                }
                let found = found.map_err(|error| kind_of(&error));
                ensure!(found == expected, "{operation:?} answers {found:?}");
                model = next;
            }
        }
    }
    history.note(&world, &model);
    Ok(history)
}

impl History {
    /// Notes that the engine is where the model is.
    fn note(&mut self, world: &World, model: &Model) {
        let stats = world.runs.engine().stats();
        self.commits.push((stats.next, model.clone()));
        self.attempted = None;
        self.durable = self.durable.max(match world.runs.engine().mode() {
            Mode::Strict => stats.next,
            _ => stats.durable,
        });
    }
}

/// Recovers the engine and checks everything that the module's header lists.
fn check(sim: &Sim, seed: u64, history: &History) -> Checked {
    let engine = open(sim, seed)?;
    let next = engine.stats().next;
    let durable = history.durable;
    ensure!(
        next >= durable,
        "{next} records are left, and {durable} were durable"
    );
    let last = history.commits.iter().rposition(|(end, _)| *end <= next);
    let last = last.ok_or("nothing was ever committed")?;
    let (end, before) = &history.commits[last];
    let is_latest = last + 1 == history.commits.len();
    // The first commits create keyspaces, and settling takes one for each orphan.
    let mut candidates = vec![before.clone()];
    if *end < next {
        match history.commits.get(last + 1) {
            Some((_, after)) => candidates.push(after.clone()),
            None => candidates.extend(history.attempted.clone()),
        }
    }
    ensure!(
        *end == next || is_latest || candidates.len() == 2,
        "a commit was cut in two"
    );
    let world = World::of(sim.clone(), &engine).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    for mut model in candidates {
        orphan(&mut model, sim.now_us());
        match world.check(&model) {
            Ok(()) => return used_again(sim, seed, &world, model),
            Err(what) => found.push(what),
        }
    }
    Err(found.join("; or "))
}

/// Uses the recovered runs, and recovers again.
fn used_again(sim: &Sim, seed: u64, world: &World, mut model: Model) -> Checked {
    for operation in super::operation::history(seed, 3) {
        world.both(&mut model, &operation)?;
    }
    let durable = world.runs.engine().durable();
    ensure!(
        durable.is_ok(),
        "what was recovered cannot be used: {durable:?}"
    );
    let again = sim.crash(0);
    let engine = open(&again, seed)?;
    let world = World::of(again.clone(), &engine).map_err(|error| error.to_string())?;
    orphan(&mut model, again.now_us());
    world.check(&model)
}

/// Runs at work.
struct Work {
    seed: u64,
    len: usize,
}

impl Script for Work {
    type Known = History;

    fn run(&self, sim: &Sim) -> Result<History, String> {
        run(sim, self.seed, self.len)
    }

    fn check(&self, disk: &Sim, history: &History) -> Checked {
        let story = |what| format!("seed {}: {what}", self.seed);
        check(disk, self.seed, history).map_err(story)
    }
}

/// What the injected bugs are looked for with: a script with restarts.
pub(super) fn restart(seed: u64) -> Checked {
    let sim = Sim::default();
    let history = run(&sim, seed, 12)?;
    check(&sim.crash(0), seed, &history)
}

/// As [`restart`], crashed everywhere.
pub(super) fn crashed(seed: u64) -> Checked {
    crash_everywhere(&Work { seed, len: 6 }, 1, &[0, seed + 1]).map(drop)
}

#[test]
fn runs_lose_nothing_by_a_crash_at_any_call() {
    let mut crashes = 0;
    for seed in 0..4 {
        let tried = crash_everywhere(&Work { seed, len: 22 }, 1, &[0, 1, seed + 2]);
        crashes += tried.unwrap_or_else(|what| panic!("{what}"));
    }
    assert!(crashes > 300, "only {crashes} crashes");
}

#[test]
fn runs_lose_nothing_by_a_failure_of_any_call() {
    for seed in 0..2 {
        let work = Work { seed, len: 16 };
        let tried = fail_everywhere(&work, 1, &[Failure::Refused, Failure::Partial], 0);
        tried.unwrap_or_else(|what| panic!("{what}"));
    }
}

#[test]
fn restarts_orphan_what_was_open_and_nothing_else() {
    for seed in 0..60 {
        assert_eq!(restart(seed), Ok(()), "seed {seed}");
    }
}
