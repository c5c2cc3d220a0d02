//! GitHub's resources, as far as anything here uses them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A pull request.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "GitHub's own names")]
pub struct Pull {
    pub number: u64,
    pub head_branch: String,
    pub head_sha: String,
    pub head_repository: String,
    pub base_branch: String,
    pub base_sha: String,
    pub base_repository: String,
    pub merge_commit_sha: Option<String>,
}

/// A run of a workflow.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "GitHub's own names")]
pub struct GateRun {
    pub id: u64,
    pub head_sha: String,
    /// When it began, too.
    pub created_at: String,
    pub status: String,
}

/// A comment.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "GitHub's own names")]
pub struct Comment {
    pub id: u64,
    pub number: u64,
    pub author: Option<String>,
    pub body: String,
    #[serde(default)]
    pub minimized: bool,
}

/// An issue.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "GitHub's own names")]
pub struct Issue {
    pub number: u64,
    pub author: String,
    pub title: String,
    pub body: String,
    pub state: String,
}

/// A check run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "GitHub's own names")]
pub struct CheckRun {
    pub id: u64,
    pub name: String,
    pub head_sha: String,
    pub external_id: Option<String>,
    pub status: String,
    pub conclusion: Option<String>,
    pub title: String,
    pub summary: String,
    pub annotations: Vec<Value>,
}
