//! Tests of the judge: of its table over all inputs, and of what reaches the table.

mod counts;
mod edits;
mod metrics;
mod table;

use super::*;
use crate::model::baseline::tests::{accepted, measured};
use crate::model::bench_id::BenchId;

/// Base, committed and measured instructions → verdict, under 1 % and a noise of 50.
fn check(base: Option<u64>, committed: Option<u64>, measured: Option<u64>, expected: Verdict) {
    let id: BenchId = "a/b/c".parse().unwrap();
    let of = |count: Option<u64>| count.map(|count| accepted("a/b/c", count));
    let (base, committed) = (of(base), of(committed));
    let measured = measured.map(|count| self::measured("a/b/c", count));
    let facts = Facts {
        id: &id,
        base: base.as_ref(),
        committed: committed.as_ref(),
        measured: measured.as_ref(),
        comparable: true,
        rebaselined: false,
        base_run: None,
        former: None,
        removal: None,
    };
    let judgement = judge_benchmark(&facts, &Policy::default());
    assert_eq!(
        judgement.verdict, expected,
        "{base:?} {committed:?} {measured:?}"
    );
}
