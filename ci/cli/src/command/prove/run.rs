//! `icgate prove`: proves the causes of a red run, after its verdict.
//!
//! ```text
//! run.json ─→ report ─→ red rows, a few of each cause ─→ trials within the budget ─→ proof.json
//! ```
//!
//! It builds what the pull request brought, so in CI it runs in a job without a token, and nobody waits
//! for it: the verdict is out. What it writes has counts and places alone; publishing works out from them
//! what was proven, and takes them for a label on causes that it has found itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use icgate_core::attribute::Culprit;
use icgate_core::attribute::proof::hunks::Pieces;
use icgate_core::attribute::proof::{Proof, Trial};
use icgate_core::judge::Outcome;
use icgate_core::model::bench_id::BenchId;
use icgate_core::model::environment::platform;
use icgate_core::model::metric::Metric;
use icgate_core::model::proof::{BenchmarkProof, PROOFS_FORMAT, ProofPlace, Proofs, Tried};
use icgate_core::model::run::Run;
use icgate_core::render::proof as render;
use icgate_core::report::{Report, Row};

use super::prover::{Prover, count};
use crate::args::Proving;
use crate::cargo::Project;
use crate::environment::toolchain;
use crate::error::{CliError, ExplainError};
use crate::io::output::{self, PROOF_FILE, RUN_FILE};
use crate::io::store;
use crate::verdict::JudgeContext;
use crate::verdict::runs::read_runs;

/// So many benchmarks of one cause are proven, the worst: they are measured in one trial.
const OF_CAUSE_MAX: usize = 2;
/// So many benchmarks in all.
const BENCHMARKS_MAX: usize = 12;

pub(crate) fn prove_run(asked: &Proving) -> Result<u8, CliError> {
    let (selection, against) = (&asked.project, &asked.against);
    let project = Project::open(selection)?;
    let toolchain = toolchain(project.root())?;
    let bench = JudgeContext::open(&project, against, &platform(&toolchain.target))?;
    let directory = project.output_directory(&asked.output);
    store::prepare(&directory)?;
    output::remove(&directory.join(PROOF_FILE))?;
    let minutes = u64::from(bench.policy.proof().minutes);
    let budget = Duration::from_secs(asked.budget.unwrap_or(minutes * 60));
    if budget.is_zero() {
        output::say("icgate: nothing is proven: the policy says `[proof] minutes = 0`");
        return Ok(0);
    }
    let Some((run, report)) = judged(&project, bench, asked)? else {
        return Ok(0);
    };
    let rows = chosen(&report);
    if rows.is_empty() {
        output::say("icgate: nothing regressed, so there is nothing to prove");
        return Ok(0);
    }
    let at = JudgeContext::open(&project, against, &platform(&toolchain.target))?.at;
    let no_base = || ExplainError::NoBase {
        id: rows[0].id.to_string(),
    };
    let (repository, base) = at.as_ref().ok_or_else(no_base)?;
    let ids: Vec<BenchId> = rows.iter().map(|row| row.id.clone()).collect();
    let prover = Prover::open(
        (&project, selection),
        (repository, base),
        &toolchain,
        (&ids, budget),
    )?;
    let before = prover.base()?;
    // Counts of two environments say nothing about each other: then head is measured here too.
    let is_measured_here = before.environment.surrounds_like(&run.environment)
        && before.environment.build == run.environment.build;
    let mut proofs = Proofs {
        format: PROOFS_FORMAT,
        proofs: Vec::new(),
    };
    for row in rows {
        let metric = row.metric;
        let Some(of_base) = before.benchmark(&row.id) else {
            continue;
        };
        let Some(of_head) = of_head(&prover, row, is_measured_here) else {
            continue;
        };
        let counts = (count(&of_base.metrics, metric), of_head);
        let proof = prover.prove((&row.id, metric), counts, &row.culprits);
        let seconds = prover.began.elapsed().as_secs();
        output::say(render::render(&row.id, metric, &proof, &prover.pieces, seconds).trim_end());
        let written = written((&row.id, metric), &proof, &prover.pieces, &prover.prefix);
        proofs.proofs.push(written);
        // After each, since the job may be ended.
        store::write(&directory.join(PROOF_FILE), &proofs.to_json())?;
    }
    Ok(0)
}

/// What head counts where base is measured: in one environment the two can be compared.
fn of_head(prover: &Prover<'_>, row: &Row, is_measured_here: bool) -> Option<u64> {
    if is_measured_here {
        return row.head;
    }
    let all: BTreeSet<usize> = (0..prover.pieces.len()).collect();
    match prover.count(&all, &row.id, row.metric) {
        Trial::Count(head) => Some(head),
        Trial::Unbuildable | Trial::OutOfTime => None,
    }
}

/// The run that is asked for, judged as its verdict was; `None` where there is none.
fn judged(
    project: &Project,
    mut bench: JudgeContext,
    asked: &Proving,
) -> Result<Option<(Run, Report)>, CliError> {
    let own = project.output().join(RUN_FILE);
    let (run, claimed) = match asked.runs.as_slice() {
        [] => (store::read_run(&utf8(own)?)?, Ok(None)),
        runs => match read_runs(runs, None) {
            Ok(loaded) => (loaded.run, loaded.base),
            Err(unjudged) => {
                output::say(format_args!("icgate: nothing is proven: {}", unjudged.why));
                return Ok(None);
            }
        },
    };
    bench.recall_base(None, &run);
    if let Some(warning) = bench.take_claimed_base(claimed, &run) {
        output::warn(warning);
    }
    let report = bench.report(&run, &[]);
    Ok(Some((run, report)))
}

fn utf8(path: std::path::PathBuf) -> Result<camino::Utf8PathBuf, CliError> {
    camino::Utf8PathBuf::from_path_buf(path).map_err(|path| {
        let source = std::io::Error::from(std::io::ErrorKind::InvalidFilename);
        crate::error::StoreError::Read { path, source }.into()
    })
}

/// The red rows that are proven: of each cause the worst, and causes in turn.
fn chosen(report: &Report) -> Vec<&Row> {
    let place = |it: &Culprit| (it.file.clone(), it.hunk);
    let mut of_cause = BTreeMap::new();
    let red = report
        .rows
        .iter()
        .filter(|it| it.outcome == Outcome::Regressed);
    let mut ranked: Vec<(usize, &Row)> = Vec::new();
    for row in red {
        let seen: &mut usize = of_cause.entry(row.culprits.first().map(place)).or_default();
        if *seen < OF_CAUSE_MAX {
            ranked.push((*seen, row));
        }
        *seen += 1;
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.truncate(BENCHMARKS_MAX);
    ranked.into_iter().map(|(_, row)| row).collect()
}

/// A proof as others read it: counts, and places as seen from the workspace.
fn written(
    (id, metric): (&BenchId, Metric),
    proof: &Proof,
    pieces: &Pieces,
    prefix: &str,
) -> BenchmarkProof {
    let places = |group: usize| {
        let pieces = pieces.group(group);
        let place = |it: &icgate_core::attribute::proof::hunks::Piece| ProofPlace {
            file: it.file.strip_prefix(prefix).unwrap_or(&it.file).to_owned(),
            line: u32::try_from(it.head).unwrap_or(u32::MAX),
        };
        pieces.map(place).collect()
    };
    let effects = proof.effects.iter().map(|it| (it.group, it.without));
    let cleared = proof.cleared.iter().map(|group| (*group, proof.head));
    let tried = effects.chain(cleared).map(|(group, without)| Tried {
        places: places(group),
        without,
    });
    BenchmarkProof {
        id: id.clone(),
        metric,
        base: proof.base,
        head: proof.head,
        tried: tried.collect(),
        untested: proof.untested.len() as u64,
        builds: proof.trials as u64,
    }
}
