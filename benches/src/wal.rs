//! Workloads of the log, over files in memory: no system call is counted, and no path.

#![expect(
    clippy::missing_panics_doc,
    reason = "a workload panics where its setup or its check fails"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "harnesses hand a result to its check by value"
)]

use std::path::Path;

use engine::frame::{Batch, Kind, Record, Transaction};
use engine::vfs::{Memory, Vfs};
use engine::wal::{Entries, Lsn, OpenError, Options, Recovered, Wal};

use crate::data;
use crate::workload::Workload;

const KIND: Kind = Kind(0x30);
const DIR: &str = "log";
/// How many records a run appends, or reads.
const RECORDS: usize = 1000;

/// The workloads of this suite.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    vec![
        Workload::new("wal/append/b64", || append_setup(64), append, append_check),
        Workload::new(
            "wal/append/kib1",
            || append_setup(1 << 10),
            append,
            append_check,
        ),
        Workload::new(
            "wal/append_batch/n100",
            batches_setup,
            append_batch,
            append_check,
        ),
        Workload::new("wal/commit/b64", || append_setup(64), commit, append_check),
        Workload::new(
            "wal/transaction/n10",
            transactions_setup,
            transactions,
            append_check,
        ),
        Workload::new("wal/rotate/kib4", rotate_setup, append, append_check),
        Workload::new(
            "wal/replay/n1000",
            || replay_setup(Tail::Clean),
            replay,
            replay_check,
        ),
        Workload::new(
            "wal/replay/n1000_torn",
            || replay_setup(Tail::Torn),
            replay,
            replay_check,
        ),
        Workload::new(
            "wal/refuse/n1000_flipped",
            flipped_setup,
            refuse,
            refuse_check,
        ),
    ]
}

fn options(segment_bytes: u32) -> Options {
    Options {
        segment_bytes,
        buffer_bytes: 64 << 10,
        threads: 1,
        ..Options::default()
    }
}

fn record(payload: &[u8]) -> Record<'_> {
    Record {
        kind: KIND,
        version: 1,
        payload,
    }
}

/// Segments for appending, so large that none is filled.
const ROOMY: u32 = 4 << 20;
/// Segments for replay, little larger than what they hold: the rest is searched for marks.
const TIGHT: u32 = 96 << 10;

fn open(vfs: &Memory, segment_bytes: u32) -> (Wal<Memory>, Recovered) {
    match Wal::open(vfs.clone(), Path::new(DIR), options(segment_bytes)) {
        Ok(opened) => opened,
        Err(error) => panic!("{error}"),
    }
}

/// An open log, and what is to be appended to it.
pub struct Append {
    wal: Wal<Memory>,
    payloads: Vec<Vec<u8>>,
    batches: Vec<Batch>,
    transactions: Vec<Transaction>,
    /// The LSN before the run, and after it.
    range: (Lsn, Lsn),
}

/// A log whose file and buffers have already been used once.
#[must_use]
pub fn append_setup(len: usize) -> Append {
    used_log(ROOMY, data::payloads(RECORDS, len))
}

/// A log with segments of 4 KiB, and sixty records of 1 KiB: every third begins a new segment.
#[must_use]
pub fn rotate_setup() -> Append {
    used_log(4 << 10, data::payloads(60, 1 << 10))
}

fn used_log(segment_bytes: u32, payloads: Vec<Vec<u8>>) -> Append {
    let (wal, _) = open(&Memory::default(), segment_bytes);
    let input = Append {
        wal,
        payloads,
        batches: Vec::new(),
        transactions: Vec::new(),
        range: (Lsn(0), Lsn(0)),
    };
    let mut input = append(input);
    input.wal.sync().expect("memory can be synced");
    input.range = (input.range.1, input.range.1);
    input
}

/// The same for a hundred transactions of ten records.
#[must_use]
pub fn transactions_setup() -> Append {
    let mut input = append_setup(64);
    for payloads in input.payloads.chunks(10) {
        let mut transaction = Transaction::default();
        for payload in payloads {
            assert!(transaction.push(record(payload)), "the record is too large");
        }
        input.transactions.push(transaction);
    }
    input
}

/// The same for ten batches of a hundred records.
#[must_use]
pub fn batches_setup() -> Append {
    let mut input = append_setup(64);
    for payloads in input.payloads.chunks(100) {
        let mut batch = Batch::default();
        for payload in payloads {
            assert!(batch.push(record(payload)), "the batch is full");
        }
        input.batches.push(batch);
    }
    input
}

/// Appends record after record, and waits until all are written.
#[must_use]
pub fn append(mut input: Append) -> Append {
    for payload in &input.payloads {
        if let Ok(appended) = input.wal.append(record(payload)) {
            input.range.1 = appended.end;
        }
    }
    let _ = input.wal.wait_written(input.range.1);
    input
}

/// Appends batch after batch, and waits until all are written.
#[must_use]
pub fn append_batch(mut input: Append) -> Append {
    for batch in &input.batches {
        if let Ok(appended) = input.wal.append_batch(batch) {
            input.range.1 = appended.end;
        }
    }
    let _ = input.wal.wait_written(input.range.1);
    input
}

/// Commits transaction after transaction, and waits until all are written.
#[must_use]
pub fn transactions(mut input: Append) -> Append {
    for transaction in &input.transactions {
        if let Ok(appended) = input.wal.append_transaction(transaction) {
            input.range.1 = appended.end;
        }
    }
    let _ = input.wal.wait_written(input.range.1);
    input
}

/// Commits record after record: the whole round of a leader, with nobody to follow.
#[must_use]
pub fn commit(mut input: Append) -> Append {
    for payload in &input.payloads {
        if let Ok(appended) = input.wal.append(record(payload)) {
            input.range.1 = appended.end;
            let _ = input.wal.commit(appended.end);
        }
    }
    input
}

/// The log must hold what was appended.
pub fn append_check(output: Append) {
    let (from, to) = output.range;
    assert_eq!(to.0 - from.0, output.payloads.len() as u64);
    assert_eq!(output.wal.watermarks().written, to);
    let mut entries = output
        .wal
        .entries_from(from)
        .expect("the log reaches back that far");
    for payload in &output.payloads {
        let entry = entries
            .next()
            .expect("a record is missing")
            .expect("the log is whole");
        assert_eq!(entry.payload, payload);
    }
    assert!(entries.next().is_none());
}

/// A log that a process left behind, then what was read from it.
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

/// A log of 1,000 records of 64 bytes, all durable, left behind without a close.
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
    // The mark that vouches for all of them goes with the next records.
    wal.append(record(b"one more")).expect("the log accepts it");
    wal.sync().expect("memory can be synced");
    drop(wal);
    let path = Path::new(DIR).join("00000000000000000000.wal");
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

/// Every record must have been read, and the torn tail cut.
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

/// A log that cannot be opened, and the error that says so.
pub struct Refuse {
    vfs: Memory,
    error: Option<OpenError>,
}

/// A log of 1,000 records, with a flipped bit in the middle of what is known to be durable.
#[must_use]
pub fn flipped_setup() -> Refuse {
    let vfs = left_behind(|file, end| file[end / 2] ^= 1);
    Refuse { vfs, error: None }
}

/// Tries to recover the log.
#[must_use]
pub fn refuse(mut input: Refuse) -> Refuse {
    let opened = Wal::open(input.vfs.clone(), Path::new(DIR), options(TIGHT));
    input.error = opened.err();
    input
}

/// The damage must have been called what it is.
pub fn refuse_check(output: Refuse) {
    assert!(
        matches!(output.error, Some(OpenError::Corrupt(_))),
        "{:?}",
        output.error
    );
    assert_eq!(
        output
            .vfs
            .list(Path::new(DIR))
            .map_or(0, |names| names.len()),
        1
    );
}
