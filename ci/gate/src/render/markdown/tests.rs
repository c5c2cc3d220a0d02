use super::*;
use crate::attribute::reach::Reach;
use crate::report::BaseRunChange;
use crate::report::source_link::SourceTree;
use crate::report::tests::sample;

#[test]
fn a_red_comment() {
    insta::assert_snapshot!(render(&sample()));
}

#[test]
fn what_the_terminal_says_of_a_cause_the_comment_says_as_well() {
    let mut report = sample();
    let row = &mut report.rows[0];
    row.reach = Some(Reach::Unreachable);
    row.base_run = Some(BaseRunChange {
        count: 232_000,
        before: Some(8_696),
        own: Some(17_242),
        other_environment: false,
    });
    row.attribution.functions[0].moved_with = Some("engine::frame::neighbour".into());
    row.attribution.functions[0].moved = 600;
    let text = render(&report);
    for said in [
        messages::reach(Reach::Unreachable),
        "already on base +0.86 %, by this change +1.72 %",
        "+600 of it moved from `engine::frame::neighbour`",
    ] {
        assert!(text.contains(said), "{said} in {text}");
    }
}

/// Fifteen regressions of one cause, and head's commit.
fn one_cause() -> Report {
    let mut report = sample();
    let row = report.rows[0].clone();
    report.rows = (1..=15)
        .map(|number| {
            let mut row = row.clone();
            row.id = format!("frame/encode/b{number:02}").parse().unwrap();
            row
        })
        .collect();
    report.source = SourceTree::new("https://github.com/o/r", &"0a".repeat(20));
    report
}

#[test]
fn a_cause_is_said_once_above_what_it_moved() {
    let text = render(&one_cause());
    assert_eq!(
        text.matches("`engine::frame::encode`").count(),
        1 + 1,
        "{text}"
    );
    let (above, folded) = text.split_once("<details>").unwrap();
    assert_eq!(above.matches("engine::frame::encode").count(), 1, "{above}");
    assert_eq!(
        folded.matches("`engine::frame::encode`").count(),
        1,
        "{folded}"
    );
    assert_eq!(above.matches("| `frame/encode/b").count(), 15, "{above}");
}

#[test]
fn a_cause_links_to_its_line_in_heads_commit() {
    let mut report = one_cause();
    let link = format!(
        "[`engine/src/frame.rs:42`](https://github.com/o/r/blob/{}/engine/src/frame.rs#L42)",
        "0a".repeat(20)
    );
    assert!(render(&report).contains(&link));
    report.rows.truncate(1);
    assert!(render(&report).contains(&link), "of a single row as well");
    for row in &mut report.rows {
        row.culprits[0].file = "../evil) [x](https://evil.example".into();
    }
    let text = render(&report);
    assert!(!text.contains("](https://github.com"), "{text}");
    assert!(!text.contains("[`../evil"), "{text}");
}

#[test]
fn a_row_shows_its_last_twenty_baselines_and_what_was_measured() {
    let mut report = sample();
    let history = crate::report::history::tests::sample();
    let mut trend = history.trend(&"a/f/x".parse().unwrap()).unwrap().clone();
    let point = trend.points[0].clone();
    trend.points = vec![point; 30];
    report.rows[0].trend = Some(trend);
    let is_bar = |c: &char| ('▁'..='█').contains(c);
    assert_eq!(render(&report).chars().filter(is_bar).count(), 21);
}

#[test]
fn whole_rows_are_dropped_to_stay_below_the_limit() {
    let mut report = sample();
    let row = report.rows[0].clone();
    report.rows.extend((0..1_000).map(|_| row.clone()));
    let text = render(&report);
    assert!(text.len() <= BYTES_MAX, "{}", text.len());
    let (first, rest) = text
        .split_once("**Accepted in the new baselines**")
        .unwrap();
    let shown = first.lines().filter(|line| line.starts_with("| `")).count();
    assert!(shown > 100, "{shown}");
    // The regressed one and its thousand copies have one cause; three others need someone too.
    let more = messages::plural(1_001 - shown, "more row");
    for more in [more.as_str(), "3 more rows"] {
        assert!(
            first.contains(&format!("… and {more}, in the job")),
            "{first}"
        );
    }
    assert!(
        rest.contains("TTL needs a clock read"),
        "accepted rows have their room"
    );
    assert!(
        text.ends_with("</sub>\n"),
        "and what to type is always there"
    );
}
