//! `icgate explain`: one benchmark's functions, who calls them, and their lines with counts.
//!
//! What is explained is the stored run, if it is of the commit that is checked out and nothing was
//! changed since; else this one benchmark is measured (or taken from the cache, which knows whether
//! anything that it depends on has changed).

use std::path::{Component, Path};
use std::time::Duration;

use camino::Utf8Path;
use globset::escape;
use icgate_core::model::baseline::Baselines;
use icgate_core::model::bench_id::BenchId;
use icgate_core::model::run::Run;
use icgate_core::render::explain as render;
use icgate_core::report::explain::nearest;

use super::failures::print_failures;
use super::prove::{Asked, prove_cause};
use crate::args::{Against, Explaining, Measuring, Project as Selection, TextOrJson};
use crate::cache::Cache;
use crate::cargo::Project;
use crate::environment::toolchain;
use crate::error::{CliError, ExplainError, MeasureError};
use crate::git::Repository;
use crate::io::output;
use crate::io::store;
use crate::measure::Session;
use crate::verdict::JudgeContext;

pub(crate) fn explain(
    selection: &Selection,
    against: &Against,
    asked: &Explaining,
) -> Result<u8, CliError> {
    let project = Project::open(selection)?;
    let toolchain = toolchain(project.root())?;
    let platform = icgate_core::model::environment::platform(&toolchain.target);
    let mut bench = JudgeContext::open(&project, against, &platform)?;
    let stored = match &asked.run {
        Some(path) => Some(store::read_run(path)?),
        None => fresh(&project),
    };
    let unknown = |stored: Option<&Run>| unknown(&asked.id, &bench.committed, stored);
    let Ok(id) = asked.id.parse::<BenchId>() else {
        return Err(unknown(stored.as_ref()).into());
    };
    let run = match stored {
        Some(run) if run.benchmark(&id).is_some() => run,
        Some(run) if asked.run.is_some() || run.complete => {
            return Err(unknown(Some(&run)).into());
        }
        stored => {
            output::warn(format_args!(
                "no stored run of what is checked out, so `{id}` is built and measured now; `--run FILE` explains a stored one"
            ));
            let measuring = Measuring {
                patterns: vec![escape(id.as_str())],
                ..Measuring::default()
            };
            let session = match Session::open(&project, &toolchain, &measuring) {
                Err(CliError::Measure(MeasureError::NoMatch { .. })) => {
                    return Err(unknown(stored.as_ref()).into());
                }
                opened => opened?,
            };
            let measured = session.measure(&bench.committed)?;
            if let Some(code) = print_failures(&measured.failures) {
                return Ok(code);
            }
            measured.run
        }
    };
    let Some(head) = run.benchmark(&id) else {
        return Err(unknown(Some(&run)).into());
    };
    bench.recall_base(
        project
            .cache(&Measuring::default())
            .map(Cache::new)
            .as_ref(),
        &run,
    );
    if let Some(part) = &asked.function
        && !head
            .functions
            .rows()
            .iter()
            .any(|it| it.name.contains(part.as_str()))
    {
        let some = head
            .functions
            .rows()
            .iter()
            .take(3)
            .map(|it| it.name.to_string());
        return Err(ExplainError::NoFunction {
            id: asked.id.clone(),
            part: part.clone(),
            some: some.collect(),
        }
        .into());
    }
    if asked.run.is_some()
        && let Some(warning) = bench.set_aside_other_tree(&run)
    {
        output::warn(warning);
    }
    let is_of_this_tree = bench.is_of_this_tree(&run) || asked.run.is_none();
    let source = |file: &str| {
        let text = is_of_this_tree.then(|| read_source(project.root(), file));
        text.flatten()
    };
    let explanation = bench.explain(&run, head, asked.function.as_deref(), &source);
    if asked.prove {
        let no_base = || ExplainError::NoBase { id: id.to_string() };
        let (repository, base) = bench.at.as_ref().ok_or_else(no_base)?;
        let what = Asked {
            id: &id,
            culprits: &explanation.culprits,
            head: &head.metrics,
            budget: Duration::from_secs(asked.budget),
            format: asked.format,
        };
        return prove_cause((&project, selection), (repository, base), &toolchain, &what);
    }
    match asked.format {
        TextOrJson::Text => output::print(&render::render(&explanation, output::look())),
        TextOrJson::Json => output::print(&render::json(&explanation)),
    }
    Ok(0)
}

/// The run that was stored last, if it is of what is checked out, to the letter.
fn fresh(project: &Project) -> Option<Run> {
    let commit = Repository::open(project.root())?.clean_commit()?;
    let path = project.output().join("run.json");
    let run = store::read_run(Utf8Path::from_path(&path)?).ok()?;
    (run.commit.as_deref() == Some(commit.as_str())).then_some(run)
}

fn unknown(asked: &str, committed: &Baselines, stored: Option<&Run>) -> ExplainError {
    let measured = stored.into_iter().flat_map(|run| &run.benchmarks);
    let ids = committed.ids().chain(measured.map(|it| &it.id));
    let mut known: Vec<&str> = ids.map(BenchId::as_str).collect();
    known.sort_unstable();
    known.dedup();
    let near = nearest(asked, known.into_iter());
    ExplainError::Unknown {
        id: asked.to_owned(),
        near: near.into_iter().map(str::to_owned).collect(),
    }
}

/// The text of a file of the workspace. A run may name any path: none leads out of it.
fn read_source(root: &Path, file: &str) -> Option<String> {
    let file = Path::new(file);
    let inside = file
        .components()
        .all(|it| matches!(it, Component::Normal(_)));
    inside.then(|| store::read_source(&root.join(file)))?
}
