//! What a benchmark asks of the machine: its system calls, traced in a run of their own.
//!
//! No ordinary run pays for it. `verify` shows it for all benchmarks, a confirmation for those that
//! regressed: what cannot be pinned is at least seen.

use std::path::Path;
use std::process::Stdio;

use icgate_core::profile::system_calls::asked;

use crate::environment::{EnvironmentDirectory, Valgrind};
use crate::error::MeasureError;
use crate::measure::command::{ExecOptions, command};
use crate::measure::record::Planned;
use crate::{paths, process};

/// The most of a trace that is read: a benchmark that calls the kernel more often has said what it asks.
const TRACE_BYTES_MAX: u64 = 64 << 20;

/// What the benchmark asks of the machine; nothing of one that cannot be traced, since it was measured.
pub(super) fn of(
    planned: &Planned,
    package: &Path,
    (valgrind, environment): (&Valgrind, &EnvironmentDirectory),
    how: ExecOptions,
) -> Result<Vec<String>, MeasureError> {
    let directory = environment
        .create("trace")
        .map_err(|error| MeasureError::File {
            path: environment.path().to_owned(),
            source: std::io::Error::other(error.to_string()),
        })?;
    let log = directory.join("calls");
    let options = [
        "--tool=none".to_owned(),
        "--trace-syscalls=yes".to_owned(),
        format!("--log-file={}", log.display()),
    ];
    let mut command = command(planned, &planned.path, valgrind, &options, how);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    environment
        .hand_over(&directory)
        .map_err(|source| MeasureError::File {
            path: directory.clone(),
            source,
        })?;
    environment.confine(&mut command);
    process::status(&mut command).map_err(|source| MeasureError::Start { source })?;
    let trace = match paths::read_plain(&log, TRACE_BYTES_MAX) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => return Ok(Vec::new()),
    };
    let _ = std::fs::remove_file(&log);
    let own = [
        package.to_string_lossy(),
        planned.directory.to_string_lossy(),
        environment.path().to_string_lossy(),
    ];
    let own: Vec<&str> = own.iter().map(AsRef::as_ref).collect();
    Ok(asked(&trace, &own))
}
