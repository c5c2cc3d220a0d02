//! A second look: what has regressed is measured once more before it is announced.

use std::collections::BTreeSet;

use icgate_core::compare::noise::Noise;
use icgate_core::judge::Verdict;
use icgate_core::model::bench_id::BenchId;
use icgate_core::model::note::Note;
use icgate_core::model::run::Run;
use icgate_core::report::{Report, Row};

use crate::error::CliError;
use crate::io::output;
use crate::measure::{Disturbance, Session};
use crate::verdict::JudgeContext;

/// Functions named for a benchmark that moves by itself.
const FUNCTIONS_MAX: usize = 3;

/// Measures regressions once more, in a disturbed measurement environment, before they are
/// announced: what moves without a change is noise. Returns whether anything moved.
pub(super) fn measure_again(
    session: &Session<'_>,
    bench: &JudgeContext,
    report: &Report,
    run: &mut Run,
    warnings: &mut Vec<Note>,
) -> Result<bool, CliError> {
    let regressed: BTreeSet<&BenchId> = report
        .rows
        .iter()
        .filter(|it| it.verdict == Verdict::REGRESSED)
        .map(|it| &it.id)
        .collect();
    if regressed.is_empty() {
        return Ok(false);
    }
    let s = if regressed.len() == 1 { "" } else { "s" };
    output::complain(format_args!(
        "icgate: confirming {} regression{s}",
        regressed.len()
    ));
    let select = |id: &BenchId| regressed.contains(id);
    // What caches miss moves with the layout of code: only then is it worth linking once more.
    let is_of_layout =
        |row: &Row| row.verdict == Verdict::REGRESSED && row.metric.depends_on_layout();
    let disturbance = if report.rows.iter().any(is_of_layout) {
        Disturbance::USUAL.with_code_moved(1)
    } else {
        Disturbance::USUAL
    };
    let again = session.measure_disturbed(&bench.committed, &select, disturbance)?;
    for (id, asked) in session.machine_reads(&select)? {
        warnings.push(Note::new(
            "{} reads {} of the machine, which may be another where it was recorded",
            &[&id, &asked.join(", ")],
        ));
    }
    let mut moved = false;
    for first in &mut run.benchmarks {
        let Some(second) = again.run.benchmark(&first.id) else {
            continue;
        };
        let Some(noise) = Noise::of(&[first, second]) else {
            continue;
        };
        if noise.instructions() > 0 {
            let named = noise
                .moved
                .iter()
                .take(FUNCTIONS_MAX)
                .map(|it| it.name.as_str());
            let named: Vec<&str> = named.collect();
            warnings.push(Note::new(
                "{} moves by {} instructions when nothing changed, in {}",
                &[&first.id, &noise.instructions(), &named.join(", ")],
            ));
            first.noise = noise.instructions();
            moved = true;
        }
        // What caches miss moves with every address, and is judged beyond that.
        moved |= !noise.metrics.is_empty();
        first.metric_noise = noise.metrics;
    }
    Ok(moved)
}
