//! What a commit's tree holds: its policy, its baselines and any other file, without checking it out.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use icgate_core::model::baseline::Baselines;
use icgate_core::model::policy::Policy;

use super::{Base, Repository, short};
use crate::error::{CliError, GitError};
use crate::io::store::{self, POLICY_FILE};
use crate::process;

impl Repository {
    /// The files of a commit's folder by their paths, each ended by a null byte.
    fn names_below(&self, base: &Base, folder: &str, deep: bool) -> Result<String, GitError> {
        let mut arguments = vec!["ls-tree", "--name-only", "-z", "--full-tree"];
        arguments.extend(deep.then_some("-r"));
        arguments.extend([&base.commit, "--", folder]);
        self.ask(&arguments)
    }

    /// Policy of a commit, if it has one.
    pub(crate) fn policy(&self, base: &Base, directory: &Path) -> Result<Option<Policy>, CliError> {
        let Some(directory) = self.relative(directory) else {
            return Ok(None);
        };
        let path = format!("{directory}/{POLICY_FILE}");
        match self.show(base, &path)? {
            Some(text) => Ok(Some(Policy::from_toml(
                &format!("{}:{path}", short(base)),
                &text,
            )?)),
            None => Ok(None),
        }
    }

    /// Baselines of a commit. Files that are in the tree as well, to the letter, are not read a
    /// second time: what they hold is in `committed`.
    pub(crate) fn baselines(
        &self,
        base: &Base,
        directory: &Path,
        platform: &str,
        committed: &Baselines,
    ) -> Result<Baselines, CliError> {
        let Some(directory) = self.relative(directory) else {
            return Ok(Baselines::default());
        };
        let folder = format!("{directory}/{platform}/");
        let names = self.names_below(base, &folder, false)?;
        let paths: Vec<&str> = names
            .split('\0')
            .filter(|path| store::is_suite(Path::new(path)))
            .collect();
        let texts = self.blobs(base, &paths)?;
        let mut suites = Vec::new();
        for (path, text) in paths.into_iter().zip(blobs(&texts)?) {
            let suite = Path::new(path).file_stem().and_then(|stem| stem.to_str());
            let in_tree = std::fs::read(self.root.join(path));
            let known = suite
                .filter(|_| in_tree.is_ok_and(|it| it == text.as_bytes()))
                .and_then(|suite| committed.share(suite));
            suites.push(if let Some(known) = known {
                known
            } else {
                let name = PathBuf::from(format!("{}:{path}", short(base)));
                Arc::new(store::parse_baseline(&name, text)?)
            });
        }
        Ok(Baselines::shared(suites))
    }

    /// The platforms that a commit has baselines for, in order.
    pub(crate) fn platforms(&self, base: &Base, directory: &Path) -> Result<Vec<String>, GitError> {
        let Some(directory) = self.relative(directory) else {
            return Ok(Vec::new());
        };
        let folder = format!("{directory}/");
        let names = self.names_below(base, &folder, true)?;
        let suites = names
            .split('\0')
            .filter(|it| store::is_suite(Path::new(it)));
        let inside = suites.filter_map(|path| path.strip_prefix(&folder)?.split_once('/'));
        let platforms = inside.filter(|(_, suite)| !suite.contains('/'));
        let mut platforms: Vec<String> = platforms.map(|(name, _)| name.to_owned()).collect();
        platforms.dedup();
        Ok(platforms)
    }

    /// The files of a commit's folder, by name, with git's names of their contents.
    #[cfg(feature = "github")]
    pub(crate) fn blob_names(
        &self,
        base: &Base,
        folder: &str,
    ) -> Result<std::collections::BTreeMap<String, String>, GitError> {
        let listed = self.ask(&[
            "ls-tree",
            "-z",
            "--full-tree",
            &base.commit,
            "--",
            &format!("{folder}/"),
        ])?;
        // `<mode> blob <hash>\t<path>`, each ended by a null byte.
        let entries = listed.split('\0').filter_map(|entry| {
            let (about, path) = entry.split_once('\t')?;
            let hash = about
                .split(' ')
                .nth(2)
                .filter(|_| about.contains(" blob "))?;
            let (_, name) = path.rsplit_once('/')?;
            Some((name.to_owned(), hash.to_owned()))
        });
        Ok(entries.collect())
    }

    /// Files of a commit, all by one process, as `git cat-file --batch` writes them.
    fn blobs(&self, base: &Base, paths: &[&str]) -> Result<String, GitError> {
        let start = |source| GitError::Start { source };
        let objects = paths.iter().map(|path| format!("{}:{path}", base.commit));
        let objects = objects.collect::<Vec<_>>().join("\n");
        // From a file: git answers before it has read everything, and a pipe would fill up.
        let list = temporary(&objects)?;
        let mut command = self.command(&["cat-file", "--batch"]);
        command.stdin(list);
        let mut answer = String::new();
        let (read, status) =
            process::read_stdout(&mut command, |mut it| it.read_to_string(&mut answer))
                .map_err(start)?;
        let failed = |what: String| GitError::Failed { what };
        read.map_err(|error| failed(error.to_string()))?;
        if !status.success() || blobs(&answer)?.len() != paths.len() {
            return Err(failed(format!("cat-file ended with {status}")));
        }
        Ok(answer)
    }

    /// A file of a commit, if it has one.
    pub(crate) fn show(&self, base: &Base, path: &str) -> Result<Option<String>, GitError> {
        // Asked by listing: that a file is not there must not be mistaken for a failure, nor a
        // failure for that.
        let listed = self.ask(&[
            "ls-tree",
            "--name-only",
            "--full-tree",
            &base.commit,
            "--",
            path,
        ])?;
        if listed.is_empty() {
            return Ok(None);
        }
        let object = format!("{}:{path}", base.commit);
        self.ask(&["cat-file", "blob", &object]).map(Some)
    }
}

/// The contents that `git cat-file --batch` wrote: a line `<hash> blob <length>`, the content and a
/// line break, for each.
fn blobs(mut answer: &str) -> Result<Vec<&str>, GitError> {
    let mut contents = Vec::new();
    while !answer.is_empty() {
        let blob = answer.split_once('\n').and_then(|(header, rest)| {
            let (object, length) = header.rsplit_once(' ')?;
            let length = length.parse().ok().filter(|_| object.ends_with(" blob"))?;
            let (content, rest) = rest.split_at_checked(length)?;
            Some((content, rest.strip_prefix('\n')?))
        });
        let Some((content, rest)) = blob else {
            let what = answer.lines().next().unwrap_or_default().to_owned();
            return Err(GitError::Failed { what });
        };
        contents.push(content);
        answer = rest;
    }
    Ok(contents)
}

/// A file for git to read `text` from, gone once it is closed.
pub(super) fn temporary(text: &str) -> Result<File, GitError> {
    let written = tempfile::tempfile().and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.rewind()?;
        Ok(file)
    });
    written.map_err(|source| GitError::Temporary {
        directory: std::env::temp_dir(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_of_one_process_are_told_apart() {
        assert_eq!(blobs("").unwrap(), [""; 0]);
        let answer = "1a2b blob 3\na\nb\n3c4d blob 0\n\n5e6f blob 2\n\n\n\n";
        assert_eq!(blobs(answer).unwrap(), ["a\nb", "", "\n\n"]);
        for bad in [
            "1a2b:a b.json missing\n",
            "1a2b tree 0\n\n",
            "1a2b blob 3\na",
            "1a2b blob 1\nab\n",
            "1a2b blob 1\né\n",
            "1a2b blob -1\n",
            "1a2b blob 9",
        ] {
            let refused = blobs(bad).unwrap_err().to_string();
            assert!(refused.contains(bad.lines().next().unwrap()), "{refused}");
        }
    }
}
