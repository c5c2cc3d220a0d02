//! A report as GitHub-flavoured Markdown: a pull request's comment, or a job's summary.
//!
//! Names come from pull requests and are hostile until escaped. A name is shown as a code span
//! whose fence is longer than any run of backticks in it, with control and direction marks spelt
//! out and `|` escaped, since a table splits its cells before it looks at spans.

use std::fmt::Write as _;

use crate::judge::{Outcome, Verdict};
use crate::render::markup::code;
use crate::render::number::{grouped, percent};
use crate::render::words;
use crate::report::{Report, Row};

/// A comment over 65,536 characters is refused; whole rows are dropped to stay below this.
const BYTES_MAX: usize = 60_000;

/// The report as Markdown, at most 60,000 bytes, ending in a line break.
#[must_use]
pub fn render(report: &Report) -> String {
    let head = head(report);
    let foot = foot(report);
    let rows: Vec<String> = report
        .rows
        .iter()
        .filter(|row| row.verdict != Verdict::Unchanged)
        .map(table_row)
        .collect();
    let mut text = head;
    if !rows.is_empty() {
        text.push_str("| benchmark | base | head | change | limit | verdict | cause |\n");
        text.push_str("|---|--:|--:|--:|--:|---|---|\n");
    }
    let mut shown = 0;
    for row in &rows {
        if text.len() + row.len() + foot.len() + 200 > BYTES_MAX {
            break;
        }
        text.push_str(row);
        shown += 1;
    }
    if shown < rows.len() {
        let _ = writeln!(
            text,
            "\n… and {} more rows, in the job's log.",
            rows.len() - shown
        );
    }
    text.push_str(&foot);
    text
}

fn head(report: &Report) -> String {
    let sign = match report.outcome {
        Outcome::Pass => "✅",
        Outcome::OutOfStep => "🟡",
        Outcome::Regressed => "❌",
        Outcome::Incomparable => "⚠️",
        Outcome::Unmeasured => "💥",
    };
    let mut text = format!("### {sign} icgate: {}\n\n", words::headline(report));
    let _ = writeln!(
        text,
        "{}: {}.\n",
        words::denominator(report),
        words::counts(report)
    );
    for failed in &report.failed {
        let why = failed.why.lines().next().unwrap_or_default();
        let _ = writeln!(
            text,
            "> 💥 {} was not measured: {}\n",
            code(failed.id.as_str()),
            code(why)
        );
    }
    for warning in &report.warnings {
        let _ = writeln!(text, "> ⚠️ {}\n", code(warning));
    }
    for difference in &report.chamber_differences {
        let _ = writeln!(
            text,
            "> ⚠️ chamber: {} was {} and is {}\n",
            difference.field,
            code(&difference.base),
            code(&difference.head)
        );
    }
    text
}

fn foot(report: &Report) -> String {
    let mut text = String::from("\n");
    for (purpose, command) in words::next_steps(report) {
        let _ = writeln!(text, "- {purpose}: {}", code(&command));
    }
    let chamber = &report.chamber;
    let _ = writeln!(
        text,
        "\n<sub>compared with {} · rustc {} · valgrind {} · {}</sub>",
        code(&report.base),
        code(&chamber.rustc),
        code(&chamber.valgrind),
        code(&chamber.target)
    );
    text
}

fn table_row(row: &Row) -> String {
    let count = |count: Option<u64>| count.map_or_else(|| "–".to_owned(), grouped);
    let change = row.change.map_or_else(|| "–".to_owned(), percent);
    format!(
        "| {} | {} | {} | {change} | {} | {} | {} |\n",
        code(row.id.as_str()),
        count(row.base),
        count(row.head),
        row.limit_share(),
        row.verdict.word(),
        cause(row)
    )
}

fn cause(row: &Row) -> String {
    if let Some(meaning) = words::meaning(row) {
        return code(&meaning);
    }
    let parts: Vec<_> = row
        .culprits
        .iter()
        .map(|culprit| {
            let place = words::place(culprit);
            let at = if place.is_empty() {
                String::new()
            } else {
                format!(" at {}", code(&place))
            };
            format!("{}{at}", code(&words::culprit(row, culprit)))
        })
        .collect();
    parts.join("<br>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::sample;

    #[test]
    fn a_red_comment() {
        insta::assert_snapshot!(render(&sample()));
    }

    #[test]
    fn whole_rows_are_dropped_to_stay_below_the_limit() {
        let mut report = sample();
        let row = report.rows[0].clone();
        report.rows.extend((0..1_000).map(|_| row.clone()));
        let text = render(&report);
        assert!(text.len() <= BYTES_MAX, "{}", text.len());
        let shown = text.lines().filter(|line| line.starts_with("| `")).count();
        let changed = report
            .rows
            .iter()
            .filter(|row| row.verdict != Verdict::Unchanged)
            .count();
        let more = text
            .lines()
            .find(|line| line.starts_with("… and "))
            .unwrap();
        assert_eq!(
            more,
            format!("… and {} more rows, in the job's log.", changed - shown)
        );
    }
}
