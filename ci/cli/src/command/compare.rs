//! `icgate compare`: judges a stored run. Needs neither Valgrind nor a build.

use camino::Utf8Path;

use icgate_core::model::note::Note;

use crate::args::{Against, Output, Project as Selection, Scope};
use crate::cargo::Project;
use crate::error::CliError;
use crate::io::output;
use crate::io::store;
use crate::verdict::JudgeContext;

pub(crate) fn compare(
    path: &Utf8Path,
    scope: &Scope,
    selection: &Selection,
    against: &Against,
    output: &Output,
) -> Result<u8, CliError> {
    let project = Project::open(selection)?;
    let mut run = store::read_run(path)?;
    let mut bench = JudgeContext::open(&project, against, &run.environment.platform())?;
    // Only a run that was given, or that lies beside: what was measured here says nothing of a run
    // from elsewhere.
    bench.recall_base(None, &run);
    let warning = bench.take_base_beside(&[path.to_owned()], &run)?;
    let warnings: Vec<Note> = bench
        .require(scope, &mut run)?
        .into_iter()
        .chain(warning)
        .chain(bench.set_aside_other_tree(&run))
        .collect();
    let report = bench.report(&run, &warnings);
    let page = bench.page(&report, &run);
    output::finish(
        &project.output_directory(&output.directory),
        &report,
        &page,
        output,
    )?;
    Ok(report.exit_code)
}
