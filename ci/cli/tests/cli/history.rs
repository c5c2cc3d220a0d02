//! Base comes from git: a pull request is judged by what it started from.

use std::ops::Deref;
use std::path::PathBuf;
use std::process::Command;

use crate::repository::Repository;
use crate::sample::{Answer, PLATFORM, Sample};

/// A repository with a project, the baselines of the sample, and a stored run.
struct Project {
    repository: Repository,
    run: PathBuf,
}

impl Deref for Project {
    type Target = Repository;

    fn deref(&self) -> &Repository {
        &self.repository
    }
}

impl Project {
    fn new() -> Self {
        let sample = Sample::with_baselines();
        sample.check("steady").says(0, &["3 unchanged"]);
        let repository = Repository::new();
        repository.write(
            "Cargo.toml",
            "[package]\nname = \"p\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
        );
        repository.write("src/lib.rs", "// nothing\n");
        repository.write(".gitignore", "target\nCargo.lock\n");
        repository.write("baselines/policy.toml", "format = 2\n");
        let steady = std::fs::read_to_string(sample.steady()).unwrap();
        repository.write(&baseline(), &steady);
        let run = std::fs::read_to_string(sample.path().join("out/run.json")).unwrap();
        repository.write("target/run.json", &of_no_commit(&run));
        repository.commit("first");
        Self {
            run: repository.path().join("target/run.json"),
            repository,
        }
    }

    fn compare(&self, arguments: &[&str], set: impl FnOnce(&mut Command)) -> Answer {
        let run = self.run.to_str().unwrap();
        let mut command = self.command(&[&["compare", run], arguments].concat());
        set(&mut command);
        Answer::of(command.output().unwrap())
    }

    /// Makes the baseline claim `more` instructions than were measured.
    fn pad(&self, more: u64) {
        let text = self.read(&baseline());
        let rest = text.split("\"instructions\":").nth(1).unwrap();
        let total: u64 = rest.split(',').next().unwrap().parse().unwrap();
        let padded = text
            .replacen(&format!(":{total},"), &format!(":{},", total + more), 1)
            .replacen("\"other\":0", &format!("\"other\":{more}"), 1);
        self.write(&baseline(), &padded);
    }
}

/// The run of a tree that was not committed: the sample's own commit, if it has one, is none of this
/// repository's.
fn of_no_commit(run: &str) -> String {
    let start = run.find("\"commit\":").expect("a run has a commit") + "\"commit\":".len();
    let length = run[start..].find(',').expect("and more after it");
    format!("{}null{}", &run[..start], &run[start + length..])
}

fn baseline() -> String {
    format!("baselines/{PLATFORM}/steady.json")
}

#[test]
fn a_padded_baseline_is_a_mismatch() {
    let repository = Project::new();
    repository
        .compare(&[], |_| {})
        .says(0, &["3 unchanged", "(the last commit)"]);
    repository.pad(500);
    let padded = repository.compare(&[], |_| {});
    padded.says(
        5,
        &[
            "baseline mismatch steady/checksum/n100",
            "the baseline was changed to",
            "2 unchanged",
        ],
    );
    repository.commit("headroom");
    repository
        .compare(&["--base", "HEAD~1"], |_| {})
        .says(5, &["1 baseline mismatch"]);
}

#[test]
fn a_worsening_needs_its_reason_in_the_baseline() {
    let repository = Project::new();
    let honest = repository.read(&baseline());
    repository.pad(0);
    // Base claims less than what is measured and what head's tree says.
    let rest = honest.split("\"instructions\":").nth(1).unwrap();
    let total: u64 = rest.split(',').next().unwrap().parse().unwrap();
    let row = honest
        .lines()
        .find(|line| line.contains("sample::mix"))
        .unwrap();
    let cost: u64 = row
        .split("\"instructions\":")
        .nth(1)
        .unwrap()
        .split([',', '}'])
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let cheaper = honest
        .replacen(&format!(":{total},"), &format!(":{},", total - cost + 1), 1)
        .replacen(row, &row.replace(&format!(":{cost}"), ":1"), 1);
    repository.write(&baseline(), &cheaper);
    repository.commit("as it was");
    repository.write(&baseline(), &honest);
    let unexplained = repository.compare(&[], |_| {});
    unexplained.says(5, &["regressed steady/checksum/n100", "gives no reason"]);
    let explained = honest.replacen("\"noise\":0", "\"noise\":0,\"reason\":\"a wider mix\"", 1);
    repository.write(&baseline(), &explained);
    repository
        .compare(&[], |_| {})
        .says(0, &["accepted steady/checksum/n100", "a wider mix"]);
    repository.commit("accepted");
    repository.compare(&[], |_| {}).says(0, &["3 unchanged"]);
}

#[test]
fn policy_is_read_from_base() {
    let repository = Project::new();
    repository.pad(500);
    repository.commit("base claims more");
    repository.write(
        "baselines/policy.toml",
        "format = 2\n[default]\nlimit = \"100%\"\n",
    );
    repository
        .compare(&[], |_| {})
        .says(5, &["improved steady/checksum/n100", "(limit 1 %)"]);
    repository.commit("a generous policy");
    repository
        .compare(&[], |_| {})
        .says(0, &["1 benchmark moved within the limit"]);
}

#[test]
fn base_is_where_the_branch_left_its_target() {
    let repository = Project::new();
    repository.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
    repository.git(&["checkout", "--quiet", "-b", "work"]);
    repository.pad(500);
    repository.commit("padded, two commits ago");
    repository.write("src/lib.rs", "// more\n");
    repository.commit("more");
    let in_ci = repository.compare(&[], |command| {
        command.env("GITHUB_BASE_REF", "main");
    });
    in_ci.says(
        5,
        &[
            "the baseline was changed to",
            "where this branch left `origin/main`",
        ],
    );
    repository.git(&[
        "symbolic-ref",
        "refs/remotes/origin/HEAD",
        "refs/remotes/origin/main",
    ]);
    repository.compare(&[], |_| {}).says(
        5,
        &[
            "the baseline was changed to",
            "where this branch left `origin/main`",
        ],
    );
}

#[test]
fn a_base_that_cannot_be_found_is_not_guessed() {
    let repository = Project::new();
    let unknown = repository.compare(&["--base", "no-such-thing"], |_| {});
    unknown.says(2, &["there is no revision `no-such-thing`"]);
    let option = repository.compare(&["--base=--help"], |_| {});
    option.says(2, &["there is no revision `--help`"]);
    let in_ci = repository.compare(&[], |command| {
        command.env("GITHUB_BASE_REF", "main");
    });
    in_ci.says(
        2,
        &[
            "there is no revision `origin/main`",
            "fix: git fetch origin main",
        ],
    );
    // Two histories without a common commit, as a shallow clone has them.
    repository.git(&["checkout", "--quiet", "--orphan", "other"]);
    repository.commit("unrelated");
    repository.git(&["update-ref", "refs/remotes/origin/main", "main"]);
    let shallow = repository.compare(&[], |command| {
        command.env("GITHUB_BASE_REF", "main");
    });
    shallow.says(2, &["too shallow", "fetch-depth: 0"]);
}

#[test]
fn a_baseline_recorded_again_in_another_environment_waits_for_base_to_be_measured_there() {
    let repository = Project::new();
    let honest = repository.read(&baseline());
    let older = honest.replacen("\"valgrind\": \"", "\"valgrind\": \"0.", 1);
    repository.write(&baseline(), &older);
    repository.commit("an older valgrind");
    repository
        .compare(&[], |_| {})
        .says(4, &["3 not comparable"]);
    repository.write(&baseline(), &honest);
    repository.compare(&[], |_| {}).says(
        4,
        &[
            "3 not comparable",
            "recorded again in this environment",
            "environment: valgrind: baselines `0.",
        ],
    );
    repository.pad(500);
    repository
        .compare(&[], |_| {})
        .says(4, &["1 baseline mismatch", "2 not comparable"]);
}

#[test]
fn a_whole_run_notices_what_is_gone_and_what_policy_misses() {
    let repository = Project::new();
    let run = repository.read("target/run.json");
    assert!(run.contains("\"complete\":false"));
    repository.write(
        "target/run.json",
        &run.replacen("\"complete\":false", "\"complete\":true", 1),
    );
    repository.write(
        "baselines/policy.toml",
        "format = 2\n[[rule]]\nbenchmarks = \"gone/**\"\nlimit = \"2%\"\n",
    );
    let renamed = repository
        .read(&baseline())
        .replacen("copy/kib4", "copy/kib9", 1);
    repository.write(&baseline(), &renamed);
    repository.commit("renamed in the baseline only");
    repository.compare(&[], |_| {}).says(
        5,
        &[
            "removed steady/copy/kib9",
            "new steady/copy/kib4",
            "policy rule gone/** matches no benchmark",
        ],
    );
}

#[test]
fn without_git_the_tree_does_not_judge_itself() {
    let repository = Project::new();
    repository.pad(500);
    let programs = tempfile::tempdir().unwrap();
    let path = std::env::var_os("PATH").unwrap();
    for name in ["cargo", "rustc"] {
        let found = std::env::split_paths(&path)
            .map(|it| it.join(name))
            .find(|it| it.exists());
        std::os::unix::fs::symlink(found.unwrap(), programs.path().join(name)).unwrap();
    }
    let answer = repository.compare(&[], |command| {
        command.env("PATH", programs.path());
    });
    answer.says(2, &["cannot start git", "fix: install git"]);
    std::fs::remove_dir_all(repository.path().join(".git")).unwrap();
    let asked = repository.compare(&["--base", "main"], |_| {});
    asked.says(2, &["base `main` was requested, but git has no history"]);
    let run = repository.run.to_str().unwrap();
    let given = repository.compare(&["--base-run", run], |_| {});
    given.says(
        2,
        &[
            "is given as the run of base, but without git history",
            "fix: run icgate in a clone",
        ],
    );
    repository
        .compare(&[], |_| {})
        .says(5, &["they are not in git"]);
}

#[test]
fn a_run_of_base_from_another_environment_is_left_aside() {
    let project = Project::new();
    let commit = project.git(&["rev-parse", "HEAD"]);
    let mut run: serde_json::Value =
        serde_json::from_str(&project.read("target/run.json")).unwrap();
    run["commit"] = commit.trim().into();
    let given = |run: &serde_json::Value| {
        project.write("target/base.json", &run.to_string());
        project.compare(&["--base-run", "target/base.json"], |_| {})
    };
    let same = given(&run);
    same.says(0, &["3 unchanged"]);
    assert!(!same.stderr.contains("left aside"), "{same:?}");
    run["environment"]["valgrind"] = "0.1".into();
    given(&run).says(
        0,
        &[
            "from another measurement environment, so it is left aside",
            "3 unchanged",
        ],
    );
}

#[test]
fn a_renamed_benchmark_is_said_to_be_renamed() {
    let repository = Project::new();
    // Base knows it by an older name; the run is of all benchmarks there are.
    let older = repository
        .read(&baseline())
        .replace("steady/checksum/n1000\"", "steady/checksum/n1001\"");
    repository.write(&baseline(), &older);
    repository.commit("an older name");
    let run = repository.read("target/run.json");
    repository.write(
        "target/run.json",
        &run.replace("\"complete\":false", "\"complete\":true"),
    );
    repository.compare(&[], |_| {}).says(
        5,
        &[
            "new steady/checksum/n1000",
            "seems to be steady/checksum/n1001 renamed",
            "removed steady/checksum/n1001",
            "seems to be renamed to steady/checksum/n1000",
        ],
    );
}

#[test]
fn a_file_that_git_does_not_know_yet_counts_as_changed() {
    let repository = Project::new();
    repository.write("src/lib.rs", include_str!("../sample/src/lib.rs"));
    repository.commit("the source");
    let explained = || {
        let explain = ["explain", "steady/checksum/n1000", "--format", "json"];
        let run = ["--run", repository.run.to_str().unwrap()];
        let answer = repository.icgate(&[&explain[..], &run].concat());
        answer.says(0, &["sample::mix"]);
        answer.stdout.contains("\"in_diff\": true")
    };
    assert!(!explained());
    repository.git(&["rm", "--quiet", "--cached", "src/lib.rs"]);
    repository.git(&["commit", "--quiet", "--message", "not yet known"]);
    assert!(explained());
}
