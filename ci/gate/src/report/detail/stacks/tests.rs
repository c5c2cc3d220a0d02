use super::*;
use crate::model::baseline::tests::accepted;
use crate::model::baseline::{Accepted, Baseline, Baselines};
use crate::model::call_graph::tests::graph;
use crate::model::environment::tests::environment;
use crate::model::metric::Metric;
use crate::model::run::Run;

const FILE: &str = "a.rs";

/// What a function costs in itself.
type Costly<'a> = (&'a str, u64);
/// Who calls whom, and what is executed in those calls.
type Called<'a> = (&'a str, &'a str, u32, u64);

fn measured(functions: &[Costly<'_>], calls: &[Called<'_>]) -> Measurement {
    let row = |&(name, instructions): &Costly<'_>| FunctionCost {
        name: name.into(),
        file: FILE.into(),
        instructions,
        calls: None,
        caller: None,
        metrics: crate::model::functions::FunctionMetrics::default(),
    };
    let functions = FunctionTable::new(functions.iter().map(row).collect(), 0);
    Measurement {
        metric_noise: BTreeMap::new(),
        id: "a/b/c".parse().unwrap(),
        metrics: [(Metric::Instructions, functions.total().unwrap())].into(),
        functions,
        lines: Vec::new(),
        calls: graph(FILE, calls),
        noise: 0,
    }
}

/// The stacks of head beside base, whose run is at hand or not: frames, base, head.
fn beside(base: &Measurement, head: &Measurement, with_run: bool) -> Vec<(String, u64, u64)> {
    let run = Run::whole(environment(), vec![base.clone()]);
    let baselines = Baselines::new([Baseline::new(
        "a",
        environment(),
        vec![Accepted::from_measurement(base, 0, None)],
    )]);
    let base = Base {
        run: with_run.then_some(&run),
        baselines: &baselines,
        in_head: &same,
    };
    let (stacks, grouping) = stacks(base, &head.id, head);
    assert_eq!(grouping, Grouping::Calls);
    let sum = |side: fn(&Stack) -> u64| stacks.iter().map(side).sum::<u64>();
    assert_eq!(sum(|it| it.head), head.instructions());
    assert_eq!(sum(|it| it.base), run.benchmarks[0].instructions());
    let row = |it: Stack| (it.frames.join(" "), it.base, it.head);
    let mut rows: Vec<_> = stacks.into_iter().map(row).collect();
    rows.sort();
    rows
}

fn stack(frames: &str, base: u64, head: u64) -> (String, u64, u64) {
    (frames.to_owned(), base, head)
}

const START: [Called<'static>; 2] = [("_start", "main", 1, 1_000), ("main", "bench", 2, 1_000)];

#[test]
fn a_baseline_s_cost_is_spread_over_head_s_calls() {
    let calls = [
        ("bench", "f", 3, 600),
        ("bench", "g", 4, 300),
        ("f", "h", 5, 300),
        ("g", "h", 6, 100),
    ];
    let head = measured(
        &[("bench", 100), ("f", 300), ("g", 200), ("h", 400)],
        &[&START[..], &calls].concat(),
    );
    let base = measured(&[("bench", 100), ("f", 300), ("g", 200), ("h", 200)], &[]);
    assert_eq!(
        beside(&base, &head, false),
        [
            stack("bench", 100, 100),
            stack("bench f", 300, 300),
            stack("bench f h", 150, 300),
            stack("bench g", 200, 200),
            stack("bench g h", 50, 100),
        ],
        "what leads to the benchmark is left out"
    );
}

#[test]
fn what_leads_to_a_benchmark_may_execute_an_instruction() {
    let calls = [("bench", "f", 3, 4_999), ("thread", "g", 4, 5)];
    let with = |main| {
        let costs = [("main", main), ("f", 4_999), ("g", 5)];
        measured(&costs, &[&START[..], &calls].concat())
    };
    assert_eq!(
        beside(&with(1), &with(2), true),
        [
            stack("f", 4_999, 4_999),
            stack("main", 1, 2),
            stack("thread g", 5, 5),
        ]
    );
}

#[test]
fn with_base_s_run_one_more_call_is_seen_where_it_is_made() {
    let of = |by_f: u64, cost: u64| {
        let calls = [
            ("bench", "f", 3, 300 + by_f),
            ("bench", "g", 4, 300),
            ("f", "h", 5, by_f),
            ("g", "h", 6, 100),
        ];
        measured(
            &[("bench", 100), ("f", 300), ("g", 200), ("h", cost)],
            &[&START[..], &calls].concat(),
        )
    };
    let rows = beside(&of(100, 200), &of(200, 300), true);
    assert!(rows.contains(&stack("bench f h", 100, 200)), "{rows:?}");
    assert!(rows.contains(&stack("bench g h", 100, 100)), "{rows:?}");
}

#[test]
fn a_new_helper_around_a_function_does_not_make_it_look_new() {
    let base = measured(
        &[("bench", 100), ("h", 900)],
        &[&START[..], &[("bench", "h", 3, 900)]].concat(),
    );
    let head = measured(
        &[("bench", 100), ("helper", 50), ("h", 900)],
        &[
            &START[..],
            &[("bench", "helper", 3, 950), ("helper", "h", 9, 900)],
        ]
        .concat(),
    );
    assert_eq!(
        beside(&base, &head, true),
        [
            stack("bench", 100, 100),
            stack("bench helper", 0, 50),
            stack("bench helper h", 900, 900),
        ]
    );
}

#[test]
fn what_no_call_leads_to_stands_elsewhere() {
    let head = measured(&[("bench", 900), ("lost", 100)], &START);
    let base = measured(&[("bench", 900), ("vanished", 50), ("tiny", 0)], &START);
    for with_run in [false, true] {
        let rows = beside(&base, &head, with_run);
        assert!(rows.contains(&stack("bench", 900, 900)), "{rows:?}");
        assert!(rows.contains(&stack("elsewhere lost", 0, 100)), "{rows:?}");
        assert!(
            rows.contains(&stack("elsewhere vanished", 50, 0)),
            "{rows:?}"
        );
    }
}

#[test]
fn what_vanished_stands_where_base_called_it() {
    let head = measured(&[("bench", 900)], &START);
    let calls = [("bench", "gone", 3, 100)];
    let base = measured(
        &[("bench", 900), ("gone", 100)],
        &[&START[..], &calls].concat(),
    );
    let found = |with_run, frames| {
        let rows = beside(&base, &head, with_run);
        assert!(rows.contains(&stack(frames, 100, 0)), "{rows:?}");
    };
    found(true, "bench gone");
    found(false, "elsewhere gone");
}

#[test]
fn a_benchmark_without_a_base_has_none() {
    let head = measured(&[("bench", 100)], &START);
    let baselines = Baselines::new([Baseline::new(
        "a",
        environment(),
        vec![accepted("a/other/c", 7)],
    )]);
    let base = Base {
        run: None,
        baselines: &baselines,
        in_head: &same,
    };
    assert!(stacks(base, &head.id, &head).0.is_empty());
}

#[test]
fn a_library_function_stands_under_whom_it_ran_for() {
    let row = |name: &str, file: &str, caller: Option<&str>| FunctionCost {
        name: name.into(),
        file: file.into(),
        instructions: 10,
        calls: None,
        caller: caller.map(Into::into),
        metrics: crate::model::functions::FunctionMetrics::default(),
    };
    let table = FunctionTable::new(
        vec![
            row("f", "src/f.rs", None),
            row("memcpy", "libc", Some("f")),
            row("hash", "core", Some("gone")),
        ],
        5,
    );
    let mut costs = Costs::new();
    push(&mut costs, &table, None, Side::Head);
    let frames: Vec<String> = costs.keys().map(|it| it.join(";")).collect();
    assert_eq!(
        frames,
        [
            "core;gone;hash",
            "other functions",
            "src/f.rs;f",
            "src/f.rs;f;memcpy"
        ]
    );
}
