//! `icgate update`: writes what was measured into the baselines. What `make update-baseline` runs.
//!
//! A worsening beyond the limit needs a reason, which stays in the baseline beside the count.
//! New and changed benchmarks are measured a second time in a disturbed chamber: the difference is
//! their floor. Nothing is written unless everything could be measured.

use icgate_core::baseline::{Accepted, Baseline};
use icgate_core::bench_id::BenchId;
use icgate_core::chamber::platform;
use icgate_core::judge::VACUOUS_INSTRUCTIONS_MAX;
use icgate_core::metric::Metric;
use icgate_core::policy::Policy;
use icgate_core::run::{Measurement, Run};

use super::judge::Bench;
use super::print_failures;
use crate::args::{Against, Measuring, OutputDirectory, Project as Selection};
use crate::cargo::Project;
use crate::chamber::toolchain;
use crate::error::{CliError, StoreError, UpdateError};
use crate::measure::{Disturbance, Session};
use crate::{output, store};

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
    let bench = Bench::open(&project, against, &platform)?;
    let directory = project.output_directory(output);
    store::prepare(&directory)?;
    store::prepare(&project.baselines())?;
    let session = Session::open(&project, &toolchain, measuring)?;
    let measured = session.measure(&bench.committed)?;
    output::write_run(&directory, &measured.run)?;
    if print_failures(&measured.failures).is_some() {
        return Err(UpdateError::Incomplete.into());
    }
    check_vacuous(&measured.run)?;
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
    if reason.is_none() {
        check_reasons(&measured.run, &bench)?;
    }

    let moved = |id: &BenchId| match (bench.committed.accepted(id), measured.run.benchmark(id)) {
        (Some(accepted), Some(measured)) => accepted.instructions() != measured.instructions(),
        _ => true,
    };
    let disturbed = session.measure_disturbed(&bench.committed, &moved, Disturbance::USUAL)?;
    if print_failures(&disturbed.failures).is_some() {
        return Err(UpdateError::Incomplete.into());
    }
    let accept = |measured: &Measurement| {
        let known = bench.committed.accepted(&measured.id);
        let Some(again) = disturbed.run.benchmark(&measured.id) else {
            return unmoved(measured, known);
        };
        let floor = measured.instructions().abs_diff(again.instructions());
        let needs_reason = is_worse(&bench, measured);
        let reason = needs_reason.then(|| reason.map(str::to_owned)).flatten();
        Accepted::from_measurement(measured, floor, reason)
    };
    let suites = suites(&measured.run, &bench, accept)?;
    let written = write(&project, &platform, &bench, &suites, measured.run.complete)?;
    for path in &written {
        println!("{path}");
    }
    if written.is_empty() {
        println!("the baselines say already what was measured");
    }
    Ok(0)
}

/// The entry of a benchmark whose instructions are what its baseline says. Cache misses move with
/// every change of layout and are not judged: alone they are no reason for a line in a diff.
fn unmoved(measured: &Measurement, known: Option<&Accepted>) -> Accepted {
    match known {
        Some(known) if known.functions == measured.functions.condensed() => known.clone(),
        Some(known) => Accepted::from_measurement(measured, known.floor, known.reason.clone()),
        None => Accepted::from_measurement(measured, 0, None),
    }
}

/// What base accepts for a benchmark; what the tree does, where base has none.
fn accepted<'a>(bench: &'a Bench, id: &BenchId) -> Option<&'a Accepted> {
    bench
        .base
        .accepted(id)
        .or_else(|| bench.committed.accepted(id))
}

/// Worse than base by more than the limit, measured in the same chamber.
fn is_worse(bench: &Bench, measured: &Measurement) -> bool {
    let limit = bench.policy.limit(&measured.id, Metric::Instructions);
    let limit = limit.unwrap_or(Policy::DEFAULT_LIMIT);
    accepted(bench, &measured.id).is_some_and(|accepted| {
        let (base, head) = (accepted.instructions(), measured.instructions());
        head > base && limit.is_exceeded(base, head)
    })
}

fn check_vacuous(run: &Run) -> Result<(), UpdateError> {
    let vacuous = |it: &&Measurement| it.instructions() <= VACUOUS_INSTRUCTIONS_MAX;
    match run.benchmarks.iter().find(vacuous) {
        Some(measured) => Err(UpdateError::Vacuous {
            id: measured.id.to_string(),
            instructions: measured.instructions(),
        }),
        None => Ok(()),
    }
}

/// Every worsening beyond the limit already has its reason. In a new chamber counts differ for
/// reasons that are nobody's to give.
fn check_reasons(run: &Run, bench: &Bench) -> Result<(), UpdateError> {
    let comparable = |id: &BenchId| {
        bench
            .base
            .suite(id.suite())
            .is_none_or(|suite| suite.chamber == run.chamber)
    };
    let explained = |measured: &Measurement| {
        bench
            .committed
            .accepted(&measured.id)
            .is_some_and(|it| it.reason.is_some() && it.instructions() == measured.instructions())
    };
    let ids: Vec<String> = run
        .benchmarks
        .iter()
        .filter(|it| comparable(&it.id) && is_worse(bench, it) && !explained(it))
        .map(|it| format!("`{}`", it.id))
        .collect();
    if ids.is_empty() {
        return Ok(());
    }
    Err(UpdateError::NoReason {
        ids: ids.join(", "),
        command: bench.policy.commands().update.clone(),
    })
}

/// The new baselines of all suites that were measured.
fn suites(
    run: &Run,
    bench: &Bench,
    accept: impl Fn(&Measurement) -> Accepted,
) -> Result<Vec<Baseline>, UpdateError> {
    let mut suites: Vec<Baseline> = Vec::new();
    for measured in &run.benchmarks {
        let suite = measured.id.suite();
        if suites.last().is_none_or(|last| last.suite != suite) {
            suites.push(Baseline {
                suite: suite.to_owned(),
                chamber: run.chamber.clone(),
                benchmarks: Vec::new(),
            });
        }
        if let Some(last) = suites.last_mut() {
            last.benchmarks.push(accept(measured));
        }
    }
    if !run.complete {
        for suite in &mut suites {
            keep_unmeasured(suite, bench)?;
        }
    }
    Ok(suites)
}

/// Where only a part of a suite was measured, the rest stays as it was.
fn keep_unmeasured(suite: &mut Baseline, bench: &Bench) -> Result<(), UpdateError> {
    let Some(old) = bench.committed.suite(&suite.suite) else {
        return Ok(());
    };
    let differences = old.chamber.differences(&suite.chamber);
    if !differences.is_empty() {
        let fields: Vec<_> = differences
            .iter()
            .map(|difference| difference.field)
            .collect();
        return Err(UpdateError::PartOfChamber {
            fields: fields.join(", "),
        });
    }
    let is_measured = |id: &BenchId| {
        suite
            .benchmarks
            .binary_search_by(|it| it.id.cmp(id))
            .is_ok()
    };
    let old = old.benchmarks.iter();
    let kept: Vec<Accepted> = old.filter(|it| !is_measured(&it.id)).cloned().collect();
    suite.benchmarks.extend(kept);
    suite.benchmarks.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(())
}

/// Writes what changed, and removes suites that are gone. Returns the paths.
fn write(
    project: &Project,
    platform: &str,
    bench: &Bench,
    suites: &[Baseline],
    complete: bool,
) -> Result<Vec<String>, StoreError> {
    let directory = project.baselines();
    let mut written = Vec::new();
    for suite in suites {
        let path = store::suite_path(&directory, platform, &suite.suite);
        if store::write(&path, &suite.to_json())? {
            written.push(format!("written {}", store::display(&path)));
        }
    }
    let gone = |old: &&Baseline| complete && suites.iter().all(|new| new.suite != old.suite);
    for old in bench.committed.suites().filter(gone) {
        let path = store::suite_path(&directory, platform, &old.suite);
        std::fs::remove_file(&path).map_err(|source| StoreError::Write {
            path: path.clone(),
            source,
        })?;
        written.push(format!("removed {}", store::display(&path)));
    }
    Ok(written)
}
