//! Judges: facts and policy in, one verdict a benchmark out.
//!
//! The decision is a table. [`Signals`] are the facts reduced to what the table asks, [`TABLE`] has
//! one row for each verdict, and a test walks through every combination of signals to show that
//! exactly one row matches it.
//!
//! All arithmetic is on integers, and a change that equals the limit passes.

use serde::Serialize;

use crate::baseline::Accepted;
use crate::compare::{Comparison, Facts};
use crate::metric::Metric;
use crate::policy::{Limit, OnImprovement, Policy};

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
    /// Baseline and run come from different chambers.
    Incomparable,
}

/// What the gate does, from mild to severe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing stands in the way.
    Pass,
    /// A baseline has to be brought into step.
    OutOfStep,
    /// A hot path executes more instructions.
    Regressed,
    /// There was nothing to compare with.
    Incomparable,
}

impl Outcome {
    /// The process's exit code.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Regressed => 1,
            Self::Incomparable => 4,
            Self::OutOfStep => 5,
        }
    }
}

impl Verdict {
    /// Every verdict, in the order of [`Verdict`].
    pub const ALL: [Self; 15] = [
        Self::Unchanged,
        Self::Within,
        Self::Regressed,
        Self::Improved,
        Self::Accepted,
        Self::Banked,
        Self::Unexplained,
        Self::Untrue,
        Self::Added,
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
            Self::Regressed => "regressed",
            Self::Improved => "improved",
            Self::Accepted => "accepted",
            Self::Banked => "banked",
            Self::Unexplained => "unexplained",
            Self::Untrue => "untrue",
            Self::Added => "added",
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
            | Self::Accepted
            | Self::Banked
            | Self::Added
            | Self::Removed => Outcome::Pass,
            Self::Improved => match on_improvement {
                OnImprovement::Fail => Outcome::OutOfStep,
                OnImprovement::Notice => Outcome::Pass,
            },
            Self::Unexplained
            | Self::Untrue
            | Self::Unlisted
            | Self::Missing
            | Self::Noisy
            | Self::Vacuous => Outcome::OutOfStep,
            Self::Regressed => Outcome::Regressed,
            Self::Incomparable => Outcome::Incomparable,
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
        // A metric that either side lacks was not measured; only instructions must be there.
        let measured = facts
            .measured
            .is_some_and(|it| it.metrics.contains_key(&metric));
        let accepted = facts
            .committed
            .is_some_and(|it| it.metrics.contains_key(&metric));
        if let (Some(limit), true, true) = (policy.limit(facts.id, metric), measured, accepted) {
            let judgement = judged(metric, limit);
            if severity(judgement.verdict) > severity(worst.verdict) {
                worst = judgement;
            }
        }
    }
    worst
}

/// What the table asks about the measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measured {
    Absent,
    Vacuous,
    Counted,
}

/// What the table asks about the baselines of base and of head's tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listed {
    Nowhere,
    BaseOnly,
    CommittedOnly,
    Same,
    Edited,
}

/// How the measurement moved against base (against the committed baseline where base has none).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Movement {
    Still,
    WorseWithin,
    WorseBeyond,
    BetterWithin,
    BetterBeyond,
}

/// The facts of one benchmark and metric, reduced to what the table asks.
#[expect(
    clippy::struct_excessive_bools,
    reason = "the columns of a decision table"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Signals {
    measured: Measured,
    listed: Listed,
    comparable: bool,
    noisy: bool,
    /// Committed equals measured, up to the floor.
    true_baseline: bool,
    reasoned: bool,
    movement: Movement,
}

impl Signals {
    fn new(facts: &Facts<'_>, metric: Metric, limit: Limit) -> Self {
        let count = |accepted: Option<&Accepted>| {
            accepted.map(|it| it.metrics.get(&metric).copied().unwrap_or(0))
        };
        let (base, committed) = (count(facts.base), count(facts.committed));
        let head = facts
            .measured
            .map(|it| it.metrics.get(&metric).copied().unwrap_or(0));
        // A floor counts once base has it: an edit must not bring its own slack.
        let floor = facts
            .base
            .or(facts.committed)
            .map_or(0, |accepted| accepted.floor);
        let vacuous = facts
            .measured
            .is_some_and(|it| it.instructions() <= VACUOUS_INSTRUCTIONS_MAX);
        Self {
            measured: match head {
                None => Measured::Absent,
                Some(_) if vacuous => Measured::Vacuous,
                Some(_) => Measured::Counted,
            },
            listed: match (base, committed) {
                (None, None) => Listed::Nowhere,
                (Some(_), None) => Listed::BaseOnly,
                (None, Some(_)) => Listed::CommittedOnly,
                (Some(base), Some(committed)) if base == committed => Listed::Same,
                (Some(_), Some(_)) => Listed::Edited,
            },
            comparable: facts.comparable,
            noisy: facts.committed.is_some_and(|accepted| {
                let count = accepted.instructions();
                limit.is_exceeded(count, count.saturating_add(facts.floor()))
            }),
            true_baseline: match (committed, head) {
                (Some(committed), Some(head)) => committed.abs_diff(head) <= floor,
                _ => false,
            },
            reasoned: facts
                .committed
                .is_some_and(|accepted| accepted.reason.is_some()),
            movement: movement(base.or(committed).unwrap_or(0), head.unwrap_or(0), limit),
        }
    }

    fn verdict(self) -> Verdict {
        let row = TABLE.iter().find(|row| (row.when)(self));
        row.expect("the table has a row for every combination, as its test shows")
            .verdict
    }

    /// Measured, listed in head's tree, and judgeable against it.
    fn sound(self) -> bool {
        self.measured == Measured::Counted
            && matches!(
                self.listed,
                Listed::CommittedOnly | Listed::Same | Listed::Edited
            )
            && self.comparable
            && !self.noisy
    }

    /// Head's tree says something new, and it is what was measured.
    fn proven(self) -> bool {
        self.sound() && self.listed == Listed::Edited && self.true_baseline
    }

    /// Head's tree says what base says.
    fn untouched(self) -> bool {
        self.sound() && self.listed == Listed::Same
    }
}

fn movement(base: u64, head: u64, limit: Limit) -> Movement {
    match (head.cmp(&base), limit.is_exceeded(base, head)) {
        (std::cmp::Ordering::Equal, _) => Movement::Still,
        (std::cmp::Ordering::Greater, false) => Movement::WorseWithin,
        (std::cmp::Ordering::Greater, true) => Movement::WorseBeyond,
        (std::cmp::Ordering::Less, false) => Movement::BetterWithin,
        (std::cmp::Ordering::Less, true) => Movement::BetterBeyond,
    }
}

/// One row of the decision table.
struct Row {
    verdict: Verdict,
    when: fn(Signals) -> bool,
}

/// The decision table: for every combination of signals exactly one row matches.
const TABLE: [Row; 15] = [
    Row {
        verdict: Verdict::Removed,
        when: |s| {
            s.measured == Measured::Absent && matches!(s.listed, Listed::BaseOnly | Listed::Nowhere)
        },
    },
    Row {
        verdict: Verdict::Missing,
        when: |s| {
            s.measured == Measured::Absent
                && matches!(
                    s.listed,
                    Listed::CommittedOnly | Listed::Same | Listed::Edited
                )
        },
    },
    Row {
        verdict: Verdict::Vacuous,
        when: |s| s.measured == Measured::Vacuous,
    },
    Row {
        verdict: Verdict::Unlisted,
        when: |s| {
            s.measured == Measured::Counted
                && matches!(s.listed, Listed::Nowhere | Listed::BaseOnly)
        },
    },
    Row {
        verdict: Verdict::Incomparable,
        when: |s| {
            s.measured == Measured::Counted
                && matches!(
                    s.listed,
                    Listed::CommittedOnly | Listed::Same | Listed::Edited
                )
                && !s.comparable
        },
    },
    Row {
        verdict: Verdict::Noisy,
        when: |s| {
            s.measured == Measured::Counted
                && matches!(
                    s.listed,
                    Listed::CommittedOnly | Listed::Same | Listed::Edited
                )
                && s.comparable
                && s.noisy
        },
    },
    Row {
        verdict: Verdict::Untrue,
        when: |s| {
            s.sound()
                && matches!(s.listed, Listed::CommittedOnly | Listed::Edited)
                && !s.true_baseline
        },
    },
    Row {
        verdict: Verdict::Added,
        when: |s| s.sound() && s.listed == Listed::CommittedOnly && s.true_baseline,
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
        when: |s| s.untouched() && s.movement == Movement::Still,
    },
    Row {
        verdict: Verdict::Within,
        when: |s| {
            s.untouched() && matches!(s.movement, Movement::WorseWithin | Movement::BetterWithin)
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
mod tests {
    use super::*;
    use crate::baseline::tests::accepted;
    use crate::bench_id::BenchId;
    use crate::run::Measurement;

    /// Every combination of signals.
    fn all_signals() -> Vec<Signals> {
        let mut all = Vec::new();
        for measured in [Measured::Absent, Measured::Vacuous, Measured::Counted] {
            for listed in [
                Listed::Nowhere,
                Listed::BaseOnly,
                Listed::CommittedOnly,
                Listed::Same,
                Listed::Edited,
            ] {
                for movement in [
                    Movement::Still,
                    Movement::WorseWithin,
                    Movement::WorseBeyond,
                    Movement::BetterWithin,
                    Movement::BetterBeyond,
                ] {
                    for bits in 0..16_u8 {
                        let bit = |n: u8| bits & (1 << n) != 0;
                        all.push(Signals {
                            measured,
                            listed,
                            movement,
                            comparable: bit(0),
                            noisy: bit(1),
                            true_baseline: bit(2),
                            reasoned: bit(3),
                        });
                    }
                }
            }
        }
        all
    }

    #[test]
    fn exactly_one_row_matches_every_combination() {
        let all = all_signals();
        assert_eq!(all.len(), 3 * 5 * 5 * 16);
        for signals in all {
            let matching: Vec<_> = TABLE
                .iter()
                .filter(|row| (row.when)(signals))
                .map(|row| row.verdict)
                .collect();
            assert_eq!(matching.len(), 1, "{signals:?} matches {matching:?}");
        }
    }

    #[test]
    fn every_verdict_has_one_row_and_can_be_reached() {
        for verdict in Verdict::ALL {
            assert_eq!(
                TABLE.iter().filter(|row| row.verdict == verdict).count(),
                1,
                "{verdict:?}"
            );
            assert!(
                all_signals()
                    .iter()
                    .any(|signals| signals.verdict() == verdict),
                "{verdict:?}"
            );
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.word());
        }
    }

    #[test]
    fn nothing_passes_that_was_not_counted_comparable_quiet_and_true() {
        for signals in all_signals() {
            if signals.verdict().outcome(OnImprovement::Fail) == Outcome::Pass
                && signals.verdict() != Verdict::Removed
            {
                assert_eq!(signals.measured, Measured::Counted, "{signals:?}");
                assert!(signals.comparable && !signals.noisy, "{signals:?}");
                assert!(
                    signals.listed == Listed::Same || signals.true_baseline,
                    "{signals:?}"
                );
            }
        }
    }

    /// Base, committed and measured instructions → verdict, under 1 % and a floor of 50.
    fn check(base: Option<u64>, committed: Option<u64>, measured: Option<u64>, expected: Verdict) {
        let id: BenchId = "a/b/c".parse().unwrap();
        let of = |count: Option<u64>| count.map(|count| accepted("a/b/c", count));
        let (base, committed) = (of(base), of(committed));
        let measured = measured.map(|count| {
            let accepted = accepted("a/b/c", count);
            Measurement {
                id: id.clone(),
                metrics: accepted.metrics,
                functions: accepted.functions,
                lines: vec![],
                floor: 0,
            }
        });
        let facts = Facts {
            id: &id,
            base: base.as_ref(),
            committed: committed.as_ref(),
            measured: measured.as_ref(),
            comparable: true,
        };
        let judgement = judge_benchmark(&facts, &Policy::default());
        assert_eq!(
            judgement.verdict, expected,
            "{base:?} {committed:?} {measured:?}"
        );
    }

    #[test]
    fn counts_around_the_limit() {
        let same = |base, head, verdict| check(Some(base), Some(base), Some(head), verdict);
        same(10_000, 10_000, Verdict::Unchanged);
        same(10_000, 10_001, Verdict::Within);
        same(10_000, 10_100, Verdict::Within);
        same(10_000, 10_101, Verdict::Regressed);
        same(10_000, 9_900, Verdict::Within);
        same(10_000, 9_899, Verdict::Improved);
        same(1_000, 1_050, Verdict::Within);
        same(1_000, 1_051, Verdict::Regressed);
        same(10_000, VACUOUS_INSTRUCTIONS_MAX, Verdict::Vacuous);
        same(10_000, VACUOUS_INSTRUCTIONS_MAX + 1, Verdict::Improved);
        same(10_000, 0, Verdict::Vacuous);
    }

    #[test]
    fn an_edited_baseline_must_say_what_was_measured() {
        check(
            Some(10_000),
            Some(10_300),
            Some(10_300),
            Verdict::Unexplained,
        );
        check(Some(10_000), Some(10_080), Some(10_080), Verdict::Accepted);
        check(Some(10_000), Some(9_000), Some(9_000), Verdict::Banked);
        check(Some(10_000), Some(10_400), Some(10_300), Verdict::Untrue);
        check(Some(10_000), Some(10_001), Some(10_000), Verdict::Untrue);
        check(None, Some(10_001), Some(10_000), Verdict::Untrue);
        check(None, Some(10_000), Some(10_000), Verdict::Added);
    }

    #[test]
    fn a_benchmark_that_moves_by_itself_is_noisy_and_not_regressed() {
        let id: BenchId = "a/b/c".parse().unwrap();
        let base = accepted("a/b/c", 10_000);
        let judged = |in_baseline: u64, seen: u64| {
            let base = Accepted {
                floor: in_baseline,
                ..base.clone()
            };
            let head = accepted("a/b/c", 10_300);
            let measured = Measurement {
                id: id.clone(),
                metrics: head.metrics,
                functions: head.functions,
                lines: vec![],
                floor: seen,
            };
            let facts = Facts {
                id: &id,
                base: Some(&base),
                committed: Some(&base),
                measured: Some(&measured),
                comparable: true,
            };
            judge_benchmark(&facts, &Policy::default()).verdict
        };
        assert_eq!(judged(0, 0), Verdict::Regressed);
        assert_eq!(judged(100, 100), Verdict::Regressed);
        assert_eq!(judged(101, 0), Verdict::Noisy);
        assert_eq!(judged(0, 101), Verdict::Noisy);
    }

    #[test]
    fn benchmarks_and_baselines_come_and_go_together() {
        check(None, None, Some(10_000), Verdict::Unlisted);
        check(Some(10_000), None, Some(10_000), Verdict::Unlisted);
        check(Some(10_000), Some(10_000), None, Verdict::Missing);
        check(Some(10_000), None, None, Verdict::Removed);
    }

    #[test]
    fn the_most_severe_outcome_decides_the_exit_code() {
        let codes = [
            Outcome::Incomparable,
            Outcome::Regressed,
            Outcome::OutOfStep,
            Outcome::Pass,
        ];
        assert!(codes.is_sorted_by(|a, b| a > b));
        assert_eq!(codes.map(Outcome::exit_code), [4, 1, 5, 0]);
        let improved = Verdict::Improved;
        assert_eq!(improved.outcome(OnImprovement::Notice), Outcome::Pass);
        assert_eq!(improved.outcome(OnImprovement::Fail), Outcome::OutOfStep);
    }
}
