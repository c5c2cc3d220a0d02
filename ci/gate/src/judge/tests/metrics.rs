//! Safety over all metrics: what base counts stays counted and judged, each by its own limit.

use crate::compare::Facts;
use crate::judge::{BaselineState, Judgement, Movement, Outcome, Verdict, judge_benchmark};
use crate::model::baseline::Accepted;
use crate::model::baseline::tests::{accepted, measured};
use crate::model::metric::Metric;
use crate::model::policy::{OnImprovement, Policy};
use crate::model::run::Measurement;

/// Instructions of every benchmark here; they never move.
const INSTRUCTIONS: u64 = 1_000_000;

/// A baseline with `count` of `metric`, which moves by `noise`.
fn baseline(metric: Metric, count: Option<u64>, noise: u64) -> Accepted {
    let mut accepted = accepted("a/b/c", INSTRUCTIONS);
    accepted.metrics = [(Metric::Instructions, INSTRUCTIONS)].into();
    accepted.metrics.extend(count.map(|count| (metric, count)));
    accepted.metric_noise = [(metric, noise)].into();
    accepted.metric_noise.retain(|_, noise| *noise > 0);
    accepted
}

fn measurement(metric: Metric, count: Option<u64>) -> Measurement {
    let accepted = baseline(metric, count, 0);
    Measurement {
        metrics: accepted.metrics,
        ..measured("a/b/c", INSTRUCTIONS)
    }
}

fn judged<'a>(
    base: &'a Accepted,
    committed: &'a Accepted,
    measured: &'a Measurement,
    policy: &str,
) -> Judgement<'a> {
    let facts = Facts {
        id: &measured.id,
        base: Some(base),
        committed: Some(committed),
        measured: Some(measured),
        comparable: true,
        rebaselined: false,
        base_run: None,
        former: None,
        removal: None,
    };
    let policy = Policy::from_toml("policy.toml", &format!("format = 2\n{policy}")).unwrap();
    judge_benchmark(&facts, &policy)
}

fn passes(judgement: &Judgement<'_>) -> bool {
    judgement.verdict.outcome(OnImprovement::Notice) == Outcome::Pass
}

/// All metrics but instructions that are judged where policy says nothing.
fn judged_by_default() -> impl Iterator<Item = Metric> {
    let others = Metric::ALL.into_iter().skip(1);
    others.filter(|metric| Policy::default_limit(*metric).is_some())
}

/// Counts around every limit there is, and none at all.
const COUNTS: [Option<u64>; 9] = [
    None,
    Some(0),
    Some(1),
    Some(100_000),
    Some(100_001),
    Some(101_000),
    Some(102_001),
    Some(103_500),
    Some(200_000),
];

#[test]
fn nothing_worse_in_any_metric_passes_without_an_accepted_reason() {
    let mut passed = 0;
    for metric in judged_by_default() {
        let limit = Policy::default_limit(metric).unwrap();
        for (in_base, in_head, found) in COUNTS.into_iter().flat_map(|a| {
            COUNTS
                .into_iter()
                .flat_map(move |b| COUNTS.map(|c| (a, b, c)))
        }) {
            for (noise, own_slack) in [(0, 0), (700, 0), (0, 1_000_000)] {
                for reason in [None, Some("why")] {
                    let base = baseline(metric, in_base, noise);
                    let mut head = baseline(metric, in_head, noise + own_slack);
                    head.reason = reason.map(str::to_owned);
                    let measured = measurement(metric, found);
                    let judgement = judged(&base, &head, &measured, "");
                    if !passes(&judgement) {
                        continue;
                    }
                    passed += 1;
                    let what = (metric, in_base, in_head, found, noise, own_slack, reason);
                    // What base counts is never left out, neither of head's tree nor of the run.
                    let Some(base) = in_base else {
                        // There is no baseline for it; if head brings one, it says what was found.
                        assert!(in_head.is_none() || found.is_some(), "{what:?}");
                        continue;
                    };
                    assert!(in_head.is_some() && found.is_some(), "{what:?}");
                    let allowed = (base / 100).max(limit.min_change);
                    let allowed = match limit.share.0 {
                        0 => 0,
                        _ => allowed + if metric.depends_on_layout() { noise } else { 0 },
                    };
                    if found > Some(base + allowed) {
                        assert_eq!(
                            judgement.verdict.baseline,
                            BaselineState::Accepted,
                            "{what:?}"
                        );
                        assert_eq!(reason, Some("why"), "{what:?}");
                    }
                }
            }
        }
    }
    assert!(passed > 1_000, "{passed}");
}

#[test]
fn one_more_allocation_is_a_regression() {
    for metric in [
        Metric::Allocations,
        Metric::Reallocations,
        Metric::Frees,
        Metric::HeapBytes,
    ] {
        let of = |base, head| {
            let base = baseline(metric, Some(base), 0);
            let measured = measurement(metric, Some(head));
            let judgement = judged(&base, &base, &measured, "");
            (judgement.verdict, judgement.metric)
        };
        assert_eq!(of(1_000, 1_000).0, Verdict::UNCHANGED);
        assert_eq!(of(1_000, 1_001), (Verdict::REGRESSED, metric));
        assert_eq!(of(0, 1), (Verdict::REGRESSED, metric));
        assert_eq!(of(1_000, 999), (Verdict::IMPROVED, metric));
    }
}

#[test]
fn a_baseline_without_the_metric_is_no_baseline_for_it() {
    let base = baseline(Metric::Allocations, None, 0);
    let measured = measurement(Metric::Allocations, Some(7));
    assert_eq!(
        judged(&base, &base, &measured, "").verdict,
        Verdict::UNCHANGED
    );
    // Once base has it, an edit cannot take it away, and a run cannot leave it out.
    let counted = baseline(Metric::Allocations, Some(0), 0);
    let verdict = judged(&counted, &base, &measured, "").verdict;
    assert_eq!(verdict.baseline, BaselineState::BaselineMismatch);
    let without = measurement(Metric::Allocations, None);
    let judgement = judged(&counted, &counted, &without, "");
    assert_eq!(judgement.verdict.baseline, BaselineState::BenchmarkMissing);
    assert_eq!(judgement.metric, Metric::Allocations);
    assert!(!passes(&judgement));
    // Head's tree may bring it, if it says what was measured.
    let brought = baseline(Metric::Allocations, Some(7), 0);
    assert!(passes(&judged(&base, &brought, &measured, "")));
    let wrong = baseline(Metric::Allocations, Some(8), 0);
    assert!(!passes(&judged(&base, &wrong, &measured, "")));
}

#[test]
fn misses_are_judged_beyond_what_the_layout_does() {
    let metric = Metric::D1ReadMisses;
    let of = |noise: u64, head: u64| {
        let base = baseline(metric, Some(100_000), noise);
        judged(&base, &base, &measurement(metric, Some(head)), "").verdict
    };
    assert_eq!(of(0, 101_000), Verdict::WITHIN_LIMIT);
    assert_eq!(of(0, 101_001), Verdict::REGRESSED);
    assert_eq!(of(500, 101_500), Verdict::WITHIN_LIMIT);
    assert_eq!(of(500, 101_501), Verdict::REGRESSED);
    assert_eq!(of(500, 98_500), Verdict::WITHIN_LIMIT);
    assert_eq!(of(500, 98_499), Verdict::IMPROVED);
    // However far it moves by itself, that is no fault, and excuses nothing beyond it.
    assert_eq!(of(50_000, 150_000), Verdict::WITHIN_LIMIT);
    assert_eq!(of(50_000, 151_001), Verdict::REGRESSED);
}

#[test]
fn an_edit_brings_no_slack_for_misses() {
    let metric = Metric::D1ReadMisses;
    let base = baseline(metric, Some(100_000), 0);
    let slack = baseline(metric, Some(100_000), 1_000_000);
    let measured = measurement(metric, Some(200_000));
    let judgement = judged(&base, &slack, &measured, "");
    assert_eq!(judgement.verdict.movement, Some(Movement::Regressed));
    assert!(!passes(&judgement));
}

#[test]
fn a_metric_is_off_where_policy_says_so() {
    let metric = Metric::D1ReadMisses;
    let rule = "[[rule]]\nbenchmarks = \"**\"\nmetric = \"d1_read_misses\"\nlimit = ";
    let base = baseline(metric, Some(100_000), 0);
    let measured = measurement(metric, Some(200_000));
    let of = |limit: &str| judged(&base, &base, &measured, &format!("{rule}\"{limit}\"")).verdict;
    assert_eq!(of("off"), Verdict::UNCHANGED);
    assert_eq!(of("100%"), Verdict::WITHIN_LIMIT);
    assert_eq!(of("99%"), Verdict::REGRESSED);
    let instructions = "format = 2\n[[rule]]\nbenchmarks = \"**\"\nlimit = \"off\"";
    assert!(Policy::from_toml("policy.toml", instructions).is_err());
}
