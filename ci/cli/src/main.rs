//! icgate: a gate in CI that fails a pull request when a hot path executes more instructions.
//!
//! One executable plays several parts, told apart by the name under which it is called:
//!
//! - `icgate`: the command line.
//! - `iai-callgrind-runner`, `gungraun-runner`: the harnesses' own runners, linked in, so that nobody
//!   installs them (see [`harness`]).
//! - `valgrind`: the shim that notes what the harness would run (see [`harness::valgrind_shim`]).
//! - `cargo`: the shim that answers runners where nothing is built (see [`cargo_shim`]).
//! - `icgate-rustc-wrapper`: hides the workspace's path from the compiler (see [`cargo::rustc_wrapper`]).
//!
//! This package has all the effects; what is decided is decided in `icgate-core`.

mod args;
mod cache;
mod cargo;
mod command;
mod environment;
mod error;
mod git;
#[cfg(feature = "github")]
mod github;
mod harness;
mod io;
mod measure;
mod paths;
mod process;
mod verdict;

use std::ffi::OsStr;
use std::process::ExitCode;

use icgate_core::profile::harness::Harness;

use crate::cargo::rustc_wrapper;
use crate::harness::{cargo_shim, valgrind_shim};

fn main() -> ExitCode {
    let program = paths::called_as();
    match program.file_name().and_then(OsStr::to_str) {
        Some(rustc_wrapper::NAME) => rustc_wrapper::main(),
        Some(valgrind_shim::NAME) => valgrind_shim::main(&program),
        Some(cargo_shim::NAME) => cargo_shim::main(&program),
        Some(name) => match Harness::of_runner(name) {
            Some(harness) => harness::main(harness, &program),
            None => command::main(),
        },
        None => command::main(),
    }
}
