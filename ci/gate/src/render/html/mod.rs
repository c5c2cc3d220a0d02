//! A report as one self-contained page: no network, no other file, readable without its script.
//!
//! ```text
//! verdict and what to do
//! table: a summary row a benchmark, and under it a row with its details
//! ```
//!
//! Names come from pull requests. Every one is escaped where it is put in (maud does it), the page
//! has one script and one style of its own, and its policy names their digests: whatever a name
//! brought along would not run.
//!
//! The page stays below a limit of bytes: first details are left out, from the bottom, then whole
//! rows, and the page says how many.

mod benchmark;
mod chart;
mod flamegraph;

use base64::Engine as _;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use crate::detail::Details;
use crate::judge::Outcome;
use crate::render::words;
use crate::report::Report;
use crate::visible::visible;

/// What all rows and details may take together. With the rest the page stays below 5 MB.
const BYTES_MAX: usize = 4_700_000;
/// Room that is kept for rows, which matter more than details.
const ROWS_BYTES: usize = 1_500_000;

const STYLE: &str = include_str!("style.css");
/// Details are shut until they are asked for. Where nothing can ask, they are open.
const STYLE_WITHOUT_SCRIPT: &str = "tr.detail[hidden] { display: table-row !important; }";
const SCRIPT: &str = include_str!("script.js");

/// The report as a page.
#[must_use]
pub fn render(report: &Report, details: &Details) -> String {
    render_within(report, details, BYTES_MAX)
}

fn render_within(report: &Report, details: &Details, bytes_max: usize) -> String {
    let report = &report.visible();
    let (rows, left_out) = rows(report, details, bytes_max);
    let policy = format!(
        "default-src 'none'; style-src '{}' '{}'; script-src '{}'; base-uri 'none'; \
         form-action 'none'",
        digest(STYLE),
        digest(STYLE_WITHOUT_SCRIPT),
        digest(SCRIPT)
    );
    let title = format!("icgate: {}", words::headline(report));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(STYLE)) }
                noscript { style { (PreEscaped(STYLE_WITHOUT_SCRIPT)) } }
            }
            body {
                a class="skip" href="#benchmarks" { "Skip to the benchmarks" }
                (verdict(report))
                main {
                    (benchmarks(report, &rows, &left_out))
                    (surroundings(report))
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// A digest as content security policies want it.
fn digest(text: &str) -> String {
    let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text));
    format!("sha256-{digest}")
}

fn verdict(report: &Report) -> Markup {
    let (class, sign) = match report.outcome {
        Outcome::Pass => ("pass", "✓"),
        Outcome::OutOfStep => ("step", "≠"),
        Outcome::Regressed => ("fail", "✗"),
        Outcome::Incomparable | Outcome::Unmeasured => ("fail", "!"),
    };
    html! {
        header class=(class) {
            h1 { span class="sign" aria-hidden="true" { (sign) } " " (words::headline(report)) }
            p class="counts" {
                (words::denominator(report)) ": " (words::counts(report))
                ". Compared with " (report.base) "."
            }
            @if let Some(cause) = &report.main_cause {
                p class="main-cause" { "Cause: " (words::main_cause(cause, str::to_owned)) "." }
            }
            @if !words::next_steps(report).is_empty() {
                dl class="steps" {
                    @for (purpose, command) in words::next_steps(report) {
                        div { dt { (purpose) } dd { code { (visible(&command)) } } }
                    }
                }
            }
            @for failed in &report.failed {
                p class="warning" {
                    strong { (failed.id) " was not measured" }
                    pre tabindex="0" { (failed.why) }
                }
            }
            @for warning in &report.warnings { p class="warning" { (warning) } }
            @for difference in &report.chamber_differences {
                p class="warning" {
                    "chamber: " (difference.field) " was " code { (difference.base) }
                    " and is " code { (difference.head) }
                }
            }
        }
    }
}

/// Rows and details that fit, each row with its details behind it.
fn rows(report: &Report, details: &Details, bytes_max: usize) -> (Vec<String>, LeftOut) {
    let mut left_out = LeftOut::default();
    let mut rows = Vec::new();
    let mut bytes = 0;
    for (index, row) in report.rows.iter().enumerate() {
        let summary = benchmark::summary(row, index).into_string();
        if bytes + summary.len() > bytes_max {
            left_out.rows += 1;
            continue;
        }
        let detail = benchmark::details(report, row, details.benchmarks.get(&row.id), index);
        let detail = detail.into_string();
        let fits = bytes + summary.len() + detail.len() <= bytes_max.saturating_sub(ROWS_BYTES);
        bytes += summary.len() + if fits { detail.len() } else { 0 };
        if fits {
            rows.push(summary + &detail);
        } else {
            left_out.details += 1;
            rows.push(summary);
        }
    }
    (rows, left_out)
}

/// What had no room.
#[derive(Debug, Default, PartialEq, Eq)]
struct LeftOut {
    details: usize,
    rows: usize,
}

fn benchmarks(report: &Report, rows: &[String], left_out: &LeftOut) -> Markup {
    let columns = [
        ("benchmark", "text", "id"),
        ("verdict", "number", "verdict"),
        ("base", "number", "base"),
        ("head", "number", "head"),
        ("change", "number", "change"),
        ("limit", "number", "limit"),
        ("trend", "", "trend"),
        ("cause", "text", "cause"),
    ];
    let mut verdicts: Vec<&str> = Vec::new();
    for row in &report.rows {
        if !verdicts.contains(&row.verdict.word()) {
            verdicts.push(row.verdict.word());
        }
    }
    html! {
        section id="benchmarks" aria-labelledby="benchmarks-title" {
            h2 id="benchmarks-title" { "Benchmarks" }
            div class="controls" role="search" {
                label { "Search " input id="search" type="search" placeholder="name, verdict, function or file"
                    autocomplete="off" aria-keyshortcuts="/"; }
                label { "Verdict " select id="verdict" {
                    option value="" { "all" }
                    @for verdict in verdicts { option { (verdict) } }
                } }
                output id="shown" aria-live="polite" { (words::plural(rows.len(), "benchmark")) }
            }
            div class="scroll" tabindex="0" role="region" aria-labelledby="benchmarks-title" {
                table id="table" {
                    thead { tr {
                        @for (name, sort, class) in columns {
                            @if sort.is_empty() {
                                th scope="col" class=(class) { (name) }
                            } @else {
                                th scope="col" class=(class) data-sort=(sort) aria-sort="none" {
                                    button type="button" { (name) }
                                }
                            }
                        }
                    } }
                    @for row in rows { (PreEscaped(row)) }
                }
            }
            @if left_out.details > 0 {
                p class="warning" { "The details of " (words::plural(left_out.details, "benchmark"))
                    " were left out to keep this page small; report.json has all." }
            }
            @if left_out.rows > 0 {
                p class="warning" { (words::plural(left_out.rows, "benchmark"))
                    " more had no room here; report.json has all." }
            }
        }
    }
}

fn surroundings(report: &Report) -> Markup {
    html! {
        section aria-labelledby="chamber-title" {
            h2 id="chamber-title" { "Chamber" }
            p { "Counts are equal to the digit wherever these are." }
            dl class="chamber" {
                @for (name, value) in report.chamber.fields() {
                    div { dt { (name.replace('_', " ")) } dd { (visible(value)) } }
                }
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
