//! A copy of this repository for injections: its own commits, baselines and build.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::Failure;
use crate::case::Case;
use icgate_core::model::injection::Edit;

pub(crate) struct Checkout {
    root: PathBuf,
    target: PathBuf,
    /// What base measured; nothing that an injection did.
    cache: PathBuf,
}

impl Checkout {
    /// Brings the copy up to what the repository holds now, with what the cases prepare. Files that
    /// are equal are not written, so that cargo builds only what changed.
    pub(crate) fn new(cases: &[Case]) -> Result<Self, Failure> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .canonicalize()?;
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("injected");
        let checkout = Self {
            root: place.join("checkout"),
            target: place.join("target"),
            cache: place.join("cache"),
        };
        let _ = fs::remove_dir_all(&checkout.cache);
        let listed = git(&source, &["ls-files", "-coz", "--exclude-standard"])?;
        let files: BTreeSet<&str> = listed.split('\0').filter(|it| !it.is_empty()).collect();
        checkout.remove_others(&files)?;
        let prepared: Vec<&Edit> = cases.iter().flat_map(|case| &case.prepare).collect();
        for file in files {
            let from = source.join(file);
            // Deleted and not yet committed, or a link that leads to a folder.
            if !from.is_file() || file.starts_with("baselines/x86") {
                continue;
            }
            let mut bytes = fs::read(&from)?;
            for edit in prepared.iter().filter(|edit| edit.file == file) {
                bytes = edit.apply(&String::from_utf8(bytes)?, 0)?.text.into_bytes();
            }
            write(&checkout.root.join(file), &bytes)?;
        }
        if !checkout.root.join(".git").exists() {
            git(&checkout.root, &["init", "--quiet"])?;
        }
        Ok(checkout)
    }

    /// Removes what an earlier run or an older state of the repository has left.
    fn remove_others(&self, files: &BTreeSet<&str>) -> Result<(), Failure> {
        let _ = fs::remove_dir_all(self.root.join("baselines"));
        if !self.root.join(".git").exists() {
            return Ok(());
        }
        let present = git(&self.root, &["ls-files", "-coz", "--exclude-standard"])?;
        for file in present
            .split('\0')
            .filter(|it| !it.is_empty() && !files.contains(it))
        {
            let _ = fs::remove_file(self.root.join(file));
        }
        Ok(())
    }

    /// Records the baselines of the benchmarks that the cases look at, and commits everything.
    pub(crate) fn record(&self, cases: &[&Case]) -> Result<(), Failure> {
        // Without baselines first: none of an earlier state may be what the new ones are judged by.
        self.commit()?;
        let mut arguments = vec!["update".to_owned()];
        arguments.extend(self.cache());
        let all: BTreeSet<_> = cases.iter().flat_map(|case| case.selection()).collect();
        arguments.extend(all);
        let answer = self.icgate(&arguments)?;
        if !answer.status.success() {
            return Err(format!("base cannot be measured: {}", text(&answer.stderr)).into());
        }
        self.commit()
    }

    /// The options that let icgate look for what base measured.
    pub(crate) fn cache(&self) -> [String; 2] {
        ["--cache".to_owned(), self.cache.display().to_string()]
    }

    fn commit(&self) -> Result<(), Failure> {
        git(&self.root, &["add", "--all"])?;
        let identity = [
            "-c",
            "user.name=injected",
            "-c",
            "user.email=injected@localhost",
        ];
        let commit = ["commit", "--quiet", "--allow-empty", "--message", "base"];
        git(&self.root, &[&identity[..], &commit].concat())?;
        Ok(())
    }

    /// Runs `work` with the edits in the copy, and takes them out again.
    pub(crate) fn with<T>(
        &self,
        edits: &[Edit],
        work: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let files: BTreeSet<&str> = edits.iter().map(|edit| edit.file.as_str()).collect();
        let mut before = Vec::new();
        for file in files {
            before.push((file, fs::read(self.root.join(file))?));
        }
        for edit in edits {
            let path = self.root.join(&edit.file);
            let edited = edit.apply(&fs::read_to_string(&path)?, 0)?;
            fs::write(path, edited.text)?;
        }
        let done = work();
        for (file, bytes) in before {
            fs::write(self.root.join(file), bytes)?;
        }
        done
    }

    /// What the edited copy changes against base.
    pub(crate) fn diff(&self) -> Result<String, Failure> {
        git(&self.root, &["diff", "--unified=0", "HEAD"])
    }

    pub(crate) fn icgate(&self, arguments: &[String]) -> Result<Output, Failure> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_icgate"));
        command.args(arguments).current_dir(&self.root);
        command.env("CARGO_TARGET_DIR", &self.target);
        for name in ["GITHUB_BASE_REF", "GITHUB_STEP_SUMMARY", "RUSTFLAGS"] {
            command.env_remove(name);
        }
        Ok(command.output()?)
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    Ok(fs::write(path, bytes)?)
}

fn git(directory: &Path, arguments: &[&str]) -> Result<String, Failure> {
    let mut command = Command::new("git");
    command.arg("-C").arg(directory).args(arguments);
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(name);
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("git {}: {}", arguments.join(" "), text(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
