//! A trend as a picture: a line of steps, since a count stays until a commit changes it. All sizes are
//! attributes, since the page allows no style but its own.

use std::fmt::Write as _;

use maud::{Markup, html};

use crate::render::messages::plural;
use crate::render::number::{grouped, percent};
use crate::report::change;
use crate::report::history::{Step, Trend};

/// Size of a large picture, and room in it for the highest and the lowest count.
const LARGE: (u64, u64) = (560, 110);
const LABELS: u64 = 110;

/// Where counts are in a picture.
struct Plot {
    /// The baselines, and what was measured behind them.
    counts: Vec<u64>,
    baselines: usize,
    left: u64,
    size: (u64, u64),
}

impl Plot {
    /// `None` without any count.
    fn new(trend: &Trend, measured: Option<u64>, left: u64, size: (u64, u64)) -> Option<Self> {
        let mut counts: Vec<u64> = trend.counts().collect();
        let baselines = counts.len();
        counts.extend(measured);
        (!counts.is_empty()).then_some(Self {
            counts,
            baselines,
            left,
            size,
        })
    }

    fn low(&self) -> u64 {
        self.counts.iter().copied().min().unwrap_or(0)
    }

    fn high(&self) -> u64 {
        self.counts.iter().copied().max().unwrap_or(0)
    }

    fn x(&self, index: usize) -> u64 {
        let wide = self.size.0 - self.left - 8;
        self.left + (index as u64) * wide / (self.counts.len().max(2) as u64 - 1) + 4
    }

    fn y(&self, count: u64) -> u128 {
        let (low, high) = (self.low(), self.high());
        // As in the sparkline: a tremble must not look like a doubling.
        let span = (high - low).max(high / 50).max(1);
        let inner = u128::from(self.size.1 - 6);
        u128::from(self.size.1 - 3) - u128::from(count - low) * inner / u128::from(span)
    }

    fn path(&self) -> String {
        let mut path = String::new();
        let mut before = None;
        for (index, count) in self.counts.iter().enumerate().take(self.baselines) {
            // Only where it moves, so that a long flat line costs nothing.
            let _ = match before {
                None => write!(path, "M{} {}", self.x(index), self.y(*count)),
                Some(before) if before != *count => {
                    write!(path, "H{}V{}", self.x(index), self.y(*count))
                }
                Some(_) => Ok(()),
            };
            before = Some(*count);
        }
        if let Some(last) = self.baselines.checked_sub(1) {
            let _ = write!(path, "H{}", self.x(last));
        }
        path
    }

    /// The line, and behind it what was measured.
    fn lines(&self) -> Markup {
        let measured = self.counts.get(self.baselines).copied();
        let end = self.counts.len() - 1;
        html! {
            path d=(self.path()) {}
            @if let Some(measured) = measured {
                @if let Some(last) = self.baselines.checked_sub(1) {
                    path class="measured" d=(format!(
                        "M{} {}L{} {}",
                        self.x(last), self.y(self.counts[last]), self.x(end), self.y(measured)
                    )) {}
                }
                circle class="measured" cx=(self.x(end)) cy=(self.y(measured)) r="3" {}
            }
        }
    }

    fn picture(&self, trend: &Trend, content: &Markup) -> Markup {
        let (width, height) = self.size;
        html! {
            svg class="trend" role="img" aria-label=(words(trend))
                viewBox=(format!("0 0 {width} {height}")) width=(width) height=(height) { (content) }
        }
    }
}

/// A small picture; the measured count, if it is given, is a dot behind the baselines.
pub(super) fn small(trend: &Trend, measured: Option<u64>) -> Markup {
    let Some(plot) = Plot::new(trend, measured, 0, (104, 24)) else {
        return html! {};
    };
    plot.picture(trend, &plot.lines())
}

/// A large one, with the highest and the lowest count, and marks at the newest steps, at most
/// `marks_max`, that say whose they are.
pub(super) fn large(trend: &Trend, measured: Option<u64>, marks_max: usize) -> Markup {
    let Some(plot) = Plot::new(trend, measured, LABELS, LARGE) else {
        return html! {};
    };
    let mut marks: Vec<(usize, Step<'_>)> = Vec::new();
    let mut at = 0;
    let mut steps = trend.steps().peekable();
    for point in &trend.points {
        if let Some(step) = steps.next_if(|it| std::ptr::eq(it.after, point))
            && step.before.is_some()
            && point.instructions.is_some()
        {
            marks.push((at, step));
        }
        at += usize::from(point.instructions.is_some());
    }
    let marks = &marks[marks.len().saturating_sub(marks_max)..];
    let (low, high) = (plot.low(), plot.high());
    let content = html! {
        text x=(LABELS - 8) y=(plot.y(high) + 8) text-anchor="end" { (grouped(high)) }
        @if low != high {
            text x=(LABELS - 8) y=(plot.y(low)) text-anchor="end" { (grouped(low)) }
        }
        (plot.lines())
        @for (index, step) in marks {
            circle class=(if step.after.rebaselined { "step rebaselined" } else { "step" })
                cx=(plot.x(*index)) cy=(plot.y(plot.counts[*index])) r="3.5" {
                title { (mark(*step)) }
            }
        }
    };
    plot.picture(trend, &content)
}

/// What a step was, for whoever points at it.
fn mark(step: Step<'_>) -> String {
    let commit = &step.after.commit;
    let share = step.before.zip(step.after.instructions);
    let share = share.and_then(|(before, after)| change(before, after));
    let share = share.map_or_else(String::new, |it| format!(" {}", percent(it)));
    let why = step.after.reason.as_ref().unwrap_or(&commit.subject);
    format!("{}{share}: {why}", commit.date)
}

/// What a trend's picture shows, in words.
pub(super) fn words(trend: &Trend) -> String {
    let mut counts = trend.counts();
    let Some(first) = counts.next() else {
        return "no baselines".to_owned();
    };
    match counts.next_back() {
        Some(last) => format!(
            "{}, from {} to {}",
            plural(trend.counts().count(), "baseline"),
            grouped(first),
            grouped(last)
        ),
        None => format!("1 baseline, {}", grouped(first)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::history::tests::sample;

    #[test]
    fn a_trend_goes_in_steps_and_ends_in_what_was_measured() {
        let history = sample();
        let x = history.trend(&"a/f/x".parse().unwrap()).unwrap();
        let drawn = small(x, Some(1_000)).into_string();
        assert!(
            drawn.contains("4 baselines, from 1,000 to 2,030"),
            "{drawn}"
        );
        // The highest is at the top, the lowest and the measured one at the bottom.
        assert!(drawn.contains("<path d=\"M4 21H28V"), "{drawn}");
        assert!(drawn.contains("V3H76\""), "{drawn}");
        assert!(
            drawn.contains("<circle class=\"measured\" cx=\"100\" cy=\"21\" r=\"3\">"),
            "{drawn}"
        );
    }

    #[test]
    fn a_large_trend_has_its_range_and_says_whose_each_step_is() {
        let history = sample();
        let x = history.trend(&"a/f/x".parse().unwrap()).unwrap();
        let drawn = large(x, None, 9).into_string();
        for count in [">1,000</text>", ">2,030</text>"] {
            assert!(drawn.contains(count), "{count} in {drawn}");
        }
        let steps = x.steps().filter(|it| it.before.is_some()).count();
        assert_eq!(drawn.matches("<circle class=\"step").count(), steps);
        assert_eq!(drawn.matches("step rebaselined").count(), 1, "{drawn}");
        for step in x.steps().filter(|it| it.before.is_some()) {
            let title = format!("<title>{}</title>", mark(step));
            assert!(drawn.contains(&title), "{title} in {drawn}");
        }
        assert!(!drawn.contains("measured"));
        let newest = large(x, None, 1).into_string();
        let last = x.steps().last().unwrap();
        assert!(newest.contains(&mark(last)) && newest.matches("<title>").count() == 1);
    }
}
