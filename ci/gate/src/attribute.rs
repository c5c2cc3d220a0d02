//! Attributes: which source functions a change comes from, and the line to point at.
//!
//! The differences of all rows add up to the change exactly: what is not named is in a row of its
//! own, so a report may claim to explain the whole.

use serde::Serialize;

use crate::diff::ChangedLines;
use crate::functions::{FunctionCost, FunctionTable};
use crate::interned::Interned;
use crate::run::Measurement;
use crate::source::LineCost;

/// Why a function's cost moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It was called more often or less often.
    Calls,
    /// It was called as often as before; each call costs more or less.
    PerCall,
    /// It is inlined everywhere, so its calls cannot be counted.
    Inlined,
    /// Base does not name it: it is new, or was too small to be kept.
    Appeared,
    /// Head does not execute it any more.
    Vanished,
}

/// What one source function contributes to a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FunctionChange {
    /// Its normalised name.
    pub name: Interned,
    /// Its file.
    pub file: Interned,
    /// For a library function: on whose behalf it ran.
    pub caller: Option<Interned>,
    /// Its instructions in base; 0 if base does not name it.
    pub base: u64,
    /// Its instructions in head.
    pub head: u64,
    /// Its calls in base and in head, where both are known.
    pub calls: Option<(u64, u64)>,
    /// Why it moved.
    pub kind: Kind,
}

/// The functions that moved and what remains.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Attribution {
    /// Functions whose cost moved, largest difference first; ties by name.
    pub functions: Vec<FunctionChange>,
    /// The difference of all functions that are not named.
    pub other: i128,
}

/// The function that explains most of a change, and where to look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Culprit {
    /// Its normalised name.
    pub name: Interned,
    /// For a library function: on whose behalf it ran.
    pub caller: Option<Interned>,
    /// File to look at, in the workspace if anything there is known.
    pub file: Interned,
    /// Line to look at.
    pub line: Option<u32>,
    /// Whether that line is one that the diff touches.
    pub in_diff: bool,
    /// Instructions it contributes.
    pub instructions: i128,
    /// Why it moved.
    pub kind: Kind,
}

impl FunctionChange {
    /// Instructions gained (or, negative, saved).
    #[must_use]
    pub fn difference(&self) -> i128 {
        i128::from(self.head) - i128::from(self.base)
    }
}

/// Splits the change from `base` to `head` by source function.
#[must_use]
pub fn attribute(base: &FunctionTable, head: &FunctionTable) -> Attribution {
    let condensed = head.condensed();
    if *base == condensed {
        return Attribution::default();
    }
    let (in_base, in_head) = (base.by_name(), head.by_name());
    let mut functions: Vec<FunctionChange> = Vec::new();
    for row in base.rows() {
        let head = in_head.get(&row.key()).copied();
        functions.push(function_change(Some(row), head));
    }
    for row in condensed.rows() {
        if !in_base.contains_key(&row.key()) {
            functions.push(function_change(None, Some(row)));
        }
    }
    let total = |table: &FunctionTable| i128::from(table.total().unwrap_or(u64::MAX));
    let named: i128 = functions.iter().map(FunctionChange::difference).sum();
    functions.retain(|change| change.difference() != 0);
    functions.sort_by(|a, b| {
        let size = |change: &FunctionChange| change.difference().abs();
        size(b)
            .cmp(&size(a))
            .then_with(|| (&a.name, &a.file).cmp(&(&b.name, &b.file)))
    });
    Attribution {
        functions,
        other: total(head) - total(base) - named,
    }
}

fn function_change(base: Option<&FunctionCost>, head: Option<&FunctionCost>) -> FunctionChange {
    let named = head.or(base).expect("one side has the function");
    let instructions = |row: Option<&FunctionCost>| row.map_or(0, |row| row.instructions);
    let calls = match (
        base.and_then(|row| row.calls),
        head.and_then(|row| row.calls),
    ) {
        (Some(base), Some(head)) => Some((base, head)),
        _ => None,
    };
    let kind = match (base, head, calls) {
        (None, _, _) => Kind::Appeared,
        (_, None, _) => Kind::Vanished,
        (_, _, Some((base, head))) if base != head => Kind::Calls,
        (_, _, Some(_)) => Kind::PerCall,
        (_, _, None) => Kind::Inlined,
    };
    FunctionChange {
        name: named.name.clone(),
        file: named.file.clone(),
        caller: named.caller.clone(),
        base: instructions(base),
        head: instructions(head),
        calls,
        kind,
    }
}

/// The functions that explain most of the change, at most `most` of them, in its direction.
///
/// The line of each is the dearest of its lines that the diff touches; where it touches none, its
/// dearest line at all. Without lines only the file is known.
#[must_use]
pub fn culprits(
    attribution: &Attribution,
    measured: &Measurement,
    changed: &ChangedLines,
    most: usize,
) -> Vec<Culprit> {
    let change: i128 = attribution.other
        + attribution
            .functions
            .iter()
            .map(FunctionChange::difference)
            .sum::<i128>();
    attribution
        .functions
        .iter()
        .filter(|function| function.difference().signum() == change.signum())
        .take(most)
        .map(|function| {
            let lines = measured.lines_of(&function.name, &function.file);
            let touched = |line: &&LineCost| changed.contains(&line.file, line.line);
            let in_diff = lines.iter().find(touched);
            let line = in_diff.or_else(|| lines.first());
            Culprit {
                name: function.name.clone(),
                caller: function.caller.clone(),
                file: line.map_or_else(|| function.file.clone(), |line| line.file.clone()),
                line: line.map(|line| line.line),
                in_diff: in_diff.is_some(),
                instructions: function.difference(),
                kind: function.kind,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::run::FunctionLines;

    fn row(name: &str, instructions: u64, calls: Option<u64>) -> FunctionCost {
        FunctionCost {
            name: name.into(),
            file: format!("src/{name}.rs").into(),
            instructions,
            calls,
            caller: None,
        }
    }

    fn table(rows: &[(&str, u64, Option<u64>)], other: u64) -> FunctionTable {
        let rows = rows
            .iter()
            .map(|(name, count, calls)| row(name, *count, *calls))
            .collect();
        FunctionTable::new(rows, other)
    }

    #[test]
    fn each_kind_of_change_is_told_apart() {
        let base = table(
            &[
                ("calls", 1_000, Some(10)),
                ("body", 1_000, Some(10)),
                ("inlined", 1_000, None),
                ("gone", 1_000, Some(1)),
                ("same", 1_000, Some(1)),
            ],
            7,
        );
        let head = table(
            &[
                ("calls", 1_500, Some(15)),
                ("body", 1_400, Some(10)),
                ("inlined", 1_300, None),
                ("new", 1_200, Some(1)),
                ("same", 1_000, Some(1)),
            ],
            0,
        );
        let attribution = attribute(&base, &head);
        let seen: Vec<_> = attribution
            .functions
            .iter()
            .map(|change| (change.name.as_str(), change.difference(), change.kind))
            .collect();
        assert_eq!(
            seen,
            [
                ("new", 1_200, Kind::Appeared),
                ("gone", -1_000, Kind::Vanished),
                ("calls", 500, Kind::Calls),
                ("body", 400, Kind::PerCall),
                ("inlined", 300, Kind::Inlined),
            ]
        );
        assert_eq!(attribution.other, -7);
    }

    #[test]
    fn a_culprit_points_at_the_dearest_line_that_the_diff_touches() {
        let base = table(&[("f", 1_000, None)], 0);
        let head = table(&[("f", 2_000, None)], 0);
        let line = |line, instructions| LineCost {
            file: "src/f.rs".into(),
            line,
            instructions,
        };
        let measured = Measurement {
            id: "a/b/c".parse().unwrap(),
            metrics: [].into(),
            functions: head.clone(),
            floor: 0,
            lines: vec![FunctionLines {
                name: "f".into(),
                file: "src/f.rs".into(),
                lines: vec![line(5, 1_000), line(7, 600), line(8, 400)],
            }],
        };
        let attribution = attribute(&base, &head);
        let at = |diff: &str| {
            let changed = ChangedLines::from_unified_diff(diff);
            let culprits = culprits(&attribution, &measured, &changed, 3);
            assert_eq!(culprits.len(), 1);
            (
                culprits[0].line,
                culprits[0].in_diff,
                culprits[0].instructions,
            )
        };
        assert_eq!(
            at("+++ b/src/f.rs\n@@ -7,0 +7,2 @@\n+\n+\n"),
            (Some(7), true, 1_000)
        );
        assert_eq!(
            at("+++ b/src/f.rs\n@@ -8,0 +8 @@\n+\n"),
            (Some(8), true, 1_000)
        );
        assert_eq!(
            at("+++ b/src/g.rs\n@@ -7,0 +7,2 @@\n+\n+\n"),
            (Some(5), false, 1_000)
        );
    }

    fn any_table() -> impl Strategy<Value = FunctionTable> {
        let name = prop::sample::select(vec!["a", "b", "c", "d", "e", "f", "g"]);
        let rows =
            prop::collection::btree_map(name, (0..1_000_000_u64, prop::option::of(0..9_u64)), 0..7);
        (rows, 0..1_000_u64).prop_map(|(rows, other)| {
            let rows = rows
                .into_iter()
                .map(|(name, (count, calls))| row(name, count, calls));
            FunctionTable::new(rows.collect(), other)
        })
    }

    proptest! {
        #[test]
        fn the_differences_add_up_to_the_change(base in any_table(), head in any_table()) {
            let base = base.condensed();
            let attribution = attribute(&base, &head);
            let named: i128 = attribution.functions.iter().map(FunctionChange::difference).sum();
            let change = i128::from(head.total().unwrap()) - i128::from(base.total().unwrap());
            prop_assert_eq!(named + attribution.other, change);
        }
    }
}
