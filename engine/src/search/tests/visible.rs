//! What a search sees of the commits of others: all of each, and each once it is there.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::engine::{CommitError, Engine, Options};
use crate::search::{Query, Search};
use crate::vfs::Memory;
use crate::wal::Mode;

fn engines() -> [Engine; 2] {
    let options = Options {
        background: false,
        ..Options::in_mode(Mode::Strict)
    };
    let logged = Engine::open_with(Memory::default(), "db", options);
    [Engine::in_memory(), logged.unwrap().0]
}

#[test]
fn a_transaction_is_found_whole_or_not_at_all_and_once_it_returned() {
    const PAIRS: u64 = 300;
    for engine in engines() {
        let one = engine.keyspace("one").unwrap();
        let other = engine.keyspace("other").unwrap();
        let search = Search::over(&engine, [&one, &other]).unwrap();
        let (committed, is_done) = (AtomicU64::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 1..=PAIRS {
                    let text = format!("pair n{number}");
                    engine
                        .transaction(|tx| {
                            tx.put(&one, &number.to_be_bytes(), text.as_bytes())?;
                            tx.put(&other, b"last", text.as_bytes())
                        })
                        .unwrap();
                    committed.store(number, Ordering::Release);
                }
                is_done.store(true, Ordering::Release);
            });
            for _ in 0..2 {
                scope.spawn(|| {
                    let pairs = Query::parse("pair").unwrap().limit(1000);
                    while !is_done.load(Ordering::Acquire) {
                        let before = committed.load(Ordering::Acquire);
                        let found = search.search(&pairs).unwrap();
                        let last = found.hits.iter().find(|hit| hit.key() == b"last");
                        let of_one = found.total - usize::from(last.is_some());
                        // As many in the one as the other says.
                        let said = last.map_or("pair n0".into(), |hit| {
                            String::from_utf8_lossy(hit.value()).into_owned()
                        });
                        assert_eq!(said, format!("pair n{of_one}"));
                        assert!(of_one as u64 >= before, "a commit that returned is missing");
                    }
                });
            }
        });
    }
}

#[test]
fn what_somebody_has_read_can_be_found() {
    for engine in engines() {
        let notes = engine.keyspace("notes").unwrap();
        let search = Search::over(&engine, [&notes]).unwrap();
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..1000_u32 {
                    notes.put(b"key", format!("n{number}").as_bytes()).unwrap();
                }
                is_done.store(true, Ordering::Release);
            });
            while !is_done.load(Ordering::Acquire) {
                let Some(read) = notes.get(b"key") else {
                    continue;
                };
                let found = search.search(&Query::parse("key:key").unwrap()).unwrap();
                assert!(found.hits[0].version() >= read.version());
            }
        });
    }
}

#[test]
fn building_misses_nothing_of_writers_that_go_on() {
    for engine in engines() {
        let notes = engine.keyspace("notes").unwrap();
        for number in 0..2000_u32 {
            notes.put(&number.to_be_bytes(), b"word").unwrap();
        }
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..3000_u32 {
                    notes.put(&number.to_be_bytes(), b"word again").unwrap();
                }
            });
            for _ in 0..5 {
                let search = Search::over(&engine, [&notes]).unwrap();
                let found = search.search(&Query::parse("word").unwrap()).unwrap();
                assert!(found.total >= 2000);
            }
        });
        let search = Search::over(&engine, [&notes]).unwrap();
        let found = search.search(&Query::parse("again").unwrap()).unwrap();
        assert_eq!(found.total, 3000);
    }
}

#[test]
fn what_was_given_up_or_refused_is_never_found() {
    for engine in engines() {
        let notes = engine.keyspace("notes").unwrap();
        let search = Search::over(&engine, [&notes]).unwrap();
        let given_up = engine.transaction(|tx| {
            tx.put(&notes, b"k", b"word")?;
            Err::<(), _>(CommitError::abort("no"))
        });
        assert!(given_up.is_err());
        let refused = engine.transaction(|tx| {
            assert!(!tx.contains(&notes, b"k"));
            notes.put(b"k", b"other")?;
            tx.put(&notes, b"k", b"word")
        });
        assert!(refused.unwrap_err().is_conflict());
        engine.close().unwrap();
        assert!(notes.put(b"l", b"word").is_err());
        let found = |text| search.search(&Query::parse(text).unwrap()).unwrap().total;
        assert_eq!((found("word"), found("other")), (0, 1));
    }
}
