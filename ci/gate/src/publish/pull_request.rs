//! From a `workflow_run` event to the pull request that it belongs to, without believing anybody
//! but GitHub.
//!
//! The event names no pull request for runs of forks, and a number in an artifact would be its
//! author's choice. So open pull requests are asked for by owner and branch, and one counts only
//! if its head is the very commit that was run, of the very repository. Where one head has several
//! pull requests, the measured commit may only pick among these.

use serde::Deserialize;
use thiserror::Error;

use crate::model::run::CiRun;
use crate::publish::marker::Sha;

/// A repository's `owner/name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository(String);

impl Repository {
    /// The repository, if `text` can be its name.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let part = |part: &str| {
            let dots = part.bytes().all(|byte| byte == b'.');
            !part.is_empty() && !dots && part.len() <= 100 && part.bytes().all(plain)
        };
        let (owner, name) = text.split_once('/')?;
        (part(owner) && part(name)).then(|| Self(text.to_owned()))
    }

    /// `owner/name`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Names are told apart without regard to case.
    fn is(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }

    fn owner(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }
}

/// What came of the run that the event tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It is under way.
    Measuring,
    /// It ended, well or not: there may be numbers.
    Ended,
    /// Somebody, or a newer push, stopped it.
    Cancelled,
    /// It never started: skipped, or waiting for a maintainer's approval.
    NotStarted,
}

/// The run that a `workflow_run` event tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Triggering {
    /// Where the pull request would be merged.
    pub base: Repository,
    /// Which run, and attempt.
    pub ci: CiRun,
    /// The commit that was pushed.
    pub head_sha: Sha,
    /// Where it was pushed, if that is still there.
    pub head: Option<Repository>,
    /// The branch it was pushed to: the author's text.
    pub branch: String,
    /// How far the run came.
    pub phase: Phase,
    /// Whether a pull request triggered it.
    pub of_pull_request: bool,
}

/// Why an event cannot be followed.
#[derive(Debug, Error)]
pub enum EventError {
    /// Not the event's shape.
    #[error("the event is not that of a workflow run: {source}")]
    Shape {
        /// What is wrong and where.
        source: serde_json::Error,
    },
    /// A field that GitHub would not write so.
    #[error("the event's {field} is not what GitHub writes there")]
    Field {
        /// Which one.
        field: &'static str,
    },
}

#[derive(Deserialize)]
struct Event {
    workflow_run: WorkflowRun,
    repository: Named,
}

#[derive(Deserialize)]
struct WorkflowRun {
    id: u64,
    run_attempt: u32,
    event: String,
    status: Option<String>,
    conclusion: Option<String>,
    head_sha: String,
    head_branch: Option<String>,
    head_repository: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    full_name: String,
}

impl Triggering {
    /// Reads the event's payload.
    ///
    /// # Errors
    ///
    /// [`EventError`] if it is not a `workflow_run` event as GitHub writes it.
    pub fn from_json(text: &str) -> Result<Self, EventError> {
        let event: Event =
            serde_json::from_str(text).map_err(|source| EventError::Shape { source })?;
        let run = event.workflow_run;
        let field = |field| EventError::Field { field };
        let repository =
            |name: &Named, at| Repository::new(&name.full_name).ok_or_else(|| field(at));
        let ci = CiRun {
            run: run.id,
            attempt: run.run_attempt,
        };
        if !ci.is_possible() {
            return Err(field("workflow_run.id"));
        }
        let head = run.head_repository.as_ref();
        Ok(Self {
            base: repository(&event.repository, "repository")?,
            ci,
            head_sha: Sha::new(&run.head_sha).ok_or_else(|| field("head_sha"))?,
            head: head
                .map(|it| repository(it, "head_repository"))
                .transpose()?,
            branch: run.head_branch.unwrap_or_default(),
            phase: phase(run.status.as_deref(), run.conclusion.as_deref()),
            of_pull_request: run.event == "pull_request",
        })
    }

    /// The path to ask for open pull requests of this head; `None` if there can be none.
    #[must_use]
    pub fn pulls_path(&self) -> Option<String> {
        let head = self.head.as_ref().filter(|_| !self.branch.is_empty())?;
        Some(format!(
            "/repos/{}/pulls?state=open&per_page=100&head={}",
            self.base.as_str(),
            encoded(&format!("{}:{}", head.owner(), self.branch))
        ))
    }

    /// The pull request that the run belongs to, among those that GitHub answered with. `measured`
    /// is the commit that the run says it measured.
    #[must_use]
    pub fn choose<'a>(&self, pulls: &'a [Pull], measured: Option<&str>) -> Option<&'a Pull> {
        let fits = |pull: &&Pull| {
            let of = |end: &End, repository: &Repository| {
                end.repo
                    .as_ref()
                    .is_some_and(|it| repository.is(&it.full_name))
            };
            pull.head.sha == self.head_sha.as_str()
                && of(&pull.base, &self.base)
                && self.head.as_ref().is_some_and(|head| of(&pull.head, head))
        };
        let fitting: Vec<&Pull> = pulls.iter().filter(fits).collect();
        match fitting.as_slice() {
            [one] => Some(one),
            several => several
                .iter()
                .find(|pull| measured.is_some() && pull.merge_commit_sha.as_deref() == measured)
                .copied(),
        }
    }
}

fn phase(status: Option<&str>, conclusion: Option<&str>) -> Phase {
    match (status, conclusion) {
        (Some("completed"), Some("success" | "failure" | "timed_out" | "startup_failure")) => {
            Phase::Ended
        }
        (Some("completed"), Some("cancelled")) => Phase::Cancelled,
        (Some("completed" | "action_required" | "waiting"), _) => Phase::NotStarted,
        _ => Phase::Measuring,
    }
}

/// A pull request, as far as anything here asks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Pull {
    /// Its number.
    pub number: u64,
    /// What it would merge.
    pub head: End,
    /// Where it would be merged.
    pub base: End,
    /// GitHub's trial merge, if it can be merged.
    pub merge_commit_sha: Option<String>,
}

/// One end of a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct End {
    /// The branch.
    #[serde(rename = "ref")]
    pub branch: String,
    /// Its last commit.
    pub sha: String,
    /// The repository, if it is still there.
    pub repo: Option<RepositoryName>,
}

/// A repository in an answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RepositoryName {
    /// `owner/name`.
    pub full_name: String,
}

/// `text` as a value in a query: everything but letters and digits is spelt out.
#[must_use]
pub fn encoded(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            value.push(char::from(byte));
        } else {
            value.push('%');
            for digit in [byte >> 4, byte & 15] {
                let digit = char::from_digit(u32::from(digit), 16).unwrap_or('0');
                value.push(digit.to_ascii_uppercase());
            }
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(branch: &str) -> serde_json::Value {
        json!({
            "action": "completed",
            "workflow_run": {
                "id": 7, "run_attempt": 2, "event": "pull_request", "status": "completed",
                "conclusion": "failure", "head_sha": "0a".repeat(20), "head_branch": branch,
                "head_repository": {"full_name": "fork/engine", "id": 5}
            },
            "repository": {"full_name": "Owner/engine"}
        })
    }

    fn read(event: &serde_json::Value) -> Triggering {
        Triggering::from_json(&event.to_string()).unwrap()
    }

    fn pull(number: u64) -> Pull {
        let end = |name: &str, sha: &str| End {
            branch: "main".to_owned(),
            sha: sha.to_owned(),
            repo: Some(RepositoryName {
                full_name: name.to_owned(),
            }),
        };
        Pull {
            number,
            head: end("fork/engine", &"0a".repeat(20)),
            base: end("owner/Engine", &"0b".repeat(20)),
            merge_commit_sha: Some(format!("{number:040}")),
        }
    }

    #[test]
    fn an_event_is_read_and_asked_about() {
        let run = read(&event("feature/a b&c"));
        assert_eq!(run.ci, CiRun { run: 7, attempt: 2 });
        assert!(run.of_pull_request);
        assert_eq!(
            run.pulls_path().unwrap(),
            "/repos/Owner/engine/pulls?state=open&per_page=100&head=fork%3Afeature%2Fa%20b%26c"
        );
        let mut gone = event("x");
        gone["workflow_run"]["head_repository"] = json!(null);
        assert_eq!(read(&gone).pulls_path(), None);
        assert_eq!(encoded("ä\n"), "%C3%A4%0A");
    }

    #[test]
    fn a_field_that_github_would_not_write_is_refused() {
        for (field, value) in [
            ("head_sha", json!("main")),
            ("head_sha", json!("0A".repeat(20))),
            ("id", json!(0)),
            ("id", json!("7")),
            ("run_attempt", json!(-1)),
            ("head_repository", json!({"full_name": "a/b/c"})),
            ("head_repository", json!({"full_name": "../x"})),
            ("head_repository", json!({"full_name": "a/b?x=1"})),
        ] {
            let mut event = event("x");
            event["workflow_run"][field] = value.clone();
            let read = Triggering::from_json(&event.to_string());
            assert!(read.is_err(), "{field} {value}");
        }
        assert!(Triggering::from_json("{}").is_err());
    }

    #[test]
    fn every_way_to_end_has_its_phase() {
        for (status, conclusion, expected) in [
            ("completed", json!("success"), Phase::Ended),
            ("completed", json!("failure"), Phase::Ended),
            ("completed", json!("timed_out"), Phase::Ended),
            ("completed", json!("startup_failure"), Phase::Ended),
            ("completed", json!("cancelled"), Phase::Cancelled),
            ("completed", json!("skipped"), Phase::NotStarted),
            ("completed", json!("neutral"), Phase::NotStarted),
            ("completed", json!("stale"), Phase::NotStarted),
            ("completed", json!("action_required"), Phase::NotStarted),
            ("completed", json!(null), Phase::NotStarted),
            ("waiting", json!(null), Phase::NotStarted),
            ("action_required", json!(null), Phase::NotStarted),
            ("queued", json!(null), Phase::Measuring),
            ("requested", json!(null), Phase::Measuring),
            ("in_progress", json!(null), Phase::Measuring),
        ] {
            let mut event = event("x");
            event["workflow_run"]["status"] = json!(status);
            event["workflow_run"]["conclusion"] = conclusion.clone();
            assert_eq!(read(&event).phase, expected, "{status} {conclusion}");
        }
    }

    #[test]
    fn only_the_very_head_of_the_very_repository_counts() {
        let run = read(&event("main"));
        let good = pull(1);
        assert_eq!(run.choose(std::slice::from_ref(&good), None), Some(&good));
        let mut moved_on = pull(2);
        moved_on.head.sha = "0c".repeat(20);
        let mut other_fork = pull(3);
        other_fork.head.repo = pull(3).base.repo;
        let mut other_base = pull(4);
        other_base.base.repo = pull(4).head.repo;
        let mut gone = pull(5);
        gone.head.repo = None;
        let bad = [moved_on, other_fork, other_base, gone];
        assert_eq!(run.choose(&bad, Some(&format!("{:040}", 2))), None);
        assert_eq!(run.choose(&[], None), None);
    }

    #[test]
    fn of_several_the_measured_commit_picks_and_nothing_else() {
        let run = read(&event("main"));
        let pulls = [pull(1), pull(2)];
        let picked = |measured: Option<&str>| run.choose(&pulls, measured).map(|it| it.number);
        assert_eq!(picked(Some(&format!("{:040}", 2))), Some(2));
        assert_eq!(picked(Some(&format!("{:040}", 9))), None);
        assert_eq!(picked(None), None);
    }
}
