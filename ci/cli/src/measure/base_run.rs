//! Beside: base's own code, measured in the measurement environment that head was measured in.
//!
//! ```text
//! the cache has a run of base's commit in this measurement environment ──────────────────────┐
//! else, where it is worth a build: worktree ─→ build ─→ record ─→ measure ─→ run of base
//! ```
//!
//! Base is built by head's compiler, so that what differs between the two is code. Executables
//! that are equal but for their checkout share their measurements, so only what differs is run.

use std::path::{Path, PathBuf};

use camino::Utf8PathBuf;
use icgate_core::model::baseline::Baselines;
use icgate_core::model::run::Run;
use icgate_core::model::shard::Shard;

use crate::args::{Measuring, Project as Selection};
use crate::cache::{Cache, Found};
use crate::cargo::Project;
use crate::environment::Toolchain;
use crate::error::{CliError, GitError};
use crate::git::worktree::Worktree;
use crate::git::{self, Base, Repository};
use crate::io::output;
use crate::measure::Session;

/// The run of base's commit that the cache has, in the measurement environment of `head`.
pub(crate) fn stored(cache: Option<&Cache>, base: &Base, head: &Run) -> Option<Run> {
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
    eprintln!("icgate: building and measuring base, {short}");
    let worktree = Worktree::check_out(repository, &base.commit)?;
    let there = |path: &Path| in_worktree(repository, &worktree, path);
    let own = selection.manifest_path.as_ref();
    let manifest = own.map_or_else(
        || project.root().join("Cargo.toml"),
        |it| it.as_std_path().to_owned(),
    );
    let manifest = there(&manifest).ok_or_else(|| GitError::Outside {
        path: manifest.clone(),
    })?;
    let selection = Selection {
        manifest_path: Some(manifest),
        baselines: None,
        ..selection.clone()
    };
    let mut base_project = Project::open(&selection)?;
    // Cargo keeps one build of each crate: in head's directory the two would undo each other.
    base_project.build_in(project.output().join("base"));
    let toolchain = toolchain.fixed();
    // One cache for both, wherever the other one would look for it.
    let measuring = Measuring {
        cache: project
            .cache(measuring)
            .and_then(|it| Utf8PathBuf::from_path_buf(it).ok()),
        ..measuring.clone()
    };
    let mut session = Session::open(&base_project, &toolchain, &measuring)?;
    if let Some(shard) = shard {
        session.take_shard(shard, baselines)?;
    }
    let measured = session.measure(baselines)?;
    match measured.failures.into_iter().next() {
        Some(failure) => Err(failure.error.into()),
        None => Ok(measured.run),
    }
}

/// Where `path` of the repository lies in the worktree.
fn in_worktree(
    repository: &Repository,
    worktree: &Worktree<'_>,
    path: &Path,
) -> Option<Utf8PathBuf> {
    let path: PathBuf = worktree.path().join(repository.relative(path)?);
    Utf8PathBuf::from_path_buf(path).ok()
}
