//! `icgate verify`: measures each benchmark several times in disturbed measurement environments, with its
//! code elsewhere and with other random numbers, and says how far it moves when nothing changed, which of
//! its functions do, whether random numbers alone move it, and what it reads of the machine.

use std::collections::{BTreeMap, BTreeSet};

use icgate_core::compare::noise::Noise;
use icgate_core::judge::Outcome;
use icgate_core::model::baseline::Baselines;
use icgate_core::model::bench_id::BenchId;
use icgate_core::model::environment::platform;
use icgate_core::model::metric::Metric;
use icgate_core::model::policy::Policy;
use icgate_core::model::run::{Measurement, Run};

use super::failures::print_failures;
use crate::args::{Measuring, Project as Selection};
use crate::cargo::Project;
use crate::environment::toolchain;
use crate::error::CliError;
use crate::io::output;
use crate::io::store;
use crate::measure::{Disturbance, Session};

/// Functions named for a benchmark that moves.
const FUNCTIONS_MAX: usize = 5;

pub(crate) fn verify(
    selection: &Selection,
    measuring: &Measuring,
    rounds: u32,
) -> Result<u8, CliError> {
    let project = Project::open(selection)?;
    let toolchain = toolchain(project.root())?;
    let policy = store::read_policy(&project.baselines())?;
    let baselines = store::read_baselines(&project.baselines(), &platform(&toolchain.target))?;
    let session = Session::open(&project, &toolchain, measuring)?;
    let mut runs = Vec::new();
    for round in 0..rounds {
        let disturbance = Disturbance::of_round(round)
            .with_code_moved(round)
            .with_seed(round);
        let measured = session.measure_disturbed(&baselines, &|_| true, disturbance)?;
        if let Some(code) = print_failures(&measured.failures) {
            return Ok(code);
        }
        if round == 1 {
            measured.warnings.iter().for_each(output::warn);
        }
        runs.push(measured.run);
    }
    let noises: Vec<Noise> = session
        .ids()
        .filter_map(|id| Noise::of(&of_each(&runs, id)))
        .collect();
    let moving = noises.iter().filter(|it| it.instructions() > 0);
    let moving: BTreeSet<&BenchId> = moving.map(|it| &it.id).collect();
    let random = match runs.first() {
        Some(first) if session.is_pinned() => {
            by_random_numbers(&session, &baselines, &moving, first, rounds)?
        }
        // Each run has other random numbers then, and other answers of the machine.
        _ => BTreeMap::new(),
    };
    let reads = session.machine_reads(&|_| true)?;
    let mut code = Outcome::Pass.exit_code();
    for noise in &noises {
        let id = &noise.id;
        output::say(format_args!("noise {:>8}  {id}", noise.instructions()));
        if let Some(asked) = reads.get(id) {
            let asked = asked.join(", ");
            output::say(format_args!("                reads {asked} of the machine"));
        }
        if let Some(moved) = random.get(id) {
            output::say(format_args!(
                "                depends on random numbers: {moved} with other seeds; `icgate check` keeps one"
            ));
        }
        if let Some(others) = others(noise) {
            output::say(format_args!("                {others}"));
        }
        if noise.instructions() == 0 {
            continue;
        }
        for function in noise.moved.iter().take(FUNCTIONS_MAX) {
            let (least, most) = function.range;
            output::say(format_args!(
                "                {least} to {most} in {} {}",
                function.name, function.file
            ));
        }
        let limit = policy
            .limit(id, Metric::Instructions)
            .unwrap_or(Policy::DEFAULT_LIMIT);
        if limit.is_exceeded(noise.range.0, noise.range.1) {
            output::say(format_args!(
                "                exceeds its limit of {}",
                limit.share
            ));
            code = Outcome::BaselineOutOfDate.exit_code();
        }
    }
    let total = session.ids().count();
    output::say(format_args!(
        "{} of {total} benchmarks moved in {rounds} measurement environments",
        moving.len()
    ));
    Ok(code)
}

/// What each of the runs measured of a benchmark.
fn of_each<'a>(runs: &'a [Run], id: &BenchId) -> Vec<&'a Measurement> {
    runs.iter().filter_map(|run| run.benchmark(id)).collect()
}

/// By how many instructions each of `moving` moves where nothing but the seed of its random numbers is
/// another. `first` was measured in the ordinary measurement environment; one that counts otherwise there
/// when it is measured again moves by itself, and nothing is said of its seed.
fn by_random_numbers(
    session: &Session<'_>,
    baselines: &Baselines,
    moving: &BTreeSet<&BenchId>,
    first: &Run,
    seeds: u32,
) -> Result<BTreeMap<BenchId, u64>, CliError> {
    let mut select: BTreeSet<&BenchId> = moving.clone();
    let mut runs = Vec::new();
    for seed in 0..seeds {
        if select.is_empty() {
            break;
        }
        let disturbance = Disturbance::NONE.with_seed(seed);
        let measured =
            session.measure_disturbed(baselines, &|id| select.contains(id), disturbance)?;
        if seed == 0 {
            let count = |run: &Run, id| run.benchmark(id).map(Measurement::instructions);
            select.retain(|id| count(first, id) == count(&measured.run, id));
        }
        runs.push(measured.run);
    }
    let noise = |id: &&BenchId| {
        Some((
            (*id).clone(),
            Noise::of(&of_each(&runs, id))?.instructions(),
        ))
    };
    Ok(select
        .iter()
        .filter_map(noise)
        .filter(|(_, moved)| *moved > 0)
        .collect())
}

/// How far what else is counted moved, in one line: `272 d1 read misses, 1,080 estimated cycles`.
fn others(noise: &Noise) -> Option<String> {
    let parts = noise.metrics.iter();
    let parts: Vec<String> = parts
        .map(|(metric, noise)| format!("{noise} {}", metric.words()))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
