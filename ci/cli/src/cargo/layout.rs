//! Layout: the same executable with its code moved, to see what that alone does to a count.
//!
//! ```text
//! build    wrapper notes   rustc --crate-name wal … -o wal-1a2b      links/wal-1a2b.json
//! layout   the same once more, with   --section-start=.text=<address + shift>
//! ```
//!
//! An edit of code that a benchmark never executes moves all code and data behind it. Instructions do
//! not mind; what caches miss does. Only the bench itself is compiled and linked again: its libraries
//! are as they were, and so is each function.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use object::{Object as _, ObjectSection as _};
use serde::{Deserialize, Serialize};

use crate::process;

/// How an executable was linked.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LinkCommand {
    program: String,
    arguments: Vec<String>,
    directory: PathBuf,
    env_vars: BTreeMap<String, String>,
}

impl LinkCommand {
    /// The command as it stands, if all of it is text and it makes an executable.
    pub(super) fn of(command: &Command) -> Option<Self> {
        let text = |text: &std::ffi::OsStr| text.to_str().map(str::to_owned);
        let arguments: Option<Vec<String>> = command.get_args().map(text).collect();
        let mut env_vars: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| is_noted(name))
            .collect();
        for (name, value) in command.get_envs() {
            env_vars.insert(text(name)?, text(value?)?);
        }
        let command = Self {
            program: text(command.get_program())?,
            arguments: arguments?,
            directory: std::env::current_dir().ok()?,
            env_vars,
        };
        // Of what it builds as a test or bench cargo does not say the crate's type, which then is an
        // executable.
        let links = |it: &String| {
            it.strip_prefix("--emit=")
                .is_some_and(|it| it.contains("link"))
        };
        let is_bench =
            command.value("--crate-type").is_none() && command.arguments.iter().any(links);
        is_bench.then_some(command)
    }

    /// The file that this is kept in, in `directory`.
    pub(super) fn file(&self, directory: &Path) -> Option<PathBuf> {
        let name = self.value("--crate-name")?;
        let extra = self
            .arguments
            .iter()
            .find_map(|it| it.strip_prefix("extra-filename="))
            .unwrap_or("");
        Some(directory.join(format!("{name}{extra}.json")))
    }

    fn value(&self, option: &str) -> Option<String> {
        let mut arguments = self.arguments.iter();
        arguments.find(|it| *it == option)?;
        arguments.next().cloned()
    }

    /// The arguments that link into `directory` with the code at `address`.
    fn moved(&self, directory: &Path, address: u64) -> Vec<OsString> {
        let mut moved: Vec<OsString> = Vec::new();
        let mut arguments = self.arguments.iter().peekable();
        while let Some(argument) = arguments.next() {
            let next_is = |start: &str, next: Option<&&String>| {
                argument == "-C" && next.is_some_and(|it| it.starts_with(start))
            };
            if argument == "--out-dir" || next_is("incremental=", arguments.peek()) {
                arguments.next();
            } else if argument.starts_with("--emit=")
                || argument.starts_with("--json=")
                || argument.starts_with("--error-format=")
            {
                // What cargo asks for and nobody reads here.
            } else {
                moved.push(argument.into());
            }
        }
        moved.push("--emit=link".into());
        moved.push("--out-dir".into());
        moved.push(directory.into());
        moved.push(format!("-Clink-arg=-Wl,--section-start=.text={address:#x}").into());
        moved
    }
}

/// Whether a variable is cargo's for the compiler. The others are the user's: they are there when the
/// executable is linked once more, and what they hold is nobody else's to keep.
fn is_noted(name: &str) -> bool {
    let is_cargo_s = name.starts_with("CARGO_") || matches!(name, "OUT_DIR" | "RUSTUP_TOOLCHAIN");
    let is_secret = ["TOKEN", "CREDENTIAL", "SECRET", "PASSWORD"];
    is_cargo_s && !is_secret.iter().any(|it| name.contains(it))
}

/// Links `executable` once more into `directory`, with its code `shift` bytes further on; `notes` is
/// where the wrapper keeps how it was linked. `None` where that is not known: the executable was built
/// elsewhere.
///
/// # Errors
///
/// If the linker does not do it, with what it said.
pub(crate) fn link_moved(
    notes: &Path,
    executable: &Path,
    shift: u64,
    directory: &Path,
) -> io::Result<Option<PathBuf>> {
    let name = executable.file_name().unwrap_or_default();
    let note = notes.join(format!("{}.json", name.to_string_lossy()));
    let text = match std::fs::read_to_string(note) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    let link: LinkCommand = serde_json::from_str(&text)?;
    let address = code_address(&std::fs::read(executable)?)
        .ok_or_else(|| io::Error::other("it has no section `.text`"))?;
    std::fs::create_dir_all(directory)?;
    let mut command = Command::new(&link.program);
    command
        .args(link.moved(directory, address + shift))
        .current_dir(&link.directory)
        .envs(&link.env_vars)
        .stdin(Stdio::null());
    let output = process::output(&mut command)?;
    if output.status.success() {
        return Ok(Some(directory.join(name)));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(said.trim().to_owned()))
}

fn code_address(executable: &[u8]) -> Option<u64> {
    let file = object::File::parse(executable).ok()?;
    Some(file.section_by_name(".text")?.address())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(arguments: &[&str]) -> LinkCommand {
        LinkCommand {
            program: "rustc".to_owned(),
            arguments: arguments.iter().map(|it| (*it).to_owned()).collect(),
            directory: PathBuf::from("/"),
            env_vars: BTreeMap::new(),
        }
    }

    #[test]
    fn only_place_and_output_of_the_executable_change() {
        let link = link(&[
            "--crate-name",
            "wal",
            "--cfg",
            "test",
            "--emit=dep-info,link",
            "-C",
            "extra-filename=-1a2b",
            "-C",
            "opt-level=3",
            "-C",
            "incremental=/x",
            "--out-dir",
            "/a",
            "--error-format=json",
            "wal.rs",
        ]);
        let file = link.file(Path::new("/notes"));
        assert_eq!(file, Some(PathBuf::from("/notes/wal-1a2b.json")));
        let expected = [
            "--crate-name",
            "wal",
            "--cfg",
            "test",
            "-C",
            "extra-filename=-1a2b",
            "-C",
            "opt-level=3",
            "wal.rs",
            "--emit=link",
            "--out-dir",
            "/b",
            "-Clink-arg=-Wl,--section-start=.text=0x1010",
        ];
        assert_eq!(link.moved(Path::new("/b"), 0x1010), expected);
    }

    #[test]
    fn nothing_of_the_user_s_is_noted() {
        for noted in [
            "CARGO_PKG_NAME",
            "CARGO_MANIFEST_DIR",
            "OUT_DIR",
            "RUSTUP_TOOLCHAIN",
        ] {
            assert!(is_noted(noted), "{noted}");
        }
        for own in [
            "HOME",
            "GITHUB_TOKEN",
            "CARGO_REGISTRY_TOKEN",
            "CARGO_REGISTRIES_X_TOKEN",
        ] {
            assert!(!is_noted(own), "{own}");
        }
    }

    #[test]
    fn what_was_built_elsewhere_cannot_be_linked_again() {
        let directory = tempfile::tempdir().unwrap();
        let own = std::env::current_exe().unwrap();
        let moved = link_moved(directory.path(), &own, 16, directory.path()).unwrap();
        assert_eq!(moved, None);
        assert!(code_address(&std::fs::read(own).unwrap()).is_some_and(|it| it > 0));
        assert_eq!(code_address(b"#!/bin/sh"), None);
    }
}
