//! Judges: facts and policy in, one verdict a benchmark out.
//!
//! The decision is a table. [`Signals`] are the facts reduced to what the table asks, [`TABLE`] has
//! one row for each verdict, and a test walks through every combination of signals to show that
//! exactly one row matches it.
//!
//! All arithmetic is on integers, and a change that equals the limit passes.

mod signals;

use serde::Serialize;

use crate::compare::{Comparison, Facts};
use crate::model::metric::Metric;
use crate::model::policy::{Limit, OnImprovement, Policy};
use signals::{Listed, Measured, Movement, Signals};

/// A benchmark of at most this many instructions measures its own harness: the call, the return
/// and a value kept alive take 10 to 30. What it was meant to measure was optimised away.
pub const VACUOUS_INSTRUCTIONS_MAX: u64 = 40;

/// What is decided for one benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Measured exactly what is accepted.
    Unchanged,
    /// Moved, by no more than the limit.
    Within,
    /// Base itself has left its baseline by more than the limit; this change has not left base.
    Drifted,
    /// Worse by more than the limit.
    Regressed,
    /// Better by more than the limit, and not yet in the baseline.
    Improved,
    /// Worse than base, and the new baseline says so.
    Accepted,
    /// Better than base, and the new baseline says so.
    Banked,
    /// Worse than base by more than the limit; the new baseline says so but not why.
    Unexplained,
    /// The baseline was changed to something that was not measured.
    Untrue,
    /// New, with its baseline.
    Added,
    /// Its baseline was recorded again in another measurement environment than base's, and says what was measured;
    /// what the code did is not known until base is measured there too.
    Rerecorded,
    /// Gone, with its baseline.
    Removed,
    /// A benchmark without a baseline.
    Unlisted,
    /// A baseline without its benchmark.
    Missing,
    /// Moves by more than its limit when nothing changed.
    Noisy,
    /// Measures next to nothing.
    Vacuous,
    /// Baseline and run come from different measurement environments.
    Incomparable,
}

/// What the gate does, from mild to severe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing stands in the way.
    Pass,
    /// A baseline has to be brought into step.
    BaselineOutOfDate,
    /// A hot path executes more instructions.
    Regressed,
    /// There was nothing to compare with.
    Incomparable,
    /// Some benchmarks could not be measured.
    Unmeasured,
}

impl Outcome {
    /// The word in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::BaselineOutOfDate => "baseline_out_of_date",
            Self::Regressed => "regressed",
            Self::Incomparable => "incomparable",
            Self::Unmeasured => "unmeasured",
        }
    }

    /// The process's exit code.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Regressed => 1,
            Self::Unmeasured => 3,
            Self::Incomparable => 4,
            Self::BaselineOutOfDate => 5,
        }
    }
}

impl Verdict {
    /// Every verdict, in the order of [`Verdict`].
    pub const ALL: [Self; 17] = [
        Self::Unchanged,
        Self::Within,
        Self::Drifted,
        Self::Regressed,
        Self::Improved,
        Self::Accepted,
        Self::Banked,
        Self::Unexplained,
        Self::Untrue,
        Self::Added,
        Self::Rerecorded,
        Self::Removed,
        Self::Unlisted,
        Self::Missing,
        Self::Noisy,
        Self::Vacuous,
        Self::Incomparable,
    ];

    /// The word in reports and JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Within => "within",
            Self::Drifted => "drifted",
            Self::Regressed => "regressed",
            Self::Improved => "improved",
            Self::Accepted => "accepted",
            Self::Banked => "banked",
            Self::Unexplained => "unexplained",
            Self::Untrue => "untrue",
            Self::Added => "added",
            Self::Rerecorded => "rerecorded",
            Self::Removed => "removed",
            Self::Unlisted => "unlisted",
            Self::Missing => "missing",
            Self::Noisy => "noisy",
            Self::Vacuous => "vacuous",
            Self::Incomparable => "incomparable",
        }
    }

    /// What the verdict of one benchmark means for the gate.
    #[must_use]
    pub const fn outcome(self, on_improvement: OnImprovement) -> Outcome {
        match self {
            Self::Unchanged
            | Self::Within
            | Self::Drifted
            | Self::Accepted
            | Self::Banked
            | Self::Added
            | Self::Removed => Outcome::Pass,
            Self::Improved => match on_improvement {
                OnImprovement::Fail => Outcome::BaselineOutOfDate,
                OnImprovement::Notice => Outcome::Pass,
            },
            Self::Unexplained
            | Self::Untrue
            | Self::Unlisted
            | Self::Missing
            | Self::Noisy
            | Self::Vacuous => Outcome::BaselineOutOfDate,
            Self::Regressed => Outcome::Regressed,
            Self::Rerecorded | Self::Incomparable => Outcome::Incomparable,
        }
    }
}

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
        let verdict = Signals::new(facts, metric, limit).verdict();
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
            verdict != Verdict::Unchanged,
        )
    };
    let instructions = policy
        .limit(facts.id, Metric::Instructions)
        .unwrap_or(Policy::DEFAULT_LIMIT);
    let mut worst = judged(Metric::Instructions, instructions);
    for metric in Metric::ALL.into_iter().skip(1) {
        // What base counts and a rule judges has to be there in head, or it could be judged no more
        // by being left out. A missing count reads as zero, which no edit or measurement explains.
        let in_base = facts
            .base
            .or(facts.committed)
            .is_some_and(|it| it.metrics.contains_key(&metric));
        if let (Some(limit), true) = (policy.limit(facts.id, metric), in_base) {
            let judgement = judged(metric, limit);
            if severity(judgement.verdict) > severity(worst.verdict) {
                worst = judgement;
            }
        }
    }
    worst
}

/// One row of the decision table.
struct Row {
    verdict: Verdict,
    when: fn(Signals) -> bool,
}

/// The decision table: for every combination of signals exactly one row matches.
const TABLE: [Row; 17] = [
    Row {
        verdict: Verdict::Removed,
        when: |s| s.measured == Measured::Absent && !s.is_listed(),
    },
    Row {
        verdict: Verdict::Missing,
        when: |s| s.measured == Measured::Absent && s.is_listed(),
    },
    Row {
        verdict: Verdict::Vacuous,
        when: |s| s.measured == Measured::Vacuous,
    },
    Row {
        verdict: Verdict::Unlisted,
        when: |s| s.measured == Measured::Counted && !s.is_listed(),
    },
    Row {
        verdict: Verdict::Incomparable,
        when: |s| s.measured == Measured::Counted && s.is_listed() && !s.comparable,
    },
    Row {
        verdict: Verdict::Noisy,
        when: |s| s.measured == Measured::Counted && s.is_listed() && s.comparable && s.noisy,
    },
    Row {
        verdict: Verdict::Untrue,
        when: |s| s.sound() && !s.true_baseline,
    },
    Row {
        verdict: Verdict::Added,
        when: |s| {
            s.sound() && s.listed == Listed::CommittedOnly && s.true_baseline && !s.rerecorded
        },
    },
    Row {
        verdict: Verdict::Rerecorded,
        when: |s| s.sound() && s.listed == Listed::CommittedOnly && s.true_baseline && s.rerecorded,
    },
    Row {
        verdict: Verdict::Accepted,
        when: |s| {
            s.proven()
                && (s.movement == Movement::WorseWithin
                    || s.movement == Movement::WorseBeyond && s.reasoned)
        },
    },
    Row {
        verdict: Verdict::Unexplained,
        when: |s| s.proven() && s.movement == Movement::WorseBeyond && !s.reasoned,
    },
    Row {
        verdict: Verdict::Banked,
        when: |s| {
            s.proven()
                && matches!(
                    s.movement,
                    Movement::Still | Movement::BetterWithin | Movement::BetterBeyond
                )
        },
    },
    Row {
        verdict: Verdict::Unchanged,
        when: |s| s.untouched() && s.movement == Movement::Still && !s.drifted,
    },
    Row {
        verdict: Verdict::Within,
        when: |s| {
            s.untouched()
                && matches!(s.movement, Movement::WorseWithin | Movement::BetterWithin)
                && !s.drifted
        },
    },
    Row {
        verdict: Verdict::Drifted,
        when: |s| {
            s.untouched()
                && matches!(
                    s.movement,
                    Movement::Still | Movement::WorseWithin | Movement::BetterWithin
                )
                && s.drifted
        },
    },
    Row {
        verdict: Verdict::Regressed,
        when: |s| s.untouched() && s.movement == Movement::WorseBeyond,
    },
    Row {
        verdict: Verdict::Improved,
        when: |s| s.untouched() && s.movement == Movement::BetterBeyond,
    },
];

#[cfg(test)]
mod tests;
