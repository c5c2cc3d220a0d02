//! What is wrong with a machine or a project is said with place and remedy.

use std::os::unix::fs::symlink;

use crate::sample::{Answer, Sample, icgate};

#[test]
fn valgrind_is_missing() {
    let sample = Sample::new();
    let programs = sample.path().join("bin");
    std::fs::create_dir(&programs).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    for name in ["cargo", "rustc", "cc", "git", "ld", "as"] {
        let found = std::env::split_paths(&path)
            .map(|it| it.join(name))
            .find(|it| it.exists());
        symlink(found.unwrap(), programs.join(name)).unwrap();
    }
    let check = sample
        .command("check", "steady")
        .env("PATH", &programs)
        .output()
        .unwrap();
    Answer::of(check).says(
        3,
        &[
            "icgate: valgrind is not on PATH",
            "fix: apt-get install valgrind",
        ],
    );
    let doctor = icgate()
        .arg("doctor")
        .env("PATH", &programs)
        .output()
        .unwrap();
    Answer::of(doctor).says(3, &["missing  valgrind", "apt-get install valgrind"]);
}

#[test]
fn a_project_has_no_benches() {
    let sample = Sample::new();
    let none = sample.check("nothing_of_the_sort");
    none.says(
        2,
        &[
            "there is no bench target `nothing_of_the_sort`",
            "fix: the workspace has: broken, ",
        ],
    );
    let plain = sample.check("plain");
    plain.says(
        2,
        &[
            "none of the bench targets `plain` uses iai-callgrind",
            "fix: ",
        ],
    );
    let unmatched = sample.run("check", "steady", &["no/such/*"]);
    unmatched.says(2, &["no benchmark matches no/such/*", "fix: icgate list"]);
    let pattern = sample.run("check", "steady", &["a["]);
    pattern.says(2, &["`a[` is not a pattern"]);
}

#[test]
fn there_is_no_project() {
    let empty = Sample::new();
    let answer = icgate()
        .arg("check")
        .current_dir(empty.path())
        .output()
        .unwrap();
    Answer::of(answer).says(
        2,
        &["cannot read the project of `Cargo.toml`", "--manifest-path"],
    );
}

#[test]
fn a_bench_does_not_compile() {
    let answer = Sample::new().run("check", "broken", &["--features", "broken"]);
    answer.says(
        3,
        &[
            "mismatched types",
            "icgate: a bench does not compile",
            "fix: fix the compile errors above",
        ],
    );
}

#[test]
fn a_user_s_own_configuration_does_not_move_a_count() {
    let sample = Sample::new();
    let home = sample.path().join("cargo");
    std::fs::create_dir(&home).unwrap();
    std::fs::write(home.join("config.toml"), "[profile.bench]\nopt-level = 1\n").unwrap();
    let mut check = sample.command("check", "steady");
    let answer = Answer::of(check.env("CARGO_HOME", &home).output().unwrap());
    answer.says(
        2,
        &[
            "sets `profile.bench`",
            "cargo/config.toml`",
            "fix: move `profile.bench`",
        ],
    );
}

#[test]
fn two_benchmarks_have_one_name() {
    let sample = Sample::new();
    let update = sample.run("update", "twice", &[]);
    update.says(3, &["two benchmarks have the id `twice/work`", "fix: "]);
    assert!(!sample.baselines().exists());
}

#[test]
fn one_benchmark_panics_and_the_others_are_measured() {
    let sample = Sample::new();
    let check = sample.check("panics");
    check.says(
        3,
        &[
            "icgate: no verdict: 1 benchmark could not be measured",
            "not measured: panics/divide/bad",
            "fix: fix the benchmark",
            "cannot divide by nothing",
            "new panics/divide/fine",
        ],
    );
    sample
        .run("update", "panics", &[])
        .says(2, &["no baseline was changed"]);
    assert!(!sample.baselines().exists());
}

#[test]
fn only_what_costs_no_more_than_an_empty_function_is_empty() {
    let sample = Sample::new();
    sample.check("empty").says(
        5,
        &[
            "not comparable empty/nothing",
            "not comparable empty/passed_on/number",
            "new empty/largest/of_five",
            "optimized away",
        ],
    );
    // It is a warning where a project adopts the gate, and not in the way of the others.
    let warning = "empty/passed_on/number executes 4 instructions, no more than an empty function";
    sample
        .run("update", "empty", &[])
        .says(0, &[warning, "written"]);
    sample
        .check("empty")
        .says(0, &["pass: 3 benchmarks judged"]);
}

#[test]
fn unknown_arguments_are_refused_with_usage() {
    let answer = icgate().args(["check", "--limit", "2%"]).output().unwrap();
    Answer::of(answer).says(2, &["unexpected argument '--limit'"]);
    let help = Answer::of(icgate().arg("--help").output().unwrap());
    help.says(0, &["Exit codes:", "1    regression", "130  interrupted"]);
}

#[test]
fn misspelt_bench_and_package_are_answered_with_the_nearest() {
    let sample = Sample::new();
    sample.check("stedy").says(
        2,
        &[
            "there is no bench target `stedy`",
            "fix: did you mean `steady`? the workspace has: broken, ",
        ],
    );
    sample
        .run("check", "steady", &["--package", "sampel"])
        .says(
            2,
            &[
                "there is no package `sampel`",
                "fix: did you mean `sample`?",
            ],
        );
}

#[test]
fn missing_run_is_answered_with_the_command_that_measures_one() {
    let sample = Sample::with_baselines();
    let nowhere = sample.path().join("nowhere").display().to_string();
    for verb in ["report", "compare"] {
        sample.run(verb, "steady", &[&nowhere]).says(
            2,
            &[
                "there is no run at `",
                "nowhere`",
                "fix: check the path, or measure one: icgate check",
            ],
        );
    }
    let folder = sample.path().display().to_string();
    sample
        .run("compare", "steady", &[&folder])
        .says(2, &["there is no run at `", "or measure one"]);
}

#[test]
fn missing_temporary_directory_is_not_taken_for_missing_git() {
    let repository = crate::repository::Repository::new();
    let sample = Sample::with_baselines();
    let package = "[package]\nname = \"p\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    repository.write("Cargo.toml", package);
    repository.write("src/lib.rs", "// nothing\n");
    let suite = std::fs::read_to_string(sample.steady()).unwrap();
    repository.write("baselines/x86_64-linux-gnu/steady.json", &suite);
    repository.commit("baselines");
    let mut history = icgate();
    history.arg("history").current_dir(repository.path());
    history.env("TMPDIR", "/nonexistent");
    Answer::of(history.output().unwrap()).says(
        2,
        &[
            "cannot write a temporary file in `/nonexistent`",
            "fix: set TMPDIR to a directory that exists",
        ],
    );
}

#[test]
#[cfg(not(feature = "github"))]
fn publish_in_a_build_without_it_names_the_feature() {
    let mut publish = icgate();
    publish.args(["publish", "shards", "--newer-tools"]);
    Answer::of(publish.output().unwrap()).says(
        2,
        &[
            "built without `publish`",
            "fix: build it",
            "--features github",
        ],
    );
}
