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

use serde::{Deserialize, Deserializer, Serialize};

use crate::model::interned::Interned;

/// Rows below one part in this many of the total are summed into `other`. A tenth of the default
/// limit of 1 %: nothing smaller can carry a regression by itself.
const CONDENSED_SHARE: u64 = 1_000;

/// At most this many rows are kept in a baseline.
const CONDENSED_ROWS_MAX: usize = 40;

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
}

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
    #[must_use]
    pub fn condensed(&self) -> Self {
        let least = self.total().unwrap_or(u64::MAX) / CONDENSED_SHARE;
        let kept = self
            .rows
            .iter()
            .take(CONDENSED_ROWS_MAX)
            .take_while(|row| row.instructions > 0 && row.instructions >= least)
            .count();
        let dropped: u64 = self.rows[kept..].iter().map(|row| row.instructions).sum();
        Self {
            rows: self.rows[..kept].to_vec(),
            other: self.other + dropped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, instructions: u64) -> FunctionCost {
        FunctionCost {
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
