//! The main cause: the one function and line that most regressions have in common.
//!
//! A change in a hot helper turns many benchmarks red for one reason. Whoever reads the first line
//! should know that reason, and not have to find it in fifteen equal rows.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::Row;
use super::proven::CauseProof;
use crate::attribute::{Culprit, Origin};
use crate::judge::Outcome;
use crate::model::interned::Interned;

/// What explains more of the regressions than anything else does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MainCause {
    /// What kind of thing is at fault.
    pub origin: Origin,
    /// The function's normalised name.
    pub name: Interned,
    /// For a library function: on whose behalf it ran.
    pub caller: Option<Interned>,
    /// File to look at.
    pub file: Interned,
    /// Line to look at.
    pub line: Option<u32>,
    /// Whether that line is one that the diff touches.
    pub in_diff: bool,
    /// Instructions it adds to them all.
    pub instructions: i128,
    /// Of how many regressed benchmarks it is the first culprit.
    pub benchmarks: usize,
    /// How many benchmarks regressed.
    pub of: usize,
    /// What was proven of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<CauseProof>,
    /// What makes it one cause.
    #[serde(skip)]
    key: Key,
}

/// What makes two culprits one cause: the place in the diff, whatever function it made more expensive; where the
/// diff explains neither, function and line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Hunk(Origin, Interned, u32),
    Function(Interned, Option<Interned>, Interned, Option<u32>),
}

impl Key {
    fn of(it: &Culprit) -> Self {
        match it.hunk.filter(|_| it.in_diff) {
            Some(hunk) => Self::Hunk(it.origin, it.file.clone(), hunk),
            None => Self::Function(it.name.clone(), it.caller.clone(), it.file.clone(), it.line),
        }
    }
}

/// The causes of all regressed rows, as their first culprits tell: what moved most rows first; of
/// equals the most expensive, and of those the first by name.
pub(super) fn all(rows: &[Row]) -> Vec<MainCause> {
    let regressed = rows.iter().filter(|it| it.outcome == Outcome::Regressed);
    let mut causes: BTreeMap<Key, (usize, i128, &Culprit)> = BTreeMap::new();
    let mut of = 0;
    for row in regressed {
        of += 1;
        let Some(culprit) = row.culprits.first() else {
            continue;
        };
        let (count, weight, heaviest) = causes.entry(Key::of(culprit)).or_insert((0, 0, culprit));
        *count += 1;
        *weight += culprit.instructions;
        if culprit.instructions.abs() > heaviest.instructions.abs() {
            *heaviest = culprit;
        }
    }
    let mut causes: Vec<_> = causes.into_values().collect();
    causes.sort_by_key(|it| (Reverse(it.0), Reverse(it.1)));
    let cause = |(benchmarks, instructions, culprit): (usize, i128, &Culprit)| MainCause {
        origin: culprit.origin,
        name: culprit.name.clone(),
        caller: culprit.caller.clone(),
        file: culprit.file.clone(),
        line: culprit.line,
        in_diff: culprit.in_diff,
        instructions,
        benchmarks,
        of,
        proof: None,
        key: Key::of(culprit),
    };
    causes.into_iter().map(cause).collect()
}

/// Says of each cause what was proven of the rows that begin with it.
pub(super) fn mark_proven(rows: &[Row], causes: &mut [MainCause]) {
    for cause in causes {
        let begins = |row: &&Row| {
            row.culprits
                .first()
                .is_some_and(|it| Key::of(it) == cause.key)
        };
        let rows = rows
            .iter()
            .filter(|it| it.outcome == Outcome::Regressed)
            .filter(begins);
        cause.proof = of_all(rows);
    }
}

/// What was proven of one cause in several rows. Where one contradicts, that is said.
fn of_all<'a>(rows: impl Iterator<Item = &'a Row>) -> Option<CauseProof> {
    let tried = rows.filter_map(|row| row.proof.as_ref().map(|it| it.cause));
    tried.filter(|it| *it != CauseProof::Untested).max()
}

/// The first of the causes, if it is that of at least half of the regressed rows.
pub(super) fn main(causes: &[MainCause]) -> Option<MainCause> {
    let first = causes.first()?;
    (2 * first.benchmarks >= first.of).then(|| first.clone())
}

/// Failing benchmarks that one function and line moved.
#[derive(Debug, Clone)]
pub struct CauseGroup<'a> {
    /// The cause, as the first of the rows has it.
    pub culprit: &'a Culprit,
    /// At least two, in the report's order: the worst first.
    pub rows: Vec<&'a Row>,
}

impl CauseGroup<'_> {
    /// What was proven of the cause.
    #[must_use]
    pub fn proof(&self) -> Option<CauseProof> {
        of_all(self.rows.iter().copied())
    }
}

/// The groups of rows whose first culprits are one cause, in the order of their first rows.
pub(super) fn groups(rows: &[Row]) -> Vec<CauseGroup<'_>> {
    let mut at = BTreeMap::new();
    let mut groups: Vec<CauseGroup<'_>> = Vec::new();
    for row in rows.iter().filter(|it| it.fails() && it.has_moved()) {
        let Some(culprit) = row.culprits.first() else {
            continue;
        };
        let index = *at
            .entry((Key::of(culprit), culprit.instructions.signum()))
            .or_insert(groups.len());
        match groups.get_mut(index) {
            Some(group) => group.rows.push(row),
            None => groups.push(CauseGroup {
                culprit,
                rows: vec![row],
            }),
        }
    }
    groups.retain(|it| it.rows.len() > 1);
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::sample;

    fn of(rows: &[Row]) -> Option<MainCause> {
        main(&all(rows))
    }

    /// The sample's regressed row, with these first culprits.
    fn rows(culprits: &[(&str, i128)]) -> Vec<Row> {
        let row = &sample().rows[0];
        let of = |&(name, instructions): &(&str, i128)| {
            let mut row = row.clone();
            row.culprits[0].name = name.into();
            row.culprits[0].instructions = instructions;
            row.culprits[0].hunk = name.bytes().next().map(u32::from);
            row
        };
        culprits.iter().map(of).collect()
    }

    #[test]
    fn it_is_what_most_regressions_begin_with() {
        let cause = of(&rows(&[("a", 9), ("b", 1), ("b", 1)])).unwrap();
        assert_eq!((&*cause.name, cause.benchmarks, cause.of), ("b", 2, 3));
        let cause = of(&rows(&[("a", 1), ("b", 2)])).unwrap();
        assert_eq!(&*cause.name, "b", "of equals the most expensive");
        assert_eq!(
            (&*cause.file, cause.line),
            ("engine/src/frame.rs", Some(42))
        );
        assert!(cause.in_diff);
    }

    #[test]
    fn without_a_common_cause_none_is_named() {
        assert_eq!(of(&rows(&[("a", 1), ("b", 2), ("c", 3)])), None);
        assert_eq!(of(&[]), None);
        let mut rows = rows(&[("a", 1)]);
        rows[0].outcome = Outcome::BaselineOutOfDate;
        assert_eq!(
            of(&rows),
            None,
            "an improvement that is not recorded is no regression"
        );
        rows[0].outcome = Outcome::Regressed;
        rows[0].culprits.clear();
        assert_eq!(of(&rows), None);
    }

    #[test]
    fn rows_with_the_same_first_culprit_are_a_group() {
        let all = rows(&[("a", 9), ("b", 8), ("a", 7), ("c", 6), ("b", 5)]);
        let groups = groups(&all);
        let of = |group: &CauseGroup<'_>| (group.culprit.name.to_string(), group.rows.len());
        let found: Vec<_> = groups.iter().map(of).collect();
        assert_eq!(found, [("a".to_owned(), 2), ("b".to_owned(), 2)]);
        assert_eq!(groups[0].rows[1].culprits[0].instructions, 7);
    }

    #[test]
    fn what_passes_or_did_not_move_is_in_no_group() {
        let mut all = rows(&[("a", 9), ("a", 8), ("a", 7)]);
        all[1].outcome = Outcome::Pass;
        all[2].head = all[2].base;
        assert!(groups(&all).is_empty());
    }

    #[test]
    fn one_place_in_the_diff_is_one_cause_whatever_function_grew() {
        let mut rows = rows(&[("a", 5), ("malloc", 9), ("b", 1)]);
        for row in &mut rows[..2] {
            row.culprits[0].hunk = Some(40);
        }
        rows[1].culprits[0].line = Some(43);
        let causes = all(&rows);
        assert_eq!(causes.len(), 2);
        let first = &causes[0];
        assert_eq!(
            (&*first.name, first.benchmarks, first.instructions),
            ("malloc", 2, 14)
        );
        assert_eq!(groups(&rows)[0].rows.len(), 2);
    }

    #[test]
    fn half_of_them_is_enough() {
        assert_eq!(
            of(&rows(&[("a", 1), ("a", 1), ("b", 1), ("c", 1)]))
                .unwrap()
                .of,
            4
        );
    }
}
