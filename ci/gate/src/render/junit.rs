//! A report as `JUnit` XML, which CI systems show as test results: a test suite for each suite of
//! benchmarks, a test case for each benchmark.
//!
//! There is no standard; this is the part that readers agree on (as the Jenkins plugin and
//! GitLab's documentation describe it). Times are left out: none was measured.

use std::collections::BTreeMap;

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use crate::model::bench_id::BenchId;
use crate::render::messages;
use crate::render::number::{grouped, percent};
use crate::report::{Report, Row};

/// The report as `JUnit` XML.
#[must_use]
#[expect(
    clippy::missing_panics_doc,
    reason = "memory takes all that is written"
)]
pub fn render(report: &Report) -> String {
    let report = &report.escaped();
    let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
    let judged = report.rows.iter().map(|row| (&row.id, status_of(row)));
    let failed = report.failed.iter().map(|failed| {
        let status = status(NonSuccessKind::Error, "not measured", &failed.why);
        (&failed.id, status)
    });
    for (id, status) in judged.chain(failed) {
        let suite = suites.entry(id.suite());
        let suite = suite.or_insert_with(|| TestSuite::new(id.suite()));
        suite.add_test_case(case(id, status));
    }
    let mut document = quick_junit::Report::new("icgate");
    document.add_test_suites(suites.into_values());
    let text = document.to_string().expect("memory takes all");
    // Control marks are spelt out already; these two are no characters of XML either.
    text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

fn case(id: &BenchId, status: TestCaseStatus) -> TestCase {
    let name = id.as_str().split_once('/').map_or("", |(_, name)| name);
    let mut case = TestCase::new(name, status);
    case.set_classname(id.suite());
    case
}

fn status_of(row: &Row) -> TestCaseStatus {
    if row.fails() {
        status(NonSuccessKind::Failure, &headline(row), &explanation(row))
    } else {
        TestCaseStatus::success()
    }
}

fn status(kind: NonSuccessKind, message: &str, description: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(message).set_description(description);
    status
}

fn headline(row: &Row) -> String {
    match (row.base, row.head, row.change) {
        (Some(base), Some(head), Some(change)) => format!(
            "{}: {} → {} {} ({}, limit {})",
            messages::verdict(row),
            grouped(base),
            grouped(head),
            row.metric,
            percent(change),
            row.limit_share()
        ),
        _ => messages::verdict(row),
    }
}

fn explanation(row: &Row) -> String {
    let culprits = row.culprits.iter().map(|culprit| {
        format!(
            "{}\nat {}",
            messages::culprit(row, culprit),
            messages::place(culprit)
        )
    });
    let reach = messages::reach_note(row).map(str::to_owned);
    let lines = messages::meaning(row)
        .into_iter()
        .chain(culprits)
        .chain(reach);
    let lines: Vec<String> = lines.collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use quick_xml::events::Event;

    use super::*;
    use crate::model::run::Failed;
    use crate::report::tests::sample;

    #[test]
    fn a_red_test_run() {
        let mut report = sample();
        report.failed.push(Failed {
            id: "kv/put/bad".parse().unwrap(),
            why: "it printed ]]> & <testcase name=\"x\"/>\u{1b}".to_owned(),
        });
        insta::assert_snapshot!(render(&report));
    }

    #[test]
    fn names_cannot_leave_their_attribute() {
        let mut report = sample();
        report.rows[0].id = "frame/\"<>&'/x".parse().unwrap();
        report.rows[0].culprits[0].name = "</failure><testcase/>".into();
        let xml = render(&report);
        assert_eq!(xml.matches("<testcase").count(), report.rows.len());
        assert!(
            xml.contains("name=\"&quot;&lt;&gt;&amp;&apos;/x\""),
            "{xml}"
        );
        let mut reader = quick_xml::Reader::from_str(&xml);
        while !matches!(reader.read_event().unwrap(), Event::Eof) {}
    }
}
