//! `icgate check`: measure, compare, judge, report. What `make gate` runs.

use icgate_core::model::environment::platform;

use super::confirm::measure_again;
use super::judge::JudgeContext;
use super::print_remedies;
use crate::args::{Against, Measuring, Output, Project as Selection, Sharding};
use crate::cache::Cache;
use crate::cargo::Project;
use crate::environment::toolchain;
use crate::error::CliError;
use crate::io::output;
use crate::io::store;
use crate::measure::Session;

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
    let mut bench = JudgeContext::open(&project, against, &platform(&toolchain.target))?;
    let directory = project.output_directory(&output.directory);
    store::prepare(&directory)?;
    let mut session = Session::open(&project, &toolchain, measuring)?;
    if let Some(shard) = sharding.shard {
        session.take_shard(shard, &bench.committed)?;
    }
    let mut measured = session.measure(&bench.committed)?;
    let mut warnings = std::mem::take(&mut measured.warnings);
    let cache = project.cache(measuring).map(Cache::new);
    bench.recall_base(cache.as_ref(), &measured.run);
    let mut report = bench.report(&measured.run, &warnings);
    // A shard whose own benchmarks need no base brings its part for those of the others.
    let for_others = sharding.shard.is_some() && bench.is_of_another_environment(&measured.run);
    if report.needs_base() || for_others {
        // Its baselines are of another chamber: only its code, measured here, can be compared with.
        match bench.measure_base(&project, selection, measuring, sharding.shard, &toolchain) {
            Ok(()) => {}
            Err(error) => warnings.push(format!("base cannot be measured here: {error}")),
        }
        report = bench.report(&measured.run, &warnings);
    }
    if measure_again(&session, &bench, &report, &mut measured.run, &mut warnings)? {
        report = bench.report(&measured.run, &warnings);
    }
    output::write_run(&directory, &measured.run)?;
    output::write_base(&directory, bench.base_run())?;
    let page = bench.page(&report, &measured.run);
    output::finish(&directory, &report, &page, output.format)?;
    print_remedies(&measured.failures);
    Ok(report.exit_code)
}
