//! `icgate history`: trends from the commits that touched baselines. Needs no Valgrind.

use crate::repository::Repository;
use crate::sample::{Answer, PLATFORM, accepted};

/// A repository whose baselines change with each commit: `steady/checksum/n100` grows by a tenth of
/// a percent, by three percent with a reason, and is recorded in another measurement environment.
fn project() -> Repository {
    let repository = Repository::new();
    repository.write(
        "Cargo.toml",
        "[package]\nname = \"p\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    repository.write("src/lib.rs", "// nothing\n");
    repository.commit("nothing yet");
    accept(&repository, 10_000, None, "old", "first");
    repository.git(&["tag", "v1"]);
    accept(&repository, 10_010, None, "old", "second");
    let reason = Some("it\u{1b}[2J checks");
    accept(&repository, 10_310, reason, "old", "third");
    accept(&repository, 20_000, None, "new", "fourth");
    repository
}

fn accept(
    repository: &Repository,
    instructions: u64,
    reason: Option<&str>,
    compiler: &str,
    message: &str,
) {
    let text = std::fs::read_to_string(accepted().join(PLATFORM).join("steady.json")).unwrap();
    let mut baseline: serde_json::Value = serde_json::from_str(&text).unwrap();
    baseline["environment"]["rustc"] = compiler.into();
    let benchmark = &mut baseline["benchmarks"][0];
    benchmark["metrics"]["instructions"] = instructions.into();
    benchmark["functions"] = serde_json::json!([]);
    benchmark["other"] = instructions.into();
    if let Some(reason) = reason {
        benchmark["reason"] = reason.into();
    }
    let path = format!("baselines/{PLATFORM}/steady.json");
    repository.write(&path, &baseline.to_string());
    repository.commit(message);
}

fn history(repository: &Repository, arguments: &[&str]) -> Answer {
    repository.icgate(&[&["history"], arguments].concat())
}

#[test]
fn each_step_has_its_commit_and_its_reason() {
    let repository = project();
    let answer = history(&repository, &["**/n100"]);
    answer.says(
        0,
        &[
            "icgate: 1 benchmark, 4 commits of baselines",
            "steady/checksum/n100  ▁▁▁█  10,000 → 20,000  +3.10 %  (and +9,690 by another measurement environment)",
            "10,000 → 10,010  +0.10 %  second",
            "10,010 → 10,310  +2.99 %  reason: it\\u{1b}[2J checks",
            "10,310 → 20,000  +93.98 %  (another measurement environment)  fourth",
        ],
    );
    let page = history(&repository, &["**/n100", "--format", "html"]);
    page.says(
        0,
        &["<!DOCTYPE html>", "reason: it\\u{1b}[2J checks", "grew"],
    );
    let csv = history(&repository, &["**/n100", "--format", "csv"]);
    assert_eq!(csv.stdout.lines().count(), 5, "{}", csv.stdout);
    let json = history(&repository, &["**/n100", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        json["benchmarks"][0]["trend"]["counts"],
        serde_json::json!([10_000, 10_010, 10_310, 20_000])
    );
}

#[test]
fn drift_since_a_tag_has_a_limit_of_its_own() {
    let repository = project();
    let since = |limit: &str| {
        let policy = format!("format = 2\n[drift]\nlimit = \"{limit}\"\n");
        repository.write("baselines/policy.toml", &policy);
        history(&repository, &["--since", "v1", "**/n100"])
    };
    since("3%").says(
        1,
        &["since v1; 1 grew by more than 3 %", "(over the limit)"],
    );
    since("3.1%").says(0, &["since v1; none grew by more than 3.1 %"]);
    repository.write("baselines/policy.toml", "format = 2\n");
    let off = history(&repository, &["--since", "v1"]);
    off.says(0, &["3 commits of baselines since v1"]);
    assert!(!off.stdout.contains("grew"), "{}", off.stdout);
    history(&repository, &["--since", "v9"]).says(2, &["there is no revision `v9`"]);
}

#[test]
fn a_shallow_clone_says_so() {
    let clone = Repository::shallow_clone(&project(), 2);
    history(&clone, &["**/n100"]).says(
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
    let repository = project();
    std::fs::remove_dir_all(repository.path().join(".git")).unwrap();
    history(&repository, &[]).says(
        2,
        &[
            "git has no history of baselines in `",
            "or run icgate in a clone",
        ],
    );
}

#[test]
fn pattern_without_a_match_is_refused() {
    let repository = project();
    history(&repository, &["nope/**"])
        .says(2, &["no benchmark matches nope/**", "fix: icgate list"]);
}
