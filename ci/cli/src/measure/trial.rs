//! Trials: one worktree and one build directory, in which other states of the sources are built and a
//! few benchmarks measured, one state after the other.
//!
//! Cargo builds again only what differs from the state before. What is equal to the byte to an executable
//! that was measured already comes from the cache.

use std::collections::BTreeMap;
use std::path::Path;

use camino::Utf8PathBuf;
use globset::escape;
use icgate_core::model::baseline::Baselines;
use icgate_core::model::bench_id::BenchId;
use icgate_core::model::metric::Metrics;
use icgate_core::model::run::Run;

use crate::args::{Measuring, Project as Selection};
use crate::cargo::Project;
use crate::environment::Toolchain;
use crate::error::CliError;
use crate::git::Repository;
use crate::git::worktree::Worktree;
use crate::measure::{Session, base_run};

/// A worktree in which states are tried.
pub(crate) struct Trials<'a> {
    project: &'a Project,
    selection: Selection,
    repository: &'a Repository,
    worktree: Worktree<'a>,
    toolchain: Toolchain,
    measuring: Measuring,
}

impl<'a> Trials<'a> {
    /// Checks `commit` out, to measure these benchmarks.
    pub(crate) fn open(
        project: &'a Project,
        selection: &Selection,
        repository: &'a Repository,
        commit: &str,
        ids: &[BenchId],
        toolchain: &Toolchain,
    ) -> Result<Self, CliError> {
        let mut selection = selection.clone();
        if selection.bench.is_empty() {
            selection.bench = project.benches_of(ids);
        }
        let measuring = Measuring {
            patterns: ids.iter().map(|id| escape(id.as_str())).collect(),
            cache: project
                .cache(&Measuring::default())
                .and_then(|it| Utf8PathBuf::from_path_buf(it).ok()),
            ..Measuring::default()
        };
        Ok(Self {
            worktree: Worktree::check_out(repository, commit)?,
            project,
            selection,
            repository,
            toolchain: toolchain.fixed(),
            measuring,
        })
    }

    /// Where the sources are.
    pub(crate) fn path(&self) -> &Path {
        self.worktree.path()
    }

    /// Goes to another commit.
    pub(crate) fn go_to(&self, commit: &str) -> Result<(), CliError> {
        Repository::check_out_in(self.worktree.path(), commit)?;
        Ok(())
    }

    /// Builds and measures what the worktree holds now.
    pub(crate) fn measure(&self) -> Result<BTreeMap<BenchId, Metrics>, CliError> {
        let benchmarks = self.run()?.benchmarks.into_iter();
        Ok(benchmarks.map(|it| (it.id, it.metrics)).collect())
    }

    /// The same with all that was measured, and where.
    pub(crate) fn run(&self) -> Result<Run, CliError> {
        let project = base_run::in_worktree(
            self.project,
            &self.selection,
            self.repository,
            &self.worktree,
        )?;
        let session = Session::open(&project, &self.toolchain, &self.measuring)?;
        let measured = session.measure(&Baselines::default())?;
        if let Some(failure) = measured.failures.into_iter().next() {
            return Err(failure.error.into());
        }
        Ok(measured.run)
    }
}
