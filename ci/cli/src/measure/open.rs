//! Opening a session: build or fetch the executables, probe, and find out what the harness would run.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::num::NonZeroUsize;
use std::path::Path;

use globset::GlobSet;
use icgate_core::model::crates::Crate;
use icgate_core::model::note::Note;

use super::record::{self, Plan, Planned};
use super::stored::StoredExecutables;
use super::{Session, clean_commit, patterns};
use crate::args::Measuring;
use crate::cache::Cache;
use crate::cargo::rustc_wrapper;
use crate::cargo::{BenchExecutable, Project};
use crate::environment::{
    EnvironmentDirectory, Linkage, Probe, Sandbox, Toolchain, Valgrind, build_pins, build_probe,
    disable_address_randomisation, fingerprint, run_probe,
};
use crate::error::{CliError, MeasureError};
use crate::harness;
use crate::io::store;

/// What recording starts from.
struct Prepared {
    valgrind: Valgrind,
    directory: EnvironmentDirectory,
    probed: Probe,
    executables: Vec<BenchExecutable>,
    crates: Vec<Crate>,
    /// What the build was told.
    build: String,
    /// Whether these are all benches of the project.
    whole: bool,
    commit: Option<String>,
    warnings: Vec<Note>,
}

/// Prepares a measurement environment's directory for the benches of `project`. Returns what cannot be fixed here.
fn prepare(project: &Project, directory: &EnvironmentDirectory) -> Result<Vec<Note>, CliError> {
    let mut warnings = Vec::new();
    if !disable_address_randomisation() {
        warnings.push("address space randomisation cannot be switched off here".into());
    }
    rustc_wrapper::link(directory.path(), project.root()).map_err(|source| MeasureError::File {
        path: directory.path().to_owned(),
        source,
    })?;
    Ok(warnings)
}

impl<'a> Session<'a> {
    /// Builds the project's benches and finds out what its harness would run.
    pub(crate) fn open(
        project: &'a Project,
        toolchain: &Toolchain,
        measuring: &Measuring,
    ) -> Result<Self, CliError> {
        let patterns = patterns(&measuring.patterns)?;
        let commit = clean_commit(project);
        let valgrind = Valgrind::find()?;
        let directory = EnvironmentDirectory::take()?;
        let mut warnings = prepare(project, &directory)?;
        let cache = project.output().join("probe");
        let switches = store::read_policy(&project.baselines())?.measuring();
        let pins = build_pins(toolchain, &cache, switches)?;
        let pins = pins.as_ref();
        let probe = build_probe(toolchain, &cache, Linkage::of(switches), pins)?;
        // The probe runs while cargo builds: only its linkage is needed for that.
        let (probed, built) = std::thread::scope(|scope| {
            let probed = scope.spawn(|| run_probe(&probe, &valgrind, &directory));
            let built = project.build(toolchain, probe.linkage, pins);
            (
                probed.join().expect("the probe's thread does not panic"),
                built,
            )
        });
        let (mut probed, mut built) = (probed?, built?);
        if built.linkage != probed.linkage {
            warnings.push(
                "the benches cannot be linked statically, so they are linked dynamically".into(),
            );
            let probe = build_probe(toolchain, &cache, &[built.linkage], pins)?;
            probed = run_probe(&probe, &valgrind, &directory)?;
        }
        if built.linkage == Linkage::Dynamic {
            let libraries = directory.libraries(&built.libraries)?;
            for executable in &mut built.executables {
                executable.libraries.clone_from(&libraries);
            }
        }
        let prepared = Prepared {
            valgrind,
            directory,
            build: project.build_description(probed.linkage),
            probed,
            executables: built.executables,
            crates: built.crates,
            whole: project.is_whole(),
            commit,
            warnings,
        };
        Self::record(project, toolchain, measuring, patterns.as_ref(), prepared)
    }

    /// The same with executables that were built elsewhere; cargo has no part in it.
    pub(crate) fn open_stored(
        project: &'a Project,
        stored: &StoredExecutables,
        measuring: &Measuring,
        sandbox: Option<Sandbox>,
    ) -> Result<Self, CliError> {
        let patterns = patterns(&measuring.patterns)?;
        let commit = clean_commit(project);
        stored.check_commit(commit.as_deref())?;
        let valgrind = Valgrind::find()?;
        let directory = EnvironmentDirectory::take_sandboxed(sandbox)?;
        let mut warnings = prepare(project, &directory)?;
        if sandbox.is_some_and(|it| !it.is_offline) {
            warnings.push("the benches cannot be kept from the network here".into());
        }
        let probed = run_probe(&stored.probe(&directory)?, &valgrind, &directory)?;
        let prepared = Prepared {
            valgrind,
            probed,
            executables: stored.executables(project.root(), &directory)?,
            directory,
            crates: stored.crates().to_vec(),
            build: stored.build().to_owned(),
            whole: stored.is_whole(),
            commit,
            warnings,
        };
        let toolchain = stored.toolchain(project.root());
        Self::record(project, &toolchain, measuring, patterns.as_ref(), prepared)
    }

    /// Finds out what the harness of each executable would run.
    fn record(
        project: &'a Project,
        toolchain: &Toolchain,
        measuring: &Measuring,
        patterns: Option<&GlobSet>,
        prepared: Prepared,
    ) -> Result<Self, CliError> {
        let Prepared {
            valgrind,
            directory,
            probed,
            executables,
            crates,
            build,
            whole,
            commit,
            mut warnings,
        } = prepared;
        warnings.extend(probed.unpinned());
        let jobs = measuring.jobs.unwrap_or_else(processors);
        let Plan {
            benchmarks: mut plan,
            harnesses,
        } = record::record(&executables, &directory, jobs)?;
        let harnesses = harness::describe(harnesses.into_iter());
        let environment = fingerprint(toolchain, &valgrind, &probed, build, harnesses);
        if probed.linkage == Linkage::Static && plan.iter().any(|it| !it.heap_tools.is_empty()) {
            // They would find nothing, which no benchmark allocates.
            for planned in &mut plan {
                planned.heap_tools.clear();
            }
            warnings.push(
                "what the harness's DHAT and memcheck find is not kept: they see nothing of an \
                 executable that is linked statically (policy: `[measuring] heap_tools = true`)"
                    .into(),
            );
        }
        stand_in_mirrors(&mut plan, project.root(), &directory)?;
        let all = plan.len();
        if let Some(patterns) = patterns {
            plan.retain(|planned| patterns.is_match(planned.id.as_str()));
            if plan.is_empty() {
                let patterns = measuring.patterns.join(" ");
                return Err(MeasureError::NoMatch { patterns }.into());
            }
        }
        Ok(Self {
            project,
            valgrind,
            stack: probed.stack,
            is_pinned: probed.is_pinned,
            directory,
            environment,
            whole: whole && plan.len() == all,
            plan,
            part: None,
            jobs,
            keep: false,
            executables,
            crates,
            commit,
            cache: project.cache(measuring).map(Cache::new),
            warnings,
        })
    }
}

/// Lets benchmarks run in a mirror of their directory, whose path has a fixed length.
fn stand_in_mirrors(
    plan: &mut [Planned],
    root: &Path,
    environment: &EnvironmentDirectory,
) -> Result<(), CliError> {
    let mut mirrors = BTreeMap::new();
    for planned in plan {
        let mirror = match mirrors.entry(planned.directory.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(environment.mirror(root, &planned.directory)?),
        };
        planned.directory.clone_from(mirror);
    }
    Ok(())
}

fn processors() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
