//! Each injected bug is one that the harness finds. A harness that finds nothing proves nothing.

use super::crash::{SCRIPT, Tried, crash_everywhere, fail_everywhere};
use super::damage::rot_before_a_mark_is_reported;
use super::model::Checked;
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
