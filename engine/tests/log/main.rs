//! The promises of the log: each test runs over files in memory, and those that could tell the
//! difference over real files too.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod appending;
mod empties;
mod reading;
mod reopening;
mod truncation;

#[path = "../support/record.rs"]
mod record;
#[path = "../support/segments.rs"]
mod segments;

use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::frame::{Batch, Kind, OVERHEAD, Record, Transaction};
use engine::vfs::{Disk, Failure, Memory, Plan, Sim, Vfs};
use engine::wal::{
    AppendError, BadHeader, CorruptionKind, HEADER_BYTES, Header, Lsn, MaintainError, Maintainer,
    Mode, OpenError, Options, Policy, ReadError, WaitError, Wal, Watermark,
};

use record::{KIND, record};

const SEGMENT: usize = 4096;

fn options() -> Options {
    Options {
        segment_bytes: 4096,
        buffer_bytes: 1024,
        threads: 2,
        ..Options::default()
    }
}

fn payload(number: u64) -> Vec<u8> {
    let len = usize::try_from(number % 90).unwrap();
    [&number.to_le_bytes()[..], &vec![b'.'; len]].concat()
}

fn log_dir() -> PathBuf {
    PathBuf::from("log")
}

fn open<V: Vfs>(vfs: &V, dir: &Path) -> Wal<V> {
    Wal::open(vfs.clone(), dir, options()).unwrap().0
}

/// Appends records `from..to`, each committed.
fn append<V: Vfs>(wal: &Wal<V>, from: u64, to: u64) {
    for number in from..to {
        let appended = wal.append(record(&payload(number))).unwrap();
        assert_eq!(appended.first, Lsn(number));
        wal.commit(appended.end).unwrap();
    }
}

/// The log must hold exactly the records `0..count`.
#[track_caller]
fn holds<V: Vfs>(wal: &Wal<V>, count: u64) {
    let entries: Vec<_> = wal.entries().collect::<Result<_, _>>().unwrap();
    assert_eq!(entries.len() as u64, count);
    for (number, entry) in (0..).zip(entries) {
        assert_eq!(
            (entry.lsn, entry.kind, entry.version),
            (Lsn(number), KIND, 1)
        );
        assert_eq!(entry.payload, payload(number), "record {number}");
    }
}

/// The segments of the log, in order.
fn segments(vfs: &Memory) -> Vec<PathBuf> {
    segments::segments(vfs, &log_dir())
}

/// The first record of a segment.
fn base_lsn(vfs: &Memory, segment: &Path) -> u64 {
    Header::decode(&vfs.read(segment).unwrap())
        .unwrap()
        .base_lsn
}

/// A log with `count` records whose process died: nothing was closed.
fn left_behind(count: u64) -> Memory {
    let vfs = Memory::default();
    append(&open(&vfs, &log_dir()), 0, count);
    vfs
}

fn survives_reopening<V: Vfs>(vfs: &V, dir: &Path) {
    let mut count = 0;
    for round in 0..6 {
        let wal = open(vfs, dir);
        holds(&wal, count);
        append(&wal, count, count + 40);
        count += 40;
        holds(&wal, count);
        if round % 2 == 0 {
            wal.close().unwrap();
        }
    }
    holds(&open(vfs, dir), count);
}

fn files_ending(vfs: &Memory, end: &str) -> usize {
    vfs.list(&log_dir())
        .unwrap()
        .iter()
        .filter(|name| name.ends_with(end))
        .count()
}
