//! Adopting icgate writes what is missing, and nothing over what is there.

use std::path::Path;
use std::process::Command;

use crate::foreign::path_with_runners;
use crate::sample::{Answer, PLATFORM, icgate};
use crate::surroundings::isolate;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn a_project_is_adopted_once() {
    let directory = tempfile::tempdir().unwrap();
    let top = directory.path().join("repository");
    let project = top.join("crates");
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sample-foreign");
    copy(&sample, &project);
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        let name = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
        let git = isolate(git.current_dir(&top));
        let status = git.args(name).args(arguments).status();
        assert!(status.unwrap().success());
    };
    git(&["init", "--quiet", "--initial-branch=main"]);
    std::fs::write(top.join(".gitattributes"), "*.png binary").unwrap();
    let path = path_with_runners(directory.path(), &["0.15.2"]);
    let run = |verb: &str| {
        let mut command = icgate();
        command
            .env("PATH", &path)
            .env("CARGO_TARGET_DIR", directory.path().join("target"));
        command.current_dir(&top).arg(verb);
        command.args(["--manifest-path", "crates/Cargo.toml", "--bench", "older"]);
        Answer::of(command.output().unwrap())
    };

    let first = run("init");
    first.says(
        0,
        &["icgate check --manifest-path crates/Cargo.toml --bench older"],
    );
    let suite = format!("crates/baselines/{PLATFORM}/older.json");
    let files = [
        suite.as_str(),
        "crates/baselines/policy.toml",
        ".github/workflows/icgate.yml",
        ".github/workflows/icgate-publish.yml",
        ".gitattributes",
    ];
    let read = || files.map(|file| std::fs::read_to_string(top.join(file)).unwrap());
    for file in files {
        first.says(0, &[&format!("written {file}")]);
    }
    let written = read();
    assert_eq!(
        written[4],
        "*.png binary\ncrates/baselines/*/*.json -merge\n"
    );
    let workflow = &written[2];
    for place in ["{container}", "{toolchain}", "{action}", "{arguments}"] {
        assert!(
            !workflow.contains(place),
            "`{place}` is still in {workflow}"
        );
    }
    for line in [
        "permissions: {}\n",
        "      contents: read\n",
        "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1\n",
        "      - uses: OWNER/icgate/.github/actions/icgate@COMMIT\n",
        "            --manifest-path crates/Cargo.toml --bench older\n",
    ] {
        assert!(workflow.contains(line), "`{line}` is not in {workflow}");
    }

    assert!(
        written[3].contains("          workspace: crates\n"),
        "{}",
        written[3]
    );

    // What was adopted passes, before and after it is committed.
    run("check").says(0, &["judged 1 of 1: 1 unchanged"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message=adopt"]);
    run("check").says(0, &["judged 1 of 1: 1 unchanged"]);

    let again = run("init");
    for file in files {
        again.says(0, &[&format!("kept {file}")]);
    }
    assert!(!again.stdout.contains("written"), "{again:?}");
    assert_eq!(read(), written);
}

#[test]
fn completions_and_help_are_printed() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let answer = icgate().args(["completions", shell]).output().unwrap();
        Answer::of(answer).says(0, &["update", "manifest-path"]);
    }
    let unknown = icgate().args(["completions", "tcsh"]).output().unwrap();
    Answer::of(unknown).says(2, &["[possible values: bash"]);
    let help = icgate().args(["init", "--help"]).output().unwrap();
    Answer::of(help).says(0, &["Example:\n  icgate init --manifest-path"]);
}

#[test]
fn action_that_is_not_pinned_by_commit_is_refused() {
    let hash = "0123456789abcdef0123456789abcdef01234567";
    for action in [
        "foo",
        "owner/name",
        "owner/name@main",
        &format!("name@{hash}"),
        &format!("o/n/x@{hash}"),
    ] {
        let mut init = icgate();
        init.args(["init", "--action", action]);
        Answer::of(init.output().unwrap())
            .says(2, &["write owner/name@ and the 40 hex digits of a commit"]);
    }
}
