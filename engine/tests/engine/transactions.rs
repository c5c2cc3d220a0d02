//! Several keys at once: all or nothing, read-your-writes, conflicts.

use engine::Engine;
use engine::engine::{Changed, CommitError, Keyspace};

use super::{keys, pairs};

fn tea() -> (Engine, Keyspace) {
    let engine = Engine::in_memory();
    let tea = engine.keyspace("tea").unwrap();
    (engine, tea)
}

#[test]
fn a_transaction_sees_what_it_wrote_and_others_see_it_once_committed() {
    let (engine, tea) = tea();
    tea.put(b"b", b"old").unwrap();
    tea.put(b"d", b"old").unwrap();
    let committed = engine.transaction(|tx| {
        tx.put(&tea, b"a", b"new")?;
        tx.put(&tea, b"b", b"new")?;
        tx.delete(&tea, b"d")?;
        assert_eq!(tx.get(&tea, b"a").unwrap(), b"new");
        assert!(!tx.contains(&tea, b"d"));
        assert_eq!(keys(tx.scan(&tea)), ["a", "b"]);
        assert_eq!(keys(tx.range(&tea, "b".."c").rev()), ["b"]);
        assert!(!tea.contains(b"a"), "not committed yet");
        Ok(tx.prefix(&tea, b"a").count())
    });
    let committed = committed.unwrap();
    assert_eq!(committed.value, 1);
    assert_eq!(committed.end.0 - committed.first.0, 3);
    let expected = [("a", "new"), ("b", "new")];
    assert_eq!(
        pairs(tea.scan()),
        expected.map(|(k, v)| (k.into(), v.into()))
    );
}

#[test]
fn nothing_of_an_aborted_transaction_is_seen() {
    let (engine, tea) = tea();
    let before = engine.stats().next;
    let aborted = engine.transaction(|tx| {
        tx.put(&tea, b"a", b"new")?;
        Err::<(), _>(CommitError::abort("no"))
    });
    assert!(matches!(aborted, Err(CommitError::Aborted(_))));
    assert!(tea.is_empty());
    assert_eq!(engine.stats().next, before);
}

/// What a transaction that reads by `read` answers where `write` happens before it commits.
fn beside<R>(
    read: impl Fn(&mut engine::engine::Transaction<'_>, &Keyspace) -> R,
    write: impl Fn(&Keyspace),
) -> Result<(), CommitError> {
    let (engine, tea) = tea();
    tea.put(b"b", b"1").unwrap();
    tea.put(b"y", b"1").unwrap();
    engine.transaction(|tx| {
        read(tx, &tea);
        write(&tea);
        tx.put(&tea, b"result", b"")
    })?;
    Ok(())
}

#[test]
fn a_key_that_was_read_and_changed_is_a_conflict() {
    let put = |key: &'static [u8]| {
        move |tea: &Keyspace| {
            tea.put(key, b"2").unwrap();
        }
    };
    let delete = |tea: &Keyspace| {
        tea.delete(b"b").unwrap();
    };
    let refused = beside(|tx, tea| tx.get(tea, b"b"), put(b"b")).unwrap_err();
    let CommitError::Conflict(conflict) = refused else {
        panic!("{refused}")
    };
    assert_eq!(conflict.what, Changed::Key(b"b".to_vec()));
    assert_eq!(conflict.keyspace, "tea");
    assert!(
        beside(|tx, tea| tx.get(tea, b"b"), delete)
            .unwrap_err()
            .is_conflict()
    );
    assert!(
        beside(|tx, tea| tx.get(tea, b"none"), put(b"none"))
            .unwrap_err()
            .is_conflict()
    );
    beside(|tx, tea| tx.get(tea, b"b"), put(b"y")).unwrap();
}

#[test]
fn a_range_that_was_scanned_and_changed_is_a_conflict() {
    let put = |key: &'static [u8]| {
        move |tea: &Keyspace| {
            tea.put(key, b"2").unwrap();
        }
    };
    let scan =
        |tx: &mut engine::engine::Transaction<'_>, tea: &Keyspace| tx.range(tea, "a".."c").count();
    // A new key, a changed one, one that goes; then one beside the range.
    assert!(beside(scan, put(b"a")).unwrap_err().is_conflict());
    assert!(beside(scan, put(b"b")).unwrap_err().is_conflict());
    assert!(
        beside(scan, |tea| {
            tea.delete(b"b").unwrap();
        })
        .unwrap_err()
        .is_conflict()
    );
    beside(scan, put(b"c")).unwrap();
    // Rotations between scan and commit hide nothing.
    let rotated = |tea: &Keyspace| {
        tea.delete(b"b").unwrap();
        for _ in 0..20 {
            tea.put(b"z", b"3").unwrap();
            assert!(tea.scan().count() > 0);
        }
    };
    assert!(beside(scan, rotated).unwrap_err().is_conflict());
}

#[test]
fn a_transaction_that_only_reads_is_validated_too() {
    let (engine, tea) = tea();
    tea.put(b"a", b"1").unwrap();
    let read = engine.transaction(|tx| {
        let value = tx.get(&tea, b"a");
        tea.put(b"a", b"2").unwrap();
        Ok(value)
    });
    assert!(read.unwrap_err().is_conflict());
    let before = engine.stats();
    engine.transaction(|tx| Ok(tx.get(&tea, b"a"))).unwrap();
    assert_eq!(engine.stats(), before, "reading writes nothing");
}

#[test]
fn a_conflict_that_never_ends_is_given_up() {
    let (engine, tea) = tea();
    let mut runs = 0;
    let refused = engine.retry(5, |tx| {
        runs += 1;
        drop(tx.get(&tea, b"hot"));
        tea.put(b"hot", &[runs]).unwrap();
        Ok(())
    });
    let Err(CommitError::Conflict(conflict)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((runs, conflict.attempts), (5, 5));
    assert_eq!(engine.stats().conflicts, 5);
}

#[test]
fn a_retried_transaction_counts_each_increment_once() {
    let (engine, tea) = tea();
    let count = || {
        for _ in 0..200 {
            let increment = engine.retry(u32::MAX, |tx| {
                let now = tx.get(&tea, b"n").map_or(0, |it| it[0]);
                tx.put(&tea, b"n", &[now.wrapping_add(1)])
            });
            increment.unwrap();
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(count);
        scope.spawn(count);
    });
    assert_eq!(tea.get(b"n").unwrap()[0], 400_u32.to_le_bytes()[0]);
}

#[test]
fn two_that_create_a_keyspace_at_once_get_the_same() {
    let engine = Engine::in_memory();
    let outer = engine.transaction(|tx| {
        let mine = tx.keyspace("new")?;
        engine.keyspace("new").unwrap().put(b"k", b"v").unwrap();
        tx.put(&mine, b"k", b"mine")
    });
    assert!(outer.unwrap_err().is_conflict());
    assert_eq!(engine.keyspace("new").unwrap().get(b"k").unwrap(), b"v");
    let made = engine.transaction(|tx| {
        let space = tx.keyspace("made")?;
        tx.put(&space, b"k", b"v")?;
        assert_eq!(tx.get(&space, b"k").unwrap(), b"v");
        Ok(space)
    });
    assert_eq!(made.unwrap().value.get(b"k").unwrap(), b"v");
    assert_eq!(engine.keyspace("made").unwrap().get(b"k").unwrap(), b"v");
}

#[test]
fn a_transaction_of_many_frames_is_there_as_a_whole_and_one_above_a_segment_is_not() {
    let sim = engine::vfs::Sim::default();
    let (engine, _) = super::open(&sim);
    let tea = engine.keyspace("tea").unwrap();
    let put = |count: u32, len: usize| {
        engine.transaction(|tx| {
            for number in 0..count {
                tx.put(&tea, &number.to_be_bytes(), &vec![7; len])?;
            }
            Ok(())
        })
    };
    // Segments have 64 KiB: some 60 fit, together with their brackets, and 70 do not.
    put(60, 1000).unwrap();
    let next = engine.stats().next;
    assert!(matches!(put(70, 1000), Err(CommitError::Append(_))));
    assert_eq!((tea.len(), engine.stats().next), (60, next));
    let (after, _) = super::open(&sim.crash(0));
    assert_eq!(after.keyspace("tea").unwrap().len(), 60);
}
