//! What the fake knows, and what each request does to it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::answers;
use crate::fault::{Fault, Meanwhile};
use crate::resource::{CheckRun, Comment, GateRun, Issue, Pull};

/// All that the fake knows. Read from a file where it runs by itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct World {
    /// `owner/name`.
    pub repository: String,
    /// The token that is let in; empty for any.
    pub token: String,
    /// Who writes with it.
    pub login: String,
    /// Open pull requests.
    pub pulls: Vec<Pull>,
    /// The parents of commits.
    pub commits: BTreeMap<String, Vec<String>>,
    /// Files by `commit:path`; a commit `*` stands for all.
    pub files: BTreeMap<String, String>,
    /// Diffs of pull requests.
    pub diffs: BTreeMap<u64, String>,
    /// Comments.
    pub comments: Vec<Comment>,
    /// Check runs.
    pub check_runs: Vec<CheckRun>,
    /// Issues.
    pub issues: Vec<Issue>,
    /// What people may do here: `write`, `read` and so on, by login. Others may read.
    pub permissions: BTreeMap<String, String>,
    /// Runs of the gate that pull requests have triggered and that have ended.
    pub gate_runs: Vec<GateRun>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// What was asked.
    pub log: Vec<Logged>,
    /// What broke GitHub's description of its interface.
    pub violations: Vec<String>,
    /// How many times a list does not show yet what was written last.
    pub lag: u32,
    /// The last number that was given out.
    pub last_id: u64,
}

/// A request.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "names say it")]
pub struct Logged {
    pub method: String,
    pub path: String,
    pub body: Value,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) text: String,
    /// A form of its own, where it is not JSON.
    pub(crate) form: &'static str,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            text: body.to_string(),
            form: "application/json; charset=utf-8",
        }
    }

    pub(crate) fn refused(status: u16, message: &str) -> Self {
        Self::json(
            status,
            &json!({ "message": message, "documentation_url": "https://docs.github.com/rest" }),
        )
    }
}

/// A request, taken apart.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    /// Without the query.
    pub(crate) path: &'a str,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) accept: &'a str,
    pub(crate) body: Value,
}

impl Asked<'_> {
    fn number(&self, name: &str, otherwise: usize) -> usize {
        let given = self.query.get(name).and_then(|it| it.parse().ok());
        given.unwrap_or(otherwise)
    }

    /// A page of a list, with the link to the next one.
    fn page(&self, items: Vec<Value>, wrap: impl Fn(Vec<Value>) -> Value) -> Answer {
        let (size, page) = (self.number("per_page", 30), self.number("page", 1));
        let rest: Vec<Value> = items.into_iter().skip((page - 1) * size).collect();
        let more = rest.len() > size;
        let shown = rest.into_iter().take(size).collect();
        let mut answer = Answer::json(200, &wrap(shown));
        if more {
            let next = format!("<https://api.github.com/?page={}>; rel=\"next\"", page + 1);
            answer.headers.push(("link".to_owned(), next));
        }
        answer
    }
}

impl World {
    /// What somebody else does in between.
    pub(crate) fn meanwhile(&mut self, what: Meanwhile) {
        match what {
            Meanwhile::DeleteComments => self.comments.clear(),
            Meanwhile::Comment {
                number,
                author,
                body,
            } => {
                let id = self.id();
                self.comments.push(Comment {
                    id,
                    number,
                    author: Some(author),
                    body,
                    minimized: false,
                });
            }
            Meanwhile::Push { sha } => {
                for pull in &mut self.pulls {
                    pull.head_sha.clone_from(&sha);
                }
            }
        }
    }

    pub(crate) fn id(&mut self) -> u64 {
        let known = self.comments.iter().map(|it| it.id);
        let known = known.chain(self.check_runs.iter().map(|it| it.id));
        let known = known.chain(self.issues.iter().map(|it| it.number));
        self.last_id = known.max().unwrap_or(0).max(self.last_id) + 1;
        self.last_id
    }

    /// What a list that lags does not show yet.
    fn hidden(&mut self) -> u64 {
        let lags = self.lag > 0 && self.last_id > 0;
        self.lag = self.lag.saturating_sub(u32::from(lags));
        if lags { self.last_id } else { 0 }
    }

    /// Carries out a request.
    pub(crate) fn answer(&mut self, asked: &Asked<'_>) -> Answer {
        if asked.path.ends_with("/graphql") {
            return self.graphql(&asked.body);
        }
        let start = format!("/repos/{}/", self.repository);
        let Some((_, rest)) = asked.path.split_once(&start) else {
            return Answer::refused(404, "Not Found");
        };
        let parts: Vec<&str> = rest.split('/').collect();
        match (asked.method, parts.as_slice()) {
            ("GET", ["pulls"]) => self.pulls(asked),
            ("GET", ["pulls", number]) => self.pull(asked, number),
            ("GET", ["commits", sha]) => match self.commits.get(*sha) {
                Some(parents) => Answer::json(200, &answers::commit(sha, parents)),
                None => Answer::refused(422, "No commit found for SHA"),
            },
            ("GET", ["commits", sha, "check-runs"]) => self.list_check_runs(asked, sha),
            ("GET", ["contents", path @ ..]) => self.contents(asked, &path.join("/")),
            ("GET", ["git", "blobs", sha]) => {
                let found = self.files.values().find(|text| blob_name(text) == *sha);
                found.map_or_else(
                    || Answer::refused(404, "Not Found"),
                    |text| Answer::json(200, &answers::blob(sha, text)),
                )
            }
            ("GET", ["collaborators", login, "permission"]) => {
                let permission = self.permissions.get(*login).map_or("read", String::as_str);
                Answer::json(200, &answers::permission(login, permission))
            }
            ("GET", ["actions", "workflows", "gate.yml", "runs"]) => self.list_gate_runs(asked),
            ("GET", ["issues"]) => self.list_issues(asked),
            ("GET", ["issues", number, "comments"]) => {
                let hidden = self.hidden();
                let of = |it: &&Comment| it.number.to_string() == *number && it.id != hidden;
                let comments = self.comments.iter().filter(of).map(answers::comment);
                asked.page(comments.collect(), Value::Array)
            }
            ("DELETE", ["issues", "comments", id]) => {
                self.comments.retain(|it| it.id.to_string() != *id);
                Answer {
                    text: String::new(),
                    ..Answer::json(204, &Value::Null)
                }
            }
            ("POST" | "PATCH", _) => self.write(asked, &parts),
            _ => Answer::refused(404, "Not Found"),
        }
    }

    fn pulls(&self, asked: &Asked<'_>) -> Answer {
        let head = asked.query.get("head").cloned().unwrap_or_default();
        let fits = |it: &&Pull| {
            let owner = it.head_repository.split('/').next().unwrap_or_default();
            head.is_empty() || head == format!("{owner}:{}", it.head_branch)
        };
        let pulls = self.pulls.iter().filter(fits).map(answers::pull);
        asked.page(pulls.collect(), Value::Array)
    }

    fn pull(&self, asked: &Asked<'_>, number: &str) -> Answer {
        let Some(pull) = self.pulls.iter().find(|it| it.number.to_string() == number) else {
            return Answer::refused(404, "Not Found");
        };
        if !asked.accept.contains("diff") {
            return Answer::json(200, &answers::pull(pull));
        }
        match self.diffs.get(&pull.number) {
            Some(diff) => Answer {
                form: "application/vnd.github.diff; charset=utf-8",
                text: diff.clone(),
                ..Answer::json(200, &Value::Null)
            },
            None => Answer::refused(406, "the diff exceeded the maximum number of lines (20000)"),
        }
    }

    fn list_check_runs(&mut self, asked: &Asked<'_>, sha: &str) -> Answer {
        let hidden = self.hidden();
        let name = asked.query.get("check_name");
        let fits = |it: &&CheckRun| {
            it.head_sha == sha && it.id != hidden && name.is_none_or(|name| it.name == *name)
        };
        let runs: Vec<Value> = self
            .check_runs
            .iter()
            .filter(fits)
            .map(answers::check_run)
            .collect();
        let count = runs.len();
        asked.page(
            runs,
            |page| json!({ "total_count": count, "check_runs": page }),
        )
    }

    fn list_gate_runs(&self, asked: &Asked<'_>) -> Answer {
        let head = asked.query.get("head_sha");
        let fits = |it: &&GateRun| head.is_none_or(|head| it.head_sha == *head);
        let runs: Vec<Value> = self
            .gate_runs
            .iter()
            .filter(fits)
            .map(answers::gate_run)
            .collect();
        let count = runs.len();
        asked.page(
            runs,
            |page| json!({ "total_count": count, "workflow_runs": page }),
        )
    }

    fn list_issues(&self, asked: &Asked<'_>) -> Answer {
        let creator = asked.query.get("creator");
        let fits = |it: &&Issue| it.state == "open" && creator.is_none_or(|who| it.author == *who);
        let issues = self.issues.iter().filter(fits).map(answers::issue);
        asked.page(issues.collect(), Value::Array)
    }

    fn contents(&self, asked: &Asked<'_>, folder: &str) -> Answer {
        let commit = asked.query.get("ref").map_or("", String::as_str);
        let of = |commit: &str| -> Vec<Value> {
            let start = format!("{commit}:{folder}/");
            let inside = self.files.iter().filter(|(at, _)| at.starts_with(&start));
            inside
                .map(|(at, text)| {
                    let path = at.split_once(':').map_or("", |(_, path)| path);
                    answers::entry(path, text, &blob_name(text))
                })
                .collect()
        };
        let mut entries = of(commit);
        if entries.is_empty() {
            entries = of("*");
        }
        if entries.is_empty() {
            Answer::refused(404, "Not Found")
        } else {
            Answer::json(200, &Value::Array(entries))
        }
    }
}

/// Git's name of a file's content, made by git itself.
fn blob_name(text: &str) -> String {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let mut git = Command::new("git")
        .args(["hash-object", "--stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("git starts");
    let mut input = git.stdin.take().expect("a pipe");
    input.write_all(text.as_bytes()).expect("git reads");
    drop(input);
    let output = git.wait_with_output().expect("git ends");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
