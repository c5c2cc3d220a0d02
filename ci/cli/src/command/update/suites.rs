//! The files of the suites: what of them is new, what stays, and what goes.

use icgate_core::model::baseline::{Accepted, Baseline};
use icgate_core::model::bench_id::BenchId;
use icgate_core::model::run::{Measurement, Run};

use crate::cargo::Project;
use crate::error::{StoreError, UpdateError};
use crate::io::store;
use crate::verdict::JudgeContext;

/// The new baselines of all suites that were measured.
pub(super) fn suites(
    run: &Run,
    bench: &JudgeContext,
    accept: impl Fn(&Measurement) -> Accepted,
) -> Result<Vec<Baseline>, UpdateError> {
    let mut suites: Vec<Baseline> = Vec::new();
    for measured in &run.benchmarks {
        let suite = measured.id.suite();
        if suites.last().is_none_or(|last| last.suite != suite) {
            suites.push(Baseline::new(suite, run.environment.clone(), Vec::new()));
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

/// Where only a part of a suite was measured, the rest stays as it was; that takes its measurement environment.
fn keep_unmeasured(suite: &mut Baseline, bench: &JudgeContext) -> Result<(), UpdateError> {
    let Some(old) = bench.committed.suite(&suite.suite) else {
        return Ok(());
    };
    let measured = |id: &BenchId| {
        suite
            .benchmarks
            .binary_search_by(|it| it.id.cmp(id))
            .is_ok()
    };
    let unmeasured = old.benchmarks.iter().filter(|it| !measured(&it.id));
    let kept: Vec<Accepted> = unmeasured.cloned().collect();
    let differences = old.environment.differences(&suite.environment);
    if !kept.is_empty() && !differences.is_empty() {
        let fields: Vec<_> = differences
            .iter()
            .map(|difference| difference.field)
            .collect();
        return Err(UpdateError::PartOfEnvironment {
            fields: fields.join(", "),
        });
    }
    suite.benchmarks.extend(kept);
    suite.benchmarks.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(())
}

/// Writes what changed, and removes suites that are gone. Returns the paths.
pub(super) fn write(
    project: &Project,
    platform: &str,
    bench: &JudgeContext,
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
