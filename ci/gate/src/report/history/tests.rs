use super::*;
use crate::model::environment::tests::environment;
use crate::model::policy::PartsPerMillion;

/// A version of suite `a` with these counts.
fn suite(counts: &[(&str, u64, Option<&str>)], compiler: &str) -> Arc<SuiteCounts> {
    let mut environment = environment();
    environment.rustc = compiler.to_owned();
    let benchmarks: Vec<_> = counts
        .iter()
        .map(|(id, instructions, reason)| {
            serde_json::json!({"id": id, "metrics": {"instructions": instructions, "data_reads": 1},
                "noise": 0, "reason": reason, "other": 0, "functions": []})
        })
        .collect();
    let text = serde_json::json!({"format":2, "suite": "a", "environment": environment,
        "benchmarks": benchmarks});
    Arc::new(SuiteCounts::from_json(text.to_string().as_bytes()).unwrap())
}

fn change(number: usize, counts: Option<Arc<SuiteCounts>>) -> Change {
    let commit = Commit {
        hash: format!("{number:040}").into(),
        date: "2026-01-31".into(),
        subject: format!("change {number}").into(),
    };
    Change {
        commit,
        suite: "a".to_owned(),
        counts,
    }
}

/// `a/f/x` grows, is recorded again, and grows again; `a/f/y` comes and goes.
pub(crate) fn sample() -> History {
    let changes = [
        change(1, Some(suite(&[("a/f/x", 1_000, None)], "old"))),
        change(
            2,
            Some(suite(
                &[("a/f/x", 1_030, Some("checked")), ("a/f/y", 7, None)],
                "old",
            )),
        ),
        change(
            3,
            Some(suite(&[("a/f/x", 2_000, None), ("a/f/y", 7, None)], "new")),
        ),
        change(4, Some(suite(&[("a/f/x", 2_030, None)], "new"))),
    ];
    History::new(&changes)
}

fn trend(history: &History, id: &str) -> Trend {
    history.trend(&id.parse().unwrap()).unwrap().clone()
}

#[test]
fn a_benchmark_has_a_point_for_each_commit_from_its_first_count_on() {
    let history = sample();
    let x: Vec<_> = trend(&history, "a/f/x").counts().collect();
    assert_eq!(x, [1_000, 1_030, 2_000, 2_030]);
    let y = trend(&history, "a/f/y");
    let counts: Vec<_> = y.points.iter().map(|it| it.instructions).collect();
    assert_eq!(counts, [Some(7), Some(7), None]);
    let steps: Vec<_> = y
        .steps()
        .map(|it| (it.before, it.after.instructions))
        .collect();
    assert_eq!(steps, [(None, Some(7)), (Some(7), None)]);
    assert_eq!(y.drift(), None, "it has no baseline any more");
}

#[test]
fn a_step_names_its_commit_and_reason() {
    let history = sample();
    let x = trend(&history, "a/f/x");
    let step = x.steps().nth(1).unwrap();
    assert_eq!(step.after.commit.subject, "change 2");
    assert_eq!(step.after.reason.as_deref(), Some("checked"));
    let rebaselined: Vec<_> = x.points.iter().map(|it| it.rebaselined).collect();
    assert_eq!(rebaselined, [false, false, true, false]);
}

#[test]
fn the_last_points_know_what_stood_before_them() {
    let last = trend(&sample(), "a/f/x").last(2);
    assert_eq!(last.counts().collect::<Vec<_>>(), [2_000, 2_030]);
    let befores: Vec<_> = last.steps().map(|it| it.before).collect();
    assert_eq!(befores, [Some(1_030), Some(2_000)]);
    let json = serde_json::to_value(&last).unwrap();
    assert_eq!(json["counts"], serde_json::json!([2_000, 2_030]));
    assert_eq!(json["steps"][0]["commit"]["subject"], "change 3");
    assert_eq!(trend(&sample(), "a/f/x").last(9), trend(&sample(), "a/f/x"));
}

#[test]
fn a_new_environment_is_no_drift() {
    let drift = trend(&sample(), "a/f/x").drift().unwrap();
    assert_eq!((drift.base, drift.head), (1_000, 2_030));
    assert_eq!(drift.rebaselined, 970);
    assert_eq!(drift.instructions(), 60);
    assert_eq!(drift.share(), Some(60_000));
    let limit = |share, min_change| Limit {
        share: PartsPerMillion(share),
        min_change,
    };
    assert!(drift.exceeds(limit(59_999, 59)));
    assert!(
        !drift.exceeds(limit(60_000, 0)),
        "equal to the limit passes"
    );
    assert!(!drift.exceeds(limit(0, 60)));
    let better = Drift {
        head: 10,
        rebaselined: 0,
        ..drift
    };
    assert!(!better.exceeds(limit(0, 0)), "getting better is no drift");
}

#[test]
fn a_suite_that_is_removed_ends_its_trends() {
    let one = change(1, Some(suite(&[("a/f/x", 5, None)], "c")));
    let history = History::new(&[one.clone(), change(2, None), one]);
    let counts: Vec<_> = trend(&history, "a/f/x")
        .points
        .iter()
        .map(|it| it.instructions)
        .collect();
    assert_eq!(counts, [Some(5), None, Some(5)]);
}

#[test]
fn what_is_no_suite_is_not_read() {
    let whole = |id: &str, count: &str| {
        format!(
            r#"{{"format":9,"suite":"a","new":[],"environment":{},"benchmarks":[
                {{"id":"{id}","metrics":{{"instructions":{count}}},"other":"?"}}]}}"#,
            serde_json::to_string(&environment()).unwrap()
        )
    };
    let read = |text: &str| SuiteCounts::from_json(text.as_bytes());
    assert_eq!(read(&whole("a/b", "5")).unwrap().suite(), "a");
    for bad in [
        String::new(),
        "{}".to_owned(),
        whole("b/b", "5"),
        whole("a", "5"),
        whole("a/b", "-5"),
        whole("a/b", "9007199254740992"),
    ] {
        assert_eq!(read(&bad), None, "{bad}");
    }
}

#[test]
fn counts_of_an_earlier_environment_do_not_compare() {
    let trend = trend(&sample(), "a/f/x");
    assert_eq!(trend.counts().count(), 4);
    let counts: Vec<u64> = trend.comparable_counts().collect();
    assert_eq!(counts, [2_000, 2_030]);
}
