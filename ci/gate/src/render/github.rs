//! A report as workflow commands: annotations on the lines that grew.
//!
//! GitHub keeps ten annotations of each level a step and drops the rest unsaid, in the order of
//! printing. So the worst nine are printed, and the tenth says how many more there are.
//! Escaping follows the toolkit's `command.ts`: `%`, CR and LF everywhere, `:` and `,` in
//! properties too.

use std::fmt::Write as _;

use crate::judge::Outcome;
use crate::render::messages;
use crate::render::number::{grouped, percent};
use crate::report::{Report, Row};

/// Annotations of one level in full; one more says how many were left out.
const ANNOTATIONS_MAX: usize = 9;

/// The report as workflow commands, one a line.
#[must_use]
pub fn render(report: &Report) -> String {
    let report = &report.escaped();
    let mut text = String::new();
    let failures = messages::failures(report, str::to_owned);
    for (ids, why) in failures.iter().take(ANNOTATIONS_MAX) {
        let title = property(&format!("not measured {ids}"));
        let _ = writeln!(text, "::error title={title}::{}", data(why));
    }
    let failing = report.rows.iter().filter(|row| row.fails());
    push_level(&mut text, report, "error", &failing.collect::<Vec<_>>());
    let shown = |row: &&Row| !row.fails() && messages::meaning(row).is_some();
    push_level(
        &mut text,
        report,
        "notice",
        &report.rows.iter().filter(shown).collect::<Vec<_>>(),
    );
    if report.outcome == Outcome::Pass {
        let _ = writeln!(
            text,
            "::notice title=icgate::{}",
            data(&messages::headline(report))
        );
    } else {
        // GitHub keeps ten errors: with the rows' ten this one may be dropped, and may.
        let _ = writeln!(
            text,
            "::error title=icgate::{}",
            data(&messages::headline(report))
        );
    }
    text
}

fn push_level(text: &mut String, report: &Report, level: &str, rows: &[&Row]) {
    for row in rows.iter().take(ANNOTATIONS_MAX) {
        let _ = writeln!(
            text,
            "::{level} {}::{}",
            properties(report, row),
            data(&message(row))
        );
    }
    if let Some(more @ 1..) = rows.len().checked_sub(ANNOTATIONS_MAX) {
        let message = format!("and {more} more, in the job's summary");
        let _ = writeln!(text, "::{level} title=icgate::{message}");
    }
}

fn properties(report: &Report, row: &Row) -> String {
    let title = property(&format!("{} {}", messages::verdict(row), row.id));
    match row.culprits.first() {
        Some(culprit) if row.outcome == Outcome::Regressed => {
            let line = culprit
                .line
                .map_or_else(String::new, |line| format!(",line={line}"));
            format!(
                "file={}{line},title={title}",
                property(&format!("{}{}", report.prefix, culprit.file))
            )
        }
        _ => format!("title={title}"),
    }
}

/// What an annotation says.
pub(crate) fn message(row: &Row) -> String {
    let mut message = String::new();
    if let (Some(base), Some(head), Some(change)) = (row.base, row.head, row.change) {
        let _ = write!(
            message,
            "{} → {} {} ({}, limit {})",
            grouped(base),
            grouped(head),
            row.metric,
            percent(change),
            row.limit_share()
        );
    }
    let causes = row
        .culprits
        .iter()
        .map(|culprit| messages::culprit(row, culprit));
    let causes = causes.take_while(|_| row.change.is_some_and(|change| change != 0));
    let reach = messages::reach_note(row).map(str::to_owned);
    for line in messages::meaning(row)
        .into_iter()
        .chain(causes)
        .chain(messages::proof(row, str::to_owned))
        .chain(reach)
    {
        if !message.is_empty() {
            message.push('\n');
        }
        message.push_str(&line);
    }
    message
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::sample;

    #[test]
    fn a_red_run() {
        insta::assert_snapshot!(render(&sample()));
    }

    #[test]
    fn text_cannot_become_a_command() {
        assert_eq!(data("100%\r\n::error::x"), "100%25%0D%0A::error::x");
        assert_eq!(property("a:b,c%"), "a%3Ab%2Cc%25");
        let mut report = sample();
        report.rows[0].culprits[0].name = "x\n::stop-commands::t".into();
        report.rows[0].culprits[0].file = "a,line=1::b".into();
        let text = render(&report);
        assert!(
            text.lines()
                .all(|line| line.starts_with("::error ") || line.starts_with("::notice "))
        );
        assert!(text.contains("file=a%2Cline=1%3A%3Ab,line=42"));
    }

    #[test]
    fn the_worst_nine_and_how_many_more() {
        let mut report = sample();
        report.rows = vec![report.rows[0].clone(); 12];
        let text = render(&report);
        assert_eq!(
            text.lines().filter(|line| line.contains("file=")).count(),
            9
        );
        assert!(text.contains("::error title=icgate::and 3 more"), "{text}");
        report.rows.truncate(9);
        assert!(!render(&report).contains("more, in"));
    }
}
