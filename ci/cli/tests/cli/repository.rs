//! A git repository of its own, for tests in which history matters.

use std::path::Path;
use std::process::Command;

use crate::sample::{Answer, icgate, manifest};
use crate::surroundings::isolate;

/// A folder with git in it.
pub(crate) struct Repository {
    directory: tempfile::TempDir,
    builds_inside: bool,
}

impl Repository {
    /// One without a commit, on branch `main`.
    pub(crate) fn new() -> Self {
        let repository = Self::empty();
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository
    }

    fn empty() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a temporary directory"),
            builds_inside: false,
        }
    }

    /// The same, built in a directory of its own and not where all tests build.
    pub(crate) fn building_inside(self) -> Self {
        Self {
            builds_inside: true,
            ..self
        }
    }

    /// One that clones another, no deeper than `depth` commits.
    pub(crate) fn shallow_clone(of: &Self, depth: usize) -> Self {
        let repository = Self::empty();
        let from = format!("file://{}", of.path().display());
        repository.git(&["clone", "--quiet", &format!("--depth={depth}"), &from, "."]);
        repository
    }

    /// The sample project with one of its bench targets, not committed, and built in a directory of its own.
    pub(crate) fn of_sample(bench: &str) -> Self {
        let repository = Self::new().building_inside();
        let sample = manifest().with_file_name("");
        let bench_file = format!("benches/{bench}.rs");
        for file in ["Cargo.lock", "src/lib.rs", "src/points.rs", &bench_file] {
            let text = std::fs::read_to_string(sample.join(file)).expect("the sample has it");
            repository.write(file, &text);
        }
        let whole = std::fs::read_to_string(manifest()).expect("the sample has it");
        let (head, _) = whole.split_once("[[bench]]").expect("it has benches");
        let target = format!("[[bench]]\nname = \"{bench}\"\nharness = false\n");
        repository.write("Cargo.toml", &(head.to_owned() + &target));
        repository.write(".gitignore", "target\n");
        repository
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        let folder = path.parent().expect("a file has a folder");
        std::fs::create_dir_all(folder).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).expect("a file")
    }

    /// Replaces text in a file.
    #[track_caller]
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "`{from}` is not in {text}");
        self.write(name, &text.replace(from, to));
    }

    /// What git answers.
    #[track_caller]
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.arg("-C").arg(self.path());
        command.args(["-c", "user.name=t", "-c", "user.email=t@example.com"]);
        command.args(["-c", "commit.gpgsign=false"]).args(arguments);
        let output = isolate(&mut command).output().expect("git starts");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("git prints UTF-8")
    }

    pub(crate) fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
    }

    /// Runs icgate in it.
    pub(crate) fn icgate(&self, arguments: &[&str]) -> Answer {
        let mut command = self.command(arguments);
        Answer::of(command.output().expect("icgate starts"))
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = icgate();
        command.args(arguments).current_dir(self.path());
        if self.builds_inside {
            command.env("CARGO_TARGET_DIR", self.path().join("target"));
        }
        command
    }
}
