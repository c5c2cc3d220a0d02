//! A benchmark's cost by source function: where its instructions were spent.
//!
//! ```text
//! instructions of the benchmark = Σ rows + other          (exactly, always)
//! row = one function of the workspace, with the library code that was inlined into it
//!     | one library function that was not inlined, with its heaviest caller in the workspace
//! ```
//!
//! A table of a run is full (`other` is 0). A baseline keeps the rows that can matter, by
//! [`FunctionTable::condensed`], so that it stays a file people can review.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::interned::Interned;
use crate::model::metric::{Metric, Metrics, unique_metrics};

/// Rows below one part in this many of the total are summed into `other`. A tenth of the default
/// limit of 1 %: nothing smaller can carry a regression by itself.
const CONDENSED_SHARE: u64 = 1_000;

/// At most this many rows are kept in a baseline for their instructions, and twice as many in all.
const CONDENSED_ROWS_MAX: usize = 40;

/// Metrics whose counts a baseline keeps by function: those that can grow while instructions do not.
pub const FUNCTION_METRICS: [Metric; 7] = [
    Metric::D1ReadMisses,
    Metric::D1WriteMisses,
    Metric::LlReadMisses,
    Metric::LlWriteMisses,
    Metric::Allocations,
    Metric::Reallocations,
    Metric::Frees,
];

/// Misses below one part in this many of the benchmark's are not kept: they cannot make its count
/// exceed a limit of 1 % by themselves.
const METRIC_SHARE: u64 = 100;

/// What one source function cost, in itself and not in what it called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionCost {
    /// Normalised name, such as `engine::frame::encode`.
    pub name: Interned,
    /// Source file; relative to the workspace's root if the function lies in the workspace.
    pub file: Interned,
    /// Instructions executed in it.
    pub instructions: u64,
    /// How often it was called; `None` where it exists only inlined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// For a library function: the workspace function on whose behalf most of it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<Interned>,
    /// What else was counted in it; what is 0 is left out.
    #[serde(default, skip_serializing_if = "FunctionMetrics::is_empty")]
    pub metrics: FunctionMetrics,
}

/// What else than instructions was counted in a function: little memory, as there are tens of
/// thousands of them in a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FunctionMetrics(Box<[(Metric, u64)]>);

/// What one line of the workspace cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineCost {
    /// Path relative to the workspace's root.
    pub file: Interned,
    /// Line, counted from 1.
    pub line: u32,
    /// Instructions.
    pub instructions: u64,
}

/// Costs by source function, most expensive first; ties by name, then file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionTable {
    #[serde(deserialize_with = "exact")]
    rows: Vec<FunctionCost>,
    other: u64,
}

/// Reads a list into no more memory than it needs: there are tens of thousands of them in a run.
pub(crate) fn exact<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let mut list = Vec::deserialize(deserializer)?;
    list.shrink_to_fit();
    Ok(list)
}

impl FunctionMetrics {
    /// These counts without instructions, which have a place of their own, and without zeros.
    #[must_use]
    pub fn new(counts: &Metrics) -> Self {
        let is_kept =
            |(metric, count): &(&Metric, &u64)| **metric != Metric::Instructions && **count > 0;
        let kept = counts.iter().filter(is_kept);
        Self(kept.map(|(metric, count)| (*metric, *count)).collect())
    }

    /// The count of `metric`; 0 where there is none.
    #[must_use]
    pub fn count(&self, metric: Metric) -> u64 {
        let found = self.0.iter().find(|(it, _)| *it == metric);
        found.map_or(0, |(_, count)| *count)
    }

    /// All counts, in the order of metrics.
    pub fn iter(&self) -> impl Iterator<Item = (Metric, u64)> {
        self.0.iter().copied()
    }

    /// Whether nothing else was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those counts only for which `is_kept` holds.
    fn retain(&self, is_kept: impl Fn(Metric, u64) -> bool) -> Self {
        Self(
            self.iter()
                .filter(|(metric, count)| is_kept(*metric, *count))
                .collect(),
        )
    }
}

impl Serialize for FunctionMetrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for FunctionMetrics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        unique_metrics(deserializer).map(|counts| Self::new(&counts))
    }
}

impl FunctionCost {
    /// What tells it from all others: its name and file.
    #[must_use]
    pub fn key(&self) -> (&str, &str) {
        (&self.name, &self.file)
    }
}

impl FunctionTable {
    /// A table of these rows, put into order.
    #[must_use]
    pub fn new(mut rows: Vec<FunctionCost>, other: u64) -> Self {
        rows.sort_by(|a, b| {
            b.instructions
                .cmp(&a.instructions)
                .then_with(|| (&a.name, &a.file).cmp(&(&b.name, &b.file)))
        });
        Self { rows, other }
    }

    /// The rows, most expensive first.
    #[must_use]
    pub fn rows(&self) -> &[FunctionCost] {
        &self.rows
    }

    /// Instructions of all functions that have no row.
    #[must_use]
    pub const fn other(&self) -> u64 {
        self.other
    }

    /// Σ rows + other, or `None` if that is no longer a number.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        self.rows
            .iter()
            .try_fold(self.other, |sum, row| sum.checked_add(row.instructions))
    }

    /// The rows by name and file, for looking up many.
    #[must_use]
    pub fn by_name(&self) -> HashMap<(&str, &str), &FunctionCost> {
        self.rows.iter().map(|row| (row.key(), row)).collect()
    }

    /// The table a baseline keeps: the rows that can matter, everything else in `other`. The
    /// total stays the same.
    ///
    /// A row matters by its instructions, or by what it has of a metric that
    /// [`FUNCTION_METRICS`] names: all allocations, and misses from a hundredth of the benchmark's.
    #[must_use]
    pub fn condensed(&self) -> Self {
        let least = self.total().unwrap_or(u64::MAX) / CONDENSED_SHARE;
        let totals = self.metric_totals();
        let matters = |metric: Metric, count: u64| {
            let total = totals.get(&metric).copied().unwrap_or(0);
            FUNCTION_METRICS.contains(&metric)
                && (!metric.depends_on_layout() || count >= total.div_ceil(METRIC_SHARE))
        };
        let (mut rows, mut kept, mut dropped) = (Vec::new(), 0, 0_u64);
        for row in &self.rows {
            let metrics = row.metrics.retain(matters);
            let by_itself = row.instructions > 0 && row.instructions >= least;
            if (by_itself && kept < CONDENSED_ROWS_MAX)
                || (!metrics.is_empty() && rows.len() < 2 * CONDENSED_ROWS_MAX)
            {
                kept += usize::from(by_itself);
                rows.push(FunctionCost {
                    metrics,
                    ..row.clone()
                });
            } else {
                dropped += row.instructions;
            }
        }
        Self {
            rows,
            other: self.other + dropped,
        }
    }

    /// The sums of what else was counted, over all rows.
    #[must_use]
    pub fn metric_totals(&self) -> Metrics {
        let mut totals = Metrics::new();
        for (metric, count) in self.rows.iter().flat_map(|row| row.metrics.iter()) {
            let total = totals.entry(metric).or_default();
            *total = total.saturating_add(count);
        }
        totals
    }

    /// Whether the rows have more of a metric than `metrics`, those of the whole, say.
    pub(crate) fn counts_more_than(&self, metrics: &Metrics) -> bool {
        let totals = self.metric_totals();
        totals
            .iter()
            .any(|(metric, total)| metrics.get(metric).is_none_or(|it| it < total))
    }

    /// Whether both say the same of instructions, rows and calls. What caches miss moves from
    /// function to function with the layout of code that neither executes.
    #[must_use]
    pub fn costs_like(&self, other: &Self) -> bool {
        fn costs(
            table: &FunctionTable,
        ) -> impl Iterator<Item = (&str, &str, u64, Option<u64>, Option<&str>)> {
            let rows = table.rows.iter();
            rows.map(|it| {
                let caller = it.caller.as_deref();
                (&*it.name, &*it.file, it.instructions, it.calls, caller)
            })
        }
        let by_cost = |table: &Self| table.without_metrics().condensed();
        let (a, b) = (by_cost(self), by_cost(other));
        a.other == b.other && costs(&a).eq(costs(&b))
    }

    fn without_metrics(&self) -> Self {
        let rows = self.rows.iter().map(|row| FunctionCost {
            metrics: FunctionMetrics::default(),
            ..row.clone()
        });
        Self {
            rows: rows.collect(),
            other: self.other,
        }
    }

    /// The same functions with the counts of `metric` in the place of instructions, out of `total`:
    /// what tells from where a change of that metric comes.
    #[must_use]
    pub fn of_metric(&self, metric: Metric, total: u64) -> Self {
        if metric == Metric::Instructions {
            return self.clone();
        }
        let rows = self.rows.iter().map(|row| FunctionCost {
            instructions: row.metrics.count(metric),
            metrics: FunctionMetrics::default(),
            ..row.clone()
        });
        let rows: Vec<FunctionCost> = rows.filter(|row| row.instructions > 0).collect();
        let named = rows.iter().map(|row| row.instructions).sum();
        Self::new(rows, total.saturating_sub(named))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, instructions: u64) -> FunctionCost {
        FunctionCost {
            metrics: FunctionMetrics::default(),
            name: name.into(),
            file: "src/lib.rs".into(),
            instructions,
            calls: None,
            caller: None,
        }
    }

    #[test]
    fn condensing_keeps_the_total_and_drops_what_cannot_matter() {
        let table =
            FunctionTable::new(vec![row("tiny", 9), row("small", 10), row("big", 9_981)], 0);
        let condensed = table.condensed();
        assert_eq!(condensed.total(), Some(10_000));
        assert_eq!(condensed.other(), 9);
        let names: Vec<_> = condensed
            .rows()
            .iter()
            .map(|row| row.name.as_str())
            .collect();
        assert_eq!(names, ["big", "small"]);
        assert_eq!(condensed.condensed(), condensed);
    }

    #[test]
    fn many_equal_rows_are_cut_at_the_maximum() {
        let rows = (0..100).map(|n| row(&format!("f{n:03}"), 100)).collect();
        let condensed = FunctionTable::new(rows, 0).condensed();
        assert_eq!(condensed.rows().len(), CONDENSED_ROWS_MAX);
        assert_eq!(condensed.rows()[0].name, "f000");
        assert_eq!(condensed.total(), Some(10_000));
    }

    #[test]
    fn an_empty_table_and_rows_of_zero() {
        assert_eq!(
            FunctionTable::default().condensed(),
            FunctionTable::default()
        );
        assert_eq!(
            FunctionTable::new(vec![row("f", 0)], 0).condensed().rows(),
            []
        );
    }

    #[test]
    fn a_total_beyond_64_bits_is_no_number() {
        assert_eq!(
            FunctionTable::new(vec![row("f", u64::MAX)], 1).total(),
            None
        );
    }
}
