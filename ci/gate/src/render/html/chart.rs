//! Small pictures: a trend as steps, a cost split as a bar. All sizes are attributes, since the
//! page allows no style but its own.

use std::fmt::Write as _;

use maud::{Markup, html};

use crate::detail::Share;
use crate::history::Trend;
use crate::render::number::grouped;

/// A trend as a line of steps, `width` by `height`; the measured count, if it is given, as a dot.
pub(super) fn trend(trend: &Trend, measured: Option<u64>, width: u64, height: u64) -> Markup {
    let mut counts: Vec<u64> = trend.counts().collect();
    let (first, last) = (counts.first().copied(), counts.last().copied());
    let baselines = counts.len();
    counts.extend(measured);
    let (Some(low), Some(high)) = (counts.iter().min(), counts.iter().max()) else {
        return html! {};
    };
    // As in the sparkline: a tremble must not look like a doubling.
    let span = (high - low).max(high / 50).max(1);
    let y = |count: u64| {
        let inner = u128::from(height - 6);
        u128::from(height - 3) - u128::from(count - low) * inner / u128::from(span)
    };
    let part = |index: usize| (index as u64) * (width - 8) / (counts.len().max(2) as u64 - 1) + 4;
    let mut path = String::new();
    let mut before = None;
    for (index, count) in counts.iter().enumerate().take(baselines) {
        // Only where it moves, so that a long flat line costs nothing.
        match before {
            None => {
                let _ = write!(path, "M{} {}", part(index), y(*count));
            }
            Some(before) if before != *count => {
                let _ = write!(path, "H{}V{}", part(index), y(*count));
            }
            Some(_) => {}
        }
        before = Some(*count);
    }
    if baselines > 0 {
        let _ = write!(path, "H{}", part(baselines - 1));
    }
    let words = match (first, last) {
        (Some(first), Some(last)) => format!(
            "{baselines} baselines, from {} to {}",
            grouped(first),
            grouped(last)
        ),
        _ => "no baselines".to_owned(),
    };
    html! {
        svg class="trend" role="img" aria-label=(words) viewBox=(format!("0 0 {width} {height}"))
            width=(width) height=(height) {
            path d=(path) {}
            @if let Some(measured) = measured {
                @if let Some(last) = last {
                    path class="measured" d=(format!(
                        "M{} {}L{} {}", part(baselines - 1), y(last), part(counts.len() - 1), y(measured)
                    )) {}
                }
                circle cx=(part(counts.len() - 1)) cy=(y(measured)) r="3" {}
            }
        }
    }
}

/// A cost split as one bar.
pub(super) fn split(shares: &[Share]) -> Markup {
    let total: u64 = shares.iter().map(|it| it.instructions).sum();
    let part = |instructions: u64| {
        let scaled = u128::from(instructions) * 10_000 / u128::from(total.max(1));
        u64::try_from(scaled).unwrap_or(10_000)
    };
    let mut left = 0;
    html! {
        svg class="split" role="img" aria-label="cost split, as listed below"
            viewBox="0 0 10000 10" preserveAspectRatio="none" width="100%" height="18" {
            @for (index, share) in shares.iter().enumerate() {
                @let from = left;
                @let wide = part(share.instructions);
                rect class=(colour(index, share)) x=(from) y="0" width=(wide) height="10" {}
                ({ left += wide; "" })
            }
        }
    }
}

/// The class that gives a part its colour.
pub(super) fn colour(index: usize, share: &Share) -> String {
    match share.name {
        Some(_) => format!("part{}", index % 8),
        None => "rest".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::tests::sample;

    #[test]
    fn a_trend_goes_in_steps_and_ends_in_what_was_measured() {
        let history = sample();
        let x = history.trend(&"a/f/x".parse().unwrap()).unwrap();
        let drawn = trend(x, Some(1_000), 108, 26).into_string();
        assert!(
            drawn.contains("4 baselines, from 1,000 to 2,030"),
            "{drawn}"
        );
        // The highest is at the top, the lowest and the measured one at the bottom.
        assert!(drawn.contains("<path d=\"M4 23H29V"), "{drawn}");
        assert!(drawn.contains("V3H79\""), "{drawn}");
        assert!(
            drawn.contains("<circle cx=\"104\" cy=\"23\" r=\"3\">"),
            "{drawn}"
        );
    }

    #[test]
    fn the_parts_of_a_bar_fill_it() {
        let share = |name: Option<&str>, instructions| Share {
            name: name.map(str::to_owned),
            instructions,
        };
        let drawn = split(&[share(Some("f"), 3), share(None, 1)]).into_string();
        assert!(
            drawn.contains(r#"class="part0" x="0" y="0" width="7500""#),
            "{drawn}"
        );
        assert!(
            drawn.contains(r#"class="rest" x="7500" y="0" width="2500""#),
            "{drawn}"
        );
    }
}
