//! Bugs that are injected on purpose are found by the tests beside this one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{crash, groups, publishing, topics, transactions, upkeep};
use crate::injected_bug::{Bug, inject};
use crate::vfs::Sim;

/// Whether a test fails with a bug in the engine, and not without it.
#[track_caller]
fn finds(bug: Bug, test: impl Fn() -> Result<(), String>) {
    assert_eq!(test(), Ok(()), "without a bug");
    let hook = std::panic::take_hook();
    let found = inject(bug, || catch_unwind(AssertUnwindSafe(&test)));
    std::panic::set_hook(hook);
    // A panic leaves the bug injected otherwise.
    inject(bug, || ());
    assert!(!matches!(found, Ok(Ok(()))), "{bug:?} goes unnoticed");
}

fn passes(test: impl Fn()) -> impl Fn() -> Result<(), String> {
    move || {
        test();
        Ok(())
    }
}

#[test]
fn batches_that_are_stored_twice_are_found() {
    finds(Bug::ForgetSequences, crash::harness);
}

#[test]
fn a_producer_that_is_not_fenced_off_is_found() {
    finds(Bug::SkipFencing, passes(publishing::fencing));
}

#[test]
fn a_duplicate_that_is_acknowledged_early_is_found() {
    finds(
        Bug::AcknowledgeDuplicateEarly,
        publishing::duplicate_is_durable,
    );
}

#[test]
fn offsets_that_are_committed_in_any_generation_are_found() {
    finds(Bug::CommitUnfenced, passes(groups::fencing));
}

#[test]
fn positions_that_are_kept_are_found() {
    finds(Bug::KeepPositions, passes(|| groups::away(&Sim::default())));
}

#[test]
fn messages_beside_their_transaction_are_found() {
    finds(Bug::PublishBesideTransaction, transactions::exactly_once);
}

#[test]
fn decisions_that_are_kept_are_found() {
    finds(Bug::KeepDecisions, passes(topics::rules));
}

#[test]
fn a_log_that_is_held_too_little_is_found() {
    finds(Bug::HoldTooLittle, crash::harness);
}

#[test]
fn compaction_that_keeps_the_first_is_found() {
    finds(Bug::CompactKeepsFirst, upkeep::compaction);
}
