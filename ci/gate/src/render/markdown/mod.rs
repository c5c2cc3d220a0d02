//! A report as GitHub-flavoured Markdown: a pull request's comment, or a job's summary.
//!
//! ```text
//! headline: verdict and what to do, counts with a denominator
//! each cause at file:line, with the benchmarks that it moved, worst first
//! what else needs someone, worst first: counts, limit, trend, cause at file:line
//! accepted, with their reasons
//! folded: what stayed within its limit · functions and kinds · the measurement environment
//! what to type
//! ```
//!
//! Names come from pull requests and are hostile until escaped: each is a code span (see
//! [`markup`](super::markup)), and nothing else of them is shown.
//!
//! A comment that is too long is refused, so whole rows are left out from the end of each table,
//! the folded ones first, and the comment says how many.

use std::fmt::Write as _;

use crate::attribute::{Culprit, FunctionChange};
use crate::judge::{BaselineState, Outcome, Verdict};
use crate::render::markup::{code, prose};
use crate::render::messages;
use crate::render::number::{grouped, percent, signed};
use crate::render::sparkline::sparkline;
use crate::report::{CauseGroup, Report, Row};

/// A comment over 65,536 characters is refused; whole rows are dropped to stay below this.
const BYTES_MAX: usize = 60_000;
/// What each of the folded tables may take, so that they never push out what matters.
const FOLDED_BYTES: usize = 5_000;
/// What the table of accepted changes may take.
const ACCEPTED_BYTES: usize = 10_000;
/// Room for the line that says how many rows are missing.
const MORE_BYTES: usize = 100;
/// Baselines in a sparkline; the measured count is one more bar.
const BARS_MAX: usize = 20;
/// Benchmarks whose functions and other counts are listed.
const EXPLAINED_MAX: usize = 10;
/// Causes with a table of their own; what further ones moved is with the rest.
const GROUPS_MAX: usize = 10;
/// Functions listed for each.
const FUNCTIONS_MAX: usize = 6;

/// A table that may lose rows.
struct Table {
    /// What stands before its rows, with the table's own head.
    head: String,
    rows: Vec<String>,
    /// What ends it.
    tail: &'static str,
}

/// The report as Markdown, at most 60,000 bytes, ending in a line break.
#[must_use]
pub fn render(report: &Report) -> String {
    // From the end, so that what comes first gets all that the others leave.
    let mut below = String::new();
    let folded = [within(report), functions(report)];
    for (table, share) in folded.into_iter().flatten().zip(1..) {
        push(&mut below, &table, share * FOLDED_BYTES);
    }
    let mut above = String::new();
    if let Some(table) = accepted(report) {
        push(&mut above, &table, ACCEPTED_BYTES);
    }
    let below = above + &below + &foot(report);
    let mut text = head(report);
    let room = BYTES_MAX.saturating_sub(below.len());
    let tables = failing(report);
    for (table, after) in tables.iter().zip((0..tables.len()).rev()) {
        // Each table that follows can at least say how many rows it has.
        push(&mut text, table, room.saturating_sub(after * MORE_BYTES));
    }
    text + &below
}

/// Appends a table, without the rows for which there is no room in `text`.
fn push(text: &mut String, table: &Table, room: usize) {
    let frame = table.head.len() + table.tail.len() + MORE_BYTES;
    let mut left = room.saturating_sub(text.len() + frame);
    let fits = |row: &&String| {
        let fits = row.len() <= left;
        left = left.saturating_sub(row.len());
        fits
    };
    let shown: Vec<&String> = table.rows.iter().take_while(fits).collect();
    let is_framed = !shown.is_empty() || table.rows.is_empty();
    if is_framed {
        text.push_str(&table.head);
    }
    for row in &shown {
        text.push_str(row);
    }
    if shown.len() < table.rows.len() {
        let _ = writeln!(
            text,
            "\n… and {}, in the job's log and report.",
            messages::plural(table.rows.len() - shown.len(), "more row")
        );
    }
    if is_framed {
        text.push_str(table.tail);
    }
}

fn head(report: &Report) -> String {
    let sign = match report.outcome {
        Outcome::Pass => "✅",
        Outcome::BaselineOutOfDate => "🟡",
        Outcome::Regressed => "❌",
        Outcome::NotComparable => "⚠️",
        Outcome::NotMeasured => "💥",
    };
    let mut text = format!("### {sign} icgate: {}\n\n", messages::headline(report));
    let _ = writeln!(
        text,
        "**{}** Judged {} of {}: {}.\n",
        messages::action(report),
        grouped(report.judged as u64),
        grouped(report.known as u64),
        messages::counts(report)
    );
    // Where rows are grouped by their cause, the groups say it.
    if let Some(cause) = report
        .main_cause
        .as_ref()
        .filter(|_| groups(report).is_empty())
    {
        let _ = writeln!(text, "Cause: {}.\n", messages::main_cause(cause, code));
    }
    let mut notes = Vec::new();
    for (ids, why) in messages::failures(report, code) {
        let why = why.lines().next().unwrap_or_default();
        notes.push(format!("> 💥 not measured: {ids}: {}\n\n", code(why)));
    }
    for warning in &report.warnings {
        notes.push(format!("> ⚠️ {}\n\n", prose(warning)));
    }
    for difference in &report.environment_differences {
        let said = messages::difference(difference, code);
        notes.push(format!("> ⚠️ environment: {said}\n\n"));
    }
    let notes = Table {
        head: String::new(),
        rows: notes,
        tail: "",
    };
    // Notes are for whoever fixes the machine: half of a comment is enough.
    push(&mut text, &notes, BYTES_MAX / 2);
    text
}

/// The groups that have a table of their own.
fn groups(report: &Report) -> Vec<CauseGroup<'_>> {
    let mut groups = report.cause_groups();
    groups.truncate(GROUPS_MAX);
    groups
}

/// What needs someone, and what is new or gone: under each cause what it moved, then the rest.
fn failing(report: &Report) -> Vec<Table> {
    let groups = groups(report);
    let mut tables: Vec<Table> = groups.iter().map(|it| group(report, it)).collect();
    let is_grouped = |row: &Row| {
        let mut grouped = groups.iter().flat_map(|it| &it.rows);
        grouped.any(|it| it.id == row.id)
    };
    tables.extend(rest(report, is_grouped));
    tables
}

/// A cause once, and the benchmarks that it moved.
fn group(report: &Report, group: &CauseGroup<'_>) -> Table {
    let CauseGroup { culprit, rows } = group;
    let function = messages::function(&culprit.name, culprit.caller.as_deref());
    let head = format!(
        "**Cause:** {}{}{}, in {}:\n\n\
         {FACTS} by this cause | trend |\n{RULE}--:|---|\n",
        code(&function),
        at(report, culprit),
        messages::proof_label(group.proof()),
        messages::plural(rows.len(), "benchmark"),
    );
    let row = |row: &&Row| {
        let notes = messages::meaning_in(row, code).into_iter();
        let notes = notes.chain(messages::proof(row, code));
        let notes = notes.chain(messages::reach_note(row).map(str::to_owned));
        let notes = notes.fold(String::new(), |text, it| text + "<br>" + &it);
        let instructions = row.culprits.first().map_or(0, |it| it.instructions);
        let facts = facts(row, &notes);
        format!("{facts} {} | {} |\n", signed(instructions), trend(row))
    };
    Table {
        head,
        rows: rows.iter().map(row).collect(),
        tail: "\n",
    }
}

/// The columns that each table of benchmarks begins with.
const FACTS: &str = "| benchmark | verdict | base | head | change | limit |";
const RULE: &str = "|---|---|--:|--:|--:|--:|";

/// The cells below them, with notes on the benchmark.
fn facts(row: &Row, notes: &str) -> String {
    format!(
        "| {}{notes} | {} | {} | {} | {} | {} |",
        code(row.id.as_str()),
        messages::verdict(row),
        count(row.base),
        count(row.head),
        change(row),
        unbroken(&row.limit_share().to_string()),
    )
}

fn count(count: Option<u64>) -> String {
    count.map_or_else(|| "–".to_owned(), grouped)
}

/// What needs someone and has a cause of its own, or none.
fn rest(report: &Report, is_grouped: impl Fn(&Row) -> bool) -> Option<Table> {
    // Of another environment: the headline says how many, and the notes in what it differs.
    let is_elsewhere = |row: &Row| row.baseline == BaselineState::NotComparable;
    let needs_someone = |row: &&Row| row.fails() || !is_quiet(row) && !is_explained(row);
    let rows = report.rows.iter().filter(needs_someone);
    let rows = rows.filter(|row| !is_elsewhere(row));
    let rows = rows.filter(|row| !is_grouped(row)).map(|row| {
        let facts = facts(row, "");
        format!("{facts} {} | {} |\n", trend(row), cause(report, row))
    });
    table(
        &format!("{FACTS} trend | cause |\n{RULE}---|---|\n"),
        rows.collect(),
        "\n",
    )
}

/// Nothing to see: the baseline is base's, and the count is within its limit.
const fn is_quiet(row: &Row) -> bool {
    matches!(row.verdict, Verdict::UNCHANGED | Verdict::WITHIN_LIMIT)
}

/// Head's tree says why: a count that was accepted, or a benchmark that was removed.
fn is_explained(row: &Row) -> bool {
    matches!(
        row.baseline,
        BaselineState::Accepted | BaselineState::Removed
    )
}

fn accepted(report: &Report) -> Option<Table> {
    let rows = report
        .rows
        .iter()
        .filter(|row| is_explained(row))
        .map(|row| {
            let reason = row.reason.as_deref().map_or_else(|| "–".to_owned(), code);
            let blame = messages::blame(row).map_or_else(String::new, |it| format!("<br>{it}"));
            let facts = facts(row, "");
            format!("{facts} {} | {reason}{blame} |\n", trend(row))
        });
    table(
        &format!("**Accepted in the new baselines**\n\n{FACTS} trend | reason |\n{RULE}---|---|\n"),
        rows.collect(),
        "\n",
    )
}

fn within(report: &Report) -> Option<Table> {
    let rows: Vec<String> = report
        .rows
        .iter()
        .filter(|row| row.verdict == Verdict::WITHIN_LIMIT)
        .map(|row| {
            format!(
                "| {} | {} | {} | {} |\n",
                code(row.id.as_str()),
                row.base.map_or_else(|| "–".to_owned(), grouped),
                row.head.map_or_else(|| "–".to_owned(), grouped),
                change(row),
            )
        })
        .collect();
    folded(
        &format!(
            "{} moved within the limit",
            messages::plural(rows.len(), "benchmark")
        ),
        "| benchmark | base | head | change |\n|---|--:|--:|--:|\n",
        rows,
    )
}

/// The rows that are explained at length.
fn explained(report: &Report) -> impl Iterator<Item = &Row> {
    let is_moved = |row: &&Row| row.verdict != Verdict::WITHIN_LIMIT && row.has_moved();
    report.rows.iter().filter(is_moved).take(EXPLAINED_MAX)
}

/// A function once, whatever number of benchmarks it moved in: by the first of these, the worst.
fn functions(report: &Report) -> Option<Table> {
    let mut moved: Vec<(&FunctionChange, i128, usize)> = Vec::new();
    for row in explained(report) {
        for change in row.attribution.functions.iter().take(FUNCTIONS_MAX) {
            let is_it = |it: &FunctionChange| {
                (&it.name, &it.caller, &it.file) == (&change.name, &change.caller, &change.file)
            };
            match moved.iter_mut().find(|it| is_it(it.0)) {
                Some((_, sum, benchmarks)) => {
                    *sum += change.difference();
                    *benchmarks += 1;
                }
                None => moved.push((change, change.difference(), 1)),
            }
        }
    }
    let rows = moved.iter().map(|(change, sum, benchmarks)| {
        format!(
            "| {} | {} | {benchmarks} | {} | {} |\n",
            code(&messages::function(&change.name, change.caller.as_deref())),
            code(&change.file),
            signed(*sum),
            messages::kind(change, code),
        )
    });
    folded(
        "Functions that moved, and how",
        "| function | file | benchmarks | instructions | how, in the first |\n|---|---|--:|--:|---|\n",
        rows.collect(),
    )
}

fn table(head: &str, rows: Vec<String>, tail: &'static str) -> Option<Table> {
    let head = head.to_owned();
    (!rows.is_empty()).then_some(Table { head, rows, tail })
}

fn folded(summary: &str, head: &str, rows: Vec<String>) -> Option<Table> {
    let head = format!("<details><summary>{summary}</summary>\n\n{head}");
    table(&head, rows, "\n</details>\n\n")
}

fn foot(report: &Report) -> String {
    let mut text = String::new();
    for (purpose, command) in messages::next_steps(report) {
        let _ = writeln!(text, "- {purpose}: {}", code(&command));
    }
    let environment = &report.environment;
    let _ = writeln!(
        text,
        "\n<sub>compared with {} · environment: rustc {} · valgrind {} · libc {} · {}</sub>",
        code(&report.base),
        code(&environment.rustc),
        code(&environment.valgrind),
        code(&environment.libc),
        code(&environment.target)
    );
    text
}

fn change(row: &Row) -> String {
    row.change
        .map_or_else(|| "–".to_owned(), |it| unbroken(&percent(it)))
}

/// A number with its sign on one line, in a narrow column.
fn unbroken(number: &str) -> String {
    number.replace(' ', "\u{a0}")
}

/// The last baselines of this measurement environment, and what was measured.
fn trend(row: &Row) -> String {
    let Some(trend) = &row.trend else {
        return String::new();
    };
    let mut counts: Vec<u64> = trend.comparable_counts().collect();
    counts.extend(row.head);
    sparkline(&counts, BARS_MAX + 1)
}

fn cause(report: &Report, row: &Row) -> String {
    let culprits = row.culprits.iter().filter(|_| row.has_moved());
    let culprits = culprits.map(|culprit| {
        let what = messages::culprit_in(row, culprit, code);
        format!("{what}{}", at(report, culprit))
    });
    let parts: Vec<_> = messages::meaning_in(row, code)
        .into_iter()
        .chain(culprits)
        .chain(messages::proof(row, code))
        .chain(messages::reach_note(row).map(str::to_owned))
        .collect();
    parts.join("<br>")
}

/// ` at file:line`, as a link if head's commit can be seen somewhere.
fn at(report: &Report, culprit: &Culprit) -> String {
    let place = messages::place(culprit);
    if place.is_empty() {
        return String::new();
    }
    let place = match report.link(culprit) {
        Some(link) => format!("[{}]({link})", code(&place)),
        None => code(&place),
    };
    let note = if culprit.in_diff {
        " (changed here)"
    } else {
        ""
    };
    format!(" at {place}{note}")
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
