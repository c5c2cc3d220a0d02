//! Workloads of the frame codec.

#![expect(
    clippy::missing_panics_doc,
    reason = "a workload panics where its setup or its check fails"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "harnesses hand a result to its check by value"
)]

use engine::frame::{Batch, Kind, Next, Prepared, Record, decode};

use crate::data;
use crate::workload::Workload;

const KIND: Kind = Kind(0x30);
const SALT: u32 = 0x1234_5678;
/// How many records a run encodes, or reads.
const RECORDS: usize = 1000;

/// The workloads of this suite.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    vec![
        Workload::new(
            "frame/encode/b64",
            || encode_setup(64),
            encode,
            encode_check,
        ),
        Workload::new(
            "frame/encode/kib1",
            || encode_setup(1 << 10),
            encode,
            encode_check,
        ),
        Workload::new(
            "frame/encode/kib64",
            || encode_setup(64 << 10),
            encode,
            encode_check,
        ),
        Workload::new(
            "frame/batch_encode/n100",
            || batch_setup(100),
            batch_encode,
            batch_check,
        ),
        Workload::new("frame/scan/b64", || scan_setup(64), scan, scan_check),
        Workload::new("frame/scan/kib1", || scan_setup(1 << 10), scan, scan_check),
    ]
}

fn record(payload: &[u8]) -> Record<'_> {
    Record {
        kind: KIND,
        version: 1,
        payload,
    }
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
    let mut rest = &output.frames[..];
    for payload in &output.payloads {
        let Next::Frame(frame) = decode(rest, SALT) else {
            panic!("not a frame")
        };
        assert_eq!(frame.record, record(payload));
        rest = &rest[frame.size..];
    }
    assert_eq!(rest, []);
}

/// Payloads, a batch to fill again and again, and room for the frames.
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
    let mut rest = &output.frames[..];
    for payloads in output.payloads.chunks(output.per_batch) {
        let Next::Frame(frame) = decode(rest, SALT) else {
            panic!("not a frame")
        };
        assert_eq!(frame.record, filled(payloads).record());
        rest = &rest[frame.size..];
    }
    assert_eq!(rest, []);
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
        payload_bytes: RECORDS * len,
        records: RECORDS,
    }
}

/// Reads and verifies frame after frame, and takes away what it found.
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
