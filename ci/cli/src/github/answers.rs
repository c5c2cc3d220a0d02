//! GitHub's answers, as far as anything here asks. Unknown fields are passed over: the interface
//! grows. What may be null there may be null here.

use icgate_core::publish::check_run::Existing;
use icgate_core::publish::comment::Post;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::GithubError;

/// Something that is there, with the address where people see it.
pub(super) type Seen<T> = (T, Option<String>);

#[derive(Debug, Deserialize)]
pub(super) struct Comment {
    pub(super) id: u64,
    #[serde(default)]
    node_id: String,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    pub(super) user: Option<User>,
    #[serde(default)]
    html_url: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub(super) login: String,
}

impl Comment {
    pub(super) fn seen(self) -> Seen<Post> {
        let post = Post {
            id: self.id,
            node: self.node_id,
            author: self.user.map(|it| it.login),
            body: self.body.unwrap_or_default(),
        };
        (post, self.html_url)
    }
}

/// An issue; among issues GitHub lists pull requests too.
#[derive(Debug, Deserialize)]
pub(super) struct Issue {
    number: u64,
    #[serde(default)]
    node_id: String,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    user: Option<User>,
    #[serde(default)]
    html_url: Option<String>,
    #[serde(default)]
    pub(super) pull_request: Option<serde::de::IgnoredAny>,
}

impl Issue {
    pub(super) fn seen(self) -> Seen<Post> {
        let post = Post {
            id: self.number,
            node: self.node_id,
            author: self.user.map(|it| it.login),
            body: self.body.unwrap_or_default(),
        };
        (post, self.html_url)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct CheckRuns {
    pub(super) check_runs: Vec<CheckRun>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CheckRun {
    id: u64,
    name: String,
    #[serde(default)]
    external_id: Option<String>,
    #[serde(default)]
    conclusion: Option<String>,
    #[serde(default)]
    output: Output,
    #[serde(default)]
    html_url: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Output {
    #[serde(default)]
    annotations_count: usize,
}

impl CheckRun {
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name == name
    }

    pub(super) fn seen(self) -> Seen<Existing> {
        let existing = Existing {
            id: self.id,
            external_id: self.external_id,
            conclusion: self.conclusion,
            annotations: self.output.annotations_count,
        };
        (existing, self.html_url)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Commit {
    pub(super) parents: Vec<Parent>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Parent {
    pub(super) sha: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) sha: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) size: u64,
}

/// Reads an answer.
pub(super) fn read<T: DeserializeOwned>(request: &str, text: &str) -> Result<T, GithubError> {
    serde_json::from_str(text).map_err(|error| GithubError::Answer {
        request: request.to_owned(),
        what: error.to_string(),
    })
}
