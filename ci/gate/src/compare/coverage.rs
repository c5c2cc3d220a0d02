//! Coverage: whether a run has all that base knows.
//!
//! A run says itself which benchmarks it is of and where it was measured, and it may come from a
//! pull request. Fewer benchmarks than base knows, none, or none of one of base's platforms would
//! all look like a pass: what is not there cannot be worse. So whoever judges a run that somebody
//! else brought asks here first; only the trusted side may ask for a part.
//!
//! A run that says to be complete is taken at its word: then a benchmark that it lacks is one that
//! head does not have any more, which is judged.

use std::collections::BTreeSet;

use miette::Diagnostic;
use thiserror::Error;

use crate::model::baseline::Baselines;
use crate::model::bench_id::BenchId;
use crate::model::run::{Failed, Run};

/// Why a run is of something else than what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum CoverageError {
    /// It has nothing.
    #[error("the run has measured no benchmark")]
    #[diagnostic(help(
        "measure again: icgate check; in CI, look into the log of the measuring jobs"
    ))]
    Nothing,
    /// It is of one platform, and base has baselines for others.
    #[diagnostic(help("{}", other_platform(expected, measured)))]
    #[error("the run is of {measured}, and {} to be judged", are(expected))]
    Platform {
        /// The platforms that base has baselines for, or the one that was asked for.
        expected: Vec<String>,
        /// The run's.
        measured: String,
    },
}

fn are(expected: &[String]) -> String {
    let verb = if expected.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", expected.join(" and "))
}

/// Only a platform that the run is of can be judged, and only where base knows it.
fn other_platform(expected: &[String], measured: &str) -> String {
    let others = expected.iter().map(String::as_str);
    let others: Vec<&str> = others.filter(|it| *it != measured).collect();
    let others = others.join(" and ");
    if expected.iter().any(|it| it == measured) {
        format!(
            "measure on {others}; or, if several gates share these baselines, name the platform \
             that this one is for: `--platform {measured}`"
        )
    } else {
        format!("measure on {others}, or record baselines for {measured} first: icgate update")
    }
}

/// Asks for all that base knows. What an incomplete run leaves out is named as not measured, and
/// so decides the outcome.
///
/// `platforms` are those that base has baselines for, or the one that the trusted side chose.
///
/// # Errors
///
/// [`CoverageError`] if the run has nothing, or is of another platform.
pub fn require(
    run: &mut Run,
    (base, committed): (&Baselines, &Baselines),
    platforms: &[String],
) -> Result<(), CoverageError> {
    let measured = run.environment.platform();
    if platforms.iter().any(|it| *it != measured) {
        return Err(CoverageError::Platform {
            expected: platforms.to_vec(),
            measured,
        });
    }
    if run.benchmarks.is_empty() && run.failed.is_empty() {
        return Err(CoverageError::Nothing);
    }
    if run.complete {
        return Ok(());
    }
    let known: BTreeSet<&BenchId> = base.ids().chain(committed.ids()).collect();
    let failed: BTreeSet<&BenchId> = run.failed.iter().map(|it| &it.id).collect();
    let left_out = |id: &&&BenchId| run.benchmark(id).is_none() && !failed.contains(*id);
    let missing: Vec<Failed> = known
        .iter()
        .filter(left_out)
        .map(|id| Failed {
            id: (*id).clone(),
            why: "the run is of a part of the benchmarks; merge all shards, or say `--part` if a part is \
                  meant"
                .to_owned(),
        })
        .collect();
    run.failed.extend(missing);
    run.failed.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::attribute::diff::ChangedLines;
    use crate::compare::compare;
    use crate::judge::{Outcome, judge};
    use crate::model::baseline;
    use crate::model::baseline::tests::baselines;
    use crate::model::policy::Policy;
    use crate::report::report;

    const IDS: [&str; 4] = ["a/x/1", "a/x/2", "b/x/1", "b/x/2"];

    fn base() -> Baselines {
        baselines(&IDS, 1_000)
    }

    fn run(ids: &[&str], complete: bool) -> Run {
        Run {
            complete,
            ..baseline::tests::run(ids, 1_000)
        }
    }

    fn outcome(run: &mut Run, platforms: &[&str]) -> Result<Outcome, CoverageError> {
        let base = base();
        let platforms: Vec<String> = platforms.iter().map(|it| (*it).to_owned()).collect();
        require(run, (&base, &base), &platforms)?;
        let comparison = compare(&base, &base, run);
        let policy = Policy::default();
        let judgements = judge(&comparison, &policy);
        let changed = ChangedLines::default();
        Ok(report(run, &comparison, &judgements, &policy, &changed, "").outcome)
    }

    #[test]
    fn an_empty_run_is_not_measured() {
        for complete in [false, true] {
            let found = outcome(&mut run(&[], complete), &[]);
            assert_eq!(found, Err(CoverageError::Nothing));
        }
    }

    #[test]
    fn a_run_that_leaves_one_out_is_not_measured() {
        let mut part = run(&IDS[..3], false);
        assert_eq!(outcome(&mut part, &[]), Ok(Outcome::NotMeasured));
        assert_eq!(part.failed[0].id.as_str(), "b/x/2");
        assert_eq!(outcome(&mut run(&IDS, false), &[]), Ok(Outcome::Pass));
    }

    #[test]
    fn a_run_of_another_platform_is_not_measured() {
        let mut other = run(&IDS, true);
        other.environment.target = "aarch64-unknown-linux-gnu".to_owned();
        let here = "x86_64-linux-gnu";
        let found = outcome(&mut other, &[here]);
        assert!(
            matches!(found, Err(CoverageError::Platform { .. })),
            "{found:?}"
        );
        let fix = found.unwrap_err().help().unwrap().to_string();
        let told = "measure on x86_64-linux-gnu, or record baselines for aarch64-linux-gnu first";
        assert!(fix.contains(told), "{fix}");
        // One of two is not all, unless it was asked for.
        let mut one = run(&IDS, true);
        let half = outcome(&mut one, &["aarch64-linux-gnu", here]).unwrap_err();
        let fix = half.help().unwrap().to_string();
        assert!(fix.starts_with("measure on aarch64-linux-gnu; or"), "{fix}");
        assert!(fix.ends_with("`--platform x86_64-linux-gnu`"), "{fix}");
        assert_eq!(outcome(&mut one, &[here]), Ok(Outcome::Pass));
    }

    proptest! {
        #[test]
        fn fewer_than_base_knows_never_pass(
            kept in prop::collection::vec(any::<bool>(), IDS.len()), complete: bool,
        ) {
            let ids: Vec<&str> = IDS.iter().zip(&kept).filter(|(_, kept)| **kept).map(|it| *it.0).collect();
            let all = ids.len() == IDS.len();
            let found = outcome(&mut run(&ids, complete), &[]);
            prop_assert_eq!(found == Ok(Outcome::Pass), all, "{:?}", found);
        }
    }
}
