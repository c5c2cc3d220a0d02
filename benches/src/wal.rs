//! Workloads of the log, over files in memory: no system call is counted, and no path.

use std::path::Path;
use std::time::Duration;

use engine::frame::{Batch, Transaction};
use engine::vfs::{Memory, Sim, Vfs};
use engine::wal::{Lsn, Mode, Options, Recovered, Wal, Watermark};

use crate::data;
use crate::frame::record;
use crate::suite::suite;

mod read;
mod recovery;

pub use read::*;
pub use recovery::*;

const DIR: &str = "log";
/// How many records a run appends, or reads.
const RECORDS: usize = 1000;

suite!(wal {
    append: append(Append) {
        b64: append_setup(64) => append_check,
        b256: append_setup(256) => append_check,
        kib1: append_setup(1 << 10) => append_check,
        kib16: large_setup() => append_check,
    }
    append_batch: append_batch(Append) {
        n10: batches_setup(10) => append_check,
        n100: batches_setup(100) => append_check,
        n500: batches_setup(500) => append_check,
    }
    append_volatile: append(Append) {
        b64: volatile_setup() => volatile_check,
    }
    commit: commit(Append) {
        b64: append_setup(64) => append_check,
        buffered: buffered_setup() => bounded_check,
    }
    transaction: transactions(Append) {
        n10: transactions_setup(10) => append_check,
        n1000: transactions_setup(1000) => append_check,
    }
    rotate: append(AppendToSim) {
        kib4: rotate_setup() => append_check,
        recycled: recycled_setup() => append_check,
    }
    truncate: truncate(Append) {
        n19: truncate_setup() => truncate_check,
    }
    iterate: iterate(Iterate) {
        sealed: iterate_setup(Form::Sealed) => iterate_check,
        batches: iterate_setup(Form::Batches) => iterate_check,
        active: iterate_setup(Form::Active) => iterate_check,
    }
    read: get(Lookup) {
        sealed: lookup_setup(Form::Sealed, 1) => lookup_check,
        active: lookup_setup(Form::Active, 1) => lookup_check,
    }
    range: lookup(Lookup) {
        n10: lookup_setup(Form::Sealed, 10) => lookup_check,
    }
    tail: follow(Follow) {
        follow: follow_setup() => follow_check,
        catch_up: catch_up_setup() => follow_check,
    }
    replay: replay(Replay) {
        n1000: replay_setup(Tail::Clean) => replay_check,
        n1000_torn: replay_setup(Tail::Torn) => replay_check,
    }
    recover: recover(Recover) {
        closed: closed_setup() => recover_check,
        segments: segments_setup() => recover_check,
        batches: closed_batches_setup() => recover_check,
        unfinished: unfinished_setup() => recover_check,
        point_in_time: point_in_time_setup() => recover_check,
    }
    refuse: refuse(Refuse) {
        n1000_flipped: flipped_setup() => refuse_check,
        unclean: unclean_setup() => refuse_check,
    }
    inspect: look(Inspect) {
        n1000: inspect_setup() => inspect_check,
    }
    repair: repair_log(Repair) {
        intact: repair_setup(Damage::None) => repair_check,
        flipped: repair_setup(Damage::Flipped) => repair_check,
    }
});

fn options(segment_bytes: u32) -> Options {
    Options {
        segment_bytes,
        buffer_bytes: 64 << 10,
        threads: 1,
        ..Options::default()
    }
}

/// Segments for appending, so large that none is filled.
const ROOMY: u32 = 4 << 20;
/// A record that makes the file of such a segment as long as it gets.
const GROWN: usize = 513 << 10;
/// Segments that are full after three records of 1 KiB.
const SMALL: u32 = 4 << 10;
/// Segments for replay, little larger than what they hold: the rest is searched for marks.
const TIGHT: u32 = 96 << 10;

fn open(vfs: &Memory, segment_bytes: u32) -> (Wal<Memory>, Recovered) {
    open_with(vfs, options(segment_bytes))
}

fn open_with<V: Vfs>(vfs: &V, options: Options) -> (Wal<V>, Recovered) {
    match Wal::open(vfs.clone(), Path::new(DIR), options) {
        Ok(opened) => opened,
        Err(error) => panic!("{error}"),
    }
}

/// An open log, and what is to be appended to it.
pub struct Append<V: Vfs = Memory> {
    vfs: V,
    wal: Wal<V>,
    payloads: Vec<Vec<u8>>,
    batches: Vec<Batch>,
    transactions: Vec<Transaction>,
    /// The LSN before the run, and after it.
    range: (Lsn, Lsn),
}

/// An open log on the simulated disk.
pub type AppendToSim = Append<Sim>;

/// A log whose file and buffers have already been used once.
#[must_use]
pub fn append_setup(len: usize) -> Append {
    used_log(ROOMY, data::payloads(RECORDS, len))
}

/// The same for a hundred records of 16 KiB, more than the buffer takes: appenders have to write.
#[must_use]
pub fn large_setup() -> Append {
    used_log(ROOMY, data::payloads(100, 16 << 10))
}

/// Segments of 4 KiB, and sixty records of 1 KiB: every third begins a new segment. The disk is
/// the simulator, which keeps track of what is durable.
#[must_use]
pub fn rotate_setup() -> AppendToSim {
    used(Sim::default(), options(SMALL), data::payloads(60, 1 << 10))
}

/// The same, with files of earlier segments to reuse.
#[must_use]
pub fn recycled_setup() -> AppendToSim {
    let options = Options {
        spares: 30,
        ..options(SMALL)
    };
    let input = used(Sim::default(), options, data::payloads(60, 1 << 10));
    let left = input.wal.truncate_below(input.range.0);
    assert!(
        left.is_ok_and(|first| first > Lsn(50)),
        "no segment was removed"
    );
    input
}

/// A log that numbers records and stores none.
#[must_use]
pub fn volatile_setup() -> Append {
    let options = Options {
        mode: Mode::InMemory,
        ..options(ROOMY)
    };
    used(Memory::default(), options, data::payloads(RECORDS, 64))
}

/// A log that syncs every 32 KiB.
#[must_use]
pub fn buffered_setup() -> Append {
    let mode = Mode::Buffered {
        interval: Duration::from_secs(1),
        max_bytes: 32 << 10,
    };
    let options = Options {
        mode,
        ..options(ROOMY)
    };
    used(Memory::default(), options, data::payloads(RECORDS, 64))
}

fn used_log(segment_bytes: u32, payloads: Vec<Vec<u8>>) -> Append {
    used(Memory::default(), options(segment_bytes), payloads)
}

fn used<V: Vfs>(vfs: V, options: Options, payloads: Vec<Vec<u8>>) -> Append<V> {
    let (wal, _) = open_with(&vfs, options);
    if options.segment_bytes == ROOMY && options.mode != Mode::InMemory {
        // Now, so that no run counts how the file grows: in memory, that moves its bytes.
        let grown = wal.append(record(&vec![0; GROWN]));
        assert!(grown.is_ok(), "it fits a segment");
    }
    let input = Append {
        vfs,
        wal,
        payloads,
        batches: Vec::new(),
        transactions: Vec::new(),
        range: (Lsn(0), Lsn(0)),
    };
    let mut input = append(input);
    if options.mode != Mode::InMemory {
        input.wal.sync().expect("files in memory can be synced");
    }
    input.range = (input.range.1, input.range.1);
    input
}

/// The same for transactions of `per_transaction` records. A thousand are more than a batch
/// takes.
#[must_use]
pub fn transactions_setup(per_transaction: usize) -> Append {
    let mut input = append_setup(64);
    for payloads in input.payloads.chunks(per_transaction) {
        let mut transaction = Transaction::default();
        for payload in payloads {
            assert!(transaction.push(record(payload)), "the record is too large");
        }
        input.transactions.push(transaction);
    }
    input
}

/// The same for batches of `per_batch` records.
#[must_use]
pub fn batches_setup(per_batch: usize) -> Append {
    let mut input = append_setup(64);
    for payloads in input.payloads.chunks(per_batch) {
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
pub fn append<V: Vfs>(mut input: Append<V>) -> Append<V> {
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

/// Commits record after record: a group commit with one member.
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
pub fn append_check<V: Vfs>(output: Append<V>) {
    let (from, to) = output.range;
    assert_eq!(to.0 - from.0, output.payloads.len() as u64);
    assert_eq!(output.wal.watermarks().written, to);
    let written = output.wal.up_to(Watermark::Written);
    let mut entries = written
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

/// The log must have numbered the records and written none.
pub fn volatile_check(output: Append) {
    let marks = output.wal.watermarks();
    assert_eq!(marks.accepted, output.range.1);
    assert_eq!(output.range.1.0 - output.range.0.0, RECORDS as u64);
    assert_eq!(output.wal.counters().bytes, 0, "records were written");
}

/// What is not durable must be within the bound.
pub fn bounded_check(output: Append) {
    let marks = output.wal.watermarks();
    assert_eq!(marks.accepted, output.range.1);
    assert!(marks.accepted.0 - marks.durable.0 <= (32 << 10) / 74);
    let syncs = output.wal.counters().syncs;
    assert!((4..10).contains(&syncs), "{syncs} syncs");
    assert_eq!(output.wal.sync().ok(), Some(()));
    append_check(output);
}

/// A log of 1,000 records in nineteen segments of 4 KiB, all durable.
#[must_use]
pub fn truncate_setup() -> Append {
    used_log(SMALL, data::payloads(RECORDS, 64))
}

/// Removes every segment but the active one.
#[must_use]
pub fn truncate(mut input: Append) -> Append {
    if let Ok(first) = input.wal.truncate_below(input.range.1) {
        input.range.0 = first;
    }
    input
}

/// Only the last segment and two files for reuse may be left.
pub fn truncate_check(output: Append) {
    let names = output.vfs.list(Path::new(DIR)).unwrap_or_default();
    let count = |end: &str| names.iter().filter(|name| name.ends_with(end)).count();
    assert_eq!((count(".wal"), count(".spare")), (1, 2), "{names:?}");
    assert_eq!(output.range.0, output.wal.first_lsn());
    let left = output.wal.entries().flatten().count() as u64;
    assert_eq!(left, output.range.1.0 - output.range.0.0);
}
