//! A trend in one line of text: `▁▁▂▅█`, one bar a count.
//!
//! The bars span at least a fiftieth of the largest count, so that a tremble of a thousandth does
//! not look like a doubling.

/// Bars from low to high.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The smallest span, as a part of the largest count.
const SPAN_PART: u64 = 50;

/// The last `most` counts as bars; nothing for fewer than two, which are no trend.
pub(crate) fn sparkline(counts: &[u64], most: usize) -> String {
    let counts = &counts[counts.len().saturating_sub(most)..];
    let (Some(&low), Some(&high)) = (counts.iter().min(), counts.iter().max()) else {
        return String::new();
    };
    if counts.len() < 2 {
        return String::new();
    }
    let span = u128::from((high - low).max(high / SPAN_PART).max(1));
    let steps = BARS.len() as u128 - 1;
    let bar = |count: &u64| {
        let level = (u128::from(count - low) * steps + span / 2) / span;
        BARS[usize::try_from(level).map_or(BARS.len() - 1, |it| it.min(BARS.len() - 1))]
    };
    counts.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_span_from_the_lowest_to_the_highest() {
        assert_eq!(
            sparkline(&[100, 200, 300, 400, 500, 600, 700, 800], 20),
            "▁▂▃▄▅▆▇█"
        );
        assert_eq!(sparkline(&[800, 100], 20), "█▁");
        assert_eq!(sparkline(&[0, u64::MAX], 20), "▁█");
    }

    #[test]
    fn a_tremble_looks_like_one() {
        assert_eq!(sparkline(&[100_000, 100_100, 100_000], 20), "▁▁▁");
        assert_eq!(sparkline(&[100_000, 101_000], 20), "▁▄");
        assert_eq!(sparkline(&[100_000, 102_100], 20), "▁█");
    }

    #[test]
    fn only_the_last_ones_are_shown_and_one_is_no_trend() {
        assert_eq!(sparkline(&[900, 1, 1, 900], 3), "▁▁█");
        assert_eq!(sparkline(&[5], 20), "");
        assert_eq!(sparkline(&[], 20), "");
        assert_eq!(sparkline(&[0, 0], 20), "▁▁");
    }
}
