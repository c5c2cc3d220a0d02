//! A report as `JUnit` XML, which CI systems show as test results: a test suite for each suite of
//! benchmarks, a test case for each benchmark.
//!
//! There is no standard; this is the part that readers agree on (as the Jenkins plugin and
//! GitLab's documentation describe it). Times are left out: none was measured.

use std::collections::BTreeMap;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use crate::model::run::Failed;
use crate::render::messages;
use crate::render::number::{grouped, percent};
use crate::report::{Report, Row};

/// A benchmark, or why there is none.
enum Case<'a> {
    Judged(&'a Row),
    Failed(&'a Failed),
}

/// The report as `JUnit` XML.
#[must_use]
pub fn render(report: &Report) -> String {
    let report = &report.escaped();
    let mut suites: BTreeMap<&str, Vec<Case<'_>>> = BTreeMap::new();
    for row in &report.rows {
        suites
            .entry(row.id.suite())
            .or_default()
            .push(Case::Judged(row));
    }
    for failed in &report.failed {
        suites
            .entry(failed.id.suite())
            .or_default()
            .push(Case::Failed(failed));
    }
    document(&suites)
}

fn document(suites: &BTreeMap<&str, Vec<Case<'_>>>) -> String {
    let mut bytes = Vec::new();
    write(&mut Writer::new_with_indent(&mut bytes, b' ', 2), suites).expect("memory takes all");
    let text = String::from_utf8(bytes).expect("text was written") + "\n";
    // Control marks are spelt out already; these two are no characters of XML either.
    text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

fn write(
    xml: &mut Writer<&mut Vec<u8>>,
    suites: &BTreeMap<&str, Vec<Case<'_>>>,
) -> std::io::Result<()> {
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let all = || suites.values().flatten();
    xml.write_event(Event::Start(counted("testsuites", "icgate", &all())))?;
    for (name, cases) in suites {
        xml.write_event(Event::Start(counted("testsuite", name, &cases.iter())))?;
        for case in cases {
            write_case(xml, case)?;
        }
        xml.write_event(Event::End(BytesEnd::new("testsuite")))?;
    }
    xml.write_event(Event::End(BytesEnd::new("testsuites")))
}

fn counted<'a>(
    tag: &'static str,
    name: &str,
    cases: &(impl Iterator<Item = &'a Case<'a>> + Clone),
) -> BytesStart<'static> {
    let failures = cases
        .clone()
        .filter(|it| matches!(it, Case::Judged(row) if row.fails()));
    let errors = cases.clone().filter(|it| matches!(it, Case::Failed(_)));
    BytesStart::new(tag).with_attributes([
        ("name", name),
        ("tests", &cases.clone().count().to_string()),
        ("failures", &failures.count().to_string()),
        ("errors", &errors.count().to_string()),
    ])
}

fn write_case(xml: &mut Writer<&mut Vec<u8>>, case: &Case<'_>) -> std::io::Result<()> {
    let id = match case {
        Case::Judged(row) => &row.id,
        Case::Failed(failed) => &failed.id,
    };
    let name = id.as_str().split_once('/').map_or("", |(_, name)| name);
    let head =
        BytesStart::new("testcase").with_attributes([("classname", id.suite()), ("name", name)]);
    let (tag, message, text) = match case {
        Case::Judged(row) if row.fails() => ("failure", headline(row), explanation(row)),
        Case::Judged(_) => return xml.write_event(Event::Empty(head)),
        Case::Failed(failed) => ("error", "not measured".to_owned(), failed.why.clone()),
    };
    xml.write_event(Event::Start(head))?;
    let failure = BytesStart::new(tag).with_attributes([("message", message.as_str())]);
    xml.write_event(Event::Start(failure))?;
    xml.write_event(Event::Text(BytesText::new(&text)))?;
    xml.write_event(Event::End(BytesEnd::new(tag)))?;
    xml.write_event(Event::End(BytesEnd::new("testcase")))
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
    use super::*;
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
