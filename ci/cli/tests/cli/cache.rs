//! Nothing is measured twice, and nothing is believed that was not measured.

use std::fs;
use std::path::PathBuf;

use crate::sample::{Answer, Sample};

fn run(sample: &Sample) -> Answer {
    let mut command = sample.caching("measure", "steady");
    Answer::of(command.output().unwrap())
}

fn entries(sample: &Sample) -> Vec<PathBuf> {
    let listed = fs::read_dir(sample.cache().join("measurements")).unwrap();
    let mut paths: Vec<PathBuf> = listed.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn run_json(sample: &Sample) -> String {
    fs::read_to_string(sample.path().join("out/run.json")).unwrap()
}

#[test]
fn what_is_unchanged_is_not_measured_again() {
    let sample = Sample::new();
    let first = run(&sample);
    first.says(0, &["measured 3 of 3"]);
    let measured = run_json(&sample);
    assert_eq!(entries(&sample).len(), 3);

    let second = run(&sample);
    second.says(0, &["reused 3 cached measurements"]);
    assert!(!second.stderr.contains("icgate: measured"), "{second:?}");
    assert_eq!(second.stdout, first.stdout);
    assert_eq!(run_json(&sample), measured);

    let again = sample.run("measure", "steady", &[]);
    again.says(0, &["measured 3 of 3"]);
    assert!(!again.stderr.contains("unchanged since"), "{again:?}");
    assert_eq!(run_json(&sample), measured, "and it was true");
}

#[test]
fn a_damaged_entry_is_passed_over_with_a_word() {
    let sample = Sample::new();
    run(&sample).says(0, &[]);
    let good = run_json(&sample);
    let path = &entries(&sample)[0];
    let entry = fs::read_to_string(path).unwrap();
    // A count that nobody measured.
    let forged = entry.replace("\"instructions\":", "\"instructions\":1");
    assert_ne!(forged, entry);
    fs::write(path, forged).unwrap();
    let again = run(&sample);
    again.says(
        0,
        &[
            "reused 2 cached measurements",
            "is not what was stored there, so steady/",
            "is measured again",
            "measured 1 of 1",
        ],
    );
    assert_eq!(run_json(&sample), good);
    run(&sample).says(0, &["reused 3 cached measurements"]);
    assert_eq!(&fs::read_to_string(path).unwrap(), &entry, "it is fixed");
}

#[test]
fn a_cache_that_cannot_be_written_costs_only_time() {
    let sample = Sample::new();
    fs::write(sample.cache(), "a file where the directory would be").unwrap();
    let answer = run(&sample);
    answer.says(
        0,
        &["measured 3 of 3", "warning: measurements are not kept"],
    );
}
