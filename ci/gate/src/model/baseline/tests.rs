use super::*;
use crate::model::environment::tests::environment;
use crate::model::run::Run;

/// A benchmark with one function, for tests of other modules.
pub(crate) fn accepted(id: &str, instructions: u64) -> Accepted {
    let row = FunctionCost {
        name: "engine::f".into(),
        file: "engine/src/f.rs".into(),
        instructions: instructions.saturating_sub(10),
        calls: Some(1),
        caller: None,
        metrics: crate::model::functions::FunctionMetrics::default(),
    };
    Accepted {
        metric_noise: BTreeMap::new(),
        id: id.parse().unwrap(),
        metrics: [(Metric::Instructions, instructions), (Metric::DataReads, 7)].into(),
        noise: 0,
        reason: None,
        functions: FunctionTable::new(vec![row], instructions.min(10)),
    }
}

/// A measurement of exactly what [`accepted`] accepts.
pub(crate) fn measured(id: &str, instructions: u64) -> Measurement {
    let accepted = accepted(id, instructions);
    Measurement {
        metric_noise: BTreeMap::new(),
        calls: crate::model::call_graph::CallGraph::default(),
        id: accepted.id,
        metrics: accepted.metrics,
        functions: accepted.functions,
        lines: vec![],
        noise: 0,
    }
}

/// Baselines of the suites `a` and `b`, with the same count for each benchmark.
pub(crate) fn baselines(ids: &[&str], instructions: u64) -> Baselines {
    Baselines::new(["a", "b"].map(|suite| {
        let of_suite = ids.iter().filter(|id| id.starts_with(suite));
        let accepted = of_suite.map(|id| accepted(id, instructions));
        Baseline::new(suite, environment(), accepted.collect())
    }))
}

/// A whole run of these benchmarks, with the same count for each.
pub(crate) fn run(ids: &[&str], instructions: u64) -> Run {
    let measured = ids.iter().map(|id| measured(id, instructions));
    Run::whole(environment(), measured.collect())
}

fn baseline() -> Baseline {
    Baseline::new(
        "a",
        environment(),
        vec![accepted("a/b/c", 1000), accepted("a/b/d", 2000)],
    )
}

fn read(text: &str) -> Result<Baseline, BaselineError> {
    Baseline::from_json("baselines/p/a.json", text)
}

#[test]
fn a_baseline_survives_writing_and_reading() {
    let mut full = baseline();
    full.benchmarks[0].reason = Some("a \"reason\"\nof two lines".to_owned());
    full.benchmarks[0].noise = 3;
    full.benchmarks[0].metrics = Metric::ALL.map(|metric| (metric, 1000)).into();
    full.benchmarks[1].functions = FunctionTable::new(vec![], 2000);
    let empty = Baseline {
        benchmarks: vec![],
        ..baseline()
    };
    for baseline in [baseline(), full, empty] {
        let text = baseline.to_json();
        assert_eq!(read(&text).unwrap(), baseline, "{text}");
        assert_eq!(read(&text).unwrap().to_json(), text);
    }
}

#[test]
fn one_benchmark_a_line_and_one_function_a_line() {
    insta::assert_snapshot!(baseline().to_json());
}

#[test]
fn what_icgate_never_wrote_is_refused_with_place_and_cause() {
    let text = baseline().to_json();
    let check = |from: &str, to: &str, message: &str| {
        assert!(text.contains(from), "{from}");
        let error = read(&text.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(message), "{error}\nexpected: {message}");
        assert!(error.contains("`baselines/p/a.json`"), "{error}");
    };
    check(
        "\"instructions\":1000",
        "\"instructions\":-1",
        "integer `-1`, expected u64",
    );
    check(
        "\"instructions\":1000",
        "\"instructions\":99999999999999999999",
        "(line 18",
    );
    check(
        "\"data_reads\":7",
        "\"data_reads\":9007199254740992",
        "over the largest count",
    );
    check(
        "\"instructions\":1000",
        "\"instructions\":1001",
        "do not add up to its 1001",
    );
    check("\"a/b/d\"", "\"a/b/c\"", "`a/b/c` appears twice");
    check("\"a/b/d\"", "\"a/a/d\"", "out of order");
    check("\"a/b/d\"", "\"b/b/d\"", "does not belong to suite `a`");
    check("\"a/b/d\"", "\"a\"", "has 1 segments");
    check(
        "\"noise\":0",
        "\"noise\":0,\"headroom\":9",
        "unknown field `headroom`",
    );
    check(
        "\"noise\":0",
        "\"noise\":0,\"noise\":0",
        "duplicate field `noise`",
    );
    check(
        "\"data_reads\":7",
        "\"data_reads\":7,\"data_reads\":8",
        "`data_reads` is given twice",
    );
    check(
        "\"data_reads\":7",
        "\"data_rites\":7",
        "unknown variant `data_rites`",
    );
    check("\"instructions\":1000,", "", "`instructions` is missing");
    check(
        "\"format\": 2",
        "\"format\": 3",
        "it has format 3, this icgate knows up to 2",
    );
    check(
        "\"format\": 2",
        "\"format\": 1, \"chamber\": {}",
        "it has the former format 1, this icgate reads 2",
    );
    check("\"format\": 2,", "", "missing field `format`");
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    let text = baseline().to_json();
    for end in 0..text.trim_end().len() {
        assert!(
            matches!(read(&text[..end]), Err(BaselineError::Shape { .. })),
            "{end}"
        );
    }
}

#[test]
fn a_refusal_says_what_to_do() {
    let error = read("<html>").unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read baseline `baselines/p/a.json` (line 1, column 1: expected value)"
    );
    assert!(fix(&error).contains("git checkout -- baselines/p/a.json"));
    let newer = read(r#"{"format": 7}"#).unwrap_err();
    assert!(fix(&newer).contains("newer"));
}

fn fix(error: &dyn Diagnostic) -> String {
    error.help().map(|it| it.to_string()).unwrap_or_default()
}

#[test]
fn what_was_removed_keeps_its_name_and_reason() {
    let mut baseline = baseline();
    baseline.removed = ["engine/a/gone", "engine/z/gone"]
        .map(|id| Removed {
            id: id.replace("engine", &baseline.suite).parse().unwrap(),
            reason: "the format has no footer".to_owned(),
        })
        .into();
    let text = baseline.to_json();
    assert_eq!(read(&text).unwrap(), baseline, "{text}");
    assert_eq!(read(&text).unwrap().to_json(), text);
    let lines = text.lines().filter(|it| it.contains("no footer"));
    assert_eq!(
        lines.count(),
        2,
        "each on a line of its own, so that two changes merge"
    );
    for (of, by) in [
        ("the format has no footer", " "),
        ("a/gone", "zz/gone"),
        ("z/gone", "a/gone"),
    ] {
        let bad = text.replace(of, by);
        assert!(read(&bad).is_err(), "{bad}");
    }
    baseline.removed[0].id = baseline.benchmarks[0].id.clone();
    assert!(read(&baseline.to_json()).is_err());
}
