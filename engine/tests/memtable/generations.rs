//! When another generation begins.

use std::time::Duration;

use engine::memtable::{Memtable, NoopPersister, Options};

use super::{Page, options, page};

fn table(options: Options) -> Memtable<Page> {
    Memtable::in_memory(NoopPersister::default(), options).unwrap()
}

#[test]
fn generation_ends_once_its_records_take_the_bytes_of_the_threshold() {
    let threshold_bytes = 64 << 10;
    // Large records, each of which is reported, and small ones, of which several are reported at once.
    for (bytes, at_least, at_most) in [(10_000, 6, 7), (100, 200, 700)] {
        let table = table(Options {
            threshold_bytes,
            ..options()
        });
        let written = (0..1000).find(|number| {
            table.put(page(*number, bytes)).unwrap();
            table.status().immutables > 0
        });
        let written = written.map(|last| last + 1);
        assert!(
            written.is_some_and(|it| (at_least..=at_most).contains(&it)),
            "{written:?} records of {bytes} bytes"
        );
        assert_eq!(table.status().active_bytes, 0);
    }
}

#[test]
fn generation_ends_once_it_has_the_records_of_the_threshold() {
    let table = table(Options {
        threshold_records: 100,
        ..options()
    });
    for number in 0..99 {
        table.put(page(number, 0)).unwrap();
        // What is put again is no further record.
        table.put(page(number, 1)).unwrap();
    }
    assert_eq!(table.status().immutables, 0);
    // A part reports an eighth of the threshold at once.
    for number in 99..112 {
        table.put(page(number, 0)).unwrap();
    }
    assert_eq!(table.status().immutables, 1);
    assert!(table.status().active_records < 12);
}

#[test]
fn generation_ends_with_the_record_that_reaches_the_threshold() {
    // Eight parts of a threshold of eight: each record is reported.
    let table = table(Options {
        threshold_records: 8,
        ..options()
    });
    for number in 1..=24 {
        table.put(page(number, 0)).unwrap();
        assert_eq!(table.status().immutables, number as usize / 8);
        assert_eq!(table.status().active_records, number as usize % 8);
    }
}

#[test]
fn rotation_by_hand_ends_a_generation_while_there_is_room_for_another() {
    let table = table(Options {
        immutables_max: 2,
        ..options()
    });
    assert!(!table.rotate(), "an empty generation stays");
    for number in 0..2 {
        table.put(page(number, 0)).unwrap();
        assert!(table.rotate());
        assert_eq!(table.status().immutables, number as usize + 1);
    }
    table.put(page(2, 0)).unwrap();
    assert!(!table.rotate(), "two wait already");
    assert_eq!(table.status().immutables, 2);
    table.flush(Duration::MAX).unwrap();
    assert_eq!(table.status().immutables, 0);
    assert_eq!(table.status().persisted, 3);
}
