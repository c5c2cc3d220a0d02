//! Projects as others have them: on gungraun, on other versions of a harness, with flags, features
//! and libraries of their own.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::sample::{Answer, PLATFORM, icgate};

/// icgate on one of the sample projects, with baselines and output of its own.
struct Foreign {
    name: &'static str,
    directory: TempDir,
}

impl Foreign {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn command(&self, verb: &str, arguments: &[&str]) -> Command {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests")
            .join(self.name)
            .join("Cargo.toml");
        let mut command = icgate();
        // A build directory of its own: builds of other projects in it would undo this one's.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(self.name);
        command.env("CARGO_TARGET_DIR", target);
        command.arg(verb).arg("--manifest-path").arg(manifest);
        if verb != "list" {
            command.arg("--output").arg(self.directory.path());
        }
        command.arg("--baselines").arg(self.baselines());
        command.args(arguments);
        command
    }

    fn run(&self, verb: &str, arguments: &[&str]) -> Answer {
        Answer::of(self.command(verb, arguments).output().unwrap())
    }

    fn baselines(&self) -> PathBuf {
        self.directory.path().join("baselines")
    }

    /// A field of the last run's measurement environment.
    fn environment(&self, field: &str) -> String {
        let run = std::fs::read_to_string(self.directory.path().join("run.json")).unwrap();
        let run: serde_json::Value = serde_json::from_str(&run).unwrap();
        run["environment"][field].as_str().unwrap().to_owned()
    }
}

/// PATH with a runner of iai-callgrind in each of these versions. As those of that time do, they
/// refuse all else with their own version.
pub(crate) fn path_with_runners(directory: &Path, versions: &[&str]) -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap();
    let mut directories = Vec::new();
    for version in versions {
        let directory = directory.join(format!("runner-{version}"));
        std::fs::create_dir_all(&directory).unwrap();
        let runner = directory.join("iai-callgrind-runner");
        std::fs::write(&runner, RUNNER.replace("VERSION", version)).unwrap();
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&runner, executable).unwrap();
        directories.push(directory);
    }
    directories.extend(std::env::split_paths(&path));
    std::env::join_paths(directories).unwrap()
}

const RUNNER: &str = r#"#!/bin/sh
if [ "$1" != VERSION ]; then
    echo "iai_callgrind_runner: Error: iai-callgrind-runner (VERSION) is >= '0.3.0'." >&2
    exit 1
fi
name=$(basename "$3" | sed 's/-.*//')
mkdir -p "$IAI_CALLGRIND_HOME"
exec valgrind --tool=callgrind --toggle-collect=counted_work \
    --callgrind-out-file="$IAI_CALLGRIND_HOME/callgrind.work.out" \
    "$3" --iai-run "$name" 0 0 "$name::$name::work"
"#;

#[test]
fn gungraun_is_listed_measured_and_judged() {
    let project = Foreign::new("sample-gungraun");
    let list = project.run("list", &[]);
    list.says(0, &[]);
    assert_eq!(
        list.stdout,
        "sums/repeated.twice/lengths_0\nsums/repeated.twice/lengths_1\n\
         sums/squares/n100\nsums/squares/n1000\n"
    );
    project
        .run("update", &[])
        .says(0, &["written ", "sums.json"]);
    assert_eq!(project.environment("harness"), "gungraun 0.20.0");
    project
        .run("check", &[])
        .says(0, &["judged 4 of 4: 4 unchanged"]);

    let file = project.baselines().join(PLATFORM).join("sums.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut baseline: serde_json::Value = serde_json::from_str(&text).unwrap();
    let squares = &mut baseline["benchmarks"][3];
    assert_eq!(squares["id"], "sums/squares/n1000");
    let lower = |count: &mut serde_json::Value| *count = (count.as_u64().unwrap() - 2000).into();
    lower(&mut squares["metrics"]["instructions"]);
    let rows = squares["functions"].as_array_mut().unwrap();
    let inlined = rows
        .iter_mut()
        .find(|row| row["name"] == "sample_gungraun::add_square");
    lower(&mut inlined.unwrap()["instructions"]);
    std::fs::write(&file, baseline.to_string()).unwrap();
    project.run("check", &["sums/squares/n1000"]).says(
        1,
        &[
            "regressed sums/squares/n1000",
            "sample_gungraun::add_square",
            "src/lib.rs:17",
        ],
    );
}

#[test]
fn a_runner_that_is_missing_is_named_with_the_line_that_installs_it() {
    let project = Foreign::new("sample-foreign");
    project.run("list", &["--bench", "older"]).says(
        2,
        &[
            "icgate: bench target `older` needs iai-callgrind 0.15.2",
            "icgate itself serves 0.16.1",
            "fix: cargo install iai-callgrind-runner --version 0.15.2\n",
        ],
    );
    let path = path_with_runners(project.directory.path(), &["0.14.0", "0.14.1"]);
    let mut list = project.command("list", &["--bench", "older"]);
    Answer::of(list.env("PATH", path).output().unwrap()).says(
        2,
        &[
            "`iai-callgrind-runner` on PATH is 0.14.0 and 0.14.1",
            "fix: cargo install iai-callgrind-runner --version 0.15.2\n",
        ],
    );
}

#[test]
fn another_version_is_served_by_the_projects_own_runner() {
    let project = Foreign::new("sample-foreign");
    let mut measure = project.command("measure", &["--package", "older"]);
    measure.env(
        "PATH",
        path_with_runners(project.directory.path(), &["0.15.2"]),
    );
    let measured = Answer::of(measure.output().unwrap());
    // `gated` needs a feature that is off, `older` one that is on by default.
    measured.says(0, &["older/work 4004"]);
    assert_eq!(measured.stdout.lines().count(), 1);
    assert_eq!(project.environment("harness"), "iai-callgrind 0.15.2");
    let mut list = project.command("list", &["--package", "older", "--features", "extra"]);
    list.env(
        "PATH",
        path_with_runners(project.directory.path(), &["0.15.2"]),
    );
    let listed = Answer::of(list.output().unwrap());
    // Two packages have a bench target `gated`, whether both are selected or not.
    assert_eq!(
        listed.stdout, "older.gated/work\nolder/work\n",
        "{listed:?}"
    );
}

#[test]
fn a_library_that_is_only_shared_is_linked_dynamically() {
    let project = Foreign::new("sample-foreign");
    let mut measure = project.command("measure", &["--bench", "shared"]);
    measure.env(
        "PATH",
        path_with_runners(project.directory.path(), &["0.15.2"]),
    );
    Answer::of(measure.output().unwrap()).says(
        0,
        &[
            "shared/work ",
            "warning: the benches cannot be linked statically",
        ],
    );
    let build = project.environment("build");
    assert!(build.starts_with("linked dynamically"), "{build}");
    assert!(project.environment("libc").starts_with("dynamic"));
}

#[test]
fn bench_targets_of_one_name_and_two_harnesses_are_told_apart() {
    let project = Foreign::new("sample-foreign");
    let mut measure = project.command("measure", &["--bench", "gated", "--features", "extra"]);
    measure.env(
        "PATH",
        path_with_runners(project.directory.path(), &["0.15.2", "0.14.2"]),
    );
    Answer::of(measure.output().unwrap())
        .says(0, &["older.gated/work 4004\n", "shared.gated/work 13013\n"]);
    assert_eq!(
        project.environment("harness"),
        "iai-callgrind 0.14.2, iai-callgrind 0.15.2"
    );
}
