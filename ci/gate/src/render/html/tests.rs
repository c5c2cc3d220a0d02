use super::document::ROWS_BYTES;
use super::*;
use crate::attribute::reach::Reach;
use crate::model::note::Note;
use crate::report::BaseRunChange;
use crate::report::detail::tests::sample;
use crate::report::source_link::SourceTree;

/// The texts between `start` and `end`.
fn between<'a>(page: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    page.split(start)
        .skip(1)
        .map(|it| it.split(end).next().unwrap())
        .collect()
}

#[test]
fn a_page_needs_nothing_from_elsewhere() {
    let (report, details) = sample(true);
    let page = render(&report, &details);
    for outside in [
        "http://",
        "https://",
        "src=",
        "@import",
        "url(",
        " href=\"/",
        "onload",
        "onclick",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
    let policy = between(&page, "Content-Security-Policy\" content=\"", "\"")[0];
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(between(&page, "<script>", "</script>").len(), 1);
    assert_eq!(between(&page, "<style>", "</style>").len(), 2);
    assert!(
        !page.contains("style=\""),
        "no style but the page's own would be allowed"
    );
}

#[test]
fn the_verdict_comes_first_and_every_benchmark_has_a_row() {
    let (report, details) = sample(false);
    let page = render(&report, &details);
    let at = |text: &str| {
        page.find(text)
            .unwrap_or_else(|| panic!("{text} is missing"))
    };
    assert!(at("<h1>") < at("judged 6 of 6") && at("judged 6 of 6") < at("id=\"table\""));
    assert_eq!(page.matches("<tbody id=").count(), report.rows.len());
    assert!(at("Flamegraph of the difference") > at("id=\"detail-0\""));
    assert!(page.contains("+6,000"), "the culprit's difference");
    assert!(page.contains("the culprit"), "its source");
}

#[test]
fn names_stay_text() {
    let (mut report, details) = sample(true);
    let hostile = "</code><script>alert(1)</script><img src=x onerror='alert(2)'>\u{202e}\"";
    for row in &mut report.rows {
        row.reason = Some(hostile.to_owned());
        for culprit in &mut row.culprits {
            culprit.name = hostile.into();
            culprit.file = hostile.into();
        }
        for function in &mut row.attribution.functions {
            function.name = hostile.into();
            function.file = hostile.into();
        }
    }
    report.warn(Note::new("{}", &[&hostile]));
    report.base = hostile.to_owned();
    let page = render(&report, &details);
    assert_eq!(page.matches("<script").count(), 1);
    assert!(!page.contains("<img") && !page.contains('\u{202e}'));
    assert!(page.contains("&lt;script&gt;"));
}

#[test]
fn details_are_left_out_before_rows_are() {
    let (report, details) = sample(false);
    let left_out = |bytes: usize| {
        let page = render_within(&report, &details, bytes);
        let rows = page.matches("class=\"summary\"").count();
        (
            report.rows.len() - rows,
            rows - page.matches("class=\"detail\"").count(),
        )
    };
    assert_eq!(left_out(BYTES_MAX), (0, 0));
    assert_eq!(left_out(ROWS_BYTES), (0, report.rows.len()));
    let (rows, _) = left_out(2_000);
    assert!(rows > 0 && rows < report.rows.len(), "{rows}");
    assert!(render_within(&report, &details, 2_000).contains("had no room here"));
}

#[test]
fn what_the_terminal_says_of_a_cause_the_page_says_as_well() {
    let (mut report, details) = sample(true);
    let row = &mut report.rows[0];
    row.reach = Some(Reach::Touched);
    row.base_run = Some(BaseRunChange {
        count: 232_000,
        before: Some(8_696),
        own: Some(17_242),
        other_environment: false,
    });
    row.attribution.functions[0].moved_with = Some("engine::frame::neighbour".into());
    row.attribution.functions[0].moved = 600;
    let page = render(&report, &details);
    let summary = between(&page, "<td class=\"cause\">", "</td>")[0];
    for said in ["already on base +0.86 %", "engine::frame::encode", ":42"] {
        assert!(summary.contains(said), "{said} in {summary}");
    }
    let why = between(&page, "Why it moved", "</section>")[0];
    for said in [
        messages::reach(Reach::Touched),
        "by this change +1.72 %",
        "(changed here)",
    ] {
        assert!(why.contains(said), "{said} in {why}");
    }
    let functions = between(&page, "Functions that moved", "</section>")[0];
    assert!(functions.contains("+600 of it moved from engine::frame::neighbour"));
    let header = between(&page, "<header", "</header>")[0];
    assert!(header.contains("Cause: engine::frame::encode at engine/src/frame.rs:42"));
}

#[test]
fn a_cause_of_several_benchmarks_is_said_once_above_the_table() {
    let (mut report, details) = sample(true);
    let mut second = report.rows[0].clone();
    second.id = "frame/encode/second".parse().unwrap();
    report.rows.insert(1, second);
    report.source = SourceTree::new("https://github.com/o/r", &"0a".repeat(20));
    let page = render(&report, &details);
    let causes = between(&page, "<section id=\"causes\"", "</section>");
    let [causes] = causes.as_slice() else {
        panic!("one section")
    };
    assert_eq!(causes.matches("engine::frame::encode").count(), 1);
    let link = format!(
        "href=\"https://github.com/o/r/blob/{}/engine/src/frame.rs#L42\"",
        "0a".repeat(20)
    );
    assert!(causes.contains(&link), "{causes}");
    for row in ["#benchmark-0", "#benchmark-1"] {
        assert!(causes.contains(row), "{causes}");
    }
}
