//! What the working tree changes against base: lines, whole files, and the functions around them.

use icgate_core::attribute::diff::ChangedLines;
use icgate_core::attribute::settings::{Setting, between, is_settings};
use std::collections::BTreeSet;

use super::{Base, Repository, top};
use crate::cargo::Project;
use crate::error::GitError;
use crate::io::store;

impl Repository {
    /// What the working tree changes against base. Sources are named as seen from the workspace.
    /// Files that git does not know yet are as new as those that it does.
    pub(crate) fn changed_lines(base: &Base, project: &Project) -> Result<ChangedLines, GitError> {
        let workspace = project.root();
        let here = Self {
            root: workspace.to_owned(),
        };
        let diff = here.ask(&[
            "-c",
            "core.quotePath=false",
            "diff",
            "--unified=0",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
            "--find-renames",
            "--src-prefix=a/",
            "--dst-prefix=b/",
            "--relative",
            &base.commit,
            "--",
            "*.rs",
            "*Cargo.toml",
            "*Cargo.lock",
            "*rust-toolchain*",
            "*.cargo/*",
        ])?;
        let mut changed = ChangedLines::from_unified_diff(&diff);
        for file in here.untracked(&["*.rs"])? {
            if let Some(text) = store::read_source(&workspace.join(&file)) {
                changed.add_file(&file, &text);
            }
        }
        let files: Vec<String> = changed.files().map(str::to_owned).collect();
        for file in files {
            if let Some(text) = store::read_source(&workspace.join(&file)) {
                changed.read_source(&file, &text);
            }
        }
        if let Some(top) = top(workspace) {
            let paths = Self { root: top.clone() }.changed_paths(base)?;
            changed.set_settings(here.changed_settings(base, &paths)?);
            changed.set_paths(paths, project.build_inputs(&top));
        }
        Ok(changed)
    }

    /// What the workspace's manifests, lock file and configuration say otherwise than in base. `paths`
    /// are all that changed, as seen from the repository.
    fn changed_settings(
        &self,
        base: &Base,
        paths: &BTreeSet<String>,
    ) -> Result<Vec<Setting>, GitError> {
        let prefix = self.prefix(&self.root);
        let mut found = Vec::new();
        for path in paths.iter().filter(|path| is_settings(path)) {
            let Some(file) = path.strip_prefix(prefix.as_str()) else {
                continue;
            };
            let before = self.show(base, path)?.unwrap_or_default();
            let now = store::read_source(&self.root.join(file)).unwrap_or_default();
            found.extend(between(file, &before, &now));
        }
        Ok(found)
    }

    /// All files that differ from base, by their paths in the repository.
    fn changed_paths(&self, base: &Base) -> Result<BTreeSet<String>, GitError> {
        let tracked = self.ask(&[
            "diff",
            "--name-only",
            "--no-renames",
            "--no-ext-diff",
            "-z",
            &base.commit,
            "--",
        ])?;
        let mut paths: BTreeSet<String> = names(&tracked).collect();
        paths.extend(self.untracked(&[])?);
        Ok(paths)
    }

    /// The files that git does not know and is not told to ignore, as seen from here.
    pub(crate) fn untracked(&self, patterns: &[&str]) -> Result<Vec<String>, GitError> {
        let list = ["ls-files", "--others", "--exclude-standard", "-z", "--"];
        let answer = self.ask(&[&list, patterns].concat())?;
        Ok(names(&answer).collect())
    }
}

fn names(answer: &str) -> impl Iterator<Item = String> {
    let names = answer.split('\0').filter(|name| !name.is_empty());
    names.map(str::to_owned)
}
