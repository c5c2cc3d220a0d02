//! Baselines that were edited, recorded elsewhere, or beside which base was measured.

use super::check;
use crate::compare::Facts;
use crate::judge::signals::Recorded;
use crate::judge::{BaselineState, Movement, Verdict, judge_benchmark};
use crate::model::baseline::Accepted;
use crate::model::baseline::tests::{accepted, measured};
use crate::model::metric::Metric;
use crate::model::policy::Policy;

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
    let off = format!("{rule}\nlimit = \"off\"");
    assert_eq!(judge_edit(&base, &without, &off, false), Verdict::UNCHANGED);
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
        Verdict::new(Movement::WithinLimit, BaselineState::StaleOnBase)
    );
    assert_eq!(
        judged(10_300, 10_300),
        Verdict::new(Movement::Unchanged, BaselineState::StaleOnBase)
    );
    assert_eq!(
        judged(9_700, 9_700),
        Verdict::new(Movement::Unchanged, BaselineState::StaleOnBase)
    );
    assert_eq!(
        judged(10_080, 10_100),
        Verdict::WITHIN_LIMIT,
        "equal to the limit"
    );
    assert_eq!(
        judged(10_300, 10_403),
        Verdict::new(Movement::WithinLimit, BaselineState::StaleOnBase),
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
        Verdict::new(Movement::WithinLimit, BaselineState::StaleOnBase),
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
    let rerecorded = |committed, base_run, head| {
        judge_with_base_run((10_000, Elsewhere), (committed, Here), base_run, head)
    };
    assert_eq!(rerecorded(12_000, 12_000, 12_000), Verdict::UNCHANGED);
    assert_eq!(
        rerecorded(12_100, 12_000, 12_100),
        Verdict::new(Movement::WithinLimit, BaselineState::Accepted)
    );
    assert_eq!(
        rerecorded(12_500, 12_000, 12_500),
        Verdict::new(Movement::Regressed, BaselineState::ReasonMissing)
    );
    assert_eq!(
        rerecorded(11_000, 12_000, 11_000),
        Verdict::new(Movement::Improved, BaselineState::Accepted)
    );
    assert_eq!(
        rerecorded(12_900, 12_000, 12_500),
        Verdict::new(Movement::Regressed, BaselineState::BaselineMismatch)
    );
}
