//! What is written for each benchmark: its counts, its noise, and a reason wherever one is needed.

use icgate_core::compare::noise::Noise;
use icgate_core::compare::{Facts, compare};
use icgate_core::judge::EMPTY_INSTRUCTIONS_MAX;
use icgate_core::model::baseline::{Accepted, Baseline, Baselines, Removed};
use icgate_core::model::bench_id::BenchId;
use icgate_core::model::metric::{Metric, Metrics, fetch_cycles};
use icgate_core::model::policy::Limit;
use icgate_core::model::run::{Measurement, Run};

use crate::error::UpdateError;
use crate::io::output;
use crate::verdict::JudgeContext;

/// A metric that is judged.
struct Judged {
    metric: Metric,
    accepted: Option<u64>,
    measured: Option<u64>,
    noise: u64,
    limit: Limit,
}

impl Judged {
    /// Whether the change exceeds the limit; that of a metric that depends on the layout, beyond noise.
    fn is_exceeded(&self) -> bool {
        let (base, head) = (self.accepted.unwrap_or(0), self.measured.unwrap_or(0));
        let noise = if self.metric.depends_on_layout() {
            self.noise.min(base.abs_diff(head))
        } else {
            0
        };
        let head = if head > base {
            head - noise
        } else {
            head + noise
        };
        self.limit.is_exceeded(base, head)
    }
}

/// What entries are made from.
pub(super) struct Update<'a> {
    bench: &'a JudgeContext,
    run: &'a Run,
    reason: Option<&'a str>,
    /// What to type to give a reason.
    command: String,
}

impl<'a> Update<'a> {
    /// What can be written: with a reason wherever one is needed.
    pub(super) fn new(
        bench: &'a JudgeContext,
        run: &'a Run,
        reason: Option<&'a str>,
        command: String,
    ) -> Result<Self, UpdateError> {
        warn_of_empty(run);
        let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
        let update = Self {
            bench,
            run,
            reason,
            command,
        };
        update.check_reasons()?;
        Ok(update)
    }
}

impl Update<'_> {
    /// What the tree accepts for a benchmark, if that was recorded in this measurement environment.
    fn known(&self, id: &BenchId) -> Option<&Accepted> {
        let suite = self.bench.committed.suite(id.suite())?;
        let known = self.bench.committed.accepted(id)?;
        (suite.environment == self.run.environment).then_some(known)
    }

    /// What base accepts for a benchmark, if that was recorded in this environment: in a new one,
    /// counts differ for reasons that are nobody's to give.
    fn base(&self, id: &BenchId) -> Option<&Accepted> {
        let suite = self.bench.base.suite(id.suite())?;
        let base = self.bench.base.accepted(id)?;
        (suite.environment == self.run.environment).then_some(base)
    }

    /// Each metric that policy judges, as accepted and as measured.
    fn judged<'a>(
        &self,
        accepted: &'a Accepted,
        measured: &'a Measurement,
    ) -> impl Iterator<Item = Judged> + use<'a, '_> {
        let policy = &self.bench.policy;
        Metric::ALL.into_iter().filter_map(move |metric| {
            let limit = policy.limit(&measured.id, metric)?;
            let count = |metrics: &Metrics| metrics.get(&metric).copied();
            Some(Judged {
                metric,
                accepted: count(&accepted.metrics),
                measured: count(&measured.metrics),
                noise: count(&accepted.metric_noise)
                    .unwrap_or(0)
                    .max(match metric {
                        Metric::EstimatedCycles => {
                            fetch_cycles(&accepted.metrics, &measured.metrics)
                        }
                        _ => 0,
                    }),
                limit,
            })
        })
    }

    /// Whether anything that is judged differs from what the tree accepts. What caches miss moves with
    /// every change of layout: there, only what is beyond limit and noise does.
    pub(super) fn has_moved(&self, measured: &Measurement) -> bool {
        self.known(&measured.id).is_none_or(|known| {
            self.judged(known, measured).any(|it| {
                if it.metric.depends_on_layout() && it.accepted.is_some() == it.measured.is_some() {
                    it.is_exceeded()
                } else {
                    it.accepted != it.measured
                }
            })
        })
    }

    /// Worse than base by more than the limit, in anything that is judged and that base counts.
    fn is_worse(&self, measured: &Measurement) -> bool {
        self.base(&measured.id).is_some_and(|base| {
            let mut judged = self.judged(base, measured);
            judged.any(|it| it.accepted.is_some() && it.measured > it.accepted && it.is_exceeded())
        })
    }

    /// Puts back what the tree has of a suite in which nothing has moved: what caches miss is no reason
    /// for a line in a diff. A suite that is written is written with all that was measured.
    pub(super) fn keep_unmoved(&self, suites: &mut [Baseline]) {
        for suite in suites {
            let Some(known) = self.bench.committed.suite(&suite.suite) else {
                continue;
            };
            let is_same = |new: &Accepted, known: &Accepted| {
                let measured = self.run.benchmark(&new.id);
                new.id == known.id
                    && new.reason == known.reason
                    && new.functions.costs_like(&known.functions)
                    && measured.is_none_or(|measured| !self.has_moved(measured))
            };
            let pairs = || suite.benchmarks.iter().zip(&known.benchmarks);
            if suite.environment == known.environment
                && suite.removed == known.removed
                && suite.benchmarks.len() == known.benchmarks.len()
                && pairs().all(|(new, known)| is_same(new, known))
            {
                suite.benchmarks.clone_from(&known.benchmarks);
            }
        }
    }

    /// The reason that the tree gives for what was measured, and base did not give already.
    fn given_reason(&self, measured: &Measurement) -> Option<&str> {
        let known = self
            .known(&measured.id)
            .filter(|_| !self.has_moved(measured))?;
        let reason = known
            .reason
            .as_deref()
            .filter(|reason| !reason.trim().is_empty())?;
        let old = self
            .base(&measured.id)
            .and_then(|base| base.reason.as_deref());
        (old != Some(reason)).then_some(reason)
    }

    /// Every worsening beyond the limit has a reason, or is given one.
    fn check_reasons(&self) -> Result<(), UpdateError> {
        if self.reason.is_some() {
            return Ok(());
        }
        let unexplained = |it: &&Measurement| self.is_worse(it) && self.given_reason(it).is_none();
        let ids: Vec<String> = self
            .run
            .benchmarks
            .iter()
            .filter(unexplained)
            .map(|it| format!("`{}`", it.id))
            .collect();
        if ids.is_empty() {
            return Ok(());
        }
        Err(UpdateError::NoReason {
            ids: ids.join(", "),
            command: self.command.clone(),
        })
    }

    /// Adds what was removed to the suites: what the tree says already, and, of a complete run, what base
    /// has and the project does not have any more. That takes a reason; a new name takes none, since
    /// the gate compares it with the former one.
    pub(super) fn keep_removals(&self, suites: &mut Vec<Baseline>) -> Result<(), UpdateError> {
        let is_there = |id: &BenchId| self.run.benchmark(id).is_some();
        let known = self.bench.committed.suites().flat_map(|it| &it.removed);
        for removed in known.filter(|it| !is_there(&it.id)) {
            self.add_removal(suites, removed.clone());
        }
        if !self.run.complete {
            return Ok(());
        }
        let new = Baselines::new(suites.iter().cloned());
        let comparison = compare(&self.bench.base, &new, self.run);
        let is_lost = |it: &&Facts<'_>| {
            it.measured.is_none()
                && self.bench.base.accepted(it.id).is_some()
                && new.removal(it.id).is_none()
        };
        let lost = comparison.benchmarks.iter().filter(is_lost);
        let lost: Vec<BenchId> = lost.map(|it| it.id.clone()).collect();
        if lost.is_empty() {
            return Ok(());
        }
        let Some(reason) = self.reason else {
            let ids: Vec<String> = lost.iter().map(|id| format!("`{id}`")).collect();
            return Err(UpdateError::Removed {
                ids: ids.join(", "),
                command: self.command.clone(),
            });
        };
        for id in lost {
            let reason = reason.to_owned();
            self.add_removal(suites, Removed { id, reason });
        }
        Ok(())
    }

    /// Adds a removal to its suite. One that nothing of was measured is written only by a complete run.
    fn add_removal(&self, suites: &mut Vec<Baseline>, removed: Removed) {
        let name = removed.id.suite();
        let at = match suites.iter().position(|it| it.suite == name) {
            Some(at) => at,
            None if self.run.complete => {
                suites.push(Baseline::new(
                    name,
                    self.run.environment.clone(),
                    Vec::new(),
                ));
                suites.len() - 1
            }
            None => return,
        };
        let list = &mut suites[at].removed;
        if let Err(at) = list.binary_search_by(|it| it.id.cmp(&removed.id)) {
            list.insert(at, removed);
        }
    }

    /// The entry of a benchmark; `again` are its measurements in disturbed measurement environments, if
    /// it moved.
    pub(super) fn entry(&self, measured: &Measurement, again: &[&Measurement]) -> Accepted {
        let known = self.known(&measured.id);
        let reason = if self.is_worse(measured) {
            self.given_reason(measured).or(self.reason)
        } else {
            known
                .filter(|_| !self.has_moved(measured))
                .and_then(|known| known.reason.as_deref())
        };
        let reason = reason.map(str::to_owned);
        let all: Vec<&Measurement> = [measured]
            .into_iter()
            .chain(again.iter().copied())
            .collect();
        let found = Noise::of(&all).filter(|_| !again.is_empty());
        // A noise that was found for other code says nothing of this.
        let known = known.filter(|_| !self.has_moved(measured));
        let (noise, metric_noise) = match (found, known) {
            (Some(found), _) => (found.instructions(), found.metrics),
            (None, Some(known)) => (known.noise, known.metric_noise.clone()),
            (None, None) => (0, Metrics::new()),
        };
        let mut entry = Accepted::from_measurement(measured, noise.max(measured.noise), reason);
        for (metric, noise) in metric_noise {
            let known = entry.metric_noise.entry(metric).or_default();
            *known = noise.max(*known);
        }
        entry
    }
}

/// Names the benchmarks that measure nothing. They are recorded like the others: whoever has 36 of them
/// and wrote one that is empty wants a gate for 35.
fn warn_of_empty(run: &Run) {
    let is_empty = |it: &&Measurement| it.instructions() <= EMPTY_INSTRUCTIONS_MAX;
    for measured in run.benchmarks.iter().filter(is_empty) {
        output::warn(format_args!(
            "{} executes {} instructions, no more than an empty function: what it was meant to \
             measure was optimized away (use `std::hint::black_box`)",
            measured.id,
            measured.instructions()
        ));
    }
}

#[cfg(test)]
mod tests;
