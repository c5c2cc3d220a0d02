//! The harnesses' runners, linked in: bench executables call them back under their own names.
//!
//! They are linked in rather than installed: an installed one can be missing or of another version,
//! and installing takes minutes. Their exit codes are those of the upstream binaries.

use std::process::ExitCode;

use icgate_core::profile::harness::Harness;

/// The version of the harness whose benches are served here, if it is linked in at all.
pub(crate) const fn embedded_version(harness: Harness) -> Option<&'static str> {
    match harness {
        Harness::IaiCallgrind => Some("0.16.1"),
        Harness::Gungraun if cfg!(feature = "gungraun") => Some("0.20.0"),
        Harness::Gungraun => None,
    }
}

/// Acts as the harness's runner; its arguments stand on the command line.
pub(crate) fn main(harness: Harness) -> ExitCode {
    match harness {
        Harness::IaiCallgrind => iai_callgrind(),
        Harness::Gungraun => gungraun(),
    }
}

/// What a runner ends with when one of its own limits is exceeded.
const LIMIT: u8 = 3;

fn iai_callgrind() -> ExitCode {
    use iai_callgrind_runner::error::Error;

    match iai_callgrind_runner::runner::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error:#}", Harness::IaiCallgrind.runner());
            match error.downcast_ref() {
                Some(Error::RegressionError(_)) => ExitCode::from(LIMIT),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

#[cfg(feature = "gungraun")]
fn gungraun() -> ExitCode {
    use gungraun_runner::error::Error;

    match gungraun_runner::runner::run::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error:#}", Harness::Gungraun.runner());
            match error.downcast_ref() {
                Some(Error::RegressionError(_)) => ExitCode::from(LIMIT),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

#[cfg(not(feature = "gungraun"))]
fn gungraun() -> ExitCode {
    eprintln!(
        "{}: not linked into this icgate",
        Harness::Gungraun.runner()
    );
    ExitCode::FAILURE
}
