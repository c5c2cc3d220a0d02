//! `icgate check`: measure, compare, judge, report. What `make gate` runs.

use std::collections::BTreeSet;

use icgate_core::bench_id::BenchId;
use icgate_core::chamber::platform;
use icgate_core::floor::Floor;
use icgate_core::judge::Verdict;
use icgate_core::report::Report;
use icgate_core::run::Run;

use super::judge::Bench;
use super::print_remedies;
use crate::args::{Against, Measuring, Output, Project as Selection, Sharding};
use crate::cargo::Project;
use crate::chamber::toolchain;
use crate::error::CliError;
use crate::measure::{Disturbance, Session};
use crate::{output, store};

pub(crate) fn check(
    selection: &Selection,
    measuring: &Measuring,
    sharding: &Sharding,
    against: &Against,
    output: &Output,
) -> Result<u8, CliError> {
    let project = Project::open(selection)?;
    let toolchain = toolchain(project.root())?;
    // Read first: what cannot be judged is not worth measuring.
    let bench = Bench::open(&project, against, &platform(&toolchain.target))?;
    let directory = project.output_directory(&output.directory);
    store::prepare(&directory)?;
    let mut session = Session::open(&project, &toolchain, measuring)?;
    if let Some(shard) = sharding.shard {
        session.take_shard(shard, &bench.committed)?;
    }
    let mut measured = session.measure(&bench.committed)?;
    let mut warnings = std::mem::take(&mut measured.warnings);
    let mut report = bench.report(&measured.run, &warnings);
    if measure_again(&session, &bench, &report, &mut measured.run, &mut warnings)? {
        report = bench.report(&measured.run, &warnings);
    }
    output::write_run(&directory, &measured.run)?;
    output::write_report(&directory, &report)?;
    output::print_report(&report, output.format)?;
    print_remedies(&measured.failures);
    Ok(report.exit_code)
}

/// Functions named for a benchmark that moves by itself.
const FUNCTIONS_MAX: usize = 3;

/// Measures what has regressed once more, in a disturbed chamber, before it is announced: what
/// moves by itself is noisy, and blames nobody. Returns whether anything moved.
fn measure_again(
    session: &Session<'_>,
    bench: &Bench,
    report: &Report,
    run: &mut Run,
    warnings: &mut Vec<String>,
) -> Result<bool, CliError> {
    let regressed: BTreeSet<&BenchId> = report
        .rows
        .iter()
        .filter(|it| it.verdict == Verdict::Regressed)
        .map(|it| &it.id)
        .collect();
    if regressed.is_empty() {
        return Ok(false);
    }
    let select = |id: &BenchId| regressed.contains(id);
    let again = session.measure_disturbed(&bench.committed, &select, Disturbance::USUAL)?;
    let mut moved = false;
    for first in &mut run.benchmarks {
        let Some(second) = again.run.benchmark(&first.id) else {
            continue;
        };
        let Some(floor) = Floor::of(&[first, second]) else {
            continue;
        };
        if floor.instructions() > 0 {
            let named = floor
                .moved
                .iter()
                .take(FUNCTIONS_MAX)
                .map(|it| it.name.as_str());
            let named: Vec<&str> = named.collect();
            warnings.push(format!(
                "{} moves by {} instructions when nothing changed, in {}",
                first.id,
                floor.instructions(),
                named.join(", ")
            ));
            first.floor = floor.instructions();
            moved = true;
        }
    }
    Ok(moved)
}
