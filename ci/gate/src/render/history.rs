//! Trends as text, CSV, JSON and Markdown.

use std::fmt::Write as _;

use serde::Serialize;

use crate::model::bench_id::BenchId;
use crate::model::escape::escaped;
use crate::model::note::Note;
use crate::model::policy::{Limit, share_of};
use crate::render::markup::{code, prose};
use crate::render::messages::plural;
use crate::render::number::{grouped, percent, signed};
use crate::render::separated::separated;
use crate::render::sparkline::sparkline;
use crate::report::history::{Drift, History, Step, Trend};

/// Counts shown in a sparkline on a terminal.
const BARS_MAX: usize = 40;

/// What is shown of a history.
#[derive(Debug, Clone)]
pub struct HistoryView<'a> {
    /// All trends that were asked for.
    pub rows: Vec<HistoryRow<'a>>,
    /// How many commits touched baselines.
    pub commits: usize,
    /// The tag since which drift is counted, in words.
    pub since: Option<String>,
    /// How far a benchmark may have drifted since; `None` if that is not judged.
    pub limit: Option<Limit>,
    /// What the reader should know before the numbers.
    pub warnings: Vec<Note>,
}

/// A benchmark of it.
#[derive(Debug, Clone)]
pub struct HistoryRow<'a> {
    /// Which benchmark.
    pub id: &'a BenchId,
    /// How its count moved.
    pub trend: &'a Trend,
    /// How far from the first point to now; `None` if it has no baseline now.
    pub drift: Option<Drift>,
    /// Whether that is more than the limit.
    pub exceeded: bool,
}

impl<'a> HistoryView<'a> {
    /// The trends of the benchmarks that `select` takes.
    pub fn new(
        history: &'a History,
        select: impl Fn(&BenchId) -> bool,
        since: Option<String>,
        limit: Option<Limit>,
    ) -> Self {
        let judged = limit.filter(|_| since.is_some());
        let rows = history.trends().filter(|(id, _)| select(id));
        let rows = rows
            .map(|(id, trend)| {
                let drift = trend.drift();
                let exceeds = |limit| drift.is_some_and(|it| it.exceeds(limit));
                HistoryRow {
                    id,
                    trend,
                    drift,
                    exceeded: judged.is_some_and(exceeds),
                }
            })
            .collect();
        Self {
            rows,
            commits: 0,
            since,
            limit: judged,
            warnings: Vec::new(),
        }
    }

    /// How many benchmarks drifted beyond the limit.
    #[must_use]
    pub fn exceeded(&self) -> usize {
        self.rows.iter().filter(|row| row.exceeded).count()
    }

    /// In one sentence; `name` makes a name from outside harmless.
    pub(crate) fn headline(&self, name: impl Fn(&str) -> String) -> String {
        let mut text = format!(
            "{}, {} of baselines",
            plural(self.rows.len(), "benchmark"),
            plural(self.commits, "commit")
        );
        if let Some(since) = &self.since {
            let _ = write!(text, " since {}", name(since));
        }
        if let Some(limit) = self.limit {
            let _ = match self.exceeded() {
                0 => write!(text, "; none grew by more than {}", limit.share),
                1 => write!(text, "; 1 grew by more than {}", limit.share),
                more => write!(text, "; {more} grew by more than {}", limit.share),
            };
        }
        text
    }
}

/// For a terminal.
#[must_use]
pub fn text(view: &HistoryView<'_>) -> String {
    let mut text = format!("icgate: {}\n", view.headline(escaped));
    for warning in &view.warnings {
        let _ = writeln!(text, "warning: {}", warning.escaped());
    }
    let width = view.rows.iter().map(|row| row.id.as_str().chars().count());
    let width = width.max().unwrap_or(0);
    for row in &view.rows {
        let _ = write!(text, "\n{:<width$}  ", row.id.as_str());
        let counts: Vec<u64> = row.trend.counts().collect();
        let line = sparkline(&counts, BARS_MAX);
        if !line.is_empty() {
            let _ = write!(text, "{line}  ");
        }
        let _ = writeln!(text, "{}", drift(row));
        for step in row.trend.steps() {
            let _ = writeln!(
                text,
                "  {}  {:.10}  {}",
                escaped(&step.after.commit.date),
                escaped(&step.after.commit.hash),
                step_words(step)
            );
        }
    }
    text
}

/// `1,000 → 1,030  +3.00 %`, and what stands beside it.
fn drift(row: &HistoryRow<'_>) -> String {
    let Some(drift) = row.drift else {
        return "no longer there".to_owned();
    };
    let mut text = grouped(drift.head);
    if drift.base != drift.head || drift.rebaselined != 0 {
        text = format!("{} → {text}", grouped(drift.base));
        if let Some(share) = drift.share() {
            let _ = write!(text, "  {}", percent(share));
        }
        if drift.rebaselined != 0 {
            let _ = write!(
                text,
                "  (and {} by another measurement environment)",
                signed(drift.rebaselined)
            );
        }
    }
    if row.exceeded {
        text.push_str("  (over the limit)");
    }
    text
}

fn step_words(step: Step<'_>) -> String {
    let mut text = match (step.before, step.after.instructions) {
        (Some(before), Some(after)) => {
            let share = share_of(i128::from(after) - i128::from(before), before);
            let share = share.map_or_else(String::new, |it| format!("  {}", percent(it)));
            format!("{} → {}{share}", grouped(before), grouped(after))
        }
        (None, Some(after)) => grouped(after),
        (_, None) => "removed".to_owned(),
    };
    if step.after.rebaselined {
        text.push_str("  (another measurement environment)");
    }
    let _ = match &step.after.reason {
        Some(reason) => write!(text, "  reason: {}", escaped(reason)),
        None => write!(text, "  {}", escaped(&step.after.commit.subject)),
    };
    text
}

/// A row for each step of each benchmark.
#[must_use]
pub fn as_csv(view: &HistoryView<'_>) -> String {
    let header = [
        "benchmark",
        "date",
        "commit",
        "before",
        "after",
        "change_ppm",
        "rebaselined",
        "reason",
        "subject",
    ];
    let rows = view.rows.iter().flat_map(|row| {
        row.trend.steps().map(|step| {
            let count = |count: Option<u64>| count.map_or_else(String::new, |it| it.to_string());
            let after = step.after;
            let share = step
                .before
                .zip(after.instructions)
                .and_then(|(before, after)| {
                    share_of(i128::from(after) - i128::from(before), before)
                });
            vec![
                row.id.to_string(),
                after.commit.date.to_string(),
                after.commit.hash.to_string(),
                count(step.before),
                count(after.instructions),
                share.map_or_else(String::new, |it| it.to_string()),
                after.rebaselined.to_string(),
                after.reason.as_deref().unwrap_or_default().to_owned(),
                after.commit.subject.to_string(),
            ]
        })
    });
    separated(&header, rows)
}

/// For programs.
#[must_use]
pub fn json(view: &HistoryView<'_>) -> String {
    #[derive(Serialize)]
    struct Wire<'a> {
        format: u32,
        commits: usize,
        since: Option<&'a str>,
        limit: Option<u64>,
        warnings: &'a [Note],
        benchmarks: Vec<WireRow<'a>>,
    }
    #[derive(Serialize)]
    struct WireRow<'a> {
        id: &'a BenchId,
        drift: Option<Drift>,
        share: Option<i64>,
        exceeded: bool,
        trend: &'a Trend,
    }
    let wire = Wire {
        format: 2,
        commits: view.commits,
        since: view.since.as_deref(),
        limit: view.limit.map(|it| it.share.0),
        warnings: &view.warnings,
        benchmarks: view
            .rows
            .iter()
            .map(|row| WireRow {
                id: row.id,
                drift: row.drift,
                share: row.drift.and_then(Drift::share),
                exceeded: row.exceeded,
                trend: row.trend,
            })
            .collect(),
    };
    crate::render::json(&wire)
}

/// A table for people.
#[must_use]
pub fn markdown(view: &HistoryView<'_>) -> String {
    let mut text = format!("### icgate: {}\n\n", view.headline(code));
    for warning in &view.warnings {
        let _ = writeln!(text, "> ⚠️ {}\n", prose(warning));
    }
    text.push_str(
        "| benchmark | trend | first | now | change | steps |\n|---|---|--:|--:|--:|--:|\n",
    );
    for row in &view.rows {
        let counts: Vec<u64> = row.trend.counts().collect();
        let of = |count: Option<u64>| count.map_or_else(|| "–".to_owned(), grouped);
        let share = row.drift.and_then(Drift::share);
        let rebaselined = row.drift.map_or(0, |it| it.rebaselined);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {}{}{} | {} |",
            code(row.id.as_str()),
            sparkline(&counts, BARS_MAX),
            of(row.drift.map(|it| it.base)),
            of(row.drift.map(|it| it.head)),
            share.map_or_else(|| "–".to_owned(), percent),
            match rebaselined {
                0 => String::new(),
                moved => format!(", and {} by another environment", signed(moved)),
            },
            if row.exceeded { ", over the limit" } else { "" },
            row.trend
                .steps()
                .filter(|step| step.before.is_some())
                .count()
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::policy::PartsPerMillion;
    use crate::report::history::tests::sample;

    fn show(render: impl Fn(&HistoryView<'_>) -> String) -> String {
        let history = sample();
        let limit = Limit {
            share: PartsPerMillion(50_000),
            min_change: 50,
        };
        let since = Some("v1.0".to_owned());
        let mut view = HistoryView::new(&history, |_| true, since, Some(limit));
        view.commits = 4;
        view.warnings.push("the clone is shallow".into());
        assert_eq!(view.exceeded(), 1);
        render(&view)
    }

    #[test]
    fn trends_with_a_drift_over_its_limit() {
        insta::assert_snapshot!(show(text));
    }

    #[test]
    fn trends_as_a_table() {
        insta::assert_snapshot!(show(markdown));
    }

    #[test]
    fn trends_as_csv() {
        insta::assert_snapshot!(show(as_csv));
    }

    #[test]
    fn drift_is_judged_only_since_a_tag() {
        let history = sample();
        let limit = Limit {
            share: PartsPerMillion(0),
            min_change: 0,
        };
        let view = HistoryView::new(&history, |_| true, None, Some(limit));
        assert_eq!((view.exceeded(), view.limit), (0, None));
        let json: serde_json::Value = serde_json::from_str(&json(&view)).unwrap();
        assert_eq!(json["benchmarks"][0]["share"], 60_000);
        assert_eq!(json["benchmarks"][0]["trend"]["counts"][3], 2_030);
        let one = HistoryView::new(&history, |id| id.as_str().ends_with('y'), None, None);
        assert_eq!(one.rows.len(), 1);
    }
}
