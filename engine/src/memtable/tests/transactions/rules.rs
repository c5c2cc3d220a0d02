//! What a transaction over a table is refused for, what it reads, and what others see of it.

use std::time::Duration;

use super::super::item::{Item, Panics, email, panicking};
use super::super::map_persister::MapPersister;
use super::super::world::by_hand;
use super::{Both, open};
use crate::crash_test::{Checked, ensure};
use crate::engine::{CommitError, Engine, Transaction};
use crate::memtable::{Memtable, NoopPersister, WriteError};
use crate::vfs::Sim;
use crate::wal::Lsn;

fn fresh() -> Both {
    open(&Sim::default(), 0, &MapPersister::default()).expect("a good disk")
}

fn with_email(id: u8, number: u8) -> Item {
    Item {
        email: Some(number),
        ..Item::new(id)
    }
}

/// The cause of a transaction that was given up.
fn cause(done: Result<impl std::fmt::Debug, CommitError>) -> WriteError {
    match done {
        Err(CommitError::Aborted(cause)) => *cause.downcast().expect("a table's error"),
        other => panic!("{other:?}"),
    }
}

/// Somebody else changes a record between a transaction's read of it and its commit.
pub(in crate::memtable::tests) fn read_is_validated() -> Checked {
    for is_rotated in [false, true] {
        for is_there in [false, true] {
            let both = fresh();
            let table = &both.world.table;
            if is_there {
                table.put(Item::new(1)).map_err(|error| error.to_string())?;
            }
            if is_rotated {
                table.rotate();
            }
            let mut attempts = 0;
            let done = both.engine.retry(3, |tx| {
                let found = table.get_in(tx, &1)?;
                attempts += 1;
                if attempts == 1 {
                    table.put(with_email(1, 5))?;
                }
                let email = found.and_then(|it| it.email).unwrap_or(0);
                tx.put(&both.journal, b"seen", &[email])
            });
            ensure!(done.is_ok(), "{done:?}");
            let seen = both.journal.get(b"seen").map(|it| it[0]);
            ensure!(
                attempts == 2 && seen == Some(5),
                "{attempts} attempts, saw {seen:?} ({is_rotated}, {is_there})"
            );
        }
    }
    Ok(())
}

#[test]
fn what_a_transaction_read_of_a_table_is_validated() {
    assert_eq!(read_is_validated(), Ok(()));
}

#[test]
fn read_that_nobody_disturbs_commits_at_once() {
    let both = fresh();
    let table = &both.world.table;
    table.put(Item::new(1)).expect("it is open");
    let done = both.engine.transaction(|tx| {
        assert!(table.get_in(tx, &1)?.is_some() && table.get_in(tx, &2)?.is_none());
        table.put_in(tx, Item::new(2))?;
        table.delete_in(tx, &1)?;
        assert!(table.get_in(tx, &1)?.is_none() && table.get_in(tx, &2)?.is_some());
        assert!(
            table.get(&1).expect("memory").is_some(),
            "not committed yet"
        );
        tx.put(&both.journal, b"key", b"value")
    });
    let done = done.expect("it commits");
    assert_eq!(
        done.end.0 - done.first.0,
        3,
        "three records in one transaction"
    );
    assert!(table.get(&1).expect("memory").is_none());
}

#[test]
fn two_records_can_swap_their_unique_keys_and_not_share_one() {
    let both = fresh();
    let table = &both.world.table;
    let put = |items: [Item; 2]| {
        both.engine.transaction(|tx| {
            tx.put(&both.journal, b"tried", b"yes")?;
            for item in items {
                table.put_in(tx, item)?;
            }
            Ok(())
        })
    };
    put([with_email(1, 1), with_email(2, 2)]).expect("they differ");
    put([with_email(1, 2), with_email(2, 1)]).expect("a swap");
    let found = table.get_unique(0, email(1).as_str()).expect("memory");
    assert_eq!(found.expect("it is there").id, 2);
    both.journal.delete(b"tried").expect("it is open");
    let refused = cause(put([with_email(3, 3), with_email(4, 3)]));
    assert!(matches!(refused, WriteError::NotUnique { index: "email" }));
    // Of generations too, and of the persister.
    table.rotate();
    let refused = cause(put([with_email(3, 1), Item::new(4)]));
    assert!(matches!(refused, WriteError::NotUnique { .. }));
    put([with_email(1, 1), with_email(2, 2)]).expect("a swap over a rotation");
    table.flush(Duration::MAX).expect("the persister is well");
    let refused = cause(put([with_email(3, 1), Item::new(4)]));
    assert!(matches!(refused, WriteError::NotUnique { .. }));
    put([with_email(1, 2), with_email(2, 1)]).expect("a swap over a flush");
    assert!(table.get(&3).expect("memory").is_none());
    assert_eq!(both.journal.get(b"tried").expect("of the swap"), b"yes");
}

#[test]
fn transaction_that_is_refused_leaves_nothing_in_table_keyspace_or_log() {
    let both = fresh();
    let table = &both.world.table;
    table.put(with_email(1, 1)).expect("it is open");
    let before = both.ends().0;
    let try_with = |change: &dyn Fn(&mut Transaction<'_>) -> Result<(), WriteError>| {
        cause(both.engine.transaction(|tx| {
            tx.put(&both.journal, b"key", b"value")?;
            table.put_in(tx, Item::new(9))?;
            change(tx)?;
            Ok(())
        }))
    };
    let insert = try_with(&|tx| table.insert_in(tx, Item::new(1)));
    assert!(matches!(insert, WriteError::KeyExists));
    let update = try_with(&|tx| table.update_in(tx, Item::new(2)));
    assert!(matches!(update, WriteError::KeyNotFound));
    let twice = try_with(&|tx| table.insert_in(tx, Item::new(9)));
    assert!(matches!(twice, WriteError::KeyExists));
    let gone = try_with(&|tx| {
        table.delete_in(tx, &1)?;
        table.update_in(tx, Item::new(1))
    });
    assert!(matches!(gone, WriteError::KeyNotFound));
    let panics = try_with(&|tx| panicking(Panics::Encode, || table.put_in(tx, Item::new(3))));
    assert!(matches!(panics, WriteError::RecordPanicked { .. }));
    assert_eq!(both.ends().0, before);
    assert!(both.journal.is_empty() && table.get(&9).expect("memory").is_none());
    // Deleted and inserted again is one change.
    let again = both.engine.transaction(|tx| {
        table.delete_in(tx, &1)?;
        table.insert_in(tx, with_email(1, 2))?;
        Ok(())
    });
    again.expect("it is absent by then");
    assert_eq!(both.ends().0, Lsn(before.0 + 1));
}

/// A keyspace's read conflicts, after the table was locked.
pub(in crate::memtable::tests) fn conflict_leaves_the_table_alone() -> Checked {
    let both = fresh();
    let table = &both.world.table;
    let done = both.engine.transaction(|tx| {
        let _ = tx.get(&both.journal, b"key");
        table.put_in(tx, Item::new(1))?;
        both.journal.put(b"key", b"meanwhile").map(drop)
    });
    ensure!(matches!(done, Err(CommitError::Conflict(_))), "{done:?}");
    let found = table.get(&1).map_err(|error| error.to_string())?;
    ensure!(found.is_none(), "the table has {found:?}");
    // Its locks are free.
    table.put(Item::new(1)).map_err(|error| error.to_string())
}

#[test]
fn conflict_in_a_keyspace_leaves_the_table_alone() {
    assert_eq!(conflict_leaves_the_table_alone(), Ok(()));
}

#[test]
fn table_of_another_engine_or_of_none_is_refused() {
    let (both, other) = (fresh(), fresh());
    let persister = NoopPersister::default();
    let alone: Memtable<Item> = Memtable::in_memory(persister, by_hand()).expect("it opens");
    for table in [&other.world.table, &alone] {
        let done = both.engine.transaction(|tx| {
            assert!(table.get_in(tx, &1).is_err());
            Ok(table.put_in(tx, Item::new(1))?)
        });
        assert!(matches!(cause(done), WriteError::NotOfEngine { .. }));
    }
}

#[test]
fn closed_table_refuses_a_transaction_that_would_change_it() {
    let both = fresh();
    let table = &both.world.table;
    let done = both.engine.transaction(|tx| {
        table.put_in(tx, Item::new(1))?;
        table.close(Duration::MAX).expect("the persister is well");
        tx.put(&both.journal, b"key", b"value")
    });
    assert!(matches!(cause(done), WriteError::Closed));
    assert!(both.journal.is_empty());
}

#[test]
fn transaction_fills_a_generation_like_any_other_write() {
    let both = fresh();
    let table = &both.world.table;
    let put = |ids: std::ops::Range<u8>| {
        both.engine.transaction(|tx| {
            for id in ids {
                table.put_in(tx, Item::new(id))?;
            }
            Ok(())
        })
    };
    put(0..6).expect("there is room");
    assert_eq!(table.status().immutables, 1, "five records fill it");
    both.world.persister.refuse();
    for _ in 0..3 {
        put(0..6).expect("there is room");
    }
    assert!(matches!(cause(put(0..1)), WriteError::Stalled { .. }));
}

#[test]
fn table_over_an_engine_in_memory_joins_its_transactions() {
    let engine = Engine::in_memory();
    let space = engine.keyspace("default").expect("it is always there");
    let table: Memtable<Item> =
        Memtable::open("items", engine.clone(), NoopPersister::default(), by_hand())
            .expect("it opens");
    let done = engine.transaction(|tx| {
        table.insert_in(tx, Item::new(1))?;
        tx.put(&space, b"key", b"value")
    });
    done.expect("it commits");
    assert!(table.get(&1).expect("memory").is_some() && space.contains(b"key"));
}
