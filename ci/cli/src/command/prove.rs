//! `icgate explain --prove`: base's code with pieces of the change, built and measured.
//!
//! ```text
//! git diff base ─▶ pieces ─▶ head without the suspect ─▶ build ─▶ one benchmark ─▶ its count
//!                                   ▲                                               │
//!                                   └──────── the next to take out ◀────────────────┘
//! ```

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use icgate_core::attribute::Culprit;
use icgate_core::attribute::proof::hunks::Pieces;
use icgate_core::attribute::proof::{Proof, Trial, prove};
use icgate_core::model::bench_id::BenchId;
use icgate_core::model::metric::{Metric, Metrics};
use icgate_core::render::proof as render;

use crate::args::{Project as Selection, TextOrJson};
use crate::cargo::Project;
use crate::environment::Toolchain;
use crate::error::{CliError, ExplainError};
use crate::git::{Base, Repository};
use crate::io::output;
use crate::io::store;
use crate::measure::trial::Trials;

/// What is to be proven, and of what.
pub(super) struct Asked<'a> {
    pub(super) id: &'a BenchId,
    /// What is suspected, the most likely first.
    pub(super) culprits: &'a [Culprit],
    /// What head counts.
    pub(super) head: &'a Metrics,
    /// How long it may take.
    pub(super) budget: Duration,
    pub(super) format: TextOrJson,
}

/// Proves, and prints what was proven.
pub(super) fn prove_cause(
    (project, selection): (&Project, &Selection),
    (repository, base): (&Repository, &Base),
    toolchain: &Toolchain,
    asked: &Asked<'_>,
) -> Result<u8, CliError> {
    let began = Instant::now();
    let pieces = pieces(repository, base)?;
    let ids = [asked.id.clone()];
    let trials = Trials::open(
        project,
        selection,
        repository,
        &base.commit,
        &ids,
        toolchain,
    )?;
    let before = trials.measure()?;
    let unknown = || ExplainError::NotInBase {
        id: asked.id.to_string(),
    };
    let before = before.get(asked.id).ok_or_else(unknown)?;
    let metric = moved(before, asked.head);
    let count = |metrics: &Metrics| metrics.get(&metric).copied().unwrap_or(0);
    let prefix = repository.prefix(project.root());
    let suspects = suspects(&pieces, asked.culprits, &prefix);
    let trial = |groups: &BTreeSet<usize>| {
        if began.elapsed() >= asked.budget {
            return Trial::OutOfTime;
        }
        output::complain(format_args!(
            "icgate: building with {} of {} pieces of the change",
            groups.len(),
            pieces.len()
        ));
        let written = write(&trials, repository, base, &pieces, groups);
        match written.and_then(|()| trials.measure()) {
            Ok(counts) => counts
                .get(asked.id)
                .map_or(Trial::Unbuildable, |it| Trial::Count(count(it))),
            Err(error) => {
                output::complain(format_args!("icgate: that cannot be measured: {error}"));
                Trial::Unbuildable
            }
        }
    };
    let counts = (count(before), count(asked.head));
    let proof: Proof = prove(counts, pieces.len(), &suspects, trial);
    let seconds = began.elapsed().as_secs();
    match asked.format {
        TextOrJson::Text => {
            output::print(&render::render(asked.id, metric, &proof, &pieces, seconds));
        }
        TextOrJson::Json => output::print(&render::json(asked.id, metric, &proof, &pieces)),
    }
    Ok(0)
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

/// The metric to look at: instructions, or if they did not move, the first that did.
fn moved(base: &Metrics, head: &Metrics) -> Metric {
    let has_moved = |metric: &Metric| base.get(metric) != head.get(metric);
    if has_moved(&Metric::Instructions) {
        return Metric::Instructions;
    }
    let mut all = Metric::ALL.into_iter();
    all.find(has_moved).unwrap_or(Metric::Instructions)
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
fn write(
    trials: &Trials<'_>,
    repository: &Repository,
    base: &Base,
    pieces: &Pieces,
    groups: &BTreeSet<usize>,
) -> Result<(), CliError> {
    for file in pieces.files() {
        let before = repository.show(base, file)?;
        let text = pieces.text(file, before.as_deref(), groups);
        let path = trials.path().join(file);
        put(&path, text.as_deref())?;
    }
    Ok(())
}

fn put(path: &Path, text: Option<&str>) -> Result<(), CliError> {
    match text {
        // What is written anew is built anew.
        Some(text) if store::read_source(path).as_deref() != Some(text) => {
            store::write_unsynced(path, text)?;
        }
        None if path.exists() => store::remove(path)?,
        _ => {}
    }
    Ok(())
}
