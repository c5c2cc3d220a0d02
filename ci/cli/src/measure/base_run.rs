//! Beside: base's own code, measured in the measurement environment that head was measured in.
//!
//! ```text
//! the cache has a run of base's commit in this measurement environment ──────────────────────┐
//! else, where it is worth a build: worktree ─→ build ─→ record ─→ measure ─→ run of base
//! ```
//!
//! Base is built by head's compiler, so that what differs between the two is code. Executables
//! that are equal but for their checkout share their measurements, so only what differs is run.

use std::path::Path;

use camino::Utf8PathBuf;
use icgate_core::model::baseline::Baselines;
use icgate_core::model::run::Run;
use icgate_core::model::shard::Shard;

use crate::args::{Measuring, Project as Selection};
use crate::cache::{Cache, Found};
use crate::cargo::Project;
use crate::environment::{Sandbox, Toolchain};
use crate::error::{CliError, GitError};
use crate::git::worktree::Worktree;
use crate::git::{self, Base, Repository};
use crate::io::output;
use crate::measure::Session;
use crate::measure::stored::{self, StoredExecutables};

/// The run of base's commit that the cache has, in the measurement environment of `head`.
pub(crate) fn cached(cache: Option<&Cache>, base: &Base, head: &Run) -> Option<Run> {
    match cache?.run(&base.commit, &head.environment) {
        Found::Value(run) => Some(run),
        Found::Nothing => None,
        Found::Damaged(path) => {
            output::warn(format_args!(
                "`{}` is not what was stored there, so it is left aside",
                path.display()
            ));
            None
        }
    }
}

/// Builds and measures base, or a shard of it: base's own benchmarks, divided as head's are.
pub(crate) fn measure(
    project: &Project,
    selection: &Selection,
    repository: &Repository,
    base: &Base,
    (measuring, shard): (&Measuring, Option<Shard>),
    toolchain: &Toolchain,
    baselines: &Baselines,
) -> Result<Run, CliError> {
    let short = git::short(base);
    output::complain(format_args!("icgate: building and measuring base, {short}"));
    let worktree = Worktree::check_out(repository, &base.commit)?;
    let base_project = in_worktree(project, selection, repository, &worktree)?;
    let toolchain = toolchain.fixed();
    // One cache for both, wherever the other one would look for it.
    let measuring = Measuring {
        cache: project
            .cache(measuring)
            .and_then(|it| Utf8PathBuf::from_path_buf(it).ok()),
        ..measuring.clone()
    };
    let session = Session::open(&base_project, &toolchain, &measuring)?;
    measure_shard(session, shard, baselines)
}

/// Measures base, or a shard of it, with the executables that were stored for it.
pub(crate) fn measure_stored(
    project: &Project,
    selection: &Selection,
    repository: &Repository,
    base: &Base,
    (measuring, shard): (&Measuring, Option<Shard>),
    (stored, sandbox): (&StoredExecutables, Option<Sandbox>),
    baselines: &Baselines,
) -> Result<Run, CliError> {
    let short = git::short(base);
    output::complain(format_args!("icgate: measuring base, {short}"));
    let worktree = Worktree::check_out(repository, &base.commit)?;
    let base_project = in_worktree(project, selection, repository, &worktree)?;
    let session = Session::open_stored(&base_project, stored, measuring, sandbox)?;
    measure_shard(session, shard, baselines)
}

/// Builds base's executables into `directory`.
pub(crate) fn build(
    project: &Project,
    selection: &Selection,
    (repository, base): (&Repository, &Base),
    toolchain: &Toolchain,
    directory: &Path,
) -> Result<(), CliError> {
    let short = git::short(base);
    output::complain(format_args!(
        "icgate: building base too, {short}: its baselines are of another environment"
    ));
    let worktree = Worktree::check_out(repository, &base.commit)?;
    let base_project = in_worktree(project, selection, repository, &worktree)?;
    let commit = Some(base.commit.clone());
    stored::build(&base_project, &toolchain.fixed(), commit, directory).map(drop)
}

fn measure_shard(
    mut session: Session<'_>,
    shard: Option<Shard>,
    baselines: &Baselines,
) -> Result<Run, CliError> {
    if let Some(shard) = shard {
        session.take_shard(shard, baselines)?;
    }
    let measured = session.measure(baselines)?;
    match measured.failures.into_iter().next() {
        Some(failure) => Err(failure.error.into()),
        None => Ok(measured.run),
    }
}

/// The same project in a worktree.
pub(super) fn in_worktree(
    project: &Project,
    selection: &Selection,
    repository: &Repository,
    worktree: &Worktree<'_>,
) -> Result<Project, CliError> {
    let there = |path: &Path| {
        let inside = repository.relative(path);
        inside
            .and_then(|it| Utf8PathBuf::from_path_buf(worktree.path().join(it)).ok())
            .ok_or_else(|| GitError::Outside {
                path: path.to_owned(),
            })
    };
    let mut selection = Selection {
        baselines: None,
        ..selection.clone()
    };
    if selection.workspace.is_some() {
        selection.workspace = Some(there(project.root())?);
    } else {
        let own = selection.manifest_path.as_ref();
        let manifest = own.map_or_else(
            || project.root().join("Cargo.toml"),
            |it| it.as_std_path().to_owned(),
        );
        selection.manifest_path = Some(there(&manifest)?);
    }
    let mut base_project = Project::open(&selection)?;
    // Cargo keeps one build of each crate: in head's directory the two would undo each other.
    base_project.build_in(project.output().join("base"));
    Ok(base_project)
}
