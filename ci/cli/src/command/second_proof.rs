//! A second proof: before an author is blamed for what the diff seems not to have done, base's own code
//! is measured here for the same benchmarks.
//!
//! ```text
//! red, and the diff cannot reach it            ─┐
//! red, and the diff touches nothing of any red ─┤
//! red by a setting, and code is changed as well ─┴─→ base, measured here ─→ as much? stale on base: pass
//!                                                                         └ less?    regressed, proven
//! ```
//!
//! Base may carry a regression that nobody recorded, or a machine may move what no diff did. The verdict
//! is then the judge's: a change answers for what it adds to base.

use std::collections::BTreeSet;

use icgate_core::attribute::Origin;
use icgate_core::attribute::reach::Reach;
use icgate_core::judge::{BaselineState, Verdict};
use icgate_core::model::bench_id::BenchId;
use icgate_core::model::note::Note;
use icgate_core::report::{Report, Row};

/// The red benchmarks that base has to be measured for. Where it is not known what was changed, none.
pub(super) fn needed(report: &Report) -> BTreeSet<BenchId> {
    let red = || {
        report
            .rows
            .iter()
            .filter(|it| it.verdict == Verdict::REGRESSED)
    };
    // A line that the diff changes and that explains the cost will do as well.
    let has_line = |row: &Row| row.culprits.iter().any(|it| it.in_diff);
    let is_touched = red().any(|it| it.reach == Some(Reach::Touched) || has_line(it));
    // A setting was changed, and code that is executed: what reached the compiler tells which of them it is.
    let is_setting = |row: &Row| {
        let origin = row.culprits.first().map(|it| it.origin);
        matches!(origin, Some(Origin::Build | Origin::Dependency))
    };
    let is_doubtful = |row: &&Row| match row.reach {
        Some(Reach::Touched) if is_setting(row) => true,
        Some(Reach::Unreachable) => true,
        Some(Reach::Reachable) => !is_touched,
        Some(Reach::Touched) | None => false,
    };
    let without_proof = |row: &&Row| row.base_run.is_none();
    red()
        .filter(is_doubtful)
        .filter(without_proof)
        .map(|row| row.id.clone())
        .collect()
}

/// What the reader should know of the benchmarks that base was measured for.
pub(super) fn found(report: &Report, asked: &BTreeSet<BenchId>) -> Option<Note> {
    let rows = report.rows.iter().filter(|row| asked.contains(&row.id));
    let (stale, own): (Vec<&Row>, Vec<&Row>) =
        rows.partition(|row| row.baseline == BaselineState::StaleOnBase);
    let first = stale.first()?;
    let mut note = Note::new("base's own code, measured here, moves {}", &[&first.id]);
    if stale.len() > 1 {
        note = note.and(" and {} more", &[&(stale.len() - 1)]);
    }
    note = note.and(" as this change does", &[]);
    if !own.is_empty() {
        note = note.and(" (of {} more it does not)", &[&own.len()]);
    }
    Some(note.and(
        ": base's baselines are out of date, or the machine moves them (see: icgate verify); it is not \
         this change",
        &[],
    ))
}

#[cfg(test)]
#[cfg(feature = "github")]
mod tests {
    use super::*;
    use crate::verdict::tests::regressed;

    fn with_reach(reaches: &[Option<Reach>]) -> Report {
        let mut report = regressed(u32::try_from(reaches.len()).unwrap());
        report.rows.sort_by(|a, b| a.id.cmp(&b.id));
        for (row, reach) in report.rows.iter_mut().zip(reaches) {
            row.reach = *reach;
            row.culprits.clear();
        }
        report
    }

    fn asked(reaches: &[Option<Reach>]) -> Vec<String> {
        let ids = needed(&with_reach(reaches));
        ids.iter()
            .map(|id| id.as_str().replace("suite/f/000", ""))
            .collect()
    }

    #[test]
    fn base_is_asked_before_an_author_is_blamed_for_what_the_diff_cannot_reach() {
        use Reach::{Reachable, Touched, Unreachable};
        assert_eq!(asked(&[Some(Unreachable), Some(Touched)]), ["1"]);
        assert_eq!(asked(&[Some(Reachable), Some(Reachable)]), ["1", "2"]);
        assert_eq!(asked(&[Some(Unreachable), Some(Reachable)]), ["1", "2"]);
        // What touches one of them may well have moved the others.
        assert_eq!(asked(&[Some(Reachable), Some(Touched)]), [""; 0]);
        assert_eq!(asked(&[None, None]), [""; 0]);
    }

    #[test]
    fn base_is_asked_where_setting_and_code_were_both_changed() {
        let mut report = with_reach(&[Some(Reach::Touched), Some(Reach::Touched)]);
        assert_eq!(needed(&report).len(), 0);
        report.rows[0].culprits = regressed(1).rows[0].culprits.clone();
        report.rows[0].culprits[0].origin = Origin::Build;
        assert_eq!(needed(&report).len(), 1);
    }

    #[test]
    fn what_base_does_as_well_is_said_to_be_nobody_s() {
        let mut report = with_reach(&[Some(Reach::Unreachable), Some(Reach::Unreachable)]);
        let asked = needed(&report);
        assert_eq!(found(&report, &asked), None);
        report.rows[0].baseline = BaselineState::StaleOnBase;
        let said = found(&report, &asked).unwrap().to_string();
        assert!(
            said.contains("moves suite/f/0001 as this change does (of 1 more"),
            "{said}"
        );
    }
}
