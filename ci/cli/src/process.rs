//! Interruption: Ctrl-C, SIGTERM or a closed terminal ends every process that was started.
//!
//! Each child leads a process group of its own, so a signal reaches what it started in turn
//! (rustc under cargo, the benchmark under Valgrind), and so that it is this module and not the
//! terminal that decides when they end. Files are written beside their place and renamed, so an
//! interruption never leaves half of one; the measurement environment's directory is removed here.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use icgate_core::model::exit_code::ExitCode;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// How long to wait for an executable that is still open for writing, and how often: two seconds in all.
const BUSY_WAIT: Duration = Duration::from_millis(20);
const BUSY_TIMES: u32 = 100;

/// What an interruption has to end and to remove.
#[derive(Debug, Default)]
struct State {
    interrupted: bool,
    groups: BTreeSet<u32>,
    directories: BTreeMap<PathBuf, fn(&Path)>,
}

static STATE: Mutex<State> = Mutex::new(State {
    interrupted: false,
    groups: BTreeSet::new(),
    directories: BTreeMap::new(),
});

fn state() -> std::sync::MutexGuard<'static, State> {
    // A panic while the lock was held leaves sets that are still sets.
    STATE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Installs the handler. To be called once, before any child is started.
pub(crate) fn install() {
    // Without the handler an interruption still ends this process, if less tidily.
    let _ = ctrlc::set_handler(|| {
        end_all();
        // Clears the progress line and shows the cursor, whatever was drawn last.
        // Not by `eprintln!`, which panics where nobody reads any more, and would keep the process.
        let mut stderr = io::stderr();
        if stderr.is_terminal() {
            let _ = write!(stderr, "\r\x1b[2K\x1b[?25h");
        }
        let _ = writeln!(stderr, "icgate: interrupted; no file is half-written");
        std::process::exit(ExitCode::Interrupted.code().into());
    });
}

fn end_all() {
    let mut state = state();
    state.interrupted = true;
    for group in std::mem::take(&mut state.groups) {
        let group = Pid::from_raw(i32::try_from(group).unwrap_or(i32::MAX));
        let _ = killpg(group, Signal::SIGKILL);
    }
    for (directory, remove) in std::mem::take(&mut state.directories) {
        remove(&directory);
    }
}

/// Calls `remove` with `directory` when interrupted.
pub(crate) fn guard_directory(directory: &Path, remove: fn(&Path)) {
    state().directories.insert(directory.to_owned(), remove);
}

/// No longer removes `directory` when interrupted.
pub(crate) fn release_directory(directory: &Path) {
    state().directories.remove(directory);
}

/// Starts `command` in a process group of its own. During an interruption nothing is started and
/// the caller is held.
fn spawn(command: &mut Command) -> io::Result<Child> {
    let mut state = state();
    if state.interrupted {
        drop(state);
        hold();
    }
    let child = spawn_when_free(command.process_group(0))?;
    state.groups.insert(child.id());
    Ok(child)
}

/// Starts `command`. A file that was just written cannot be executed as long as a child of another
/// thread, which is between its fork and its own program, holds it open for writing: that ends by itself.
fn spawn_when_free(command: &mut Command) -> io::Result<Child> {
    for _ in 0..BUSY_TIMES {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(BUSY_WAIT);
            }
            other => return other,
        }
    }
    command.spawn().map_err(|error| {
        let program = Path::new(command.get_program()).display();
        io::Error::new(error.kind(), format!("`{program}`: {error}"))
    })
}

/// To be called when a child has ended. During an interruption its end means nothing: the caller
/// is held here, so that it cannot report a failure before the handler ends this process.
fn ended(group: u32) {
    let interrupted = {
        let mut state = state();
        state.groups.remove(&group);
        state.interrupted
    };
    if interrupted {
        hold();
    }
}

/// Holds a thread until the handler has ended the process.
fn hold() -> ! {
    loop {
        std::thread::park();
    }
}

/// Runs `command` to its end.
pub(crate) fn status(command: &mut Command) -> io::Result<ExitStatus> {
    let mut child = spawn(command)?;
    let status = child.wait();
    ended(child.id());
    status
}

/// Runs `command` to its end and keeps what it printed.
pub(crate) fn output(command: &mut Command) -> io::Result<Output> {
    let child = spawn(
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()),
    )?;
    let group = child.id();
    let output = child.wait_with_output();
    ended(group);
    output
}

/// Runs `command`, whose standard output is piped, and hands it to `read` while it goes on.
pub(crate) fn read_stdout<T>(
    command: &mut Command,
    read: impl FnOnce(std::process::ChildStdout) -> T,
) -> io::Result<(T, ExitStatus)> {
    let mut child = spawn(command.stdout(Stdio::piped()))?;
    let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let value = read(stdout);
    let status = child.wait();
    ended(child.id());
    Ok((value, status?))
}

#[cfg(test)]
mod tests {
    use std::fs::{File, Permissions};
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn an_executable_that_is_still_open_for_writing_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("program");
        std::fs::copy("/bin/true", &path).unwrap();
        let open = File::options().append(true).open(&path).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        let refused = Command::new(&path).spawn().unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ExecutableFileBusy);
        let closing = std::thread::spawn(move || {
            std::thread::sleep(BUSY_WAIT * 3);
            (&open).flush().unwrap();
            drop(open);
        });
        let mut child = spawn_when_free(&mut Command::new(&path)).unwrap();
        assert!(child.wait().unwrap().success());
        closing.join().unwrap();
    }
}
