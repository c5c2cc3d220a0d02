//! Trying states between base and head: each is built and measured once, whichever benchmark asks.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use icgate_core::attribute::Culprit;
use icgate_core::attribute::proof::hunks::Pieces;
use icgate_core::attribute::proof::{Proof, Trial, prove};
use icgate_core::model::bench_id::BenchId;
use icgate_core::model::metric::{Metric, Metrics};
use icgate_core::model::run::Run;

use crate::args::Project as Selection;
use crate::cargo::Project;
use crate::environment::Toolchain;
use crate::error::CliError;
use crate::git::{Base, Repository};
use crate::io::output;
use crate::io::store;
use crate::measure::trial::Trials;

/// What benchmarks count; `None` for what does not build.
type Counts = Option<BTreeMap<BenchId, Metrics>>;

/// A worktree in which states between base and head are tried, and what was found there.
pub(super) struct Prover<'a> {
    trials: Trials<'a>,
    repository: &'a Repository,
    base: &'a Base,
    pub(super) pieces: Pieces,
    /// Where the workspace lies in its repository.
    pub(super) prefix: String,
    /// What some groups of pieces count.
    tried: RefCell<BTreeMap<BTreeSet<usize>, Counts>>,
    pub(super) began: Instant,
    budget: Duration,
}

impl<'a> Prover<'a> {
    pub(super) fn open(
        (project, selection): (&'a Project, &Selection),
        (repository, base): (&'a Repository, &'a Base),
        toolchain: &Toolchain,
        (ids, budget): (&[BenchId], Duration),
    ) -> Result<Self, CliError> {
        let began = Instant::now();
        let pieces = pieces(repository, base)?;
        let commit = &base.commit;
        let trials = Trials::open(project, selection, repository, commit, ids, toolchain)?;
        Ok(Self {
            trials,
            repository,
            base,
            pieces,
            prefix: repository.prefix(project.root()),
            tried: RefCell::default(),
            began,
            budget,
        })
    }

    /// What base counts, and where that was measured.
    pub(super) fn base(&self) -> Result<Run, CliError> {
        self.trials.run()
    }

    /// What `groups` of the change count: measured once.
    pub(super) fn count(&self, groups: &BTreeSet<usize>, id: &BenchId, metric: Metric) -> Trial {
        let of = |counts: &Counts| {
            let metrics = counts.as_ref().and_then(|it| it.get(id));
            metrics.map_or(Trial::Unbuildable, |it| Trial::Count(count(it, metric)))
        };
        if let Some(known) = self.tried.borrow().get(groups) {
            return of(known);
        }
        if self.began.elapsed() >= self.budget {
            return Trial::OutOfTime;
        }
        let (some, all) = (groups.len(), self.pieces.len());
        output::complain(format_args!(
            "icgate: building with {some} of {all} pieces of the change"
        ));
        let written = write(self, groups);
        let counts = match written.and_then(|()| self.trials.measure()) {
            Ok(counts) => Some(counts),
            Err(error) => {
                output::complain(format_args!("icgate: that cannot be measured: {error}"));
                None
            }
        };
        let trial = of(&counts);
        self.tried.borrow_mut().insert(groups.clone(), counts);
        trial
    }

    /// Finds the pieces that make a difference between two counts of a benchmark.
    pub(super) fn prove(
        &self,
        (id, metric): (&BenchId, Metric),
        counts: (u64, u64),
        culprits: &[Culprit],
    ) -> Proof {
        let suspects = suspects(&self.pieces, culprits, &self.prefix);
        prove(counts, self.pieces.len(), &suspects, |groups| {
            self.count(groups, id, metric)
        })
    }
}

pub(super) fn count(metrics: &Metrics, metric: Metric) -> u64 {
    metrics.get(&metric).copied().unwrap_or(0)
}

/// The change against base in pieces, with the files that git does not know yet.
fn pieces(repository: &Repository, base: &Base) -> Result<Pieces, CliError> {
    let diff = repository.ask(&[
        "-c",
        "core.quotePath=false",
        "diff",
        "--unified=0",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--no-renames",
        "--src-prefix=a/",
        "--dst-prefix=b/",
        &base.commit,
        "--",
        // What is accepted decides no count.
        ":(exclude)*baselines/*",
    ])?;
    let mut pieces = Pieces::from_unified_diff(&diff);
    for file in repository.untracked(&[])? {
        if let Some(text) = store::read_source(&repository.root().join(&file)) {
            pieces.add_file(&file, &text);
        }
    }
    Ok(pieces)
}

/// The groups that the culprits lie in.
fn suspects(pieces: &Pieces, culprits: &[Culprit], prefix: &str) -> Vec<usize> {
    let mut suspects = Vec::new();
    for culprit in culprits.iter().filter(|it| it.in_diff) {
        let line = culprit.line.and_then(|line| usize::try_from(line).ok());
        let file = format!("{prefix}{}", culprit.file);
        let group = line.and_then(|line| pieces.group_at(&file, line));
        suspects.extend(group.filter(|it| !suspects.contains(it)));
    }
    suspects
}

/// Puts base with these groups of pieces into the worktree.
fn write(prover: &Prover<'_>, groups: &BTreeSet<usize>) -> Result<(), CliError> {
    for file in prover.pieces.files() {
        let before = prover.repository.show(prover.base, file)?;
        let text = prover.pieces.text(file, before.as_deref(), groups);
        let path = prover.trials.path().join(file);
        put(&path, text.as_deref())?;
    }
    Ok(())
}

fn put(path: &Path, text: Option<&str>) -> Result<(), CliError> {
    match text {
        // What is rewritten is rebuilt.
        Some(text) if store::read_source(path).as_deref() != Some(text) => {
            store::write_unsynced(path, text)?;
        }
        None if path.exists() => store::remove(path)?,
        _ => {}
    }
    Ok(())
}
