//! A worktree: the files of another commit, for as long as they are needed.
//!
//! It lies in a measurement environment's directory, outside of the repository: cargo reads configuration from the
//! directories above a project, and head's is not base's. What a killed process leaves behind is
//! cleared by whoever takes that directory next, and forgotten by git with the next worktree.

use std::path::{Path, PathBuf};

use crate::environment::EnvironmentDirectory;
use crate::error::CliError;
use crate::git::Repository;

/// The files of a commit; they are removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Worktree<'a> {
    repository: &'a Repository,
    path: PathBuf,
    /// Holds the path.
    _directory: EnvironmentDirectory,
}

impl<'a> Worktree<'a> {
    /// Checks `commit` out.
    pub(crate) fn check_out(repository: &'a Repository, commit: &str) -> Result<Self, CliError> {
        let directory = EnvironmentDirectory::take()?;
        let path = directory.path().join("base");
        repository.add_worktree(&path, commit)?;
        Ok(Self {
            repository,
            path,
            _directory: directory,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Worktree<'_> {
    fn drop(&mut self) {
        self.repository.remove_worktree(&self.path);
    }
}
