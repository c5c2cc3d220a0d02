//! Recalling: what of a plan is in the cache, and keeping there what is not.

use std::collections::{BTreeMap, BTreeSet};

use icgate_core::model::bench_id::BenchId;
use icgate_core::model::environment::Environment;
use icgate_core::model::note::Note;
use icgate_core::model::run::{Measurement, Run};

use super::execute::is_fixed;
use super::record::Planned;
use crate::cache::{Cache, Call, Found, Key, Keys};
use crate::cargo::BenchExecutable;

/// What the cache has of a plan.
#[derive(Debug, Default)]
pub(super) struct Recalled {
    pub(super) measurements: Vec<Measurement>,
    /// Where the others go once they are measured.
    keys: BTreeMap<BenchId, Key>,
    pub(super) warnings: Vec<Note>,
}

/// Looks up every benchmark of `plan`.
pub(super) fn recall(
    cache: &Cache,
    environment: &Environment,
    plan: &[Planned],
    executables: &[BenchExecutable],
) -> Recalled {
    let mut recalled = Recalled::default();
    let mut keys = match Keys::new(environment) {
        Ok(keys) => keys,
        Err(error) => {
            let warning = Note::new("nothing is taken from the cache: {}", &[&error]);
            recalled.warnings.push(warning);
            return recalled;
        }
    };
    for planned in plan {
        let Some(key) = key(&mut keys, planned, executables) else {
            continue;
        };
        match cache.measurement(&key) {
            Found::Value(measurement) if measurement.id == planned.id => {
                recalled.measurements.push(measurement);
                continue;
            }
            Found::Value(_) | Found::Nothing => {}
            Found::Damaged(path) => recalled.warnings.push(Note::new(
                "{} is not what was stored there, so {} is measured again",
                &[&path.display(), &planned.id],
            )),
        }
        recalled.keys.insert(planned.id.clone(), key);
    }
    recalled
}

fn key(keys: &mut Keys, planned: &Planned, executables: &[BenchExecutable]) -> Option<Key> {
    // Where the output goes differs from run to run, and decides nothing.
    let tools = planned.heap_tools.iter().flatten();
    let options = planned.options.iter().chain(tools);
    let options = options.filter(|option| !is_fixed(option));
    let options: Vec<String> = options.cloned().collect();
    let executable = &executables[planned.executable];
    let mut directories = vec![executable.target.directory().as_std_path()];
    directories.extend(executable.libraries.as_deref());
    keys.key(Call {
        executable: &planned.built,
        options: &options,
        arguments: &planned.arguments,
        env_vars: &planned.env_vars,
        directories: &directories,
    })
}

impl Recalled {
    /// The benchmarks that need not be measured.
    pub(super) fn ids(&self) -> BTreeSet<BenchId> {
        self.measurements.iter().map(|it| it.id.clone()).collect()
    }

    /// Keeps what was measured now, and the run if it `is_commit`'s. What cannot be kept is measured
    /// again next time.
    pub(super) fn keep(&self, cache: &Cache, run: &Run, is_commit: bool) -> Vec<Note> {
        let measured = run.benchmarks.iter();
        let mut kept = measured.filter_map(|it| Some((self.keys.get(&it.id)?, it)));
        let stored = kept
            .try_for_each(|(key, measurement)| cache.keep_measurement(key, measurement))
            .and_then(|()| {
                if is_commit {
                    cache.keep_run(run)
                } else {
                    Ok(())
                }
            });
        cache.prune();
        let failed = |error| Note::new("measurements are not kept: {}", &[&error]);
        stored.err().as_ref().map(failed).into_iter().collect()
    }
}
