//! `icgate merge`: puts the shards of a run together and judges it as `check` would have.

use camino::Utf8PathBuf;
use icgate_core::compare::merge::merge as merge_shards;
use icgate_core::model::run::Run;

use super::judge::JudgeContext;
use crate::args::{Against, Output, Project as Selection};
use crate::cargo::Project;
use crate::error::CliError;
use crate::io::output;
use crate::io::store;

pub(crate) fn merge(
    paths: &[Utf8PathBuf],
    selection: &Selection,
    against: &Against,
    output: &Output,
) -> Result<u8, CliError> {
    let project = Project::open(selection)?;
    let shards: Result<Vec<(String, Run)>, CliError> = paths
        .iter()
        .map(|path| Ok((path.to_string(), store::read_run(path)?)))
        .collect();
    let mut merged = merge_shards(shards?)?;
    let mut bench = JudgeContext::open(&project, against, &merged.run.environment.platform())?;
    bench.recall_base(None, &merged.run);
    let warning = bench.take_base_beside(paths, &merged.run)?;
    merged.warnings.extend(warning);
    let report = bench.report(&merged.run, &merged.warnings);
    let directory = project.output_directory(&output.directory);
    output::write_run(&directory, &merged.run)?;
    output::write_base(&directory, bench.base_run())?;
    let page = bench.page(&report, &merged.run);
    output::finish(&directory, &report, &page, output.format)?;
    Ok(report.exit_code)
}
