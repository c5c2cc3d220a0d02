//! Base's own code beside what is judged: recalled, brought along with the numbers, or measured here.

use camino::{Utf8Path, Utf8PathBuf};
use icgate_core::model::environment::Environment;
use icgate_core::model::note::Note;
use icgate_core::model::run::Run;
use icgate_core::model::shard::Shard;

use super::JudgeContext;
use super::runs::{BroughtBase, stored_base_run};
use crate::args::{Measuring, Project as Selection};
use crate::cache::Cache;
use crate::cargo::Project;
use crate::environment::{Sandbox, Toolchain};
use crate::error::{CliError, GitError};
use crate::git::Base;
use crate::io::output;
use crate::io::store;
use crate::measure::base_run;
use crate::measure::stored::StoredExecutables;

impl JudgeContext {
    /// A stored run that is said to be base's.
    pub(super) fn run_of_base(path: &Utf8Path, base: &Base) -> Result<Run, CliError> {
        let run = store::read_run(path)?;
        if run.commit.as_deref() == Some(&base.commit) {
            return Ok(run);
        }
        Err(GitError::OtherCommit {
            run: path.to_string(),
            commit: run.commit,
            base: base.commit.clone(),
        }
        .into())
    }

    /// Puts base's own code beside a run, if it was measured in that measurement environment before. A run of base
    /// itself has nothing to be told apart from.
    pub(crate) fn recall_base(&mut self, cache: Option<&Cache>, run: &Run) {
        if let Some(given) = &self.base_run
            && !given.environment.surrounds_like(&run.environment)
        {
            output::warn(
                "the run of base comes from another measurement environment, so it is left aside",
            );
            self.base_run = None;
        }
        if let (Some((_, base)), None) = (&self.at, &self.base_run)
            && run.commit.as_deref() != Some(&base.commit)
        {
            self.base_run = base_run::cached(cache, base, run);
        }
    }

    /// Puts base's own code beside a run, as it came with that run's numbers; `commit` is base. What
    /// is at hand already stays, and a run of base itself needs none. Says why, if what came is of no
    /// use.
    pub(crate) fn attach_base_run(
        &mut self,
        brought: BroughtBase,
        commit: &str,
        run: &Run,
    ) -> Option<Note> {
        let is_base = run.commit.as_deref() == Some(commit);
        let brought = match brought {
            Ok(brought) => brought.filter(|_| self.base_run.is_none() && !is_base)?,
            Err(error) => return Some(Note::new("base's own run is left aside: {}", &[&error])),
        };
        if brought.commit.as_deref() != Some(commit) {
            return Some("base's own run is of another commit, so it is left aside".into());
        }
        if !brought.environment.surrounds_like(&run.environment) {
            return Some(
                "base's own run is of another measurement environment, so it is left aside".into(),
            );
        }
        self.base_run = Some(brought);
        None
    }

    /// The same for what lies beside stored runs.
    pub(crate) fn take_base_beside(
        &mut self,
        runs: &[Utf8PathBuf],
        run: &Run,
    ) -> Result<Option<Note>, CliError> {
        let Some((_, base)) = &self.at else {
            return Ok(None);
        };
        let commit = base.commit.clone();
        Ok(self.attach_base_run(stored_base_run(runs)?, &commit, run))
    }

    /// The same for what lies beside artifacts of CI, where base is known from git.
    pub(crate) fn take_claimed_base(&mut self, claimed: BroughtBase, run: &Run) -> Option<Note> {
        let (_, base) = self.at.as_ref()?;
        let commit = base.commit.clone();
        self.attach_claimed_base_run(claimed, &commit, run)
    }

    /// Like [`attach_base_run`](Self::attach_base_run), for a run of base that a pull request brought.
    /// Where base's baselines can be compared with, it is not needed: a more expensive base would make what the
    /// change adds look as if it had been there already.
    pub(crate) fn attach_claimed_base_run(
        &mut self,
        claimed: BroughtBase,
        commit: &str,
        run: &Run,
    ) -> Option<Note> {
        if self.is_of_another_environment(run) {
            self.attach_base_run(claimed, commit, run)
        } else {
            None
        }
    }

    /// Base's own code, where it was measured in the measurement environment of what is judged.
    pub(crate) const fn base_run(&self) -> Option<&Run> {
        self.base_run.as_ref()
    }

    /// Whether a suite of base was recorded in another measurement environment than `run`.
    pub(crate) fn is_of_another_environment(&self, run: &Run) -> bool {
        let mut suites = self.base.suites();
        suites.any(|suite| !suite.environment.differences(&run.environment).is_empty())
    }

    /// The same for a build that nothing has recorded yet: which harness it uses is not known.
    pub(crate) fn was_recorded_elsewhere(&self, built: &Environment) -> bool {
        let mut suites = self.base.suites();
        suites.any(|suite| {
            let mut differences = suite.environment.differences(built).into_iter();
            differences.any(|it| it.field != "harness")
        })
    }

    /// Builds and measures base's own code here, if there is a base; of it only a shard, if one is
    /// given.
    pub(crate) fn measure_base(
        &mut self,
        project: &Project,
        selection: &Selection,
        measuring: &Measuring,
        shard: Option<Shard>,
        toolchain: &Toolchain,
    ) -> Result<(), CliError> {
        if let (Some((repository, base)), None) = (&self.at, &self.base_run) {
            self.base_run = Some(base_run::measure(
                project,
                selection,
                repository,
                base,
                (measuring, shard),
                toolchain,
                &self.committed,
            )?);
        }
        Ok(())
    }

    /// The same with the executables that were stored for base.
    pub(crate) fn measure_stored_base(
        &mut self,
        project: &Project,
        selection: &Selection,
        (measuring, shard): (&Measuring, Option<Shard>),
        (stored, sandbox): (&StoredExecutables, Option<Sandbox>),
    ) -> Result<(), CliError> {
        if let (Some((repository, base)), None) = (&self.at, &self.base_run) {
            self.base_run = Some(base_run::measure_stored(
                project,
                selection,
                repository,
                base,
                (measuring, shard),
                (stored, sandbox),
                &self.committed,
            )?);
        }
        Ok(())
    }
}
