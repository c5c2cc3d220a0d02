//! The report: the one view of a judged run that every renderer shows.
//!
//! Everything a reader is told stands here as a value: the renderers choose words and layout, and
//! decide nothing. It is also what `report.json` holds.

mod cause;
mod cause_metric;
pub mod detail;
pub mod explain;
pub mod history;
pub mod proven;
mod row;
pub mod source_link;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::attribute::Culprit;
use crate::attribute::diff::ChangedLines;
use crate::compare::Comparison;
use crate::compare::rename::Renames;
use crate::judge::{BaselineState, Judgements, Outcome, Verdict};
use crate::model::bench_id::BenchId;
use crate::model::environment::{Environment, EnvironmentDifference};
use crate::model::escape::{escaped, lines as escaped_lines};
use crate::model::interned::Interned;
use crate::model::note::Note;
use crate::model::policy::{Commands, Policy};
use crate::model::run::{Failed, Run};
use crate::report::history::History;
use crate::report::row::row;
use crate::report::source_link::SourceTree;

pub use cause::{CauseGroup, MainCause};
pub(crate) use row::change;
pub use row::{BaseRunChange, Row};

/// The version of `report.json` that this code writes.
pub const REPORT_FORMAT: u32 = 2;

/// At most this many points of a benchmark's trend are kept.
const TREND_POINTS_MAX: usize = 100;

/// A judged run, for readers.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// [`REPORT_FORMAT`].
    pub format: u32,
    /// What the gate does.
    pub outcome: Outcome,
    /// The exit code that says so.
    pub exit_code: u8,
    /// What the run was compared with, in words: a commit, or the baselines as they are.
    pub base: String,
    /// How many benchmarks were judged.
    pub judged: usize,
    /// How many benchmarks there are.
    pub known: usize,
    /// How many benchmarks got each verdict, by its word; verdicts without a benchmark are left out.
    pub verdicts: BTreeMap<&'static str, usize>,
    /// The measurement environment of the run.
    pub environment: Environment,
    /// Where it differs from that of the baselines.
    pub environment_differences: Vec<EnvironmentDifference>,
    /// What the reader should know before the numbers.
    pub warnings: Vec<Note>,
    /// What could not be measured, and why.
    pub failed: Vec<Failed>,
    /// What most of the regressions have in common.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub main_cause: Option<MainCause>,
    /// All that regressions have in common or alone: what moved most of them first.
    pub causes: Vec<MainCause>,
    /// The benchmarks: those that need someone's attention first, worst first, then by id.
    pub rows: Vec<Row>,
    /// What to type.
    pub commands: Commands,
    /// Where the workspace lies in its repository (`some/folder/`), as annotations need it.
    pub prefix: String,
    /// Head's commit, for links to its lines, if it is known where that is to be seen.
    #[serde(skip)]
    pub source: Option<SourceTree>,
}

/// Makes the report of a judged run.
///
/// `base` says in words what was compared with; `changed` is what head changes against it, for
/// naming causes. Warnings are added by [`Report::warn`].
#[must_use]
pub fn report(
    run: &Run,
    comparison: &Comparison<'_>,
    judgements: &Judgements<'_>,
    policy: &Policy,
    changed: &ChangedLines,
    base: &str,
) -> Report {
    let mut rows: Vec<Row> = judgements
        .benchmarks
        .iter()
        .map(|it| row(it, policy, changed))
        .collect();
    let renames = Renames::find(&comparison.benchmarks);
    for row in &mut rows {
        if row.other_name.is_none() {
            row.other_name = renames.other_name(&row.id).cloned();
        }
    }
    rows.sort_by(|a, b| {
        let rank = |row: &Row| (row.outcome, row.change.unwrap_or(0).abs());
        rank(b).cmp(&rank(a)).then_with(|| a.id.cmp(&b.id))
    });
    let mut verdicts = BTreeMap::new();
    for row in &rows {
        *verdicts.entry(row.verdict.word()).or_default() += 1;
    }
    let ids: Vec<&BenchId> = rows.iter().map(|row| &row.id).collect();
    let warnings = policy
        .unmatched(&ids)
        .into_iter()
        .filter(|_| run.complete)
        .map(|pattern| Note::new("policy rule {} matches no benchmark", &[&pattern]))
        .collect();
    let outcome = match run.failed.as_slice() {
        [] => judgements.outcome,
        _ => Outcome::NotMeasured,
    };
    Report {
        format: REPORT_FORMAT,
        outcome,
        exit_code: outcome.exit_code(),
        base: base.to_owned(),
        judged: rows.len(),
        known: comparison.known,
        verdicts,
        environment: run.environment.clone(),
        environment_differences: comparison.environment_differences.clone(),
        warnings,
        main_cause: cause::main(&cause::all(&rows)),
        causes: cause::all(&rows),
        rows,
        commands: policy.commands().clone(),
        failed: run.failed.clone(),
        prefix: String::new(),
        source: None,
    }
}

impl Report {
    /// Adds something the reader should know before the numbers.
    pub fn warn(&mut self, warning: Note) {
        self.warnings.push(warning);
    }

    /// Adds how the benchmarks' accepted counts moved.
    pub fn remember(&mut self, history: &History) {
        for row in &mut self.rows {
            row.trend = history.trend(&row.id).map(|it| it.last(TREND_POINTS_MAX));
        }
    }

    /// The same report with every mark that cannot be seen spelt out. Names, reasons and fields
    /// come from pull requests: on a terminal or in a log, a line break or an escape sequence in
    /// them would be obeyed.
    #[must_use]
    pub fn escaped(&self) -> Self {
        let text = |text: &mut String| *text = escaped(text);
        let mut report = self.clone();
        text(&mut report.base);
        for warning in &mut report.warnings {
            *warning = warning.escaped();
        }
        for difference in &mut report.environment_differences {
            text(&mut difference.base);
            text(&mut difference.head);
        }
        for failed in &mut report.failed {
            // What a program printed has lines; they are kept apart, and harmless.
            failed.why = escaped_lines(failed.why.trim_end());
        }
        for cause in report.main_cause.iter_mut().chain(&mut report.causes) {
            let names = [&mut cause.name, &mut cause.file];
            for text in names.into_iter().chain(&mut cause.caller) {
                *text = escaped(text).into();
            }
        }
        for row in &mut report.rows {
            row.reason.iter_mut().for_each(text);
            for point in row.trend.iter_mut().flat_map(|it| &mut it.points) {
                *point = point.escaped();
            }
            let text = |text: &mut Interned| *text = escaped(text).into();
            let parts = row.proof.iter_mut().flat_map(|it| &mut it.parts);
            parts.for_each(|part| text(&mut part.file));
            for culprit in &mut row.culprits {
                text(&mut culprit.name);
                text(&mut culprit.file);
                culprit.caller.iter_mut().for_each(text);
            }
            for function in &mut row.attribution.functions {
                text(&mut function.name);
                text(&mut function.file);
                function.caller.iter_mut().for_each(text);
                function.moved_with.iter_mut().for_each(text);
            }
        }
        report
    }

    /// Whether base's own code would have to be measured for all of it to be judged.
    #[must_use]
    pub fn needs_base(&self) -> bool {
        let needs = [BaselineState::NotComparable, BaselineState::Rebaselined];
        self.rows.iter().any(|row| needs.contains(&row.baseline))
    }

    /// How many benchmarks got `verdict`.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.rows
            .iter()
            .filter(|row| row.verdict == verdict)
            .count()
    }

    /// The causes that several failing benchmarks have in common, the one of the worst first.
    #[must_use]
    pub fn cause_groups(&self) -> Vec<CauseGroup<'_>> {
        cause::groups(&self.rows)
    }

    /// A link to where a culprit is, if head's commit can be seen somewhere.
    #[must_use]
    pub fn link(&self, culprit: &Culprit) -> Option<String> {
        let path = format!("{}{}", self.prefix, culprit.file);
        self.source.as_ref()?.line(&path, culprit.line?)
    }

    /// How many baselines are in this state.
    #[must_use]
    pub fn count_state(&self, state: BaselineState) -> usize {
        self.rows.iter().filter(|row| row.baseline == state).count()
    }
}

#[cfg(test)]
pub(crate) mod tests;
