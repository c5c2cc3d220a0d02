//! Counts that do not move when nothing changed.

use std::path::Path;

use crate::sample::{Answer, Sample, icgate, manifest};

fn counts(sample: &Sample, set: impl FnOnce(&mut std::process::Command)) -> String {
    let mut command = sample.command("measure", "steady");
    set(&mut command);
    let answer = Answer::of(command.output().unwrap());
    answer.says(0, &["steady/checksum/n100 "]);
    answer.stdout
}

#[test]
fn neither_jobs_nor_user_nor_environment_move_a_count() {
    let sample = Sample::new();
    let ordinary = counts(&sample, |_| {});
    assert_eq!(ordinary.lines().count(), 3);
    let one_job = counts(&sample, |command| {
        command.args(["--jobs", "1"]);
    });
    assert_eq!(one_job, ordinary);
    let home = |name: &str, folder: &str| {
        std::env::var_os(name).unwrap_or_else(|| {
            Path::new(&std::env::var_os("HOME").unwrap())
                .join(folder)
                .into_os_string()
        })
    };
    let other_user = counts(&sample, |command| {
        command.env("CARGO_HOME", home("CARGO_HOME", ".cargo"));
        command.env("RUSTUP_HOME", home("RUSTUP_HOME", ".rustup"));
        command
            .env("HOME", sample.path())
            .env("USER", "somebody")
            .env("LANG", "de_DE.UTF-8");
        command.env("PADDING", "x".repeat(5_000));
        command.env("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0");
        command.env("VALGRIND_OPTS", "--cache-sim=no");
        command
            .env("RUSTFLAGS", "-Copt-level=0")
            .env("CARGO_PROFILE_BENCH_OPT_LEVEL", "0");
    });
    assert_eq!(other_user, ordinary);
}

#[test]
fn a_checkout_elsewhere_counts_the_same() {
    let sample = Sample::new();
    let ordinary = counts(&sample, |_| {});
    let elsewhere = sample
        .path()
        .join("a-checkout/whose-path-is-longer-than-the-other-one-by-far");
    let from = manifest();
    for folder in ["src", "benches"] {
        std::fs::create_dir_all(elsewhere.join(folder)).unwrap();
        for entry in std::fs::read_dir(from.with_file_name(folder)).unwrap() {
            let entry = entry.unwrap();
            let to = elsewhere.join(folder).join(entry.file_name());
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
    for file in ["Cargo.toml", "Cargo.lock"] {
        std::fs::copy(from.with_file_name(file), elsewhere.join(file)).unwrap();
    }
    let mut command = icgate();
    command
        .args(["measure", "--bench", "steady"])
        .current_dir(&elsewhere);
    command.env("CARGO_TARGET_DIR", elsewhere.join("target"));
    let answer = Answer::of(command.output().unwrap());
    answer.says(0, &[]);
    assert_eq!(answer.stdout, ordinary);
}

#[test]
fn every_instruction_is_in_a_function() {
    let sample = Sample::new();
    counts(&sample, |_| {});
    let run = std::fs::read_to_string(sample.path().join("out/run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    for benchmark in run["benchmarks"].as_array().unwrap() {
        let rows = benchmark["functions"]["rows"].as_array().unwrap();
        let sum: u64 = rows
            .iter()
            .map(|row| row["instructions"].as_u64().unwrap())
            .sum();
        assert_eq!(
            Some(sum),
            benchmark["metrics"]["instructions"].as_u64(),
            "{benchmark}"
        );
    }
    let checksum = &run["benchmarks"][0];
    assert_eq!(checksum["id"], "steady/checksum/n100");
    let most_expensive = &checksum["functions"]["rows"][0];
    assert_eq!(
        (&most_expensive["name"], &most_expensive["file"]),
        (&"sample::mix".into(), &"src/lib.rs".into())
    );
    assert!(
        most_expensive.get("calls").is_none(),
        "an inlined function has no calls of its own"
    );
    let variants = run["environment"]["memory_functions"].as_str().unwrap();
    assert!(
        variants.contains("memcpy_sse2") || variants.contains("memmove_sse2"),
        "{variants}"
    );
    assert!(!variants.contains("avx"), "{variants}");
}

#[test]
fn honest_benchmark_has_no_noise_and_a_clock_shows_itself() {
    let run = |bench: &str, rounds: &str| {
        let sample = Sample::new();
        let mut command = sample.command("verify", bench);
        Answer::of(command.args(["--rounds", rounds]).output().unwrap())
    };
    let steady = run("steady", "5");
    steady.says(
        0,
        &[
            "noise        0  steady/checksum/n100",
            "0 of 3 benchmarks moved in 5 measurement environments",
        ],
    );
    // Without a level stack, a longer environment moves it. What is left is where its source lies in a
    // page, which code elsewhere moves.
    let stack = run("stack", "6");
    stack.says(
        0,
        &["noise        2  stack/copy", "in __memcpy_sse2_unaligned"],
    );
    let noisy = run("noisy", "4");
    noisy.says(
        noisy.code,
        &[
            "1 of 1 benchmarks moved in 4 measurement environments",
            "noisy::clock",
        ],
    );
    assert!(
        !noisy.stdout.contains("noise        0  noisy/clock"),
        "{noisy:?}"
    );
}
