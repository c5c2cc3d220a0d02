//! Compares a run with base and with what head's tree has committed: facts, and no opinion.
//!
//! No limit is read here; [`judge`](crate::judge) decides what matters. Each benchmark that base,
//! the committed baselines or the run know appears exactly once, in id order, so equal inputs
//! give equal reports.

pub mod base_run;
pub mod bisect;
pub mod coverage;
pub mod merge;
pub mod noise;
pub mod rename;
pub mod side_by_side;

use std::collections::BTreeSet;

use crate::model::baseline::{Accepted, Baselines};
use crate::model::bench_id::BenchId;
use crate::model::environment::EnvironmentDifference;
use crate::model::metric::{Metric, Metrics};
use crate::model::run::{Measurement, Run};

/// What is known of one benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts<'a> {
    /// Which benchmark.
    pub id: &'a BenchId,
    /// What base accepted.
    pub base: Option<&'a Accepted>,
    /// What head's tree accepts.
    pub committed: Option<&'a Accepted>,
    /// What was measured.
    pub measured: Option<&'a Measurement>,
    /// Whether what head's tree accepts was recorded in the run's measurement environment.
    pub comparable: bool,
    /// Whether head's tree was recorded again in this measurement environment, which base was not: then there is
    /// nothing to compare with but head's tree itself.
    pub rebaselined: bool,
    /// Base's code, as measured in the run's measurement environment.
    pub base_run: Option<&'a Measurement>,
    /// What base calls it, if it was renamed: that is what it is compared with and judged by.
    pub former: Option<&'a BenchId>,
    /// Why head's tree says that it was removed, if that is new.
    pub removal: Option<&'a str>,
}

impl<'a> Facts<'a> {
    /// What base calls it.
    #[must_use]
    pub fn name_in_base(&self) -> &'a BenchId {
        self.former.unwrap_or(self.id)
    }

    /// What was measured of base, where its baseline is of another measurement environment and says nothing here.
    #[must_use]
    pub fn base_run_as_baseline(&self) -> Option<&'a Measurement> {
        self.base_run
            .filter(|_| self.rebaselined || !self.comparable)
    }

    /// How far the benchmark moves when nothing changed: as the baseline says, or as was seen in
    /// this run if that is more.
    #[must_use]
    pub fn noise(&self) -> u64 {
        let accepted = self.committed.or(self.base).map_or(0, |it| it.noise);
        accepted.max(self.measured.map_or(0, |it| it.noise))
    }

    /// The same of any metric.
    ///
    /// What base knows of a metric that depends on the layout counts, if base knows anything: it
    /// excuses more than an exact count's does, so an edit must not bring its own.
    #[must_use]
    pub fn noise_of(&self, metric: Metric) -> u64 {
        if metric == Metric::Instructions {
            return self.noise();
        }
        let of = |noise: &Metrics| noise.get(&metric).copied().unwrap_or(0);
        let known = if metric.depends_on_layout() {
            self.base.or(self.committed)
        } else {
            self.committed.or(self.base)
        };
        let accepted = known.map_or(0, |it| of(&it.metric_noise));
        accepted.max(self.measured.map_or(0, |it| of(&it.metric_noise)))
    }
}

/// All benchmarks, and where the measurement environments differ.
#[derive(Debug)]
pub struct Comparison<'a> {
    /// In id order.
    pub benchmarks: Vec<Facts<'a>>,
    /// Every difference between the run's measurement environment and a baseline's, each named once.
    pub environment_differences: Vec<EnvironmentDifference>,
    /// How many benchmarks base, baselines and run know together. More than were compared if the
    /// run was of a part of them.
    pub known: usize,
}

/// States what changed, benchmark by benchmark.
///
/// If the run was of a part of the benchmarks only, the others are counted as known and not
/// compared: that they were not measured says nothing about them.
#[must_use]
pub fn compare<'a>(base: &'a Baselines, committed: &'a Baselines, run: &'a Run) -> Comparison<'a> {
    let measured = run.benchmarks.iter().map(|benchmark| &benchmark.id);
    let known: BTreeSet<&BenchId> = base.ids().chain(committed.ids()).chain(measured).collect();
    let mut environment_differences: Vec<EnvironmentDifference> = Vec::new();
    for baseline in base.suites().chain(committed.suites()) {
        for difference in baseline.environment.differences(&run.environment) {
            if !environment_differences.contains(&difference) {
                environment_differences.push(difference);
            }
        }
    }
    let comparable = |baselines: &Baselines, suite: &str| {
        baselines
            .suite(suite)
            .is_none_or(|suite| suite.environment == run.environment)
    };
    let mut benchmarks: Vec<Facts<'a>> = known
        .iter()
        .map(|id| Facts {
            id,
            base: base.accepted(id),
            committed: committed.accepted(id),
            measured: run.benchmark(id),
            comparable: comparable(committed, id.suite()),
            rebaselined: !comparable(base, id.suite()) && comparable(committed, id.suite()),
            base_run: None,
            former: None,
            removal: committed
                .removal(id)
                .filter(|reason| base.removal(id) != Some(*reason)),
        })
        .filter(|facts| run.complete || facts.measured.is_some())
        .collect();
    let compared = benchmarks.len();
    rename::join(&mut benchmarks, |suite| comparable(base, suite));
    Comparison {
        known: known.len() - (compared - benchmarks.len()),
        benchmarks,
        environment_differences,
    }
}

impl<'a> Comparison<'a> {
    /// The same with the difference of the measurement environments named and not minded: for asking what another
    /// measurement environment does to the counts of code that is known to be the same.
    #[must_use]
    pub fn across_environments(mut self) -> Self {
        for facts in &mut self.benchmarks {
            facts.comparable = true;
            facts.rebaselined = false;
        }
        self
    }

    /// The same with base's code beside head's, as measured in the same measurement environment. A run of another
    /// measurement environment is left out: it would say nothing.
    #[must_use]
    pub fn with_base_run(mut self, head: &Run, base: &'a Run) -> Self {
        if base.environment.surrounds_like(&head.environment) {
            for facts in &mut self.benchmarks {
                facts.base_run = base.benchmark(facts.name_in_base());
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::baseline;

    fn baselines(ids: &[&str]) -> Baselines {
        baseline::tests::baselines(ids, 1_000)
    }

    fn run(ids: &[&str], complete: bool) -> Run {
        Run {
            complete,
            ..baseline::tests::run(ids, 1_000)
        }
    }

    #[test]
    fn every_benchmark_appears_once_in_id_order() {
        let (base, committed) = (
            baselines(&["a/x/1", "b/x/1"]),
            baselines(&["a/x/1", "a/x/2"]),
        );
        let run = run(&["a/x/1", "a/x/3"], true);
        let comparison = compare(&base, &committed, &run);
        let seen: Vec<_> = comparison
            .benchmarks
            .iter()
            .map(|f| {
                (
                    f.id.as_str(),
                    f.base.is_some(),
                    f.committed.is_some(),
                    f.measured.is_some(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("a/x/1", true, true, true),
                ("a/x/2", false, true, false),
                // It is b/x/1 under another name.
                ("a/x/3", true, false, true),
            ]
        );
        assert!(comparison.benchmarks.iter().all(|facts| facts.comparable));
        assert_eq!(comparison.known, 3);
        let renamed = &comparison.benchmarks[2];
        assert_eq!(renamed.name_in_base().as_str(), "b/x/1");
    }

    #[test]
    fn a_run_of_a_part_says_nothing_of_the_rest() {
        let base = baselines(&["a/x/1", "b/x/1"]);
        let run = run(&["a/x/1"], false);
        let comparison = compare(&base, &base, &run);
        assert_eq!(comparison.benchmarks.len(), 1);
        assert_eq!(comparison.known, 2);
    }

    #[test]
    fn another_environment_makes_only_its_own_suite_incomparable() {
        let base = baselines(&["a/x/1", "b/x/1"]);
        let mut other = base.suite("b").unwrap().clone();
        other.environment.rustc = "1.94.0".to_owned();
        let committed = Baselines::new([base.suite("a").unwrap().clone(), other]);
        let run = run(&["a/x/1", "b/x/1"], true);
        let comparison = compare(&base, &committed, &run);
        assert_eq!(
            comparison
                .benchmarks
                .iter()
                .map(|f| f.comparable)
                .collect::<Vec<_>>(),
            [true, false]
        );
        assert_eq!(comparison.environment_differences.len(), 1);
        assert_eq!(comparison.environment_differences[0].field, "rustc");
    }
}
