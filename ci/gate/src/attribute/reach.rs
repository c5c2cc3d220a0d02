//! Reach: whether what a diff changes can have moved a benchmark at all.
//!
//! ```text
//! touched      it changes a function that the benchmark executes
//! reachable    it changes something that the benchmark's executable is built from
//! unreachable  neither: the toolchain, the measurement environment or base moved it, not the diff
//! ```
//!
//! *Built from* means: a file of a package that the executable links, whatever its kind; or one
//! that decides how everything is built (`Cargo.lock`, the workspace's `Cargo.toml`, the pinned
//! toolchain, cargo's configuration). It is told by packages and not by functions on purpose:
//! a constant, a type or what a setup prepares moves counts and has no function of its own.
//!
//! Limit: a build script or an `include!` that reads a file outside of every package is not seen.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// How a diff stands to a benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// It changes a function that the benchmark executes.
    Touched,
    /// It changes what the benchmark is built from, and nothing that it executes.
    Reachable,
    /// It changes nothing that the benchmark is built from.
    Unreachable,
}

/// What each suite's executable is built from, in paths of the repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildInputs {
    /// Where packages are: `engine`, or nothing for one at the top.
    packages: BTreeSet<String>,
    /// Those that a suite's executable links, by suite.
    linked: BTreeMap<String, BTreeSet<String>>,
    /// Where the workspace is.
    workspace: String,
    /// Where benchmarks and what they work on are written, and nothing that they measure.
    workloads: BTreeSet<String>,
}

impl BuildInputs {
    /// The inputs of a workspace in folder `workspace` of its repository.
    #[must_use]
    pub fn new(workspace: &str) -> Self {
        Self {
            workspace: workspace.trim_end_matches('/').to_owned(),
            ..Self::default()
        }
    }

    /// Adds a package in `folder`, whether or not any benchmark links it.
    pub fn add_package(&mut self, folder: &str) {
        self.packages.insert(folder.to_owned());
    }

    /// Says that a suite's executable links the package in `folder`.
    pub fn link(&mut self, suite: &str, folder: &str) {
        self.add_package(folder);
        let linked = self.linked.entry(suite.to_owned()).or_default();
        linked.insert(folder.to_owned());
    }

    /// Says that the files below `folder` are benchmarks, and nothing that they measure.
    pub fn add_workload(&mut self, folder: &str) {
        self.workloads.insert(folder.to_owned());
    }

    /// Whether `file` is a benchmark's own.
    #[must_use]
    pub fn is_workload(&self, file: &str) -> bool {
        let mut folders = self.workloads.iter();
        folders.any(|folder| !folder.is_empty() && is_in(file, folder))
    }

    /// A path of the workspace as one of the repository.
    #[must_use]
    pub fn in_repository(&self, file: &str) -> String {
        if self.workspace.is_empty() {
            return file.to_owned();
        }
        format!("{}/{file}", self.workspace)
    }

    /// Whether the executable of `suite` is built from `file`. Of an unknown suite, anything.
    #[must_use]
    pub fn reaches(&self, suite: &str, file: &str) -> bool {
        let Some(linked) = self.linked.get(suite) else {
            return true;
        };
        if self.decides_the_build(file) {
            return true;
        }
        let home = self.packages.iter().filter(|folder| is_in(file, folder));
        home.max_by_key(|folder| folder.len())
            .is_some_and(|folder| linked.contains(folder))
    }

    /// A path of the repository as one of the workspace.
    #[must_use]
    pub fn in_workspace<'a>(&self, path: &'a str) -> Option<&'a str> {
        if self.workspace.is_empty() {
            return Some(path);
        }
        path.strip_prefix(&self.workspace)?.strip_prefix('/')
    }

    /// Whether `file` decides how everything is built: by its name, beside or above the workspace.
    fn decides_the_build(&self, file: &str) -> bool {
        let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
        match name {
            "Cargo.lock" | "Cargo.toml" => folder == self.workspace,
            "rust-toolchain" | "rust-toolchain.toml" => is_in_or_at(&self.workspace, folder),
            "config" | "config.toml" => {
                let (at, name) = folder.rsplit_once('/').unwrap_or(("", folder));
                name == ".cargo" && is_in_or_at(&self.workspace, at)
            }
            _ => false,
        }
    }
}

fn is_in_or_at(path: &str, folder: &str) -> bool {
    path == folder || is_in(path, folder)
}

fn is_in(path: &str, folder: &str) -> bool {
    let below = path.strip_prefix(folder);
    folder.is_empty() || below.is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs() -> BuildInputs {
        let mut inputs = BuildInputs::new("code/");
        inputs.add_package("code/tool");
        inputs.add_package("code/engine/fuzz");
        inputs.link("wal", "code/engine");
        inputs.link("wal", "code/benches");
        inputs
    }

    #[test]
    fn only_what_is_linked_or_decides_the_build_reaches() {
        for (file, reaches) in [
            ("code/engine/src/lib.rs", true),
            ("code/engine/build.rs", true),
            ("code/engine/FORMAT.md", true),
            ("code/benches/Cargo.toml", true),
            ("code/engine/fuzz/src/lib.rs", false),
            ("code/engines/src/lib.rs", false),
            ("code/tool/src/main.rs", false),
            ("code/tool/Cargo.toml", false),
            ("code/README.md", false),
            ("docs/engine/src/lib.rs", false),
            ("code/Cargo.toml", true),
            ("code/Cargo.lock", true),
            ("Cargo.lock", false),
            ("rust-toolchain.toml", true),
            ("code/rust-toolchain", true),
            ("code/tool/rust-toolchain", false),
            (".cargo/config.toml", true),
            ("code/.cargo/config", true),
            ("code/tool/.cargo/config.toml", false),
            ("code.cargo/config.toml", false),
            ("config.toml", false),
        ] {
            assert_eq!(inputs().reaches("wal", file), reaches, "{file}");
        }
    }

    #[test]
    fn a_workload_is_what_lies_below_its_folder() {
        let mut inputs = inputs();
        inputs.add_workload("code/benches");
        assert!(inputs.is_workload(&inputs.in_repository("benches/src/frame.rs")));
        assert!(!inputs.is_workload("code/engine/src/lib.rs"));
        assert!(!inputs.is_workload("benches/src/frame.rs"));
    }

    #[test]
    fn of_an_unknown_suite_nothing_is_ruled_out() {
        assert!(inputs().reaches("new", "docs/a.md"));
    }

    #[test]
    fn a_package_at_the_top_holds_what_no_other_does() {
        let mut inputs = BuildInputs::new("");
        inputs.link("b", "");
        inputs.add_package("inner");
        assert!(inputs.reaches("b", "src/lib.rs"));
        assert!(!inputs.reaches("b", "inner/src/lib.rs"));
    }
}
