//! `icgate ab`: this tree and another revision, measured side by side in the same measurement environment.
//!
//! Baselines take no part: what is judged is the code of one against that of the other, by the
//! revision's policy.

use icgate_core::compare::side_by_side::side_by_side;
use icgate_core::model::environment::platform;
use icgate_core::model::note::Note;

use super::confirm::measure_again;
use super::failures::{print_failures, print_remedies};
use crate::args::{Against, Measuring, Output, Project as Selection};
use crate::cache::Cache;
use crate::cargo::Project;
use crate::environment::toolchain;
use crate::error::{CliError, GitError};
use crate::io::output;
use crate::io::store;
use crate::measure::Session;
use crate::measure::base_run;
use crate::verdict::JudgeContext;

pub(crate) fn ab(
    revision: &str,
    selection: &Selection,
    measuring: &Measuring,
    output: &Output,
) -> Result<u8, CliError> {
    let project = Project::open(selection)?;
    let toolchain = toolchain(project.root())?;
    let against = Against {
        base: Some(revision.to_owned()),
        base_run: None,
    };
    let mut bench = JudgeContext::open(&project, &against, &platform(&toolchain.target))?;
    let (repository, base) = bench.at.take().ok_or_else(|| GitError::NoHistory {
        revision: revision.to_owned(),
    })?;
    let directory = match &output.directory.directory {
        Some(asked) => asked.as_std_path().to_owned(),
        None => project.output().join("ab"),
    };
    store::prepare(&directory)?;
    let session = Session::open(&project, &toolchain, measuring)?;
    let mut head = session.measure(&bench.committed)?;
    if let Some(code) = print_failures(&head.failures) {
        return Ok(code);
    }
    let cache = project.cache(measuring).map(Cache::new);
    let known = base_run::cached(cache.as_ref(), &base, &head.run);
    let base_run = match known {
        Some(run) => run,
        None => base_run::measure(
            &project,
            selection,
            &repository,
            &base,
            (measuring, None),
            &toolchain,
            &bench.committed,
        )?,
    };
    (bench.base, bench.committed) = side_by_side(&base_run, &head.run);
    let mut warnings = std::mem::take(&mut head.warnings);
    for difference in base_run.environment.differences(&head.run.environment) {
        warnings.push(Note::new(
            "the two differ in {}: {} there, {} here",
            &[&difference.field, &difference.base, &difference.head],
        ));
    }
    let mut report = bench.report(&head.run, &warnings);
    if measure_again(&session, &bench, &report, &mut head.run, &mut warnings)? {
        report = bench.report(&head.run, &warnings);
    }
    output::write_run(&directory, &head.run)?;
    let page = bench.page_with_base_run(&report, &head.run, Some(&base_run));
    output::finish(&directory, &report, &page, output)?;
    print_remedies(&head.failures);
    Ok(report.exit_code)
}
