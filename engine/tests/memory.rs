//! Damaged and hostile bytes cost no memory: every bit of a small log and a small snapshot is
//! flipped, every length cut, and every length field set to the most it can say, under an
//! allocator that counts.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/record.rs"]
mod record;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use engine::frame::{Batch, Transaction};
use engine::map::Item;
use engine::snapshot::{
    BadSnapshot, HEADER_BYTES as SNAPSHOT_HEADER_BYTES, Meta, ROWS, Row, Rows, read, write_rows,
};
use engine::vfs::{Memory, Vfs};
use engine::wal::{Lsn, Mode, Options, Origin, Policy, Wal, inspect, repair};
use engine::{Engine, Options as EngineOptions};
use parking_lot::Mutex;
use peak_alloc::PeakAlloc;

use record::record;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// One measures at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// `FORMAT.md` §5: what reading may take on top of the bytes at hand. The files are in memory
/// here, and count: a segment that is begun, one that is sealed in a copy, one that is kept, a log that is repaired.
const BOUND: usize = 32 << 10;

fn dir() -> &'static Path {
    Path::new("log")
}

fn segment() -> PathBuf {
    dir().join("00000000000000000000.wal")
}

fn options(policy: Policy) -> Options {
    Options {
        segment_bytes: 4096,
        buffer_bytes: 1024,
        threads: 1,
        policy,
        ..Options::default()
    }
}

/// A segment with a record, a batch, a transaction, marks, and no end.
fn small_log() -> Vec<u8> {
    let vfs = Memory::default();
    let (wal, _) = Wal::open(vfs.clone(), dir(), options(Policy::TornTail)).unwrap();
    let (mut batch, mut transaction) = (Batch::default(), Transaction::default());
    for number in 0..5 {
        assert!(batch.push(record(&[number; 20])));
        assert!(transaction.push(record(&[number; 30])));
    }
    wal.append(record(b"alone")).unwrap();
    wal.sync().unwrap();
    wal.append_batch(&batch).unwrap();
    wal.sync().unwrap();
    wal.append_transaction(&transaction).unwrap();
    wal.append(record(b"the last")).unwrap();
    wal.sync().unwrap();
    let mut bytes = vfs.read(&segment()).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    bytes.truncate(used);
    bytes
}

/// Runs `work`, and tells how much more of the heap was in use at the most.
fn peak(work: impl FnOnce()) -> usize {
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    work();
    HEAP.peak_usage().saturating_sub(before)
}

/// Every flipped bit, every length, and every four bytes as the largest number.
fn damaged(good: &[u8], mut check: impl FnMut(&str, Vec<u8>)) {
    for bit in 0..good.len() * 8 {
        let mut bad = good.to_vec();
        bad[bit / 8] ^= 1 << (bit % 8);
        check(&format!("bit {bit}"), bad);
    }
    for len in 0..good.len() {
        check(&format!("cut to {len}"), good[..len].to_vec());
    }
    for at in 0..good.len() - 4 {
        for claim in [u32::MAX, 16 << 20] {
            let mut bad = good.to_vec();
            bad[at..at + 4].copy_from_slice(&claim.to_le_bytes());
            check(&format!("{claim} at {at}"), bad);
        }
    }
}

/// Opens, reads, inspects and repairs.
fn use_log(bytes: &[u8], policy: Policy) {
    let vfs = Memory::default();
    let mut bytes = bytes.to_vec();
    bytes.resize(4096, 0);
    vfs.write(&segment(), bytes);
    drop(inspect(&vfs, dir()).unwrap());
    let _ = repair(&vfs, dir(), Path::new("new"), options(policy));
    if let Ok((wal, _)) = Wal::open(vfs.clone(), dir(), options(policy)) {
        let _ = wal.read(Lsn(3));
        let bytes: usize = wal
            .entries()
            .flatten()
            .map(|entry| entry.payload.len())
            .sum();
        assert!(bytes < 4096);
    }
}

#[test]
fn a_damaged_log_costs_no_memory() {
    let _alone = ALONE.lock();
    let good = small_log();
    let usual = peak(|| use_log(&good, Policy::TornTail));
    assert!(usual > 4096, "nothing is counted");
    let (mut most, mut tried) = (0, 0);
    damaged(&good, |what, bad| {
        for policy in [Policy::TornTail, Policy::PointInTime] {
            let used = peak(|| use_log(&bad, policy));
            assert!(used <= BOUND, "{what}, {policy:?}: {used} bytes");
            most = most.max(used);
            tried += 1;
        }
    });
    println!(
        "{tried} damaged logs of {} bytes took {most} bytes at most, the good one {usual}",
        good.len()
    );
}

fn small_snapshot() -> Vec<u8> {
    let pairs: Vec<_> = (0..20_u8).map(|number| [number; 16]).collect();
    let rows = pairs.iter().map(|bytes| Row {
        keyspace: 1,
        version: Lsn(6),
        expires_us: 0,
        key: &bytes[..5],
        bytes,
    });
    let meta = Meta {
        taken_us: 1,
        lsn: Lsn(7),
        changes: 7,
        origin: Origin::default(),
    };
    let vfs = Memory::default();
    let file = vfs.create(&segment()).unwrap();
    write_rows(&file, &meta, rows).unwrap();
    vfs.read(&segment()).unwrap()
}

/// Loads a snapshot, with its checksum corrected, so that what it says is believed.
fn use_snapshot(mut bytes: Vec<u8>) {
    if let Some(end) = bytes.len().checked_sub(4) {
        let crc = crc32fast::hash(&bytes[..end]);
        bytes[end..].copy_from_slice(&crc.to_le_bytes());
    }
    let Ok(loaded) = read(&Bytes::from(bytes)) else {
        return;
    };
    if let Some(Ok(rows)) = loaded.section(ROWS).map(Rows::load) {
        let item = |row: Row<'_>| {
            let key_len = u32::try_from(row.key.len()).unwrap();
            Item::new(row.version, row.expires_us, key_len, row.bytes)
        };
        let _ = rows.map(item).collect::<Vec<_>>().len();
    }
}

#[test]
fn snapshot_of_a_header_alone_is_missed_its_sections_and_not_its_length() {
    let mut bytes = small_snapshot();
    // Up to the number of sections, which is the header's last byte.
    bytes.truncate(SNAPSHOT_HEADER_BYTES - 1);
    bytes.push(0);
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    let refused = read(&Bytes::from(bytes.clone())).unwrap_err();
    assert!(matches!(refused, BadSnapshot::NoSection(_)), "{refused}");
    bytes.pop();
    let refused = read(&Bytes::from(bytes)).unwrap_err();
    assert!(matches!(refused, BadSnapshot::Short(_)), "{refused}");
}

#[test]
fn a_damaged_snapshot_costs_no_memory() {
    let _alone = ALONE.lock();
    let good = small_snapshot();
    let (mut most, mut tried) = (0, 0);
    damaged(&good, |what, bad| {
        let used = peak(|| use_snapshot(bad));
        assert!(used <= BOUND, "{what}: {used} bytes");
        most = most.max(used);
        tried += 1;
    });
    assert!(most > 500, "nothing is counted");
    println!(
        "{tried} damaged snapshots of {} bytes took {most} bytes at most",
        good.len()
    );
}

#[test]
fn large_value_leaves_no_buffer_behind() {
    let _alone = ALONE.lock();
    let (engine, _) = Engine::open_with(
        Memory::default(),
        "db",
        EngineOptions::in_mode(Mode::InMemory),
    )
    .unwrap();
    let space = engine.keyspace("default").unwrap();
    space.put(b"key", b"small").unwrap();
    let before = HEAP.current_usage();
    space.put(b"key", &vec![7; 8 << 20]).unwrap();
    assert!(HEAP.current_usage() > before + (7 << 20));
    space.put(b"key", b"small").unwrap();
    let kept = HEAP.current_usage().saturating_sub(before);
    assert!(kept < 1 << 20, "{kept} bytes are kept");
}
