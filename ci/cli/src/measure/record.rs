//! Recording: each bench executable runs once with the shim in Valgrind's place, which notes the
//! commands and executes nothing.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use icgate_core::bench_id::BenchId;
use icgate_core::harness::ToolCommand;

use crate::cargo::BenchExecutable;
use crate::chamber::ChamberDirectory;
use crate::error::{CliError, MeasureError};
use crate::shim::{COMMANDS_FILE, RecordedCommand};
use crate::{interrupt, own_path, runner, shim};

/// Tells the harness's leftovers of our environment from what it declares: a harness that does
/// not clear the environment passes this on as well.
const MARKER: &str = "ICGATE_RECORDING";

/// A benchmark that is to be measured.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) id: BenchId,
    /// Which of the executables it is in, by number.
    pub(crate) executable: usize,
    /// Its executable's path in the chamber.
    pub(crate) path: PathBuf,
    /// Its executable as built, for the debug information.
    pub(crate) built: PathBuf,
    /// Callgrind's options, as the harness chose them.
    pub(crate) options: Vec<String>,
    /// The executable's arguments.
    pub(crate) arguments: Vec<String>,
    /// The working directory.
    pub(crate) directory: PathBuf,
    /// The environment that the harness declares.
    pub(crate) environment: BTreeMap<String, String>,
}

/// Records all executables, several at once, and returns their benchmarks in id order.
pub(crate) fn record(
    executables: &[BenchExecutable],
    chamber: &ChamberDirectory,
    jobs: NonZeroUsize,
) -> Result<Vec<Planned>, CliError> {
    let bin = chamber.create("bin")?;
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.get().min(executables.len()) {
            scope.spawn(|| {
                while let Some((number, executable)) = {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    executables
                        .get(number)
                        .map(|executable| (number, executable))
                } {
                    let recorded = super::install(executable, &bin)
                        .map_err(CliError::from)
                        .and_then(|()| record_one(executable, number, chamber, &bin));
                    results
                        .lock()
                        .expect("no thread panics while it holds this")
                        .push(recorded);
                }
            });
        }
    });
    let results = results
        .into_inner()
        .expect("no thread panics while it holds this");
    let mut plan = Vec::new();
    for result in results {
        plan.extend(result?);
    }
    plan.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(plan)
}

fn record_one(
    executable: &BenchExecutable,
    number: usize,
    chamber: &ChamberDirectory,
    bin: &Path,
) -> Result<Vec<Planned>, CliError> {
    let target = &executable.target;
    let plan = chamber.create(&format!("plan/{}", target.name))?;
    let commands = run_harness(executable, &plan)?;
    if commands.is_empty() {
        return Err(MeasureError::NoBenchmarks {
            target: target.name.clone(),
        }
        .into());
    }
    commands
        .into_iter()
        .map(|recorded| {
            let command =
                ToolCommand::split(&recorded.words).ok_or_else(|| MeasureError::NoBenchmarks {
                    target: target.name.clone(),
                })?;
            Ok(Planned {
                id: command.bench_id(&target.name).map_err(MeasureError::from)?,
                executable: number,
                path: bin.join(&target.name),
                built: executable.path.clone(),
                options: command.options.to_vec(),
                arguments: command.arguments.to_vec(),
                directory: recorded.directory.clone(),
                environment: declared(&recorded.environment),
            })
        })
        .collect()
}

/// Runs the harness as `cargo bench` would, with the shim and the runner first on PATH.
fn run_harness(
    executable: &BenchExecutable,
    plan: &Path,
) -> Result<Vec<RecordedCommand>, MeasureError> {
    let target = &executable.target;
    let file = |path: &Path| {
        let path = path.to_owned();
        move |source| MeasureError::File { path, source }
    };
    let programs = plan.join("bin");
    std::fs::create_dir_all(&programs).map_err(file(&programs))?;
    let own = own_path().map_err(file(&programs))?;
    for name in [shim::NAME, runner::NAME] {
        let link = programs.join(name);
        symlink(&own, &link).map_err(file(&link))?;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(programs).chain(std::env::split_paths(&path)));
    let mut command = Command::new(&executable.path);
    command.arg("--bench").current_dir(target.directory());
    for (name, _) in std::env::vars_os() {
        // A user's own settings of the harness (filters, limits, other tools) are not the gate's.
        if name.to_string_lossy().starts_with("IAI_CALLGRIND_") {
            command.env_remove(&name);
        }
    }
    command
        .env("PATH", path.unwrap_or_default())
        .env("CARGO_PKG_NAME", &target.package)
        .env("CARGO_MANIFEST_DIR", target.directory())
        .env("IAI_CALLGRIND_HOME", plan.join("home"))
        .env("IAI_CALLGRIND_COLOR", "never")
        .env(MARKER, "1");
    let output = interrupt::output(&mut command).map_err(file(&executable.path))?;
    if !output.status.success() {
        let text = [output.stdout, output.stderr].concat();
        return Err(MeasureError::Harness {
            target: target.name.clone(),
            status: output.status.to_string(),
            output: String::from_utf8_lossy(&text).trim().to_owned(),
        });
    }
    let path = plan.join(COMMANDS_FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(source) => return Err(MeasureError::File { path, source }),
    };
    text.lines()
        .map(|line| {
            serde_json::from_str(line).map_err(|error| MeasureError::File {
                path: path.clone(),
                source: error.into(),
            })
        })
        .collect()
}

/// What the harness declares for the benchmark, out of the environment that Valgrind saw.
///
/// By default a harness clears all but the loader's variables; if it cleared nothing, all that
/// equals our own environment is ours.
fn declared(seen: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let cleared = !seen.contains_key(MARKER);
    let ours = |name: &str, value: &str| {
        matches!(
            name,
            MARKER
                | "PATH"
                | "LD_PRELOAD"
                | "LD_LIBRARY_PATH"
                | "CARGO_PKG_NAME"
                | "CARGO_MANIFEST_DIR"
                | "IAI_CALLGRIND_HOME"
                | "IAI_CALLGRIND_COLOR"
        ) || std::env::var(name).is_ok_and(|own| own == value)
    };
    let loader = |name: &str| matches!(name, "LD_PRELOAD" | "LD_LIBRARY_PATH");
    seen.iter()
        .filter(|(name, value)| {
            if cleared {
                !loader(name)
            } else {
                !ours(name, value)
            }
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
        variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn only_what_the_harness_declares_reaches_the_benchmark() {
        let cleared = seen(&[
            ("LD_LIBRARY_PATH", "/x"),
            ("MODE", "fast"),
            ("PATH", "/declared"),
        ]);
        assert_eq!(
            declared(&cleared),
            seen(&[("MODE", "fast"), ("PATH", "/declared")])
        );
        let home = std::env::var("PATH").unwrap();
        let kept = seen(&[
            (MARKER, "1"),
            ("PATH", &home),
            ("MODE", "fast"),
            ("LD_PRELOAD", "x"),
        ]);
        assert_eq!(declared(&kept), seen(&[("MODE", "fast")]));
    }
}
