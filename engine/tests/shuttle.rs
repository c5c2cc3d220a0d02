//! Group commit under a scheduler that tries interleavings.
//!
//! The log is generic over its monitor, so the very code that ships runs here; only mutex and
//! condition are shuttle's. Files yield wherever a real disk would let others run.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/record.rs"]
mod record;
#[path = "support/scheduled.rs"]
mod scheduled;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use engine::frame::Batch;
use engine::vfs::{Failure, Monitor, Plan, Sim, SimFile, SimLock, Vfs, VfsFile};
use engine::wal::{Lsn, Mode, Options, Wal};
use shuttle::Runner;
use shuttle::scheduler::RandomScheduler;
use shuttle::thread;

use record::record;
use scheduled::Scheduled;

const SCHEDULES: usize = 300;

fn open(vfs: &Scheduled, mode: Mode) -> Wal<Scheduled> {
    let options = Options {
        mode,
        segment_bytes: 4096,
        buffer_bytes: 300,
        threads: 1,
        ..Options::default()
    };
    Wal::open(vfs.clone(), Path::new("log"), options).unwrap().0
}

/// Runs `work` on several threads, each with its number.
fn threads(count: u8, wal: &Wal<Scheduled>, work: fn(&Wal<Scheduled>, u8)) {
    let threads: Vec<_> = (0..count)
        .map(|number| {
            let wal = wal.clone();
            thread::spawn(move || work(&wal, number))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

/// The log on the disk after the power went must hold `count` whole records.
fn holds(vfs: &Scheduled, count: u64) {
    let disk = Scheduled(vfs.0.crash(0));
    let wal = open(&disk, Mode::Strict);
    assert_eq!(wal.entries().map(Result::unwrap).count() as u64, count);
}

#[test]
fn a_commit_is_durable_whoever_leads() {
    commits_are_durable(0);
}

#[test]
fn a_commit_is_durable_whoever_leads_on_a_fast_disk() {
    commits_are_durable(1);
}

fn commits_are_durable(begun_us: u64) {
    shuttle::check_random(
        move || {
            let vfs = Scheduled::default();
            vfs.0.advance(begun_us);
            let wal = open(&vfs, Mode::Strict);
            let committers: Vec<_> = (0..3)
                .map(|number| {
                    let (vfs, wal) = (vfs.clone(), wal.clone());
                    thread::spawn(move || commit_and_lose_power(&vfs, &wal, number))
                })
                .collect();
            for committer in committers {
                committer.join().unwrap();
            }
            assert_eq!(wal.watermarks().durable, Lsn(9));
            holds(&vfs, 9);
        },
        SCHEDULES,
    );
}

/// Commits three records. The power may go right after each, whatever the others are doing.
fn commit_and_lose_power(vfs: &Scheduled, wal: &Wal<Scheduled>, number: u8) {
    for _ in 0..3 {
        let appended = wal.append(record(&[number; 20])).unwrap();
        wal.commit(appended.end).unwrap();
        let after = open(&Scheduled(vfs.0.crash(0)), Mode::Strict);
        let entry = after
            .read(appended.first)
            .unwrap()
            .expect("it was committed");
        assert_eq!(entry.payload, [number; 20][..]);
    }
}

#[test]
fn segments_rotate_under_everybodys_feet() {
    shuttle::check_pct(
        || {
            let vfs = Scheduled::default();
            let mode = Mode::Buffered {
                interval: Duration::ZERO,
                max_bytes: 2000,
            };
            let wal = open(&vfs, mode);
            threads(3, &wal, |wal, number| {
                for _ in 0..2 {
                    let mut batch = Batch::default();
                    assert!(batch.push(record(&[number; 1500])));
                    assert!(batch.push(record(&[number; 100])));
                    wal.append_batch(&batch).unwrap();
                    wal.maintain().unwrap();
                    wal.truncate_below(Lsn(2)).unwrap();
                }
            });
            wal.sync().unwrap();
            let marks = wal.watermarks();
            assert_eq!((marks.accepted, marks.durable), (Lsn(12), Lsn(12)));
            holds(&vfs, 12 - wal.first_lsn().0);
        },
        SCHEDULES,
        3,
    );
}

#[test]
fn a_failed_sync_is_told_to_everyone_who_waits() {
    shuttle::check_random(
        || {
            let vfs = Scheduled::default();
            let wal = open(&vfs, Mode::Strict);
            // The first call writes, and the second syncs.
            vfs.0.plan(Plan::FailAt(2, Failure::Partial));
            threads(3, &wal, |wal, number| {
                let committed = wal
                    .append(record(&[number; 20]))
                    .map(|done| wal.commit(done.end));
                let promised = matches!(committed, Ok(Ok(())));
                assert!(!promised, "a commit was promised although the sync failed");
            });
            assert_eq!(wal.watermarks().durable, Lsn(0));
            assert!(wal.append(record(b"too late")).is_err());
        },
        SCHEDULES,
    );
}

/// Each commits ten records. Answers with the syncs that this took.
fn syncs_of_commits(committers: u8) -> u64 {
    let vfs = Scheduled::default();
    let wal = open(&vfs, Mode::Strict);
    threads(committers, &wal, |wal, number| {
        for _ in 0..10 {
            let appended = wal.append(record(&[number; 20])).unwrap();
            wal.commit(appended.end).unwrap();
        }
    });
    wal.counters().syncs
}

#[test]
fn a_sync_carries_the_commits_of_all_whom_the_last_one_released() {
    let scheduler = RandomScheduler::new_from_seed(7, 50);
    let syncs = Arc::new(std::sync::Mutex::new(0));
    let total = Arc::clone(&syncs);
    Runner::new(scheduler, shuttle::Config::default()).run(move || {
        *total.lock().unwrap() += syncs_of_commits(4);
    });
    let per_run = *syncs.lock().unwrap() / 50;
    assert!(
        per_run <= 14,
        "{per_run} syncs for ten commits of each of four"
    );
}

#[test]
fn truncation_has_its_turn_although_committers_never_rest() {
    shuttle::check_random(
        || {
            let vfs = Scheduled::default();
            let wal = open(&vfs, Mode::Strict);
            threads(4, &wal, |wal, number| {
                for _ in 0..4 {
                    if number == 0 {
                        wal.truncate_below(wal.watermarks().durable).unwrap();
                    } else {
                        let appended = wal.append(record(&[number; 900])).unwrap();
                        wal.commit(appended.end).unwrap();
                    }
                    if number == 1 {
                        wal.maintain().unwrap();
                    }
                }
            });
            assert_eq!(wal.watermarks().durable, Lsn(12));
            wal.close().unwrap();
            let first = open(&vfs, Mode::Strict).first_lsn();
            assert!(first <= Lsn(12));
        },
        SCHEDULES,
    );
}

#[test]
fn a_commit_has_its_turn_although_truncation_never_rests() {
    shuttle::check_random(
        || {
            let wal = open(&Scheduled::default(), Mode::Strict);
            let done = Arc::new(shuttle::sync::atomic::AtomicBool::new(false));
            let truncating = (0..3).map(|_| {
                let (wal, done) = (wal.clone(), Arc::clone(&done));
                thread::spawn(move || {
                    while !done.load(Ordering::SeqCst) {
                        wal.truncate_below(Lsn(0)).unwrap();
                    }
                })
            });
            let truncating: Vec<_> = truncating.collect();
            for _ in 0..3 {
                let appended = wal.append(record(b"in between")).unwrap();
                wal.commit(appended.end).unwrap();
            }
            done.store(true, Ordering::SeqCst);
            for thread in truncating {
                thread.join().unwrap();
            }
        },
        SCHEDULES,
    );
}

#[test]
fn a_failed_sync_wakes_those_who_wait_for_the_writer_too() {
    shuttle::check_random(
        || {
            let vfs = Scheduled::default();
            let wal = open(&vfs, Mode::Strict);
            vfs.0.plan(Plan::FailAt(2, Failure::Partial));
            threads(3, &wal, |wal, number| {
                if number == 0 {
                    let _ = wal.truncate_below(Lsn(0));
                }
                if let Ok(appended) = wal.append(record(&[number; 20])) {
                    assert!(wal.commit(appended.end).is_err());
                }
                assert!(wal.truncate_below(Lsn(0)).is_err());
            });
        },
        SCHEDULES,
    );
}
