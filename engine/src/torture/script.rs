//! A workload as data: the same seed gives the same operations.

use std::sync::LazyLock;

use crate::random::SplitMix64;

/// Something that is done to a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// Append a record.
    Append,
    /// Append a record and commit it.
    Commit,
    /// Append a batch of records.
    Batch(u64),
    /// Append a transaction of so many records.
    Transaction(u64),
    /// Wait until everything is written.
    Write,
    /// Wait until everything is durable.
    Sync,
    /// Let go of the older half of the records.
    Truncate,
    /// Do what is done from time to time.
    Maintain,
    /// The process ends without a word, and another one opens the log.
    Restart,
    /// The log is closed, and opened again.
    Close,
    /// A clone of the handle is closed, so many times, and the log is used on.
    CloseClones(u64),
    /// Append a batch and a transaction of no record.
    Nothing,
    /// Let go of all records that are durable.
    TruncateAll,
}

/// `len` operations.
pub(super) fn script(seed: u64, len: usize) -> Vec<Operation> {
    let mut random = SplitMix64::new(seed);
    let operation = |_| match random.below(50) {
        0..=17 => Operation::Append,
        18..=25 => Operation::Commit,
        26..=29 => Operation::Batch(1 + random.below(6)),
        30..=32 => Operation::Transaction(1 + random.below(9)),
        33..=35 => Operation::Write,
        36..=37 => Operation::Sync,
        38 => Operation::Restart,
        39..=40 => Operation::Truncate,
        41 => Operation::Close,
        42..=44 => Operation::CloseClones(1 + random.below(3)),
        45..=46 => Operation::Nothing,
        47 => Operation::TruncateAll,
        _ => Operation::Maintain,
    };
    (0..len).map(operation).collect()
}

/// The payload of the record with a number, below 4,096: its length and bytes follow from it.
pub(super) fn payload(lsn: u64) -> &'static [u8] {
    static PAYLOADS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| (0..4096).map(make).collect());
    &PAYLOADS[usize::try_from(lsn).unwrap_or(usize::MAX)]
}

fn make(lsn: u64) -> Vec<u8> {
    let mut random = SplitMix64::new(lsn);
    // Mostly small, sometimes longer than a sector.
    let bound = if random.below(8) == 0 { 900 } else { 120 };
    let len = usize::try_from(random.below(bound)).unwrap_or(0);
    lsn.to_le_bytes()
        .iter()
        .copied()
        .cycle()
        .take(len)
        .collect()
}
