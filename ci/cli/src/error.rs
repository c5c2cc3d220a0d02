//! The errors of the command line: what went wrong and where, what to do, and the exit code.
//!
//! Each part has an enum of its own with the errors that can happen to it; [`CliError`] collects
//! them for the one place that prints them. A regression is not among them: it is a verdict.

use std::io;
use std::path::PathBuf;

use icgate_core::compare::coverage::CoverageError;
use icgate_core::compare::merge::MergeError;
use icgate_core::model::baseline::BaselineError;
use icgate_core::model::policy::PolicyError;
use icgate_core::model::run::RunError;
use icgate_core::profile::callgrind::ProfileError;
use icgate_core::profile::harness::{CommandError, HarnessVersion};
use thiserror::Error;

use crate::measure::inline_stacks::InlineStacksError;

/// Exit code for usage and configuration.
pub(crate) const USAGE: u8 = 2;
/// Exit code when something could not be measured.
pub(crate) const MEASURING: u8 = 3;

/// Exit code when there is a verdict, and GitHub could not be told.
#[cfg(feature = "github")]
pub(crate) const PUBLISHING: u8 = 6;

/// Anything that keeps icgate from a verdict.
#[derive(Debug, Error)]
pub(crate) enum CliError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error(transparent)]
    Measure(#[from] MeasureError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Merge(#[from] MergeError),
    #[error(transparent)]
    Coverage(#[from] CoverageError),
    #[error(transparent)]
    Ci(#[from] CiError),
    #[error(transparent)]
    Explain(#[from] ExplainError),
    #[error(transparent)]
    Update(#[from] UpdateError),
    #[cfg(feature = "github")]
    #[error(transparent)]
    Github(#[from] crate::github::GithubError),
    #[cfg(feature = "github")]
    #[error(transparent)]
    Event(#[from] icgate_core::publish::pull_request::EventError),
    #[error(transparent)]
    Selftest(#[from] SelftestError),
    #[error("this machine lacks {0}")]
    Doctor(String),
}

impl CliError {
    /// The process's exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Build(error) => error.exit_code(),
            Self::Measure(error) => error.exit_code(),
            Self::Merge(error) if error.is_incomplete() => MEASURING,
            Self::Selftest(SelftestError::Step { .. }) => MEASURING,
            Self::Coverage(_) | Self::Environment(_) | Self::Doctor(_) => MEASURING,
            #[cfg(feature = "github")]
            Self::Github(_) => PUBLISHING,
            #[cfg(feature = "github")]
            Self::Event(_) => USAGE,
            Self::Store(_)
            | Self::Git(_)
            | Self::Baseline(_)
            | Self::Policy(_)
            | Self::Run(_)
            | Self::Merge(_)
            | Self::Ci(_)
            | Self::Selftest(_)
            | Self::Explain(_)
            | Self::Update(_) => USAGE,
        }
    }

    /// What to do about it, if anything sensible can be said.
    pub(crate) fn fix(&self) -> Option<String> {
        match self {
            Self::Build(error) => error.fix(),
            Self::Environment(error) => error.fix(),
            Self::Measure(error) => error.fix(),
            Self::Store(error) => error.fix(),
            Self::Git(error) => error.fix(),
            Self::Baseline(error) => Some(error.fix()),
            Self::Policy(error) => Some(error.fix()),
            Self::Run(error) => Some(error.fix()),
            Self::Merge(error) => Some(error.fix()),
            Self::Coverage(error) => Some(error.fix()),
            Self::Ci(error) => Some(error.fix()),
            Self::Explain(error) => Some(error.fix()),
            Self::Update(error) => Some(error.fix()),
            #[cfg(feature = "github")]
            Self::Github(error) => error.fix(),
            #[cfg(feature = "github")]
            Self::Event(_) => Some("run it in a workflow with `on: workflow_run`".to_owned()),
            Self::Selftest(error) => error.fix(),
            Self::Doctor(_) => None,
        }
    }
}

/// Why the benches could not be built.
#[derive(Debug, Error)]
pub(crate) enum BuildError {
    #[error("cannot start `{program}`: {source}")]
    Start { program: String, source: io::Error },
    #[error("cannot read the project of `{manifest}`: {what}")]
    Metadata { manifest: String, what: String },
    #[error("no bench target is selected in `{manifest}`")]
    NoTargets { manifest: String },
    #[error("none of the bench targets {targets} uses iai-callgrind or gungraun")]
    NoHarness { targets: String },
    #[error("your own `{}` sets `{key}`, which changes what is counted", path.display())]
    UserConfiguration { path: PathBuf, key: String },
    #[error("cannot hide the workspace's path from the compiler: {source}")]
    Wrapper { source: io::Error },
    #[error("a bench does not compile (see above)")]
    Compile,
    #[error("bench target `{target}` is built for {needed}, which nothing here serves: {found}")]
    HarnessVersion {
        target: String,
        needed: HarnessVersion,
        found: String,
    },
    #[error("cannot read `{}`: {source}", path.display())]
    Executable { path: PathBuf, source: io::Error },
}

impl BuildError {
    const fn exit_code(&self) -> u8 {
        match self {
            Self::Metadata { .. }
            | Self::NoTargets { .. }
            | Self::NoHarness { .. }
            | Self::UserConfiguration { .. }
            | Self::HarnessVersion { .. } => USAGE,
            Self::Start { .. } | Self::Wrapper { .. } | Self::Compile | Self::Executable { .. } => {
                MEASURING
            }
        }
    }

    pub(crate) fn fix(&self) -> Option<String> {
        Some(match self {
            Self::Start { program, .. } => format!("install {program} and see that it is on PATH"),
            Self::Metadata { .. } => {
                "run icgate inside a cargo project, or give `--manifest-path`".to_owned()
            }
            Self::NoTargets { .. } => {
                "add a `[[bench]]` with `harness = false`, or select other ones with `--package` and `--bench`".to_owned()
            }
            Self::NoHarness { .. } => {
                "end a bench with `main!(library_benchmark_groups = …)` of one of them".to_owned()
            }
            Self::UserConfiguration { key, .. } => format!(
                "move `{key}` into the project's Cargo.toml or .cargo/config.toml, or run with another CARGO_HOME"
            ),
            Self::Wrapper { .. } => {
                "remove the link if it is yours; /tmp has to be writable".to_owned()
            }
            Self::Compile => "fix the errors that cargo printed".to_owned(),
            Self::HarnessVersion { needed, .. } => needed.install_command(),
            Self::Executable { .. } => return None,
        })
    }
}

/// Why the measurement environment could not be set up.
#[derive(Debug, Error)]
pub(crate) enum EnvironmentError {
    #[error("valgrind is not on PATH")]
    NoValgrind,
    #[error("valgrind does not run: {what}")]
    Valgrind { what: String },
    #[error("cannot set up `{}`: {source}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("all {0} measurement environment directories under /tmp are in use")]
    Full(u32),
    #[error("cannot build the probe: {what}")]
    ProbeBuild { what: String },
    #[error("the probe does not run under valgrind: {what}")]
    ProbeRun { what: String },
    #[error("only root can let the benches run as another user")]
    NotRoot,
    #[error("the benches cannot be put into a sandbox: {what}")]
    Sandbox { what: String },
}

impl EnvironmentError {
    pub(crate) fn fix(&self) -> Option<String> {
        match self {
            Self::NoValgrind => {
                Some("apt-get install valgrind (or your system's package of it)".to_owned())
            }
            Self::Directory { source, .. } if is_full(source) => Some(ROOM_IN_TMP.to_owned()),
            Self::Directory { .. } => Some(
                "make /tmp writable; the measurement environment's path is fixed so that counts are".to_owned(),
            ),
            Self::Full(_) => Some("wait for other icgate processes to end".to_owned()),
            Self::Valgrind { .. } | Self::ProbeBuild { .. } => Some("icgate doctor".to_owned()),
            Self::NotRoot => Some("run it as root, or leave `--sandbox` out".to_owned()),
            Self::ProbeRun { .. } | Self::Sandbox { .. } => None,
        }
    }
}

/// What to do about a full disk under a measurement environment.
const ROOM_IN_TMP: &str =
    "make room in /tmp: a measurement environment takes its executables and some megabytes";

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Why a benchmark could not be measured.
#[derive(Debug, Error)]
pub(crate) enum MeasureError {
    #[error("the harness of bench `{target}` failed ({status}):\n{output}")]
    Harness {
        target: String,
        status: String,
        output: String,
    },
    #[error("the executables in `{}` cannot be measured: {what}", path.display())]
    Executables { path: PathBuf, what: String },
    #[error("the harness of bench `{target}` starts no benchmark")]
    NoBenchmarks { target: String },
    #[error("bench `{target}` does not call its harness's runner by name")]
    Runner { target: String },
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error("two benchmarks are called `{id}`")]
    Twice { id: String },
    #[error("no benchmark matches {patterns}")]
    NoMatch { patterns: String },
    #[error("`{pattern}` is not a pattern: {source}")]
    Pattern {
        pattern: String,
        source: globset::Error,
    },
    #[error("cannot use `{}`: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("cannot start valgrind: {source}")]
    Start { source: io::Error },
    #[error("valgrind ended with {status}; the benchmark printed:\n{output}")]
    Ended { status: String, output: String },
    #[error("valgrind wrote no profile")]
    NoProfile,
    #[error("valgrind's profile cannot be read: {0}")]
    Profile(#[from] ProfileError),
    #[error(
        "the functions found add up to {functions}, not to the {instructions} instructions executed"
    )]
    Sum { functions: u64, instructions: u64 },
    #[error("`{}` has no debug information, so its costs cannot be told by source function", path.display())]
    NoDebugInfo { path: PathBuf },
    #[error(transparent)]
    Symbols(#[from] Box<InlineStacksError>),
}

impl MeasureError {
    const fn exit_code(&self) -> u8 {
        match self {
            Self::NoMatch { .. } | Self::Pattern { .. } => USAGE,
            _ => MEASURING,
        }
    }

    pub(crate) fn fix(&self) -> Option<String> {
        match self {
            Self::Executables { .. } => Some("build them again: icgate build --output DIRECTORY".to_owned()),
            Self::NoMatch { .. } => Some("icgate list".to_owned()),
            Self::File { source, .. } if is_full(source) => Some(ROOM_IN_TMP.to_owned()),
            Self::Twice { .. } => {
                Some("name its group once in `main!`, or rename one of the two".to_owned())
            }
            Self::NoDebugInfo { .. } => {
                Some("remove `strip` and `debug` from `[profile.bench]`".to_owned())
            }
            Self::NoBenchmarks { .. } => {
                Some("add a `#[library_benchmark]` to one of its groups".to_owned())
            }
            Self::Runner { .. } => Some(
                "remove `IAI_CALLGRIND_RUNNER` and `GUNGRAUN_RUNNER` from the project's .cargo/config.toml"
                    .to_owned(),
            ),
            Self::Ended { .. } => {
                Some("fix the benchmark; `cargo bench` shows the same".to_owned())
            }
            _ => None,
        }
    }
}

/// Why a file could not be read or written.
#[derive(Debug, Error)]
pub(crate) enum StoreError {
    #[error("cannot read `{}`: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write `{}`: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("`{}` holds suite `{suite}`, not the suite it is named for", path.display())]
    Suite { path: PathBuf, suite: String },
}

impl StoreError {
    fn fix(&self) -> Option<String> {
        match self {
            Self::Read { .. } => None,
            Self::Write { .. } => {
                Some("make it writable, or give `--output` another directory".to_owned())
            }
            Self::Suite { suite, .. } => Some(format!("rename it to `{suite}.json`")),
        }
    }
}

/// Why git could not answer.
#[derive(Debug, Error)]
pub(crate) enum GitError {
    #[error("cannot start git: {source}")]
    Start { source: io::Error },
    #[error("there is no revision `{revision}`")]
    NoRevision { revision: String },
    #[error("the history is too shallow to find where this branch left `{revision}`")]
    Shallow { revision: String },
    #[error("`{}` is in a git repository that git does not open: {what}", directory.display())]
    Unusable { directory: PathBuf, what: String },
    #[error("base `{revision}` is asked for, but git has no history of the baselines")]
    NoHistory { revision: String },
    #[error("`{run}` is given as a run of base, but git has no history to say what base is")]
    RunWithoutHistory { run: String },
    #[error("git has no history of the baselines")]
    NoBaselines,
    #[error("`{}` is not in the repository", path.display())]
    Outside { path: PathBuf },
    #[error("run `{run}` is of {}, but base is {base}", commit.as_deref().unwrap_or("no commit"))]
    OtherCommit {
        run: String,
        commit: Option<String>,
        base: String,
    },
    #[error("git failed: {what}")]
    Failed { what: String },
}

impl GitError {
    fn fix(&self) -> Option<String> {
        match self {
            Self::Start { .. } => Some("install git and see that it is on PATH".to_owned()),
            Self::NoRevision { revision } => {
                Some(format!("git fetch origin {}", revision.trim_start_matches("origin/")))
            }
            Self::Shallow { .. } => Some(
                "fetch the whole history: `fetch-depth: 0` for actions/checkout, or `git fetch --unshallow`"
                    .to_owned(),
            ),
            Self::Unusable { directory, .. } => Some(format!(
                "git config --global --add safe.directory {}",
                directory.display()
            )),
            Self::NoHistory { .. } | Self::RunWithoutHistory { .. } | Self::NoBaselines => {
                Some("run icgate in a clone, with the baselines inside of it".to_owned())
            }
            Self::Outside { .. } => {
                Some("run icgate in a clone that holds the whole project".to_owned())
            }
            Self::OtherCommit { base, .. } => Some(format!(
                "give the run of {base}, measured with nothing uncommitted"
            )),
            Self::Failed { .. } => None,
        }
    }
}

/// Errors of explaining.
#[derive(Debug, Error)]
pub(crate) enum ExplainError {
    #[error("there is no benchmark `{id}`")]
    Unknown {
        id: String,
        /// What may have been meant.
        near: Vec<String>,
    },
}

impl ExplainError {
    fn fix(&self) -> String {
        let Self::Unknown { near, .. } = self;
        match near.as_slice() {
            [] => "icgate list".to_owned(),
            near => format!("icgate explain {}", near.join("\n  or icgate explain ")),
        }
    }
}

/// Why it is not known which run of CI this is.
#[derive(Debug, Error)]
pub(crate) enum CiError {
    #[error("the environment variable {name} is {value:?}, not a number counted from 1")]
    Number { name: &'static str, value: String },
    #[cfg(feature = "github")]
    #[error("the environment variable {name} is {value:?}, which GitHub would not write there")]
    Text { name: &'static str, value: String },
    #[cfg(feature = "github")]
    #[error("the numbers are of {measured:?}, which {why}")]
    Foreign { measured: String, why: &'static str },
}

impl CiError {
    fn fix(&self) -> String {
        match self {
            Self::Number { name, .. } => format!("leave {name} as GitHub sets it, or unset it"),
            #[cfg(feature = "github")]
            Self::Text { name, .. } => format!("leave {name} as GitHub sets it"),
            #[cfg(feature = "github")]
            Self::Foreign { .. } => {
                "run the gate again; it measures the pull request as it would be merged now"
                    .to_owned()
            }
        }
    }
}

/// Why the gate could not be put to the test.
#[derive(Debug, Error)]
pub(crate) enum SelftestError {
    #[error("cannot read plants `{path}`: {what}")]
    Plants { path: String, what: String },
    #[error("cannot plant a cost in `{file}`: `{after}` {what}")]
    Plant {
        file: String,
        after: String,
        what: String,
    },
    #[error("the self-test cannot go on: {what}")]
    Step { what: String },
    #[error("`{path}` has no place for the table")]
    Marks {
        path: String,
        begin: &'static str,
        end: &'static str,
    },
}

impl SelftestError {
    fn fix(&self) -> Option<String> {
        match self {
            Self::Plants { path, .. } => Some(format!(
                "fix {path}; `icgate selftest --help` says what it holds"
            )),
            Self::Plant { .. } => Some("bring the plants into step with the code".to_owned()),
            Self::Step { .. } => None,
            Self::Marks { path, begin, end } => Some(format!(
                "put `{begin}` and `{end}` into {path}, each on a line"
            )),
        }
    }
}

/// Why baselines were not updated.
#[derive(Debug, Error)]
pub(crate) enum UpdateError {
    #[error("{ids} got worse by more than the limit, and no reason was given")]
    NoReason { ids: String, command: String },
    #[error("base has {ids}, which there is no more, and no reason was given")]
    Removed { ids: String, command: String },
    #[error(
        "the measurement environment has changed ({fields}), and only a part of the benchmarks was measured"
    )]
    PartOfEnvironment { fields: String },
    #[error("`{id}` measures next to nothing ({instructions} instructions)")]
    Vacuous { id: String, instructions: u64 },
    #[error("some benchmarks could not be measured; no baseline was changed")]
    Incomplete,
    #[error("{why}")]
    From { why: String, fix: String },
}

impl UpdateError {
    fn fix(&self) -> String {
        match self {
            Self::NoReason { command, .. } | Self::Removed { command, .. } => command.clone(),
            Self::PartOfEnvironment { .. } => "update all benchmarks at once".to_owned(),
            Self::Vacuous { .. } => {
                "keep its work alive: pass inputs and results through `std::hint::black_box`"
                    .to_owned()
            }
            Self::Incomplete => "fix what is named above".to_owned(),
            Self::From { fix, .. } => fix.clone(),
        }
    }
}
