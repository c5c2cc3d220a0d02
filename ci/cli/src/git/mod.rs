//! Git: which revision is base, what its tree holds, and what head changes against it.
//!
//! Judging by base's policy and baselines, not by head's, is what keeps a pull request from
//! granting itself headroom.

mod changed;
mod commits;
mod committed;
pub(crate) mod history;
pub(crate) mod worktree;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::GitError;
use crate::process;

/// What git is told where it writes files of a commit that nobody works in: to start nothing else.
const FOREIGN: [&str; 4] = [
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
];

/// What names another repository, when icgate runs inside a git hook; and what git needs not know.
const FOREIGN_VARIABLES: [&str; 9] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_WORK_TREE",
    "GITHUB_TOKEN",
];

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

/// The top of the repository that holds `directory`, even if it has no commit yet.
pub(crate) fn top(directory: &Path) -> Option<PathBuf> {
    let here = Repository {
        root: directory.to_owned(),
    };
    let top = here.ask(&["rev-parse", "--show-toplevel"]).ok()?;
    Some(PathBuf::from(top.trim_end()))
}

impl Repository {
    /// The repository that holds `directory`; `None` if there is none, or no commit in it yet.
    pub(crate) fn open(directory: &Path) -> Option<Self> {
        let repository = Self {
            root: top(directory)?,
        };
        repository.commit("HEAD").ok()?;
        Some(repository)
    }

    /// Like [`open`](Self::open), but a repository that is there and cannot be opened (somebody
    /// else's, or no git on PATH) is an error: without base the tree would judge itself.
    pub(crate) fn find(directory: &Path) -> Result<Option<Self>, GitError> {
        let holds_git = |path: &&Path| path.join(".git").exists();
        let real = directory
            .canonicalize()
            .unwrap_or_else(|_| directory.to_owned());
        if !real.ancestors().any(|path| holds_git(&path)) {
            return Ok(None);
        }
        let here = Self { root: real.clone() };
        match here.ask(&["rev-parse", "--show-toplevel"]) {
            Ok(_) => Ok(Self::open(directory)),
            Err(GitError::Failed { what }) => Err(GitError::Unusable {
                directory: real,
                what,
            }),
            Err(other) => Err(other),
        }
    }

    /// Where `directory` lies in the repository: `some/folder/`, or nothing at its top.
    pub(crate) fn prefix(&self, directory: &Path) -> String {
        match self.relative(directory) {
            Some(path) if !path.is_empty() => format!("{path}/"),
            _ => String::new(),
        }
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
            // A clone without a remote has a main branch of its own, which this one may have left.
            _ => Ok(self.left_locally().unwrap_or(Base {
                commit: self.commit("HEAD")?,
                found: "the last commit".to_owned(),
            })),
        }
    }

    /// Where head left a local main branch, if it is not on it.
    fn left_locally(&self) -> Option<Base> {
        let head = self.commit("HEAD").ok()?;
        let mut bases = ["main", "master"].into_iter().filter_map(|name| {
            let branch = format!("refs/heads/{name}");
            self.commit(&branch).ok()?;
            let base = self.left(&branch).ok()?;
            (base.commit != head).then_some(Base {
                found: format!("where this branch left `{name}`"),
                ..base
            })
        });
        bases.next()
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

    /// Where `path` lies in the repository, as git names it.
    #[cfg(feature = "github")]
    pub(crate) fn folder(&self, path: &Path) -> Option<String> {
        self.relative(path)
    }

    /// How many commits `tip` is ahead of `commit`, along first parents; `None` where `commit` does not
    /// lie in its history.
    #[cfg(feature = "github")]
    pub(crate) fn commits_since(&self, commit: &str, tip: &str) -> Option<usize> {
        // Resolved first: what is no commit here must not be taken for an option.
        let tip = self.commit(tip).ok()?;
        self.ask(&["merge-base", "--is-ancestor", commit, &tip])
            .ok()?;
        let span = format!("{commit}..{tip}");
        let count = self.ask(&["rev-list", "--count", "--first-parent", &span]);
        count.ok()?.trim().parse().ok()
    }

    /// Has git do something that has no answer.
    pub(crate) fn tell(&self, arguments: &[&str]) -> Result<(), GitError> {
        self.ask(arguments).map(drop)
    }

    /// Checks `commit` out at `path`, apart from the working tree.
    pub(crate) fn add_worktree(&self, path: &Path, commit: &str) -> Result<(), GitError> {
        let path = path.display().to_string();
        self.ask(&["worktree", "prune"])?;
        // Hooks and monitors are the user's, for the tree that the user works in; what is checked out
        // here is another commit, for measuring.
        let mut arguments = FOREIGN.to_vec();
        arguments.extend([
            "worktree", "add", "--quiet", "--detach", "--force", &path, commit,
        ]);
        self.ask(&arguments)?;
        Ok(())
    }

    /// Removes a worktree. What is left of it goes with the next one.
    pub(crate) fn remove_worktree(&self, path: &Path) {
        let path = path.display().to_string();
        let mut arguments = FOREIGN.to_vec();
        arguments.extend(["worktree", "remove", "--force", &path]);
        let _ = self.ask(&arguments);
    }

    /// Whether the working tree has a file that git neither tracks nor ignores.
    pub(crate) fn has_untracked(&self) -> bool {
        self.ask(&["ls-files", "--others", "--exclude-standard"])
            .map_or(true, |files| !files.is_empty())
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

    /// Whether the tree is HEAD's, and nothing lies in it that git does not know.
    pub(crate) fn is_pristine(&self) -> bool {
        self.ask(&["status", "--porcelain"])
            .is_ok_and(|status| status.is_empty())
    }

    /// `path` inside the repository, with `/` between its parts.
    pub(crate) fn relative(&self, path: &Path) -> Option<String> {
        let root = self.root.canonicalize().ok()?;
        // The directory itself may not exist in this tree.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Some(path.strip_prefix(root).ok()?.to_str()?.to_owned())
    }

    pub(crate) fn ask(&self, arguments: &[&str]) -> Result<String, GitError> {
        Self::answer(&mut self.command(arguments))
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.root).args(arguments);
        for name in FOREIGN_VARIABLES {
            command.env_remove(name);
        }
        command
    }

    fn answer(command: &mut Command) -> Result<String, GitError> {
        let output = process::output(command).map_err(|source| GitError::Start { source })?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worktree_starts_no_hook_and_no_monitor() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let repository = Repository {
            root: directory.path().to_owned(),
        };
        let git = |arguments: &[&str]| {
            let own = [
                "-c",
                "user.name=t",
                "-c",
                "user.email=t@example.com",
                "-c",
                "commit.gpgsign=false",
            ];
            repository.ask(&[&own, arguments].concat()).unwrap()
        };
        git(&["init", "--quiet"]);
        git(&["commit", "--quiet", "--allow-empty", "--message=base"]);
        let mark = directory.path().join("started");
        let script = format!("#!/bin/sh\ntouch {}\n", mark.display());
        for name in ["post-checkout", "monitor"] {
            let hook = directory.path().join(".git/hooks").join(name);
            std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
            std::fs::write(&hook, &script).unwrap();
            std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let monitor = directory.path().join(".git/hooks/monitor");
        git(&["config", "core.fsmonitor", monitor.to_str().unwrap()]);
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("base");
        repository.add_worktree(&path, "HEAD").unwrap();
        assert!(path.join(".git").exists());
        repository.remove_worktree(&path);
        assert!(!path.exists() && !mark.exists());
    }
}
