//! The runs of the command-line tool: what it prints, and its exit codes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use engine::Engine;
use engine::run::{Attributes, NewRun, NewSpan, Orphans, Outcome, Runs};

/// What a call printed, and its exit code.
fn call_with(dir: &Path, arguments: &[&str], input: &str) -> (String, String, i32) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_engine"))
        .arg("runs")
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
        output.status.code().unwrap(),
    )
}

fn call(dir: &Path, arguments: &[&str]) -> (String, String, i32) {
    call_with(dir, arguments, "")
}

/// What a call printed that has to succeed.
fn printed(dir: &Path, arguments: &[&str]) -> String {
    let (out, err, code) = call(dir, arguments);
    assert_eq!(code, 0, "{arguments:?}: {err}");
    out
}

/// Two runs: one that ended, one that is open.
fn filled() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let options = engine::Options::default();
    let (engine, _) = Engine::open(dir.path().join("db"), options).unwrap();
    let (runs, _) = Runs::open(&engine, Orphans::Mark).unwrap();
    for model in ["small", "large"] {
        let new = NewRun::named("agent").tag(model).metadata("budget", 3);
        let run = runs.begin(&new).unwrap();
        let root = runs.start_span(run, &NewSpan::named("plan")).unwrap();
        runs.start_span(
            run,
            &NewSpan::named("search").within(root).attribute("hits", 2),
        )
        .unwrap();
        runs.append(run, "tool.call", b"fetch").unwrap();
        runs.put(run, b"model", model.as_bytes()).unwrap();
        runs.set_cell(run, "state", b"done").unwrap();
        let attributes = Attributes::new();
        runs.write(run, |it| it.end_span(root, Outcome::Succeeded, &attributes))
            .unwrap();
        runs.start_span(run, &NewSpan::named("answer")).unwrap();
    }
    let first = runs.list().unwrap()[0].id;
    runs.end(first, Outcome::Succeeded, "all well").unwrap();
    engine.close().unwrap();
    dir
}

#[test]
fn runs_are_listed_by_status_and_tag() {
    let dir = filled();
    let all = printed(dir.path(), &["list", "db"]);
    let lines: Vec<_> = all.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("     1  succeeded       11 steps        1 events  +"));
    assert!(lines[1].contains("  open  ") && lines[1].ends_with("\"agent\"  large"));
    let of = |option: [&str; 2]| printed(dir.path(), &["list", "db", option[0], option[1]]);
    assert_eq!(of(["--tag", "large"]), format!("{}\n", lines[1]));
    assert_eq!(of(["--status", "succeeded"]), format!("{}\n", lines[0]));
    assert_eq!(of(["--tag", "lar"]), "");
    // Looking has changed nothing.
    assert_eq!(printed(dir.path(), &["list", "db"]), all);
}

#[test]
fn run_is_shown_with_its_tree() {
    let dir = filled();
    let shown = printed(dir.path(), &["show", "db", "1"]);
    assert!(
        shown.starts_with("run 1 \"agent\": succeeded\nnote: \"all well\"\nbegan: "),
        "{shown}"
    );
    for line in [
        "steps: 11, of them 1 events\n",
        "tag: \"small\"\nmetadata: \"budget\" = 3\n",
        "cell: \"state\" = \"done\" (version 1)\nkeys: 1\n",
    ] {
        assert!(shown.contains(line), "{line} is not in {shown}");
    }
    let tree: Vec<_> = shown.lines().rev().take(3).collect();
    assert!(tree[2].starts_with("├─ 1 \"plan\" +0.") && tree[2].ends_with(" succeeded"));
    assert!(tree[1].starts_with("│  └─ 2 \"search\" +0."));
    assert!(tree[1].ends_with(" not ended {\"hits\": 2}"));
    assert!(tree[0].starts_with("└─ 3 \"answer\" +0."));
}

#[test]
fn run_is_replayed_to_a_step() {
    let dir = filled();
    let replayed = printed(dir.path(), &["replay", "db", "1@6"]);
    let steps: Vec<_> = replayed
        .lines()
        .map(|it| it.get(17..).filter(|_| it.starts_with(' ')).unwrap_or(it))
        .collect();
    assert_eq!(
        steps,
        [
            "began \"agent\"",
            "tag \"small\"",
            "metadata \"budget\" = 3",
            "span 1 \"plan\" started",
            "span 2 \"search\" started in 1 {\"hits\": 2}",
            "event 0 tool.call \"fetch\"",
            "after step 6: open, 1 events",
            "within: span 1 \"plan\"",
            "within: span 2 \"search\"",
        ]
    );
    let state = printed(dir.path(), &["replay", "db", "1", "--state"]);
    assert_eq!(
        state,
        "after step 11: succeeded, 1 events\nkey: \"model\" = \"small\"\ncell: \"state\" = \"done\" \
         (version 1)\nwithin: span 2 \"search\"\nwithin: span 3 \"answer\"\n"
    );
    assert_eq!(
        printed(dir.path(), &["replay", "db", "1@0"]),
        "after step 0: not begun, 0 events\n"
    );
}

#[test]
fn diff_has_the_exit_code_of_diff() {
    let dir = filled();
    let (out, _, code) = call(dir.path(), &["diff", "db", "1", "2"]);
    assert_eq!(
        (out.as_str(), code),
        (
            "--- run 1, end\n+++ run 2, end\n@@ keys\n-\"model\" = \"small\"\n+\"model\" = \
             \"large\"\n",
            1
        )
    );
    assert_eq!(
        call(dir.path(), &["diff", "db", "1", "1@11"]),
        (String::new(), String::new(), 0)
    );
}

#[test]
fn exported_run_is_imported_under_a_new_number() {
    let dir = filled();
    let lines = printed(dir.path(), &["export", "db", "1"]);
    let (out, err, code) = call_with(dir.path(), &["import", "other"], &lines);
    assert_eq!((out.as_str(), code), ("imported run 1\n", 0), "{err}");
    assert_eq!(printed(dir.path(), &["export", "other", "1"]), lines);
    let (_, err, code) = call_with(dir.path(), &["import", "other"], "{\"run\":");
    assert_eq!(code, 2);
    assert!(err.starts_with("error: line 1: EOF"), "{err}");
}

#[test]
fn run_that_was_left_open_is_resumed_ended_and_removed() {
    let dir = filled();
    assert_eq!(
        printed(dir.path(), &["resume", "db", "2"]),
        "run 2 goes on\n"
    );
    let (_, err, code) = call(dir.path(), &["resume", "db", "1"]);
    assert_eq!(code, 2);
    assert!(err.contains("run 1 is not orphaned"), "{err}");
    let ended = printed(dir.path(), &["end", "db", "2", "--outcome", "failed"]);
    assert_eq!(ended, "run 2 ended, failed\n");
    let (_, err, code) = call(dir.path(), &["end", "db", "2"]);
    assert_eq!(code, 2);
    assert!(err.contains("run 2 has ended (failed)"), "{err}");
    assert_eq!(
        printed(dir.path(), &["remove", "db", "2"]),
        "run 2 is gone\n"
    );
    assert_eq!(printed(dir.path(), &["list", "db"]).lines().count(), 1);
}

#[test]
fn what_is_not_there_is_an_error() {
    let dir = filled();
    let cases: [(&[&str], &str); 6] = [
        (&["show", "db", "9"], "there is no run 9"),
        (
            &["replay", "db", "1@99"],
            "run 1 has 11 steps, so no step 99",
        ),
        (
            &["diff", "db", "1@99", "1"],
            "run 1 has 11 steps, so there is no step 99",
        ),
        (&["replay", "db", "one"], "`one` is no number"),
        (
            &["end", "db", "1", "--outcome", "odd"],
            "`odd` is no outcome",
        ),
        (&["list", "nowhere"], "there is no directory `nowhere`"),
    ];
    for (arguments, what) in cases {
        let (_, err, code) = call(dir.path(), arguments);
        assert_eq!(code, 2, "{arguments:?}");
        assert!(err.contains(what), "{arguments:?}: {err}");
    }
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    assert_eq!(printed(dir.path(), &["list", "empty"]), "");
    let (_, err, _) = call(dir.path(), &["show", "empty", "1"]);
    assert!(err.contains("there are no runs in `empty`"), "{err}");
}
