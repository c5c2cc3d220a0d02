//! Side by side: two runs of one measurement environment as base and head of a comparison, without any baseline.

use std::collections::BTreeMap;

use crate::model::baseline::{Accepted, Baseline, Baselines, Removed};
use crate::model::bench_id::BenchId;
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
    let gone = base.benchmarks.iter().map(|it| &it.id);
    let gone = gone.filter(|id| head.benchmark(id).is_none());
    (
        baselines(base.benchmarks.iter(), [], &head.environment),
        baselines(kept, gone, &head.environment),
    )
}

/// Baselines of `measured` and without `gone`, both in id order, by suite.
fn baselines<'a>(
    measured: impl Iterator<Item = &'a Measurement>,
    gone: impl IntoIterator<Item = &'a BenchId>,
    environment: &Environment,
) -> Baselines {
    let mut suites: BTreeMap<&str, Baseline> = BTreeMap::new();
    let empty = |name: &str| Baseline::new(name, environment.clone(), Vec::new());
    for measurement in measured {
        let name = measurement.id.suite();
        let suite = suites.entry(name).or_insert_with(|| empty(name));
        let accepted = Accepted::from_measurement(measurement, 0, None);
        suite.benchmarks.push(accepted);
    }
    for id in gone {
        let suite = suites
            .entry(id.suite())
            .or_insert_with(|| empty(id.suite()));
        suite.removed.push(Removed {
            id: id.clone(),
            reason: "only the other side has it".to_owned(),
        });
    }
    Baselines::new(suites.into_values())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::compare;
    use crate::judge::judge;
    use crate::model::baseline::tests::measured;
    use crate::model::environment::tests::environment;
    use crate::model::policy::Policy;

    fn run(counts: &[(&str, u64)]) -> Run {
        let all = |(id, count): &(&str, u64)| measured(id, *count);
        Run::whole(environment(), counts.iter().map(all).collect())
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
