//! Replaying: the harness runs once more and is handed what was measured, so that its own report
//! appears with the counts of the measurement environment and without measuring again.
//!
//! ```text
//! execute ─→ <plan>/measured/<key>/profile.<pid>…   kept for this
//! harness ─→ shim ─→ copies them to where the harness wants its output
//! ```
//!
//! A result is tied to its benchmark by the executable (each has a plan of its own) and by the
//! arguments, never by a path: harnesses choose their paths again each time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use icgate_core::profile::harness::ToolCommand;

/// In the plan of an executable that is replayed. There the shim has nothing but what was kept: an
/// empty profile would read as a benchmark that costs nothing.
pub(crate) const MARK: &str = "replayed";

/// Where the output of the benchmark with these arguments is kept, in its executable's plan.
pub(crate) fn kept(plan: &Path, arguments: &[String]) -> PathBuf {
    let key = blake3::hash(arguments.join("\0").as_bytes()).to_hex();
    plan.join("measured").join(&key[..32])
}

/// Copies kept output to where `command` wants it. The name of a profile says which process and
/// thread it is of, and keeps saying so in the harness's own way of naming.
pub(crate) fn hand_over(kept: &Path, command: ToolCommand<'_>) -> io::Result<()> {
    for entry in fs::read_dir(kept)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let wanted = match name.split_once('.') {
            Some(("profile", rest)) => command.option("callgrind-out-file").map(|path| {
                let end = rest
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(rest.len());
                let (pid, thread) = rest.split_at(end);
                format!("{}{thread}", path.replace("%p", pid))
            }),
            None if name == "log" => {
                let pid = std::process::id().to_string();
                command
                    .option("log-file")
                    .map(|path| path.replace("%p", &pid))
            }
            _ => None,
        };
        if let Some(wanted) = wanted {
            fs::copy(entry.path(), wanted)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn output_goes_where_the_harness_wants_it() {
        let directory = tempfile::tempdir().unwrap();
        let here = directory.path().display();
        let plan = directory.path().join("plan");
        let words = words(&format!(
            "--callgrind-out-file={here}/c.out.#%p --log-file={here}/c.log.#%p /t/frame --run 0 1"
        ));
        let command = ToolCommand::split(&words).unwrap();
        let kept = kept(&plan, command.arguments);
        fs::create_dir_all(&kept).unwrap();
        for (name, text) in [
            ("profile.12", "main"),
            ("profile.12-02", "thread"),
            ("log", "l"),
            ("printed", "p"),
        ] {
            fs::write(kept.join(name), text).unwrap();
        }
        hand_over(&kept, command).unwrap();
        let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
        assert_eq!(read("c.out.#12"), "main");
        assert_eq!(read("c.out.#12-02"), "thread");
        assert_eq!(read(&format!("c.log.#{}", std::process::id())), "l");
    }

    #[test]
    fn other_arguments_are_another_benchmark() {
        let plan = Path::new("/plan");
        assert_ne!(kept(plan, &words("a b")), kept(plan, &words("ab")));
        assert_eq!(kept(plan, &words("a b")), kept(plan, &words("a b")));
    }
}
