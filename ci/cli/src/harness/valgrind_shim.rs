//! The shim: stands where the harness looks for `valgrind` and notes what it was asked to run.
//!
//! ```text
//! bench executable ─→ runner ─→ shim     notes the command, answers with an empty profile
//! icgate ─────────────────────→ valgrind  runs the noted command later, in the measurement environment
//! bench executable ─→ runner ─→ shim     hands over what was measured, where a replay is asked for
//! ```
//!
//! Where a harness runs DHAT or memcheck, the command is noted as well and passed on to the real
//! Valgrind: its runner reads their results, and icgate runs them again in the environment.
//!
//! The runner clears the environment variables before it starts Valgrind, so the shim knows where to write
//! from its own path alone: `<plan>/bin/valgrind` notes into `<plan>/commands.jsonl`.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use icgate_core::profile::harness::ToolCommand;
use serde::{Deserialize, Serialize};

use super::replay;
use crate::io::output;
use crate::paths::parent;

/// The name under which this part is called.
pub(crate) const NAME: &str = "valgrind";

/// Tells Valgrind to look for the allocator in the executable itself.
pub(crate) const STATIC_ALLOCATOR: &str = "--soname-synonyms=somalloc=NONE";

/// The file of a plan's directory that says where the real Valgrind is.
pub(crate) const REAL: &str = "valgrind";

/// The tools beside Callgrind whose results are kept.
pub(crate) const HEAP_TOOLS: [&str; 2] = ["dhat", "memcheck"];

/// The file of a plan's directory that holds the noted commands, one a line.
pub(crate) const COMMANDS_FILE: &str = "commands.jsonl";

/// A command as the harness gave it to Valgrind.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RecordedCommand {
    /// Valgrind's arguments, without its own name.
    pub(crate) words: Vec<String>,
    /// The working directory.
    pub(crate) directory: PathBuf,
    /// The environment variables.
    pub(crate) env_vars: BTreeMap<String, String>,
}

/// Acts as Valgrind. `program` is the path under which the shim was called.
pub(crate) fn main(program: &Path) -> ExitCode {
    let words: Result<Vec<String>, _> = std::env::args_os()
        .skip(1)
        .map(std::ffi::OsString::into_string)
        .collect();
    let Ok(words) = words else {
        output::complain(format_args!(
            "icgate: an argument for valgrind is not UTF-8"
        ));
        return ExitCode::FAILURE;
    };
    let Some(command) = ToolCommand::split(&words) else {
        return pass_on(program, &words);
    };
    let plan = parent(parent(program));
    if command.option("tool") != Some("callgrind") {
        let is_heap_tool = HEAP_TOOLS.contains(&command.option("tool").unwrap_or_default());
        if is_heap_tool && !plan.join(replay::MARK).exists() {
            // What is not noted is not counted, and then not judged: nothing fails for it here.
            let _ = note(program, &words);
        }
        if is_heap_tool {
            return pass_on(program, &with_static_allocator(command));
        }
        return pass_on(program, &words);
    }
    let kept = replay::kept(plan, command.arguments);
    let answered = if plan.join(replay::MARK).exists() {
        replay::hand_over(&kept, command)
    } else {
        note(program, &words).and_then(|()| answer(command))
    };
    match answered {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(format_args!(
                "icgate: cannot stand in for valgrind: {error}"
            ));
            ExitCode::FAILURE
        }
    }
}

/// A heap tool's command for an executable that is linked statically: without the option the tool would
/// see no allocation. What it finds is for icgate to judge, and not for its exit status.
fn with_static_allocator(command: ToolCommand<'_>) -> Vec<String> {
    let is_kept = |option: &&String| !option.starts_with("--error-exitcode");
    let mut words: Vec<String> = command.options.iter().filter(is_kept).cloned().collect();
    words.push(STATIC_ALLOCATOR.to_owned());
    words.push(command.executable.to_owned());
    words.extend_from_slice(command.arguments);
    words
}

/// What is not a Callgrind run (`--version`, another tool) is the real Valgrind's.
fn pass_on(program: &Path, words: &[String]) -> ExitCode {
    let own = parent(program);
    // A harness may clear PATH before it starts a tool.
    let noted = std::fs::read_to_string(parent(own).join(REAL)).map(PathBuf::from);
    let found = noted.ok();
    let found = found.or_else(|| crate::paths::find_program(NAME, |directory| directory != own));
    let Some(valgrind) = found else {
        output::complain(format_args!("icgate: valgrind is not on PATH"));
        return ExitCode::FAILURE;
    };
    let error = Command::new(valgrind).args(words).exec();
    output::complain(format_args!("icgate: cannot start valgrind: {error}"));
    ExitCode::FAILURE
}

fn note(program: &Path, words: &[String]) -> io::Result<()> {
    let recorded = RecordedCommand {
        words: words.to_vec(),
        directory: std::env::current_dir()?,
        env_vars: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
    };
    let mut line = serde_json::to_string(&recorded)?;
    line.push('\n');
    let file = parent(parent(program)).join(COMMANDS_FILE);
    // One write to a file opened for appending: commands noted at the same time stay whole.
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)?
        .write_all(line.as_bytes())
}

/// The smallest output that the runner takes for a profile.
fn answer(command: ToolCommand<'_>) -> io::Result<()> {
    let pid = std::process::id();
    let path = |option| {
        command
            .option(option)
            .map(|path| PathBuf::from(path.replace("%p", &pid.to_string())))
    };
    if let Some(path) = path("callgrind-out-file") {
        let events = "Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw";
        let profile = format!(
            "# callgrind format\nversion: 1\ncreator: icgate\npid: {pid}\ncmd: icgate\npart: 1\n\n\
             positions: line\nevents: {events}\nsummary: 0 0 0 0 0 0 0 0 0\n\n\
             totals: 0 0 0 0 0 0 0 0 0\n"
        );
        std::fs::write(path, profile)?;
    }
    if let Some(path) = path("log-file") {
        std::fs::write(
            path,
            format!("=={pid}== Command: icgate\n=={pid}== Parent PID: 1\n"),
        )?;
    }
    Ok(())
}
