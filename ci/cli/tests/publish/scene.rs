//! A trusted checkout, a pull request of a fork, and the shards of its run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use github_fake::{Fake, Pull, World};
use icgate_core::model::baseline::{Accepted, Baseline};
use icgate_core::model::environment::Environment;
use icgate_core::model::functions::LineCost;
use icgate_core::model::functions::{FunctionCost, FunctionTable};
use icgate_core::model::metric::Metric;
use icgate_core::model::run::{CiRun, FunctionLines, Measurement, Part, RUN_FORMAT, Run};
use tempfile::TempDir;

use crate::surroundings::isolate;

pub(crate) const TOKEN: &str = "ghs_not-to-be-seen";
pub(crate) const BOT: &str = "github-actions[bot]";
pub(crate) const SUITE: &str = "baselines/x86_64-linux-gnu/suite.json";
pub(crate) const DIFF: &str = "\
diff --git a/src/lib.rs b/src/lib.rs
--- a/src/lib.rs
+++ b/src/lib.rs
@@ -1,3 +1,4 @@
 fn f() {
+    more();
     work();
 }
";

pub(crate) fn environment() -> Environment {
    Environment {
        rustc: "1.95.0".to_owned(),
        ..Environment::example()
    }
}

pub(crate) fn measurement(id: &str, instructions: u64) -> Measurement {
    let line = LineCost {
        file: "src/lib.rs".into(),
        line: 2,
        instructions,
    };
    Measurement {
        calls: icgate_core::model::call_graph::CallGraph::default(),
        id: id.parse().unwrap(),
        metrics: BTreeMap::from([(Metric::Instructions, instructions)]),
        functions: FunctionTable::new(
            vec![FunctionCost {
                name: "f".into(),
                file: "src/lib.rs".into(),
                instructions,
                calls: Some(1),
                caller: None,
                metrics: icgate_core::model::functions::FunctionMetrics::default(),
            }],
            0,
        ),
        noise: 0,
        metric_noise: icgate_core::model::metric::Metrics::new(),
        lines: vec![FunctionLines {
            name: "f".into(),
            file: "src/lib.rs".into(),
            lines: vec![line],
        }],
    }
}

pub(crate) fn baseline(a: u64, b: u64, reason: Option<&str>) -> String {
    let accepted = |id: &str, count, reason: Option<&str>| {
        Accepted::from_measurement(&measurement(id, count), 0, reason.map(str::to_owned))
    };
    let suite = Baseline::new(
        "suite",
        environment(),
        vec![
            accepted("suite/f/a", a, reason),
            accepted("suite/f/b", b, None),
        ],
    );
    suite.to_json()
}

/// The shards of a run of two benchmarks, as their machines hand them over.
pub(crate) fn shards(a: u64, b: u64) -> [String; 2] {
    let shard = |number: u32, measured| {
        let run = Run {
            format: RUN_FORMAT,
            crates: Vec::new(),
            commit: Some("c".repeat(40)),
            complete: false,
            part: Some(Part {
                shard: format!("{number}/2").parse().unwrap(),
                listed: vec!["suite/f/a".parse().unwrap(), "suite/f/b".parse().unwrap()],
                whole: true,
                accepted: "0".repeat(64),
                ci: Some(CiRun { run: 7, attempt: 1 }),
            }),
            environment: environment(),
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

pub(crate) struct Scene {
    pub(crate) directory: TempDir,
    pub(crate) base: String,
    pub(crate) fake: Fake,
    pub(crate) event: serde_json::Value,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) outputs: String,
    pub(crate) summary: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn says(&self, code: i32, messages: &[&str]) -> &Self {
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
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let checkout = directory.path().join("checkout");
        std::fs::create_dir_all(checkout.join(SUITE).parent().unwrap()).unwrap();
        std::fs::write(checkout.join(SUITE), baseline(10_000, 20_000, None)).unwrap();
        let git = |arguments: &[&str]| git(&checkout, arguments);
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

    /// Has git do something in the checkout.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git(&self.path("checkout"), arguments)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn shards(&self, texts: &[String]) {
        for (index, text) in texts.iter().enumerate() {
            let folder = self.path(&format!("artifacts/shard-{}", index + 1));
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("run.json"), text).unwrap();
        }
    }

    pub(crate) fn command(&self) -> Command {
        std::fs::create_dir_all(self.path("artifacts")).unwrap();
        std::fs::write(self.path("event.json"), self.event.to_string()).unwrap();
        for file in ["output", "summary"] {
            std::fs::write(self.path(file), "").unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_icgate"));
        command.arg("publish").arg(self.path("artifacts"));
        command.arg("--workspace").arg(self.path("checkout"));
        command.arg("--output").arg(self.path("out"));
        isolate(&mut command)
            .env("GITHUB_TOKEN", TOKEN)
            .env("GITHUB_API_URL", self.fake.url())
            .env("GITHUB_EVENT_PATH", self.path("event.json"))
            .env("GITHUB_OUTPUT", self.path("output"))
            .env("GITHUB_STEP_SUMMARY", self.path("summary"));
        command
    }

    pub(crate) fn run(&self, command: &mut Command) -> Answer {
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

    pub(crate) fn publish(&self) -> Answer {
        self.run(&mut self.command())
    }

    pub(crate) fn comments(&self) -> Vec<String> {
        self.fake
            .world()
            .comments
            .iter()
            .map(|it| it.body.clone())
            .collect()
    }

    pub(crate) fn conclusions(&self) -> Vec<String> {
        let world = self.fake.world();
        let runs = world.check_runs.iter();
        runs.map(|it| it.conclusion.clone().unwrap_or_default())
            .collect()
    }

    /// Head's tree has another baseline than base's.
    pub(crate) fn edited(&self, baseline: String) {
        self.fake
            .world()
            .files
            .insert(format!("*:{SUITE}"), baseline);
    }
}

fn git(checkout: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    isolate(git.current_dir(checkout));
    git.args(["-c", "user.name=t", "-c", "user.email=t@example.com"]);
    let output = git.args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn walk(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries
        .map(|it| it.unwrap().path())
        .filter(|it| it.is_file())
        .collect()
}
