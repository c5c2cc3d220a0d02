//! What is written is what the schemas in `ci/schema` say, and nothing else.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use strum::VariantArray as _;

use crate::sample::{Answer, Sample, icgate, manifest};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> Value {
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn schema(name: &str) -> Value {
    read(&root().join("ci/schema").join(name))
}

/// What a schema says against a value.
fn complaints(schema: &Value, value: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(schema).unwrap();
    let complaint = |it: jsonschema::ValidationError<'_>| format!("{}: {it}", it.instance_path());
    validator.iter_errors(value).map(complaint).collect()
}

#[track_caller]
fn holds(schema: &Value, value: &Value) {
    assert_eq!(complaints(schema, value), [""; 0]);
}

/// Lets no object of a schema have fields that it does not name, so that a new field is a
/// description that is missing.
fn closed(schema: &mut Value) {
    if let Value::Object(object) = schema {
        if object.contains_key("properties") && !object.contains_key("additionalProperties") {
            object.insert("additionalProperties".to_owned(), false.into());
        }
        object.values_mut().for_each(closed);
    } else if let Value::Array(items) = schema {
        items.iter_mut().for_each(closed);
    }
}

/// `compare` of the sample's run, as it is said in `format`.
fn compare(sample: &Sample, format: &str) -> Answer {
    let mut command = icgate();
    command
        .arg("compare")
        .arg(sample.path().join("out/run.json"))
        .arg("--part");
    command
        .args(["--format", format, "--manifest-path"])
        .arg(manifest());
    command.arg("--baselines").arg(sample.baselines());
    command.arg("--output").arg(sample.path().join("out"));
    Answer::of(command.output().unwrap())
}

#[test]
fn every_file_is_as_its_schema_says() {
    let sample = Sample::with_baselines();
    sample.check("steady").says(0, &[]);
    let run = sample.path().join("out/run.json");
    holds(&schema("run.schema.json"), &read(&run));

    // A baseline that claims less, and one for another benchmark.
    sample.edit("\"noise\":0", "\"noise\":1");
    let mut baseline = read(&sample.steady());
    let accepted = baseline["benchmarks"].as_array_mut().unwrap();
    accepted[0]["metrics"]["instructions"] = json!(7);
    accepted[0]["functions"] = json!([]);
    accepted[0]["other"] = json!(7);
    accepted[1]["id"] = json!("steady/checksum/n9");
    std::fs::write(sample.steady(), baseline.to_string()).unwrap();
    compare(&sample, "json").says(1, &["\"regressed\""]);
    let mut strict = schema("report.schema.json");
    closed(&mut strict);
    let report = read(&sample.path().join("out/report.json"));
    holds(&strict, &report);
    let verdicts: Vec<&str> = report["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(verdicts, ["regressed", "no_baseline", "unchanged"]);
    // Consumers may be sent fields that they do not know yet.
    let mut newer = report.clone();
    newer["rows"][0]["of_tomorrow"] = json!(1);
    holds(&schema("report.schema.json"), &newer);
}

#[test]
fn what_is_committed_is_as_its_schema_says() {
    let baselines = root().join("baselines");
    let mut files = 0;
    for entry in std::fs::read_dir(baselines.join("x86_64-linux-gnu")).unwrap() {
        holds(
            &schema("baseline.schema.json"),
            &read(&entry.unwrap().path()),
        );
        files += 1;
    }
    assert!(files > 0);
    let policy = std::fs::read_to_string(baselines.join("policy.toml")).unwrap();
    let policy: Value = toml::from_str(&policy).unwrap();
    holds(&schema("policy.schema.json"), &policy);
    let whole = "format = 2\n[default]\nlimit = \"0.5 %\"\nmin_change = 7\nimprovement = \"notice\"\n\
        [[rule]]\nbenchmarks = \"kv/**\"\nmetric = \"heap_bytes\"\nlimit = \"3%\"\n\
        [drift]\nlimit = \"5%\"\n[commands]\ncheck = \"make gate\"\n";
    holds(
        &schema("policy.schema.json"),
        &toml::from_str(whole).unwrap(),
    );
}

#[test]
fn schemas_refuse_what_icgate_refuses() {
    let policy = schema("policy.schema.json");
    for bad in [
        json!({}),
        json!({"format": 3}),
        json!({"format":2, "limits": {}}),
        json!({"format":2, "default": {"limit": "1"}}),
        json!({"format":2, "drift": {}}),
        json!({"format":2, "rule": [{"limit": "1%"}]}),
    ] {
        assert!(!complaints(&policy, &bad).is_empty(), "{bad}");
    }
    let baseline = schema("baseline.schema.json");
    let path = root().join("baselines/x86_64-linux-gnu/frame.json");
    for (pointer, value) in [
        ("/format", json!(3)),
        ("/benchmarks/0/id", json!("no_case")),
        ("/benchmarks/0/metrics/instructions", json!(-1)),
        ("/benchmarks/0/metrics/instructions", json!(1_u64 << 53)),
        ("/environment/rustc", json!(null)),
        ("/benchmarks/0/functions/0/name", json!(5)),
    ] {
        let mut bad = read(&path);
        *bad.pointer_mut(pointer).unwrap() = value;
        assert!(!complaints(&baseline, &bad).is_empty(), "{pointer}");
    }
}

#[test]
fn sarif_is_as_the_official_schema_says() {
    let sample = Sample::with_baselines();
    sample.check("steady").says(0, &[]);
    let mut official = schema("vendor/sarif-schema-2.1.0.json");
    // A bracket in it is not escaped, which this validator's expressions do not bear. Nothing that
    // icgate writes has a language.
    for of in ["run", "toolComponent"] {
        let pattern = format!("/definitions/{of}/properties/language/pattern");
        *official.pointer_mut(&pattern).unwrap() = json!("");
    }
    let sarif = |sample: &Sample| -> Value {
        serde_json::from_str(&compare(sample, "sarif").stdout).unwrap()
    };
    let pass = sarif(&sample);
    holds(&official, &pass);
    assert_eq!(pass["runs"][0]["results"], json!([]));
    let mut baseline = read(&sample.steady());
    let accepted = &mut baseline["benchmarks"][0];
    accepted["metrics"]["instructions"] = json!(7);
    accepted["functions"] = json!([]);
    accepted["other"] = json!(7);
    std::fs::write(sample.steady(), baseline.to_string()).unwrap();
    let fail = sarif(&sample);
    holds(&official, &fail);
    let result = &fail["runs"][0]["results"][0];
    assert_eq!(
        (&result["ruleId"], &result["level"]),
        (&json!("regressed"), &json!("error"))
    );
    let place = &result["locations"][0]["physicalLocation"];
    assert!(
        place["artifactLocation"]["uri"]
            .as_str()
            .unwrap()
            .starts_with("src/lib"),
        "{result}"
    );
    assert!(place["region"]["startLine"].as_u64().unwrap() > 0);
    assert!(!complaints(&official, &json!({"version": "2.1.0"})).is_empty());
}

#[test]
fn tables_and_test_reports_have_a_row_for_each_benchmark() {
    let sample = Sample::with_baselines();
    sample.check("steady").says(0, &[]);
    let csv = compare(&sample, "csv").stdout;
    assert_eq!(csv.lines().count(), 4, "{csv}");
    assert!(
        csv.starts_with("benchmark,verdict,movement,baseline,exit_code,metric,base,"),
        "{csv}"
    );
    let junit = compare(&sample, "junit").stdout;
    assert_eq!(junit.matches("<testcase ").count(), 3, "{junit}");
    let html = compare(&sample, "html").stdout;
    assert!(html.starts_with("<!DOCTYPE html>"), "{html}");
    let written = std::fs::read_to_string(sample.path().join("out/report.html")).unwrap();
    assert_eq!(html, written);
    let mut command = icgate();
    command
        .arg("report")
        .arg(sample.path().join("out/run.json"));
    command.arg("--manifest-path").arg(manifest());
    command.arg("--baselines").arg(sample.baselines());
    command.arg("--output").arg(sample.path().join("page"));
    let answer = Answer::of(command.output().unwrap());
    answer.says(0, &["page/report.html"]);
    assert!(sample.path().join("page/report.html").exists());
}

#[test]
fn schemas_list_every_word() {
    use icgate_core::judge::{BaselineState, Movement, Outcome};
    use icgate_core::model::metric::Metric;

    let words = |schema: &Value, pointer: &str| -> Vec<String> {
        let list = schema.pointer(pointer).unwrap().as_array().unwrap();
        list.iter()
            .map(|it| it.as_str().unwrap().to_owned())
            .collect()
    };
    let report = schema("report.schema.json");
    let movements: Vec<&str> = Movement::VARIANTS.iter().map(|it| it.word()).collect();
    let states: Vec<&str> = BaselineState::VARIANTS.iter().map(|it| it.word()).collect();
    assert_eq!(words(&report, "/$defs/movement/enum"), movements);
    assert_eq!(words(&report, "/$defs/baseline_state/enum"), states);
    // Of these two the verdict's word is the movement's.
    let own = |it: &&str| !["kept", "improvement_not_recorded"].contains(it);
    let verdicts: Vec<&str> = movements
        .into_iter()
        .chain(states.into_iter().filter(own))
        .collect();
    assert_eq!(words(&report, "/$defs/verdict/enum"), verdicts);
    let outcomes: Vec<&str> = Outcome::VARIANTS.iter().map(|it| it.word()).collect();
    assert_eq!(words(&report, "/$defs/outcome/enum"), outcomes);
    for name in ["report", "run", "baseline", "policy"] {
        let schema = schema(&format!("{name}.schema.json"));
        if let Some(list) = schema.pointer("/$defs/metric/enum") {
            assert_eq!(list, &json!(Metric::ALL.map(Metric::name)), "{name}");
        }
        if let Some(Value::Object(listed)) = schema.pointer("/$defs/metrics/properties") {
            assert!(
                Metric::ALL.iter().all(|it| listed.contains_key(it.name())),
                "{name}"
            );
            assert_eq!(listed.len(), Metric::ALL.len(), "{name}");
        }
    }
}
