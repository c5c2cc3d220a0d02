//! The harness of a bench executable, and who serves it.
//!
//! A bench executable calls its harness's runner by name, and its first argument is the version
//! that it was built with:
//!
//! ```text
//! bench executable ─→ gungraun-runner 0.20.0 --lib-bench …
//! ```
//!
//! icgate stands there under that name, so the executable itself says what it needs: no guess from
//! manifests, which may name several versions for one workspace. It then serves as that runner if
//! this very version is linked in, and else becomes the project's own runner from PATH. Runners
//! serve no other version than their own.

pub(crate) mod cargo_shim;
pub(crate) mod replay;
mod runner;
pub(crate) mod valgrind_shim;

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use icgate_core::profile::harness::{Harness, HarnessVersion};
use serde::{Deserialize, Serialize};

use crate::io::output;
use crate::paths;
use crate::paths::parent;

/// The file of a plan's directory that says which runner was asked for, one call a line.
const CALLS_FILE: &str = "runners.jsonl";
/// The most that it holds.
const CALLS_BYTES_MAX: u64 = 1 << 20;

/// A bench executable's call of its runner.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Call {
    /// The runner's name.
    runner: String,
    /// The version asked for.
    version: String,
    /// Whether somebody serves it.
    served: bool,
    /// Runners of that name on PATH, and what they call themselves.
    found: Vec<String>,
}

impl Call {
    /// The harness that the executable is built with.
    pub(crate) fn harness(&self) -> Option<HarnessVersion> {
        Some(HarnessVersion {
            harness: Harness::of_runner(&self.runner)?,
            version: self.version.clone(),
        })
    }

    /// Whether nobody serves it.
    pub(crate) fn is_unserved(&self) -> bool {
        !self.served
    }

    /// Runners of other versions.
    pub(crate) fn found(&self) -> &[String] {
        &self.found
    }
}

/// Whether an executable calls a harness's runner: it then holds the name.
pub(crate) fn is_harness_bench(executable: &[u8]) -> bool {
    Harness::ALL
        .iter()
        .any(|harness| memchr::memmem::find(executable, harness.runner().as_bytes()).is_some())
}

/// The calls that were noted in the directory of a plan.
pub(crate) fn calls(plan: &Path) -> io::Result<Vec<Call>> {
    let bytes = match paths::read_plain(&plan.join(CALLS_FILE), CALLS_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    String::from_utf8_lossy(&bytes)
        .lines()
        .map(|line| serde_json::from_str(line).map_err(io::Error::from))
        .collect()
}

/// Acts as the runner of `harness`. `program` is the path under which it was called:
/// `<plan>/bin/<runner>`.
pub(crate) fn main(harness: Harness, program: &Path) -> ExitCode {
    let version = std::env::args().nth(1).unwrap_or_default();
    if version.is_empty() || version.starts_with('-') {
        return runner::main(harness);
    }
    let embedded = runner::embedded_version(harness) == Some(version.as_str());
    let (own, found) = if embedded {
        (None, Vec::new())
    } else {
        find_runner(harness, &version, parent(program))
    };
    let call = Call {
        runner: harness.runner().to_owned(),
        version,
        served: embedded || own.is_some(),
        found,
    };
    if let Err(error) = note(program, &call) {
        output::complain(format_args!(
            "icgate: cannot note a call of {}: {error}",
            harness.runner()
        ));
        return ExitCode::FAILURE;
    }
    match own {
        _ if embedded => runner::main(harness),
        Some(path) => {
            let error = Command::new(&path).args(std::env::args_os().skip(1)).exec();
            output::complain(format_args!(
                "icgate: cannot start `{}`: {error}",
                path.display()
            ));
            ExitCode::FAILURE
        }
        None => {
            output::complain(format_args!(
                "icgate: no {} {} here",
                call.runner, call.version
            ));
            ExitCode::FAILURE
        }
    }
}

/// The project's own runner of that version, or what else of that name is on PATH.
fn find_runner(harness: Harness, version: &str, own: &Path) -> (Option<PathBuf>, Vec<String>) {
    let mut found = Vec::new();
    let right = paths::find_program(harness.runner(), |directory| {
        if directory == own {
            return false;
        }
        match answer(&directory.join(harness.runner())) {
            Some(answer) if answer == version => true,
            Some(answer) => {
                found.push(answer);
                false
            }
            None => false,
        }
    });
    (right, found)
}

/// The version that a runner gives itself.
fn answer(runner: &Path) -> Option<String> {
    let output = Command::new(runner).arg("--version").output().ok()?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    version_in(&text(&output.stdout), &text(&output.stderr)).map(str::to_owned)
}

/// Runners up to 0.15 do not know `--version`; they take it for the version of a bench executable,
/// and in refusing it name their own: `… but iai-callgrind-runner (0.15.2) is …`.
fn version_in<'a>(stdout: &'a str, stderr: &'a str) -> Option<&'a str> {
    let refused = || stderr.split_once("-runner (")?.1.split(')').next();
    let version = stdout.split_whitespace().next_back().or_else(refused)?;
    version
        .starts_with(|first: char| first.is_ascii_digit())
        .then_some(version)
}

/// What there is instead of `needed`, for people.
pub(crate) fn others(needed: &HarnessVersion, found: &[String]) -> String {
    let mut parts = Vec::new();
    if let Some(embedded) = runner::embedded_version(needed.harness) {
        parts.push(format!("icgate itself serves {embedded}"));
    }
    let name = needed.harness.runner();
    if found.is_empty() {
        parts.push(format!("`{name}` is not on PATH"));
    } else {
        parts.push(format!("`{name}` on PATH is {}", found.join(" and ")));
    }
    parts.join(", ")
}

/// What is linked in, as a measurement environment names it.
pub(crate) fn embedded() -> String {
    let versions = Harness::ALL.into_iter().filter_map(|harness| {
        let version = runner::embedded_version(harness)?.to_owned();
        Some(HarnessVersion { harness, version })
    });
    describe(versions)
}

/// The harnesses as a measurement environment names them: each once, sorted.
pub(crate) fn describe(versions: impl Iterator<Item = HarnessVersion>) -> String {
    let versions: BTreeSet<String> = versions.map(|version| version.to_string()).collect();
    versions.into_iter().collect::<Vec<_>>().join(", ")
}

fn note(program: &Path, call: &Call) -> io::Result<()> {
    let mut line = serde_json::to_string(call)?;
    line.push('\n');
    let file = parent(parent(program)).join(CALLS_FILE);
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)?
        .write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_runners_name_their_version_in_refusing() {
        assert_eq!(version_in("gungraun-runner 0.18.2\n", ""), Some("0.18.2"));
        let refusal = "iai_callgrind_runner: Error: No version information found for iai-callgrind \
            but iai-callgrind-runner (0.15.2) is >= '0.3.0'. Please update iai-callgrind to '0.15.2'";
        assert_eq!(version_in("", refusal), Some("0.15.2"));
        assert_eq!(version_in("", "command not found"), None);
        assert_eq!(version_in("usage: runner", ""), None);
    }

    #[test]
    fn a_environment_names_every_harness_once() {
        let version = |harness, version: &str| HarnessVersion {
            harness,
            version: version.to_owned(),
        };
        let used = [
            version(Harness::IaiCallgrind, "0.16.1"),
            version(Harness::Gungraun, "0.20.0"),
            version(Harness::IaiCallgrind, "0.16.1"),
        ];
        assert_eq!(
            describe(used.into_iter()),
            "gungraun 0.20.0, iai-callgrind 0.16.1"
        );
    }
}
