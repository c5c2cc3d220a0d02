//! Each injected bug is one that the harness finds. A harness that finds nothing proves nothing.

use super::world::harness;
use crate::injected_bug::{Bug, inject};

#[track_caller]
fn found(bug: Bug) {
    let found = inject(bug, || (0..40).find_map(|seed| harness(seed, 150).err()));
    match found {
        Some(what) => println!("{bug:?} is found: {what}"),
        None => panic!("{bug:?} goes unnoticed"),
    }
}

#[test]
fn a_document_that_went_and_is_found_is_noticed() {
    found(Bug::SearchFindsDeleted);
}

#[test]
fn a_document_that_expired_and_is_found_is_noticed() {
    found(Bug::SearchIgnoresExpiry);
}

#[test]
fn a_phrase_in_any_order_is_noticed() {
    found(Bug::SearchPhraseIgnoresOrder);
}

#[test]
fn a_prefix_that_misses_the_newest_words_is_noticed() {
    found(Bug::SearchPrefixMissesNewest);
}

#[test]
fn compacted_lists_without_places_are_noticed() {
    found(Bug::SearchCompactionForgetsPlaces);
}

#[test]
fn a_search_before_what_is_pending_is_noticed() {
    found(Bug::SearchBeforePending);
}
