//! A benchmark goes: without a reason it is missed, with one it leaves a tombstone, and that is accepted.

use crate::base_run::project;
use crate::repository::Repository;
use crate::sample::PLATFORM;

const ROW: &str = "#[bench::n1000(args = (1000), setup = data)]\n";
const SUITE: &str = "baselines/x86_64-linux-gnu/steady.json";
const WHY: &str = "nobody has a thousand bytes";

/// The project without one of its three benchmarks; base has all of them.
fn without_one() -> Repository {
    let repository = project();
    repository.icgate(&["update"]).says(0, &["written"]);
    repository.commit("baselines");
    repository.edit("benches/steady.rs", ROW, "");
    repository
}

#[test]
fn removed_benchmark_is_accepted_with_the_reason_that_update_records() {
    assert!(SUITE.contains(PLATFORM));
    let repository = without_one();
    let check = || repository.icgate(&["check", "--base", "main"]);
    repository.git(&["checkout", "--quiet", "-b", "change"]);
    check().says(
        5,
        &[
            "removed steady/checksum/n1000",
            "the code no longer has the benchmark",
        ],
    );
    // Nothing is written without a reason.
    let before = repository.read(SUITE);
    let refused = repository.icgate(&["update", "--base", "main"]);
    refused.says(
        2,
        &[
            "base has `steady/checksum/n1000`, which no longer exist",
            "--reason",
        ],
    );
    assert_eq!(repository.read(SUITE), before);

    let update = ["update", "--base", "main", "--reason", WHY];
    repository.icgate(&update).says(0, &["written"]);
    let after = repository.read(SUITE);
    let tombstone = format!(r#"{{"id":"steady/checksum/n1000","reason":"{WHY}"}}"#);
    assert!(after.contains(&tombstone), "{after}");
    check().says(0, &["judged 3 of 3: 1 removed, 2 unchanged", WHY]);
    // It stays where it is written again, and after the change has landed.
    repository
        .icgate(&["update", "--base", "main"])
        .says(0, &["already up to date"]);
    repository.commit("one less");
    check().says(0, &["1 removed"]);

    // Taken out by hand, the reason is missing.
    let mut suite: serde_json::Value = serde_json::from_str(&after).unwrap();
    suite["removed"] = serde_json::json!([]);
    repository.write(SUITE, &suite.to_string());
    check().says(
        5,
        &["removed steady/checksum/n1000", "removed without a reason"],
    );
}

#[test]
fn removed_suite_is_accepted_with_the_reason_that_update_records() {
    let repository = without_one();
    // The others go as well, and a new suite comes, to which one of them has moved under another name.
    let bench = repository.read("benches/steady.rs");
    repository.write(
        "benches/other.rs",
        &bench
            .replace("fn checksum", "fn sum")
            .replace("= checksum, copy", "= sum"),
    );
    repository.edit("Cargo.toml", "name = \"steady\"", "name = \"other\"");
    repository.git(&["rm", "--quiet", "--force", "benches/steady.rs"]);
    let update = ["update", "--base", "main", "--reason", WHY];
    repository.git(&["checkout", "--quiet", "-b", "change"]);
    repository.icgate(&update).says(0, &["written"]);
    assert_eq!(repository.read(SUITE).matches(WHY).count(), 2);
    repository
        .icgate(&["check", "--base", "main"])
        .says(0, &["2 removed", WHY]);
}
