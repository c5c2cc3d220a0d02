//! Recording: each bench executable runs once with the shim in Valgrind's place, which notes the
//! commands and executes nothing.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use icgate_core::model::bench_id::BenchId;
use icgate_core::profile::harness::{Harness, HarnessVersion, ToolCommand, group_names};

use crate::cargo::{BenchExecutable, rustc_wrapper};
use crate::environment::EnvironmentDirectory;
use crate::error::{BuildError, CliError, MeasureError};
use crate::harness;
use crate::harness::valgrind_shim::{COMMANDS_FILE, HEAP_TOOLS, RecordedCommand};
use crate::harness::{cargo_shim, replay, valgrind_shim};
use crate::{paths, process};

/// Tells the harness's leftovers of our environment from what it declares: a harness that does
/// not clear the environment variables passes this on as well.
const MARKER: &str = "ICGATE_RECORDING";

/// Where the loader looks for shared libraries.
const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";

/// A benchmark that is to be measured.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) id: BenchId,
    /// Which of the executables it is in, by number.
    pub(crate) executable: usize,
    /// Its executable's path in the measurement environment.
    pub(crate) path: PathBuf,
    /// Its executable as built, for the debug information.
    pub(crate) built: PathBuf,
    /// Callgrind's options, as the harness chose them.
    pub(crate) options: Vec<String>,
    /// The options of the other tools that the harness runs for it.
    pub(crate) heap_tools: Vec<Vec<String>>,
    /// The executable's arguments.
    pub(crate) arguments: Vec<String>,
    /// The working directory.
    pub(crate) directory: PathBuf,
    /// The environment variables that the harness declares.
    pub(crate) env_vars: BTreeMap<String, String>,
    /// Where Valgrind's output goes if it is kept.
    pub(crate) kept: PathBuf,
}

/// The most that an executable's harness notes.
const NOTES_BYTES_MAX: u64 = 64 << 20;

/// The folder of a measurement environment from which executables run.
const BIN: &str = "bin";

/// Where an executable's copy is.
pub(super) fn installed(
    executable: &BenchExecutable,
    environment: &EnvironmentDirectory,
) -> PathBuf {
    environment.path().join(BIN).join(&executable.target.name)
}

/// What the harnesses would run.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The benchmarks, in id order.
    pub(crate) benchmarks: Vec<Planned>,
    /// The harness of each executable.
    pub(crate) harnesses: Vec<HarnessVersion>,
}

/// Records all executables, several at once.
pub(crate) fn record(
    executables: &[BenchExecutable],
    environment: &EnvironmentDirectory,
    jobs: NonZeroUsize,
) -> Result<Plan, CliError> {
    environment.create(BIN)?;
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
                    let recorded = install(executable, environment)
                        .map_err(CliError::from)
                        .and_then(|()| record_one(executable, number, environment));
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
    let mut plan = Plan::default();
    for result in results {
        let (harness, benchmarks) = result?;
        plan.harnesses.push(harness);
        plan.benchmarks.extend(benchmarks);
    }
    plan.benchmarks.sort_by(|a, b| a.id.cmp(&b.id));
    // A group that a bench names twice, say. A baseline could not hold both.
    match plan.benchmarks.array_windows().find(|[a, b]| a.id == b.id) {
        Some([twice, _]) => Err(MeasureError::Twice {
            id: twice.id.to_string(),
        }
        .into()),
        None => Ok(plan),
    }
}

/// Lets the harness of every executable report what was measured, and returns what it prints.
pub(crate) fn replay(
    executables: &[BenchExecutable],
    environment: &EnvironmentDirectory,
) -> Result<String, CliError> {
    let mut printed = String::new();
    for executable in executables {
        let plan = environment.create(&format!("plan/{}", executable.target.name))?;
        let mark = plan.join(replay::MARK);
        std::fs::write(&mark, "").map_err(file(&mark))?;
        printed.push_str(&run_harness(executable, environment, &plan, &["--bench"])?);
    }
    Ok(printed)
}

fn record_one(
    executable: &BenchExecutable,
    number: usize,
    environment: &EnvironmentDirectory,
) -> Result<(HarnessVersion, Vec<Planned>), CliError> {
    let target = &executable.target;
    let plan = environment.create(&format!("plan/{}", target.name))?;
    prepare(&plan, environment)?;
    environment.hand_over(&plan).map_err(file(&plan))?;
    let recorded = run_harness(executable, environment, &plan, &["--bench"]);
    // Asked first: where nobody serves it, that is why it failed.
    let harness = served(&target.name, &plan)?;
    recorded?;
    let recorded = commands(&plan)?;
    let none = || MeasureError::NoBenchmarks {
        target: target.name.clone(),
    };
    let (mut commands, mut heap_tools) = (Vec::new(), Vec::new());
    for recorded in &recorded {
        let command = ToolCommand::split(&recorded.words).ok_or_else(none)?;
        match command.option("tool") {
            Some(tool) if HEAP_TOOLS.contains(&tool) => heap_tools.push(command),
            _ => commands.push((command, recorded)),
        }
    }
    if commands.is_empty() {
        return Err(none().into());
    }
    let harness = harness.ok_or_else(|| MeasureError::Runner {
        target: target.name.clone(),
    })?;
    let groups = if commands.iter().any(|(it, _)| it.needs_group_names()) {
        group_names(&run_harness(
            executable,
            environment,
            &plan,
            &["--bench", "--list"],
        )?)
    } else {
        Vec::new()
    };
    let mut benchmarks = Vec::new();
    for (command, recorded) in &commands {
        let mut env_vars = declared(&recorded.env_vars);
        if let Some(libraries) = &executable.libraries {
            let libraries = libraries.display().to_string();
            env_vars.entry(LIBRARY_PATH.to_owned()).or_insert(libraries);
        }
        let id = command.bench_id(&target.name, &groups);
        benchmarks.push(Planned {
            id: id.map_err(MeasureError::from)?,
            executable: number,
            path: installed(executable, environment),
            built: executable.path.clone(),
            options: command.options.to_vec(),
            heap_tools: heap_tools
                .iter()
                .filter(|it| it.arguments == command.arguments)
                .map(|it| it.options.to_vec())
                .collect(),
            arguments: command.arguments.to_vec(),
            directory: recorded.directory.clone(),
            env_vars,
            kept: replay::kept(&plan, command.arguments),
        });
    }
    Ok((harness, benchmarks))
}

fn file(path: &Path) -> impl FnOnce(std::io::Error) -> MeasureError + use<> {
    let path = path.to_owned();
    move |source| MeasureError::File { path, source }
}

/// Puts the shim and the runners where [`run_harness`] lets the executable find them.
fn prepare(plan: &Path, environment: &EnvironmentDirectory) -> Result<(), MeasureError> {
    let programs = plan.join("bin");
    std::fs::create_dir_all(&programs).map_err(file(&programs))?;
    if let Some(valgrind) = paths::find_program(valgrind_shim::NAME, |_| true) {
        let real = plan.join(valgrind_shim::REAL);
        std::fs::write(&real, valgrind.as_os_str().as_encoded_bytes()).map_err(file(&real))?;
    }
    let own = environment.own_executable();
    let is_stored = environment.path().join(cargo_shim::ANSWER).exists();
    for name in [valgrind_shim::NAME]
        .into_iter()
        .chain(Harness::ALL.map(Harness::runner))
        .chain(is_stored.then_some(cargo_shim::NAME))
    {
        let link = programs.join(name);
        symlink(&own, &link).map_err(file(&link))?;
    }
    Ok(())
}

/// The harness that the executable asked for; `None` if it asked for nothing.
fn served(target: &str, plan: &Path) -> Result<Option<HarnessVersion>, CliError> {
    let calls = harness::calls(plan).map_err(file(plan))?;
    let Some(call) = calls.first() else {
        return Ok(None);
    };
    let needed = call.harness();
    match needed {
        Some(needed) if call.is_unserved() => Err(BuildError::HarnessVersion {
            target: target.to_owned(),
            found: harness::others(&needed, call.found()),
            needed,
        }
        .into()),
        needed => Ok(needed),
    }
}

/// Runs the executable as `cargo bench` would, with the shim and the runners first on PATH, and
/// returns what it prints.
fn run_harness(
    executable: &BenchExecutable,
    environment: &EnvironmentDirectory,
    plan: &Path,
    arguments: &[&str],
) -> Result<String, MeasureError> {
    let target = &executable.target;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let programs = std::iter::once(plan.join("bin"));
    let path = std::env::join_paths(programs.chain(std::env::split_paths(&path)));
    let mut command = Command::new(named_as_built(executable, environment, plan)?);
    command.args(arguments).current_dir(target.directory());
    if environment.is_sandboxed() {
        command.env_clear();
    }
    for (name, _) in std::env::vars_os() {
        // A user's own settings of the harness (filters, limits, other tools) are not the gate's.
        let is_setting = |it: Harness| name.to_string_lossy().starts_with(it.variables());
        if Harness::ALL.into_iter().any(is_setting) {
            command.env_remove(&name);
        }
    }
    // A replay gets a home of its own: in the recording's, empty profiles would count as results.
    let replayed = plan.join(replay::MARK).exists();
    let home = plan.join(if replayed { "replayed-home" } else { "home" });
    for harness in Harness::ALL {
        let prefix = harness.variables();
        command.env(format!("{prefix}HOME"), &home);
        command.env(format!("{prefix}COLOR"), "never");
    }
    command
        .env("PATH", path.unwrap_or_default())
        .env("CARGO_PKG_NAME", &target.package)
        .env("CARGO_MANIFEST_DIR", target.directory())
        .env(MARKER, "1");
    if let Some(libraries) = &executable.libraries {
        command.env(LIBRARY_PATH, libraries);
    }
    if environment.path().join(cargo_shim::ANSWER).exists() {
        // Where cargo would say where it is.
        command.env_remove("CARGO");
    }
    environment.confine(&mut command);
    let output = process::output(&mut command).map_err(file(&executable.path))?;
    if !output.status.success() {
        let text = [output.stdout, output.stderr].concat();
        return Err(MeasureError::Harness {
            target: target.name.clone(),
            status: output.status.to_string(),
            output: String::from_utf8_lossy(&text).trim().to_owned(),
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The copy of an executable under the name that cargo gave it: older harnesses go by that.
fn named_as_built(
    executable: &BenchExecutable,
    environment: &EnvironmentDirectory,
    plan: &Path,
) -> Result<PathBuf, MeasureError> {
    let name = executable.path.file_name().unwrap_or_default();
    let link = plan.join(name);
    match std::fs::hard_link(installed(executable, environment), &link) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(file(&link)(error)),
        _ => Ok(link),
    }
}

/// The commands that the shim noted.
fn commands(plan: &Path) -> Result<Vec<RecordedCommand>, MeasureError> {
    let path = plan.join(COMMANDS_FILE);
    let bytes = match paths::read_plain(&path, NOTES_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(source) => return Err(MeasureError::File { path, source }),
    };
    String::from_utf8_lossy(&bytes)
        .lines()
        .map(|line| {
            serde_json::from_str(line).map_err(|error| MeasureError::File {
                path: path.clone(),
                source: error.into(),
            })
        })
        .collect()
}

/// What the harness declares for the benchmark, out of the environment variables that Valgrind saw.
///
/// By default a harness clears all but the loader's variables; if it cleared nothing, all that
/// equals our own environment is ours.
fn declared(seen: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let cleared = !seen.contains_key(MARKER);
    let ours = |name: &str, value: &str| {
        matches!(
            name,
            MARKER | "PATH" | "LD_PRELOAD" | LIBRARY_PATH | "CARGO_PKG_NAME" | "CARGO_MANIFEST_DIR"
        ) || Harness::ALL
            .iter()
            .any(|it| name.starts_with(it.variables()))
            || std::env::var(name).is_ok_and(|own| own == value)
    };
    let loader = |name: &str| matches!(name, "LD_PRELOAD" | LIBRARY_PATH);
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

/// Copies an executable to the place from which it runs.
fn install(
    executable: &BenchExecutable,
    environment: &EnvironmentDirectory,
) -> Result<(), MeasureError> {
    let to = installed(executable, environment);
    rustc_wrapper::install(&executable.path, &to, environment.path())
        .map_err(|source| MeasureError::File { path: to, source })
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
