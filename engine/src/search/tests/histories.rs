//! Histories of writes, transactions, expiry, sweeps, checkpoints and crashes: a search is a scan.

use proptest::prelude::*;

use super::world::{World, harness};

proptest! {
    #[test]
    fn a_search_finds_what_a_scan_finds(
        seed: u64,
        steps in prop::collection::vec(any::<[u8; 4]>(), 0..60),
    ) {
        let mut world = World::new(seed).map_err(TestCaseError::fail)?;
        for step in steps {
            world.step(step).map_err(TestCaseError::fail)?;
        }
        world.look(0).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn long_histories_end_with_the_index_that_building_gives() {
    for seed in 0..12 {
        let held = harness(seed, 250);
        assert!(held.is_ok(), "{}", held.unwrap_err());
    }
}
