//! Executing: the planned commands under Callgrind in the measurement environment, several at once.
//!
//! A benchmark that fails is named and the others go on. Each worker resolves what it measured
//! before it takes the next, so that no profile outlives its benchmark.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use icgate_core::model::bench_id::BenchId;
use icgate_core::model::metric::{Metric, Metrics, add_estimated_cycles};
use icgate_core::model::run::{FunctionLines, LINES_MAX, Measurement};
use icgate_core::profile::callgrind::Profile;
use icgate_core::profile::callgrind::{self, ReadError};
use icgate_core::profile::source::{SourceRoots, source_functions};

use crate::cargo::WORKSPACE_PREFIX;
use crate::environment::{CACHES, CALLGRIND_OPTIONS, EnvironmentDirectory, Valgrind};
use crate::error::{CliError, MeasureError};
use crate::measure::command::{Disturbance, ExecOptions, command};
use crate::measure::heap_tools;
use crate::measure::inline_stacks::{Executable, ExecutableStacks};
use crate::measure::other_machine;
use crate::measure::progress::Progress;
use crate::measure::record::Planned;
use crate::{paths, process};

/// Of a failed benchmark's output, this much of the end is shown.
const OUTPUT_BYTES_MAX: usize = 4_000;

/// A benchmark that could not be measured.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) id: BenchId,
    pub(crate) error: MeasureError,
}

/// Executes all commands in their order.
pub(crate) fn execute(
    commands: &[&Planned],
    valgrind: &Valgrind,
    environment: &EnvironmentDirectory,
    how: ExecOptions,
    progress: &Progress,
) -> Result<(Vec<Measurement>, Vec<Failure>), CliError> {
    let disturbance = how.disturbance;
    let outputs = environment.create("out")?;
    let executables = read_executables(commands)?;
    let next = AtomicUsize::new(0);
    let results = Mutex::new((Vec::new(), Vec::new()));
    std::thread::scope(|scope| {
        for worker in 0..how.jobs.get().min(commands.len()) {
            let (next, results, executables, outputs) = (&next, &results, &executables, &outputs);
            scope.spawn(move || {
                if let Some(round) = disturbance.machine {
                    other_machine::enter(round + worker);
                }
                let mut resolver = Resolver::new(executables);
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(planned) = commands.get(number) else {
                        break;
                    };
                    progress.begin(&planned.id);
                    let directory = outputs.join(number.to_string());
                    let measured = disturbed_path(&planned.path, disturbance).and_then(|path| {
                        let within = (valgrind, environment);
                        let profile = run(planned, &path, within, &directory, how)?;
                        let mut measured = resolver.measurement(planned, &path, &profile)?;
                        let heap = heap_tools::run(planned, &path, within, &directory, how)?;
                        measured.metrics.extend(heap);
                        Ok(measured)
                    });
                    put_away(&directory, how.keep.then_some(&planned.kept));
                    progress.end();
                    let mut results = results
                        .lock()
                        .expect("no thread panics while it holds this");
                    match measured {
                        Ok(measurement) => results.0.push(measurement),
                        Err(error) => results.1.push(Failure {
                            id: planned.id.clone(),
                            error,
                        }),
                    }
                }
            });
        }
    });
    Ok(results
        .into_inner()
        .expect("no thread panics while it holds this"))
}

/// Keeps a benchmark's output at `kept`, or removes it. What cannot be kept is missed when it is
/// asked for; what cannot be removed goes with the measurement environment.
fn put_away(directory: &Path, kept: Option<&PathBuf>) {
    let moved = kept.is_some_and(|kept| {
        let _ = fs::create_dir_all(paths::parent(kept));
        fs::rename(directory, kept).is_ok()
    });
    if !moved {
        let _ = fs::remove_dir_all(directory);
    }
}

/// Runs one benchmark and reads its profile. `directory` is for its output alone.
fn run(
    planned: &Planned,
    path: &Path,
    (valgrind, environment): (&Valgrind, &EnvironmentDirectory),
    directory: &Path,
    how: ExecOptions,
) -> Result<Profile, MeasureError> {
    let file = |path: &Path| {
        let path = path.to_owned();
        move |source| MeasureError::File { path, source }
    };
    fs::create_dir_all(directory).map_err(file(directory))?;
    let printed = directory.join("printed");
    let output = File::create(&printed).map_err(file(&printed))?;
    let errors = output.try_clone().map_err(file(&printed))?;
    let mut command = callgrind(planned, path, valgrind, directory, how);
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    // Only now: in a folder of somebody else's, what is opened for writing could be a link.
    environment.hand_over(directory).map_err(file(directory))?;
    environment.confine(&mut command);
    let status = process::status(&mut command).map_err(|source| MeasureError::Start { source })?;
    if !status.success() {
        let output = tail(&printed, &directory.join("log"));
        return Err(MeasureError::Ended {
            status: status.to_string(),
            output,
        });
    }
    read_profile(directory)
}

/// Callgrind's command: the harness's, with what the measurement environment fixes.
fn callgrind(
    planned: &Planned,
    path: &Path,
    valgrind: &Valgrind,
    directory: &Path,
    how: ExecOptions,
) -> Command {
    let mut options: Vec<String> = planned.options.clone();
    options.retain(|option| !is_fixed(option));
    options.extend(
        CALLGRIND_OPTIONS
            .iter()
            .chain(&CACHES)
            .map(|it| (*it).to_owned()),
    );
    options.push(format!(
        "--callgrind-out-file={}/profile.%p",
        directory.display()
    ));
    options.push(format!("--log-file={}/log", directory.display()));
    command(planned, path, valgrind, &options, how)
}

/// Options of the harness that the measurement environment or the output directory decides.
pub(super) fn is_fixed(option: &str) -> bool {
    let name = option.split('=').next().unwrap_or(option);
    matches!(
        name,
        "--I1"
            | "--D1"
            | "--LL"
            | "--callgrind-out-file"
            | "--log-file"
            | "--dump-instr"
            | "--dump-line"
            | "--compress-strings"
            | "--compress-pos"
            | "--command-line-only"
            | "--main-stacksize"
    )
}

/// The executable's path, longer by a directory where a disturbance asks for it.
fn disturbed_path(path: &Path, disturbance: Disturbance) -> Result<PathBuf, MeasureError> {
    let (Some(parent), Some(name), 2..) = (path.parent(), path.file_name(), disturbance.path)
    else {
        return Ok(path.to_owned());
    };
    let directory = parent.join("x".repeat(disturbance.path - 1));
    let link = directory.join(name);
    let failed = |source| MeasureError::File {
        path: link.clone(),
        source,
    };
    fs::create_dir_all(&directory).map_err(failed)?;
    match fs::hard_link(path, &link) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(failed(error)),
        _ => Ok(link),
    }
}

/// The profiles of all threads and processes of a benchmark, added up.
fn read_profile(directory: &Path) -> Result<Profile, MeasureError> {
    let failed = |source| MeasureError::File {
        path: directory.to_owned(),
        source,
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("profile."))
        {
            paths.push(path);
        }
    }
    paths.sort();
    let mut sum: Option<Profile> = None;
    for path in paths {
        let file = paths::open_plain(&path).map_err(failed)?;
        // Callgrind leaves an empty file beside those of the threads.
        if file.metadata().map_err(failed)?.len() == 0 {
            continue;
        }
        let profile = callgrind::read(file).map_err(|error| match error {
            ReadError::Source(source) => failed(source),
            ReadError::Profile(error) => error.into(),
        })?;
        match &mut sum {
            None => sum = Some(profile),
            Some(sum) => sum.merge(&profile)?,
        }
    }
    sum.ok_or(MeasureError::NoProfile)
}

/// The end of what the benchmark printed; of Valgrind's log if it printed nothing.
fn tail(printed: &Path, log: &Path) -> String {
    let read = |path: &Path| {
        paths::open_plain(path)
            .and_then(|mut file| {
                let length = file.metadata()?.len();
                file.seek(SeekFrom::Start(
                    length.saturating_sub(OUTPUT_BYTES_MAX as u64),
                ))?;
                let mut bytes = Vec::new();
                file.take(OUTPUT_BYTES_MAX as u64).read_to_end(&mut bytes)?;
                Ok(bytes)
            })
            .unwrap_or_default()
    };
    let mut bytes = read(printed);
    if bytes.is_empty() {
        bytes = read(log);
    }
    let start = bytes.len().saturating_sub(OUTPUT_BYTES_MAX);
    String::from_utf8_lossy(&bytes[start..]).trim().to_owned()
}

/// The executables of a plan, by number.
type Executables = BTreeMap<usize, Executable>;

fn read_executables(commands: &[&Planned]) -> Result<Executables, MeasureError> {
    let mut executables = Executables::new();
    for planned in commands {
        if let Entry::Vacant(entry) = executables.entry(planned.executable) {
            entry.insert(Executable::map(&planned.path)?);
        }
    }
    Ok(executables)
}

/// Turns profiles into measurements; keeps the debug information of one executable at hand.
struct Resolver<'e> {
    executables: &'e Executables,
    current: Option<(usize, ExecutableStacks<'e>)>,
}

impl<'e> Resolver<'e> {
    const fn new(executables: &'e Executables) -> Self {
        Self {
            executables,
            current: None,
        }
    }

    /// The inline stacks of a benchmark's executable, which its profile calls `path`.
    fn stacks(
        &mut self,
        planned: &Planned,
        path: &Path,
    ) -> Result<&ExecutableStacks<'e>, MeasureError> {
        let stacks = match self.current.take() {
            Some((number, stacks)) if number == planned.executable => stacks,
            _ => self.load(planned, path)?,
        };
        let (_, stacks) = self.current.insert((planned.executable, stacks));
        Ok(stacks)
    }

    fn load(&self, planned: &Planned, path: &Path) -> Result<ExecutableStacks<'e>, MeasureError> {
        let executable = &self.executables[&planned.executable];
        let stacks = executable.inline_stacks(path.display().to_string())?;
        if stacks.has_debug_info() {
            Ok(stacks)
        } else {
            Err(MeasureError::NoDebugInfo {
                path: planned.built.clone(),
            })
        }
    }

    fn measurement(
        &mut self,
        planned: &Planned,
        path: &Path,
        profile: &Profile,
    ) -> Result<Measurement, MeasureError> {
        let stacks = self.stacks(planned, path)?;
        let roots = SourceRoots {
            workspace: WORKSPACE_PREFIX.to_owned(),
            generated: vec!["target".to_owned()],
        };
        let sources = source_functions(profile, stacks, &roots);
        let mut metrics = metrics(profile);
        metrics.extend(&sources.heap);
        let functions = sources.table();
        let instructions = metrics.get(&Metric::Instructions).copied().unwrap_or(0);
        let sum = functions.total().unwrap_or(u64::MAX);
        if sum != instructions {
            return Err(MeasureError::Sum {
                functions: sum,
                instructions,
            });
        }
        let lines = sources
            .functions
            .into_iter()
            .filter(|function| !function.lines.is_empty())
            .map(|function| FunctionLines {
                name: function.cost.name,
                file: function.cost.file,
                lines: function.lines.into_iter().take(LINES_MAX).collect(),
            })
            .collect();
        Ok(Measurement {
            calls: sources.calls,
            id: planned.id.clone(),
            metrics,
            functions,
            lines,
            noise: 0,
            metric_noise: Metrics::new(),
        })
    }
}

/// The totals of a profile by metric. A profile that collected nothing counts 0 instructions.
fn metrics(profile: &Profile) -> Metrics {
    let mut metrics: Metrics = [(Metric::Instructions, 0)].into();
    for (event, total) in profile.events().iter().zip(profile.totals()) {
        if let Some(metric) = Metric::from_callgrind_event(event) {
            metrics.insert(metric, *total);
        }
    }
    add_estimated_cycles(&mut metrics);
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides_what_it_fixes_and_nothing_else() {
        for fixed in [
            "--I1=1,1,1",
            "--dump-instr=no",
            "--log-file=x",
            "--callgrind-out-file=x",
        ] {
            assert!(is_fixed(fixed), "{fixed}");
        }
        for kept in [
            "--cache-sim=no",
            "--toggle-collect=*::x::*",
            "--branch-sim=yes",
            "--I1x=1",
        ] {
            assert!(!is_fixed(kept), "{kept}");
        }
    }

    #[test]
    fn a_disturbed_path_is_longer_by_what_was_asked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("frame");
        fs::write(&path, "executable").unwrap();
        let same = disturbed_path(&path, Disturbance::NONE).unwrap();
        assert_eq!(same, path);
        for _ in 0..2 {
            let longer = disturbed_path(&path, Disturbance::USUAL).unwrap();
            let length = |path: &Path| path.as_os_str().len();
            assert_eq!(length(&longer), length(&path) + Disturbance::USUAL.path);
            assert_eq!(fs::read_to_string(longer).unwrap(), "executable");
        }
    }
}
