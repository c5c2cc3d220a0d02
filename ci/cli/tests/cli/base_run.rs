//! Base's own code beside head's: in `ab`, for a measurement environment that has changed, and to tell what was on
//! base already.

use std::fs;

use crate::repository::Repository;
use crate::sample::PLATFORM;

/// A cost that the self-test injects.
const INJECTION: &str = r#"[[edit]]
file = "src/lib.rs"
find = "pub fn checksum(data: &[u8]) -> u32 {\n"
replace = "pub fn checksum(data: &[u8]) -> u32 {\n{cost}\n"

[calibrate]
benchmark = "steady/checksum/n1000"
function = "sample::checksum"
"#;

/// What these tests inject is counted in instructions, and small beside 50 of them.
const POLICY: &str = r#"format = 2

[default]
min_change = 50

[[rule]]
benchmarks = "**"
metric = "data_reads"
limit = "off"

[[rule]]
benchmarks = "**"
metric = "data_writes"
limit = "off"
"#;

/// The sample project, committed, and built in a directory of its own.
pub(crate) fn project() -> Repository {
    let repository = Repository::of_sample("steady");
    repository.commit("first");
    repository
}

/// The function into which costs are injected.
pub(crate) const CHECKSUM: &str = "pub fn checksum(data: &[u8]) -> u32 {\n";

/// Its beginning with loops of so many rounds.
pub(crate) fn injected(loops: &[u32]) -> String {
    let one = |rounds| format!("    for round in 0..{rounds} {{ std::hint::black_box(round); }}\n");
    loops
        .iter()
        .fold(CHECKSUM.to_owned(), |text, rounds| text + &one(rounds))
}

#[test]
fn base_is_measured_beside_head() {
    let repository = project();
    repository.write("baselines/policy.toml", POLICY);
    repository.icgate(&["update"]).says(0, &["written"]);
    repository.commit("baselines");
    side_by_side(&repository);
    another_environment(&repository);
    what_was_on_base(&repository);
    selftest(&repository);
}

/// The benchmark that is looked at.
pub(crate) const ID: &str = "steady/checksum/n1000";

/// Side by side, by hand.
fn side_by_side(repository: &Repository) {
    repository.edit("src/lib.rs", CHECKSUM, &injected(&[500]));
    let changed = repository.icgate(&["ab", "HEAD", ID]);
    changed.says(
        1,
        &[
            "regressed",
            ID,
            "sample::checksum",
            "at src/lib.rs:",
            "as asked for",
        ],
    );
    let unknown = repository.icgate(&["ab", "no-such-revision"]);
    unknown.says(2, &["there is no revision `no-such-revision`", "fix: "]);
    assert_eq!(
        repository.git(&["worktree", "list"]).lines().count(),
        1,
        "none is left"
    );

    // What was measured before is of another tree than this one, whose diff proves nothing of it.
    repository.icgate(&["check", ID]).says(1, &["regressed"]);
    repository.git(&["checkout", "--quiet", "src/lib.rs"]);
    let stored = ["compare", "--part", "target/icgate/run.json"];
    let foreign = repository.icgate(&stored);
    foreign.says(1, &["warning: the run is of another tree", "regressed"]);
    assert!(!foreign.stdout.contains("cannot reach"), "{foreign:#?}");
    assert!(!foreign.stdout.contains("(changed here)"), "{foreign:#?}");

    // Executables that are equal but for their checkout are measured once.
    repository.write("README.md", "words\n");
    repository.commit("words");
    repository.icgate(&["check"]).says(0, &["3 unchanged"]);
    fs::remove_dir_all(repository.path().join("target/icgate/cache/runs")).unwrap();
    let same = repository.icgate(&["ab", "HEAD~1"]);
    same.says(0, &["judged 3 of 3: 3 unchanged"]);
    assert!(!same.stderr.contains("icgate: measured"), "{same:?}");
}

/// In another environment, the toolchain's effect is told apart from the change's.
fn another_environment(repository: &Repository) {
    let suite = format!("baselines/{PLATFORM}/steady.json");
    let recorded = fs::read_to_string(repository.path().join(&suite)).unwrap();
    let elsewhere = recorded.replace("\"valgrind\": \"", "\"valgrind\": \"0.");
    assert_ne!(elsewhere, recorded);
    repository.write(&suite, &elsewhere);
    repository.commit("baselines of another machine");
    let moved = repository.icgate(&["check"]);
    moved.says(0, &["environment: valgrind", "3 unchanged"]);
    repository.edit("src/lib.rs", CHECKSUM, &injected(&[500]));
    let changed = repository.icgate(&["check", ID]);
    changed.says(1, &["regressed", "by the toolchain 0 %, by this change +"]);
    // What is judged later is judged beside the same base.
    let stored = repository.icgate(&["compare", "--part", "target/icgate/run.json"]);
    stored.says(1, &["by the toolchain 0 %, by this change +"]);
    shards_in_another_environment(repository);
    repository.git(&["checkout", "--quiet", "src/lib.rs"]);
    repository.write(&suite, &recorded);
    repository.commit("baselines of this machine");
}

/// Each shard measures its part of base, and these are one run of base.
fn shards_in_another_environment(repository: &Repository) {
    for number in ["1", "2"] {
        let (shard, output) = (format!("{number}/2"), format!("target/{number}"));
        // Without the cache, which has the whole of base by now.
        let measure = [
            "check",
            "--no-cache",
            "--shard",
            &shard,
            "--output",
            &output,
        ];
        let measured = repository.icgate(&measure);
        assert!(matches!(measured.code, 0 | 1), "{measured:#?}");
    }
    let merge = || repository.icgate(&["merge", "target/1/run.json", "target/2/run.json"]);
    let told = [
        "judged 3 of 3: 2 regressed, 1 unchanged",
        "by the toolchain 0 %, by this change +",
    ];
    merge().says(1, &told);
    // With a part of base missing, there is nothing to compare with, and that is said.
    fs::remove_file(repository.path().join("target/2/base.json")).unwrap();
    merge().says(4, &["base's own run is left aside: shard 2/2 is missing"]);
    fs::remove_file(repository.path().join("target/1/base.json")).unwrap();
    merge().says(
        4,
        &["3 of 3 benchmarks have baselines of another environment"],
    );
}

/// What base has left behind is not the next author's to answer for.
fn what_was_on_base(repository: &Repository) {
    repository.edit("src/lib.rs", CHECKSUM, &injected(&[38]));
    repository.commit("a little worse");
    let base = repository.git(&["rev-parse", "HEAD"]);
    repository.icgate(&["measure"]).says(0, &[]);
    // A second loop, as expensive as the first.
    repository.edit("src/lib.rs", &injected(&[38]), &injected(&[38, 38]));
    let blamed = repository.icgate(&["check", "--base", base.trim(), ID]);
    blamed.says(
        0,
        &[
            "base itself has left its baseline",
            "already on base +",
            "by this change +",
        ],
    );
    // The page of the stored run knows of base what `check` knew.
    let reported = ["report", "--base", base.trim()];
    repository.icgate(&reported).says(0, &["report.html"]);
    let page = repository.read("target/icgate/report.html");
    assert!(page.contains("already on base +"));
    let run = repository.path().join("target/icgate/run.json");
    let run = run.to_str().unwrap();
    let other = repository.icgate(&["check", "--base", "HEAD", "--base-run", run]);
    other.says(2, &["is of no commit, but base is", "fix: "]);
    repository
        .icgate(&["check", "--no-cache", "--base", "HEAD", ID])
        .says(1, &["regressed"]);
    // A run of base itself has nothing to be told apart from, whatever lies beside it.
    repository.commit("worse again");
    repository.icgate(&["measure"]).says(0, &[]);
    let folder = repository.path().join("target/icgate");
    fs::copy(folder.join("run.json"), folder.join("base.json")).unwrap();
    repository
        .icgate(&["compare", "--base", "HEAD", "target/icgate/run.json"])
        .says(1, &["regressed"]);
    repository.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
}

/// The gate proves itself, by what the last commit is.
fn selftest(repository: &Repository) {
    let marks = "<!-- begin of the self-test's table -->\n<!-- end of the self-test's table -->\n";
    repository.write("README.md", &format!("before\n{marks}after\n"));
    repository.write("injections/checksum.toml", INJECTION);
    let proof = [
        "selftest",
        "--injections",
        "injections",
        "--write",
        "README.md",
    ];
    repository.icgate(&proof).says(
        0,
        &[
            "| the same code, measured twice | equal counts, pass | 3 of 3 equal",
            "| 1 benchmark missing, exit code 5 | ✓ |",
            "| 1 baseline mismatch, exit code 5 | ✓ |",
            "| 1 reason missing, exit code 5 | ✓ |",
            "1 of 1 functions and 1 of 1 lines named, exit code 1 | ✓ |",
            "Catch rate 100 %",
            "false alarms 0 of",
        ],
    );
    let readme = fs::read_to_string(repository.path().join("README.md")).unwrap();
    assert!(
        readme.contains("| ✓ |") && readme.ends_with("after\n"),
        "{readme}"
    );
    repository.write(
        "injections/checksum.toml",
        &INJECTION.replace("find = \"pub fn checksum", "find = \"pub fn nothing"),
    );
    repository.icgate(&proof).says(
        2,
        &[
            "`src/lib.rs` has this text 0 times instead of once",
            "pub fn nothing",
            "fix: write the injection's `find`",
        ],
    );
}
