//! Git: which revision is base, what its tree holds, and what head changes against it.
//!
//! Judging by base's policy and baselines, not by head's, is what keeps a pull request from
//! granting itself headroom.

use std::path::{Path, PathBuf};
use std::process::Command;

use icgate_core::baseline::Baselines;
use icgate_core::diff::ChangedLines;
use icgate_core::policy::Policy;

use crate::error::{CliError, GitError};
use crate::interrupt;
use crate::store::{self, POLICY_FILE};

/// A repository that has at least one commit.
#[derive(Debug)]
pub(crate) struct Repository {
    root: PathBuf,
}

/// A commit that head is compared with.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    /// Its full hash.
    pub(crate) commit: String,
    /// How it was found, in words.
    pub(crate) found: String,
}

impl Repository {
    /// The repository that holds `directory`; `None` if there is none, or no commit in it yet.
    pub(crate) fn open(directory: &Path) -> Option<Self> {
        let here = Self {
            root: directory.to_owned(),
        };
        let root = here.ask(&["rev-parse", "--show-toplevel"]).ok()?;
        let repository = Self {
            root: PathBuf::from(root.trim_end()),
        };
        repository.commit("HEAD").ok()?;
        Some(repository)
    }

    /// Whether `path` lies in the repository.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        self.relative(path).is_some()
    }

    /// The hash of `revision`.
    pub(crate) fn commit(&self, revision: &str) -> Result<String, GitError> {
        let object = format!("{revision}^{{commit}}");
        self.ask(&[
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &object,
        ])
        .map(|hash| hash.trim_end().to_owned())
        .map_err(|_| GitError::NoRevision {
            revision: revision.to_owned(),
        })
    }

    /// The commit that head is compared with: `revision` if one is given, else where head's branch
    /// left its target: the pull request's base branch in CI, the remote's default branch at hand.
    pub(crate) fn base(
        &self,
        revision: Option<&str>,
        pull_request_target: Option<&str>,
    ) -> Result<Base, GitError> {
        if let Some(revision) = revision {
            let commit = self.commit(revision)?;
            return Ok(Base {
                commit,
                found: format!("`{revision}`, as asked for"),
            });
        }
        if let Some(target) = pull_request_target {
            return self.left(&format!("origin/{target}"));
        }
        match self.ask(&[
            "symbolic-ref",
            "--quiet",
            "--short",
            "refs/remotes/origin/HEAD",
        ]) {
            Ok(target) if self.commit(target.trim_end()).is_ok() => self.left(target.trim_end()),
            _ => Ok(Base {
                commit: self.commit("HEAD")?,
                found: "the last commit".to_owned(),
            }),
        }
    }

    /// Where head left `target`.
    fn left(&self, target: &str) -> Result<Base, GitError> {
        self.commit(target)?;
        match self.ask(&["merge-base", "--end-of-options", target, "HEAD"]) {
            Ok(commit) => Ok(Base {
                commit: commit.trim_end().to_owned(),
                found: format!("where this branch left `{target}`"),
            }),
            Err(_) => Err(GitError::Shallow {
                revision: target.to_owned(),
            }),
        }
    }

    /// Policy of a commit, if it has one.
    pub(crate) fn policy(&self, base: &Base, directory: &Path) -> Result<Option<Policy>, CliError> {
        let Some(directory) = self.relative(directory) else {
            return Ok(None);
        };
        let path = format!("{directory}/{POLICY_FILE}");
        match self.show(base, &path)? {
            Some(text) => Ok(Some(Policy::from_toml(
                &format!("{}:{path}", short(base)),
                &text,
            )?)),
            None => Ok(None),
        }
    }

    /// Baselines of a commit.
    pub(crate) fn baselines(
        &self,
        base: &Base,
        directory: &Path,
        platform: &str,
    ) -> Result<Baselines, CliError> {
        let Some(directory) = self.relative(directory) else {
            return Ok(Baselines::default());
        };
        let folder = format!("{directory}/{platform}/");
        let names = self.ask(&[
            "ls-tree",
            "--name-only",
            "-z",
            "--full-tree",
            &base.commit,
            "--",
            &folder,
        ])?;
        let mut suites = Vec::new();
        for path in names
            .split('\0')
            .filter(|path| store::is_suite(Path::new(path)))
        {
            if let Some(text) = self.show(base, path)? {
                let name = PathBuf::from(format!("{}:{path}", short(base)));
                suites.push(store::parse_baseline(&name, &text)?);
            }
        }
        Ok(Baselines::new(suites))
    }

    /// The lines that the working tree adds or changes against base.
    pub(crate) fn changed_lines(&self, base: &Base) -> Result<ChangedLines, GitError> {
        let diff = self.ask(&[
            "diff",
            "--unified=0",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
            "--src-prefix=a/",
            "--dst-prefix=b/",
            &base.commit,
            "--",
            "*.rs",
        ])?;
        Ok(ChangedLines::from_unified_diff(&diff))
    }

    /// The commit that the working tree is, if nothing in it differs from that commit.
    pub(crate) fn clean_commit(&self) -> Option<String> {
        let status = self
            .ask(&["status", "--porcelain", "--untracked-files=no"])
            .ok()?;
        status
            .is_empty()
            .then(|| self.commit("HEAD").ok())
            .flatten()
    }

    /// A file of a commit, if it has one.
    fn show(&self, base: &Base, path: &str) -> Result<Option<String>, GitError> {
        let object = format!("{}:{path}", base.commit);
        if self.ask(&["cat-file", "-e", &object]).is_err() {
            return Ok(None);
        }
        self.ask(&["cat-file", "blob", &object]).map(Some)
    }

    /// `path` inside the repository, with `/` between its parts.
    fn relative(&self, path: &Path) -> Option<String> {
        let root = self.root.canonicalize().ok()?;
        // The directory itself may not exist in this tree.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Some(path.strip_prefix(root).ok()?.to_str()?.to_owned())
    }

    fn ask(&self, arguments: &[&str]) -> Result<String, GitError> {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.root).args(arguments);
        // Another repository's, when icgate runs inside a git hook.
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(name);
        }
        let output =
            interrupt::output(&mut command).map_err(|source| GitError::Start { source })?;
        if !output.status.success() {
            let what = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(GitError::Failed { what });
        }
        String::from_utf8(output.stdout).map_err(|_| GitError::Failed {
            what: "its answer is not UTF-8".to_owned(),
        })
    }
}

/// A commit's hash as people write it.
pub(crate) fn short(base: &Base) -> &str {
    base.commit.get(..10).unwrap_or(&base.commit)
}
