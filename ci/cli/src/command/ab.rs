//! `icgate ab`: this tree and another revision, measured side by side in the same chamber.
//!
//! Baselines take no part: what is judged is the code of one against that of the other, by the
//! revision's policy.

use icgate_core::chamber::platform;
use icgate_core::side_by_side::side_by_side;

use super::again::measure_again;
use super::judge::Bench;
use super::{print_failures, print_remedies};
use crate::args::{Against, Measuring, Output, Project as Selection};
use crate::cache::Cache;
use crate::cargo::Project;
use crate::chamber::toolchain;
use crate::error::{CliError, GitError};
use crate::measure::Session;
use crate::{beside, output, store};

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
    let mut bench = Bench::open(&project, &against, &platform(&toolchain.target))?;
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
    let known = beside::stored(cache.as_ref(), &base, &head.run);
    let base_run = match known {
        Some(run) => run,
        None => beside::measure(
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
    for difference in base_run.chamber.differences(&head.run.chamber) {
        warnings.push(format!(
            "the two differ in {}: {} there, {} here",
            difference.field, difference.base, difference.head
        ));
    }
    let mut report = bench.report(&head.run, &warnings);
    if measure_again(&session, &bench, &report, &mut head.run, &mut warnings)? {
        report = bench.report(&head.run, &warnings);
    }
    output::write_run(&directory, &head.run)?;
    let page = bench.page_beside(&report, &head.run, Some(&base_run));
    output::finish(&directory, &report, &page, output.format)?;
    print_remedies(&head.failures);
    Ok(report.exit_code)
}
