//! `icgate history`: trends from the commits that touched baselines. Needs no Valgrind.

use std::path::Path;
use std::process::Command;

use crate::sample::{Answer, PLATFORM, accepted, icgate};

/// A repository whose baselines change with each commit.
struct Repository {
    directory: tempfile::TempDir,
}

impl Repository {
    /// `steady/checksum/n100` grows by a tenth of a percent, by three percent with a reason, and
    /// is recorded in another chamber.
    fn new() -> Self {
        let repository = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository.write(
            "Cargo.toml",
            "[package]\nname = \"p\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
        );
        repository.write("src/lib.rs", "// nothing\n");
        repository.commit("nothing yet");
        repository.accept(10_000, None, "old", "first");
        repository.git(&["tag", "v1"]);
        repository.accept(10_010, None, "old", "second");
        repository.accept(10_310, Some("it\u{1b}[2J checks"), "old", "third");
        repository.accept(20_000, None, "new", "fourth");
        repository
    }

    fn accept(&self, instructions: u64, reason: Option<&str>, compiler: &str, message: &str) {
        let text = std::fs::read_to_string(accepted().join(PLATFORM).join("steady.json")).unwrap();
        let mut baseline: serde_json::Value = serde_json::from_str(&text).unwrap();
        baseline["chamber"]["rustc"] = compiler.into();
        let benchmark = &mut baseline["benchmarks"][0];
        benchmark["metrics"]["instructions"] = instructions.into();
        benchmark["functions"] = serde_json::json!([]);
        benchmark["other"] = instructions.into();
        if let Some(reason) = reason {
            benchmark["reason"] = reason.into();
        }
        let path = format!("baselines/{PLATFORM}/steady.json");
        self.write(&path, &baseline.to_string());
        self.commit(message);
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn git(&self, arguments: &[&str]) {
        git(self.directory.path(), arguments);
    }

    fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
    }

    fn history(&self, arguments: &[&str]) -> Answer {
        history(self.directory.path(), arguments)
    }
}

fn git(directory: &Path, arguments: &[&str]) {
    let name = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
    let mut command = Command::new("git");
    command.arg("-C").arg(directory).args(name).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

fn history(directory: &Path, arguments: &[&str]) -> Answer {
    let mut command = icgate();
    command
        .arg("history")
        .args(arguments)
        .current_dir(directory);
    Answer::of(command.output().unwrap())
}

#[test]
fn each_step_has_its_commit_and_its_reason() {
    let repository = Repository::new();
    let answer = repository.history(&["**/n100"]);
    answer.says(
        0,
        &[
            "icgate: 1 benchmark, 4 commits of baselines",
            "steady/checksum/n100  ▁▁▁█  10,000 → 20,000  +3.10 %  (and +9,690 by another chamber)",
            "10,000 → 10,010  +0.10 %  second",
            "10,010 → 10,310  +2.99 %  reason: it\\u{1b}[2J checks",
            "10,310 → 20,000  +93.98 %  (another chamber)  fourth",
        ],
    );
    let csv = repository.history(&["**/n100", "--format", "csv"]);
    assert_eq!(csv.stdout.lines().count(), 5, "{}", csv.stdout);
    let json = repository.history(&["**/n100", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        json["benchmarks"][0]["trend"]["counts"],
        serde_json::json!([10_000, 10_010, 10_310, 20_000])
    );
}

#[test]
fn drift_since_a_tag_has_a_limit_of_its_own() {
    let repository = Repository::new();
    let since = |limit: &str| {
        let policy = format!("format = 1\n[drift]\nlimit = \"{limit}\"\n");
        repository.write("baselines/policy.toml", &policy);
        repository.history(&["--since", "v1", "**/n100"])
    };
    since("3%").says(
        1,
        &["since v1; 1 grew by more than 3 %", "(over the limit)"],
    );
    since("3.1%").says(0, &["since v1; none grew by more than 3.1 %"]);
    repository.write("baselines/policy.toml", "format = 1\n");
    let off = repository.history(&["--since", "v1"]);
    off.says(0, &["3 commits of baselines since v1"]);
    assert!(!off.stdout.contains("grew"), "{}", off.stdout);
    repository
        .history(&["--since", "v9"])
        .says(2, &["there is no revision `v9`"]);
}

#[test]
fn a_shallow_clone_says_so() {
    let repository = Repository::new();
    let clone = tempfile::tempdir().unwrap();
    let from = format!("file://{}", repository.directory.path().display());
    git(clone.path(), &["clone", "--quiet", "--depth=2", &from, "p"]);
    let answer = history(&clone.path().join("p"), &["**/n100"]);
    answer.says(
        0,
        &[
            "2 commits of baselines",
            "the clone is shallow",
            "10,310 → 20,000",
        ],
    );
}

#[test]
fn without_git_there_is_no_history() {
    let repository = Repository::new();
    std::fs::remove_dir_all(repository.directory.path().join(".git")).unwrap();
    repository.history(&[]).says(
        2,
        &[
            "git has no history of the baselines",
            "fix: run icgate in a clone",
        ],
    );
}
