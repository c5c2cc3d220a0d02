//! What a benchmark asks of the machine: its system calls, traced in a run of their own.
//!
//! No ordinary run pays for it. `verify` shows it for all benchmarks, a confirmation for those that
//! regressed: what cannot be pinned is at least seen.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use icgate_core::model::bench_id::BenchId;

use icgate_core::profile::system_calls::asked;

use crate::environment::{EnvironmentDirectory, Valgrind};
use crate::error::{MeasureError, StoreError};
use crate::io::store;
use crate::measure::command::{ExecOptions, command};
use crate::measure::record::Planned;
use crate::{paths, process};

/// The most of a trace that is read: a benchmark that calls the kernel more often has said what it asks.
const TRACE_BYTES_MAX: u64 = 64 << 20;

/// The file in which it is kept what benchmarks read of the machine.
const FILE: &str = "machine-reads.json";

/// What was seen of each benchmark that was traced, by its id.
pub(crate) type Reads = BTreeMap<BenchId, Vec<String>>;

/// Keeps what was seen of the benchmarks that were `traced`, beside what is known of others.
pub(super) fn keep<'a>(
    directory: &Path,
    traced: impl Iterator<Item = &'a BenchId>,
    reads: &Reads,
) -> Result<(), StoreError> {
    let mut known = known(directory).unwrap_or_default();
    for id in traced {
        known.insert(id.clone(), reads.get(id).cloned().unwrap_or_default());
    }
    let text = serde_json::to_string_pretty(&known).expect("texts always serialise") + "\n";
    store::write(&directory.join(FILE), &text).map(drop)
}

/// What is known of benchmarks that were traced before; `None` if none was.
pub(crate) fn known(directory: &Path) -> Option<Reads> {
    let text = std::fs::read_to_string(directory.join(FILE)).ok()?;
    serde_json::from_str(&text).ok()
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_kept_beside_what_is_known_of_others() {
        let directory = tempfile::tempdir().unwrap();
        let id = |text: &str| text.parse::<BenchId>().unwrap();
        assert_eq!(known(directory.path()), None);
        let clock = || vec!["the clock".to_owned()];
        let keep = |traced: &[BenchId], reads: Reads| {
            keep(directory.path(), traced.iter(), &reads).unwrap();
            known(directory.path()).unwrap()
        };
        let (a, b) = (id("s/a"), id("s/b"));
        let first = keep(&[a.clone(), b.clone()], [(a.clone(), clock())].into());
        assert_eq!(first, [(a.clone(), clock()), (b.clone(), vec![])].into());
        // Traced again, it reads nothing any more.
        let second = keep(std::slice::from_ref(&a), Reads::new());
        assert_eq!(second, [(a, vec![]), (b, vec![])].into());
    }
}
