//! The harness's runner: iai-callgrind calls it back under its own name.
//!
//! It is linked in rather than installed: an installed one can be missing or of another version,
//! and installing takes minutes. Its exit codes are those of the upstream binary.

use std::process::ExitCode;

/// The name under which this part is called.
pub(crate) const NAME: &str = "iai-callgrind-runner";

/// The version of iai-callgrind whose benches this runner serves.
pub(crate) const VERSION: &str = "0.16.1";

/// Acts as `iai-callgrind-runner`; the harness's arguments stand on the command line.
pub(crate) fn main() -> ExitCode {
    match iai_callgrind_runner::runner::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{NAME}: {error:#}");
            match error.downcast_ref() {
                Some(iai_callgrind_runner::error::Error::RegressionError(_)) => ExitCode::from(3),
                _ => ExitCode::FAILURE,
            }
        }
    }
}
