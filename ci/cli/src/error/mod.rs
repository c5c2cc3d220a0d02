//! The errors of the command line: what went wrong and where, with the remedy beside it
//! (`#[diagnostic(help(…))]`), and the exit code.
//!
//! Each part has an enum of its own with the errors that can happen to it; [`CliError`] collects
//! them for the one place that prints them. A regression is not among them: it is a verdict.

mod build;
mod command;
mod disk;
#[cfg(feature = "github")]
mod github;
mod measure;
mod store;

use icgate_core::compare::coverage::CoverageError;
use icgate_core::compare::merge::MergeError;
use icgate_core::model::baseline::BaselineError;
use icgate_core::model::exit_code::ExitCode;
use icgate_core::model::injection::InjectionError;
use icgate_core::model::policy::PolicyError;
use icgate_core::model::run::RunError;
use miette::Diagnostic;
use thiserror::Error;

pub(crate) use build::{BuildError, EnvironmentError};
pub(crate) use command::{BisectError, CiError, ExplainError, SelftestError, UpdateError};
#[cfg(feature = "github")]
pub(crate) use github::GithubError;
pub(crate) use measure::{InlineStacksError, MeasureError};
pub(crate) use store::{GitError, StoreError};

/// Anything that keeps icgate from a verdict.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum CliError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Environment(#[from] EnvironmentError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Measure(#[from] MeasureError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Baseline(#[from] BaselineError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Policy(#[from] PolicyError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Merge(#[from] MergeError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Coverage(#[from] CoverageError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ci(#[from] CiError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Explain(#[from] ExplainError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Bisect(#[from] BisectError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Update(#[from] UpdateError),
    #[cfg(feature = "github")]
    #[error(transparent)]
    #[diagnostic(transparent)]
    Github(#[from] GithubError),
    #[cfg(feature = "github")]
    #[error(transparent)]
    #[diagnostic(help("run it in a workflow with `on: workflow_run`"))]
    Event(#[from] icgate_core::publish::pull_request::EventError),
    #[cfg(not(feature = "github"))]
    #[error("this icgate was built without `publish`")]
    #[diagnostic(help(
        "build icgate with `--features github`; the action's command `publish` does so by itself"
    ))]
    NoPublish,
    #[error(transparent)]
    #[diagnostic(transparent)]
    Selftest(#[from] SelftestError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Injection(#[from] InjectionError),
    #[error("this machine lacks {0}")]
    #[diagnostic(help("do what stands behind each `missing` above"))]
    Doctor(String),
}

impl CliError {
    /// The process's exit code.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Build(error) => error.exit_code(),
            Self::Measure(error) => error.exit_code(),
            Self::Merge(error) if error.is_incomplete() => ExitCode::NotMeasured,
            Self::Coverage(_)
            | Self::Selftest(SelftestError::Step { .. })
            | Self::Environment(_)
            | Self::Doctor(_) => ExitCode::NotMeasured,
            #[cfg(feature = "github")]
            Self::Github(_) => ExitCode::NotPublished,
            #[cfg(feature = "github")]
            Self::Event(_) => ExitCode::Usage,
            #[cfg(not(feature = "github"))]
            Self::NoPublish => ExitCode::Usage,
            Self::Store(_)
            | Self::Git(_)
            | Self::Baseline(_)
            | Self::Policy(_)
            | Self::Run(_)
            | Self::Merge(_)
            | Self::Ci(_)
            | Self::Selftest(_)
            | Self::Injection(_)
            | Self::Explain(_)
            | Self::Bisect(_)
            | Self::Update(_) => ExitCode::Usage,
        }
    }
}

/// What to do about an error, if anything sensible can be said.
pub(crate) fn fix(error: &dyn Diagnostic) -> Option<String> {
    Some(error.help()?.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn full_disk_asks_for_room_and_not_for_permissions() {
        let path = PathBuf::from("/tmp/x");
        for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded] {
            let source = || Error::from(kind);
            let path = || path.clone();
            let (write, directory, file) = (
                StoreError::Write {
                    path: path(),
                    source: source(),
                },
                EnvironmentError::Directory {
                    path: path(),
                    source: source(),
                },
                MeasureError::File {
                    path: path(),
                    source: source(),
                },
            );
            let errors: [&dyn Diagnostic; 3] = [&write, &directory, &file];
            for error in errors {
                let fix = fix(error).unwrap();
                assert!(fix.starts_with("free space"), "{error}: {fix}");
            }
        }
        let denied = StoreError::Write {
            path,
            source: ErrorKind::PermissionDenied.into(),
        };
        assert!(fix(&denied).unwrap().contains("writable"));
    }
}
