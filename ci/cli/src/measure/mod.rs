//! Measuring: record what the harness would run, then run it in the measurement environment.
//!
//! ```text
//! build ─→ record ─→ plan ─→ execute ─→ run
//!   └ probe, at the same time: linkage first, then the fingerprint
//! ```
//!
//! The harness stays the authority over what is run and how; what happens here is when, where,
//! and how many at once. Counts do not depend on load, so as many run as there are processors.

pub(crate) mod base_run;
mod command;
mod execute;
mod heap_tools;
mod inline_stacks;
pub(crate) mod machine_reads;
mod moved_code;
mod open;
mod other_machine;
mod part;
mod progress;
mod recall;
mod record;
pub(crate) mod stored;
pub(crate) mod trial;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use globset::{Glob, GlobSet, GlobSetBuilder};
use icgate_core::model::baseline::{Accepted, Baselines};
use icgate_core::model::bench_id::BenchId;
use icgate_core::model::crates::Crate;
use icgate_core::model::note::Note;
use icgate_core::model::run::{Failed, Part, RUN_FORMAT, Run};
use icgate_core::model::shard::Shard;

use crate::cache::Cache;
use crate::cargo::{BenchExecutable, Project};
use crate::environment::{EnvironmentDirectory, StackOffset, Valgrind};
use crate::error::{CliError, MeasureError};
use crate::git::Repository;
use crate::io::output;
use crate::io::store;
pub(crate) use command::Disturbance;
use command::ExecOptions;
pub(crate) use execute::Failure;
use progress::Progress;
use record::Planned;

/// What was measured, and what could not be.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) run: Run,
    /// In id order.
    pub(crate) failures: Vec<Failure>,
    /// What the reader should know.
    pub(crate) warnings: Vec<Note>,
}

/// A project made ready: built, recorded, and with its measurement environment open.
pub(crate) struct Session<'a> {
    project: &'a Project,
    valgrind: Valgrind,
    stack: StackOffset,
    /// Whether what the machine tells a program is pinned.
    is_pinned: bool,
    directory: EnvironmentDirectory,
    environment: icgate_core::model::environment::Environment,
    plan: Vec<Planned>,
    /// Whether the plan has all benchmarks of the project.
    whole: bool,
    /// The shard that the plan was cut down to.
    part: Option<Part>,
    jobs: NonZeroUsize,
    /// Whether Valgrind's output is kept for a replay.
    keep: bool,
    executables: Vec<BenchExecutable>,
    /// What they were compiled from.
    crates: Vec<Crate>,
    /// The commit that was built, if the tree was one.
    commit: Option<String>,
    /// Where measurements are kept, unless nothing is to be.
    cache: Option<Cache>,
    warnings: Vec<Note>,
}

impl Session<'_> {
    /// The ids of the plan, in order.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &BenchId> {
        self.plan.iter().map(|planned| &planned.id)
    }

    /// Whether what the machine tells a program is pinned.
    pub(crate) const fn is_pinned(&self) -> bool {
        self.is_pinned
    }

    /// Cuts the plan down to one shard of it; `baselines` tell how to divide it.
    pub(crate) fn take_shard(
        &mut self,
        shard: Shard,
        baselines: &Baselines,
    ) -> Result<(), CliError> {
        let listed: Vec<BenchId> = self.ids().cloned().collect();
        let selected = part::select(&listed, baselines, shard);
        self.plan.retain(|planned| selected.contains(&planned.id));
        if self.plan.is_empty() {
            self.warnings.push(Note::new(
                "shard {} is empty: there are only {} benchmarks",
                &[&shard, &listed.len()],
            ));
        }
        self.part = Some(Part {
            shard,
            listed,
            whole: self.whole,
            accepted: store::digest(&self.project.baselines(), baselines)?,
            ci: part::ci_run()?,
        });
        Ok(())
    }

    /// Keeps Valgrind's output for [`replay`](Self::replay).
    pub(crate) const fn keep_output(&mut self) {
        self.keep = true;
    }

    /// The harness's own report of what was measured.
    pub(crate) fn replay(&self) -> Result<String, CliError> {
        record::replay(&self.executables, &self.directory)
    }

    /// Measures the whole plan, but for what the cache has; `baselines` tell which benchmarks are
    /// long.
    pub(crate) fn measure(&self, baselines: &Baselines) -> Result<Measured, CliError> {
        // A replay needs the files that only measuring leaves.
        let Some(cache) = self.cache.as_ref().filter(|_| !self.keep) else {
            return self.measure_disturbed(baselines, &|_| true, Disturbance::NONE);
        };
        let recalled = recall::recall(cache, &self.environment, &self.plan, &self.executables);
        let known = recalled.ids();
        if !known.is_empty() {
            let s = if known.len() == 1 { "" } else { "s" };
            output::complain(format_args!(
                "icgate: reused {} cached measurement{s}",
                known.len()
            ));
        }
        let select = |id: &BenchId| !known.contains(id);
        let mut measured = self.measure_disturbed(baselines, &select, Disturbance::NONE)?;
        let run = &mut measured.run;
        run.benchmarks.extend_from_slice(&recalled.measurements);
        run.benchmarks.sort_by(|a, b| a.id.cmp(&b.id));
        run.complete = self.completes(&measured.failures);
        // A file that git does not know of may have been built in: then it is not just the commit.
        let repository = Repository::open(self.project.root());
        let is_commit = repository.is_some_and(|it| !it.has_untracked());
        measured
            .warnings
            .extend(recalled.keep(cache, run, is_commit));
        measured.warnings.extend(recalled.warnings);
        Ok(measured)
    }

    /// Whether measuring the whole plan, with these failures, tells of every benchmark.
    fn completes(&self, failures: &[Failure]) -> bool {
        self.whole && failures.is_empty() && self.part.is_none()
    }

    /// What those benchmarks that `select` selects ask of the machine; each is run once more for it.
    pub(crate) fn machine_reads(
        &self,
        select: &dyn Fn(&BenchId) -> bool,
    ) -> Result<BTreeMap<BenchId, Vec<String>>, CliError> {
        let how = ExecOptions {
            jobs: self.jobs,
            disturbance: Disturbance::NONE,
            stack: self.stack,
            is_pinned: self.is_pinned,
            keep: false,
        };
        let within = (&self.valgrind, &self.directory);
        let mut reads = BTreeMap::new();
        for planned in self.plan.iter().filter(|it| select(&it.id)) {
            let package = &self.executables[planned.executable].target;
            let asked = machine_reads::of(planned, package.directory().as_std_path(), within, how)?;
            if !asked.is_empty() {
                reads.insert(planned.id.clone(), asked);
            }
        }
        // For `doctor`, which measures nothing. It is a hint: that it cannot be kept fails nothing.
        let traced = self
            .plan
            .iter()
            .filter(|it| select(&it.id))
            .map(|it| &it.id);
        let _ = machine_reads::keep(&self.project.output(), traced, &reads);
        Ok(reads)
    }

    /// Measures the part of the plan that `select` selects, in a disturbed measurement environment.
    pub(crate) fn measure_disturbed(
        &self,
        baselines: &Baselines,
        select: &dyn Fn(&BenchId) -> bool,
        disturbance: Disturbance,
    ) -> Result<Measured, CliError> {
        let mut commands: Vec<&Planned> = self
            .plan
            .iter()
            .filter(|planned| select(&planned.id))
            .collect();
        // Executable by executable, so that few are held in memory; the longest first, so that
        // none runs alone at the end.
        commands.sort_by_key(|planned| {
            let weight = baselines
                .accepted(&planned.id)
                .map_or(u64::MAX, Accepted::instructions);
            (planned.executable, std::cmp::Reverse(weight))
        });
        let mut warnings = self.warnings.clone();
        let moved = match disturbance.code {
            0 => Vec::new(),
            shift => {
                let links = self.project.links();
                let (executables, directory) = (&self.executables, &self.directory);
                moved_code::move_code(
                    &commands,
                    executables,
                    &links,
                    directory,
                    shift,
                    &mut warnings,
                )?
            }
        };
        if disturbance.code > 0 {
            commands = moved.iter().collect();
        }
        let progress = Progress::new(commands.len());
        let how = ExecOptions {
            jobs: self.jobs,
            disturbance,
            stack: self.stack,
            is_pinned: self.is_pinned,
            keep: self.keep,
        };
        let (mut benchmarks, mut failures) =
            execute::execute(&commands, &self.valgrind, &self.directory, how, &progress)?;
        progress.finish();
        benchmarks.sort_by(|a, b| a.id.cmp(&b.id));
        failures.sort_by(|a, b| a.id.cmp(&b.id));
        // Only if it was that commit from the build on: a tree may be changed meanwhile.
        let commit = clean_commit(self.project).filter(|it| Some(it) == self.commit.as_ref());
        let run = Run {
            format: RUN_FORMAT,
            crates: self.crates.clone(),
            commit,
            complete: commands.len() == self.plan.len() && self.completes(&failures),
            part: self.part.clone(),
            environment: disturbance.fingerprint(&self.environment),
            failed: failures
                .iter()
                .map(|failure| Failed {
                    id: failure.id.clone(),
                    why: failure.error.to_string(),
                })
                .collect(),
            benchmarks,
        };
        Ok(Measured {
            run,
            failures,
            warnings,
        })
    }
}

/// The commit that a project's tree is, if it is one.
pub(crate) fn clean_commit(project: &Project) -> Option<String> {
    Repository::open(project.root())?.clean_commit()
}

/// The patterns as one matcher; `None` selects everything.
pub(crate) fn patterns(texts: &[String]) -> Result<Option<GlobSet>, MeasureError> {
    if texts.is_empty() {
        return Ok(None);
    }
    let bad = |pattern: &str, source| MeasureError::Pattern {
        pattern: pattern.to_owned(),
        source,
    };
    let mut set = GlobSetBuilder::new();
    for text in texts {
        set.add(Glob::new(text).map_err(|source| bad(text, source))?);
    }
    Ok(Some(
        set.build()
            .map_err(|source| bad(&texts.join(" "), source))?,
    ))
}
