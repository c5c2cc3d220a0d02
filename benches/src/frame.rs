//! Workloads of the frame codec.

use engine::frame::{
    Batch, BatchItems, Kind, Next, Prepared, Record, SyncMark, Transaction, decode,
};

use crate::data;
use crate::suite::suite;

const KIND: Kind = Kind(0x40);
const SALT: u32 = 0x1234_5678;
/// How many records a run encodes, or reads.
const RECORDS: usize = 1000;

suite!(frame {
    encode: encode(Encode) {
        b64: encode_setup(64) => encode_check,
        b256: encode_setup(256) => encode_check,
        kib1: encode_setup(1 << 10) => encode_check,
        kib64: encode_setup(64 << 10) => encode_check,
    }
    batch_encode: batch_encode(BatchEncode) {
        n10: batch_setup(10) => batch_check,
        n100: batch_setup(100) => batch_check,
        n500: batch_setup(500) => batch_check,
    }
    batch_read: batch_read(Scan) {
        n100: batch_read_setup(100) => scan_check,
    }
    transaction_encode: transaction_encode(Spread) {
        n1000: transaction_setup() => transaction_check,
    }
    mark: marks(Marks) {
        n1000: mark_setup() => mark_check,
    }
    scan: scan(Scan) {
        b64: scan_setup(64) => scan_check,
        kib1: scan_setup(1 << 10) => scan_check,
        kib64: scan_setup(64 << 10) => scan_check,
    }
    search: decode_everywhere(Damaged) {
        damaged: damaged_setup() => damaged_check,
    }
});

/// A record of the caller's.
#[must_use]
pub fn record(payload: &[u8]) -> Record<'_> {
    Record {
        kind: KIND,
        version: 1,
        payload,
    }
}

/// The records of frames that follow each other to the end of `bytes`.
fn records(bytes: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Next::Frame(frame) = decode(rest, SALT) else {
            panic!("not a frame")
        };
        rest = &rest[frame.size..];
        Some(frame.record)
    })
}

/// Payloads, and room for their frames.
pub struct Encode {
    payloads: Vec<Vec<u8>>,
    frames: Vec<u8>,
}

/// 1,000 payloads of `len` bytes, or as many as make two megabytes.
#[must_use]
pub fn encode_setup(len: usize) -> Encode {
    let payloads = data::payloads(RECORDS.min((2 << 20) / len), len);
    let frames = Vec::with_capacity(payloads.len() * (len + 10));
    Encode { payloads, frames }
}

/// Encodes each payload into a frame.
#[must_use]
pub fn encode(mut input: Encode) -> Encode {
    for payload in &input.payloads {
        if let Some(frame) = Prepared::new(record(payload)) {
            frame.write_to(&mut input.frames, SALT);
        }
    }
    input
}

/// Every payload must come back out of the frames.
pub fn encode_check(output: Encode) {
    assert!(records(&output.frames).eq(output.payloads.iter().map(|payload| record(payload))));
}

/// Payloads, a batch to refill, and room for the frames.
pub struct BatchEncode {
    payloads: Vec<Vec<u8>>,
    per_batch: usize,
    batch: Batch,
    frames: Vec<u8>,
}

/// 1,000 payloads of 64 bytes, to be encoded in batches of `per_batch`.
#[must_use]
pub fn batch_setup(per_batch: usize) -> BatchEncode {
    let payloads = data::payloads(RECORDS, 64);
    let batch = filled(&payloads[..per_batch]);
    let frames = Vec::with_capacity(RECORDS * (64 + 10));
    BatchEncode {
        payloads,
        per_batch,
        batch,
        frames,
    }
}

fn filled(payloads: &[Vec<u8>]) -> Batch {
    let mut batch = Batch::default();
    for payload in payloads {
        assert!(batch.push(record(payload)), "the batch is full");
    }
    batch
}

/// Fills and encodes batch after batch.
#[must_use]
pub fn batch_encode(mut input: BatchEncode) -> BatchEncode {
    for payloads in input.payloads.chunks(input.per_batch) {
        input.batch.clear();
        for payload in payloads {
            let fits = input.batch.push(record(payload));
            debug_assert!(fits);
        }
        if let Some(frame) = Prepared::new(input.batch.record()) {
            frame.write_to(&mut input.frames, SALT);
        }
    }
    input
}

/// Every frame must hold the batch that belongs there.
pub fn batch_check(output: BatchEncode) {
    let batches: Vec<_> = output
        .payloads
        .chunks(output.per_batch)
        .map(filled)
        .collect();
    assert!(records(&output.frames).eq(batches.iter().map(Batch::record)));
}

/// Frames to read.
pub struct Scan {
    frames: Vec<u8>,
    payload_bytes: usize,
    records: usize,
}

/// The frames of 1,000 payloads.
#[must_use]
pub fn scan_setup(len: usize) -> Scan {
    let encoded = encode(encode_setup(len));
    Scan {
        frames: encoded.frames,
        payload_bytes: encoded.payloads.len() * len,
        records: encoded.payloads.len(),
    }
}

/// Reads and verifies frame after frame, and subtracts what it found.
#[must_use]
pub fn scan(mut input: Scan) -> Scan {
    let mut at = 0;
    while let Next::Frame(frame) = decode(&input.frames[at..], SALT) {
        input.payload_bytes -= frame.record.payload.len();
        input.records -= 1;
        at += frame.size;
    }
    input
}

/// Everything must have been found.
pub fn scan_check(output: Scan) {
    assert_eq!((output.payload_bytes, output.records), (0, 0));
}

/// The frames of 1,000 payloads of 64 bytes in batches.
#[must_use]
pub fn batch_read_setup(per_batch: usize) -> Scan {
    let encoded = batch_encode(batch_setup(per_batch));
    Scan {
        frames: encoded.frames,
        payload_bytes: RECORDS * 64,
        records: RECORDS,
    }
}

/// Reads and verifies batch after batch, and subtracts the records that it found.
#[must_use]
pub fn batch_read(mut input: Scan) -> Scan {
    let mut at = 0;
    while let Next::Frame(frame) = decode(&input.frames[at..], SALT) {
        at += frame.size;
        let items = BatchItems::new(frame.record.payload);
        for record in items.into_iter().flatten().flatten() {
            input.payload_bytes -= record.payload.len();
            input.records -= 1;
        }
    }
    input
}

/// Payloads, and the frames of a transaction of all of them.
pub struct Spread {
    payloads: Vec<Vec<u8>>,
    transaction: Transaction,
    frames: Vec<u8>,
}

/// 1,000 payloads of 200 bytes, which are more than a batch takes.
#[must_use]
pub fn transaction_setup() -> Spread {
    Spread {
        payloads: data::payloads(RECORDS, 200),
        transaction: Transaction::default(),
        frames: Vec::with_capacity(RECORDS * (200 + 10)),
    }
}

/// Spreads the records over batches, and encodes these.
#[must_use]
pub fn transaction_encode(mut input: Spread) -> Spread {
    for payload in &input.payloads {
        let fits = input.transaction.push(record(payload));
        debug_assert!(fits);
    }
    for (frame, _) in input.transaction.frames() {
        frame.write_to(&mut input.frames, SALT);
    }
    input
}

/// Every record must come back out of the frames, in order.
pub fn transaction_check(output: Spread) {
    let mut found = Vec::new();
    for record in records(&output.frames) {
        assert_eq!(record.kind, Kind::BATCH);
        let items = BatchItems::new(record.payload).expect("it is a batch");
        found.extend(items.map(|item| item.expect("it is well formed").payload));
    }
    assert_eq!(found, output.payloads);
}

/// Marks, and the bytes of their frames.
pub struct Marks {
    marks: Vec<SyncMark>,
    frames: Vec<u8>,
}

/// 1,000 marks.
#[must_use]
pub fn mark_setup() -> Marks {
    let mark = |number: u64| SyncMark {
        offset: 64 + number * 100,
        lsn: number,
    };
    Marks {
        marks: (0..RECORDS as u64).map(mark).collect(),
        frames: Vec::with_capacity(RECORDS * 26),
    }
}

/// Encodes each mark: the bookkeeping of every sync.
#[must_use]
pub fn marks(mut input: Marks) -> Marks {
    for mark in &input.marks {
        if let Some(frame) = Prepared::new(SyncMark::record(&mark.encode())) {
            frame.write_to(&mut input.frames, SALT);
        }
    }
    input
}

/// Every mark must come back out of the frames.
pub fn mark_check(output: Marks) {
    let found = records(&output.frames).map(|record| SyncMark::decode(record.payload));
    assert!(found.eq(output.marks.iter().copied().map(Some)));
}

/// Bytes with frames somewhere in them, and how many were found.
pub struct Damaged {
    bytes: Vec<u8>,
    found: usize,
}

/// Ten frames of 64 bytes in 4,000 bytes that are none.
#[must_use]
pub fn damaged_setup() -> Damaged {
    let frames = encode(encode_setup(64)).frames;
    let mut bytes = data::Random::new(7).bytes(4000);
    for (place, frame) in frames.chunks(74).take(10).enumerate() {
        let at = 150 + place * 380;
        bytes[at..at + frame.len()].copy_from_slice(frame);
    }
    Damaged { bytes, found: 0 }
}

/// Tries to decode a frame at every byte, as repair does after damage.
#[must_use]
pub fn decode_everywhere(mut input: Damaged) -> Damaged {
    for at in 0..input.bytes.len() {
        let next = decode(&input.bytes[at..], SALT);
        input.found += usize::from(matches!(next, Next::Frame(_)));
    }
    input
}

/// All ten must have been found, and no other.
pub fn damaged_check(output: Damaged) {
    assert_eq!(output.found, 10);
}
