//! `icgate bisect`: which commit moved a benchmark.
//!
//! Commits are those of the first parents from good to bad: a merge stands for all that it brought, and
//! is searched in its turn by another call, which is printed. One worktree goes from commit to commit.

use std::collections::BTreeMap;

use icgate_core::compare::bisect::{Bisection, Found};
use icgate_core::model::bench_id::BenchId;
use icgate_core::model::metric::{Metric, Metrics};
use icgate_core::render::bisect as render;

use crate::args::Project as Selection;
use crate::cargo::Project;
use crate::environment::toolchain;
use crate::error::{BisectError, CliError};
use crate::git::Repository;
use crate::io::output;
use crate::measure::trial::Trials;

/// Finds the commit that moved each benchmark; the last word is the range.
pub(crate) fn bisect(selection: &Selection, asked: &[String]) -> Result<u8, CliError> {
    let Some((range, names)) = asked.split_last() else {
        return Err(BisectError::Range(String::new()).into());
    };
    let range_of = || BisectError::Range(range.clone());
    let (good, bad) = range.split_once("..").ok_or_else(range_of)?;
    let bad = if bad.is_empty() { "HEAD" } else { bad };
    let mut ids = Vec::new();
    for name in names {
        let id = name.parse::<BenchId>();
        ids.push(id.map_err(|_| BisectError::Id(name.clone()))?);
    }
    if ids.is_empty() {
        return Err(range_of().into());
    }
    let project = Project::open(selection)?;
    let toolchain = toolchain(project.root())?;
    let repository = Repository::find(project.root())?.ok_or_else(range_of)?;
    let commits = repository.first_parents(good, bad)?;
    if commits.len() < 2 {
        return Err(BisectError::Empty(range.clone()).into());
    }
    let trials = Trials::open(
        &project,
        selection,
        &repository,
        &commits[0],
        &ids,
        &toolchain,
    )?;
    let measure = |at: usize| -> Result<BTreeMap<BenchId, u64>, CliError> {
        let short: String = commits[at].chars().take(12).collect();
        output::complain(format_args!("icgate: measuring {short}"));
        trials.go_to(&commits[at])?;
        Ok(instructions(trials.measure()?))
    };
    let last = commits.len() - 1;
    let (first, end) = (measure(0)?, measure(last)?);
    for id in &ids {
        if !first.contains_key(id) || !end.contains_key(id) {
            return Err(BisectError::Unknown(id.to_string()).into());
        }
    }
    let mut search = Bisection::new(first, end, last);
    while let Some(next) = search.next() {
        match measure(next) {
            Ok(counts) => search.tell(next, Some(counts)),
            Err(error) => {
                output::complain(format_args!("icgate: walking around it: {error}"));
                search.tell(next, None);
            }
        }
    }
    let found = search.found();
    let mut answers = Vec::new();
    for found in &found {
        answers.push(answer(&repository, &commits, &search, found)?);
    }
    let still = ids.iter().filter(|id| found.iter().all(|it| it.id != **id));
    output::print(&render::render(&answers, still));
    Ok(0)
}

fn instructions(measured: BTreeMap<BenchId, Metrics>) -> BTreeMap<BenchId, u64> {
    let count = |metrics: &Metrics| metrics.get(&Metric::Instructions).copied().unwrap_or(0);
    let measured = measured.into_iter();
    measured
        .map(|(id, metrics)| (id, count(&metrics)))
        .collect()
}

fn answer(
    repository: &Repository,
    commits: &[String],
    search: &Bisection,
    found: &Found,
) -> Result<render::Answer, CliError> {
    let commit = &commits[found.at.0];
    let parents = repository.parents(commit)?;
    Ok(render::Answer {
        found: found.clone(),
        commit: commit.clone(),
        subject: repository.subject(commit)?,
        before: commits[found.before.0].clone(),
        brought: (parents.len() > 1).then(|| parents[..2].to_vec()),
        walked_around: search
            .walked_around(found)
            .map(|at| commits[at].clone())
            .collect(),
    })
}
