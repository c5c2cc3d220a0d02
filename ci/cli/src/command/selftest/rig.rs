//! The rig: a worktree of the project, and icgate run in it as a user would.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::args::Project as Selection;
use crate::cargo::Project;
use crate::error::{CliError, GitError, SelftestError};
use crate::git::Repository;
use crate::git::worktree::Worktree;
use crate::io::store;
use crate::process;

/// A project that may be broken at will.
pub(super) struct Rig<'a> {
    worktree: Worktree<'a>,
    /// The workspace in the worktree.
    root: PathBuf,
    /// Where cargo builds.
    target: PathBuf,
    /// Options of every call of icgate.
    options: Vec<String>,
}

/// What a call gave.
pub(super) struct Answer {
    pub(super) code: i32,
    /// The report, if it wrote one.
    pub(super) report: Value,
}

impl<'a> Rig<'a> {
    /// Checks the last commit out, and records its baselines in this measurement environment.
    pub(super) fn set_up(
        project: &Project,
        selection: &Selection,
        repository: &'a Repository,
    ) -> Result<Self, CliError> {
        let worktree = Worktree::check_out(repository, &repository.commit("HEAD")?)?;
        let inside = repository
            .relative(project.root())
            .ok_or_else(|| GitError::Outside {
                path: project.root().to_owned(),
            })?;
        let root = worktree.path().join(inside);
        let mut options = Vec::new();
        for (name, values) in [
            ("--package", &selection.package),
            ("--bench", &selection.bench),
            ("--features", &selection.features),
        ] {
            options.extend(values.iter().map(|value| format!("{name}={value}")));
        }
        let rig = Self {
            worktree,
            root,
            target: project.output().join("base"),
            options,
        };
        rig.succeed(
            &[
                "update",
                "--no-cache",
                "--base=HEAD",
                "--reason=recorded by the self-test",
            ],
            None,
        )?;
        rig.commit()?;
        Ok(rig)
    }

    /// A file of the workspace.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(super) fn read(&self, name: &str) -> Result<String, CliError> {
        Ok(store::read(&self.path(name))?)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), CliError> {
        store::write(&self.path(name), text)?;
        Ok(())
    }

    /// The first file of baselines, by name.
    pub(super) fn first_suite(&self) -> Result<PathBuf, CliError> {
        let failed = |what: String| SelftestError::Step { what };
        let pattern = self.root.join("baselines");
        let folders = std::fs::read_dir(&pattern).map_err(|error| failed(error.to_string()))?;
        let files = folders
            .filter_map(Result::ok)
            .filter_map(|folder| std::fs::read_dir(folder.path()).ok())
            .flatten()
            .filter_map(Result::ok)
            .map(|entry| entry.path());
        let first = files.filter(|path| store::is_suite(path)).min();
        Ok(first.ok_or_else(|| failed(format!("`{}` has no baselines", pattern.display())))?)
    }

    /// Where a call with `--output=<name>` puts its files.
    pub(super) fn output(&self, name: &str) -> PathBuf {
        self.target.join("selftest").join(name)
    }

    /// Runs icgate, and reads the report that it writes.
    pub(super) fn icgate(&self, arguments: &[&str], output: &str) -> Result<Answer, CliError> {
        let directory = self.output(output);
        let report = directory.join("report.json");
        let _ = std::fs::remove_file(&report);
        let (code, _) = self.run(arguments, Some(&directory))?;
        let report = match store::read_optional(&report)? {
            Some(text) => serde_json::from_str(&text).unwrap_or_default(),
            None => Value::Null,
        };
        Ok(Answer { code, report })
    }

    /// Measures everything again, into `output`.
    pub(super) fn measure(&self, output: &str) -> Result<Value, CliError> {
        let directory = self.output(output);
        self.succeed(&["measure", "--no-cache"], Some(&directory))?;
        self.measured(output)
    }

    /// What was measured into `output`.
    pub(super) fn measured(&self, output: &str) -> Result<Value, CliError> {
        let path = self.output(output).join("run.json");
        let text = store::read(&path)?;
        serde_json::from_str(&text).map_err(|error| {
            let what = format!("`{}` is not JSON: {error}", path.display());
            SelftestError::Step { what }.into()
        })
    }

    /// Runs icgate, which must succeed.
    fn succeed(&self, arguments: &[&str], directory: Option<&Path>) -> Result<(), CliError> {
        let (code, printed) = self.run(arguments, directory)?;
        if code == 0 {
            return Ok(());
        }
        let command = arguments.join(" ");
        let what = format!("`icgate {command}` ended with {code}: {}", printed.trim());
        Err(SelftestError::Step { what }.into())
    }

    fn run(&self, arguments: &[&str], directory: Option<&Path>) -> Result<(i32, String), CliError> {
        let failed = |error: std::io::Error| SelftestError::Step {
            what: format!("icgate cannot be started: {error}"),
        };
        let mut command = Command::new(crate::paths::own_path().map_err(failed)?);
        command.args(arguments).args(&self.options);
        if let Some(directory) = directory {
            command.arg("--output").arg(directory);
        }
        command.current_dir(&self.root);
        command.env("CARGO_TARGET_DIR", &self.target);
        // What CI says of itself is not said of this.
        for name in ["GITHUB_BASE_REF", "GITHUB_STEP_SUMMARY"] {
            command.env_remove(name);
        }
        let output = process::output(&mut command).map_err(failed)?;
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok((output.status.code().unwrap_or(-1), printed))
    }

    /// Commits what the worktree holds.
    pub(super) fn commit(&self) -> Result<(), CliError> {
        let name = [
            "-c",
            "user.name=icgate",
            "-c",
            "user.email=icgate@localhost",
        ];
        self.git(&["add", "--all"])?;
        let commit = [
            "commit",
            "--quiet",
            "--allow-empty",
            "--no-verify",
            "--message=selftest",
        ];
        let unsigned = ["-c", "commit.gpgsign=false"];
        self.git(&[&name[..], &unsigned[..], &commit[..]].concat())
    }

    /// Undoes what was done to the worktree since the commit.
    pub(super) fn restore(&self) -> Result<(), CliError> {
        self.git(&["checkout", "--quiet", "--", "."])
    }

    fn git(&self, arguments: &[&str]) -> Result<(), CliError> {
        let here = Repository::open(self.worktree.path());
        let here = here.ok_or_else(|| GitError::Outside {
            path: self.root.clone(),
        })?;
        Ok(here.tell(arguments)?)
    }
}
