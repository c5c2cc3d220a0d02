//! The bytes on disk are the ones that `FORMAT.md` shows.
//!
//! Each fenced block there that begins with `golden NAME` is compared with what the engine
//! writes. A change of these bytes is a change of format: it needs a new version, and the old
//! block stays.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use engine::frame::{Batch, Kind, Prepared, Record, SegmentEnd, SyncMark, TxBegin, TxCommit};
use engine::snapshot::{Meta, Row, write_rows};
use engine::vfs::{Memory, Vfs};
use engine::wal::{self, Header, Lsn, Origin};
use engine::{Engine, Options};

/// The bytes of a golden block: hex digits, with comments after `#`.
fn golden(name: &str) -> Vec<u8> {
    let text = include_str!("../FORMAT.md");
    let begin = format!("```golden {name}\n");
    let (_, block) = text
        .split_once(&begin)
        .unwrap_or_else(|| panic!("no block {name}"));
    let (block, _) = block.split_once("```").unwrap();
    let code = block.lines().map(|line| line.split('#').next().unwrap());
    let digits: Vec<char> = code
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .collect();
    let pair = |pair: &[char]| {
        u8::from_str_radix(&pair.iter().collect::<String>(), 16).expect("two hex digits")
    };
    digits.chunks(2).map(pair).collect()
}

#[track_caller]
fn check(name: &str, written: &[u8]) {
    let hex = |bytes: &[u8]| {
        let lines = bytes.chunks(16).map(|line| {
            line.iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<Vec<_>>()
                .join(" ")
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        hex(&golden(name)),
        hex(written),
        "block {name} of FORMAT.md"
    );
}

fn frame(record: Record<'_>, salt: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    Prepared::new(record).unwrap().write_to(&mut bytes, salt);
    bytes
}

#[test]
fn frames() {
    let record = Record {
        kind: Kind(0x40),
        version: 1,
        payload: b"hello",
    };
    check("frame", &frame(record, 0));
    check("frame-salted", &frame(record, 0x0102_0304));
}

#[test]
fn batches() {
    let mut batch = Batch::default();
    assert!(batch.push(Record {
        kind: Kind(0x40),
        version: 1,
        payload: b"one"
    }));
    assert!(batch.push(Record {
        kind: Kind(0x41),
        version: 2,
        payload: b""
    }));
    check("batch", &frame(batch.record(), 0));
}

#[test]
fn marks() {
    let mark = SyncMark {
        offset: 4096,
        lsn: 17,
    };
    check("sync-mark", &frame(SyncMark::record(&mark.encode()), 0));
    let begin = TxBegin { records: 5 };
    check("begin", &frame(TxBegin::record(&begin.encode()), 0));
    let commit = TxCommit {
        records: 5,
        chain: 0xf00d,
    };
    check("commit", &frame(TxCommit::record(&commit.encode()), 0));
    let end = SegmentEnd {
        records: 17,
        end_lsn: 117,
        chain: 0xaabb_ccdd,
        next_epoch: 3,
    };
    check("segment-end", &frame(SegmentEnd::record(&end.encode()), 0));
}

#[test]
fn headers() {
    let header = Header {
        number: 2,
        base_lsn: 700,
        salt: 0xcafe,
        prev_chain: 0xbeef,
        created_us: 1_000_000,
        log_id: 0x1122_3344_5566_7788,
        epoch: 3,
        segment_bytes: 64 << 20,
    };
    check("segment-header", &header.encode());
}

#[test]
fn changes() {
    let (engine, _) = Engine::open_with(Memory::default(), "db", Options::default()).unwrap();
    let tea = engine.keyspace("tea").unwrap();
    let put = tea.put_until(b"tea", b"sencha", 1_000_000).unwrap();
    check("kv-put", &engine.read(put).unwrap().unwrap().payload);
    let delete = tea.delete(b"tea").unwrap();
    check("kv-delete", &engine.read(delete).unwrap().unwrap().payload);
}

#[test]
fn a_whole_segment() {
    let vfs = Memory::default();
    let options = Options {
        log: wal::Options {
            segment_bytes: 4096,
            ..wal::Options::default()
        },
        background: false,
        ..Options::default()
    };
    let (engine, _) = Engine::open_with(vfs.clone(), "log", options).unwrap();
    let space = engine.keyspace("default").unwrap();
    space.put(b"tea", b"sencha").unwrap();
    space.delete(b"tea").unwrap();
    engine.close().unwrap();
    let file = vfs.read(Path::new("log/00000000000000000000.wal")).unwrap();
    let (used, rest) = file.split_at(golden("segment").len());
    check("segment", used);
    assert!(rest.iter().all(|byte| *byte == 0));
}

#[test]
fn snapshots() {
    let meta = Meta {
        taken_us: 1_000_000,
        lsn: Lsn(300),
        changes: 90,
        origin: Origin {
            log_id: 1,
            epoch: 2,
            segment: 3,
            salt: 4,
            offset: 5,
            chain: 6,
        },
    };
    let row = Row {
        keyspace: 2,
        version: Lsn(299),
        expires_us: 2_000_000,
        key: b"tea",
        bytes: b"teasencha",
    };
    let (vfs, path) = (Memory::default(), Path::new("snapshot"));
    let file = vfs.create(path).unwrap();
    write_rows(&file, &meta, [row].into_iter()).unwrap();
    check("snapshot", &vfs.read(path).unwrap());
}

#[test]
fn rows_of_runs_have_the_documented_bytes() {
    use engine::engine::KeyspaceType;
    use engine::run::{NewRun, NewSpan, Orphans, Runs};
    use engine::vfs::Sim;

    // The simulator's clock stands at zero.
    let engine = Engine::in_memory_with(Sim::default());
    let (runs, _) = Runs::open(&engine, Orphans::Mark).unwrap();
    let run = runs.begin(&NewRun::named("tea").tag("t")).unwrap();
    runs.append(run, "thought", b"go").unwrap();
    runs.put(run, b"k", b"v").unwrap();
    runs.set_cell(run, "c", b"on").unwrap();
    let span = NewSpan::named("plan").attribute("n", 3);
    runs.start_span(run, &span).unwrap();

    let row = |space: &str, key: &[u8]| {
        let space = engine.keyspace_of(space, KeyspaceType::Runs).unwrap();
        space.get(key).unwrap().to_vec()
    };
    let number = 1_u64.to_be_bytes();
    let of = |tail: &[u8]| [&number[..], tail].concat();
    check("run-head", &row("runs", &[&[1][..], &number].concat()));
    check("run-about", &row("runs", &[&[2][..], &number].concat()));
    check("run-event", &row("runs.events", &of(&[0; 8])));
    check("run-put", &row("runs.journal", &of(&4_u64.to_be_bytes())));
    check("run-cell", &row("runs.cells", &of(b"c")));
    check("run-span", &row("runs.spans", &of(&number)));
    assert_eq!(row("runs.keys", &of(b"k")), b"v");
    assert_eq!(row("runs", &[0]), 2_u64.to_le_bytes());
    assert_eq!(row("runs", &[&[3][..], &number].concat()), b"");
    assert_eq!(row("runs", &[&[4, 0, 1][..], b"t", &number].concat()), b"");
}
