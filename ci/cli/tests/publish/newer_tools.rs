//! One issue about counts that newer tools moved.

use crate::scene::{Answer, Scene, shards};

/// Tells of what the scene's artifacts hold, as run `run` of main.
fn publish(scene: &Scene, run: &str) -> Answer {
    let mut command = scene.command();
    command.args(["--newer-tools", "--key", "newer-tools"]);
    command
        .env("GITHUB_RUN_ID", run)
        .env("GITHUB_RUN_ATTEMPT", "1");
    command
        .env("GITHUB_REPOSITORY", "owner/engine")
        .env("GITHUB_SHA", "a".repeat(40));
    scene.run(&mut command)
}

#[test]
fn counts_that_newer_tools_move_are_kept_in_one_issue() {
    let scene = Scene::new();
    let tell = |run: &str, valgrind: &str, a: u64| {
        let shard = |text: String| {
            let text = text.replace("\"run\":7", &format!("\"run\":{run}"));
            text.replace("3.19.0", valgrind)
        };
        scene.shards(&shards(a, 20_000).map(shard));
        publish(&scene, run)
    };
    // Another measurement environment is no news while the counts stay within their limits …
    tell("7", "3.19.0", 10_000).says(0, &["no count has left its limit", "issue: none"]);
    tell("8", "3.24.0", 10_100).says(0, &["no count has left its limit", "issue: none"]);
    assert_eq!(scene.fake.world().issues.len(), 0);
    // … and one issue, kept up to date, when they do not.
    tell("9", "3.24.0", 12_000).says(0, &["issue: https://"]);
    tell("10", "3.24.0", 13_000).says(0, &["issue: https://"]);
    let issues = scene.fake.world().issues.clone();
    assert_eq!(issues.len(), 1);
    let body = &issues[0].body;
    for text in [
        "1 of 2 benchmarks leaves its baseline",
        "- valgrind: `3.19.0` → `3.24.0`",
        "| `suite/f/a` | 10,000 | 13,000 | +30.00 % |",
        "/actions/runs/10)",
    ] {
        assert!(body.contains(text), "`{text}` is not in {body}");
    }
    assert_eq!(issues[0].state, "open");
    // A run that could not be believed is told too.
    std::fs::write(scene.path("artifacts/shard-2/run.json"), "{}").unwrap();
    publish(&scene, "10").says(0, &["no verdict", "issue: https://"]);
    assert!(
        scene.fake.world().issues[0]
            .body
            .contains("cannot read run")
    );
    // Still in the other measurement environment, but no longer beyond: closed.
    tell("12", "3.24.0", 10_050).says(0, &["issue: https://"]);
    assert_eq!(scene.fake.world().issues[0].state, "closed");
    tell("x", "3.19.0", 10_000).says(2, &["GITHUB_RUN_ID is \"x\""]);
}
