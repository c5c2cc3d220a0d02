//! Commits: in what order they stand, and what they say of themselves.

use std::path::Path;

use super::{FOREIGN, Repository};
use crate::error::GitError;

impl Repository {
    /// Where the working tree is.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// `good`, then every commit up to `bad` along first parents, oldest first.
    pub(crate) fn first_parents(&self, good: &str, bad: &str) -> Result<Vec<String>, GitError> {
        let (good, bad) = (self.commit(good)?, self.commit(bad)?);
        let range = format!("{good}..{bad}");
        let list = self.ask(&["rev-list", "--first-parent", "--reverse", &range, "--"])?;
        let after = list.lines().map(str::to_owned);
        Ok([good].into_iter().chain(after).collect())
    }

    /// A commit's parents.
    pub(crate) fn parents(&self, commit: &str) -> Result<Vec<String>, GitError> {
        let answer = self.ask(&["rev-list", "--parents", "--max-count=1", commit, "--"])?;
        Ok(answer
            .split_whitespace()
            .skip(1)
            .map(str::to_owned)
            .collect())
    }

    /// The first line of a commit's message.
    pub(crate) fn subject(&self, commit: &str) -> Result<String, GitError> {
        let answer = self.ask(&["log", "--max-count=1", "--format=%s", commit, "--"])?;
        Ok(answer.trim_end().to_owned())
    }

    /// Lets a worktree at `path` hold another commit. What was built there and is ignored stays.
    pub(crate) fn check_out_in(path: &Path, commit: &str) -> Result<(), GitError> {
        let there = Self {
            root: path.to_owned(),
        };
        let mut arguments = FOREIGN.to_vec();
        arguments.extend(["checkout", "--quiet", "--detach", "--force", commit]);
        there.tell(&arguments)
    }
}
