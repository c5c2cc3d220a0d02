//! Times of single operations, and what is printed of them.

use std::time::{Duration, Instant};

/// Times in nanoseconds.
pub(crate) struct Samples(Vec<u64>);

impl Samples {
    /// Times each of `count` operations, after a tenth of that to warm up.
    pub(crate) fn of(count: usize, mut operation: impl FnMut(usize)) -> Self {
        for number in 0..count / 10 {
            operation(number);
        }
        let timed = (count / 10..count / 10 + count).map(|number| {
            let begun = Instant::now();
            operation(number);
            nanos(begun.elapsed())
        });
        Self::new(timed.collect())
    }

    pub(crate) fn new(mut nanos: Vec<u64>) -> Self {
        nanos.sort_unstable();
        Self(nanos)
    }

    /// The time below which a share of all are.
    pub(crate) fn percentile(&self, per_mille: usize) -> u64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get(last * per_mille / 1000).copied().unwrap_or(0)
    }

    #[expect(clippy::cast_precision_loss, reason = "a figure of three digits")]
    fn mean_and_deviation(&self) -> (f64, f64) {
        let count = self.0.len().max(1) as f64;
        let mean = self.0.iter().map(|it| *it as f64).sum::<f64>() / count;
        let squares = self.0.iter().map(|it| (*it as f64 - mean).powi(2));
        (mean, (squares.sum::<f64>() / count).sqrt())
    }

    /// Prints a line of a table; `target` is what the median is to be below.
    pub(crate) fn print(&self, name: &str, mode: &str, target: Option<Duration>) {
        let (mean, deviation) = self.mean_and_deviation();
        let (p50, min) = (self.percentile(500), self.percentile(0));
        let rest = [950, 990, 999].map(|it| Time(self.percentile(it)));
        let verdict = match target.map(nanos) {
            Some(target) if p50 < target => format!("below {}", Time(target)),
            Some(target) => format!("MISSED {}", Time(target)),
            None => String::new(),
        };
        println!(
            "  {name:<24} {mode:<9} {:>8} {} {} {} {} {} {} {} {}  {verdict}",
            self.0.len(),
            Time(p50),
            rest[0],
            rest[1],
            rest[2],
            Time(whole(mean)),
            Time(whole(deviation)),
            Time(min),
            Time(self.percentile(1000)),
        );
    }
}

/// The head of a table.
pub(crate) fn head(title: &str) {
    println!("\n{title}");
    println!(
        "  {:<24} {:<9} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}  p50's target",
        "operation", "mode", "samples", "p50", "p95", "p99", "p99.9", "mean", "sigma", "min", "max"
    );
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "nanoseconds of a short time"
)]
fn whole(nanos: f64) -> u64 {
    nanos as u64
}

pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds in the unit that suits them, in nine columns.
pub(crate) struct Time(pub u64);

impl std::fmt::Display for Time {
    #[expect(clippy::cast_precision_loss, reason = "a figure of three digits")]
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let nanos = self.0 as f64;
        let text = match self.0 {
            0..10_000 => format!("{nanos} ns"),
            10_000..10_000_000 => format!("{:.1} us", nanos / 1e3),
            _ => format!("{:.1} ms", nanos / 1e6),
        };
        write!(f, "{text:>9}")
    }
}

/// How many a second.
#[expect(clippy::cast_precision_loss, reason = "a figure of three digits")]
pub(crate) fn per_second(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64().max(1e-9)
}
