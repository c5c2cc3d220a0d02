//! Workloads of reading a log: in order, by number, by range, and as it grows.

use engine::frame::Batch;
use engine::vfs::Memory;
use engine::wal::{Entry, Lsn, Tail, Wal};

use super::{RECORDS, ROOMY, TIGHT, open};
use crate::data;
use crate::frame::record;

/// How many records are looked up by number.
const LOOKUPS: usize = 100;

/// How the records are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Frame by frame in a sealed segment, which is mapped.
    Sealed,
    /// A hundred to a frame in a sealed segment.
    Batches,
    /// Frame by frame in the segment that is being written, which is read.
    Active,
}

/// A log, and what was read from it.
pub struct Iterate {
    wal: Wal<Memory>,
    payloads: Vec<Vec<u8>>,
    found: Vec<Entry>,
}

/// A log of 1,000 records of 64 bytes.
#[must_use]
pub fn iterate_setup(form: Form) -> Iterate {
    let (wal, _) = open(&Memory::default(), ROOMY);
    let payloads = data::payloads(RECORDS, 64);
    for payloads in payloads.chunks(100) {
        let mut batch = Batch::default();
        for payload in payloads {
            if form == Form::Batches {
                assert!(batch.push(record(payload)), "the batch is full");
            } else {
                wal.append(record(payload)).expect("the log accepts it");
            }
        }
        if form == Form::Batches {
            wal.append_batch(&batch).expect("the log accepts it");
        }
    }
    wal.sync().expect("memory can be synced");
    if form != Form::Active {
        wal.clone().close().expect("memory can be synced");
    }
    Iterate {
        wal,
        payloads,
        found: Vec::with_capacity(RECORDS),
    }
}

/// Reads every record.
#[must_use]
pub fn iterate(mut input: Iterate) -> Iterate {
    input.found.extend(input.wal.entries().flatten());
    input
}

/// Every record must have been read, in order.
pub fn iterate_check(output: Iterate) {
    let found = output.found.iter().map(|entry| &entry.payload[..]);
    assert!(found.eq(output.payloads.iter().map(|payload| &payload[..])));
    let numbers = output.found.iter().map(|entry| entry.lsn);
    assert!(numbers.eq((0..RECORDS as u64).map(Lsn)));
}

/// A log, the records to look up, and what was found.
pub struct Lookup {
    wal: Wal<Memory>,
    payloads: Vec<Vec<u8>>,
    wanted: Vec<Lsn>,
    run: usize,
    found: Vec<Entry>,
}

/// 1,000 records of 64 bytes, in a sealed segment that is mapped or in the active one, and a
/// hundred places from which `run` records are to be read.
#[must_use]
pub fn lookup_setup(form: Form, run: usize) -> Lookup {
    let (wal, _) = open(&Memory::default(), TIGHT);
    let payloads = data::payloads(RECORDS, 64);
    for payload in &payloads {
        wal.append(record(payload)).expect("the log accepts it");
    }
    wal.sync().expect("memory can be synced");
    if form != Form::Active {
        wal.clone().close().expect("memory can be synced");
    }
    assert!(matches!(wal.read(Lsn(500)), Ok(Some(_))));
    let mut random = data::Random::new(5);
    let wanted = (0..LOOKUPS).map(|_| Lsn(random.below(RECORDS - run) as u64));
    Lookup {
        wal,
        payloads,
        wanted: wanted.collect(),
        run,
        found: Vec::with_capacity(LOOKUPS * run),
    }
}

/// Reads each record by its number.
#[must_use]
pub fn get(mut input: Lookup) -> Lookup {
    for lsn in &input.wanted {
        if let Ok(found) = input.wal.read(*lsn) {
            input.found.extend(found);
        }
    }
    input
}

/// Reads the records from each place on.
#[must_use]
pub fn lookup(mut input: Lookup) -> Lookup {
    for lsn in &input.wanted {
        if let Ok(entries) = input.wal.entries_from(*lsn) {
            input.found.extend(entries.flatten().take(input.run));
        }
    }
    input
}

/// The records must be those that were wanted.
pub fn lookup_check(output: Lookup) {
    assert_eq!(output.found.len(), output.wanted.len() * output.run);
    let places = output.wanted.iter().zip(output.found.chunks(output.run));
    for (lsn, entries) in places {
        let from = usize::try_from(lsn.0).unwrap_or(usize::MAX);
        for (number, entry) in (from..).zip(entries) {
            assert_eq!(entry.lsn, Lsn(number as u64));
            assert_eq!(entry.payload, output.payloads[number]);
        }
    }
}

/// A log, a tail that follows it, and the records to append.
pub struct Follow {
    wal: Wal<Memory>,
    tail: Tail<Memory>,
    payloads: Vec<Vec<u8>>,
    /// How many of them are in the log already.
    present: usize,
    found: Vec<Entry>,
}

/// A log in which every record is read as soon as it is written.
#[must_use]
pub fn follow_setup() -> Follow {
    following(data::payloads(RECORDS / 5, 64), 0)
}

/// A log of 1,000 records in two sealed segments and an active one, and a tail that has read none
/// of them.
#[must_use]
pub fn catch_up_setup() -> Follow {
    following(data::payloads(RECORDS, 64), RECORDS)
}

fn following(payloads: Vec<Vec<u8>>, present: usize) -> Follow {
    let (wal, _) = open(&Memory::default(), 32 << 10);
    for payload in &payloads[..present] {
        wal.append(record(payload)).expect("the log accepts it");
    }
    wal.sync().expect("memory can be synced");
    let tail = wal.tail(Lsn(0)).expect("no segment was removed");
    let found = Vec::with_capacity(payloads.len());
    Follow {
        wal,
        tail,
        payloads,
        present,
        found,
    }
}

/// Reads what is there, then appends each missing record and reads it.
#[must_use]
pub fn follow(mut input: Follow) -> Follow {
    while let Ok(Some(entry)) = input.tail.poll() {
        input.found.push(entry);
    }
    for payload in &input.payloads[input.present..] {
        if let Ok(appended) = input.wal.append(record(payload)) {
            let _ = input.wal.commit(appended.end);
        }
        while let Ok(Some(entry)) = input.tail.poll() {
            input.found.push(entry);
        }
    }
    input
}

/// Every record must have been read, in order.
pub fn follow_check(output: Follow) {
    assert_eq!(output.found.len(), output.payloads.len());
    for (entry, payload) in output.found.iter().zip(&output.payloads) {
        assert_eq!(entry.payload, payload);
    }
}
