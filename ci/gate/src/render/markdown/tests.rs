use super::*;
use crate::attribute::reach::Reach;
use crate::report::BaseRunChange;
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
        "+600 of it moved from engine::frame::neighbour",
    ] {
        assert!(text.contains(said), "{said} in {text}");
    }
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
    // Regressed, improved, missing and unlisted, and the thousand.
    let more = messages::plural(1_004 - shown, "more row");
    assert!(
        first.contains(&format!("… and {more}, in the job")),
        "{first}"
    );
    assert!(
        rest.contains("TTL needs a clock read"),
        "accepted rows have their room"
    );
    assert!(
        text.ends_with("</sub>\n"),
        "and what to type is always there"
    );
}
