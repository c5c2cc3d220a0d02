//! Running DHAT and memcheck for the benchmarks for which the harness runs them, in the measurement
//! environment like Callgrind.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use icgate_core::model::metric::Metrics;
use icgate_core::profile::heap_tools::{dhat, memcheck};

use crate::environment::{EnvironmentDirectory, Valgrind};
use crate::error::MeasureError;
use crate::harness::valgrind_shim::STATIC_ALLOCATOR;
use crate::measure::command::{ExecOptions, command};
use crate::measure::record::Planned;
use crate::{paths, process};

/// The most that a tool writes.
const OUTPUT_BYTES_MAX: u64 = 256 << 20;

/// Deep enough that a stack reaches the benchmark.
const FRAMES: &str = "--num-callers=500";

/// What the tools count. A benchmark that they cannot run fails like one that Callgrind cannot.
pub(super) fn run(
    planned: &Planned,
    path: &Path,
    (valgrind, environment): (&Valgrind, &EnvironmentDirectory),
    directory: &Path,
    how: ExecOptions,
) -> Result<Metrics, MeasureError> {
    let mut metrics = Metrics::new();
    for options in &planned.heap_tools {
        let tool = value(options, "tool").unwrap_or_default();
        let directory = directory.join(tool);
        let file = |path: &Path| {
            let path = path.to_owned();
            move |source| MeasureError::File { path, source }
        };
        std::fs::create_dir_all(&directory).map_err(file(&directory))?;
        let (log, out) = (directory.join("log"), directory.join("out"));
        let mut options: Vec<String> = options.iter().filter(|it| !is_fixed(it)).cloned().collect();
        options.push(FRAMES.to_owned());
        // Of no effect on one that is linked dynamically, if it brings no allocator of its own.
        options.push(STATIC_ALLOCATOR.to_owned());
        options.push(format!("--log-file={}", log.display()));
        if tool == "dhat" {
            options.push(format!("--dhat-out-file={}", out.display()));
        }
        let printed = directory.join("printed");
        let output = File::create(&printed).map_err(file(&printed))?;
        let errors = output.try_clone().map_err(file(&printed))?;
        let mut command = command(planned, path, valgrind, &options, how);
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        environment
            .hand_over(&directory)
            .map_err(file(&directory))?;
        environment.confine(&mut command);
        let status =
            process::status(&mut command).map_err(|source| MeasureError::Start { source })?;
        let read = |path: &Path| {
            let bytes = paths::read_plain(path, OUTPUT_BYTES_MAX).map_err(file(path))?;
            Ok::<_, MeasureError>(String::from_utf8_lossy(&bytes).into_owned())
        };
        let found = match tool {
            _ if !status.success() => None,
            "dhat" => Some(
                dhat(&read(&out)?, value(&planned.options, "toggle-collect"))
                    .map_err(|source| MeasureError::HeapTool { source })?,
            ),
            _ => memcheck(&read(&log)?),
        };
        let Some(found) = found else {
            return Err(MeasureError::Ended {
                status: format!("{tool}: {status}"),
                output: read(&log).unwrap_or_default(),
            });
        };
        metrics.extend(found);
    }
    Ok(metrics)
}

/// The value of an option; the last one counts, as for Valgrind.
fn value<'a>(options: &'a [String], name: &str) -> Option<&'a str> {
    let of = |option: &'a String| {
        option
            .strip_prefix("--")?
            .strip_prefix(name)?
            .strip_prefix('=')
    };
    options.iter().rev().find_map(of)
}

/// Options that this decides. What makes a tool fail where it finds something is the harness's way to
/// tell; here it is a count.
fn is_fixed(option: &str) -> bool {
    let name = option.split('=').next().unwrap_or(option);
    matches!(
        name,
        "--dhat-out-file"
            | "--log-file"
            | "--log-fd"
            | "--xml"
            | "--xml-file"
            | "--xml-fd"
            | "--num-callers"
            | "--error-exitcode"
            | "--quiet"
            | "-q"
    )
}
