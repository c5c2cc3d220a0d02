//! A cause is proven by taking it out, and the commit that brought it is found.

use crate::base_run::{CHECKSUM, ID, injected, project};

#[test]
fn a_cause_is_proven_and_its_commit_found() {
    let repository = project();
    let first = repository.git(&["rev-parse", "HEAD"]);
    let first = first.trim();

    // Two pieces that have nothing to do with each other: one costs, one makes no difference.
    repository.edit("src/lib.rs", CHECKSUM, &injected(&[500]));
    repository.edit("src/lib.rs", "0x9e37_79b9", "0x9e37_79bb");
    let proof = repository.icgate(&["explain", ID, "--base", first, "--prove"]);
    proof.says(
        0,
        &["proven: src/lib.rs:7 adds +", "without it: 0", "2 builds,"],
    );
    let late = repository.icgate(&["explain", ID, "--base", first, "--prove", "--budget", "0"]);
    late.says(0, &["unknown: src/lib.rs:7 was not tested alone"]);
    let json = repository.icgate(&[
        "explain", ID, "--base", first, "--prove", "--format", "json",
    ]);
    json.says(0, &["\"proven\": true", "\"interaction\": 0"]);
    let worktrees = repository.git(&["worktree", "list"]);
    assert_eq!(worktrees.lines().count(), 1, "none is left");
    repository.git(&["checkout", "--quiet", "src/lib.rs"]);

    repository.edit(
        "src/lib.rs",
        CHECKSUM,
        &format!("{CHECKSUM}    does not build\n"),
    );
    repository.commit("broken");
    repository.edit("src/lib.rs", "    does not build\n", "");
    repository.write("README.md", "words\n");
    repository.commit("words");
    repository.edit("src/lib.rs", CHECKSUM, &injected(&[500]));
    repository.commit("slower");
    repository.write("README.md", "more words\n");
    repository.commit("more words");
    let range = format!("{first}..HEAD");
    let found = repository.icgate(&["bisect", ID, &range]);
    found.says(0, &[ID, "slower", "why: git checkout"]);
    assert!(!found.stdout.contains("broken"), "{found:?}");

    let no_range = repository.icgate(&["bisect", ID, "HEAD"]);
    no_range.says(2, &["`HEAD` is no range of commits", "fix: "]);
}
