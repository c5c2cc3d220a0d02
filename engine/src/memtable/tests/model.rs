//! Whatever is done to a table, in whatever order and however its persister fails: what it says is
//! what a map says.

use proptest::prelude::*;

use super::super::Options;
use super::world::{Operation, World, by_hand};
use crate::crash_test::Checked;

/// Does everything, and compares after each operation.
pub(super) fn holds(options: Options, operations: &[Operation]) -> Checked {
    let mut world = World::in_memory(options);
    for (number, operation) in operations.iter().enumerate() {
        let at = |what| format!("operation {number}, {operation:?}: {what}");
        world.apply(operation).map_err(at)?;
        world.check().map_err(at)?;
    }
    // In the end the persister recovers, and has everything.
    world.persister.heal();
    world.apply(&Operation::Flush)?;
    world.check()
}

pub(super) fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let operation = any::<[u8; 4]>().prop_map(Operation::of);
    proptest::collection::vec(operation, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_table_says_what_a_map_says(operations in operations(), shards in 0_u32..4) {
        let options = Options { shards: 1 << shards, ..by_hand() };
        if let Err(what) = holds(options, &operations) {
            prop_assert!(false, "{what}");
        }
    }

    #[test]
    fn a_table_that_rotates_by_bytes_says_what_a_map_says(operations in operations()) {
        let options = Options { threshold_records: usize::MAX, threshold_bytes: 900, ..by_hand() };
        if let Err(what) = holds(options, &operations) {
            prop_assert!(false, "{what}");
        }
    }
}
