//! What each fuzz target does with its bytes. All of them panic where a promise is broken.

use std::path::Path;

use bytes::Bytes;
use engine::frame::{BatchItems, Kind, Next, Prepared, Record, decode};
use engine::snapshot::{ROWS, Rows, read};
use engine::vfs::{Memory, Vfs};
use engine::wal::{Header, Options, Wal, inspect, repair};

const SEGMENT: &str = "log/00000000000000000000.wal";

/// A target.
pub type Target = fn(&[u8]);

/// Every target by the name of its corpus.
pub const TARGETS: [(&str, Target); 5] = [
    ("frames", frames),
    ("segment", segment),
    ("grammar", grammar),
    ("snapshot", snapshot),
    ("repair", repaired),
];

fn options() -> Options {
    Options {
        segment_bytes: 4096,
        threads: 1,
        ..Options::default()
    }
}

fn open(vfs: &Memory, dir: &str) -> Option<Wal<Memory>> {
    Some(Wal::open(vfs.clone(), Path::new(dir), options()).ok()?.0)
}

/// Copies: a payload held keeps the log from being opened again.
fn payloads(wal: &Wal<Memory>) -> Vec<Vec<u8>> {
    wal.entries()
        .map(|entry| entry.expect("an opened log can be read").payload.to_vec())
        .collect()
}

/// What decodes is what encodes: a good frame has one form only.
pub fn frames(data: &[u8]) {
    let Some((salt, mut rest)) = data.split_first_chunk::<4>() else {
        return;
    };
    let salt = u32::from_le_bytes(*salt);
    while let Next::Frame(frame) = decode(rest, salt) {
        let mut again = Vec::new();
        Prepared::new(frame.record)
            .expect("it was decoded")
            .write_to(&mut again, salt);
        assert_eq!(again, rest[..frame.size]);
        if let Some(items) = BatchItems::new(frame.record.payload) {
            assert!(items.count() <= frame.record.payload.len());
        }
        rest = &rest[frame.size..];
    }
}

/// Whatever a file holds, opening gives an error, or a log that can be read, opened again with
/// the same records, and appended to.
pub fn segment(data: &[u8]) {
    let vfs = Memory::default();
    vfs.write(Path::new(SEGMENT), data.to_vec());
    let Some(wal) = open(&vfs, "log") else { return };
    let before = payloads(&wal);
    wal.append(Record {
        kind: Kind(0x40),
        version: 1,
        payload: b"one more",
    })
    .expect("it is open");
    wal.close().expect("memory can be synced");
    let again = payloads(&open(&vfs, "log").expect("a closed log can be opened"));
    assert_eq!(again[..before.len()], before);
    assert_eq!(again[before.len()..], [b"one more"]);
}

/// Frames whose checksums hold and that say anything at all. The bytes are taken as kind,
/// version, length, and payload, again and again.
pub fn grammar(data: &[u8]) {
    let header = Header {
        salt: 7,
        segment_bytes: 4096,
        ..Header::default()
    };
    let mut file = header.encode().to_vec();
    let mut rest = data;
    while let [kind, version, len, tail @ ..] = rest {
        let (payload, after) = tail.split_at(tail.len().min(usize::from(*len)));
        let record = Record {
            kind: Kind(*kind % 0x44),
            version: *version % 3,
            payload,
        };
        Prepared::new(record)
            .expect("it is short")
            .write_to(&mut file, 7);
        rest = after;
    }
    segment(&file);
}

/// A snapshot that is believed adds up.
pub fn snapshot(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    if let Ok(loaded) = read(&bytes)
        && let Some(payload) = loaded.section(ROWS)
    {
        rows(payload);
    }
    // Without the checksum in the way.
    rows(&bytes);
}

fn rows(payload: &Bytes) {
    if let Ok(rows) = Rows::load(payload) {
        let count = rows.len();
        let rows: Vec<_> = rows.collect();
        assert_eq!(rows.len(), count);
        let bytes: usize = rows.iter().map(|row| row.bytes.len()).sum();
        assert_eq!(bytes + 8 + count * 28, payload.len());
        assert!(rows.iter().all(|row| row.bytes.starts_with(row.key)));
    }
}

/// Whatever is repaired is a good log afterwards, and what was damaged is as it was.
pub fn repaired(data: &[u8]) {
    let vfs = Memory::default();
    vfs.write(Path::new(SEGMENT), data.to_vec());
    let reports = inspect(&vfs, Path::new("log")).expect("memory can be read");
    let report = repair(&vfs, Path::new("log"), Path::new("new"), options());
    assert_eq!(vfs.read(Path::new(SEGMENT)).as_deref(), Some(data));
    assert_eq!(vfs.list(Path::new("log")).map_or(0, |names| names.len()), 1);
    let Ok(report) = report else { return };
    let kept = payloads(&open(&vfs, "new").expect("a repaired log can be opened")).len() as u64;
    assert_eq!(kept, report.records);
    if reports.iter().all(|report| report.verdict.is_ok()) {
        let intact: u64 = reports.iter().map(|report| report.records).sum();
        assert!(kept >= intact, "{kept} kept of {intact} intact records");
    }
}
