//! Proof that the tests of runs would notice: with each bug in place, one of them fails.

use super::check::World;
use super::crash::restart;
use super::model::Model;
use super::operation::history;
use super::properties::{check_diff, lived};
use crate::injected_bug::{Bug, inject};
use crate::run::{RunId, Side};

/// Whether a history of some seed shows the bug.
fn shows(bug: Bug, test: impl Fn(u64) -> Result<(), String>) {
    let found = inject(bug, || (0..200).find(|seed| test(*seed).is_err()));
    assert!(found.is_some(), "no seed shows {bug:?}");
    // The same histories are good without it.
    for seed in 0..20 {
        assert_eq!(test(seed), Ok(()), "seed {seed} without a bug");
    }
}

fn model(seed: u64) -> Result<(), String> {
    let (world, model) = lived(&history(seed, 12))?;
    world.check(&model)
}

fn diff(seed: u64) -> Result<(), String> {
    let (world, model): (World, Model) = lived(&history(seed, 20))?;
    let last = Side::from(RunId(model.runs.len() as u64));
    check_diff(&world, RunId(1).into(), last)
}

#[test]
fn model_notices_changes_of_an_ended_run() {
    shows(Bug::RunTakesAnything, model);
}

#[test]
fn model_notices_a_key_that_goes_without_a_step() {
    shows(Bug::RunDeletesUnseen, model);
}

#[test]
fn model_notices_a_cell_that_is_set_whatever_its_version() {
    shows(Bug::CellIgnoresVersion, model);
}

#[test]
fn model_notices_a_replay_that_forgets_deletes() {
    shows(Bug::ReplayForgetsDeletes, model);
}

#[test]
fn property_notices_a_difference_that_overlooks_what_was_removed() {
    shows(Bug::DiffOverlooksRemoved, diff);
}

#[test]
fn restart_notices_orphans_that_are_overlooked() {
    shows(Bug::OrphansOverlooked, restart);
}

#[test]
fn crash_notices_a_torn_transaction() {
    shows(Bug::TearTransaction, super::crash::crashed);
}
