use std::collections::BTreeSet;

use strum::VariantArray as _;

use super::signals::{Base, Claim, Listed, Measured, Noise, Reason, Recorded};
use super::*;
use crate::compare::compare;
use crate::model::baseline::tests::{accepted, measured};
use crate::model::baseline::{Accepted, Baseline, Baselines, Removed};
use crate::model::bench_id::BenchId;
use crate::model::policy::OnImprovement;
use crate::model::run::{Measurement, RUN_FORMAT, Run};

/// Every combination of signals.
fn all_signals() -> Vec<Signals> {
    let mut all = Vec::new();
    for measured in [Measured::Absent, Measured::Tiny, Measured::Count] {
        for listed in [
            Listed::Nowhere,
            Listed::BaseOnly,
            Listed::HeadOnly,
            Listed::Same,
            Listed::Edited,
        ] {
            for recorded in [Recorded::Here, Recorded::Elsewhere, Recorded::Again] {
                for noise in [Noise::BelowLimit, Noise::AboveLimit, Noise::Exceeded] {
                    for &movement in Movement::VARIANTS {
                        for bits in 0..8_u8 {
                            let bit = |n: u8| bits & (1 << n) != 0;
                            all.push(Signals {
                                measured,
                                listed,
                                recorded,
                                noise,
                                claim: [Claim::Matches, Claim::Differs][usize::from(bit(0))],
                                movement,
                                reason: [Reason::Given, Reason::NotGiven][usize::from(bit(1))],
                                base: [Base::OnBaseline, Base::OffBaseline][usize::from(bit(2))],
                            });
                        }
                    }
                }
            }
        }
    }
    assert_eq!(all.len(), 3 * 5 * 3 * 3 * 4 * 8);
    all
}

/// The combinations that pass, under the mildest policy.
fn passing() -> impl Iterator<Item = Signals> {
    let passes = |it: &Signals| decide(*it).outcome(OnImprovement::Notice) == Outcome::Pass;
    all_signals().into_iter().filter(passes)
}

#[test]
fn every_state_can_be_reached_and_has_its_own_word() {
    let mut words = BTreeSet::new();
    for &state in BaselineState::VARIANTS {
        let reached = |it: &Signals| decide(*it).baseline == state;
        assert!(all_signals().iter().any(reached), "{state:?}");
        assert_eq!(serde_json::to_value(state).unwrap(), state.word());
        assert!(words.insert(state.word()), "{state:?}");
    }
    for &movement in Movement::VARIANTS {
        assert_eq!(serde_json::to_value(movement).unwrap(), movement.word());
        assert!(words.insert(movement.word()), "{movement:?}");
    }
    for &outcome in Outcome::VARIANTS {
        assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.word());
    }
}

#[test]
fn nothing_worse_than_its_limit_passes_without_an_accepted_reason() {
    for signals in passing().filter(|it| it.measured == Measured::Count) {
        // What base does not have cannot be worse than base.
        if signals.movement == Movement::Regressed && signals.listed != Listed::HeadOnly {
            assert_eq!(decide(signals).baseline, BaselineState::Accepted);
            assert_eq!(signals.listed, Listed::Edited, "{signals:?}");
            assert_eq!(signals.claim, Claim::Matches, "{signals:?}");
            assert_eq!(signals.reason, Reason::Given, "{signals:?}");
        }
    }
}

#[test]
fn what_was_not_measured_passes_only_as_removed_with_a_reason() {
    for signals in passing().filter(|it| it.measured != Measured::Count) {
        assert_eq!(signals.measured, Measured::Absent, "{signals:?}");
        assert!(
            matches!(signals.listed, Listed::Nowhere | Listed::BaseOnly),
            "{signals:?}"
        );
        assert_eq!(signals.reason, Reason::Given, "{signals:?}");
        assert_eq!(decide(signals).baseline, BaselineState::Removed);
    }
}

#[test]
fn what_passes_is_comparable_quiet_and_true() {
    for signals in passing().filter(|it| it.measured == Measured::Count) {
        assert_ne!(signals.recorded, Recorded::Elsewhere, "{signals:?}");
        assert_eq!(signals.noise, Noise::BelowLimit, "{signals:?}");
        assert_eq!(signals.claim, Claim::Matches, "{signals:?}");
    }
}

#[test]
fn noise_excuses_nothing_that_exceeds_it() {
    let plain_regression = |it: &Signals| {
        let quiet = Signals {
            noise: Noise::BelowLimit,
            ..*it
        };
        decide(quiet) == Verdict::REGRESSED
    };
    for signals in all_signals().into_iter().filter(plain_regression) {
        let excused = signals.noise == Noise::AboveLimit;
        assert_eq!(
            decide(signals) != Verdict::REGRESSED,
            excused,
            "{signals:?}"
        );
    }
}

#[test]
fn a_kept_baseline_is_never_decided_with_an_unrecorded_gain() {
    for signals in all_signals() {
        let verdict = decide(signals);
        if verdict.baseline == BaselineState::Kept {
            assert!(
                matches!(
                    verdict.movement,
                    Some(Movement::Unchanged | Movement::WithinLimit | Movement::Regressed)
                ),
                "{signals:?}"
            );
        }
    }
}

#[test]
fn a_whole_run_judges_all_that_base_knows() {
    let ids = ["a/x/1", "a/x/2", "b/x/1"];
    let environment = crate::model::environment::tests::environment();
    let baselines = Baselines::new(["a", "b"].map(|suite| {
        Baseline {
            suite: suite.to_owned(),
            environment: environment.clone(),
            benchmarks: ids
                .iter()
                .filter(|id| id.starts_with(suite))
                .map(|id| accepted(id, 10_000))
                .collect(),
            removed: Vec::new(),
        }
    }));
    for present in 0..8_u8 {
        let is_there = |at: usize| present & (1 << at) != 0;
        let there = ids.iter().enumerate().filter(|(at, _)| is_there(*at));
        let run = Run {
            format: RUN_FORMAT,
            commit: None,
            complete: true,
            part: None,
            environment: environment.clone(),
            failed: Vec::new(),
            benchmarks: there.map(|(_, id)| measured(id, 10_000)).collect(),
        };
        let judged = judge(&compare(&baselines, &baselines, &run), &Policy::default());
        assert_eq!(judged.benchmarks.len(), ids.len());
        assert_eq!(judged.outcome == Outcome::Pass, present == 7, "{present:b}");
    }
}

/// Base, committed and measured instructions → verdict, under 1 % and a noise of 50.
fn check(base: Option<u64>, committed: Option<u64>, measured: Option<u64>, expected: Verdict) {
    let id: BenchId = "a/b/c".parse().unwrap();
    let of = |count: Option<u64>| count.map(|count| accepted("a/b/c", count));
    let (base, committed) = (of(base), of(committed));
    let measured = measured.map(|count| self::measured("a/b/c", count));
    let facts = Facts {
        id: &id,
        base: base.as_ref(),
        committed: committed.as_ref(),
        measured: measured.as_ref(),
        comparable: true,
        rebaselined: false,
        base_run: None,
        former: None,
        removal: None,
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
    same(10_000, 10_000, Verdict::UNCHANGED);
    same(10_000, 10_001, Verdict::WITHIN_LIMIT);
    same(10_000, 10_100, Verdict::WITHIN_LIMIT);
    same(10_000, 10_101, Verdict::REGRESSED);
    same(10_000, 9_900, Verdict::WITHIN_LIMIT);
    same(10_000, 9_899, Verdict::IMPROVED);
    same(1_000, 1_050, Verdict::WITHIN_LIMIT);
    same(1_000, 1_051, Verdict::REGRESSED);
    same(
        10_000,
        EMPTY_INSTRUCTIONS_MAX,
        Verdict::without_movement(BaselineState::Empty),
    );
    same(10_000, EMPTY_INSTRUCTIONS_MAX + 1, Verdict::IMPROVED);
    same(10_000, 0, Verdict::without_movement(BaselineState::Empty));
}

#[test]
fn an_edited_baseline_must_say_what_was_measured() {
    check(
        Some(10_000),
        Some(10_300),
        Some(10_300),
        Verdict::new(Movement::Regressed, BaselineState::ReasonMissing),
    );
    check(
        Some(10_000),
        Some(10_080),
        Some(10_080),
        Verdict::new(Movement::WithinLimit, BaselineState::Accepted),
    );
    check(
        Some(10_000),
        Some(9_000),
        Some(9_000),
        Verdict::new(Movement::Improved, BaselineState::Accepted),
    );
    check(
        Some(10_000),
        Some(10_400),
        Some(10_300),
        Verdict::new(Movement::Regressed, BaselineState::BaselineMismatch),
    );
    check(
        Some(10_000),
        Some(10_001),
        Some(10_000),
        Verdict::new(Movement::Unchanged, BaselineState::BaselineMismatch),
    );
    check(
        None,
        Some(10_001),
        Some(10_000),
        Verdict::without_movement(BaselineState::BaselineMismatch),
    );
    check(
        None,
        Some(10_000),
        Some(10_000),
        Verdict::without_movement(BaselineState::Added),
    );
}

#[test]
fn a_benchmark_that_moves_by_itself_is_noisy_unless_it_exceeds_its_noise() {
    let id: BenchId = "a/b/c".parse().unwrap();
    let base = accepted("a/b/c", 10_000);
    let judged = |in_baseline: u64, seen: u64| {
        let base = Accepted {
            noise: in_baseline,
            ..base.clone()
        };
        let head = accepted("a/b/c", 10_300);
        let measured = Measurement {
            calls: crate::model::call_graph::CallGraph::default(),
            id: id.clone(),
            metrics: head.metrics,
            functions: head.functions,
            lines: vec![],
            noise: seen,
        };
        let facts = Facts {
            id: &id,
            base: Some(&base),
            committed: Some(&base),
            measured: Some(&measured),
            comparable: true,
            rebaselined: false,
            base_run: None,
            former: None,
            removal: None,
        };
        judge_benchmark(&facts, &Policy::default()).verdict
    };
    assert_eq!(judged(0, 0), Verdict::REGRESSED);
    assert_eq!(judged(100, 100), Verdict::REGRESSED);
    // More noise than the limit, but 300 less 199 is still over it.
    assert_eq!(judged(101, 0), Verdict::REGRESSED);
    assert_eq!(judged(0, 199), Verdict::REGRESSED);
    let noisy = Verdict::without_movement(BaselineState::Noisy);
    assert_eq!(judged(200, 0), noisy);
    assert_eq!(judged(0, 200), noisy);
}

/// The verdict for a measurement of 10,000 instructions, whatever base and head's tree say.
fn judge_edit(base: &Accepted, committed: &Accepted, policy: &str, rebaselined: bool) -> Verdict {
    let measured = measured("a/b/c", 10_000);
    let facts = Facts {
        id: &measured.id,
        base: Some(base),
        committed: Some(committed),
        measured: Some(&measured),
        comparable: true,
        rebaselined,
        base_run: None,
        former: None,
        removal: None,
    };
    let policy = Policy::from_toml("policy.toml", &format!("format = 2\n{policy}")).unwrap();
    judge_benchmark(&facts, &policy).verdict
}

#[test]
fn an_edit_brings_neither_slack_nor_other_functions() {
    let honest = accepted("a/b/c", 10_000);
    let same = |edit: fn(&mut Accepted)| {
        let mut committed = honest.clone();
        edit(&mut committed);
        judge_edit(&honest, &committed, "", false)
    };
    assert_eq!(same(|_| {}), Verdict::UNCHANGED);
    let other_functions = same(|it| it.functions = accepted("a/b/c", 9_000).functions);
    assert_eq!(
        other_functions,
        Verdict::new(Movement::Unchanged, BaselineState::BaselineMismatch)
    );
    let mut slack = accepted("a/b/c", 10_040);
    slack.noise = 49;
    assert_eq!(
        judge_edit(&honest, &slack, "", false),
        Verdict::new(Movement::Unchanged, BaselineState::BaselineMismatch)
    );
}

#[test]
fn a_judged_metric_cannot_be_left_out() {
    let base = accepted("a/b/c", 10_000);
    let rule = "[[rule]]\nbenchmarks = \"**\"\nmetric = \"data_reads\"";
    assert_eq!(judge_edit(&base, &base, rule, false), Verdict::UNCHANGED);
    let mut without = base.clone();
    without.metrics.remove(&Metric::DataReads);
    assert_eq!(
        judge_edit(&base, &without, rule, false),
        Verdict::new(Movement::Unchanged, BaselineState::BaselineMismatch)
    );
    assert_eq!(judge_edit(&base, &without, "", false), Verdict::UNCHANGED);
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
    assert_eq!(
        judged(None),
        Verdict::new(Movement::Regressed, BaselineState::ReasonMissing)
    );
    assert_eq!(
        judged(Some(" ")),
        Verdict::new(Movement::Regressed, BaselineState::ReasonMissing)
    );
    assert_eq!(
        judged(Some("an old story")),
        Verdict::new(Movement::Regressed, BaselineState::ReasonMissing)
    );
    assert_eq!(
        judged(Some("a new one")),
        Verdict::new(Movement::Regressed, BaselineState::Accepted)
    );
}

#[test]
fn a_base_of_another_environment_is_no_measure() {
    let base = accepted("a/b/c", 9_000);
    let recorded = accepted("a/b/c", 10_000);
    assert_eq!(
        judge_edit(&base, &recorded, "", true),
        Verdict::without_movement(BaselineState::Rebaselined)
    );
    assert_eq!(
        judge_edit(&base, &base, "", true),
        Verdict::without_movement(BaselineState::BaselineMismatch)
    );
}

/// The verdict for these instructions, with base's code measured beside.
fn judge_with_base_run(
    base: (u64, Recorded),
    committed: (u64, Recorded),
    base_run: u64,
    head: u64,
) -> Verdict {
    let (base_run, head) = (measured("a/b/c", base_run), measured("a/b/c", head));
    let (accepted_base, accepted_head) =
        (accepted("a/b/c", base.0), accepted("a/b/c", committed.0));
    let facts = Facts {
        id: &head.id,
        base: Some(&accepted_base),
        committed: Some(&accepted_head),
        measured: Some(&head),
        comparable: committed.1 == Recorded::Here,
        rebaselined: base.1 == Recorded::Elsewhere && committed.1 == Recorded::Here,
        base_run: Some(&base_run),
        former: None,
        removal: None,
    };
    judge_benchmark(&facts, &Policy::default()).verdict
}

#[test]
fn a_change_is_judged_by_what_it_adds_to_base() {
    let judged = |base_run, head| {
        let baseline = (10_000, Recorded::Here);
        judge_with_base_run(baseline, baseline, base_run, head)
    };
    assert_eq!(judged(10_000, 10_000), Verdict::UNCHANGED);
    assert_eq!(judged(10_000, 10_101), Verdict::REGRESSED);
    // 80 were there before; with 40 more the baseline's limit is passed, but not this change's.
    assert_eq!(
        judged(10_080, 10_120),
        Verdict::new(Movement::WithinLimit, BaselineState::Drifted)
    );
    assert_eq!(
        judged(10_300, 10_300),
        Verdict::new(Movement::Unchanged, BaselineState::Drifted)
    );
    assert_eq!(
        judged(9_700, 9_700),
        Verdict::new(Movement::Unchanged, BaselineState::Drifted)
    );
    assert_eq!(
        judged(10_080, 10_100),
        Verdict::WITHIN_LIMIT,
        "equal to the limit"
    );
    assert_eq!(
        judged(10_300, 10_403),
        Verdict::new(Movement::WithinLimit, BaselineState::Drifted),
        "equal to the limit"
    );
    assert_eq!(judged(10_300, 10_404), Verdict::REGRESSED);
    assert_eq!(
        judged(9_950, 10_060),
        Verdict::REGRESSED,
        "its own, though within the baseline's limit"
    );
    assert_eq!(
        judged(10_300, 10_100),
        Verdict::WITHIN_LIMIT,
        "nothing to record"
    );
    assert_eq!(
        judged(10_500, 10_300),
        Verdict::new(Movement::WithinLimit, BaselineState::Drifted),
        "nothing to record"
    );
    assert_eq!(judged(10_300, 9_800), Verdict::IMPROVED);
    assert_eq!(
        judged(10_040, 10_040),
        Verdict::UNCHANGED,
        "none of it is this change's"
    );
}

#[test]
fn base_run_replaces_a_baseline_recorded_elsewhere() {
    use Recorded::{Elsewhere, Here};
    let untouched = |base_run, head| {
        let baseline = (10_000, Elsewhere);
        judge_with_base_run(baseline, baseline, base_run, head)
    };
    assert_eq!(untouched(12_000, 12_000), Verdict::UNCHANGED);
    assert_eq!(untouched(12_000, 12_120), Verdict::WITHIN_LIMIT);
    assert_eq!(untouched(12_000, 12_121), Verdict::REGRESSED);
    assert_eq!(untouched(12_000, 10_000), Verdict::IMPROVED);
    // Edited elsewhere: nothing here can prove it.
    let edited = judge_with_base_run((10_000, Elsewhere), (10_500, Elsewhere), 12_000, 12_000);
    assert_eq!(
        edited,
        Verdict::without_movement(BaselineState::NotComparable)
    );
    let anew = |committed, base_run, head| {
        judge_with_base_run((10_000, Elsewhere), (committed, Here), base_run, head)
    };
    assert_eq!(anew(12_000, 12_000, 12_000), Verdict::UNCHANGED);
    assert_eq!(
        anew(12_100, 12_000, 12_100),
        Verdict::new(Movement::WithinLimit, BaselineState::Accepted)
    );
    assert_eq!(
        anew(12_500, 12_000, 12_500),
        Verdict::new(Movement::Regressed, BaselineState::ReasonMissing)
    );
    assert_eq!(
        anew(11_000, 12_000, 11_000),
        Verdict::new(Movement::Improved, BaselineState::Accepted)
    );
    assert_eq!(
        anew(12_900, 12_000, 12_500),
        Verdict::new(Movement::Regressed, BaselineState::BaselineMismatch)
    );
}

#[test]
fn benchmarks_and_baselines_come_and_go_together() {
    check(
        None,
        None,
        Some(10_000),
        Verdict::without_movement(BaselineState::NoBaseline),
    );
    check(
        Some(10_000),
        None,
        Some(10_000),
        Verdict::without_movement(BaselineState::NoBaseline),
    );
    check(
        Some(10_000),
        Some(10_000),
        None,
        Verdict::without_movement(BaselineState::BenchmarkMissing),
    );
    check(
        Some(10_000),
        None,
        None,
        Verdict::without_movement(BaselineState::ReasonMissing),
    );
}

#[test]
fn a_removed_benchmark_needs_a_reason_of_its_own() {
    let environment = crate::model::environment::tests::environment();
    let suite = |ids: &[&str], removed: Option<&str>| {
        let removed = removed.map(|reason| Removed {
            id: "a/x/1".parse().unwrap(),
            reason: reason.to_owned(),
        });
        Baselines::new([Baseline {
            suite: "a".to_owned(),
            environment: environment.clone(),
            benchmarks: ids.iter().map(|id| accepted(id, 10_000)).collect(),
            removed: removed.into_iter().collect(),
        }])
    };
    let run = Run {
        format: RUN_FORMAT,
        commit: None,
        complete: true,
        part: None,
        environment: environment.clone(),
        failed: Vec::new(),
        benchmarks: vec![measured("a/x/2", 10_000)],
    };
    let base = suite(&["a/x/1", "a/x/2"], None);
    for (reason, state, outcome) in [
        (
            None,
            BaselineState::ReasonMissing,
            Outcome::BaselineOutOfDate,
        ),
        (Some("no footer"), BaselineState::Removed, Outcome::Pass),
    ] {
        let head = suite(&["a/x/2"], reason);
        let judged = judge(&compare(&base, &head, &run), &Policy::default());
        assert_eq!(judged.benchmarks[0].verdict.baseline, state);
        assert_eq!(judged.outcome, outcome);
    }
}

#[test]
fn a_renamed_benchmark_is_judged_by_what_base_accepts() {
    let environment = crate::model::environment::tests::environment();
    let suite = |id: &str, count: u64| {
        Baselines::new([Baseline {
            suite: "a".to_owned(),
            environment: environment.clone(),
            benchmarks: vec![accepted(id, count)],
            removed: Vec::new(),
        }])
    };
    for (count, state) in [
        (10_000, BaselineState::Kept),
        (15_000, BaselineState::ReasonMissing),
    ] {
        let run = Run {
            format: RUN_FORMAT,
            commit: None,
            complete: true,
            part: None,
            environment: environment.clone(),
            failed: Vec::new(),
            benchmarks: vec![measured("a/x/new", count)],
        };
        let (base, head) = (suite("a/x/old", 10_000), suite("a/x/new", count));
        let judged = judge(&compare(&base, &head, &run), &Policy::default());
        assert_eq!(judged.benchmarks.len(), 1);
        assert_eq!(judged.benchmarks[0].verdict.baseline, state);
    }
}

#[test]
fn the_most_severe_outcome_decides_the_exit_code() {
    let codes = [
        Outcome::Pass,
        Outcome::BaselineOutOfDate,
        Outcome::Regressed,
        Outcome::NotComparable,
        Outcome::NotMeasured,
    ];
    assert!(codes.is_sorted_by(|a, b| a < b));
    assert_eq!(codes.map(Outcome::exit_code), [0, 5, 1, 4, 3]);
    let improved = Verdict::IMPROVED;
    assert_eq!(improved.outcome(OnImprovement::Notice), Outcome::Pass);
    assert_eq!(
        improved.outcome(OnImprovement::Fail),
        Outcome::BaselineOutOfDate
    );
}
