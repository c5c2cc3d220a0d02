//! Side by side: two runs of one measurement environment as base and head of a comparison, without any baseline.

use std::collections::BTreeMap;

use crate::model::baseline::{Accepted, Baseline, Baselines};
use crate::model::environment::Environment;
use crate::model::run::{Measurement, Run};

/// What judges `head` if nothing but `base` does: base's baselines, and those of head's tree, as if
/// each had been accepted as it was measured. A benchmark that only one of them has comes or goes
/// with its baseline.
#[must_use]
pub fn side_by_side(base: &Run, head: &Run) -> (Baselines, Baselines) {
    let kept = head
        .benchmarks
        .iter()
        .map(|measured| base.benchmark(&measured.id).unwrap_or(measured));
    (
        baselines(base.benchmarks.iter(), &head.environment),
        baselines(kept, &head.environment),
    )
}

/// Baselines of `measured`, in id order, by suite.
fn baselines<'a>(
    measured: impl Iterator<Item = &'a Measurement>,
    environment: &Environment,
) -> Baselines {
    let mut suites: BTreeMap<&str, Vec<Accepted>> = BTreeMap::new();
    for measurement in measured {
        suites
            .entry(measurement.id.suite())
            .or_default()
            .push(Accepted::from_measurement(measurement, 0, None));
    }
    Baselines::new(suites.into_iter().map(|(suite, benchmarks)| Baseline {
        suite: suite.to_owned(),
        environment: environment.clone(),
        benchmarks,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::compare;
    use crate::judge::judge;
    use crate::model::baseline::tests::measured;
    use crate::model::environment::tests::environment;
    use crate::model::policy::Policy;
    use crate::model::run::RUN_FORMAT;

    fn run(counts: &[(&str, u64)]) -> Run {
        let all = |(id, count): &(&str, u64)| measured(id, *count);
        Run {
            format: RUN_FORMAT,
            commit: None,
            complete: true,
            part: None,
            environment: environment(),
            failed: Vec::new(),
            benchmarks: counts.iter().map(all).collect(),
        }
    }

    #[test]
    fn head_is_judged_by_base_alone() {
        let base = run(&[("a/x/1", 10_000), ("a/x/2", 10_000), ("b/x/1", 10_000)]);
        let mut head = run(&[("a/x/1", 10_200), ("b/x/1", 10_000), ("b/x/2", 10_000)]);
        head.environment.harness = "a newer one".to_owned();
        let (accepted, committed) = side_by_side(&base, &head);
        let comparison = compare(&accepted, &committed, &head);
        let judged = judge(&comparison, &Policy::default());
        let verdicts: Vec<_> = judged
            .benchmarks
            .iter()
            .map(|it| (it.facts.id.as_str(), it.verdict.word()))
            .collect();
        assert_eq!(
            verdicts,
            [
                ("a/x/1", "regressed"),
                ("a/x/2", "removed"),
                ("b/x/1", "unchanged"),
                ("b/x/2", "added"),
            ]
        );
    }
}
