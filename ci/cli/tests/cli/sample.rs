//! The sample project and the binary, as values.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::surroundings::isolate;

/// What a call of icgate gave.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("icgate prints UTF-8");
        Self {
            code: output.status.code().expect("icgate ends by itself"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Asserts the exit code and what is said, on either stream.
    #[track_caller]
    pub(crate) fn says(&self, code: i32, messages: &[&str]) -> &Self {
        assert_eq!(self.code, code, "{self:#?}");
        for message in messages {
            let is_in = |text: &str| text.contains(message) || unaligned(text).contains(message);
            let said = is_in(&self.stdout) || is_in(&self.stderr);
            assert!(said, "expected `{message}` in {self:#?}");
        }
        self
    }
}

/// A text without the padding of its columns.
fn unaligned(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let words: Vec<&str> = line.split(' ').filter(|it| !it.is_empty()).collect();
        words.join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// icgate on the sample project, with baselines and output of its own.
pub(crate) struct Sample {
    directory: TempDir,
}

impl Sample {
    /// Without baselines.
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    /// With the accepted baselines of bench target `steady`.
    pub(crate) fn with_baselines() -> Self {
        let sample = Self::new();
        let from = accepted().join(PLATFORM);
        let to = sample.baselines().join(PLATFORM);
        std::fs::create_dir_all(&to).expect("a directory");
        std::fs::copy(from.join("steady.json"), to.join("steady.json")).expect("a copy");
        sample
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn baselines(&self) -> PathBuf {
        self.path().join("baselines")
    }

    /// The file of the suite that [`with_baselines`](Self::with_baselines) has.
    pub(crate) fn steady(&self) -> PathBuf {
        self.baselines().join(PLATFORM).join("steady.json")
    }

    pub(crate) fn policy(&self, text: &str) -> &Self {
        std::fs::create_dir_all(self.baselines()).expect("a directory");
        std::fs::write(self.baselines().join("policy.toml"), text).expect("a file");
        self
    }

    /// Replaces text in the baseline.
    #[track_caller]
    pub(crate) fn edit(&self, from: &str, to: &str) -> &Self {
        let text = std::fs::read_to_string(self.steady()).expect("a baseline");
        assert!(text.contains(from), "`{from}` is not in {text}");
        std::fs::write(self.steady(), text.replacen(from, to, 1)).expect("a file");
        self
    }

    /// A command of icgate on the bench target `bench`, that measures what it tells.
    pub(crate) fn command(&self, verb: &str, bench: &str) -> Command {
        let mut command = self.remembering(verb, bench);
        if matches!(verb, "check" | "measure" | "update" | "ab") {
            command.arg("--no-cache");
        }
        command
    }

    /// The same, with a cache of the sample's own.
    pub(crate) fn caching(&self, verb: &str, bench: &str) -> Command {
        let mut command = self.remembering(verb, bench);
        command.arg("--cache").arg(self.cache());
        command
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.path().join("cache")
    }

    fn remembering(&self, verb: &str, bench: &str) -> Command {
        let mut command = icgate();
        command.arg(verb);
        command.arg("--manifest-path").arg(manifest());
        command.arg("--baselines").arg(self.baselines());
        command.args(["--bench", bench]);
        if !matches!(verb, "list" | "verify" | "explain") {
            command.arg("--output").arg(self.path().join("out"));
        }
        command
    }

    /// Runs `icgate <verb>` on the bench target `bench` with more arguments.
    pub(crate) fn run(&self, verb: &str, bench: &str, arguments: &[&str]) -> Answer {
        Answer::of(
            self.command(verb, bench)
                .args(arguments)
                .output()
                .expect("icgate starts"),
        )
    }

    pub(crate) fn check(&self, bench: &str) -> Answer {
        self.run("check", bench, &[])
    }
}

pub(crate) const PLATFORM: &str = "x86_64-linux-gnu";

/// The binary, building the sample where all tests share it, and with nothing of CI's around it.
pub(crate) fn icgate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_icgate"));
    command.env(
        "CARGO_TARGET_DIR",
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("sample"),
    );
    isolate(&mut command);
    command
}

pub(crate) fn manifest() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sample/Cargo.toml")
}

/// Baselines of `steady`, measured once for all tests.
pub(crate) fn accepted() -> &'static Path {
    static ACCEPTED: OnceLock<Sample> = OnceLock::new();
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let sample = ACCEPTED.get_or_init(Sample::new);
        sample.run("update", "steady", &[]).says(0, &["written"]);
        sample.baselines()
    })
}
