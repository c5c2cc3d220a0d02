//! The cache: what was measured already is not measured again.
//!
//! A benchmark's counts depend on its executable, how it is called, the files it finds and the
//! measurement environment. A digest of all of these is its key, so that a hit means the same measurement, and a
//! change of any of them a miss. Executables do not tell one checkout from another, so two checkouts
//! of one commit share their measurements.
//!
//! ```text
//! <cache>/measurements/<key>        digest of the rest, then a measurement as in run.json
//! <cache>/runs/<commit>.<measurement environment>   the same for a whole run of a commit
//! ```
//!
//! An entry that does not have the digest it claims is passed over with a word, and measured again.
//! Nothing here is needed: the directory can be deleted, or handed from one machine to another.

mod key;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use icgate_core::model::environment::Environment;
use icgate_core::model::run::{Measurement, Run};

use crate::error::StoreError;
use crate::io::store;

pub(crate) use key::{Call, Key, Keys};

/// Of all entries together, this much is kept.
const BYTES_MAX: u64 = 256 << 20;
/// Characters of a measurement environment's digest in a file's name.
const ENVIRONMENT_CHARS: usize = 16;

/// Stored measurements and runs.
#[derive(Debug)]
pub(crate) struct Cache {
    directory: PathBuf,
}

/// What was found under a key.
#[derive(Debug)]
pub(crate) enum Found<T> {
    Nothing,
    Value(T),
    /// Something was there that is not what was stored.
    Damaged(PathBuf),
}

impl Cache {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// The measurement under `key`.
    pub(crate) fn measurement(&self, key: &Key) -> Found<Measurement> {
        read(&self.measurement_path(key), |text| {
            serde_json::from_str(text).ok()
        })
    }

    /// Stores a measurement.
    pub(crate) fn keep_measurement(
        &self,
        key: &Key,
        measured: &Measurement,
    ) -> Result<(), StoreError> {
        let text = serde_json::to_string(measured).expect("texts and numbers always serialise");
        write(&self.measurement_path(key), &text)
    }

    /// The run of all benchmarks of `commit` in `environment`.
    pub(crate) fn run(&self, commit: &str, environment: &Environment) -> Found<Run> {
        let path = self.run_path(commit, environment);
        read(&path, |text| {
            let run = Run::from_json(&store::display(&path), text).ok()?;
            let asked = run.complete && run.commit.as_deref() == Some(commit);
            (asked && run.environment == *environment).then_some(run)
        })
    }

    /// Stores a run, if it is a whole one of a commit.
    pub(crate) fn keep_run(&self, run: &Run) -> Result<(), StoreError> {
        match &run.commit {
            Some(commit) if run.complete => {
                write(&self.run_path(commit, &run.environment), &run.to_json())
            }
            _ => Ok(()),
        }
    }

    /// Removes what was not used for longest until the rest is no larger than half of
    /// [`BYTES_MAX`], if it is larger than that. What cannot be removed stays.
    pub(crate) fn prune(&self) {
        self.prune_to(BYTES_MAX);
    }

    fn prune_to(&self, bytes_max: u64) {
        let mut entries: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for folder in ["measurements", "runs"] {
            let Ok(listed) = fs::read_dir(self.directory.join(folder)) else {
                continue;
            };
            for entry in listed.filter_map(Result::ok) {
                if let Ok(data) = entry.metadata()
                    && let Ok(used) = data.modified()
                {
                    entries.push((used, data.len(), entry.path()));
                }
            }
        }
        let mut sum: u64 = entries.iter().map(|(_, bytes, _)| bytes).sum();
        if sum <= bytes_max {
            return;
        }
        entries.sort();
        for (_, bytes, path) in entries {
            if sum <= bytes_max / 2 {
                break;
            }
            if fs::remove_file(path).is_ok() {
                sum -= bytes;
            }
        }
    }

    fn measurement_path(&self, key: &Key) -> PathBuf {
        self.directory.join("measurements").join(key)
    }

    fn run_path(&self, commit: &str, environment: &Environment) -> PathBuf {
        let environment = key::environment_digest(environment);
        let name = format!("{commit}.{}", &environment[..ENVIRONMENT_CHARS]);
        self.directory.join("runs").join(name)
    }
}

fn read<T>(path: &Path, parse: impl FnOnce(&str) -> Option<T>) -> Found<T> {
    // Why it cannot be read, if it is there, is said when it cannot be written either.
    let Ok(text) = fs::read(path) else {
        return Found::Nothing;
    };
    let value = String::from_utf8(text).ok().and_then(|text| {
        let (digest, rest) = text.split_once('\n')?;
        let as_written = blake3::hash(rest.as_bytes()).to_hex().as_str() == digest;
        as_written.then(|| parse(rest)).flatten()
    });
    match value {
        Some(value) => {
            // Used now: it is among the last to be pruned. If that fails, it is among the first.
            let now = fs::FileTimes::new().set_modified(SystemTime::now());
            let file = fs::File::options().append(true).open(path);
            let _ = file.and_then(|file| file.set_times(now));
            Found::Value(value)
        }
        None => Found::Damaged(path.to_owned()),
    }
}

fn write(path: &Path, text: &str) -> Result<(), StoreError> {
    let digest = blake3::hash(text.as_bytes()).to_hex();
    store::write_unsynced(path, &format!("{digest}\n{text}"))
}

#[cfg(test)]
mod tests;
