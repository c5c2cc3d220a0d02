//! Pages to look at: a judged run of many benchmarks, built as values.

use std::sync::Arc;

use icgate_core::attribute::diff::ChangedLines;
use icgate_core::compare::compare;
use icgate_core::judge::judge;
use icgate_core::model::baseline::{Accepted, Baseline, Baselines};
use icgate_core::model::call_graph::CallGraph;
use icgate_core::model::environment::Environment;
use icgate_core::model::functions::LineCost;
use icgate_core::model::functions::{FunctionCost, FunctionTable};
use icgate_core::model::metric::Metric;
use icgate_core::model::note::Note;
use icgate_core::model::policy::{Limit, PartsPerMillion, Policy};
use icgate_core::model::run::{FunctionLines, Measurement, Run};
use icgate_core::render::history::HistoryView;
use icgate_core::render::{html, markdown};
use icgate_core::report::detail::{Base, Sources, details};
use icgate_core::report::history::{Change, Commit, History, SuiteCounts};
use icgate_core::report::{Report, report};

/// What names look like.
#[derive(Clone, Copy)]
pub(crate) struct Names {
    /// Put into every name that may hold it.
    pub(crate) infix: &'static str,
}

/// Names as they are.
pub(crate) const PLAIN: Names = Names { infix: "" };

/// How many commits the trends have.
const COMMITS: usize = 60;
const FUNCTIONS: u64 = 24;

struct Quoted(&'static str);

impl Sources for Quoted {
    fn lines(&mut self, _: &str, first: u32, last: u32) -> Vec<String> {
        let line = |number| format!("    let line_{number} = encode(&record); {}", self.0);
        (first..=last).map(line).collect()
    }
}

/// A report of so many benchmarks: one in twenty is worse, one in twenty better.
pub(crate) fn judged(benchmarks: usize, names: Names) -> (Report, String) {
    let environment = environment(names);
    let ids: Vec<String> = (0..benchmarks).map(id).collect();
    let measured = |moved: bool| -> Vec<Measurement> {
        let of = |(number, id): (usize, &String)| measurement(id, number as u64, moved, names);
        ids.iter().enumerate().map(of).collect()
    };
    let suite = |benchmarks: Vec<Measurement>| {
        Baseline::new(
            "suite",
            environment.clone(),
            benchmarks
                .iter()
                .map(|it| Accepted::from_measurement(it, 0, None))
                .collect(),
        )
    };
    let run = |benchmarks| Run::whole(environment.clone(), benchmarks);
    let baselines = Baselines::new([suite(measured(false))]);
    let (base, head) = (run(measured(false)), run(measured(true)));
    let policy = Policy::default();
    let comparison = compare(&baselines, &baselines, &head);
    let judgements = judge(&comparison, &policy);
    let changed = ChangedLines::default();
    let found = format!(
        "1a2b3c4d5e{} (where this branch left `origin/main`)",
        names.infix
    );
    let mut report = report(&head, &comparison, &judgements, &policy, &changed, &found);
    report.remember(&history(&ids, &environment, names));
    report.warn(Note::new("the clone is shallow{}", &[&names.infix]));
    let base = Base {
        run: Some(&base),
        baselines: &baselines,
        in_head: &|file, line| Some((file.to_owned(), line)),
    };
    let details = details(&report, &head, base, &mut Quoted(names.infix));
    let page = html::render(&report, &details);
    (report, page)
}

/// The comment of such a report.
pub(crate) fn comment(benchmarks: usize, names: Names) -> String {
    markdown::render(&judged(benchmarks, names).0)
}

/// The page of the trends of so many benchmarks.
pub(crate) fn trends(benchmarks: usize, names: Names) -> String {
    let ids: Vec<String> = (0..benchmarks).map(id).collect();
    let history = history(&ids, &environment(names), names);
    let limit = Limit {
        share: PartsPerMillion(20_000),
        min_change: 50,
    };
    let since = Some(format!("v1{}", names.infix));
    html::render_history(&HistoryView::new(&history, |_| true, since, Some(limit)))
}

fn id(number: usize) -> String {
    format!("suite/subject_{number:04}/case")
}

fn measurement(id: &str, number: u64, moved: bool, names: Names) -> Measurement {
    let mut rows = Vec::new();
    let mut lines = Vec::new();
    for index in 0..FUNCTIONS {
        let name = format!("engine::storage::segment_{index}{}::append", names.infix);
        let file = format!("engine/src/storage/segment_{}{}.rs", index % 5, names.infix);
        let mut instructions = 1_000_000 / (index + 1) + number * 7;
        match number % 20 {
            7 if moved && index < 3 => instructions += instructions / 10,
            13 if moved && index == 0 => instructions -= instructions / 10,
            _ => {}
        }
        let line = |line, instructions| LineCost {
            file: file.as_str().into(),
            line,
            instructions,
        };
        lines.push(FunctionLines {
            name: name.as_str().into(),
            file: file.as_str().into(),
            lines: vec![line(40, instructions / 2), line(42, instructions / 3)],
        });
        rows.push(FunctionCost {
            name: name.as_str().into(),
            file: file.as_str().into(),
            instructions,
            calls: Some(1_000),
            caller: None,
            metrics: icgate_core::model::functions::FunctionMetrics::default(),
        });
    }
    let functions = FunctionTable::new(rows, 0);
    let instructions = functions.total().expect("small numbers");
    Measurement {
        metric_noise: std::collections::BTreeMap::new(),
        calls: calls(&functions),
        id: id.parse().expect("an id"),
        metrics: [
            (Metric::Instructions, instructions),
            (Metric::DataReads, instructions / 4),
            (Metric::DataWrites, instructions / 6),
            (Metric::I1Misses, 40),
            (Metric::EstimatedCycles, instructions * 2),
        ]
        .into(),
        functions,
        noise: 0,
        lines,
    }
}

/// One calls all the others but four, which the most expensive calls.
fn calls(functions: &FunctionTable) -> CallGraph {
    let rows = functions.rows();
    let names: Vec<_> = [("benches::run", "benches/src/lib.rs")]
        .into_iter()
        .chain(rows.iter().map(FunctionCost::key))
        .collect();
    let inner: u64 = rows[1..5].iter().map(|it| it.instructions).sum();
    let sites: Vec<_> = rows
        .iter()
        .enumerate()
        .map(|(at, row)| match at {
            0 => (0, 1, row.instructions + inner),
            1..5 => (1, at + 1, row.instructions),
            _ => (0, at + 1, row.instructions),
        })
        .map(|(caller, callee, instructions)| {
            serde_json::json!({"caller": caller, "callee": callee, "calls": 1_000,
                "instructions": instructions})
        })
        .collect();
    let graph = serde_json::json!({"functions": names, "sites": sites});
    serde_json::from_value(graph).expect("a graph")
}

fn history(ids: &[String], environment: &Environment, names: Names) -> History {
    let changes: Vec<Change> = (0..COMMITS)
        .map(|commit| {
            let benchmarks: Vec<_> = ids
                .iter()
                .enumerate()
                .map(|(number, id)| {
                    let step = if number % 3 == 0 {
                        commit / 7
                    } else {
                        commit / 40
                    };
                    let instructions = 3_700_000 + step * 20_000;
                    serde_json::json!({"id": id, "metrics": {"instructions": instructions},
                        "reason": format!("why{}", names.infix)})
                })
                .collect();
            let suite = serde_json::json!({"suite": "suite", "environment": environment,
                "benchmarks": benchmarks});
            let counts = SuiteCounts::from_json(suite.to_string().as_bytes());
            Change {
                commit: Commit {
                    hash: format!("{commit:040}").as_str().into(),
                    date: "2026-01-31".into(),
                    subject: format!("Change {commit}{}", names.infix).as_str().into(),
                },
                suite: "suite".to_owned(),
                counts: counts.map(Arc::new),
            }
        })
        .collect();
    History::new(&changes)
}

fn environment(names: Names) -> Environment {
    Environment {
        target: format!("x86_64-unknown-linux-gnu{}", names.infix),
        ..Environment::example()
    }
}
