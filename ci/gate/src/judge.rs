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
use crate::metric::{Metric, Metrics};
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
    /// Its baseline was recorded anew in another chamber than base's, and says what was measured.
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
    /// Some benchmarks could not be measured.
    Unmeasured,
}

impl Outcome {
    /// The process's exit code.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Regressed => 1,
            Self::Unmeasured => 3,
            Self::Incomparable => 4,
            Self::OutOfStep => 5,
        }
    }
}

impl Verdict {
    /// Every verdict, in the order of [`Verdict`].
    pub const ALL: [Self; 16] = [
        Self::Unchanged,
        Self::Within,
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
            | Self::Accepted
            | Self::Banked
            | Self::Added
            | Self::Rerecorded
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
    rerecorded: bool,
    noisy: bool,
    /// What head's tree says anew, if anything, is what was measured.
    true_baseline: bool,
    reasoned: bool,
    movement: Movement,
}

impl Signals {
    fn new(facts: &Facts<'_>, metric: Metric, limit: Limit) -> Self {
        let count = |accepted: Option<&Accepted>| {
            accepted.map(|it| it.metrics.get(&metric).copied().unwrap_or(0))
        };
        // A base of another chamber says nothing about this one.
        let base = facts.base.filter(|_| !facts.rerecorded);
        let reason = |accepted: Option<&Accepted>| {
            accepted
                .and_then(|it| it.reason.clone())
                .filter(|text| !text.trim().is_empty())
        };
        let new_reason = reason(facts.committed).filter(|text| reason(base).as_ref() != Some(text));
        let true_baseline = says_what_was_measured(base, facts, metric);
        let (base, committed) = (count(base), count(facts.committed));
        let head = facts
            .measured
            .map(|it| it.metrics.get(&metric).copied().unwrap_or(0));
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
            rerecorded: facts.rerecorded,
            noisy: facts.committed.is_some_and(|accepted| {
                let count = accepted.instructions();
                limit.is_exceeded(count, count.saturating_add(facts.floor()))
            }),
            true_baseline,
            reasoned: new_reason.is_some(),
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
        self.sound() && self.listed == Listed::Same && self.true_baseline
    }
}

/// Whether head's tree, where it says anything but what base says, says what was measured: the
/// count, and the functions behind it, which later causes are told from.
///
/// A floor counts once base has it, and for instructions only: an edit must not bring its own
/// slack. The functions of a benchmark that moves by itself differ each time.
fn says_what_was_measured(base: Option<&Accepted>, facts: &Facts<'_>, metric: Metric) -> bool {
    let (Some(committed), Some(measured)) = (facts.committed, facts.measured) else {
        return false;
    };
    let count = |metrics: &Metrics| metrics.get(&metric).copied().unwrap_or(0);
    let floor = base.map_or(0, |it| {
        if metric == Metric::Instructions {
            it.floor
        } else {
            0
        }
    });
    let as_base = base.is_some_and(|it| count(&it.metrics) == count(&committed.metrics));
    let as_measured = count(&committed.metrics).abs_diff(count(&measured.metrics)) <= floor;
    let functions = floor > 0
        || base.is_some_and(|it| it.functions == committed.functions)
        || committed.functions == measured.functions.condensed();
    (as_base || as_measured) && functions
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
const TABLE: [Row; 16] = [
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
                    for bits in 0..32_u8 {
                        let bit = |n: u8| bits & (1 << n) != 0;
                        all.push(Signals {
                            measured,
                            listed,
                            movement,
                            comparable: bit(0),
                            noisy: bit(1),
                            true_baseline: bit(2),
                            reasoned: bit(3),
                            rerecorded: bit(4),
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
        assert_eq!(all.len(), 3 * 5 * 5 * 32);
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
                assert!(signals.true_baseline, "{signals:?}");
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
            rerecorded: false,
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
                rerecorded: false,
            };
            judge_benchmark(&facts, &Policy::default()).verdict
        };
        assert_eq!(judged(0, 0), Verdict::Regressed);
        assert_eq!(judged(100, 100), Verdict::Regressed);
        assert_eq!(judged(101, 0), Verdict::Noisy);
        assert_eq!(judged(0, 101), Verdict::Noisy);
    }

    /// The verdict for a measurement of 10,000 instructions, whatever base and head's tree say.
    fn judge_edit(
        base: &Accepted,
        committed: &Accepted,
        policy: &str,
        rerecorded: bool,
    ) -> Verdict {
        let measured = accepted("a/b/c", 10_000);
        let measured = Measurement {
            id: measured.id,
            metrics: measured.metrics,
            functions: measured.functions,
            lines: vec![],
            floor: 0,
        };
        let facts = Facts {
            id: &measured.id,
            base: Some(base),
            committed: Some(committed),
            measured: Some(&measured),
            comparable: true,
            rerecorded,
        };
        let policy = Policy::from_toml("policy.toml", &format!("format = 1\n{policy}")).unwrap();
        judge_benchmark(&facts, &policy).verdict
    }

    #[test]
    fn an_edit_brings_neither_slack_nor_another_story() {
        let honest = accepted("a/b/c", 10_000);
        let same = |edit: fn(&mut Accepted)| {
            let mut committed = honest.clone();
            edit(&mut committed);
            judge_edit(&honest, &committed, "", false)
        };
        assert_eq!(same(|_| {}), Verdict::Unchanged);
        let other_functions = same(|it| it.functions = accepted("a/b/c", 9_000).functions);
        assert_eq!(other_functions, Verdict::Untrue);
        let mut slack = accepted("a/b/c", 10_040);
        slack.floor = 49;
        assert_eq!(judge_edit(&honest, &slack, "", false), Verdict::Untrue);
    }

    #[test]
    fn a_judged_metric_cannot_be_left_out() {
        let base = accepted("a/b/c", 10_000);
        let rule = "[[rule]]\nbenchmarks = \"**\"\nmetric = \"data_reads\"";
        assert_eq!(judge_edit(&base, &base, rule, false), Verdict::Unchanged);
        let mut without = base.clone();
        without.metrics.remove(&Metric::DataReads);
        assert_eq!(judge_edit(&base, &without, rule, false), Verdict::Untrue);
        assert_eq!(judge_edit(&base, &without, "", false), Verdict::Unchanged);
    }

    #[test]
    fn a_worsening_needs_a_reason_of_its_own() {
        let mut base = accepted("a/b/c", 9_000);
        base.reason = Some("an old story".to_owned());
        let judged = |reason: Option<&str>| {
            let mut committed = accepted("a/b/c", 10_000);
            committed.reason = reason.map(str::to_owned);
            judge_edit(&base, &committed, "", false)
        };
        assert_eq!(judged(None), Verdict::Unexplained);
        assert_eq!(judged(Some(" ")), Verdict::Unexplained);
        assert_eq!(judged(Some("an old story")), Verdict::Unexplained);
        assert_eq!(judged(Some("a new one")), Verdict::Accepted);
    }

    #[test]
    fn a_base_of_another_chamber_is_no_measure() {
        let base = accepted("a/b/c", 9_000);
        let recorded = accepted("a/b/c", 10_000);
        assert_eq!(judge_edit(&base, &recorded, "", true), Verdict::Rerecorded);
        assert_eq!(judge_edit(&base, &base, "", true), Verdict::Untrue);
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
            Outcome::Unmeasured,
            Outcome::Incomparable,
            Outcome::Regressed,
            Outcome::OutOfStep,
            Outcome::Pass,
        ];
        assert!(codes.is_sorted_by(|a, b| a > b));
        assert_eq!(codes.map(Outcome::exit_code), [3, 4, 1, 5, 0]);
        let improved = Verdict::Improved;
        assert_eq!(improved.outcome(OnImprovement::Notice), Outcome::Pass);
        assert_eq!(improved.outcome(OnImprovement::Fail), Outcome::OutOfStep);
    }
}
