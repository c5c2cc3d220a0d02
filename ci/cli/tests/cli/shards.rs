//! Shards: measured apart, merged to what one machine measures, or refused with the cause.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::sample::{Answer, Sample, icgate, manifest};

/// More than there are benchmarks in `steady`, so that the last is empty.
const SHARDS: usize = 4;

/// The shards' `run.json`, measured once for all tests.
fn texts() -> &'static [String] {
    static TEXTS: OnceLock<Vec<String>> = OnceLock::new();
    TEXTS.get_or_init(|| {
        let measure = |number| {
            let sample = Sample::with_baselines();
            let shard = format!("{number}/{SHARDS}");
            let measured = sample.run("measure", "steady", &["--shard", &shard]);
            measured.says(0, &[]);
            if number == SHARDS {
                measured.says(
                    0,
                    &["warning: shard 4/4 is empty: there are only 3 benchmarks"],
                );
            }
            std::fs::read_to_string(sample.path().join("out/run.json")).unwrap()
        };
        (1..=SHARDS).map(measure).collect()
    })
}

/// Writes the shards to files of their own in `directory`.
fn write(directory: &Path, texts: &[String]) -> Vec<PathBuf> {
    let write = |(index, text): (usize, &String)| {
        let path = directory.join(format!("{}.json", index + 1));
        std::fs::write(&path, text).unwrap();
        path
    };
    texts.iter().enumerate().map(write).collect()
}

fn merge(sample: &Sample, runs: &[PathBuf], arguments: &[&str]) -> Answer {
    let mut command = sample.command("merge", "steady");
    Answer::of(command.args(runs).args(arguments).output().unwrap())
}

/// Merges the shards after a change of their texts.
fn merge_changed(change: impl FnOnce(&mut Vec<String>)) -> Answer {
    let sample = Sample::with_baselines();
    let mut texts = texts().to_vec();
    change(&mut texts);
    let answer = merge(&sample, &write(sample.path(), &texts), &[]);
    let merged = sample.path().join("out/run.json").exists();
    assert!(
        merged == (answer.code == 0),
        "nothing is written of what is refused: {answer:#?}"
    );
    answer
}

#[track_caller]
fn edit(text: &mut String, from: &str, to: &str) {
    assert!(text.contains(from), "`{from}` is not in {text}");
    *text = text.replacen(from, to, 1);
}

#[test]
fn merged_shards_are_what_one_machine_measures() {
    let one = Sample::with_baselines();
    one.check("steady").says(0, &["judged 3 of 3"]);
    let several = Sample::with_baselines();
    let mut runs = write(several.path(), texts());
    runs.reverse();
    let merged = merge(&several, &runs, &[]);
    merged.says(0, &["icgate: pass: 3 benchmarks judged", "judged 3 of 3"]);
    let read =
        |sample: &Sample| std::fs::read_to_string(sample.path().join("out/run.json")).unwrap();
    assert_eq!(read(&several), read(&one));

    // Judged like any other run: these baselines lack them all.
    let unlisted = merge(&Sample::new(), &runs, &["--format", "markdown"]);
    unlisted.says(5, &["### 🟡 icgate: fail: the baseline", "| new |"]);
}

#[test]
fn a_shard_is_judged_by_what_it_has() {
    let sample = Sample::with_baselines();
    sample
        .run("check", "steady", &["--shard", "1/4"])
        .says(0, &["judged 1 of 3", "1 unchanged"]);
    sample
        .run("check", "steady", &["--shard", "9/9"])
        .says(0, &["pass: no benchmark was judged", "shard 9/9 is empty"]);
}

#[test]
fn what_is_missing_is_named() {
    let shard = merge_changed(|texts| drop(texts.remove(1)));
    shard.says(
        3,
        &[
            "icgate: shard 2/4 is missing",
            "fix: ",
            "icgate measure --shard 2/4",
        ],
    );
    let two = merge_changed(|texts| texts.truncate(2));
    two.says(3, &["icgate: shards 3/4, 4/4 are missing"]);
    let benchmark = merge_changed(|texts| {
        let mut run: serde_json::Value = serde_json::from_str(&texts[0]).unwrap();
        run["benchmarks"] = serde_json::json!([]);
        texts[0] = run.to_string();
    });
    benchmark.says(3, &["icgate: no shard has measured `steady/", "fix: "]);
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let environment =
        merge_changed(|texts| edit(&mut texts[1], "\"valgrind\":\"", "\"valgrind\":\"9"));
    environment.says(
        2,
        &[
            "1.json` and `",
            "2.json` cannot be merged: their measurement environments differ: valgrind is `",
        ],
    );
    let commit = merge_changed(|texts| {
        let mut run: serde_json::Value = serde_json::from_str(&texts[1]).unwrap();
        run["commit"] = "1a2b3c4".into();
        texts[1] = run.to_string();
    });
    commit.says(
        2,
        &["the other of 1a2b3c4", "fix: measure all shards again"],
    );
    let twice = merge_changed(|texts| texts.push(texts[1].clone()));
    twice.says(
        2,
        &["shard 2/4 is there twice: `", "fix: leave one of them out"],
    );
    let whole = merge_changed(|texts| {
        let mut run: serde_json::Value = serde_json::from_str(&texts[0]).unwrap();
        run.as_object_mut().unwrap().remove("part");
        texts[0] = run.to_string();
    });
    whole.says(
        2,
        &["is not a shard", "fix: judge it by itself: icgate compare "],
    );
    let unknown =
        merge_changed(|texts| edit(&mut texts[0], "\"whole\":", "\"extra\":1,\"whole\":"));
    unknown.says(2, &["cannot read run", "unknown field `extra`"]);
}

#[test]
fn other_baselines_or_policies_divide_otherwise() {
    let sample = Sample::with_baselines();
    sample.policy("format = 2\n[default]\nlimit = \"2%\"\n");
    sample
        .run("measure", "steady", &["--shard", "1/4"])
        .says(0, &[]);
    let other = std::fs::read_to_string(sample.path().join("out/run.json")).unwrap();
    let policy = merge_changed(|texts| texts[0] = other);
    policy.says(2, &["they were divided by different baselines or policies"]);
}

#[test]
fn the_last_attempt_counts() {
    let ci = |attempt: &str| format!("\"ci\":{{\"run\":7,\"attempt\":{attempt}}},\"accepted\":");
    let answer = merge_changed(|texts| {
        for text in texts.iter_mut() {
            edit(text, "\"accepted\":", &ci("1"));
        }
        let mut again = texts[2].clone();
        edit(&mut again, "\"attempt\":1", "\"attempt\":2");
        texts.insert(0, again);
    });
    answer.says(
        0,
        &["shard 3/4 was measured more than once: attempt 2 counts, attempt 1 does not"],
    );
    let other_run = merge_changed(|texts| edit(&mut texts[3], "\"accepted\":", &ci("1")));
    other_run.says(2, &["one is of CI run none, the other of 7"]);
}

#[test]
fn a_shard_says_which_run_of_ci_it_belongs_to() {
    let sample = Sample::with_baselines();
    let measure = |run: &str| {
        let mut command = sample.command("measure", "steady");
        command.args(["--shard", "4/4"]);
        command
            .env("GITHUB_RUN_ID", run)
            .env("GITHUB_RUN_ATTEMPT", "3");
        Answer::of(command.output().unwrap())
    };
    measure("12345678901").says(0, &["shard 4/4 is empty"]);
    let run = std::fs::read_to_string(sample.path().join("out/run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    assert_eq!(
        run["part"]["ci"],
        serde_json::json!({ "run": 12_345_678_901_u64, "attempt": 3 })
    );
    assert_eq!(run["part"]["shard"], "4/4");
    assert_eq!(run["complete"], false);
    measure("1; rm").says(2, &["GITHUB_RUN_ID is \"1; rm\", not a number", "fix: "]);
}

#[test]
fn there_is_no_such_shard() {
    let sample = Sample::new();
    let refused = |verb: &str, shard: &str| sample.run(verb, "steady", &["--shard", shard]);
    refused("check", "4/3").says(2, &["shard 4/3 does not exist"]);
    refused("measure", "0/3").says(2, &["numbered from 1 to 3"]);
    refused("measure", "1/1001").says(2, &["1 to 1000 shards"]);
    refused("measure", "first").says(2, &["`first` is not of the form `2/3`"]);
    refused("update", "1/2").says(2, &["unexpected argument '--shard'"]);
}

#[test]
fn a_merged_run_that_cannot_be_written_is_said() {
    let sample = Sample::with_baselines();
    let runs = write(sample.path(), texts());
    let mut command = icgate();
    command
        .arg("merge")
        .args(&runs)
        .args(["--output", "/proc/icgate"]);
    command.arg("--manifest-path").arg(manifest());
    command.arg("--baselines").arg(sample.baselines());
    let answer = Answer::of(command.output().unwrap());
    answer.says(
        2,
        &[
            "icgate: cannot write `/proc/icgate",
            "fix: make it writable",
        ],
    );
    assert!(!answer.stdout.contains("pass"), "{answer:?}");
}

#[test]
fn a_disk_that_fills_up_leaves_the_old_run_as_it_was() {
    let sample = Sample::with_baselines();
    let runs = write(sample.path(), texts());
    let out = sample.path().join("out");
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("run.json"), "old").unwrap();
    let merge = sample.command("merge", "steady");
    // A file may not grow beyond 1 KiB: writing ends in the middle, as on a full disk.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 2; exec \"$@\"", "sh"]);
    limited
        .arg(merge.get_program())
        .args(merge.get_args())
        .args(&runs);
    for (name, value) in merge.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    let answer = Answer::of(limited.output().unwrap());
    answer.says(
        2,
        &[
            "icgate: cannot write `",
            "out/run.json`: File too large",
            "fix: ",
        ],
    );
    assert_eq!(
        std::fs::read_to_string(out.join("run.json")).unwrap(),
        "old"
    );
    let names: Vec<_> = std::fs::read_dir(&out)
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    assert_eq!(names, ["run.json"], "no half of a file is left behind");
}

#[test]
fn folder_of_shards_is_merged_like_their_files() {
    let sample = Sample::with_baselines();
    let folder = sample.path().join("shards");
    for (number, text) in texts().iter().enumerate() {
        let shard = folder.join(number.to_string());
        std::fs::create_dir_all(&shard).unwrap();
        std::fs::write(shard.join("run.json"), text).unwrap();
    }
    merge(&sample, &[folder], &[]).says(0, &["judged 3 of 3"]);
}
