//! What goes wrong with files and with git.

use std::io;
use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

use super::disk::is_full;

/// Why a file could not be read or written.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum StoreError {
    #[error("cannot read `{}`: {source}", path.display())]
    #[diagnostic(help("check the path, and that you may read it"))]
    Read { path: PathBuf, source: io::Error },
    #[error("there is no run at `{}`", path.display())]
    #[diagnostic(help("check the path, or measure one: icgate check"))]
    NoRun { path: PathBuf },
    #[error("cannot write `{}`: {source}", path.display())]
    #[diagnostic(help("{}", if is_full(source) { ROOM } else { WRITABLE }))]
    Write { path: PathBuf, source: io::Error },
    #[error("`{}` holds suite `{suite}`, not the suite it is named for", path.display())]
    #[diagnostic(help("rename it to `{suite}.json`"))]
    Suite { path: PathBuf, suite: String },
}

const ROOM: &str = "free space on its disk, or choose another directory with `--output`";
const WRITABLE: &str = "make it writable, or choose another directory with `--output`";

const ROOM_IN_TMPDIR: &str = "free space there, or set TMPDIR to another directory";
const TMPDIR: &str = "set TMPDIR to a directory that exists and is writable, or unset it";

/// Why git could not answer.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum GitError {
    #[error("cannot start git: {source}")]
    #[diagnostic(help("install git, and check that it is on PATH"))]
    Start { source: io::Error },
    #[error("cannot write a temporary file in `{}`: {source}", directory.display())]
    #[diagnostic(help("{}", if is_full(source) { ROOM_IN_TMPDIR } else { TMPDIR }))]
    Temporary {
        directory: PathBuf,
        source: io::Error,
    },
    #[error("there is no revision `{revision}`")]
    #[diagnostic(help("{}", find_revision(revision)))]
    NoRevision { revision: String },
    #[error("the history is too shallow to find where this branch left `{revision}`")]
    #[diagnostic(help(
        "fetch the whole history: `fetch-depth: 0` for actions/checkout, or `git fetch --unshallow`"
    ))]
    Shallow { revision: String },
    #[error("`{}` is in a git repository that git does not open: {what}", directory.display())]
    #[diagnostic(help("git config --global --add safe.directory {}", directory.display()))]
    Unusable { directory: PathBuf, what: String },
    #[error("base `{revision}` was requested, but git has no history of the baselines")]
    #[diagnostic(help("run icgate in a clone that contains the baselines"))]
    NoHistory { revision: String },
    #[error("`{run}` is given as the run of base, but without git history base is unknown")]
    #[diagnostic(help("run icgate in a clone that contains the baselines"))]
    RunWithoutHistory { run: String },
    #[error("git has no history of baselines in `{}`", path.display())]
    #[diagnostic(help("check `--baselines`, or run icgate in a clone that contains them"))]
    NoBaselines { path: PathBuf },
    #[error("`{}` is not in the repository", path.display())]
    #[diagnostic(help("run icgate in a clone that contains the whole project"))]
    Outside { path: PathBuf },
    #[error("run `{run}` is of {}, but base is {base}", commit.as_deref().unwrap_or("no commit"))]
    #[diagnostic(help("use a run of {base}, measured in a clean tree"))]
    OtherCommit {
        run: String,
        commit: Option<String>,
        base: String,
    },
    #[error("git failed: {what}")]
    #[diagnostic(help("run `git status` in the repository, and fix what it reports"))]
    Failed { what: String },
}

/// How to get a revision: a branch of the remote is fetched by its name; whatever else is not there
/// is misspelt, or lies beyond what a shallow clone has.
fn find_revision(revision: &str) -> String {
    match revision.strip_prefix("origin/") {
        Some(branch) => format!("git fetch origin {branch}"),
        None => format!(
            "check its spelling; a tag: git fetch origin tag NAME; a shallow clone: git fetch \
             --unshallow; another's branch: git fetch origin NAME, and pass `origin/NAME` instead of `{revision}`"
        ),
    }
}
