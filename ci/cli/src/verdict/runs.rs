//! The numbers of a run, as artifacts brought them: in each folder `run.json`, and beside it
//! `base.json` where base's own code was measured in that measurement environment. Whatever else lies there is not
//! looked at, no link is followed, and no byte is believed before it was looked at (see the core's
//! `publish::artifact`).

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use camino::Utf8PathBuf;
use icgate_core::compare::base_run::base_run;
use icgate_core::compare::merge::{MergeError, merge};
use icgate_core::model::note::Note;
#[cfg(feature = "github")]
use icgate_core::model::proof::Proofs;
use icgate_core::model::run::{CiRun, Run};
use icgate_core::publish::artifact::{self, BYTES_MAX};

use crate::error::{CliError, StoreError, fix};
#[cfg(feature = "github")]
use crate::io::output::PROOF_FILE;
use crate::io::output::{BASE_FILE, RUN_FILE};
use crate::io::store;

/// The most files of one run.
const FILES_MAX: usize = 1_000;
/// The most bytes of all files of a run.
const TOTAL_BYTES_MAX: u64 = 8 * BYTES_MAX;

/// Why there is nothing to judge, and what to do.
#[derive(Debug)]
pub(crate) struct Unjudged {
    pub(crate) why: String,
    pub(crate) fix: String,
}

/// A run, and what came with it.
#[derive(Debug)]
pub(crate) struct LoadedRun {
    pub(crate) run: Run,
    pub(crate) base: BroughtBase,
    /// What the reader should know.
    pub(crate) warnings: Vec<Note>,
}

/// Base's own run, if one lay beside the numbers; or why what lay there makes none.
pub(crate) type BroughtBase = Result<Option<Run>, MergeError>;

/// The run that its shards make (of this run of CI, if one is given), or why they do not.
pub(crate) fn read_runs(given: &[Utf8PathBuf], ci: Option<CiRun>) -> Result<LoadedRun, Unjudged> {
    let unjudged = |why: String, fix: &str| Unjudged {
        why,
        fix: fix.to_owned(),
    };
    let again = "see why the measuring jobs left no numbers, and run them again";
    let stored = |error: &StoreError| unjudged(error.to_string(), again);
    let mut left = TOTAL_BYTES_MAX;
    let mut read = |name: &str, path: &Path| -> Result<Run, Unjudged> {
        let bytes = read_file(path, left).map_err(|error| stored(&error))?;
        left = left.saturating_sub(bytes.len() as u64);
        let run =
            artifact::read(name, &bytes).map_err(|error| unjudged(error.to_string(), again))?;
        // A shard of CI says which run it is of; one that says nothing could be of any.
        if let (Some(ci), Some(part)) = (ci, &run.part)
            && part.ci.is_none_or(|of| of.run != ci.run)
        {
            return Err(unjudged(format!("`{name}` is of another run of CI"), again));
        }
        Ok(run)
    };
    let (mut runs, mut bases) = (Vec::new(), Vec::new());
    for (name, path) in files(given).map_err(|error| stored(&error))? {
        runs.push((name.clone(), read(&name, &path)?));
        let beside = path.with_file_name(BASE_FILE);
        if is_plain(&beside, std::fs::FileType::is_file) {
            let name = format!("{name} ({BASE_FILE})");
            let run = read(&name, &beside)?;
            bases.push((name, run));
        }
    }
    let base = base_run(bases);
    match runs.as_slice() {
        [(_, whole)] if whole.part.is_none() => Ok(LoadedRun {
            run: runs.remove(0).1,
            base,
            warnings: Vec::new(),
        }),
        _ => {
            let merged = merge(runs)
                .map_err(|error| unjudged(error.to_string(), &fix(&error).unwrap_or_default()))?;
            Ok(LoadedRun {
                run: merged.run,
                base,
                warnings: merged.warnings,
            })
        }
    }
}

/// What lies in a folder as the proof of a run; nothing if there is none. Whoever wrote it may be anybody:
/// it is a plain file, capped before it is read.
#[cfg(feature = "github")]
pub(crate) fn read_proofs(directory: &Path) -> Result<Option<Proofs>, String> {
    let is_file = |path: &PathBuf| is_plain(path, std::fs::FileType::is_file);
    // An artifact's own folder may be around it.
    let folders = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let folders = folders.map(|it| it.path());
    let folders = folders.filter(|it| is_plain(it, std::fs::FileType::is_dir));
    let mut paths: Vec<PathBuf> = folders
        .take(FILES_MAX)
        .map(|it| it.join(PROOF_FILE))
        .collect();
    paths.sort();
    let own = directory.join(PROOF_FILE);
    let Some(path) = [own].into_iter().chain(paths).find(is_file) else {
        return Ok(None);
    };
    let bytes = read_file(&path, BYTES_MAX).map_err(|_| "it cannot be read".to_owned())?;
    artifact::read_proofs(&bytes).map(Some)
}

/// Base's own run beside runs of one's own.
pub(crate) fn stored_base_run(runs: &[Utf8PathBuf]) -> Result<BroughtBase, CliError> {
    let beside = runs.iter().map(|run| run.with_file_name(BASE_FILE));
    let there = beside.filter(|path| path.is_file());
    let read = |path: Utf8PathBuf| Ok((path.to_string(), store::read_run(&path)?));
    let bases: Result<Vec<(String, Run)>, CliError> = there.map(read).collect();
    Ok(base_run(bases?))
}

/// The runs' files with the names that messages call them: a file that is given itself, else the
/// one fixed name in a folder or in its folders. Links are never followed.
fn files(given: &[Utf8PathBuf]) -> Result<Vec<(String, PathBuf)>, StoreError> {
    let mut found = Vec::new();
    for path in given {
        let path = path.as_std_path();
        let own = path.join(RUN_FILE);
        if is_plain(path, std::fs::FileType::is_file) {
            found.push((display_name(path), path.to_owned()));
        } else if is_plain(&own, std::fs::FileType::is_file) {
            found.push((display_name(path), own));
        } else if is_plain(path, std::fs::FileType::is_dir) {
            let failed = |source| StoreError::Read {
                path: path.to_owned(),
                source,
            };
            for entry in std::fs::read_dir(path).map_err(failed)? {
                let folder = entry.map_err(failed)?.path();
                let file = folder.join(RUN_FILE);
                let plain = is_plain(&folder, std::fs::FileType::is_dir);
                if plain && is_plain(&file, std::fs::FileType::is_file) {
                    found.push((display_name(&folder), file));
                }
            }
        }
    }
    found.sort();
    found.truncate(FILES_MAX + 1);
    Ok(found)
}

/// The last part of a path: the artifact's name. The rest of it is the machine's.
fn display_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    let name: String = name.to_string_lossy().chars().take(100).collect();
    name.escape_debug().to_string()
}

fn is_plain(path: &Path, is: impl Fn(&std::fs::FileType) -> bool) -> bool {
    path.symlink_metadata().is_ok_and(|it| is(&it.file_type()))
}

/// A file's content, but not much more than a run may have.
fn read_file(path: &Path, left: u64) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| {
            file.take((BYTES_MAX + 1).min(left + 1))
                .read_to_end(&mut bytes)
        })
        .and_then(|_| {
            let fits = bytes.len() as u64 <= left;
            fits.then_some(())
                .ok_or_else(|| std::io::Error::other("all runs together are too large"))
        })
        .map_err(|source| StoreError::Read {
            path: path.to_owned(),
            source,
        })?;
    Ok(bytes)
}
