//! A report as one self-contained page: no network, no other file, readable without its script.
//!
//! ```text
//! verdict and what to do
//! table: a summary row a benchmark, and under it a row with its details
//! ```
//!
//! Names come from pull requests. Every one is escaped where it is put in (maud does it), a page
//! has one script and one style of its own, and its policy names their digests: whatever a name
//! brought along would not run.
//!
//! A page stays below a limit of bytes: first details are left out, from the bottom, then whole
//! rows, and the page says how many. Trends from git have a page of the same kind.

mod benchmark;
mod chart;
mod document;
mod flamegraph;
mod history;
mod split;

use maud::{Markup, html};

use self::document::{BYTES_MAX, Column, Entry, Search, document, fit, prose, table};
pub use self::history::render as render_history;
use crate::judge::Outcome;
use crate::model::escape::escaped;
use crate::render::messages;
use crate::render::number::percent;
use crate::report::detail::Details;
use crate::report::{Report, Row};

/// Causes that are listed above the table.
const CAUSES_MAX: usize = 10;
/// Benchmarks listed under each.
const CAUSED_MAX: usize = 20;

/// The report as a page.
#[must_use]
pub fn render(report: &Report, details: &Details) -> String {
    render_within(report, details, BYTES_MAX)
}

fn render_within(report: &Report, details: &Details, bytes_max: usize) -> String {
    let report = &report.escaped();
    let title = format!("icgate: {}", messages::headline(report));
    let main = html! {
        (causes(report))
        (benchmarks(report, details, bytes_max))
        (surroundings(report))
    };
    document(&title, &verdict(report), &main)
}

fn verdict(report: &Report) -> Markup {
    let (class, sign) = match report.outcome {
        Outcome::Pass => ("pass", "✓"),
        Outcome::BaselineOutOfDate => ("step", "≠"),
        Outcome::Regressed => ("fail", "✗"),
        Outcome::NotComparable | Outcome::NotMeasured => ("fail", "!"),
    };
    html! {
        header class=(class) {
            h1 { span class="sign" aria-hidden="true" { (sign) } " " (messages::headline(report)) }
            p class="counts" {
                (messages::denominator(report)) ": " (messages::counts(report))
                ". Compared with " (report.base) "."
            }
            @if let Some(cause) = &report.main_cause {
                p class="main-cause" { "Cause: " (messages::main_cause(cause, str::to_owned)) "." }
            }
            @if !messages::next_steps(report).is_empty() {
                dl class="steps" {
                    @for (purpose, command) in messages::next_steps(report) {
                        div { dt { (purpose) } dd { code { (escaped(&command)) } } }
                    }
                }
            }
            @for (ids, why) in messages::failures(report, str::to_owned) {
                p class="warning" {
                    strong { "not measured: " (ids) }
                    pre tabindex="0" { (why) }
                }
            }
            @for warning in &report.warnings { p class="warning" { (prose(warning)) } }
            @for difference in &report.environment_differences {
                p class="warning" { "environment: " (messages::difference(difference, str::to_owned)) }
            }
        }
    }
}

/// Each cause that several failing benchmarks have in common, and what it moved.
fn causes(report: &Report) -> Markup {
    let groups = report.cause_groups();
    let index = |row: &Row| report.rows.iter().position(|it| it.id == row.id);
    html! {
        @if !groups.is_empty() {
            section id="causes" aria-labelledby="causes-title" {
                h2 id="causes-title" { "Causes" }
                @for group in groups.iter().take(CAUSES_MAX) {
                    p class="main-cause" {
                        (benchmark::culprit(report, group.culprit))
                        (messages::proof_label(group.proof()))
                        ", in " (messages::plural(group.rows.len(), "benchmark")) ":"
                    }
                    ul class="why" {
                        @for row in group.rows.iter().take(CAUSED_MAX) {
                            li {
                                a href=(format!("#benchmark-{}", index(row).unwrap_or(0))) { (row.id) }
                                " " (messages::verdict(row))
                                @if let Some(change) = row.change { " " (percent(change)) }
                            }
                        }
                        @if let Some(more @ 1..) = group.rows.len().checked_sub(CAUSED_MAX) {
                            li { "and " (more) " more, in the table below" }
                        }
                    }
                }
            }
        }
    }
}

fn benchmarks(report: &Report, details: &Details, bytes_max: usize) -> Markup {
    let columns = [
        ("benchmark", "text", "id"),
        ("verdict", "number", "verdict"),
        ("base", "number", "base"),
        ("head", "number", "head"),
        ("change", "number", "change"),
        ("limit", "number", "limit"),
        ("trend", "", "trend"),
        ("cause", "text", "cause"),
    ]
    .map(|(name, sort, class)| Column { name, sort, class });
    let mut verdicts: Vec<String> = Vec::new();
    for row in &report.rows {
        let verdict = messages::verdict(row);
        if !verdicts.contains(&verdict) {
            verdicts.push(verdict);
        }
    }
    let entries = report.rows.iter().enumerate().map(|(index, row)| Entry {
        summary: benchmark::summary(report, row, index).into_string(),
        detail: benchmark::details(report, row, details.benchmarks.get(&row.id), index)
            .into_string(),
    });
    let fitted = fit(entries, bytes_max);
    let search = Search {
        hint: "name, verdict, function or file",
        kind: "Verdict",
        words: &verdicts,
    };
    table(&columns, &fitted, &search, "report.json")
}

fn surroundings(report: &Report) -> Markup {
    html! {
        section aria-labelledby="environment-title" {
            h2 id="environment-title" { "Environment" }
            p { "Counts are equal to the digit wherever these are." }
            dl class="environment" {
                @for (name, value) in report.environment.fields() {
                    div { dt { (name.replace('_', " ")) } dd { (escaped(value)) } }
                }
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
