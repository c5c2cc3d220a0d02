//! `icgate check`: measure, compare, judge, report. What `make gate` runs.

use icgate_core::chamber::platform;

use super::judge::Bench;
use super::print_failures;
use crate::args::{Against, Measuring, Output, Project as Selection, Sharding};
use crate::cargo::Project;
use crate::chamber::toolchain;
use crate::error::CliError;
use crate::measure::Session;
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
    let measured = session.measure(&bench.committed)?;
    let mut warnings = measured.warnings;
    if !measured.failures.is_empty() {
        warnings.push(format!("{} could not be measured", measured.failures.len()));
    }
    let report = bench.report(&measured.run, &warnings);
    output::write_run(&directory, &measured.run)?;
    output::write_report(&directory, &report)?;
    output::print_report(&report, output.format)?;
    Ok(print_failures(&measured.failures).unwrap_or(report.exit_code))
}
