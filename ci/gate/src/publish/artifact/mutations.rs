//! Files that were changed at random, through the readers and through judge: whatever is made of a
//! run or of head's baselines, nothing passes for less than base knows.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::attribute::diff::ChangedLines;
use crate::compare::compare;
use crate::compare::coverage::require;
use crate::compare::merge::merge;
use crate::judge::{Outcome, judge};
use crate::model::baseline::tests::{accepted, measured};
use crate::model::baseline::{Baseline, Baselines};
use crate::model::environment::tests::environment;
use crate::model::metric::Metric;
use crate::model::policy::Policy;
use crate::model::run::{CiRun, Part, RUN_FORMAT};
use crate::report::report;

const IDS: [&str; 3] = ["a/x/1", "a/x/2", "a/y/1"];

fn baseline(counts: [u64; 3]) -> Baseline {
    let rows = IDS.iter().zip(counts);
    Baseline::new(
        "a",
        environment(),
        rows.map(|(id, count)| accepted(id, count)).collect(),
    )
}

fn shard(counts: [u64; 3]) -> Run {
    let rows = IDS.iter().zip(counts);
    Run {
        format: RUN_FORMAT,
        crates: Vec::new(),
        commit: Some("c".repeat(40)),
        complete: false,
        part: Some(Part {
            shard: "1/1".parse().unwrap(),
            listed: IDS.map(|id| id.parse().unwrap()).into(),
            whole: true,
            accepted: "0".repeat(64),
            ci: Some(CiRun { run: 7, attempt: 1 }),
        }),
        environment: environment(),
        failed: Vec::new(),
        benchmarks: rows.map(|(id, count)| measured(id, count)).collect(),
    }
}

/// What becomes of a value: taken away, emptied, or another one's.
#[derive(Debug, Clone)]
enum Change {
    Remove,
    Double,
    Put(&'static str),
}

fn change() -> impl Strategy<Value = Change> {
    let texts = [
        "null",
        "true",
        "false",
        "0",
        "1",
        "10000",
        "[]",
        "{}",
        "\"\"",
        "\"a/x/1\"",
        "\"a/x/2\"",
        "\"a/z/9\"",
        "\"1/2\"",
        "\"f\"",
        "\"aarch64-unknown-linux-gnu\"",
    ];
    prop_oneof![
        Just(Change::Remove),
        Just(Change::Double),
        prop::sample::select(texts.to_vec()).prop_map(Change::Put),
    ]
}

/// Changes the value at which a walk through the file arrives.
fn mutate(value: &mut Value, walk: &[usize], change: &Change) {
    let put = |value: &mut Value| {
        if let Change::Put(text) = change {
            *value = serde_json::from_str(text).unwrap();
        }
    };
    let [step, rest @ ..] = walk else {
        return put(value);
    };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let key = fields.keys().nth(step % fields.len()).unwrap().clone();
            match change {
                Change::Remove if rest.is_empty() => drop(fields.remove(&key)),
                _ => mutate(&mut fields[&key], rest, change),
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let at = step % items.len();
            match change {
                Change::Remove if rest.is_empty() => drop(items.remove(at)),
                Change::Double if rest.is_empty() => items.insert(at, items[at].clone()),
                _ => mutate(&mut items[at], rest, change),
            }
        }
        _ => put(value),
    }
}

type Mutations = Vec<(Vec<usize>, Change)>;

fn mutations() -> impl Strategy<Value = Mutations> {
    let walk = prop::collection::vec(0..12_usize, 1..6);
    prop::collection::vec((walk, change()), 0..4)
}

fn mutated(text: &str, mutations: &[(Vec<usize>, Change)]) -> String {
    let mut value: Value = serde_json::from_str(text).unwrap();
    for (walk, change) in mutations {
        mutate(&mut value, walk, change);
    }
    value.to_string()
}

/// What comes of a run that is judged as publish judges it; `None` if it is not believed.
fn outcome(run: &str, base: &Baselines, committed: &Baselines) -> Option<(Run, Outcome)> {
    let run = read("run", run.as_bytes()).ok()?;
    let mut run = match run.part {
        None => run,
        Some(_) => merge(vec![("run".to_owned(), run)]).ok()?.run,
    };
    let platforms = ["x86_64-linux-gnu".to_owned()];
    require(&mut run, (base, committed), &platforms).ok()?;
    let comparison = compare(base, committed, &run);
    let policy = Policy::default();
    let judgements = judge(&comparison, &policy);
    let changed = ChangedLines::default();
    let outcome = report(&run, &comparison, &judgements, &policy, &changed, "").outcome;
    Some((run, outcome))
}

/// Whether all that base knows was measured, and none of it is worse than its limit of 1 % or 50.
fn is_all_there(run: &Run, base: &Baselines) -> bool {
    base.suites().flat_map(|it| &it.benchmarks).all(|known| {
        let count = known.metrics[&Metric::Instructions];
        run.benchmark(&known.id)
            .is_some_and(|it| it.instructions() <= count + (count / 100).max(50))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_changed_run_passes_for_less_than_base_knows(
        mutations in mutations(),
        is_worse: bool,
    ) {
        let base = Baselines::new([baseline([10_000, 20_000, 30_000])]);
        let head = if is_worse { [12_000, 20_000, 30_000] } else { [10_000, 20_000, 30_000] };
        let text = mutated(&shard(head).to_json(), &mutations);
        if let Some((run, Outcome::Pass)) = outcome(&text, &base, &base) {
            prop_assert!(is_all_there(&run, &base), "{text}");
        }
    }

    #[test]
    fn no_changed_baseline_hides_what_is_worse_or_gone(
        mutations in mutations(),
        is_gone: bool,
    ) {
        let base = Baselines::new([baseline([10_000, 20_000, 30_000])]);
        let mut run = shard([12_000, 20_000, 30_000]);
        if is_gone {
            let gone = run.benchmarks.remove(0);
            run.part.as_mut().unwrap().listed.retain(|id| *id != gone.id);
        }
        let head = baseline([12_000, 20_000, 30_000]).to_json();
        let text = mutated(&head, &mutations);
        if let Ok(head) = Baseline::from_json("head", &text) {
            let found = outcome(&run.to_json(), &base, &Baselines::new([head]));
            prop_assert!(!matches!(found, Some((_, Outcome::Pass))), "{text}");
        }
    }

    #[test]
    fn no_byte_of_a_run_can_be_changed_into_a_panic_or_a_pass_for_less(
        at in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let base = Baselines::new([baseline([10_000, 20_000, 30_000])]);
        let mut bytes = shard([12_000, 20_000, 30_000]).to_json().into_bytes();
        for (index, byte) in at {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(text) = String::from_utf8(bytes)
            && let Some((run, Outcome::Pass)) = outcome(&text, &base, &base)
        {
            prop_assert!(is_all_there(&run, &base), "{text}");
        }
    }
}
