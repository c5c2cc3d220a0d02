//! A copy of a project for injections: its own commits, baselines and build. It is this repository,
//! or one that is not ours: a package's published sources with benchmarks beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::Failure;
use crate::case::Case;
use icgate_core::model::injection::Edit;
use icgate_core::model::proof::Proofs;

pub(crate) struct Checkout {
    root: PathBuf,
    target: PathBuf,
    /// What base measured; nothing that an injection did.
    cache: PathBuf,
}

impl Checkout {
    /// Brings the copy of `project` (this repository, if none is named) up to what there is now, with
    /// what its cases prepare. Files that are equal are not written, so that cargo builds only what
    /// changed.
    pub(crate) fn new(project: Option<&str>, cases: &[&Case]) -> Result<Self, Failure> {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("injected")
            .join(project.unwrap_or("engine"));
        let checkout = Self {
            root: place.join("checkout"),
            target: place.join("target"),
            cache: place.join("cache"),
        };
        let _ = fs::remove_dir_all(&checkout.cache);
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        let files = match project {
            None => repository(&own.join("../..").canonicalize()?)?,
            Some(package) => {
                let mut files = repository(&own.join("tests/injected").join(package))?;
                files.extend(published(package)?);
                files
            }
        };
        checkout.remove_others(&files)?;
        let prepared: Vec<&Edit> = cases.iter().flat_map(|case| &case.prepare).collect();
        for (file, from) in &files {
            let mut bytes = fs::read(from)?;
            for edit in prepared.iter().filter(|edit| edit.file == *file) {
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
    fn remove_others(&self, files: &BTreeMap<String, PathBuf>) -> Result<(), Failure> {
        let _ = fs::remove_dir_all(self.root.join("baselines"));
        if !self.root.join(".git").exists() {
            return Ok(());
        }
        let present = git(&self.root, &["ls-files", "-coz", "--exclude-standard"])?;
        for file in present
            .split('\0')
            .filter(|it| !it.is_empty() && !files.contains_key(*it))
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

    /// Runs `work` on a base that has these edits, of which its baselines know nothing.
    pub(crate) fn moved_unrecorded<T>(
        &self,
        edits: &[Edit],
        work: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if edits.is_empty() {
            return work();
        }
        self.with(edits, || {
            self.commit()?;
            let done = work();
            git(&self.root, &["reset", "--quiet", "--soft", "HEAD~1"])?;
            done
        })
    }

    /// What a file holds now.
    pub(crate) fn read(&self, file: &str) -> Result<String, Failure> {
        Ok(fs::read_to_string(self.root.join(file))?)
    }

    /// What the edited copy changes against base.
    pub(crate) fn diff(&self) -> Result<String, Failure> {
        git(&self.root, &["diff", "--unified=0", "HEAD"])
    }

    /// What can be proven of the run that was measured last.
    pub(crate) fn proofs(&self) -> Result<Proofs, Failure> {
        let arguments = ["prove", "--base", "HEAD", "--budget", "120"];
        let answer = self.icgate(&arguments.map(str::to_owned))?;
        let file = self.target.join("icgate/proof.json");
        let written = fs::read_to_string(file).map_err(|_| text(&answer.stderr))?;
        Ok(Proofs::from_json(&written)?)
    }

    pub(crate) fn icgate(&self, arguments: &[String]) -> Result<Output, Failure> {
        // A release build of the same sources reads profiles several times faster.
        let own = std::env::var_os("ICGATE");
        let mut command = Command::new(own.unwrap_or(env!("CARGO_BIN_EXE_icgate").into()));
        command.args(arguments).current_dir(&self.root);
        command.env("CARGO_TARGET_DIR", &self.target);
        for name in ["GITHUB_BASE_REF", "GITHUB_STEP_SUMMARY", "RUSTFLAGS"] {
            command.env_remove(name);
        }
        Ok(command.output()?)
    }
}

/// The files of a repository's folder that it keeps, by their paths in it.
fn repository(source: &Path) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let listed = git(source, &["ls-files", "-coz", "--exclude-standard"])?;
    let files = listed.split('\0').filter(|it| !it.is_empty());
    // Deleted and not yet committed, or a link that leads to a folder.
    let files = files.filter(|file| source.join(file).is_file());
    let files = files.filter(|file| !file.starts_with("baselines/x86"));
    Ok(files
        .map(|file| (file.to_owned(), source.join(file)))
        .collect())
}

/// The sources of a package as cargo has them of its registry, below a folder of its name.
fn published(package: &str) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let metadata = Command::new("cargo")
        .args(["metadata", "--format-version=1", "--offline"])
        .args(["--filter-platform", &platform])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout)
        .map_err(|_| format!("cargo metadata: {}", text(&metadata.stderr)))?;
    let mut packages = metadata["packages"].as_array().into_iter().flatten();
    let found = packages.find(|it| it["name"] == package);
    let manifest = found.and_then(|it| it["manifest_path"].as_str());
    let folder = Path::new(manifest.ok_or_else(|| format!("there is no package {package}"))?)
        .parent()
        .unwrap_or(Path::new(""));
    let files = ["Cargo.toml", "src/lib.rs"];
    Ok(files
        .map(|file| (format!("{package}/{file}"), folder.join(file)))
        .into())
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
