use super::*;
use crate::model::baseline::Accepted;
use crate::model::baseline::tests::{accepted, measured};
use crate::model::bench_id::BenchId;
use crate::model::run::Measurement;

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
                for bits in 0..64_u8 {
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
                        drifted: bit(5),
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
    assert_eq!(all.len(), 3 * 5 * 5 * 64);
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
        rerecorded: false,
        base_run: None,
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
            rerecorded: false,
            base_run: None,
        };
        judge_benchmark(&facts, &Policy::default()).verdict
    };
    assert_eq!(judged(0, 0), Verdict::Regressed);
    assert_eq!(judged(100, 100), Verdict::Regressed);
    assert_eq!(judged(101, 0), Verdict::Noisy);
    assert_eq!(judged(0, 101), Verdict::Noisy);
}

/// The verdict for a measurement of 10,000 instructions, whatever base and head's tree say.
fn judge_edit(base: &Accepted, committed: &Accepted, policy: &str, rerecorded: bool) -> Verdict {
    let measured = measured("a/b/c", 10_000);
    let facts = Facts {
        id: &measured.id,
        base: Some(base),
        committed: Some(committed),
        measured: Some(&measured),
        comparable: true,
        rerecorded,
        base_run: None,
    };
    let policy = Policy::from_toml("policy.toml", &format!("format = 2\n{policy}")).unwrap();
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
    slack.noise = 49;
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
fn a_base_of_another_environment_is_no_measure() {
    let base = accepted("a/b/c", 9_000);
    let recorded = accepted("a/b/c", 10_000);
    assert_eq!(judge_edit(&base, &recorded, "", true), Verdict::Rerecorded);
    assert_eq!(judge_edit(&base, &base, "", true), Verdict::Untrue);
}

/// Where a baseline was recorded: in the run's measurement environment or in another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Recorded {
    Here,
    Elsewhere,
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
        rerecorded: base.1 == Recorded::Elsewhere && committed.1 == Recorded::Here,
        base_run: Some(&base_run),
    };
    judge_benchmark(&facts, &Policy::default()).verdict
}

#[test]
fn an_author_answers_for_his_own_change_and_not_for_what_was_on_base() {
    let judged = |base_run, head| {
        let baseline = (10_000, Recorded::Here);
        judge_with_base_run(baseline, baseline, base_run, head)
    };
    assert_eq!(judged(10_000, 10_000), Verdict::Unchanged);
    assert_eq!(judged(10_000, 10_101), Verdict::Regressed);
    // 80 were there before; with 40 more the baseline's limit is passed, but not this change's.
    assert_eq!(judged(10_080, 10_120), Verdict::Drifted);
    assert_eq!(judged(10_300, 10_300), Verdict::Drifted);
    assert_eq!(judged(9_700, 9_700), Verdict::Drifted);
    assert_eq!(
        judged(10_080, 10_100),
        Verdict::Within,
        "equal to the limit"
    );
    assert_eq!(
        judged(10_300, 10_403),
        Verdict::Drifted,
        "equal to the limit"
    );
    assert_eq!(judged(10_300, 10_404), Verdict::Regressed);
    assert_eq!(
        judged(9_950, 10_060),
        Verdict::Regressed,
        "his own, though the budget bears it"
    );
    assert_eq!(judged(10_300, 10_100), Verdict::Within, "nothing to bank");
    assert_eq!(judged(10_500, 10_300), Verdict::Drifted, "nothing to bank");
    assert_eq!(judged(10_300, 9_800), Verdict::Improved);
    assert_eq!(
        judged(10_040, 10_040),
        Verdict::Unchanged,
        "nothing of it is his"
    );
}

#[test]
fn base_measured_here_stands_in_for_a_baseline_of_elsewhere() {
    use Recorded::{Elsewhere, Here};
    let untouched = |base_run, head| {
        let baseline = (10_000, Elsewhere);
        judge_with_base_run(baseline, baseline, base_run, head)
    };
    assert_eq!(untouched(12_000, 12_000), Verdict::Unchanged);
    assert_eq!(untouched(12_000, 12_120), Verdict::Within);
    assert_eq!(untouched(12_000, 12_121), Verdict::Regressed);
    assert_eq!(untouched(12_000, 10_000), Verdict::Improved);
    // Edited elsewhere: nothing here can prove it.
    let edited = judge_with_base_run((10_000, Elsewhere), (10_500, Elsewhere), 12_000, 12_000);
    assert_eq!(edited, Verdict::Incomparable);
    let anew = |committed, base_run, head| {
        judge_with_base_run((10_000, Elsewhere), (committed, Here), base_run, head)
    };
    assert_eq!(anew(12_000, 12_000, 12_000), Verdict::Unchanged);
    assert_eq!(anew(12_100, 12_000, 12_100), Verdict::Accepted);
    assert_eq!(anew(12_500, 12_000, 12_500), Verdict::Unexplained);
    assert_eq!(anew(11_000, 12_000, 11_000), Verdict::Banked);
    assert_eq!(anew(12_900, 12_000, 12_500), Verdict::Untrue);
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
        Outcome::BaselineOutOfDate,
        Outcome::Pass,
    ];
    assert!(codes.is_sorted_by(|a, b| a > b));
    assert_eq!(codes.map(Outcome::exit_code), [3, 4, 1, 5, 0]);
    let improved = Verdict::Improved;
    assert_eq!(improved.outcome(OnImprovement::Notice), Outcome::Pass);
    assert_eq!(
        improved.outcome(OnImprovement::Fail),
        Outcome::BaselineOutOfDate
    );
}
