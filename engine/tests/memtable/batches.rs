//! What a persister is given at once: the records and the removed keys of each batch.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::Engine;
use engine::memtable::{Batch, KeyspacePersister, Memtable, NoopPersister, Options, Persister};

use super::{Given, Page, options, page};

#[test]
fn flush_that_fits_a_batch_is_one_and_a_longer_one_is_cut_removals_first() {
    assert!(Batch::<Page>::default().is_empty());
    for (records, removed, expected) in [
        (3, 1, vec![(3, 1)]),
        (3, 2, vec![(0, 2), (3, 0)]),
        (9, 5, vec![(0, 4), (0, 1), (4, 0), (4, 0), (1, 0)]),
    ] {
        let batches = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&batches);
        let persister = Given(move |batch: &Batch<Page>| {
            let (records, removed) = (batch.records().len(), batch.removed().len());
            assert_eq!(batch.len(), records + removed);
            assert_eq!(batch.is_empty(), records + removed == 0);
            told.lock().unwrap().push((records, removed));
            Ok(())
        });
        let options = Options {
            batch_records: 4,
            ..options()
        };
        let table = Memtable::in_memory(persister, options).unwrap();
        for number in 0..records {
            table.put(page(number, 0)).unwrap();
        }
        for number in 100..100 + removed {
            table.put(page(number, 0)).unwrap();
            table.delete(&number).unwrap();
        }
        table.flush(Duration::MAX).unwrap();
        assert_eq!(*batches.lock().unwrap(), expected);
    }
}

#[test]
fn what_the_persister_has_is_counted_by_records_and_removed_keys() {
    let persister = NoopPersister::default();
    let options = Options {
        batch_records: 4,
        ..options()
    };
    assert!(Persister::<Page>::is_write_only(&persister));
    let table = Memtable::in_memory(persister.clone(), options).unwrap();
    for number in 0..10 {
        table.put(page(number, 10)).unwrap();
    }
    for number in 7..10 {
        table.delete(&number).unwrap();
    }
    table.flush(Duration::MAX).unwrap();
    assert_eq!((persister.persisted(), persister.removed()), (7, 3));
    assert_eq!(table.status().persisted, 10);
    // Nothing changed, so that there is nothing to persist.
    table.flush(Duration::MAX).unwrap();
    assert_eq!(table.status().persisted, 10);
}

#[test]
fn persister_in_a_keyspace_commits_up_to_a_mebibyte_at_once() {
    // A key of five bytes, and a value of four before the text.
    let half = (1 << 19) - 9;
    for (over, commits) in [(0, 1), (1, 2)] {
        let engine = Engine::in_memory();
        let persister = KeyspacePersister::open(&engine, "pages").unwrap();
        let table = Memtable::in_memory(persister, options()).unwrap();
        table.put(page(1, half)).unwrap();
        table.put(page(2, half + over)).unwrap();
        let before = engine.stats().commits;
        table.flush(Duration::MAX).unwrap();
        assert_eq!(engine.stats().commits - before, commits, "{over} over");
        assert_eq!(engine.keyspace("pages").unwrap().len(), 2);
    }
}
