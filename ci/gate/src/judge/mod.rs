//! Judges: facts and policy in, one verdict a benchmark out.
//!
//! ```text
//! facts, limit → signals (the columns) → table (one match, proven total) → verdict → outcome
//! ```
//!
//! All arithmetic is on integers, and a change that equals the limit passes.

mod signals;
mod table;
mod verdict;

use crate::compare::{Comparison, Facts};
use crate::model::metric::Metric;
use crate::model::policy::{Limit, Policy};
use signals::Signals;
use table::decide;

pub use verdict::{BaselineState, Movement, Outcome, Shown, Verdict};

/// What an empty function costs in the harness, at most: the call, the return and a value kept alive.
/// A benchmark of no more measures the harness; what it was meant to measure was optimised away.
///
/// Calibrated with empty functions in the harness (the sample `empty`, and the test that measures
/// it): 0 without an argument or a result, 4 with both.
pub const EMPTY_INSTRUCTIONS_MAX: u64 = 4;

/// A verdict with the numbers it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement<'a> {
    /// The facts that were judged.
    pub facts: Facts<'a>,
    /// What was decided.
    pub verdict: Verdict,
    /// The metric that decided it.
    pub metric: Metric,
    /// The limit that applied.
    pub limit: Limit,
}

/// The judged run.
#[derive(Debug)]
pub struct Judgements<'a> {
    /// In id order.
    pub benchmarks: Vec<Judgement<'a>>,
    /// The most severe outcome of all.
    pub outcome: Outcome,
}

/// Decides for every benchmark and for the run.
#[must_use]
pub fn judge<'a>(comparison: &Comparison<'a>, policy: &Policy) -> Judgements<'a> {
    let benchmarks: Vec<_> = comparison
        .benchmarks
        .iter()
        .map(|facts| judge_benchmark(facts, policy))
        .collect();
    let outcome = benchmarks
        .iter()
        .map(|judgement| judgement.verdict.outcome(policy.improvement()))
        .max()
        .unwrap_or(Outcome::Pass);
    Judgements {
        benchmarks,
        outcome,
    }
}

/// Of all metrics that policy judges, the one with the most severe outcome speaks for the
/// benchmark; among equals the first, which is instructions.
fn judge_benchmark<'a>(facts: &Facts<'a>, policy: &Policy) -> Judgement<'a> {
    let judged = |metric, limit| {
        let verdict = decide(Signals::new(facts, metric, limit));
        Judgement {
            facts: *facts,
            verdict,
            metric,
            limit,
        }
    };
    let severity = |verdict: Verdict| {
        (
            verdict.outcome(policy.improvement()),
            verdict != Verdict::UNCHANGED,
        )
    };
    let instructions = policy
        .limit(facts.name_in_base(), Metric::Instructions)
        .unwrap_or(Policy::DEFAULT_LIMIT);
    let mut worst = judged(Metric::Instructions, instructions);
    for metric in Metric::ALL.into_iter().skip(1) {
        // Once base or head's tree counts a metric, it has to be there in both and in what was
        // measured, or it could be judged no more by being left out. Where neither does, there is no
        // baseline for it: an older icgate recorded them.
        let is_counted = [facts.base, facts.committed]
            .into_iter()
            .flatten()
            .any(|it| it.metrics.contains_key(&metric));
        if let (Some(limit), true) = (policy.limit(facts.name_in_base(), metric), is_counted) {
            let judgement = judged(metric, limit);
            if severity(judgement.verdict) > severity(worst.verdict) {
                worst = judgement;
            }
        }
    }
    worst
}

#[cfg(test)]
mod tests;
