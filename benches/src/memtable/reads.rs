//! Workloads that read a table, wherever its records lie.

use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use engine::memtable::{KeyspacePersister, Memtable};

use super::item::{BY_NAME, BY_VALUE, Item};
use super::{OPERATIONS, RECORDS, Still, Table, deletes_below_setup, fill, options, updates_setup};
use crate::data::Random;

/// Where the records lie that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// In the active generation.
    Active,
    /// In an immutable one.
    Immutable,
    /// In a keyspace of the persister's.
    Persisted,
    /// There are none.
    Nowhere,
}

/// A table, what is read from it, and how much was found.
pub struct Reads {
    table: Table,
    items: Vec<Item>,
    held: Held,
    found: usize,
}

/// A table of 2,000 records, and 1,000 items to look up.
#[must_use]
pub fn reads_setup(held: Held) -> Reads {
    let (table, first) = match held {
        Held::Active => (updates_setup(0).table, 0),
        Held::Immutable => (deletes_below_setup().table, 0),
        Held::Nowhere => (updates_setup(0).table, RECORDS),
        Held::Persisted => {
            let persister = KeyspacePersister::open(&Engine::in_memory(), "items");
            let persister = Arc::new(persister.expect("it is empty"));
            let table = Memtable::with_runtime(Still, persister, options());
            let table: Table = table.expect("the options are right");
            fill(&table, RECORDS);
            table.flush(Duration::MAX).expect("nothing fails");
            (table, 0)
        }
    };
    let items = (first..first + OPERATIONS).map(|number| Item::new(number, 0));
    let mut items: Vec<_> = items.collect();
    Random::new(7).shuffle(&mut items);
    Reads {
        table,
        items,
        held,
        found: 0,
    }
}

/// Gets each item.
#[must_use]
pub fn get(mut input: Reads) -> Reads {
    for item in &input.items {
        let found = input.table.get(&item.id);
        input.found += usize::from(matches!(found, Ok(Some(found)) if found.value == item.value));
    }
    input
}

/// Gets each item by its unique name.
#[must_use]
pub fn get_unique(mut input: Reads) -> Reads {
    for item in &input.items {
        let found = input.table.get_unique(BY_NAME, &item.name);
        input.found += usize::from(matches!(found, Ok(Some(found)) if found.id == item.id));
    }
    input
}

/// All must have been found, or none.
pub fn reads_check(output: Reads) {
    let expected = if output.held == Held::Nowhere {
        0
    } else {
        OPERATIONS
    };
    assert_eq!(output.found, expected);
}

/// Gets the twenty records of a value, fifty times.
#[must_use]
pub fn get_by_index(mut input: Reads) -> Reads {
    for item in &input.items[..OPERATIONS / 20] {
        let found = input.table.get_by_index(BY_VALUE, &item.value);
        input.found += found.map_or(0, |found| found.len());
    }
    input
}

/// A hundredth of all records has each value.
pub fn by_index_check(output: Reads) {
    assert_eq!(output.found, OPERATIONS);
}

/// Visits records in key order.
#[must_use]
pub fn scan(mut input: Reads) -> Reads {
    let mut last = i64::MIN;
    let end = i64::try_from(OPERATIONS).unwrap_or(i64::MAX);
    for item in input.table.range(..end).flatten() {
        input.found += usize::from(item.id > last);
        last = item.id;
    }
    input
}

/// Each must have been visited, in order.
pub fn scan_check(output: Reads) {
    assert_eq!(output.found, OPERATIONS);
}
