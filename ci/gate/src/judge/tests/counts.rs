//! Counts around the limit, noise, and benchmarks that come and go.

use super::check;
use crate::compare::{Facts, compare};
use crate::judge::{
    BaselineState, EMPTY_INSTRUCTIONS_MAX, Outcome, Verdict, judge, judge_benchmark,
};
use crate::model::baseline::tests::{accepted, measured};
use crate::model::baseline::{Accepted, Baseline, Baselines, Removed};
use crate::model::bench_id::BenchId;
use crate::model::policy::Policy;
use crate::model::run::{Measurement, Run};

#[test]
fn a_whole_run_judges_all_that_base_knows() {
    let ids = ["a/x/1", "a/x/2", "b/x/1"];
    let environment = crate::model::environment::tests::environment();
    let baselines = crate::model::baseline::tests::baselines(&ids, 10_000);
    for present in 0..8_u8 {
        let is_there = |at: usize| present & (1 << at) != 0;
        let there = ids.iter().enumerate().filter(|(at, _)| is_there(*at));
        let run = Run::whole(
            environment.clone(),
            there.map(|(_, id)| measured(id, 10_000)).collect(),
        );
        let judged = judge(&compare(&baselines, &baselines, &run), &Policy::default());
        assert_eq!(judged.benchmarks.len(), ids.len());
        assert_eq!(judged.outcome == Outcome::Pass, present == 7, "{present:b}");
    }
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
    same(100, 105, Verdict::WITHIN_LIMIT);
    same(100, 106, Verdict::REGRESSED);
    // Small benchmarks count: of 480 instructions 48 more are a tenth.
    same(480, 528, Verdict::REGRESSED);
    same(20, 30, Verdict::REGRESSED);
    same(
        10_000,
        EMPTY_INSTRUCTIONS_MAX,
        Verdict::without_movement(BaselineState::Empty),
    );
    same(10_000, EMPTY_INSTRUCTIONS_MAX + 1, Verdict::IMPROVED);
    same(10_000, 0, Verdict::without_movement(BaselineState::Empty));
    // One that was empty on base already is no news, and stays in the way of nothing.
    same(
        EMPTY_INSTRUCTIONS_MAX,
        EMPTY_INSTRUCTIONS_MAX,
        Verdict::UNCHANGED,
    );
    same(EMPTY_INSTRUCTIONS_MAX, 20, Verdict::REGRESSED);
    let new = |count| {
        Verdict::without_movement(if count {
            BaselineState::Added
        } else {
            BaselineState::BaselineMismatch
        })
    };
    check(None, Some(3), Some(3), new(true));
    check(None, Some(4), Some(3), new(false));
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
            metric_noise: std::collections::BTreeMap::new(),
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
    let run = Run::whole(environment.clone(), vec![measured("a/x/2", 10_000)]);
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
        Baselines::new([Baseline::new(
            "a",
            environment.clone(),
            vec![accepted(id, count)],
        )])
    };
    for (count, state) in [
        (10_000, BaselineState::Kept),
        (15_000, BaselineState::ReasonMissing),
    ] {
        let run = Run::whole(environment.clone(), vec![measured("a/x/new", count)]);
        let (base, head) = (suite("a/x/old", 10_000), suite("a/x/new", count));
        let judged = judge(&compare(&base, &head, &run), &Policy::default());
        assert_eq!(judged.benchmarks.len(), 1);
        assert_eq!(judged.benchmarks[0].verdict.baseline, state);
    }
}
