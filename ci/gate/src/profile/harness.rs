//! What a harness's Valgrind command says about the benchmark that it runs.
//!
//! ```text
//! iai-callgrind       valgrind --tool=callgrind … --callgrind-out-file=…/callgrind.<name>.out
//!                         <executable> --iai-run <group> <index> <index> <module path>::<function>
//! gungraun 0.17–0.19  … <executable> --gungraun-run <group> <index> <index> [<index>]
//! gungraun 0.20       … <executable> --gungraun-run <mode> <group> <index> <index> [<index>]
//! ```
//!
//! The output file's `<name>` is the function's and, after a dot, the case's; the folder around it
//! has a random name with gungraun. Its arguments give the group by number only, and the number's
//! name stands in the harness's own list of benchmarks: see [`group_names`].

use std::fmt;

use miette::Diagnostic;
use thiserror::Error;

use crate::model::bench_id::{BenchId, BenchIdError};

/// A family of harnesses whose benches can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Harness {
    /// gungraun, as iai-callgrind is called since 0.17.
    Gungraun,
    /// iai-callgrind up to 0.16.
    IaiCallgrind,
}

impl Harness {
    /// Every harness, in the order of names.
    pub const ALL: [Self; 2] = [Self::Gungraun, Self::IaiCallgrind];

    /// The package that a project depends on.
    #[must_use]
    pub const fn package(self) -> &'static str {
        match self {
            Self::Gungraun => "gungraun",
            Self::IaiCallgrind => "iai-callgrind",
        }
    }

    /// The program that its bench executables call back; also the package that installs it.
    #[must_use]
    pub const fn runner(self) -> &'static str {
        match self {
            Self::Gungraun => "gungraun-runner",
            Self::IaiCallgrind => "iai-callgrind-runner",
        }
    }

    /// What the names of its environment variables begin with.
    #[must_use]
    pub const fn variables(self) -> &'static str {
        match self {
            Self::Gungraun => "GUNGRAUN_",
            Self::IaiCallgrind => "IAI_CALLGRIND_",
        }
    }

    /// The harness whose runner is called `name`.
    #[must_use]
    pub fn of_runner(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|harness| harness.runner() == name)
    }
}

/// A harness as a bench executable was built with it, such as `gungraun 0.20.0`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HarnessVersion {
    /// Which one.
    pub harness: Harness,
    /// Its version; the runner's must be the same.
    pub version: String,
}

impl HarnessVersion {
    /// The command that installs its runner.
    #[must_use]
    pub fn install_command(&self) -> String {
        format!(
            "cargo install {} --version {}",
            self.harness.runner(),
            self.version
        )
    }
}

impl fmt::Display for HarnessVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.harness.package(), self.version)
    }
}

/// The names of the groups in what a bench executable prints for `--list`, by their number.
///
/// A line is `<bench file>::<group>::<function>[::<case>]: benchmark`, group after group.
#[must_use]
pub fn group_names(list: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for line in list.lines() {
        let Some(path) = line.strip_suffix(": benchmark") else {
            continue;
        };
        if let Some(group) = path.split("::").nth(1)
            && names.last().is_none_or(|last| last != group)
        {
            names.push(group.to_owned());
        }
    }
    names
}

/// The first argument of an executable that iai-callgrind runs.
const IAI_RUN: &str = "--iai-run";
/// The first argument of an executable that gungraun runs.
const GUNGRAUN_RUN: &str = "--gungraun-run";

/// Why a command does not say which benchmark it runs.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum CommandError {
    /// Not the shape of a harness's command.
    #[error("a command of bench `{target}` does not name its benchmark: {command}")]
    #[diagnostic(help("use a version of the harness that icgate supports: icgate doctor"))]
    Shape {
        /// The bench target.
        target: String,
        /// The command as it was recorded.
        command: String,
    },
    /// It names one, but not with a usable id.
    #[error("bench `{target}` has a benchmark whose name cannot be used")]
    #[diagnostic(help("rename it: letters, digits and `_`"))]
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

    /// Whether the command names its group by number only, so that [`group_names`] are needed.
    #[must_use]
    pub fn needs_group_names(&self) -> bool {
        self.arguments
            .first()
            .is_some_and(|first| first == GUNGRAUN_RUN)
    }

    /// The id of the benchmark that this command of bench target `target` runs.
    ///
    /// # Errors
    ///
    /// [`CommandError`] if the command is none of a known harness, or its group none of `groups`.
    pub fn bench_id(&self, target: &str, groups: &[String]) -> Result<BenchId, CommandError> {
        let (group, function, case) = self.names(groups).ok_or_else(|| CommandError::Shape {
            target: target.to_owned(),
            command: format!("{} {}", self.options.join(" "), self.arguments.join(" ")),
        })?;
        BenchId::from_harness(target, group, function, case).map_err(|source| CommandError::Id {
            target: target.to_owned(),
            source,
        })
    }

    fn names<'b>(&'b self, groups: &'b [String]) -> Option<(&'b str, &'b str, Option<&'b str>)> {
        let (run, rest) = self.arguments.split_first()?;
        match (run.as_str(), rest) {
            (IAI_RUN, [group, _, _, module_path]) => {
                let (function, case) = self.function_and_case()?;
                let named = module_path.rsplit("::").next()?;
                (named == function).then_some((group, function, case))
            }
            (GUNGRAUN_RUN, rest) => {
                let numbers: Vec<Option<usize>> =
                    rest.iter().map(|word| word.parse().ok()).collect();
                // Up to 0.19 all are numbers; since then a word that names the mode comes first.
                let numbers = match numbers.as_slice() {
                    [None, numbers @ ..] | numbers => numbers,
                };
                let ([Some(group), Some(_), Some(_)] | [Some(group), Some(_), Some(_), Some(_)]) =
                    numbers
                else {
                    return None;
                };
                let (function, case) = self.function_and_case()?;
                Some((groups.get(*group)?, function, case))
            }
            _ => None,
        }
    }

    /// What the output file is named for: functions have no dot in their name.
    fn function_and_case(&self) -> Option<(&'a str, Option<&'a str>)> {
        let path = self.option("callgrind-out-file")?;
        let file = path.rsplit('/').next()?.strip_prefix("callgrind.")?;
        let name = file.rsplit_once(".out").map_or(file, |(name, _)| name);
        let (function, case) = match name.split_once('.') {
            Some((function, case)) => (function, Some(case)),
            None => (name, None),
        };
        (!function.is_empty()).then_some((function, case))
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
            .bench_id("frame", &[])
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

    /// What the harnesses' runners gave to Valgrind, apart from options that say nothing here.
    #[test]
    fn real_commands_of_every_version_name_the_same_benchmarks() {
        let list = "sums::sums::squares::n100: benchmark\n\
                    sums::sums::squares::n1000: benchmark\n\
                    sums::repeated::twice::lengths_0: benchmark\n\
                    sums::repeated::twice::lengths_1: benchmark\n\n0 tests, 4 benchmarks\n";
        let groups = group_names(list);
        assert_eq!(groups, ["sums", "repeated"]);
        let commands = [
            // iai-callgrind 0.14.2, 0.15.2 and 0.16.1
            (
                "--tool=callgrind --toggle-collect=*::__iai_callgrind_wrapper_mod::* \
                 --callgrind-out-file=/home/p/sums/sums/squares.n1000/callgrind.squares.n1000.out.#%p \
                 /deps/sums-beb1302597fa690c --iai-run sums 0 1 sums::sums::squares",
                "--tool=callgrind --toggle-collect=*::__iai_callgrind_wrapper_mod::* \
                 --callgrind-out-file=/home/p/sums/repeated/twice.lengths_1/callgrind.twice.lengths_1.out.#%p \
                 /deps/sums-beb1302597fa690c --iai-run repeated 0 1 sums::repeated::twice",
            ),
            // gungraun 0.17.2
            (
                "--tool=callgrind --toggle-collect=*::__gungraun_wrapper_mod::* \
                 --callgrind-out-file=/home/p/sums/sums/squares.n1000/callgrind.squares.n1000.out.#%p \
                 /deps/sums-1900357dd82caf8e --gungraun-run 00000 00000 00001",
                "--tool=callgrind --toggle-collect=*::__gungraun_wrapper_mod::* \
                 --callgrind-out-file=/home/p/sums/repeated/twice.lengths_1/callgrind.twice.lengths_1.out.#%p \
                 /deps/sums-1900357dd82caf8e --gungraun-run 00001 00000 00001",
            ),
            // gungraun 0.18.2
            (
                "--tool=callgrind --toggle-collect=*::__gungraun_wrapper_mod::* \
                 --callgrind-out-file=/tmp/gungraun.tmpZmsQ9YkzOUsquares.n1000/callgrind.squares.n1000.out.#%p \
                 /deps/sums-faa4fba7aa90b33b --gungraun-run 00000 00000 00001",
                "--tool=callgrind --toggle-collect=*::__gungraun_wrapper_mod::* \
                 --callgrind-out-file=/tmp/gungraun.tmpjP4EuDGTjUtwice.lengths_1/callgrind.twice.lengths_1.out.#%p \
                 /deps/sums-faa4fba7aa90b33b --gungraun-run 00001 00000 00001",
            ),
            // gungraun 0.20.0
            (
                "--tool=callgrind --toggle-collect=*::__gungraun_wrapper_mod::* \
                 --callgrind-out-file=/tmp/gungraun.tmpcpziCofKGAsquares.n1000/callgrind.squares.n1000.out.#%p \
                 /deps/sums-d4e9897a7a08e2bd --gungraun-run d:d:000000 00000 00000 00001",
                "--tool=callgrind --toggle-collect=*::__gungraun_wrapper_mod::* \
                 --callgrind-out-file=/tmp/gungraun.tmpWG7W7jzJ1Atwice.lengths_1/callgrind.twice.lengths_1.out.#%p \
                 /deps/sums-d4e9897a7a08e2bd --gungraun-run d:d:000000 00001 00000 00001",
            ),
        ];
        for (squares, twice) in commands {
            for (command, expected) in [
                (squares, "sums/squares/n1000"),
                (twice, "sums/repeated.twice/lengths_1"),
            ] {
                let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
                let command = ToolCommand::split(&words).unwrap();
                let by_number = words.iter().any(|word| word == GUNGRAUN_RUN);
                assert_eq!(command.needs_group_names(), by_number);
                let id = command.bench_id("sums", &groups).unwrap();
                assert_eq!(id.as_str(), expected);
            }
        }
    }

    #[test]
    fn numbers_that_name_no_group_are_an_error() {
        let groups = ["sums".to_owned()];
        let refused = |arguments: &str| {
            let words = words(&format!(
                "--callgrind-out-file=/t/callgrind.squares.n1.out /t/sums --gungraun-run {arguments}"
            ));
            let id = ToolCommand::split(&words)
                .unwrap()
                .bench_id("sums", &groups);
            matches!(id, Err(CommandError::Shape { .. }))
        };
        assert!(!refused("00000 00000 00000"));
        // The fourth counts the elements of an iterator.
        assert!(!refused("d:d:000000 00000 00000 00000 00004"));
        for arguments in [
            "00001 00000 00000",
            "00000 00000",
            "d:d:0 00000 00000",
            "d:d:0 x 00000 00000 00000",
            "00000 d:d:0 00000 00000",
            "00000 00000 00000 00000 00000",
        ] {
            assert!(refused(arguments), "{arguments}");
        }
    }

    #[test]
    fn a_harness_is_read_as_it_is_written() {
        for harness in Harness::ALL {
            assert_eq!(Harness::of_runner(harness.runner()), Some(harness));
            let version = HarnessVersion {
                harness,
                version: "0.18.2".to_owned(),
            };
            let package = harness.package();
            assert_eq!(version.to_string(), format!("{package} 0.18.2"));
            assert_eq!(
                version.install_command(),
                format!("cargo install {package}-runner --version 0.18.2")
            );
        }
        assert_eq!(Harness::of_runner("valgrind"), None);
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
