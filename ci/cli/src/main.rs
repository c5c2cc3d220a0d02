//! icgate: a gate in CI that fails a pull request when a hot path executes more instructions.
//!
//! One executable plays several parts, told apart by the name under which it is called:
//!
//! - `icgate`: the command line.
//! - `iai-callgrind-runner`, `gungraun-runner`: the harnesses' own runners, linked in, so that nobody
//!   installs them (see [`harness`]).
//! - `valgrind`: the shim that notes what the harness would run (see [`shim`]).
//! - `icgate-rustc-wrapper`: hides the workspace's path from the compiler (see [`compiler`]).
//!
//! This package has all the effects; what is decided is decided in `icgate-core`.

mod args;
mod beside;
mod cache;
mod cargo;
mod cargo_config;
mod chamber;
mod command;
mod compiler;
mod error;
mod git;
#[cfg(feature = "github")]
mod github;
mod harness;
mod history;
mod inline_stacks;
mod interrupt;
mod measure;
mod output;
mod runner;
mod shim;
mod sources;
mod store;
mod worktree;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use icgate_core::harness::Harness;

fn main() -> ExitCode {
    let program = called_as();
    match program.file_name().and_then(OsStr::to_str) {
        Some(compiler::NAME) => compiler::main(),
        Some(shim::NAME) => shim::main(&program),
        Some(name) => match Harness::of_runner(name) {
            Some(harness) => harness::main(harness, &program),
            None => command::main(),
        },
        None => command::main(),
    }
}

/// The path under which this executable was called.
fn called_as() -> PathBuf {
    let program = PathBuf::from(std::env::args_os().next().unwrap_or_default());
    match program.to_str() {
        // A bare name: what was started is the first of that name on PATH.
        Some(name) if !name.contains('/') => {
            chamber::find_program(name, |_| true).unwrap_or(program)
        }
        _ => program,
    }
}

/// The path of this executable, for links to it.
fn own_path() -> std::io::Result<PathBuf> {
    std::env::current_exe()
}

/// The directory of a path that has one.
fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}
