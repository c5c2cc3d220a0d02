//! The engine under a scheduler that tries interleavings: the sequencer, views and merges,
//! checkpoints.
//!
//! What committed must be serializable: in the order of the LSNs, each transaction read what the ones
//! before it had left. The check knows nothing of the engine but the LSNs and the versions that it
//! gave out.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use shuttle::scheduler::RandomScheduler;
use shuttle::{Config, Runner, thread};

use crate::crash_test::Checked;
use crate::engine::{CommitError, Engine, Keyspace, Options};
use crate::injected_bug::{Bug, inject};
use crate::random::SplitMix64;
use crate::vfs::{Monitor, Sim, SimFile, SimLock, Vfs, VfsFile};
use crate::wal::{self, Lsn, Mode};

#[path = "../../tests/support/scheduled.rs"]
mod scheduled;

use scheduled::Scheduled;

/// How many interleavings are tried.
const SCHEDULES: usize = 200;

/// Which of them find the bugs that are injected.
const SEED: u64 = 7;

/// The keys of the transactions.
const KEYS: u64 = 4;

/// What a transaction that committed read and wrote.
#[derive(Debug)]
struct Done {
    first: u64,
    end: u64,
    /// Keys with the versions that it saw, and those of a scan.
    reads: Vec<(Vec<u8>, Option<u64>)>,
    scan: Option<Vec<(Vec<u8>, u64)>>,
    /// In the order of the keys, which is that of the LSNs.
    writes: BTreeMap<Vec<u8>, bool>,
}

type History = Arc<Mutex<Vec<Done>>>;

fn open(vfs: &Scheduled) -> Engine {
    let options = Options {
        log: wal::Options {
            mode: Mode::Strict,
            segment_bytes: 4096,
            buffer_bytes: 300,
            threads: 1,
            ..wal::Options::default()
        },
        background: false,
        ..Options::default()
    };
    Engine::open_with(vfs.clone(), Path::new("db"), options)
        .expect("it opens")
        .0
}

fn key(number: u64) -> Vec<u8> {
    vec![b'k', number.to_le_bytes()[0]]
}

/// One transaction of a random kind, noted where it committed.
fn transact(engine: &Engine, space: &Keyspace, random: &mut SplitMix64, history: &History) {
    let read = [key(random.below(KEYS)), key(random.below(KEYS))];
    let is_scan = random.below(3) == 0;
    let mut writes = BTreeMap::new();
    for _ in 0..random.below(3) {
        writes.insert(key(random.below(KEYS)), random.below(4) > 0);
    }
    if random.below(4) == 0 {
        // Without a transaction.
        let key = key(random.below(KEYS));
        let first = space.put(&key, b"alone").expect("the disk is fair").0;
        let writes = BTreeMap::from([(key, true)]);
        let (reads, scan) = (Vec::new(), None);
        history.lock().push(Done {
            first,
            end: first + 1,
            reads,
            scan,
            writes,
        });
        return;
    }
    let done = engine.transaction(|tx| {
        let mut seen = Vec::new();
        for key in &read {
            seen.push((key.clone(), tx.get(space, key).map(|it| it.version().0)));
            thread::yield_now();
        }
        let scan = is_scan.then(|| {
            let scan = tx.scan(space);
            scan.map(|it| (it.key().to_vec(), it.version().0)).collect()
        });
        thread::yield_now();
        for (key, is_put) in &writes {
            if *is_put {
                tx.put(space, key, b"value")?;
            } else {
                tx.delete(space, key)?;
            }
        }
        Ok((seen, scan))
    });
    match done {
        Ok(done) => history.lock().push(Done {
            first: done.first.0,
            end: done.end.0,
            reads: done.value.0,
            scan: done.value.1,
            writes,
        }),
        Err(CommitError::Conflict(_)) => {}
        Err(error) => panic!("{error}"),
    }
}

/// What the keys have after all that is in the history, which must be serializable.
fn replay(history: &History) -> BTreeMap<Vec<u8>, u64> {
    let mut history = std::mem::take(&mut *history.lock());
    // One that wrote nothing saw the state before the record `first`.
    history.sort_by_key(|done| (done.first, done.end));
    let mut state: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    for done in &history {
        for (key, version) in &done.reads {
            assert_eq!(
                state.get(key),
                version.as_ref(),
                "{done:?} read a stale {key:?}"
            );
        }
        if let Some(scan) = &done.scan {
            let expected: Vec<_> = state.clone().into_iter().collect();
            assert_eq!(*scan, expected, "{done:?} scanned what was not there");
        }
        for (lsn, (key, is_put)) in (done.first..).zip(&done.writes) {
            if *is_put {
                state.insert(key.clone(), lsn);
            } else {
                state.remove(key);
            }
        }
        assert_eq!(done.end - done.first, done.writes.len() as u64);
    }
    state
}

fn state(space: &Keyspace) -> BTreeMap<Vec<u8>, u64> {
    space
        .scan()
        .map(|it| (it.key().to_vec(), it.version().0))
        .collect()
}

/// Three threads of transactions beside one that takes views, merges and checkpoints. Then the
/// power goes.
fn everything_at_once() {
    let vfs = Scheduled::default();
    let engine = open(&vfs);
    let space = engine.keyspace("default").expect("it is always there");
    let history = History::default();
    let mut threads: Vec<_> = (0..3)
        .map(|number| {
            let (engine, space, history) = (engine.clone(), space.clone(), Arc::clone(&history));
            thread::spawn(move || {
                let mut random = SplitMix64::new(number);
                for _ in 0..5 {
                    transact(&engine, &space, &mut random, &history);
                }
            })
        })
        .collect();
    let (keeper, kept) = (engine.clone(), space.clone());
    threads.push(thread::spawn(move || {
        for _ in 0..2 {
            keeper.checkpoint().expect("the disk is fair");
            let view = keeper.view();
            let versions = |lsn: Lsn| view.scan(&kept).all(|it| it.version() < lsn);
            assert!(versions(view.lsn()), "a view sees what came after it");
            let before: Vec<_> = view.scan(&kept).map(|it| it.version()).collect();
            thread::yield_now();
            keeper.maintain().expect("the disk is fair");
            assert!(
                view.scan(&kept).map(|it| it.version()).eq(before),
                "a view has changed"
            );
        }
    }));
    for thread in threads {
        thread.join().expect("no thread panics");
    }
    let expected = replay(&history);
    assert_eq!(
        state(&space),
        expected,
        "the memory is not what was committed"
    );
    let after = open(&Scheduled(vfs.0.crash(0)));
    let space = after.keyspace("default").expect("it is always there");
    assert_eq!(state(&space), expected, "recovery gives something else");
}

#[test]
fn what_committed_is_serializable_beside_views_and_checkpoints() {
    shuttle::check_random(everything_at_once, SCHEDULES);
}

#[test]
fn what_committed_is_serializable_with_rare_switches_too() {
    shuttle::check_pct(everything_at_once, SCHEDULES, 3);
}

/// Whether some interleaving finds the bug. Always the same ones are tried, and more than a bug
/// needs, so that another seed finds it too.
pub(super) fn harness(bug: Bug) -> Checked {
    let check = || {
        let scheduler = RandomScheduler::new_from_seed(SEED, 10 * SCHEDULES);
        let runner = Runner::new(scheduler, Config::default());
        let checked = AssertUnwindSafe(|| {
            runner.run(everything_at_once);
        });
        catch_unwind(checked).map_err(|_| "an interleaving fails".into())
    };
    inject(bug, check)
}

#[test]
fn bugs_of_the_sequencer_are_found_by_some_interleaving() {
    for bug in [
        Bug::ValidateEarly,
        Bug::ApplyLate,
        Bug::SkipValidation,
        Bug::SkipRanges,
        Bug::CheckpointTooNew,
    ] {
        assert!(harness(bug).is_err(), "{bug:?} goes unnoticed");
    }
}
