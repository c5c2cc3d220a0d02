//! Proving causes: base's code with pieces of the change, built and measured.
//!
//! ```text
//! git diff base ─▶ pieces ─▶ head without the suspect ─▶ build ─▶ the benchmarks ─▶ their counts
//!                                   ▲                                               │
//!                                   └──────── the next to take out ◀────────────────┘
//! ```
//!
//! `icgate explain --prove` does it for one benchmark, `icgate prove` for the causes of a red run. Each
//! state is built once, whichever benchmark asks for it.

mod prover;
mod run;

use std::time::Duration;

use icgate_core::attribute::Culprit;
use icgate_core::model::bench_id::BenchId;
use icgate_core::model::metric::{Metric, Metrics};
use icgate_core::render::proof as render;

use crate::args::{Project as Selection, TextOrJson};
use crate::cargo::Project;
use crate::environment::Toolchain;
use crate::error::{CliError, ExplainError};
use crate::git::{Base, Repository};
use crate::io::output;
use prover::{Prover, count};

pub(crate) use run::prove_run;

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
    project: (&Project, &Selection),
    repository: (&Repository, &Base),
    toolchain: &Toolchain,
    asked: &Asked<'_>,
) -> Result<u8, CliError> {
    let what = (&[asked.id.clone()][..], asked.budget);
    let prover = Prover::open(project, repository, toolchain, what)?;
    let before = prover.base()?;
    let before = before
        .benchmark(asked.id)
        .ok_or_else(|| ExplainError::NotInBase {
            id: asked.id.to_string(),
        })?;
    let metric = moved(&before.metrics, asked.head);
    let counts = (count(&before.metrics, metric), count(asked.head, metric));
    let proof = prover.prove((asked.id, metric), counts, asked.culprits);
    let seconds = prover.began.elapsed().as_secs();
    let pieces = &prover.pieces;
    output::print(&match asked.format {
        TextOrJson::Text => render::render(asked.id, metric, &proof, pieces, seconds),
        TextOrJson::Json => render::json(asked.id, metric, &proof, pieces),
    });
    Ok(0)
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
