//! What a run is judged by, and judging it: shared by all verbs that give a verdict.

mod base_run;
pub(crate) mod runs;

use std::path::{Path, PathBuf};

use icgate_core::attribute::diff::ChangedLines;
use icgate_core::compare::compare;
use icgate_core::compare::coverage::{self, CoverageError};
use icgate_core::judge::judge;
use icgate_core::model::baseline::Baselines;
use icgate_core::model::note::Note;
use icgate_core::model::policy::Policy;
#[cfg(feature = "github")]
use icgate_core::model::proof::Proofs;
use icgate_core::model::run::{Measurement, Run};
use icgate_core::render::html;
use icgate_core::report::detail::{self, details};
use icgate_core::report::explain::{Explanation, Known, explain};
use icgate_core::report::history::History;
use icgate_core::report::{Report, report};

use crate::args::{Against, Scope};
use crate::cargo::Project;
use crate::error::{CliError, GitError};
use crate::git::history::{self, Budget};
use crate::git::{self, Base, Repository};
use crate::io::sources::Workspace;
use crate::io::store;

/// What is said of a run that is of a part of the benchmarks because somebody asked for that.
pub(crate) const PART: &str =
    "only a part of the benchmarks was measured, as asked; this is no verdict on the others";

/// Policy and baselines of base, and head's own baselines.
#[derive(Debug)]
pub(crate) struct JudgeContext {
    pub(crate) policy: Policy,
    pub(crate) base: Baselines,
    pub(crate) committed: Baselines,
    /// The platforms that base has baselines for.
    pub(crate) platforms: Vec<String>,
    /// Base's commit and its repository, if there is one.
    pub(crate) at: Option<(Repository, Base)>,
    /// Base's own code, measured in the measurement environment of what is judged.
    base_run: Option<Run>,
    changed: ChangedLines,
    /// How the accepted counts moved.
    history: History,
    /// What base is, in words.
    found: String,
    /// Where the workspace lies in its repository.
    prefix: String,
    root: PathBuf,
}

impl JudgeContext {
    /// Reads all that a run on `platform` is judged by.
    ///
    /// Policy and baselines come from base; outside of a git repository the tree's own are all
    /// there is, and the report says so. A base without a policy is judged by the tree's, since
    /// that is the change which introduces it.
    pub(crate) fn open(
        project: &Project,
        against: &Against,
        platform: &str,
    ) -> Result<Self, CliError> {
        let directory = project.baselines();
        let own_policy = store::read_policy(&directory)?;
        let committed = store::read_baselines(&directory, platform)?;
        let target = std::env::var("GITHUB_BASE_REF").ok();
        let target = target.filter(|target| !target.is_empty());
        let repository = Repository::find(project.root())?.filter(|it| it.holds(&directory));
        let Some(repository) = repository else {
            // A base that was asked for is never replaced by the tree's own word.
            if let Some(revision) = against.base.clone().or(target) {
                return Err(GitError::NoHistory { revision }.into());
            }
            if let Some(run) = &against.base_run {
                let run = run.to_string();
                return Err(GitError::RunWithoutHistory { run }.into());
            }
            return Ok(Self {
                platforms: store::platforms(&directory),
                found: "the baselines as they are, since they are not in git".to_owned(),
                root: project.root().to_owned(),
                ..Self::of(own_policy, committed.clone(), committed)
            });
        };
        let base = repository.base(against.base.as_deref(), target.as_deref())?;
        let base_run = match &against.base_run {
            Some(path) => Some(Self::run_of_base(path, &base)?),
            None => None,
        };
        Ok(Self {
            policy: repository.policy(&base, &directory)?.unwrap_or(own_policy),
            base: repository.baselines(&base, &directory, platform, &committed)?,
            committed,
            platforms: repository.platforms(&base, &directory)?,
            changed: Repository::changed_lines(&base, project)?,
            history: trends(&repository, &directory, platform),
            prefix: repository.prefix(project.root()),
            found: format!("{} ({})", git::short(&base), base.found),
            at: Some((repository, base)),
            base_run,
            root: project.root().to_owned(),
        })
    }

    /// One for a run of which the checkout holds base alone.
    #[cfg(feature = "github")]
    pub(crate) fn of_pull_request(
        repository: &Repository,
        (directory, platform): (&Path, &str),
        policy: Policy,
        (base, committed): (Baselines, Baselines),
        changed: ChangedLines,
        found: String,
        prefix: String,
    ) -> Self {
        Self {
            changed,
            history: trends(repository, directory, platform),
            found,
            prefix,
            ..Self::of(policy, base, committed)
        }
    }

    /// One that knows nothing but this: neither history nor what was changed.
    pub(crate) fn of(policy: Policy, base: Baselines, committed: Baselines) -> Self {
        Self {
            policy,
            base,
            committed,
            platforms: Vec::new(),
            at: None,
            base_run: None,
            changed: ChangedLines::default(),
            history: History::default(),
            found: String::new(),
            prefix: String::new(),
            root: PathBuf::new(),
        }
    }

    /// Asks a run that somebody else brought for all that base knows, or for the part that this side
    /// chose; says what the reader should know.
    pub(crate) fn require(
        &self,
        scope: &Scope,
        run: &mut Run,
    ) -> Result<Option<Note>, CoverageError> {
        if scope.part {
            return Ok((!run.complete).then(|| Note::from(PART)));
        }
        self.require_whole(scope.platform.as_ref(), run)?;
        Ok(None)
    }

    /// The same where no part can be chosen.
    pub(crate) fn require_whole(
        &self,
        platform: Option<&String>,
        run: &mut Run,
    ) -> Result<(), CoverageError> {
        let chosen = platform.map(std::slice::from_ref);
        let platforms = chosen.unwrap_or(&self.platforms);
        coverage::require(run, (&self.base, &self.committed), platforms)
    }

    /// Whether a stored run can be of what is checked out: what was changed, and where, is known of
    /// that alone. A run says which commit it is of, unless something was not committed.
    pub(crate) fn is_of_this_tree(&self, run: &Run) -> bool {
        let Some((repository, _)) = &self.at else {
            return true;
        };
        match &run.commit {
            Some(commit) => repository.commit("HEAD").is_ok_and(|head| head == *commit),
            None => !repository.is_pristine(),
        }
    }

    /// Forgets what was changed here if a stored run is of another tree, and says so: the diff of
    /// this one proves nothing of it.
    pub(crate) fn set_aside_other_tree(&mut self, run: &Run) -> Option<Note> {
        if self.is_of_this_tree(run) {
            return None;
        }
        self.changed = ChangedLines::default();
        self.root = PathBuf::new();
        Some(
            "the run is of another tree than what is checked out, so neither source lines nor what \
             was changed here are shown"
                .into(),
        )
    }

    /// Explains a benchmark of a run with all that is known of base.
    pub(crate) fn explain(
        &self,
        run: &Run,
        head: &Measurement,
        asked: Option<&str>,
        source: &dyn Fn(&str) -> Option<String>,
    ) -> Explanation {
        let mut comparison = compare(&self.base, &self.committed, run);
        if let Some(base) = &self.base_run {
            comparison = comparison.with_base_run(run, base);
        }
        let mut facts = comparison.benchmarks.iter();
        let facts = facts.find(|facts| *facts.id == head.id);
        let base_run = facts.and_then(|facts| facts.base_run);
        // Counts of another measurement environment say nothing here.
        let accepted = facts
            .filter(|facts| facts.comparable && !facts.rebaselined)
            .and_then(|facts| facts.base.or(facts.committed));
        let base = base_run
            .map(|it| &it.functions)
            .or_else(|| accepted.map(|it| &it.functions));
        explain(Known {
            head,
            base: base.map(|table| (table, self.found.as_str())),
            base_run,
            changed: &self.changed,
            asked,
            source,
        })
    }

    /// Compares and judges a run.
    pub(crate) fn report(&self, run: &Run, warnings: &[Note]) -> Report {
        let mut comparison = compare(&self.base, &self.committed, run);
        if let Some(base) = &self.base_run {
            comparison = comparison.with_base_run(run, base);
        }
        let judgements = judge(&comparison, &self.policy);
        let compiled = self.base_run.as_ref().map(|base| {
            // A setting that changed no call of the compiler is at fault for nothing.
            self.changed.compiled_from(&base.crates, &run.crates)
        });
        let mut report = report(
            run,
            &comparison,
            &judgements,
            &self.policy,
            compiled.as_ref().unwrap_or(&self.changed),
            &self.found,
        );
        report.prefix.clone_from(&self.prefix);
        report.remember(&self.history);
        for measured in &run.benchmarks {
            if let Some(scripts) = measured.id.mixed_scripts() {
                report.warn(Note::new(
                    "the name of {} mixes {} letters, which look alike",
                    &[&measured.id, &scripts],
                ));
            }
        }
        for warning in warnings {
            report.warn(warning.clone());
        }
        report
    }

    /// Puts what was proven elsewhere beside the causes of a report.
    #[cfg(feature = "github")]
    pub(crate) fn attach_proofs(&self, report: &mut Report, proofs: &Proofs) {
        report.attach_proofs(proofs, &self.changed);
    }

    /// The report as a page, with what base's own run adds to it, if there is one.
    pub(crate) fn page(&self, report: &Report, run: &Run) -> String {
        self.page_with_base_run(report, run, self.base_run.as_ref())
    }

    /// The same with this run of base.
    pub(crate) fn page_with_base_run(
        &self,
        report: &Report,
        run: &Run,
        base_run: Option<&Run>,
    ) -> String {
        let base = detail::Base {
            run: base_run,
            baselines: &self.base,
            in_head: &|file, line| {
                let (file, line) = self.changed.in_head(file, line)?;
                Some((file.to_owned(), line))
            },
        };
        let details = details(report, run, base, &mut Workspace::new(&self.root));
        html::render(report, &details)
    }
}

/// The trends that a report shows. They are an ornament: where git cannot give them (a shallow or a
/// partial clone), the verdict stands without.
fn trends(repository: &Repository, directory: &Path, platform: &str) -> History {
    history::read(repository, directory, platform, None, Budget::REPORT)
        .map_or_else(|_| History::default(), |read| read.history)
}

#[cfg(test)]
#[cfg(feature = "github")]
pub(crate) mod tests;
