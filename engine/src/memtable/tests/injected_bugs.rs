//! Each injected bug is one that the ordinary tests find.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::super::panics::message;
use super::crash::crashed;
use super::model::holds;
use super::transactions::{self, conflict_leaves_the_table_alone, read_is_validated};
use super::world::{Operation, by_hand};
use crate::crash_test::Checked;
use crate::injected_bug::{Bug, inject};
use crate::random::SplitMix64;

/// The harness must be content without the bug, and find something with it.
#[track_caller]
fn found(bug: Bug, harness: impl Fn(u64) -> Checked) {
    for seed in 0..3 {
        assert_eq!(harness(seed), Ok(()));
    }
    let found = inject(bug, || {
        (0..200).find_map(|seed| {
            let run = catch_unwind(AssertUnwindSafe(|| harness(seed)));
            run.unwrap_or_else(|panic| Err(message(&*panic))).err()
        })
    });
    match found {
        Some(what) => println!("{bug:?} is found: {what}"),
        None => panic!("{bug:?} goes unnoticed"),
    }
}

/// What proptest tries, with numbers of our own: it reports a failure by panicking.
fn model(seed: u64) -> Checked {
    let mut random = SplitMix64::new(seed);
    let operations: Vec<_> = (0..80)
        .map(|_| {
            let [a, b, c, d, ..] = random.next_u64().to_le_bytes();
            Operation::of([a, b, c, d])
        })
        .collect();
    holds(by_hand(), &operations)
}

#[test]
fn a_part_that_rotation_forgets_is_found() {
    found(Bug::RotationForgetsPart, model);
}

#[test]
fn a_generation_let_go_too_early_is_found() {
    found(Bug::LetGoBeforePersisted, model);
}

#[test]
fn a_newer_generation_flushed_first_is_found() {
    found(Bug::NewestGenerationFirst, model);
}

#[test]
fn a_retry_that_skips_the_failed_batch_is_found() {
    found(Bug::RetrySkipsBatch, model);
}

#[test]
fn a_flush_that_forgets_tombstones_is_found() {
    found(Bug::FlushSkipsTombstones, model);
}

#[test]
fn an_update_that_keeps_the_old_index_key_is_found() {
    found(Bug::UpdateKeepsOldIndexKey, model);
}

#[test]
fn a_posting_that_forgets_where_a_record_moved_is_found() {
    found(Bug::SwappedPostingKeepsPosition, model);
}

#[test]
fn a_lookup_by_index_that_believes_older_records_is_found() {
    found(Bug::IndexReadIgnoresNewer, model);
}

#[test]
fn a_flush_noted_before_it_succeeded_is_found() {
    found(Bug::NoteFlushBeforePersisting, |seed| {
        crashed(seed, 30, &[0])
    });
}

#[test]
fn a_transaction_that_trusts_what_it_read_of_a_table_is_found() {
    found(Bug::SkipTableReads, |_| read_is_validated());
}

#[test]
fn a_table_that_is_ahead_of_its_transaction_is_found() {
    found(Bug::TableAheadOfTransaction, |_| {
        conflict_leaves_the_table_alone()
    });
}

#[test]
fn records_that_share_a_unique_key_within_a_transaction_are_found() {
    found(Bug::SkipTableUniqueTogether, transactions::calm);
}

#[test]
fn a_transaction_over_a_table_in_pieces_is_found() {
    found(Bug::TearTransaction, |seed| {
        transactions::crashed(seed, 30, &[0])
    });
}
