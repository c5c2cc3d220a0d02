//! What a pull request is told, and when.

use github_fake::{Comment, Fault, Kind};

use crate::scene::{Scene, shards};

#[test]
fn a_regression_of_a_fork_is_told_at_its_line() {
    let scene = Scene::new();
    scene.shards(&shards(12_000, 20_000));
    let answer = scene.publish();
    answer.says(
        0,
        &[
            "icgate: fail: 1 of 2 benchmarks",
            "check run: https://",
            "comment: https://",
        ],
    );
    assert_eq!(scene.conclusions(), ["failure"]);
    let world = scene.fake.world().clone();
    let annotation = &world.check_runs[0].annotations[0];
    assert_eq!(
        (&annotation["path"], &annotation["start_line"]),
        (&"src/lib.rs".into(), &2.into())
    );
    let comment = &world.comments[0].body;
    let marker = format!(
        "<!-- icgate:v1 key=gate run=7 attempt=1 state=judged sha={} -->\n",
        "a".repeat(40)
    );
    assert!(comment.starts_with(&marker), "{comment}");
    for text in ["`suite/f/a`", "10,000", "12,000", "src/lib.rs:2"] {
        assert!(comment.contains(text), "`{text}` is not in {comment}");
    }
    assert!(
        comment.contains(&scene.base[..10]),
        "compared with the trial merge's first parent"
    );
    assert!(comment.contains("actions/runs/7/attempts/1"), "{comment}");
    for line in [
        "verdict=regressed\n",
        "regressions=1\n",
        "incomplete=false\n",
        "check-url=https://",
    ] {
        assert!(answer.outputs.contains(line), "{answer:#?}");
    }
    assert!(answer.summary.contains("suite/f/a"));
    // What is printed is printed between a stop and its word.
    let first = answer.stdout.lines().next().unwrap();
    let end = first.strip_prefix("::stop-commands::").unwrap();
    assert!(
        answer.stdout.contains(&format!("\n::{end}::\n")),
        "{answer:#?}"
    );
    // Told again, nothing is added.
    scene.publish().says(0, &[]);
    assert_eq!((scene.comments().len(), scene.conclusions().len()), (1, 1));
}

#[test]
fn a_clean_run_is_a_green_check_and_no_comment() {
    let scene = Scene::new();
    scene.shards(&shards(10_000, 20_000));
    scene.publish().says(0, &["icgate: pass", "comment: none"]);
    assert_eq!(scene.conclusions(), ["success"]);
    assert_eq!(scene.comments(), [""; 0]);
    // One that is there is kept up to date.
    let red = Scene::new();
    red.shards(&shards(12_000, 20_000));
    red.publish().says(0, &[]);
    red.shards(&shards(10_000, 20_000).map(|text| text.replace("\"run\":7", "\"run\":8")));
    let mut red = red;
    red.event["workflow_run"]["id"] = 8.into();
    red.publish().says(0, &["icgate: pass"]);
    let comments = red.comments();
    assert_eq!(comments.len(), 1);
    assert!(
        comments[0].contains("run=8") && comments[0].contains("✅"),
        "{comments:?}"
    );
}

#[test]
fn comments_come_when_they_are_asked_for() {
    let scene = Scene::new();
    scene.shards(&shards(12_000, 20_000));
    scene
        .run(scene.command().args(["--comment", "never"]))
        .says(0, &["comment: none"]);
    assert_eq!(scene.comments(), [""; 0]);
    scene.shards(&shards(10_000, 20_000));
    let always = ["--comment", "always", "--check-name", "", "--key", "other"];
    scene
        .run(scene.command().args(always))
        .says(0, &["check run: none"]);
    assert_eq!(scene.comments().len(), 1);
    scene
        .run(scene.command().args(["--key", "No!"]))
        .says(2, &["1 to 32 of a-z"]);
}

#[test]
fn an_earlier_comment_says_that_a_newer_commit_is_measured() {
    let mut scene = Scene::new();
    scene.shards(&shards(12_000, 20_000));
    scene.publish().says(0, &[]);
    let red = scene.comments()[0].clone();
    let run = |scene: &mut Scene, id: u64, status: &str, conclusion: serde_json::Value| {
        scene.event["workflow_run"]["id"] = id.into();
        scene.event["workflow_run"]["status"] = status.into();
        scene.event["workflow_run"]["conclusion"] = conclusion;
        scene.publish().says(0, &[]);
        scene.comments()[0].clone()
    };
    let measuring = run(&mut scene, 8, "queued", serde_json::Value::Null);
    assert!(
        measuring.contains("run=8 attempt=1 state=measuring"),
        "{measuring}"
    );
    assert!(
        measuring.contains("⏳ [measuring aaaaaaaaaa]"),
        "{measuring}"
    );
    let below = |text: &str| {
        text.split_once("### ")
            .map(|(_, text)| text.trim_end().to_owned())
    };
    assert_eq!(below(&measuring), below(&red));
    let cancelled = run(&mut scene, 8, "completed", "cancelled".into());
    assert!(
        cancelled.contains("was cancelled") && !cancelled.contains("⏳"),
        "{cancelled}"
    );
    let waiting = run(&mut scene, 9, "completed", "action_required".into());
    assert_eq!(waiting, cancelled, "a run that did not start tells nothing");
    assert_eq!(scene.comments().len(), 1);
}

#[test]
fn what_cannot_be_published_changes_no_verdict_and_is_in_the_log() {
    let refused = |method: &str, path: &str, status: u16| {
        let scene = Scene::new();
        scene.shards(&shards(12_000, 20_000));
        scene.fake.world().faults = vec![Fault::always(method, path, Kind::status(status))];
        let answer = scene.publish();
        answer.says(
            6,
            &[
                "icgate: fail: 1 of 2",
                "suite/f/a",
                "the verdict above is valid",
            ],
        );
        (scene, answer)
    };
    let (scene, answer) = refused("POST", "/check-runs", 403);
    answer.says(6, &["with `checks: write`"]);
    assert_eq!(
        scene.comments().len(),
        1,
        "the comment is told all the same"
    );
    let (scene, answer) = refused("POST", "/comments", 403);
    answer.says(6, &["with `pull-requests: write`"]);
    assert_eq!(scene.conclusions(), ["failure"]);
    let (_, answer) = refused("GET", "/pulls", 404);
    answer.says(6, &["with `pull-requests: read`"]);
    let (_, answer) = refused("GET", "", 401);
    answer.says(
        6,
        &["the token has expired", "its own baselines are not known"],
    );
    assert!(answer.outputs.contains("verdict=regressed"));

    let scene = Scene::new();
    scene.shards(&shards(12_000, 20_000));
    let answer = scene.run(scene.command().env_remove("GITHUB_TOKEN"));
    answer.says(
        6,
        &[
            "icgate: fail: 1 of 2",
            "GITHUB_TOKEN is not set",
            "fix: give the step",
        ],
    );
    assert_eq!(scene.fake.world().log.len(), 0);
}

#[test]
fn a_wrong_token_is_not_shown() {
    let scene = Scene::new();
    scene.shards(&shards(12_000, 20_000));
    scene.fake.world().token = "another".to_owned();
    scene.publish().says(6, &["401 Bad credentials"]);
}

#[test]
fn nobody_is_told_of_a_run_that_is_of_no_pull_request() {
    let mut scene = Scene::new();
    scene.shards(&shards(12_000, 20_000));
    for event in ["push", "merge_group", "schedule"] {
        scene.event["workflow_run"]["event"] = event.into();
        scene.publish().says(0, &["belongs to no pull request"]);
    }
    assert_eq!(scene.fake.world().log.len(), 0);
    scene.event = serde_json::json!({ "action": "opened" });
    scene
        .publish()
        .says(2, &["not that of a workflow run", "on: workflow_run"]);
}

#[test]
fn a_spoofed_comment_is_left_alone() {
    let scene = Scene::new();
    scene.shards(&shards(12_000, 20_000));
    let body = format!(
        "<!-- icgate:v1 key=gate run=9 attempt=9 state=judged sha={} -->\n✅",
        "a".repeat(40)
    );
    scene.fake.world().comments = vec![Comment {
        id: 1,
        number: 12,
        author: Some("mallory".to_owned()),
        body: body.clone(),
        minimized: false,
    }];
    scene.publish().says(0, &[]);
    let comments = scene.comments();
    assert_eq!((comments.len(), &comments[0]), (2, &body));
}
