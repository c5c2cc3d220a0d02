//! `icgate publish` as a workflow meets it: a trusted checkout, an event, hostile numbers, and a
//! stand-in for GitHub. Needs neither Valgrind nor a build.

#![cfg(feature = "github")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use github_fake::{Comment, Fake, Fault, Kind, Pull, World};
use icgate_core::baseline::{Accepted, Baseline};
use icgate_core::chamber::Chamber;
use icgate_core::functions::{FunctionCost, FunctionTable};
use icgate_core::metric::Metric;
use icgate_core::run::{CiRun, FunctionLines, Measurement, Part, RUN_FORMAT, Run};
use icgate_core::source::LineCost;
use tempfile::TempDir;

const TOKEN: &str = "ghs_not-to-be-seen";
const BOT: &str = "github-actions[bot]";
const SUITE: &str = "baselines/x86_64-linux-gnu/suite.json";
const DIFF: &str = "\
diff --git a/src/lib.rs b/src/lib.rs
--- a/src/lib.rs
+++ b/src/lib.rs
@@ -1,3 +1,4 @@
 fn f() {
+    more();
     work();
 }
";

fn chamber() -> Chamber {
    let text = str::to_owned;
    Chamber {
        target: text("x86_64-unknown-linux-gnu"),
        rustc: text("1.95.0"),
        valgrind: text("3.19.0"),
        libc: text("2.36"),
        cpu: text("c"),
        memory_functions: text("m"),
        tunables: text("t"),
        caches: text("c"),
        build: text("b"),
        harness: text("h"),
    }
}

fn measurement(id: &str, instructions: u64) -> Measurement {
    let line = LineCost {
        file: "src/lib.rs".into(),
        line: 2,
        instructions,
    };
    Measurement {
        calls: icgate_core::calls::CallGraph::default(),
        id: id.parse().unwrap(),
        metrics: BTreeMap::from([(Metric::Instructions, instructions)]),
        functions: FunctionTable::new(
            vec![FunctionCost {
                name: "f".into(),
                file: "src/lib.rs".into(),
                instructions,
                calls: Some(1),
                caller: None,
            }],
            0,
        ),
        floor: 0,
        lines: vec![FunctionLines {
            name: "f".into(),
            file: "src/lib.rs".into(),
            lines: vec![line],
        }],
    }
}

fn baseline(a: u64, b: u64, reason: Option<&str>) -> String {
    let accepted = |id: &str, count, reason: Option<&str>| {
        Accepted::from_measurement(&measurement(id, count), 0, reason.map(str::to_owned))
    };
    let suite = Baseline {
        suite: "suite".to_owned(),
        chamber: chamber(),
        benchmarks: vec![
            accepted("suite/f/a", a, reason),
            accepted("suite/f/b", b, None),
        ],
    };
    suite.to_json()
}

/// The shards of a run of two benchmarks, as their machines hand them over.
fn shards(a: u64, b: u64) -> [String; 2] {
    let shard = |number: u32, measured| {
        let run = Run {
            format: RUN_FORMAT,
            commit: Some("c".repeat(40)),
            complete: false,
            part: Some(Part {
                shard: format!("{number}/2").parse().unwrap(),
                listed: vec!["suite/f/a".parse().unwrap(), "suite/f/b".parse().unwrap()],
                whole: true,
                accepted: "0".repeat(64),
                ci: Some(CiRun { run: 7, attempt: 1 }),
            }),
            chamber: chamber(),
            failed: Vec::new(),
            benchmarks: vec![measured],
        };
        run.to_json()
    };
    [
        shard(1, measurement("suite/f/a", a)),
        shard(2, measurement("suite/f/b", b)),
    ]
}

struct Scene {
    directory: TempDir,
    base: String,
    fake: Fake,
    event: serde_json::Value,
}

#[derive(Debug)]
struct Answer {
    code: i32,
    stdout: String,
    stderr: String,
    outputs: String,
    summary: String,
}

impl Answer {
    #[track_caller]
    fn says(&self, code: i32, messages: &[&str]) -> &Self {
        assert_eq!(self.code, code, "{self:#?}");
        for message in messages {
            let said = self.stdout.contains(message) || self.stderr.contains(message);
            assert!(said, "expected `{message}` in {self:#?}");
        }
        self
    }
}

impl Scene {
    /// A checkout of the default branch whose baselines say 10,000 and 20,000, and a pull request
    /// of a fork's `main`.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let checkout = directory.path().join("checkout");
        std::fs::create_dir_all(checkout.join(SUITE).parent().unwrap()).unwrap();
        std::fs::write(checkout.join(SUITE), baseline(10_000, 20_000, None)).unwrap();
        let git = |arguments: &[&str]| {
            let mut git = Command::new("git");
            git.current_dir(&checkout);
            git.args(["-c", "user.name=t", "-c", "user.email=t@example.com"]);
            let output = git.args(arguments).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        git(&["init", "--quiet", "--initial-branch=main"]);
        git(&["add", "."]);
        git(&["commit", "--quiet", "--message=base"]);
        let base = git(&["rev-parse", "HEAD"]);
        let head = "a".repeat(40);
        let fake = Fake::start(World {
            repository: "owner/engine".to_owned(),
            login: BOT.to_owned(),
            token: TOKEN.to_owned(),
            pulls: vec![Pull {
                number: 12,
                head_branch: "main".to_owned(),
                head_sha: head.clone(),
                head_repository: "fork/engine".to_owned(),
                base_branch: "main".to_owned(),
                base_sha: base.clone(),
                base_repository: "owner/engine".to_owned(),
                merge_commit_sha: Some("c".repeat(40)),
            }],
            commits: [("c".repeat(40), vec![base.clone(), head.clone()])].into(),
            files: [(format!("*:{SUITE}"), baseline(10_000, 20_000, None))].into(),
            diffs: [(12, DIFF.to_owned())].into(),
            ..World::default()
        });
        let event = serde_json::json!({
            "action": "completed",
            "workflow_run": {
                "id": 7, "run_attempt": 1, "event": "pull_request", "status": "completed",
                "conclusion": "failure", "head_sha": head, "head_branch": "main",
                "head_repository": {"full_name": "fork/engine"}
            },
            "repository": {"full_name": "owner/engine"}
        });
        Self {
            directory,
            base,
            fake,
            event,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn shards(&self, texts: &[String]) {
        for (index, text) in texts.iter().enumerate() {
            let folder = self.path(&format!("artifacts/shard-{}", index + 1));
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("run.json"), text).unwrap();
        }
    }

    fn command(&self) -> Command {
        std::fs::create_dir_all(self.path("artifacts")).unwrap();
        std::fs::write(self.path("event.json"), self.event.to_string()).unwrap();
        for file in ["output", "summary"] {
            std::fs::write(self.path(file), "").unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_icgate"));
        command.arg("publish").arg(self.path("artifacts"));
        command.arg("--workspace").arg(self.path("checkout"));
        command.arg("--output").arg(self.path("out"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GITHUB_") {
                command.env_remove(name);
            }
        }
        command
            .env("GITHUB_TOKEN", TOKEN)
            .env("GITHUB_API_URL", self.fake.url())
            .env("GITHUB_EVENT_PATH", self.path("event.json"))
            .env("GITHUB_OUTPUT", self.path("output"))
            .env("GITHUB_STEP_SUMMARY", self.path("summary"));
        command
    }

    fn run(&self, command: &mut Command) -> Answer {
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let read = |name: &str| std::fs::read_to_string(self.path(name)).unwrap();
        let answer = Answer {
            code: output.status.code().unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
            outputs: read("output"),
            summary: read("summary"),
        };
        assert!(!format!("{answer:?}").contains(TOKEN), "the token is shown");
        let written = walk(&self.path("out"));
        assert!(
            written
                .iter()
                .all(|path| !std::fs::read_to_string(path).unwrap().contains(TOKEN))
        );
        assert_eq!(self.fake.world().violations, [""; 0]);
        answer
    }

    fn publish(&self) -> Answer {
        self.run(&mut self.command())
    }

    fn comments(&self) -> Vec<String> {
        self.fake
            .world()
            .comments
            .iter()
            .map(|it| it.body.clone())
            .collect()
    }

    fn conclusions(&self) -> Vec<String> {
        let world = self.fake.world();
        let runs = world.check_runs.iter();
        runs.map(|it| it.conclusion.clone().unwrap_or_default())
            .collect()
    }

    /// Head's tree has another baseline than base's.
    fn edited(&self, baseline: String) {
        self.fake
            .world()
            .files
            .insert(format!("*:{SUITE}"), baseline);
    }
}

fn walk(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries
        .map(|it| it.unwrap().path())
        .filter(|it| it.is_file())
        .collect()
}

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
    let (before, _) = answer.stdout.split_once("icgate: fail").unwrap();
    let end = before.trim().strip_prefix("::stop-commands::").unwrap();
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
fn what_head_accepts_is_read_from_github_and_must_be_true() {
    let scene = Scene::new();
    scene.shards(&shards(12_000, 20_000));
    scene.edited(baseline(12_000, 20_000, Some("checksums are verified")));
    scene.publish().says(0, &["icgate: pass"]);
    assert_eq!(scene.conclusions(), ["neutral"]);
    assert!(scene.comments()[0].contains("checksums are verified"));
    // An edit that was not measured passes nothing.
    let lying = Scene::new();
    lying.shards(&shards(12_000, 20_000));
    lying.edited(baseline(13_000, 20_000, Some("trust me")));
    lying.publish().says(0, &["untrue"]);
    assert_eq!(lying.conclusions(), ["failure"]);
}

#[test]
fn a_baseline_that_cannot_be_read_is_no_verdict() {
    let scene = Scene::new();
    scene.shards(&shards(12_000, 20_000));
    scene.edited("{\"format\":1,\"format\":1}".to_owned());
    scene.publish().says(0, &["no verdict"]);
    assert_eq!(scene.conclusions(), ["failure"]);
}

#[test]
fn a_missing_shard_is_named_and_red() {
    let scene = Scene::new();
    scene.shards(&shards(10_000, 20_000)[..1]);
    let answer = scene.publish();
    answer.says(0, &["icgate: no verdict: shard 2/2 is missing"]);
    assert!(answer.outputs.contains("incomplete=true"));
    assert_eq!(scene.conclusions(), ["failure"]);
    assert!(scene.comments()[0].contains("shard 2/2 is missing"));
    let none = Scene::new();
    none.publish()
        .says(0, &["icgate: no verdict: no shard was given"]);
    assert_eq!(none.conclusions(), ["failure"]);
}

#[test]
fn an_artifact_may_bring_one_plain_file_and_nothing_else() {
    let scene = Scene::new();
    let [one, two] = shards(10_000, 20_000);
    scene.shards(&[one]);
    let artifacts = scene.path("artifacts");
    let secret = scene.path("secret.json");
    std::fs::write(&secret, &two).unwrap();
    // A link to a file, a link to a folder, other names, a deeper folder: none of them is read.
    let linked = artifacts.join("linked");
    std::fs::create_dir_all(&linked).unwrap();
    std::os::unix::fs::symlink(&secret, linked.join("run.json")).unwrap();
    let outside = scene.path("outside");
    std::fs::create_dir_all(&outside).unwrap();
    std::fs::write(outside.join("run.json"), &two).unwrap();
    std::os::unix::fs::symlink(&outside, artifacts.join("folder")).unwrap();
    std::fs::create_dir_all(artifacts.join("deep/er")).unwrap();
    std::fs::write(artifacts.join("deep/er/run.json"), &two).unwrap();
    std::fs::write(artifacts.join("deep/report.json"), &two).unwrap();
    std::fs::write(artifacts.join("deep/run.json.exe"), &two).unwrap();
    scene.publish().says(0, &["shard 2/2 is missing"]);
    // The same bytes as a plain file are.
    std::fs::write(artifacts.join("deep/run.json"), &two).unwrap();
    scene.publish().says(0, &["icgate: pass"]);
}

#[test]
fn hostile_numbers_are_refused_without_being_repeated() {
    let [one, two] = shards(12_000, 20_000);
    let long = "x".repeat(20_000_000);
    for (hostile, words) in [
        (
            two.replacen("\"f\"", &format!("\"{long}\""), 1),
            "a text in it has more than",
        ),
        (
            two.replace("20000", "99999999999999999999"),
            "a count beyond",
        ),
        (two.replace("20000", "2e4"), "a number that is no count"),
        (
            two.replace("\"complete\":false", "\"complete\":false,\"complete\":true"),
            "duplicate",
        ),
        (
            two.replace(
                "\"benchmarks\":[",
                &format!("\"benchmarks\":[{}", "[".repeat(9_999)),
            ),
            "deep",
        ),
        (
            two.replace("\"run\":7", "\"run\":8"),
            "is of another run of CI",
        ),
        (
            two.replace("\"format\":1", "\"format\":1,\"verdict\":\"pass\""),
            "unknown field",
        ),
        ("::error::x @everyone <img>".to_owned(), "cannot read run"),
    ] {
        let scene = Scene::new();
        scene.shards(&[one.clone(), hostile]);
        let answer = scene.publish();
        answer.says(0, &["icgate: no verdict", words]);
        assert!(answer.stdout.len() < 2_000, "{}", answer.stdout.len());
        assert_eq!(scene.conclusions(), ["failure"], "{words}");
        assert!(scene.comments()[0].len() < 2_000);
    }
}

#[test]
fn names_with_commands_in_them_are_printed_and_not_obeyed() {
    let scene = Scene::new();
    let hostile = "x\\n::set-output name=a::b ##[add-mask]c ::stop-commands::d @everyone <img>|";
    scene.shards(
        &shards(12_000, 20_000).map(|text| text.replace("\"f\"", &format!("\"{hostile}\""))),
    );
    let answer = scene.publish();
    answer.says(0, &["icgate: fail"]);
    let (_, rest) = answer.stdout.split_once("::stop-commands::").unwrap();
    let (end, rest) = rest.split_once('\n').unwrap();
    let (_, after) = rest.split_once(&format!("\n::{end}::\n")).unwrap();
    for line in after.lines() {
        let ours = ["::error ", "::notice ", "check run: ", "comment: "];
        assert!(ours.iter().any(|start| line.starts_with(start)), "{line}");
    }
    assert!(
        scene.comments()[0].contains("@everyone <img>\\|"),
        "in a code span"
    );
}

#[test]
fn a_push_in_between_or_a_closed_pull_request_gets_no_comment() {
    let scene = Scene::new();
    scene.shards(&shards(12_000, 20_000));
    scene.fake.world().pulls[0].head_sha = "b".repeat(40);
    scene.publish().says(0, &["icgate: fail", "comment: none"]);
    assert_eq!(scene.comments(), [""; 0]);
    assert_eq!(
        scene.conclusions(),
        ["failure"],
        "at the commit that was measured"
    );
    assert_eq!(scene.fake.world().check_runs[0].head_sha, "a".repeat(40));
}

#[test]
fn without_a_trial_merge_the_tree_of_head_is_judged_and_that_is_said() {
    let scene = Scene::new();
    scene.shards(&shards(10_000, 20_000));
    scene.fake.world().pulls[0].merge_commit_sha = None;
    scene
        .publish()
        .says(0, &["the pull request has no trial merge"]);
    // A merge whose second parent is not the head is not this pull request's.
    let other = Scene::new();
    other.shards(&shards(10_000, 20_000));
    other
        .fake
        .world()
        .commits
        .insert("c".repeat(40), vec!["d".repeat(40), "e".repeat(40)]);
    other
        .publish()
        .says(0, &["the pull request has no trial merge"]);
    let unknown = Scene::new();
    unknown.shards(&shards(10_000, 20_000));
    let head = "a".repeat(40);
    unknown
        .fake
        .world()
        .commits
        .insert("c".repeat(40), vec!["d".repeat(40), head]);
    unknown.publish().says(0, &["is not in this checkout"]);
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
                "the verdict above stands",
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
        scene.publish().says(0, &["is of no pull request"]);
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

#[test]
fn counts_that_drift_are_kept_in_one_issue() {
    let scene = Scene::new();
    let tell = |run: &str, a: u64| {
        scene.shards(
            &shards(a, 20_000).map(|text| text.replace("\"run\":7", &format!("\"run\":{run}"))),
        );
        let mut command = scene.command();
        command.args(["--drift", "--key", "drift"]);
        command
            .env("GITHUB_RUN_ID", run)
            .env("GITHUB_RUN_ATTEMPT", "1");
        command
            .env("GITHUB_REPOSITORY", "owner/engine")
            .env("GITHUB_SHA", "a".repeat(40));
        scene.run(&mut command)
    };
    tell("7", 10_000).says(0, &["issue: none"]);
    tell("8", 12_000).says(0, &["issue: https://"]);
    tell("9", 13_000).says(0, &["issue: https://"]);
    let issues = scene.fake.world().issues.clone();
    assert_eq!(issues.len(), 1);
    assert!(issues[0].body.contains("| 13,000 |"), "{issues:?}");
    assert_eq!(issues[0].state, "open");
    tell("10", 10_000).says(0, &["issue: https://"]);
    assert_eq!(scene.fake.world().issues[0].state, "closed");
    tell("x", 10_000).says(2, &["GITHUB_RUN_ID is \"x\""]);
}

#[test]
fn baselines_are_updated_from_what_ci_measured() {
    let scene = Scene::new();
    scene.shards(&shards(12_000, 20_000));
    let checkout = scene.path("checkout");
    std::fs::create_dir_all(checkout.join("src")).unwrap();
    std::fs::write(checkout.join("src/lib.rs"), "").unwrap();
    let manifest = "[package]\nname = \"sample\"\nedition = \"2024\"\n[[bench]]\nname = \"suite\"\nharness = false\n";
    std::fs::write(checkout.join("Cargo.toml"), manifest).unwrap();
    std::fs::create_dir_all(checkout.join("benches")).unwrap();
    std::fs::write(checkout.join("benches/suite.rs"), "").unwrap();
    let update = |reason: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_icgate"));
        command.current_dir(&checkout).env_remove("GITHUB_BASE_REF");
        command
            .arg("update")
            .arg("--from")
            .arg(scene.path("artifacts"))
            .args(reason);
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    let read = || std::fs::read_to_string(checkout.join(SUITE)).unwrap();
    let (code, said) = update(&[]);
    assert!(
        code == Some(2) && said.contains("`suite/f/a` got worse"),
        "{said}"
    );
    assert_eq!(read(), baseline(10_000, 20_000, None), "nothing is written");
    let (code, said) = update(&["--reason", "checksums are verified"]);
    assert!(code == Some(0) && said.contains("written"), "{said}");
    assert_eq!(
        read(),
        baseline(12_000, 20_000, Some("checksums are verified"))
    );
    // Hostile or lacking numbers write nothing.
    scene.shards(&[shards(13_000, 20_000)[0].clone(), "{}".to_owned()]);
    let (code, said) = update(&["--reason", "x"]);
    assert!(
        code == Some(2) && said.contains("cannot read run"),
        "{said}"
    );
    std::fs::remove_dir_all(scene.path("artifacts/shard-2")).unwrap();
    let (code, said) = update(&["--reason", "x"]);
    assert!(
        code == Some(2) && said.contains("shard 2/2 is missing"),
        "{said}"
    );
    assert_eq!(
        read(),
        baseline(12_000, 20_000, Some("checksums are verified"))
    );
}
