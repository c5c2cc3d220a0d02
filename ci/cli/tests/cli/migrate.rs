//! `icgate migrate`: files of a former format, on disk.

use std::fs;

use crate::sample::{Answer, Sample, icgate, manifest};

const OLD_POLICY: &str = "format = 1\n[default]\nfloor = 50  # few instructions\n";

fn migrate(sample: &Sample) -> Answer {
    let mut command = icgate();
    command
        .arg("migrate")
        .arg("--manifest-path")
        .arg(manifest());
    command.arg("--baselines").arg(sample.baselines());
    Answer::of(command.output().unwrap())
}

/// Writes the sample's baselines and policy as the former version did.
fn make_old(sample: &Sample) {
    sample.policy(OLD_POLICY);
    let text = fs::read_to_string(sample.steady()).unwrap();
    let text = text
        .replace("\"format\": 2", "\"format\": 1")
        .replace("\"environment\":", "\"chamber\":")
        .replace("\"noise\":", "\"floor\":");
    fs::write(sample.steady(), text).unwrap();
}

#[test]
fn former_files_are_rewritten_and_then_judged_as_before() {
    let sample = Sample::with_baselines();
    let before = fs::read_to_string(sample.steady()).unwrap();
    make_old(&sample);
    sample
        .check("steady")
        .says(2, &["policy.toml`", "it has format 1", "icgate migrate"]);
    migrate(&sample).says(0, &["written ", "policy.toml", "steady.json"]);
    assert_eq!(fs::read_to_string(sample.steady()).unwrap(), before);
    let policy = fs::read_to_string(sample.baselines().join("policy.toml")).unwrap();
    let expected = "format = 2\n[default]\nmin_change = 50  # few instructions\n";
    assert_eq!(policy, expected);
    sample.check("steady").says(0, &["3 unchanged"]);
    migrate(&sample).says(0, &["nothing to migrate"]);
}

#[test]
fn no_file_is_changed_if_one_is_refused() {
    let sample = Sample::with_baselines();
    make_old(&sample);
    let text = fs::read_to_string(sample.steady()).unwrap();
    let damaged = text.replacen("\"instructions\":", "\"instructions\":-", 1);
    fs::write(sample.steady(), &damaged).unwrap();
    migrate(&sample).says(2, &["steady.json`", "fix: "]);
    let policy = fs::read_to_string(sample.baselines().join("policy.toml")).unwrap();
    assert_eq!(policy, OLD_POLICY);
    assert_eq!(fs::read_to_string(sample.steady()).unwrap(), damaged);
}
