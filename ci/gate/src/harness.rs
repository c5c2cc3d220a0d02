//! What a harness's Valgrind command says about the benchmark that it runs.
//!
//! iai-callgrind starts each benchmark as
//!
//! ```text
//! valgrind --tool=callgrind … --callgrind-out-file=…/callgrind.<function>[.<case>].out[.#%p]
//!     <executable> --iai-run <group> <index> <index> <module path>::<function>
//! ```
//!
//! The arguments name group and function, only the output file names the case.

use thiserror::Error;

use crate::bench_id::{BenchId, BenchIdError};

/// Why a command does not say which benchmark it runs.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommandError {
    /// Not the shape of a harness's command.
    #[error("a command of bench `{target}` does not name its benchmark: {command}")]
    Shape {
        /// The bench target.
        target: String,
        /// The command as it was recorded.
        command: String,
    },
    /// It names one, but not with a usable id.
    #[error("bench `{target}` has a benchmark whose name cannot be used")]
    Id {
        /// The bench target.
        target: String,
        /// What is wrong with the name.
        source: BenchIdError,
    },
}

/// A Valgrind command line, split at the executable.
#[derive(Debug, Clone, Copy)]
pub struct ToolCommand<'a> {
    /// Valgrind's own options.
    pub options: &'a [String],
    /// The benchmarked executable.
    pub executable: &'a str,
    /// Its arguments.
    pub arguments: &'a [String],
}

impl<'a> ToolCommand<'a> {
    /// Splits the arguments that Valgrind was given. All its options start with a dash, and the
    /// first word that does not is the executable.
    #[must_use]
    pub fn split(words: &'a [String]) -> Option<Self> {
        let at = words.iter().position(|word| !word.starts_with('-'))?;
        let (options, rest) = words.split_at(at);
        let (executable, arguments) = rest.split_first()?;
        Some(Self {
            options,
            executable,
            arguments,
        })
    }

    /// The value of `--<name>=…`; the last one counts, as for Valgrind.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&'a str> {
        let value = |option: &'a String| {
            option
                .strip_prefix("--")?
                .strip_prefix(name)?
                .strip_prefix('=')
        };
        self.options.iter().rev().find_map(value)
    }

    /// The id of the benchmark that this command of bench target `target` runs.
    ///
    /// # Errors
    ///
    /// [`CommandError`] if the command is none of a known harness.
    pub fn bench_id(&self, target: &str) -> Result<BenchId, CommandError> {
        let (group, function, case) = self.names().ok_or_else(|| CommandError::Shape {
            target: target.to_owned(),
            command: format!("{} {}", self.options.join(" "), self.arguments.join(" ")),
        })?;
        BenchId::from_harness(target, group, function, case).map_err(|source| CommandError::Id {
            target: target.to_owned(),
            source,
        })
    }

    fn names(&self) -> Option<(&'a str, &'a str, Option<&'a str>)> {
        let [run, group, _, _, module_path] = self.arguments else {
            return None;
        };
        if run != "--iai-run" {
            return None;
        }
        let function = module_path.rsplit("::").next()?;
        let path = self.option("callgrind-out-file")?;
        let file = path.rsplit('/').next()?.strip_prefix("callgrind.")?;
        let name = file.rsplit_once(".out").map_or(file, |(name, _)| name);
        let case = name.strip_prefix(function)?;
        match case.strip_prefix('.') {
            Some(case) => Some((group, function, Some(case))),
            None if case.is_empty() => Some((group, function, None)),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn id(command: &str) -> Result<String, CommandError> {
        let words = words(command);
        ToolCommand::split(&words)
            .unwrap()
            .bench_id("frame")
            .map(String::from)
    }

    #[test]
    fn the_command_names_its_benchmark() {
        let command = |file: &str, rest: &str| {
            id(&format!(
                "--tool=callgrind --callgrind-out-file=/t/{file} /t/deps/frame-1f {rest}"
            ))
        };
        let run = "--iai-run frame 0 1 frame::frame::encode";
        assert_eq!(
            command("callgrind.encode.b64.out.#%p", run).unwrap(),
            "frame/encode/b64"
        );
        assert_eq!(
            command("callgrind.encode.b64.out", run).unwrap(),
            "frame/encode/b64"
        );
        assert_eq!(
            command("callgrind.encode.out.#%p", run).unwrap(),
            "frame/encode"
        );
        let grouped = "--iai-run slow 0 1 frame::slow::encode";
        assert_eq!(
            command("callgrind.encode.b64.out", grouped).unwrap(),
            "frame/slow.encode/b64"
        );
    }

    #[test]
    fn a_strange_command_is_an_error_that_shows_it() {
        let error = id("--tool=callgrind /t/frame --iai-run frame 0 1 m::encode").unwrap_err();
        assert!(
            error.to_string().contains("--iai-run frame 0 1 m::encode"),
            "{error}"
        );
        let other =
            id("--callgrind-out-file=/t/callgrind.decode.x.out /t/frame --iai-run g 0 1 m::encode");
        assert!(matches!(other, Err(CommandError::Shape { .. })));
        let prefix =
            id("--callgrind-out-file=/t/callgrind.encoder.x.out /t/f --iai-run g 0 1 m::encode");
        assert!(matches!(prefix, Err(CommandError::Shape { .. })));
        let hostile = id(
            "--callgrind-out-file=/t/callgrind.encode.a\nb.out /t/f --iai-run frame 0 1 m::encode",
        );
        assert!(matches!(hostile, Err(CommandError::Id { .. })));
        assert!(ToolCommand::split(&words("--tool=callgrind")).is_none());
    }

    #[test]
    fn the_last_of_two_equal_options_counts() {
        let words = words("--a=1 --ab=2 --a=3 x --a=4");
        let command = ToolCommand::split(&words).unwrap();
        assert_eq!(command.option("a"), Some("3"));
        assert_eq!(command.option("b"), None);
        assert_eq!((command.executable, command.arguments.len()), ("x", 1));
    }
}
