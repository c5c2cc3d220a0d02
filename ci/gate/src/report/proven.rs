//! What a proof says of the causes that the judge has found.
//!
//! ```text
//! judge:  row, its first culprit, the hunk of the diff that this lies in ─┐
//! proof:  head's count without the piece at file:line  ───────────────────┴─→ a label on that cause
//! ```
//!
//! A proof is made where the pull request's code is built, so anybody may have written it. Nothing of it
//! is shown but counts, and places that are hunks of the diff as the judge knows it. It counts for a row
//! only if it is of the very count that was judged; whether a cause is proven is told by the judge's own
//! base. It changes no verdict, no order, and no cause.

use serde::Serialize;

use super::{Report, Row};
use crate::attribute::diff::ChangedLines;
use crate::judge::Outcome;
use crate::model::interned::Interned;
use crate::model::proof::{BenchmarkProof, ProofPlace, Proofs, Tried};

/// The most pieces of a mixed change that are named.
const PARTS_MAX: usize = 5;

/// What a proof says of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowProof {
    /// What it says of the row's first culprit.
    pub cause: CauseProof,
    /// The pieces that make a difference, the largest first.
    pub parts: Vec<ProvenPart>,
    /// What the pieces do together, beyond what each does; where all were tried.
    pub interaction: Option<i128>,
}

/// What a proof says of a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CauseProof {
    /// Without the piece that it lies in, at least half of the change is gone.
    Proven,
    /// Without it, more than half of the change stays.
    Disproven,
    /// It was not tried.
    Untested,
}

/// A piece of the change that makes a difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProvenPart {
    /// Its file.
    pub file: Interned,
    /// The first line of its hunk.
    pub line: u32,
    /// How many other hunks were taken out with it.
    pub with: usize,
    /// What it adds (or, negative, saves).
    pub adds: i128,
    /// How far from base head is without it.
    pub left: i128,
}

impl Report {
    /// Puts what a proof says beside the causes of the red rows. `changed` is the judge's own diff.
    pub fn attach_proofs(&mut self, proofs: &Proofs, changed: &ChangedLines) {
        for row in &mut self.rows {
            row.proof = proofs.of(&row.id).and_then(|it| of_row(row, it, changed));
        }
        super::cause::mark_proven(&self.rows, &mut self.causes);
        self.main_cause = super::cause::main(&self.causes);
    }
}

/// What a proof says of a row, if it is one of that row's count.
fn of_row(row: &Row, proof: &BenchmarkProof, changed: &ChangedLines) -> Option<RowProof> {
    let is_of_it = row.outcome == Outcome::Regressed
        && proof.metric == row.metric
        && row.head == Some(proof.head);
    // What was on base already is no piece's doing.
    let base = row.base_run.map(|it| it.count).or(row.base);
    let base = base.filter(|base| is_of_it && *base != proof.head)?;
    let change = i128::from(proof.head) - i128::from(base);
    let hunk = |place: &ProofPlace| changed.hunk(&place.file, place.line);
    let culprit = row.culprits.first();
    let cause_at = culprit.and_then(|it| Some((&*it.file, changed.hunk(&it.file, it.line?)?)));
    let has_cause = |tried: &Tried| {
        let mut places = tried.places.iter();
        places.any(|it| hunk(it).map(|line| (it.file.as_str(), line)) == cause_at)
    };
    let adds = |tried: &Tried| i128::from(proof.head) - i128::from(tried.without);
    let is_at_fault = |tried: &Tried| {
        let adds = adds(tried);
        adds.signum() == change.signum() && adds.abs() * 2 >= change.abs()
    };
    let of_cause = proof
        .tried
        .iter()
        .find(|it| cause_at.is_some() && has_cause(it));
    let cause = match of_cause {
        Some(tried) if is_at_fault(tried) => CauseProof::Proven,
        Some(_) => CauseProof::Disproven,
        None => CauseProof::Untested,
    };
    let mut parts = Vec::new();
    let mut is_known = true;
    for tried in proof.tried.iter().filter(|it| adds(it) != 0) {
        let named = tried.places.iter().find_map(|it| Some((it, hunk(it)?)));
        match named {
            Some((place, line)) => parts.push(ProvenPart {
                file: place.file.as_str().into(),
                line,
                with: tried.places.len() - 1,
                adds: adds(tried),
                left: i128::from(tried.without) - i128::from(base),
            }),
            None => is_known = false,
        }
    }
    parts.sort_by_key(|it| (std::cmp::Reverse(it.adds.abs()), it.file.clone(), it.line));
    let all: i128 = parts.iter().map(|it| it.adds).sum();
    let is_whole = is_known && proof.untested == 0 && proof.base == base;
    parts.truncate(PARTS_MAX);
    Some(RowProof {
        cause,
        parts,
        interaction: is_whole.then(|| change - all),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::proof::PROOFS_FORMAT;
    use crate::report::tests::sample;

    /// The sample's culprit lies in the first hunk; the second is beside it.
    const DIFF: &str = "--- a/engine/src/frame.rs\n+++ b/engine/src/frame.rs\n\
        @@ -40,2 +40,4 @@\n-a\n-b\n+c();\n+d();\n+e();\n+f();\n@@ -90 +92 @@\n-g\n+h();\n";

    fn tried(file: &str, line: u32, without: u64) -> Tried {
        let file = file.to_owned();
        Tried {
            places: vec![ProofPlace { file, line }],
            without,
        }
    }

    /// The sample, with a proof of its red row: base's and head's counts are the row's.
    fn proven(change: impl Fn(&mut BenchmarkProof, (u64, u64))) -> Report {
        let mut report = sample();
        let row = &report.rows[0];
        let (base, head) = (row.base.unwrap(), row.head.unwrap());
        let mut proof = BenchmarkProof {
            id: row.id.clone(),
            metric: row.metric,
            base,
            head,
            tried: vec![tried("engine/src/frame.rs", 40, base)],
            untested: 0,
            builds: 1,
        };
        change(&mut proof, (base, head));
        let proofs = Proofs {
            format: PROOFS_FORMAT,
            proofs: vec![proof],
        };
        report.attach_proofs(&proofs, &ChangedLines::from_unified_diff(DIFF));
        report
    }

    fn label(report: &Report) -> Option<CauseProof> {
        report.rows[0].proof.as_ref().map(|it| it.cause)
    }

    #[test]
    fn cause_is_proven_if_half_of_the_change_goes_with_its_hunk() {
        let report = proven(|_, _| {});
        let proof = report.rows[0].proof.as_ref().unwrap();
        assert_eq!(
            (proof.cause, proof.interaction),
            (CauseProof::Proven, Some(0))
        );
        assert_eq!((proof.parts[0].line, proof.parts[0].left), (40, 0));
        assert_eq!(report.main_cause.unwrap().proof, Some(CauseProof::Proven));
    }

    #[test]
    fn cause_is_disproven_if_the_count_stays_without_it() {
        let report = proven(|proof, (base, head)| {
            let file = "engine/src/frame.rs";
            proof.tried = vec![tried(file, 41, head), tried(file, 92, base)];
        });
        let proof = report.rows[0].proof.as_ref().unwrap();
        assert_eq!(proof.cause, CauseProof::Disproven);
        assert_eq!((proof.parts.len(), proof.parts[0].line), (1, 92));
        assert_eq!(
            report.main_cause.unwrap().proof,
            Some(CauseProof::Disproven)
        );
    }

    #[test]
    fn mixed_change_is_split_exactly() {
        let report = proven(|proof, (base, head)| {
            let file = "engine/src/frame.rs";
            proof.tried = vec![tried(file, 40, base - 7), tried(file, 92, head + 5)];
        });
        let proof = report.rows[0].proof.as_ref().unwrap();
        let adds: Vec<i128> = proof.parts.iter().map(|it| it.adds).collect();
        let change: i128 = proof.parts[0].adds - 7;
        assert_eq!(adds, [change + 7, -5]);
        assert_eq!(proof.interaction, Some(-2));
    }

    #[test]
    fn claim_about_another_count_is_left_aside() {
        assert_eq!(label(&proven(|proof, _| proof.head += 1)), None);
        let other =
            |proof: &mut BenchmarkProof, _| proof.metric = crate::model::metric::Metric::Frees;
        assert_eq!(label(&proven(other)), None);
        let other = |proof: &mut BenchmarkProof, _| proof.id = "other/f/a".parse().unwrap();
        assert_eq!(label(&proven(other)), None);
    }

    #[test]
    fn forged_base_proves_nothing() {
        // With a base of its own choosing, any trial would be half of the change.
        let report = proven(|proof, (_, head)| {
            proof.base = head - 1;
            proof.tried = vec![tried("engine/src/frame.rs", 40, head - 1)];
        });
        let proof = report.rows[0].proof.as_ref().unwrap();
        assert_eq!(
            (proof.cause, proof.interaction),
            (CauseProof::Disproven, None)
        );
    }

    #[test]
    fn places_outside_of_the_diff_are_never_shown() {
        for place in [
            ("innocent.rs", 40),
            ("engine/src/frame.rs", 7),
            ("::error::x", 1),
        ] {
            let report = proven(|proof, (base, _)| {
                proof.tried = vec![tried(place.0, place.1, base)];
            });
            let proof = report.rows[0].proof.as_ref().unwrap();
            assert_eq!((proof.cause, proof.parts.len()), (CauseProof::Untested, 0));
            assert_eq!(proof.interaction, None);
            let json = serde_json::to_string(&report).unwrap();
            assert!(!json.contains("innocent.rs") && !json.contains("::error"));
        }
    }

    #[test]
    fn proof_changes_no_verdict_order_or_cause() {
        let without = |mut report: Report| {
            report.rows.iter_mut().for_each(|row| row.proof = None);
            let causes = report.causes.iter_mut().chain(&mut report.main_cause);
            causes.for_each(|it| it.proof = None);
            serde_json::to_string(&report).unwrap()
        };
        let none = serde_json::to_string(&sample()).unwrap();
        assert_eq!(without(proven(|_, _| {})), none);
        assert_eq!(
            without(proven(|proof, (_, head)| proof.tried[0].without = head)),
            none
        );
    }

    #[test]
    fn row_that_is_not_red_gets_no_label() {
        let mut report = sample();
        let rows = report
            .rows
            .iter()
            .filter(|it| it.outcome != Outcome::Regressed);
        let proofs = rows.filter_map(|row| {
            Some(BenchmarkProof {
                id: row.id.clone(),
                metric: row.metric,
                base: row.base?,
                head: row.head?,
                tried: vec![tried("engine/src/frame.rs", 40, row.base?)],
                untested: 0,
                builds: 1,
            })
        });
        let proofs = Proofs {
            format: PROOFS_FORMAT,
            proofs: proofs.collect(),
        };
        assert!(!proofs.proofs.is_empty());
        report.attach_proofs(&proofs, &ChangedLines::from_unified_diff(DIFF));
        assert!(report.rows.iter().all(|row| row.proof.is_none()));
    }
}
