//! What goes wrong while a benchmark is recorded, executed or attributed.

use std::io;
use std::path::PathBuf;

use icgate_core::model::exit_code::ExitCode;
use icgate_core::profile::callgrind::ProfileError;
use icgate_core::profile::harness::CommandError;
use icgate_core::profile::heap_tools::HeapToolError;
use miette::Diagnostic;
use thiserror::Error;

use super::build::ROOM_IN_TMP;
use super::disk::is_full;

/// Why a benchmark could not be measured.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum MeasureError {
    #[error("the harness of bench `{target}` failed ({status}):\n{output}")]
    #[diagnostic(help("fix the bench; to see it alone: cargo bench --bench {target}"))]
    Harness {
        target: String,
        status: String,
        output: String,
    },
    #[error("the executables in `{}` cannot be measured: {what}", path.display())]
    #[diagnostic(help("build them again: icgate build --output DIRECTORY"))]
    Executables { path: PathBuf, what: String },
    #[error("the harness of bench `{target}` starts no benchmark")]
    #[diagnostic(help("add a `#[library_benchmark]` to one of its groups"))]
    NoBenchmarks { target: String },
    #[error("bench `{target}` does not call its harness's runner by name")]
    #[diagnostic(help(
        "remove `IAI_CALLGRIND_RUNNER` and `GUNGRAUN_RUNNER` from the project's .cargo/config.toml"
    ))]
    Runner { target: String },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Command(#[from] CommandError),
    #[error("two benchmarks have the id `{id}`")]
    #[diagnostic(help("name its group once in `main!`, or rename one of the two"))]
    Twice { id: String },
    #[error("no benchmark matches {patterns}")]
    #[diagnostic(help("icgate list"))]
    NoMatch { patterns: String },
    #[error("`{pattern}` is not a pattern: {source}")]
    #[diagnostic(help("write a glob, such as 'kv/**' or 'wal/append/*'"))]
    Pattern {
        pattern: String,
        source: globset::Error,
    },
    #[error("cannot use `{}`: {source}", path.display())]
    #[diagnostic(help("{}", if is_full(source) { ROOM_IN_TMP } else { "icgate doctor" }))]
    File { path: PathBuf, source: io::Error },
    #[error("cannot start valgrind: {source}")]
    #[diagnostic(help("icgate doctor"))]
    Start { source: io::Error },
    #[error("valgrind ended with {status}; the benchmark printed:\n{output}")]
    #[diagnostic(help("fix the benchmark; `cargo bench` shows the same"))]
    Ended { status: String, output: String },
    #[error("valgrind wrote no profile")]
    #[diagnostic(help("check that the benchmark ends by itself, and not by a signal or `_exit`"))]
    NoProfile,
    #[error("cannot read valgrind's profile: {0}")]
    #[diagnostic(help("measure again; if it fails again, use Valgrind 3.18 or newer"))]
    Profile(#[from] ProfileError),
    #[error("cannot use what the harness's other tool found: {source}")]
    #[diagnostic(help("see it alone: cargo bench"))]
    HeapTool { source: HeapToolError },
    #[error(
        "the functions found add up to {functions}, not to the {instructions} instructions executed"
    )]
    #[diagnostic(help(
        "measure again with `--no-cache`; if it fails again, this is a bug in icgate"
    ))]
    Sum { functions: u64, instructions: u64 },
    #[error("`{}` has no debug information, so its costs have no source functions", path.display())]
    #[diagnostic(help("remove `strip` and `debug` from `[profile.bench]`"))]
    NoDebugInfo { path: PathBuf },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Symbols(#[from] InlineStacksError),
}

impl MeasureError {
    pub(super) const fn exit_code(&self) -> ExitCode {
        match self {
            Self::NoMatch { .. } | Self::Pattern { .. } => ExitCode::Usage,
            _ => ExitCode::NotMeasured,
        }
    }
}

/// Why an executable has no inline stacks.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum InlineStacksError {
    #[error("cannot read the executable `{}`", path.display())]
    #[diagnostic(help("build it again: cargo bench --no-run"))]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` is not an executable that icgate can read", path.display())]
    #[diagnostic(help("build it again: cargo bench --no-run"))]
    Executable {
        path: PathBuf,
        source: Box<object::Error>,
    },
    #[error("cannot read the debug information of `{}`", path.display())]
    #[diagnostic(help("build it again with `debug = \"limited\"` in `[profile.bench]`"))]
    DebugInfo {
        path: PathBuf,
        source: Box<gimli::Error>,
    },
}
