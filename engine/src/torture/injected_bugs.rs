//! Each injected bug is one that the harness finds. A harness that finds nothing proves nothing.

use super::crash::{SCRIPT, Tried, crash_everywhere, fail_everywhere};
use super::damage::rot_before_a_mark_is_reported;
use super::engine::harness;
use super::map;
use crate::crash_test::Checked;
use crate::injected_bug::{Bug, inject};

/// The harness must be content without the bug, and find something with it.
#[track_caller]
fn found(bug: Bug, harness: impl Fn(u64) -> Checked) {
    let found = inject(bug, || (0..4).find_map(|seed| harness(seed).err()));
    match found {
        Some(what) => println!("{bug:?} is found: {what}"),
        None => panic!("{bug:?} goes unnoticed"),
    }
}

fn crash(seed: u64) -> Checked {
    crash_everywhere(seed, SCRIPT, &[0, 2, 3, 4, 5], &mut Tried::default())
}

fn fail(seed: u64) -> Checked {
    fail_everywhere(seed, SCRIPT, &[0], &mut Tried::default())
}

#[test]
fn a_skipped_directory_sync_is_found() {
    found(Bug::SkipDirectorySync, crash);
}

#[test]
fn an_ignored_checksum_is_found() {
    found(Bug::IgnoreChecksum, crash);
}

#[test]
fn a_retried_sync_is_found() {
    found(Bug::RetryFailedSync, fail);
}

#[test]
fn a_mark_stuck_at_zero_is_found() {
    found(Bug::SyncMarkStuckAtZero, rot_before_a_mark_is_reported);
}

#[test]
fn records_published_before_they_are_durable_are_found() {
    found(Bug::PublishBeforeDurable, crash);
}

#[test]
fn a_log_that_goes_on_where_it_found_frames_is_found() {
    found(Bug::ResumeInPlace, fail);
}

#[test]
fn a_transaction_that_is_not_validated_is_found() {
    found(Bug::SkipValidation, harness);
}

#[test]
fn a_scanned_range_that_is_not_validated_is_found() {
    found(Bug::SkipRanges, harness);
}

#[test]
fn a_commit_that_is_acknowledged_early_is_found() {
    found(Bug::AcknowledgeEarly, harness);
}

#[test]
fn a_checkpoint_that_ignores_holders_is_found() {
    found(Bug::IgnoreHolders, harness);
}

#[test]
fn a_replay_without_deletions_is_found() {
    found(Bug::ForgetTombstones, harness);
}

#[test]
fn a_sweep_before_the_time_is_found() {
    found(Bug::SweepEarly, harness);
}

#[test]
fn a_value_that_expires_late_is_found() {
    found(Bug::ExpireLate, harness);
}

#[test]
fn a_snapshot_without_expiry_is_found() {
    found(Bug::LoseExpiry, harness);
}

#[test]
fn a_transaction_in_pieces_is_found() {
    found(Bug::TearTransaction, harness);
}

#[test]
fn a_deletion_without_a_tombstone_is_found() {
    found(Bug::LoseTombstone, map::harness);
}

#[test]
fn an_overwritten_value_that_stays_is_found() {
    found(Bug::KeepOverwritten, map::harness);
}

#[test]
fn a_key_that_came_and_went_and_stays_is_found() {
    found(Bug::KeepDeleted, map::harness);
}

#[test]
fn a_merge_that_believes_the_older_is_found() {
    found(Bug::MergeOlder, map::harness);
}

#[test]
fn a_merge_that_drops_tombstones_is_found() {
    found(Bug::DropTombstones, map::harness);
}
