//! `icgate update`: writes what was measured into the baselines. What `make update-baseline` runs.
//!
//! A worsening beyond the limit needs a reason, which stays in the baseline beside the count.
//! New and changed benchmarks are measured again in disturbed environments and with their code elsewhere:
//! the differences are their noise. Nothing is written unless everything could be measured.

mod entries;
mod suites;

use camino::Utf8PathBuf;
use icgate_core::model::bench_id::BenchId;
use icgate_core::model::environment::platform;

use self::entries::Update;
use self::suites::{suites, write};
use super::failures::print_failures;
use crate::args::{Against, Measuring, OutputDirectory, Project as Selection};
use crate::cargo::Project;
use crate::environment::toolchain;
use crate::error::{CliError, UpdateError};
use crate::io::output;
use crate::io::store;
use crate::measure::{Disturbance, Session};
use crate::verdict::JudgeContext;
use crate::verdict::runs::{LoadedRun, read_runs};

/// How often what has moved is measured again, each time in another environment and layout.
const DISTURBED_ROUNDS: u32 = 2;

pub(crate) fn update(
    selection: &Selection,
    measuring: &Measuring,
    against: &Against,
    output: &OutputDirectory,
    reason: Option<&str>,
) -> Result<u8, CliError> {
    let project = Project::open(selection)?;
    let toolchain = toolchain(project.root())?;
    let platform = platform(&toolchain.target);
    let bench = JudgeContext::open(&project, against, &platform)?;
    let directory = project.output_directory(output);
    store::prepare(&directory)?;
    store::prepare(&project.baselines())?;
    let session = Session::open(&project, &toolchain, measuring)?;
    let measured = session.measure(&bench.committed)?;
    output::write_run(&directory, &measured.run)?;
    if print_failures(&measured.failures).is_some() {
        return Err(UpdateError::Incomplete.into());
    }
    let command = bench.policy.commands().update.clone();
    let update = Update::new(&bench, &measured.run, reason, command)?;
    let select = |id: &BenchId| {
        let measured = measured.run.benchmark(id);
        measured.is_none_or(|measured| update.has_moved(measured))
    };
    let mut disturbed = Vec::new();
    for round in 1..=DISTURBED_ROUNDS {
        let disturbance = Disturbance::of_round(round).with_code_moved(round);
        let again = session.measure_disturbed(&bench.committed, &select, disturbance)?;
        if print_failures(&again.failures).is_some() {
            return Err(UpdateError::Incomplete.into());
        }
        disturbed.push(again.run);
    }
    let mut suites = suites(&measured.run, &bench, |measured| {
        let again = disturbed
            .iter()
            .filter_map(|run| run.benchmark(&measured.id));
        update.entry(measured, &again.collect::<Vec<_>>())
    })?;
    update.keep_removals(&mut suites)?;
    update.keep_unmoved(&mut suites);
    let written = write(&project, &platform, &bench, &suites, measured.run.complete)?;
    say(&written);
    Ok(0)
}

/// The same with numbers that somebody else measured, such as CI. They are read with as little faith
/// as those of a pull request; the gate measures once more what is written.
pub(crate) fn update_from(
    runs: &[Utf8PathBuf],
    selection: &Selection,
    against: &Against,
    reason: Option<&str>,
) -> Result<u8, CliError> {
    let project = Project::open(selection)?;
    let LoadedRun { run, warnings, .. } =
        read_runs(runs, None).map_err(|it| UpdateError::From {
            why: it.why,
            fix: it.fix,
        })?;
    for warning in warnings {
        output::warn(warning);
    }
    let platform = run.environment.platform();
    let bench = JudgeContext::open(&project, against, &platform)?;
    store::prepare(&project.baselines())?;
    if !run.failed.is_empty() || run.benchmarks.is_empty() {
        return Err(UpdateError::Incomplete.into());
    }
    let paths: Vec<&str> = runs.iter().map(|it| it.as_str()).collect();
    let command = format!(
        "icgate update --from {} --reason \"…\"",
        paths.join(" --from ")
    );
    let update = Update::new(&bench, &run, reason, command)?;
    let mut suites = suites(&run, &bench, |measured| update.entry(measured, &[]))?;
    update.keep_removals(&mut suites)?;
    update.keep_unmoved(&mut suites);
    say(&write(&project, &platform, &bench, &suites, run.complete)?);
    Ok(0)
}

fn say(written: &[String]) {
    for path in written {
        output::say(format_args!("{path}"));
    }
    if written.is_empty() {
        output::say(format_args!("baselines are already up to date"));
    }
}
