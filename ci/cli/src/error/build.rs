//! What goes wrong before anything is measured: building, and the measurement environment.

use std::io;
use std::path::PathBuf;

use icgate_core::model::exit_code::ExitCode;
use icgate_core::profile::harness::HarnessVersion;
use miette::Diagnostic;
use thiserror::Error;

use super::disk::is_full;

/// Why the benches could not be built.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum BuildError {
    #[error("cannot start `{program}`: {source}")]
    #[diagnostic(help("install {program}, and check that it is on PATH"))]
    Start { program: String, source: io::Error },
    #[error("cannot read the project of `{manifest}`: {what}")]
    #[diagnostic(help("run icgate inside a cargo project, or pass `--manifest-path`"))]
    Metadata { manifest: String, what: String },
    #[error("`{manifest}` has no bench target that is selected and enabled")]
    #[diagnostic(help(
        "add a `[[bench]]` with `harness = false`, or enable its `required-features` with `--features`"
    ))]
    NoTargets { manifest: String },
    #[error("there is no {what} `{name}`")]
    #[diagnostic(help("{}", candidates(what, near, all)))]
    NoSuchTarget {
        /// `package` or `bench target`.
        what: &'static str,
        name: String,
        /// What may have been meant.
        near: Vec<String>,
        all: Vec<String>,
    },
    #[error("none of the bench targets {targets} uses iai-callgrind or gungraun")]
    #[diagnostic(help("end a bench with `main!(library_benchmark_groups = …)` of one of them"))]
    NoHarness { targets: String },
    #[error("your own `{}` sets `{key}`, which changes what is counted", path.display())]
    #[diagnostic(help(
        "move `{key}` into the project's Cargo.toml or .cargo/config.toml, or use another CARGO_HOME"
    ))]
    UserConfiguration { path: PathBuf, key: String },
    #[error("cannot hide the workspace's path from the compiler: {source}")]
    #[diagnostic(help("make /tmp writable; if the link there is yours, remove it"))]
    Wrapper { source: io::Error },
    #[error("a bench does not compile")]
    #[diagnostic(help("fix the compile errors above"))]
    Compile,
    #[error("bench target `{target}` needs {needed}, which is not available: {found}")]
    #[diagnostic(help("{}", needed.install_command()))]
    HarnessVersion {
        target: String,
        needed: HarnessVersion,
        found: String,
    },
    #[error("cannot read `{}`: {source}", path.display())]
    #[diagnostic(help("build it again: cargo bench --no-run"))]
    Executable { path: PathBuf, source: io::Error },
}

impl BuildError {
    pub(super) const fn exit_code(&self) -> ExitCode {
        match self {
            Self::Metadata { .. }
            | Self::NoTargets { .. }
            | Self::NoSuchTarget { .. }
            | Self::NoHarness { .. }
            | Self::UserConfiguration { .. }
            | Self::HarnessVersion { .. } => ExitCode::Usage,
            Self::Start { .. } | Self::Wrapper { .. } | Self::Compile | Self::Executable { .. } => {
                ExitCode::NotMeasured
            }
        }
    }
}

fn candidates(what: &str, near: &[String], all: &[String]) -> String {
    let all = if all.is_empty() {
        format!("the workspace has no {what}")
    } else {
        format!("the workspace has: {}", all.join(", "))
    };
    match near {
        [] => all,
        [first, ..] => format!("did you mean `{first}`? {all}"),
    }
}

/// Why the measurement environment could not be set up.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum EnvironmentError {
    #[error("valgrind is not on PATH")]
    #[diagnostic(help("apt-get install valgrind (or your system's package)"))]
    NoValgrind,
    #[error("valgrind does not run: {what}")]
    #[diagnostic(help("icgate doctor"))]
    Valgrind { what: String },
    #[error("cannot set up `{}`: {source}", path.display())]
    #[diagnostic(help("{}", if is_full(source) { ROOM_IN_TMP } else { WRITABLE_TMP }))]
    Directory { path: PathBuf, source: io::Error },
    #[error("`{}` is mounted noexec, so no benchmark can run there", path.display())]
    #[diagnostic(help("mount -o remount,exec {}", path.display()))]
    NoExec { path: PathBuf },
    #[error("all {0} measurement environment directories under /tmp are in use")]
    #[diagnostic(help("wait until other icgate processes have ended"))]
    Full(u32),
    #[error("cannot build the probe: {what}")]
    #[diagnostic(help("icgate doctor"))]
    ProbeBuild { what: String },
    #[error("the probe does not run under valgrind: {what}")]
    #[diagnostic(help("icgate doctor"))]
    ProbeRun { what: String },
    #[error("only root can run the benches as another user")]
    #[diagnostic(help("run icgate as root, or without `--sandbox`"))]
    NotRoot,
    #[error("cannot run the benches in a sandbox: {what}")]
    #[diagnostic(help("run icgate in a container that allows it, or without `--sandbox`"))]
    Sandbox { what: String },
}

/// The remedy for a full disk under a measurement environment.
pub(super) const ROOM_IN_TMP: &str =
    "free space in /tmp: a measurement environment holds its executables and some megabytes";
const WRITABLE_TMP: &str = "make /tmp writable; the measurement environment always has the same path, so that counts are equal";
