//! Executables that one job builds and another measures: without cargo, and in a sandbox.

use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sample::{Answer, Sample, icgate, manifest};

/// Builds a bench target of the sample into `executables`.
fn build(sample: &Sample, bench: &str, prepare: impl FnOnce(&mut Command)) -> PathBuf {
    let directory = sample.path().join("executables");
    let mut command = icgate();
    command.arg("build").arg("--manifest-path").arg(manifest());
    command.arg("--baselines").arg(sample.baselines());
    command
        .args(["--bench", bench])
        .arg("--output")
        .arg(&directory);
    prepare(&mut command);
    Answer::of(command.output().unwrap()).says(0, &["written"]);
    // Artifacts lose them.
    for entry in std::fs::read_dir(directory.join("bin")).unwrap() {
        let plain = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(entry.unwrap().path(), plain).unwrap();
    }
    directory
}

/// `icgate check` of them, where there is no cargo.
fn check(sample: &Sample, executables: &Path, arguments: &[&str]) -> Answer {
    let mut command = icgate();
    command.arg("check").arg("--executables").arg(executables);
    command.arg("--workspace").arg(manifest().parent().unwrap());
    command.arg("--baselines").arg(sample.baselines());
    command.arg("--output").arg(sample.path().join("measured"));
    command.arg("--no-cache").args(arguments);
    // A token would stand there.
    command
        .env("PATH", "/usr/bin:/bin")
        .env("GITHUB_TOKEN", "secret");
    Answer::of(command.output().unwrap())
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

#[test]
fn stored_executables_count_what_a_build_counts() {
    let sample = Sample::with_baselines();
    sample.check("steady").says(0, &["judged 3 of 3"]);
    let executables = build(&sample, "steady", |_| {});
    check(&sample, &executables, &[]).says(0, &["judged 3 of 3"]);
    let read = |folder: &str| {
        std::fs::read_to_string(sample.path().join(folder).join("run.json")).unwrap()
    };
    assert_eq!(read("measured"), read("out"));
    if is_root() {
        check(&sample, &executables, &["--sandbox"]).says(0, &["judged 3 of 3"]);
        assert_eq!(read("measured"), read("out"), "a sandbox moves no count");
    } else {
        let refused = check(&sample, &executables, &["--sandbox"]);
        refused.says(3, &["only root can", "fix: "]);
    }
}

/// A copy of `id` that runs as its owner, whoever starts it.
fn setuid_id(sample: &Sample) -> PathBuf {
    let copy = sample.path().join("id");
    std::fs::copy("/usr/bin/id", &copy).unwrap();
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o4755)).unwrap();
    copy
}

#[test]
fn sandboxed_benchmark_writes_nothing_sees_no_token_gains_no_rights_and_reaches_nobody() {
    let sample = Sample::new();
    let file = sample.path().join("run.json");
    std::fs::write(&file, "ours").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::set_permissions(sample.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let setuid = setuid_id(&sample);
    let executables = build(&sample, "curious", |command| {
        command.args(["--features", "curious"]);
        command.env("ICGATE_TEST_FILE", &file);
        command.env("ICGATE_TEST_SETUID", &setuid);
        command.env(
            "ICGATE_TEST_SERVER",
            listener.local_addr().unwrap().to_string(),
        );
    });
    // What it tries is possible.
    check(&sample, &executables, &[]).says(3, &["it wrote"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "forged");
    std::fs::write(&file, "ours").unwrap();
    if is_root() {
        // Outside of the sandbox, its user becomes root so.
        let gained = Command::new(&setuid)
            .arg("-u")
            .uid(65_534)
            .output()
            .unwrap();
        assert_eq!(
            gained.stdout, b"0\n",
            "is {setuid:?} on a file system without setuid?"
        );
        let measured = check(&sample, &executables, &["--sandbox"]);
        if measured.stderr.contains("cannot be kept from the network") {
            measured.says(3, &["it reached"]);
        } else {
            // Its baseline is missing, and nothing else is wrong.
            measured.says(5, &["curious/look_around"]);
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "ours");
    }
}

#[test]
fn forged_executables_are_refused() {
    let sample = Sample::with_baselines();
    let executables = build(&sample, "steady", |_| {});
    let bin = std::fs::read_dir(executables.join("bin"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    std::fs::remove_file(&bin).unwrap();
    symlink("/bin/true", &bin).unwrap();
    check(&sample, &executables, &[]).says(3, &["cannot use `"]);
    // A program that claims all is well is no benchmark.
    std::fs::remove_file(&bin).unwrap();
    std::fs::write(&bin, "#!/bin/sh\necho pass\n").unwrap();
    check(&sample, &executables, &[]).says(3, &["starts no benchmark"]);
    let manifest = executables.join("executables.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("\"whole\"", "\"verdict\"")).unwrap();
    check(&sample, &executables, &[])
        .says(3, &["unknown field `verdict`", "fix: build them again"]);
}

#[test]
fn only_what_a_job_asks_for_fails_it() {
    let sample = Sample::with_baselines();
    // Both together: functions have to add up.
    sample.edit("\"instructions\":4791,", "\"instructions\":3791,");
    sample.edit("\"instructions\":3000}", "\"instructions\":2000}");
    let executables = build(&sample, "steady", |_| {});
    let code = |arguments: &[&str]| check(&sample, &executables, arguments).code;
    assert_eq!(code(&[]), 1);
    assert_eq!(code(&["--fail-on", "not-measured"]), 0);
    assert_eq!(code(&["--fail-on", "error"]), 0);
}

#[test]
fn verdict_is_no_pass_if_a_measuring_job_failed() {
    let sample = Sample::with_baselines();
    let shards = sample.path().join("shards");
    for number in [1, 2] {
        let shard = format!("{number}/2");
        sample
            .run("measure", "steady", &["--shard", &shard])
            .says(0, &[]);
        let folder = shards.join(format!("gate-shard-{number}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(sample.path().join("out/run.json"), folder.join("run.json")).unwrap();
    }
    let merge = |measured: &str, folder: &Path| {
        let mut command = icgate();
        command
            .arg("merge")
            .arg(folder)
            .args(["--measured", measured]);
        command.arg("--workspace").arg(manifest().parent().unwrap());
        command.arg("--baselines").arg(sample.baselines());
        command.arg("--output").arg(sample.path().join("merged"));
        Answer::of(command.env("PATH", "/usr/bin:/bin").output().unwrap())
    };
    merge("success", &shards).says(0, &["judged 3 of 3"]);
    for ended in ["failure", "cancelled", "skipped", ""] {
        merge(ended, &shards).says(3, &["no verdict: a measuring job ended with"]);
    }
    std::fs::remove_dir_all(shards.join("gate-shard-2")).unwrap();
    merge("success", &shards).says(3, &["no verdict: shard 2/2 is missing"]);
    merge("success", &sample.path().join("nowhere")).says(3, &["no verdict: no run was found"]);
}
