//! Workloads of opening a log: recovery by tail and policy, refusal, inspection and repair.

use std::path::{Path, PathBuf};

use engine::frame::{Batch, Transaction};
use engine::vfs::{Memory, Vfs};
use engine::wal::{
    Entries, Lsn, OpenError, Options, Policy, Recovered, RepairReport, SegmentReport, Wal, inspect,
    repair,
};

use super::{DIR, RECORDS, SMALL, TIGHT, open, options};
use crate::data;
use crate::frame::record;

fn first_segment() -> PathBuf {
    Path::new(DIR).join("00000000000000000000.wal")
}

/// A log that a process did not close, then what was read from it.
pub struct Replay {
    vfs: Memory,
    torn: bool,
    log: Option<(Wal<Memory>, Recovered, Entries<Memory>)>,
    records: usize,
    payload_bytes: usize,
}

/// What follows the last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// Nothing.
    Clean,
    /// Half of a frame.
    Torn,
}

/// A log of 1,000 records of 64 bytes, all durable, not closed.
#[must_use]
pub fn replay_setup(tail: Tail) -> Replay {
    let torn = tail == Tail::Torn;
    let vfs = left_behind(|file, end| {
        if torn {
            file[end] = 30;
            file[end + 4..end + 20].fill(1);
        }
    });
    Replay {
        vfs,
        torn,
        log: None,
        records: 0,
        payload_bytes: 0,
    }
}

/// A log of 1,000 records of 64 bytes, whose file is changed by `damage`.
fn left_behind(damage: impl FnOnce(&mut Vec<u8>, usize)) -> Memory {
    let vfs = Memory::default();
    let (wal, _) = open(&vfs, TIGHT);
    for payload in data::payloads(RECORDS, 64) {
        wal.append(record(&payload)).expect("the log accepts it");
    }
    wal.sync().expect("memory can be synced");
    // The mark that covers all of them is written with the next records.
    wal.append(record(b"one more")).expect("the log accepts it");
    wal.sync().expect("memory can be synced");
    drop(wal);
    damaged(vfs, damage)
}

/// The files, after `damage` changed the first segment; its second argument is where frames end.
fn damaged(vfs: Memory, damage: impl FnOnce(&mut Vec<u8>, usize)) -> Memory {
    let path = first_segment();
    let mut file = vfs.read(&path).expect("the log has a segment");
    let end = file
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    damage(&mut file, end);
    vfs.write(&path, file);
    vfs
}

/// Recovers the log and reads all of it.
#[must_use]
pub fn replay(mut input: Replay) -> Replay {
    let (wal, recovered) = open(&input.vfs, TIGHT);
    let mut entries = wal.entries();
    for entry in entries.by_ref().flatten() {
        input.records += 1;
        input.payload_bytes += entry.payload.len();
    }
    input.log = Some((wal, recovered, entries));
    input
}

/// Every record must have been read, and the torn tail truncated.
pub fn replay_check(output: Replay) {
    assert_eq!(
        (output.records, output.payload_bytes),
        (RECORDS + 1, RECORDS * 64 + 8)
    );
    let (_, recovered, _) = output.log.expect("the log was opened");
    assert_eq!(recovered.cut.is_some(), output.torn);
    let files = output
        .vfs
        .list(Path::new(DIR))
        .expect("memory can be listed");
    assert_eq!(files.len(), 2, "the sealed segment and the active one");
}

/// A log, and what opening it is to find.
pub struct Recover {
    vfs: Memory,
    options: Options,
    /// Records, segments that hold them, and whether a tail is truncated.
    expected: (u64, usize, bool),
    opened: Option<(Wal<Memory>, Recovered)>,
}

fn to_recover(vfs: Memory, options: Options, expected: (u64, usize, bool)) -> Recover {
    Recover {
        vfs,
        options,
        expected,
        opened: None,
    }
}

/// A log of 1,000 records that was closed.
#[must_use]
pub fn closed_setup() -> Recover {
    let vfs = closed(TIGHT);
    to_recover(vfs, options(TIGHT), (RECORDS as u64, 1, false))
}

/// The same in nineteen segments of 4 KiB.
#[must_use]
pub fn segments_setup() -> Recover {
    let vfs = closed(SMALL);
    to_recover(vfs, options(SMALL), (RECORDS as u64, 19, false))
}

fn closed(segment_bytes: u32) -> Memory {
    let vfs = Memory::default();
    let (wal, _) = open(&vfs, segment_bytes);
    for payload in data::payloads(RECORDS, 64) {
        wal.append(record(&payload)).expect("the log accepts it");
    }
    wal.close().expect("memory can be synced");
    vfs
}

/// A closed log of ten batches of a hundred records.
#[must_use]
pub fn closed_batches_setup() -> Recover {
    let vfs = Memory::default();
    let (wal, _) = open(&vfs, TIGHT);
    for payloads in data::payloads(RECORDS, 64).chunks(100) {
        let mut batch = Batch::default();
        for payload in payloads {
            assert!(batch.push(record(payload)), "the batch is full");
        }
        wal.append_batch(&batch).expect("the log accepts it");
    }
    wal.close().expect("memory can be synced");
    to_recover(vfs, options(TIGHT), (RECORDS as u64, 1, false))
}

/// Five hundred records, and a transaction of as many without its commit frame.
#[must_use]
pub fn unfinished_setup() -> Recover {
    const COMMIT_BYTES: usize = 22;
    let vfs = Memory::default();
    let (wal, _) = open(&vfs, TIGHT);
    let mut transaction = Transaction::default();
    for payload in data::payloads(RECORDS / 2, 64) {
        wal.append(record(&payload)).expect("the log accepts it");
        assert!(
            transaction.push(record(&payload)),
            "the record is too large"
        );
    }
    let appended = wal
        .append_transaction(&transaction)
        .expect("the log accepts it");
    wal.wait_written(appended.end)
        .expect("memory can be written");
    drop(wal);
    let vfs = damaged(vfs, |file, end| file[end - COMMIT_BYTES..end].fill(0));
    to_recover(vfs, options(TIGHT), (RECORDS as u64 / 2, 1, true))
}

/// A bit flipped in the middle of durable data, and a policy that recovers what precedes it.
#[must_use]
pub fn point_in_time_setup() -> Recover {
    let vfs = left_behind(|file, end| file[end / 2] ^= 1);
    let options = Options {
        policy: Policy::PointInTime,
        ..options(TIGHT)
    };
    // The segment's header takes the place of one.
    to_recover(vfs, options, (RECORDS as u64 / 2 - 1, 1, true))
}

/// Opens the log.
#[must_use]
pub fn recover(mut input: Recover) -> Recover {
    input.opened = Wal::open(input.vfs.clone(), Path::new(DIR), input.options).ok();
    input
}

/// The expected records must have been found, and be readable.
pub fn recover_check(output: Recover) {
    let (wal, recovered) = output.opened.expect("the log can be opened");
    let (records, segments, cut) = output.expected;
    assert_eq!(recovered.records, records);
    assert_eq!(
        (recovered.segments, recovered.cut.is_some()),
        (segments, cut)
    );
    let expected = data::payloads(RECORDS, 64);
    let entries = wal.entries().map(|entry| entry.expect("it is whole"));
    let mut count = 0;
    for (entry, payload) in entries.zip(&expected) {
        assert_eq!(entry.payload, payload);
        count += 1;
    }
    assert_eq!(count, records);
}

/// A log that cannot be opened, and the error of the attempt.
pub struct Refuse {
    vfs: Memory,
    options: Options,
    error: Option<OpenError>,
}

/// A log of 1,000 records, with a flipped bit in the middle of durable data.
#[must_use]
pub fn flipped_setup() -> Refuse {
    let vfs = left_behind(|file, end| file[end / 2] ^= 1);
    Refuse {
        vfs,
        options: options(TIGHT),
        error: None,
    }
}

/// A log of 1,000 records that was not closed, and a policy that demands a close.
#[must_use]
pub fn unclean_setup() -> Refuse {
    let options = Options {
        policy: Policy::Strict,
        ..options(TIGHT)
    };
    Refuse {
        vfs: left_behind(|_, _| ()),
        options,
        error: None,
    }
}

/// Tries to open the log.
#[must_use]
pub fn refuse(mut input: Refuse) -> Refuse {
    let opened = Wal::open(input.vfs.clone(), Path::new(DIR), input.options);
    input.error = opened.err();
    input
}

/// The error must name the fault, and no file may have changed.
pub fn refuse_check(output: Refuse) {
    let right = match output.options.policy {
        Policy::Strict => matches!(output.error, Some(OpenError::Unclean { .. })),
        _ => matches!(output.error, Some(OpenError::Corrupt(_))),
    };
    assert!(right, "{:?}", output.error);
    let names = output.vfs.list(Path::new(DIR));
    assert_eq!(names.map_or(0, |names| names.len()), 1);
}

/// A log, and what its inspection found.
pub struct Inspect {
    vfs: Memory,
    reports: Vec<SegmentReport>,
}

/// A log of 1,000 records in nineteen segments.
#[must_use]
pub fn inspect_setup() -> Inspect {
    Inspect {
        vfs: closed(SMALL),
        reports: Vec::new(),
    }
}

/// Inspects every segment.
#[must_use]
pub fn look(mut input: Inspect) -> Inspect {
    if let Ok(reports) = inspect(&input.vfs, Path::new(DIR)) {
        input.reports = reports;
    }
    input
}

/// Every segment must be intact, and together they must hold all records.
pub fn inspect_check(output: Inspect) {
    assert!(output.reports.iter().all(|report| report.verdict.is_ok()));
    let records: u64 = output.reports.iter().map(|report| report.records).sum();
    assert_eq!(records, RECORDS as u64);
}

/// What is wrong with a log that is repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// Nothing.
    None,
    /// Ten bits are flipped, each in another record.
    Flipped,
}

/// A log, and what repairing it kept.
pub struct Repair {
    vfs: Memory,
    damage: Damage,
    report: Option<RepairReport>,
}

/// A log of 1,000 records and one, damaged or not.
#[must_use]
pub fn repair_setup(damage: Damage) -> Repair {
    let vfs = left_behind(|file, end| {
        if damage == Damage::Flipped {
            for tenth in 0..10 {
                file[end * tenth / 10 + 100] ^= 1;
            }
        }
    });
    Repair {
        vfs,
        damage,
        report: None,
    }
}

/// Writes what is intact to a new log.
#[must_use]
pub fn repair_log(mut input: Repair) -> Repair {
    let (from, to) = (Path::new(DIR), Path::new("new"));
    input.report = repair(&input.vfs, from, to, options(TIGHT)).ok();
    input
}

/// The new log must hold all intact records, and the report every gap.
pub fn repair_check(output: Repair) {
    let report = output.report.expect("it can be repaired");
    let hit = match output.damage {
        Damage::None => 0,
        Damage::Flipped => 10,
    };
    assert_eq!(report.gaps.len(), hit, "{report}");
    assert_eq!(report.records, (RECORDS + 1 - hit) as u64);
    let opened = Wal::open(output.vfs, Path::new("new"), options(TIGHT));
    let (wal, recovered) = opened.expect("a repaired log can be opened");
    assert_eq!(recovered.records, report.records);
    assert_eq!(wal.first_lsn(), Lsn(0));
}
