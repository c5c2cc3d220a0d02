//! Files: reading what the gate judges by, writing what it found.
//!
//! Every write goes to a file beside its place and is renamed over it, so that a reader sees the
//! old content or the new and never a part. What is equal already is not written again.

use std::fs;
use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};

use camino::Utf8Path;
use icgate_core::model::baseline::{Baseline, Baselines};
use icgate_core::model::policy::Policy;
use icgate_core::model::run::Run;

use crate::error::{CliError, StoreError};
use crate::paths::parent;

/// The policy's file in the baselines' directory.
pub(crate) const POLICY_FILE: &str = "policy.toml";

/// A larger file is no source that somebody wrote.
const SOURCE_BYTES_MAX: u64 = 4 << 20;

/// Reads a file that may be missing.
pub(crate) fn read_optional(path: &Path) -> Result<Option<String>, StoreError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Reads a file that must be there.
pub(crate) fn read(path: &Path) -> Result<String, StoreError> {
    fs::read_to_string(path).map_err(|source| StoreError::Read {
        path: path.to_owned(),
        source,
    })
}

/// The text of a source file; `None` of what is none. A link could lead anywhere.
pub(crate) fn read_source(path: &Path) -> Option<String> {
    let about = path.symlink_metadata().ok()?;
    let is_source = about.is_file() && about.len() <= SOURCE_BYTES_MAX;
    is_source.then(|| fs::read_to_string(path).ok())?
}

/// The platforms that a baselines' directory has suites of, in order.
pub(crate) fn platforms(directory: &Path) -> Vec<String> {
    let folders = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
    let has_suite = |path: &Path| folders(path).any(|it| is_suite(&it.path()));
    let named = folders(directory).filter(|it| has_suite(&it.path()));
    let mut platforms: Vec<String> = named
        .filter_map(|it| it.file_name().into_string().ok())
        .collect();
    platforms.sort();
    platforms
}

/// Reads a run.
pub(crate) fn read_run(path: &Utf8Path) -> Result<Run, CliError> {
    if path.is_dir() || !path.exists() {
        let path = path.into();
        return Err(StoreError::NoRun { path }.into());
    }
    let file = fs::File::open(path).map(BufReader::new).ok();
    if let Some(run) = file.and_then(Run::from_lines) {
        return Ok(run);
    }
    Ok(Run::from_json(path.as_str(), &read(path.as_std_path())?)?)
}

/// Puts `text` at `path`, whole or not at all. Returns whether anything changed.
pub(crate) fn write(path: &Path, text: &str) -> Result<bool, StoreError> {
    if fs::read(path).is_ok_and(|old| old == text.as_bytes()) {
        return Ok(false);
    }
    replace(path, text, true)?;
    Ok(true)
}

/// Puts `text` at `path` for a reader that can tell a damaged file: it may be lost if the machine
/// loses its power.
pub(crate) fn write_unsynced(path: &Path, text: &str) -> Result<(), StoreError> {
    replace(path, text, false)
}

fn replace(path: &Path, text: &str, sync: bool) -> Result<(), StoreError> {
    let failed = |source| StoreError::Write {
        path: path.to_owned(),
        source,
    };
    let directory = parent(path);
    fs::create_dir_all(directory).map_err(failed)?;
    let mut file = tempfile::Builder::new()
        .prefix(".icgate-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(directory)
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    if sync {
        file.as_file().sync_all().map_err(failed)?;
    }
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Removes a file.
pub(crate) fn remove(path: &Path) -> Result<(), StoreError> {
    fs::remove_file(path).map_err(|source| StoreError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Makes sure that files can be written to `directory` (or to where it would be made), before work
/// is done whose result would be lost.
pub(crate) fn prepare(directory: &Path) -> Result<(), StoreError> {
    let existing = directory.ancestors().find(|path| path.exists());
    // The parent of a relative path of one part is the empty path.
    let existing = existing
        .filter(|path| *path != Path::new(""))
        .unwrap_or(Path::new("."));
    tempfile::tempfile_in(existing)
        .map(drop)
        .map_err(|source| StoreError::Write {
            path: directory.to_owned(),
            source,
        })
}

/// The policy of the tree; the built-in one if there is none.
pub(crate) fn read_policy(directory: &Path) -> Result<Policy, CliError> {
    let path = directory.join(POLICY_FILE);
    match read_optional(&path)? {
        Some(text) => Ok(Policy::from_toml(&display(&path), &text)?),
        None => Ok(Policy::default()),
    }
}

/// The baselines of the tree for a platform; none if the directory is missing.
pub(crate) fn read_baselines(directory: &Path, platform: &str) -> Result<Baselines, CliError> {
    let directory = directory.join(platform);
    let failed = |source| StoreError::Read {
        path: directory.clone(),
        source,
    };
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Baselines::default()),
        Err(source) => return Err(failed(source).into()),
    };
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if is_suite(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    let suites: Result<Vec<Baseline>, CliError> = paths
        .iter()
        .map(|path| parse_baseline(path, &read(path)?))
        .collect();
    Ok(Baselines::new(suites?))
}

/// What a directory holds, by name.
pub(crate) fn entries(directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let failed = |source| StoreError::Read {
        path: directory.to_owned(),
        source,
    };
    let entries = fs::read_dir(directory).map_err(failed)?;
    let paths = entries.map(|entry| entry.map(|it| it.path()).map_err(failed));
    let mut paths = paths.collect::<Result<Vec<PathBuf>, StoreError>>()?;
    paths.sort();
    Ok(paths)
}

/// A digest of all that the tree accepts: its policy, and the baselines that were read from it.
pub(crate) fn digest(directory: &Path, baselines: &Baselines) -> Result<String, StoreError> {
    let policy = read_optional(&directory.join(POLICY_FILE))?;
    let suites = baselines.suites().map(Baseline::to_json);
    let mut hasher = blake3::Hasher::new();
    // Each text after its length, so that no two lists of texts read alike.
    for text in std::iter::once(policy.unwrap_or_default()).chain(suites) {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// Whether a path is named like a suite's file.
pub(crate) fn is_suite(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "json")
}

/// A baseline file's content; the file must be named for its suite.
pub(crate) fn parse_baseline(path: &Path, text: &str) -> Result<Baseline, CliError> {
    let baseline = Baseline::from_json(&display(path), text)?;
    if path
        .file_stem()
        .is_none_or(|stem| stem != baseline.suite.as_str())
    {
        return Err(StoreError::Suite {
            path: path.to_owned(),
            suite: baseline.suite,
        }
        .into());
    }
    Ok(baseline)
}

/// The file of a suite.
pub(crate) fn suite_path(directory: &Path, platform: &str, suite: &str) -> PathBuf {
    directory.join(platform).join(format!("{suite}.json"))
}

/// A path as messages show it: relative to the working directory where that is shorter.
pub(crate) fn display(path: &Path) -> String {
    let relative = std::env::current_dir()
        .ok()
        .and_then(|here| path.strip_prefix(here).map(Path::to_path_buf).ok());
    relative.as_deref().unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_replaces_the_whole_file_or_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b.json");
        assert!(write(&path, "old").unwrap());
        assert!(!write(&path, "old").unwrap());
        assert!(write(&path, "new").unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        let names: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(names.len(), 1, "no spare file is left behind");
    }

    #[test]
    fn missing_is_not_an_error_where_it_may_be() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(read_optional(&directory.path().join("none")).unwrap(), None);
        assert!(read(&directory.path().join("none")).is_err());
        let none = read_baselines(directory.path(), "p").unwrap();
        assert_eq!(none.suites().count(), 0);
    }

    #[test]
    fn a_file_named_for_another_suite_is_refused() {
        let text = r#"{"format":2,"suite":"b","environment":{"target":"","rustc":"","valgrind":"",
            "libc":"","cpu":"","memory_functions":"","tunables":"","machine":"","caches":"","build":"",
            "harness":""},"benchmarks":[]}"#;
        let refused = parse_baseline(Path::new("x/a.json"), text).unwrap_err();
        assert!(refused.to_string().contains("holds suite `b`"), "{refused}");
        assert!(parse_baseline(Path::new("x/b.json"), text).is_ok());
    }
}
