//! Which reasons are asked for and kept.

use icgate_core::model::environment::Environment;
use icgate_core::model::policy::Policy;

use super::*;

fn environment(valgrind: &str) -> Environment {
    Environment {
        valgrind: valgrind.to_owned(),
        ..Environment::example()
    }
}

fn measured(instructions: u64, reads: u64) -> Measurement {
    serde_json::from_value(serde_json::json!({
        "id": "a/b/c",
        "metrics": {"instructions": instructions, "data_reads": reads},
        "functions": {"rows": [{"name": "f", "file": "f.rs", "instructions": instructions}], "other": 0},
    }))
    .unwrap()
}

fn baselines(accepted: Accepted, valgrind: &str) -> Baselines {
    Baselines::new([Baseline::new("a", environment(valgrind), vec![accepted])])
}

/// Base's and the tree's counts and reason, what is measured in measurement environment `3`, and the reason
/// given → whether it moved, and the new entry or what is refused.
fn update(
    base: (u64, u64, Option<&str>),
    committed: (u64, u64, Option<&str>),
    environments: (&str, &str),
    head: (u64, u64),
    reason: Option<&str>,
) -> (bool, Result<Accepted, String>) {
    let accepted = |(instructions, reads, reason): (u64, u64, Option<&str>)| {
        let reason = reason.map(str::to_owned);
        Accepted::from_measurement(&measured(instructions, reads), 0, reason)
    };
    let rule = "format = 2\n[[rule]]\nbenchmarks = \"**\"\nmetric = \"data_reads\"";
    let bench = JudgeContext::of(
        Policy::from_toml("policy.toml", rule).unwrap(),
        baselines(accepted(base), environments.0),
        baselines(accepted(committed), environments.1),
    );
    let head = measured(head.0, head.1);
    let run = Run::whole(environment("3"), vec![head.clone()]);
    let update = Update {
        bench: &bench,
        run: &run,
        reason,
        command: String::new(),
    };
    let moved = update.has_moved(&head);
    let again = moved.then_some(&head);
    let entry = update
        .check_reasons()
        .map(|()| update.entry(&head, again.as_slice()));
    if let Ok(entry) = &entry {
        // A stored run has no second look; the reason does not depend on it.
        assert_eq!(update.entry(&head, &[]).reason, entry.reason);
    }
    (moved, entry.map_err(|error| error.to_string()))
}

const SAME: (&str, &str) = ("3", "3");

#[test]
fn a_reason_is_added_to_counts_that_stand_already() {
    let tree = (9_000, 100, None);
    let (moved, refused) = update((8_000, 100, None), tree, SAME, (9_000, 100), None);
    assert!(!moved && refused.unwrap_err().contains("`a/b/c` got worse"));
    let (_, entry) = update((8_000, 100, None), tree, SAME, (9_000, 100), Some("why"));
    assert_eq!(entry.unwrap().reason.as_deref(), Some("why"));
}

#[test]
fn base_s_own_reason_does_not_explain_another_worsening() {
    let (base, tree) = ((8_000, 100, Some("old")), (9_000, 100, Some("old")));
    assert!(update(base, tree, SAME, (9_000, 100), None).1.is_err());
    let tree = (9_000, 100, Some("new"));
    let entry = update(base, tree, SAME, (9_000, 100), None).1.unwrap();
    assert_eq!(entry.reason.as_deref(), Some("new"));
}

#[test]
fn every_judged_metric_can_be_accepted() {
    let old = (9_000, 1_000, None);
    let (moved, refused) = update(old, old, SAME, (9_000, 2_000), None);
    assert!(moved && refused.is_err());
    let entry = update(old, old, SAME, (9_000, 2_000), Some("why"))
        .1
        .unwrap();
    assert_eq!(entry.metrics[&Metric::DataReads], 2_000);
    assert_eq!(entry.reason.as_deref(), Some("why"));
}

#[test]
fn a_reason_goes_with_what_it_explained() {
    let old = (9_000, 100, Some("old"));
    let still = update(old, old, SAME, (9_000, 100), None).1.unwrap();
    assert_eq!(still.reason.as_deref(), Some("old"));
    let better = update(old, old, SAME, (8_000, 100), Some("unasked"))
        .1
        .unwrap();
    assert_eq!(better.reason, None);
}

#[test]
fn a_new_environment_asks_for_no_reason_and_keeps_nothing_old() {
    let old = (8_000, 100, Some("old"));
    let (moved, entry) = update(old, old, ("2", "2"), (9_000, 100), None);
    assert!(moved);
    assert_eq!(
        entry.unwrap(),
        Accepted::from_measurement(&measured(9_000, 100), 0, None)
    );
}
