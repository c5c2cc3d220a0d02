use super::*;
use crate::compare::compare;
use crate::judge::judge;
use crate::model::baseline::tests::accepted;
use crate::model::baseline::{Accepted, Baseline, Baselines};
use crate::model::environment::tests::environment;
use crate::model::functions::LineCost;
use crate::model::functions::{FunctionCost, FunctionTable};
use crate::model::metric::Metric;
use crate::model::run::{FunctionLines, Measurement, RUN_FORMAT};

fn function(name: &str, instructions: u64, calls: Option<u64>) -> FunctionCost {
    FunctionCost {
        metrics: crate::model::functions::FunctionMetrics::default(),
        name: name.into(),
        file: "engine/src/frame.rs".into(),
        instructions,
        calls,
        caller: None,
    }
}

fn measurement(id: &str, functions: Vec<FunctionCost>) -> Measurement {
    let functions = FunctionTable::new(functions, 0);
    let total = functions.total().unwrap();
    let lines = functions
        .rows()
        .iter()
        .map(|row| FunctionLines {
            name: row.name.clone(),
            file: row.file.clone(),
            lines: vec![LineCost {
                file: row.file.clone(),
                line: 42,
                instructions: row.instructions,
            }],
        })
        .collect();
    Measurement {
        metric_noise: BTreeMap::new(),
        calls: crate::model::call_graph::CallGraph::default(),
        id: id.parse().unwrap(),
        metrics: [
            (Metric::Instructions, total),
            (Metric::DataReads, total / 4),
        ]
        .into(),
        functions,
        lines,
        noise: 0,
    }
}

/// A report with one row of most kinds, for the renderers' tests.
pub(crate) fn sample() -> Report {
    sample_parts().0
}

/// The same with the run and base's baselines.
pub(crate) fn sample_parts() -> (Report, Run, Baselines) {
    let encode = |cost| function("engine::frame::encode", cost, Some(1000));
    let checksum = |cost| function("engine::frame::checksum", cost, None);
    let measured = vec![
        measurement("frame/encode/b64", vec![encode(206_000), checksum(30_000)]),
        measurement("frame/encode/kib1", vec![encode(700_000), checksum(31_000)]),
        measurement(
            "kv/get/hit",
            vec![function("engine::kv::get", 60_000, Some(1000))],
        ),
        measurement(
            "kv/new/case",
            vec![function("engine::kv::new", 5_000, Some(1))],
        ),
        measurement(
            "kv/put/n1000",
            vec![function("engine::kv::put", 90_000, Some(1000))],
        ),
    ];
    let base_of = |functions: Vec<FunctionCost>, id: &str| {
        Accepted::from_measurement(&measurement(id, functions), 0, None)
    };
    let frame = vec![
        base_of(vec![encode(200_000), checksum(30_000)], "frame/encode/b64"),
        base_of(vec![encode(700_000), checksum(31_000)], "frame/encode/kib1"),
    ];
    let kv = vec![
        base_of(
            vec![function("engine::kv::get", 70_000, Some(1000))],
            "kv/get/hit",
        ),
        accepted("kv/gone/case", 1_000),
        base_of(
            vec![function("engine::kv::put", 80_000, Some(1000))],
            "kv/put/n1000",
        ),
    ];
    let suite = |name: &str, benchmarks| Baseline::new(name, environment(), benchmarks);
    let mut head_kv = kv.clone();
    let reason = Some("TTL needs a clock read".to_owned());
    head_kv[2] = Accepted::from_measurement(&measured[4], 0, reason);
    let base = Baselines::new([suite("frame", frame.clone()), suite("kv", kv)]);
    let committed = Baselines::new([suite("frame", frame), suite("kv", head_kv)]);
    let run = Run::whole(environment(), measured);
    let policy = Policy::default();
    let comparison = compare(&base, &committed, &run);
    let judgements = judge(&comparison, &policy);
    let diff = "+++ b/engine/src/frame.rs\n@@ -40,0 +41,3 @@\n+a();\n+b();\n+c();\n";
    let changed = ChangedLines::from_unified_diff(diff);
    let report = report(&run, &comparison, &judgements, &policy, &changed, "1a2b3c4");
    (report, run, base)
}

#[test]
fn rows_that_need_attention_come_first() {
    let report = sample();
    let order: Vec<_> = report
        .rows
        .iter()
        .map(|row| (row.id.as_str(), row.verdict.word()))
        .collect();
    assert_eq!(
        order,
        [
            ("frame/encode/b64", "regressed"),
            ("kv/get/hit", "improved"),
            ("kv/gone/case", "benchmark_missing"),
            ("kv/new/case", "no_baseline"),
            ("kv/put/n1000", "accepted"),
            ("frame/encode/kib1", "unchanged"),
        ]
    );
    assert_eq!((report.outcome, report.exit_code), (Outcome::Regressed, 1));
    assert_eq!((report.judged, report.known), (6, 6));
}

#[test]
fn what_was_not_measured_is_never_a_pass() {
    let policy = Policy::default();
    let none = Baselines::default();
    let run = Run {
        format: RUN_FORMAT,
        crates: Vec::new(),
        commit: None,
        complete: false,
        part: None,
        environment: environment(),
        failed: vec![Failed {
            id: "a/b/c".parse().unwrap(),
            why: "it panicked".to_owned(),
        }],
        benchmarks: vec![],
    };
    let comparison = compare(&none, &none, &run);
    let judgements = judge(&comparison, &policy);
    let changed = ChangedLines::default();
    let report = report(&run, &comparison, &judgements, &policy, &changed, "base");
    assert_eq!(
        (report.outcome, report.exit_code),
        (Outcome::NotMeasured, 3)
    );
}

#[test]
fn a_row_carries_its_cause() {
    let report = sample();
    let culprit = &report.rows[0].culprits[0];
    assert_eq!(culprit.name, "engine::frame::encode");
    assert_eq!(
        (culprit.file.as_str(), culprit.line),
        ("engine/src/frame.rs", Some(42))
    );
    assert!(culprit.in_diff);
    assert_eq!(culprit.instructions, 6_000);
}

#[test]
fn no_change_ever_reads_as_none() {
    assert_eq!(change(10_000_000, 10_000_001), Some(1));
    assert_eq!(change(10_000_000, 9_999_999), Some(-1));
    assert_eq!(change(1_000, 1_010), Some(10_000));
    assert_eq!(change(1_000, 1_000), Some(0));
    assert_eq!(change(0, 0), Some(0));
    assert_eq!(change(0, 1), None);
    assert_eq!(change(1, u64::MAX), Some(i64::MAX));
}

#[test]
fn counts_of_two_environments_have_no_change_and_no_cause() {
    let (_, mut run, base) = sample_parts();
    run.environment.valgrind = "another".to_owned();
    let comparison = compare(&base, &base, &run);
    let policy = Policy::default();
    let judgements = judge(&comparison, &policy);
    let changed = ChangedLines::default();
    let report = report(&run, &comparison, &judgements, &policy, &changed, "base");
    assert_eq!(report.outcome, Outcome::NotComparable);
    assert!(report.causes.is_empty() && report.main_cause.is_none());
    let elsewhere = |row: &&Row| row.baseline == BaselineState::NotComparable;
    let mut rows = report.rows.iter().filter(elsewhere).peekable();
    assert!(rows.peek().is_some_and(|row| row.head.is_some()));
    assert!(
        rows.all(|row| row.change.is_none() && row.culprits.is_empty() && row.origin.is_none())
    );
    let text = crate::render::markdown::render(&report);
    assert!(
        !text.contains("Cause") && !text.contains("frame/encode"),
        "{text}"
    );
}
