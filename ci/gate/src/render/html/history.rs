//! Trends from git as a page: a row for each benchmark, and under it its picture and its steps.

use std::cmp::Reverse;

use maud::{Markup, PreEscaped, html};
use strum::{IntoStaticStr, VariantArray};

use super::document::{BYTES_MAX, Column, Entry, Search, document, fit, prose, table};
use super::{benchmark, chart};
use crate::model::escape::escaped;
use crate::render::history::{HistoryRow, HistoryView};
use crate::render::messages::plural;
use crate::render::number::{grouped, percent, signed};
use crate::report::change;
use crate::report::history::{Drift, Step};

const COLUMNS: [Column; 8] = [
    column("benchmark", "text", "id"),
    column("state", "number", "verdict"),
    column("first", "number", "base"),
    column("now", "number", "head"),
    column("change", "number", "change"),
    column("steps", "number", "limit"),
    column("trend", "", "trend"),
    column("last step", "text", "cause"),
];

/// Steps that are listed, the newest ones.
const STEPS_MAX: usize = 50;

const fn column(name: &'static str, sort: &'static str, class: &'static str) -> Column {
    Column { name, sort, class }
}

/// How a benchmark stands, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
enum State {
    #[strum(serialize = "over limit")]
    OverTheLimit,
    Grew,
    Shrank,
    Unchanged,
    Gone,
}

impl State {
    fn of(row: &HistoryRow<'_>) -> Self {
        let Some(drift) = row.drift else {
            return Self::Gone;
        };
        match drift.instructions() {
            _ if row.exceeded => Self::OverTheLimit,
            1.. => Self::Grew,
            0 => Self::Unchanged,
            _ => Self::Shrank,
        }
    }
}

/// The page of a history.
#[must_use]
pub fn render(view: &HistoryView<'_>) -> String {
    let mut rows: Vec<(State, &HistoryRow<'_>)> =
        view.rows.iter().map(|row| (State::of(row), row)).collect();
    rows.sort_by_key(|(state, row)| {
        let share = row.drift.and_then(Drift::share).unwrap_or(0);
        (*state, Reverse(share.abs()), row.id)
    });
    let states: Vec<String> = State::VARIANTS
        .iter()
        .filter(|state| rows.iter().any(|it| it.0 == **state))
        .map(|state| <&str>::from(state).to_owned())
        .collect();
    let entries = rows.iter().enumerate().map(|(index, (state, row))| Entry {
        summary: summary(row, *state, index).into_string(),
        detail: details(row, index).into_string(),
    });
    let fitted = fit(entries, BYTES_MAX);
    let class = match (view.limit, view.exceeded()) {
        (None, _) => "plain",
        (Some(_), 0) => "pass",
        (Some(_), _) => "fail",
    };
    let headline = view.headline(escaped);
    let header = html! {
        header class=(class) {
            h1 { (headline) }
            p class="counts" {
                "Accepted counts, as the commits of baselines have them. A step to another environment \
                 is nobody's growth."
            }
            @for warning in &view.warnings { p class="warning" { (prose(&warning.escaped())) } }
        }
    };
    let all = "icgate history --format json";
    let search = Search {
        hint: "name, state, commit or reason",
        kind: "State",
        words: &states,
    };
    let main = table(&COLUMNS, &fitted, &search, all);
    document(&format!("icgate history: {headline}"), &header, &main)
}

fn summary(row: &HistoryRow<'_>, state: State, index: usize) -> Markup {
    let class = if row.exceeded { "fail" } else { "pass" };
    let of = |part: fn(Drift) -> u64| row.drift.map(part);
    let share = row.drift.and_then(Drift::share);
    let moves = || row.trend.steps().filter(|it| it.before.is_some());
    html! {
        (PreEscaped(format!("<tbody id=\"benchmark-{index}\" class=\"{class}\">")))
        tr class="summary" {
            (benchmark::opener(row.id, index))
            td class="verdict" data-v=(index) { span class="word" { (<&str>::from(state)) } }
            td class="base" data-v=[of(|it| it.base)] { (benchmark::count(of(|it| it.base))) }
            td class="head" data-v=[of(|it| it.head)] { (benchmark::count(of(|it| it.head))) }
            td class="change" data-v=[share] { (share.map_or_else(|| "–".to_owned(), percent)) }
            td class="limit" data-v=(moves().count()) { (moves().count()) }
            td class="trend" { (chart::small(row.trend, None)) }
            td class="cause" {
                @if let Some(step) = moves().last() { div class="clamp" { (said(step)) } }
            }
        }
    }
}

fn details(row: &HistoryRow<'_>, index: usize) -> Markup {
    let mut steps: Vec<Step<'_>> = row.trend.steps().collect();
    let steps = steps.split_off(steps.len().saturating_sub(STEPS_MAX));
    let earlier = row.trend.steps().count() - steps.len();
    let rebaselined = row.drift.map_or(0, |it| it.rebaselined);
    benchmark::detail_row(
        index,
        &html! {
            section class="wide" {
                (chart::large(row.trend, None, STEPS_MAX))
                p class="note" {
                    (chart::words(row.trend))
                    @if rebaselined != 0 { "; " (signed(rebaselined)) " of it by another environment" }
                }
            }
            section class="wide" {
                h3 { "Steps" }
                div class="scroll" tabindex="0" role="region" aria-label="steps" {
                    table class="steps" {
                        thead { tr {
                            th scope="col" { "date" } th scope="col" { "commit" }
                            th scope="col" { "count" } th scope="col" { "change" }
                            th scope="col" class="how" { "why" }
                        } }
                        tbody { @for step in steps.iter().rev() { (step_row(*step)) } }
                    }
                }
                @if earlier > 0 { p class="note" { (plural(earlier, "earlier step")) } }
            }
        },
    )
}

fn step_row(step: Step<'_>) -> Markup {
    let commit = &step.after.commit;
    let after = step.after.instructions;
    let share = step.before.zip(after);
    let share = share.and_then(|(before, after)| change(before, after));
    html! {
        tr {
            th scope="row" { (escaped(&commit.date)) }
            td { (escaped(commit.hash.get(..10).unwrap_or(&commit.hash))) }
            td { (after.map_or_else(|| "removed".to_owned(), grouped)) }
            td { (share.map_or_else(String::new, percent)) }
            td class="how" { (said(step)) }
        }
    }
}

/// Why a step was made.
fn said(step: Step<'_>) -> String {
    let why = match &step.after.reason {
        Some(reason) => format!("reason: {reason}"),
        None => step.after.commit.subject.to_string(),
    };
    let environment = if step.after.rebaselined {
        "another environment: "
    } else {
        ""
    };
    format!("{environment}{}", escaped(&why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::note::Note;
    use crate::model::policy::{Limit, PartsPerMillion};
    use crate::report::history::tests::sample;
    use crate::report::history::{Change, Commit, History};

    fn page(history: &History) -> String {
        let limit = Limit {
            share: PartsPerMillion(50_000),
            min_change: 50,
        };
        let since = Some("v1<b>".to_owned());
        let mut view = HistoryView::new(history, |_| true, since, Some(limit));
        view.warnings
            .push(Note::new("the clone is {}", &[&"<shallow>"]));
        render(&view)
    }

    #[test]
    fn a_benchmark_has_its_state_its_picture_and_its_steps() {
        let page = page(&sample());
        assert!(
            page.contains("<header class=\"fail\">"),
            "one is over the limit"
        );
        assert!(page.contains("v1&lt;b&gt;") && page.contains("&lt;shallow&gt;"));
        let (first, second) = page.split_once("id=\"benchmark-1\"").unwrap();
        let first = first.split_once("id=\"benchmark-0\"").unwrap().1;
        for said in [
            "a/f/x",
            "over limit",
            "+6.00 %",
            "reason: checked",
            "another environment: change 3",
            "+970 of it by another environment",
            "2026-01-31",
        ] {
            assert!(first.contains(said), "{said} in {first}");
        }
        assert_eq!(first.matches("<svg class=\"trend\"").count(), 2);
        for said in ["a/f/y", ">gone<", "removed"] {
            assert!(second.contains(said), "{said} in {second}");
        }
    }

    #[test]
    fn each_state_is_told() {
        let history = sample();
        let row = |drift: Option<(u64, u64, i128)>, exceeded| HistoryRow {
            id: history.trends().next().unwrap().0,
            trend: history.trends().next().unwrap().1,
            drift: drift.map(|(base, head, rebaselined)| Drift {
                base,
                head,
                rebaselined,
            }),
            exceeded,
        };
        let told = [
            row(Some((10, 20, 0)), true),
            row(Some((10, 20, 0)), false),
            row(Some((20, 10, 0)), false),
            row(Some((10, 20, 10)), false),
            row(None, false),
        ]
        .map(|row| State::of(&row));
        assert_eq!(told, State::VARIANTS);
    }

    #[test]
    fn what_a_commit_says_stays_text() {
        let hostile = "</code><script>alert(1)</script><img src=x>\u{202e}";
        let counts = serde_json::json!({"suite": "a", "environment": crate::model::environment::tests::environment(),
            "benchmarks": [{"id": "a/f/x", "metrics": {"instructions": 7}, "reason": hostile}]});
        let counts = crate::report::history::SuiteCounts::from_json(counts.to_string().as_bytes());
        let change = Change {
            commit: Commit {
                hash: hostile.into(),
                date: hostile.into(),
                subject: hostile.into(),
            },
            suite: "a".to_owned(),
            counts: counts.map(std::sync::Arc::new),
        };
        let page = page(&History::new(&[change]));
        assert_eq!(page.matches("<script").count(), 1);
        assert!(!page.contains("<img") && !page.contains('\u{202e}'));
        assert!(page.contains("&lt;img src=x&gt;"));
    }
}
