//! `icgate measure`: a run, and no verdict.

use icgate_core::model::environment::platform;

use super::failures::print_failures;
use crate::args::{Measuring, OutputDirectory, Project as Selection, Sharding};
use crate::cargo::Project;
use crate::environment::toolchain;
use crate::error::CliError;
use crate::io::output;
use crate::io::store;
use crate::measure::Session;

pub(crate) fn measure(
    selection: &Selection,
    measuring: &Measuring,
    sharding: &Sharding,
    output: &OutputDirectory,
    harness_output: bool,
) -> Result<u8, CliError> {
    let project = Project::open(selection)?;
    let toolchain = toolchain(project.root())?;
    let baselines = store::read_baselines(&project.baselines(), &platform(&toolchain.target))?;
    let directory = project.output_directory(output);
    store::prepare(&directory)?;
    let mut session = Session::open(&project, &toolchain, measuring)?;
    if let Some(shard) = sharding.shard {
        session.take_shard(shard, &baselines)?;
    }
    if harness_output {
        session.keep_output();
    }
    let measured = session.measure(&baselines)?;
    output::write_run(&directory, &measured.run)?;
    if harness_output && measured.failures.is_empty() {
        output::print(&session.replay()?);
    } else {
        for benchmark in &measured.run.benchmarks {
            output::say(format_args!(
                "{} {}",
                benchmark.id,
                benchmark.instructions()
            ));
        }
    }
    for warning in &measured.warnings {
        output::complain(format_args!("icgate: warning: {warning}"));
    }
    Ok(print_failures(&measured.failures).unwrap_or(0))
}
