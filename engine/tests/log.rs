//! The promises of the log: each test runs over files in memory, and those that could tell the
//! difference over real files too.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::frame::{Batch, Kind, OVERHEAD, Record, Transaction};
use engine::kv::{Change, Store};
use engine::vfs::{Disk, Failure, Memory, Plan, Sim, Vfs};
use engine::wal::{
    AppendError, BadHeader, HEADER_BYTES, Housekeeper, Lsn, Mode, OpenError, Options, Policy,
    ReadError, Rot, WaitError, Wal,
};

const KIND: Kind = Kind(0x30);
const SEGMENT: usize = 4096;

fn options() -> Options {
    Options {
        segment_bytes: 4096,
        buffer_bytes: 1024,
        threads: 2,
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

fn payload(number: u64) -> Vec<u8> {
    let len = usize::try_from(number % 90).unwrap();
    [&number.to_le_bytes()[..], &vec![b'.'; len]].concat()
}

fn log_dir() -> PathBuf {
    PathBuf::from("log")
}

fn open<V: Vfs>(vfs: &V, dir: &Path) -> Wal<V> {
    Wal::open(vfs.clone(), dir, options()).unwrap().0
}

/// Appends records `from..to`, each committed.
fn append<V: Vfs>(wal: &Wal<V>, from: u64, to: u64) {
    for number in from..to {
        let appended = wal.append(record(&payload(number))).unwrap();
        assert_eq!(appended.first, Lsn(number));
        wal.commit(appended.end).unwrap();
    }
}

/// The log must hold exactly the records `0..count`.
#[track_caller]
fn holds<V: Vfs>(wal: &Wal<V>, count: u64) {
    let entries: Vec<_> = wal.entries().collect::<Result<_, _>>().unwrap();
    assert_eq!(entries.len() as u64, count);
    for (number, entry) in (0..).zip(entries) {
        assert_eq!(
            (entry.lsn, entry.kind, entry.version),
            (Lsn(number), KIND, 1)
        );
        assert_eq!(entry.payload, payload(number), "record {number}");
    }
}

/// The segments of the log, in order.
fn segments(vfs: &Memory) -> Vec<PathBuf> {
    let paths = vfs
        .list(&log_dir())
        .unwrap()
        .into_iter()
        .map(|name| log_dir().join(name));
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "wal"))
        .collect()
}

/// A log with `count` records whose process died: nothing was closed.
fn left_behind(count: u64) -> Memory {
    let vfs = Memory::default();
    append(&open(&vfs, &log_dir()), 0, count);
    vfs
}

fn survives_reopening<V: Vfs>(vfs: &V, dir: &Path) {
    let mut count = 0;
    for round in 0..6 {
        let wal = open(vfs, dir);
        holds(&wal, count);
        append(&wal, count, count + 40);
        count += 40;
        holds(&wal, count);
        if round % 2 == 0 {
            wal.close().unwrap();
        }
    }
    holds(&open(vfs, dir), count);
}

#[test]
fn records_survive_reopening_in_memory() {
    survives_reopening(&Memory::default(), &log_dir());
}

#[test]
fn records_survive_reopening_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    survives_reopening(&Disk, &dir.path().join("new/log"));
}

#[test]
fn payloads_of_sealed_segments_share_the_mapping() {
    let vfs = Memory::default();
    let wal = open(&vfs, &log_dir());
    for number in 0..3 {
        wal.append(record(&payload(number))).unwrap();
    }
    wal.close().unwrap();
    let entries: Vec<_> = open(&vfs, &log_dir())
        .entries()
        .map(Result::unwrap)
        .collect();
    let address = |index: usize| entries[index].payload.as_ptr() as usize;
    assert_eq!(address(1) - address(0), payload(0).len() + OVERHEAD);
    assert_eq!(address(2) - address(1), payload(1).len() + OVERHEAD);
}

#[test]
fn opening_twice_changes_nothing_the_second_time() {
    let vfs = left_behind(100);
    let (wal, first) = Wal::open(vfs.clone(), &log_dir(), options()).unwrap();
    drop(wal);
    let (wal, second) = Wal::open(vfs, &log_dir(), options()).unwrap();
    assert_eq!((first.records, first.cut.clone()), (100, None));
    assert_eq!(
        (second.records, second.segments),
        (first.records, first.segments)
    );
    holds(&wal, 100);
}

#[test]
fn a_directory_has_one_log_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let held = open(&Disk, dir.path());
    let refused = Wal::open(Disk, dir.path(), options()).unwrap_err();
    assert!(matches!(refused, OpenError::Locked { .. }), "{refused}");
    drop(held);
    open(&Disk, dir.path());
}

#[test]
fn records_can_be_read_from_any_number_on() {
    let vfs = Memory::default();
    let wal = open(&vfs, &log_dir());
    append(&wal, 0, 150);
    for from in [0, 1, 60, 149, 150] {
        let first = wal.entries_from(Lsn(from)).unwrap().next();
        let expected = (from < 150).then_some(Lsn(from));
        assert_eq!(first.map(|entry| entry.unwrap().lsn), expected);
    }
}

#[test]
fn a_batch_is_replayed_with_the_records_around_it() {
    let vfs = Memory::default();
    let wal = open(&vfs, &log_dir());
    append(&wal, 0, 1);
    let mut batch = Batch::default();
    for number in 1..40 {
        assert!(batch.push(record(&payload(number))));
    }
    let appended = wal.append_batch(&batch).unwrap();
    assert_eq!((appended.first, appended.end), (Lsn(1), Lsn(40)));
    append(&wal, 40, 45);
    holds(&wal, 45);
    drop(wal);
    holds(&open(&vfs, &log_dir()), 45);
}

#[test]
fn watermarks_rise_as_records_are_written_and_synced() {
    let wal = open(&Memory::default(), &log_dir());
    let marks = |wal: &Wal<Memory>| {
        let marks = wal.watermarks();
        (marks.durable.0, marks.written.0, marks.accepted.0)
    };
    let end = wal.append(record(b"one")).unwrap().end;
    assert_eq!(marks(&wal), (0, 0, 1));
    wal.wait_written(end).unwrap();
    assert_eq!(marks(&wal), (0, 1, 1));
    wal.append(record(b"two")).unwrap();
    wal.wait_durable(end).unwrap();
    assert_eq!(marks(&wal), (2, 2, 2));
}

#[test]
fn what_a_buffered_log_may_lose_is_bounded() {
    let mode = Mode::Buffered {
        interval: Duration::from_millis(100),
        max_bytes: 500,
    };
    let options = Options {
        mode,
        buffer_bytes: 200,
        ..options()
    };
    let (wal, _) = Wal::open(Memory::default(), &log_dir(), options).unwrap();
    let size = |number| (payload(number).len() + OVERHEAD) as u64;
    for number in 0..100 {
        let end = wal.append(record(&payload(number))).unwrap().end;
        wal.commit(end).unwrap();
        let marks = wal.watermarks();
        let volatile: u64 = (marks.durable.0..=number).map(size).sum();
        let unwritten: u64 = (marks.written.0..=number).map(size).sum();
        assert!(
            volatile <= 500 && unwritten <= 200,
            "{volatile}, {unwritten} at {number}"
        );
    }
}

#[test]
fn a_record_that_does_not_fit_is_refused_and_nothing_changes() {
    let wal = open(&Memory::default(), &log_dir());
    let max = SEGMENT - HEADER_BYTES - 30;
    match wal.append(record(&vec![0; max + 1 - OVERHEAD])) {
        Err(AppendError::TooLarge { size, max: limit }) => {
            assert_eq!((size, limit), (max + 1, max));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        wal.append(record(&vec![0; max - OVERHEAD])).unwrap().first,
        Lsn(0)
    );
    let reserved = wal.append(Record {
        kind: Kind::BATCH,
        version: 1,
        payload: b"",
    });
    assert!(
        matches!(reserved, Err(AppendError::Reserved { kind: 3 })),
        "{reserved:?}"
    );
}

#[test]
fn a_torn_tail_is_cut_wherever_it_tears() {
    let vfs = Memory::default();
    let wal = open(&vfs, &log_dir());
    for number in 0..8 {
        wal.append(record(&payload(number))).unwrap();
    }
    wal.sync().unwrap();
    drop(wal);
    let path = &segments(&vfs)[0];
    let good = vfs.read(path).unwrap();
    let ends = (0..8).scan(HEADER_BYTES, |at, number| {
        *at += payload(number).len() + OVERHEAD;
        Some(*at)
    });
    let ends: Vec<usize> = ends.collect();
    for len in HEADER_BYTES..=ends[7] {
        for filler in [&[][..], &[0; 100], &[0xff; 100]] {
            let vfs = Memory::default();
            vfs.write(path, [&good[..len], filler].concat());
            let (wal, recovered) = Wal::open(vfs, &log_dir(), options()).unwrap();
            let whole = ends.iter().filter(|end| **end <= len).count();
            holds(&wal, whole as u64);
            let clean = len == HEADER_BYTES || ends.contains(&len);
            let unwritten = filler.iter().all(|byte| *byte == 0);
            assert_eq!(recovered.cut.is_none(), clean && unwritten, "cut at {len}");
        }
    }
}

#[test]
fn damage_before_a_later_mark_is_rot_and_not_a_torn_tail() {
    let vfs = left_behind(3);
    let path = &segments(&vfs)[0];
    let mut bytes = vfs.read(path).unwrap();
    bytes[HEADER_BYTES + 8] ^= 1;
    vfs.write(path, bytes);
    match Wal::open(vfs, &log_dir(), options()).unwrap_err() {
        OpenError::Corrupt(rot) => assert_eq!((&rot.path, rot.offset), (path, 64)),
        other => panic!("{other}"),
    }
}

#[test]
fn damage_in_a_sealed_segment_is_rot_wherever_it_is() {
    let pristine = left_behind(150);
    let path = &segments(&pristine)[0];
    let good = pristine.read(path).unwrap();
    let used = good.iter().rposition(|byte| *byte != 0).unwrap();
    for at in 0..=used {
        let vfs = left_behind(150);
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        vfs.write(path, bytes);
        match Wal::open(vfs, &log_dir(), options()).unwrap_err() {
            OpenError::Corrupt(rot) => {
                assert_eq!(&rot.path, path);
                assert!(rot.offset <= at as u64, "byte {at}: {rot}");
            }
            other => panic!("byte {at}: {other}"),
        }
    }
}

#[test]
fn a_missing_segment_is_noticed() {
    let vfs = left_behind(250);
    let paths = segments(&vfs);
    assert!(paths.len() > 3);
    vfs.remove(&paths[1]).unwrap();
    match Wal::open(vfs, &log_dir(), options()).unwrap_err() {
        OpenError::Corrupt(rot) => assert!(matches!(rot.reason, Rot::Order { .. }), "{rot}"),
        other => panic!("{other}"),
    }
}

#[test]
fn a_segment_of_a_newer_engine_is_refused() {
    let vfs = left_behind(3);
    let path = &segments(&vfs)[0];
    let mut bytes = vfs.read(path).unwrap();
    bytes[8] = 2;
    bytes[12..16].fill(0);
    let crc = crc32fast::hash(&bytes[..HEADER_BYTES]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    vfs.write(path, bytes);
    match Wal::open(vfs, &log_dir(), options()).unwrap_err() {
        OpenError::Corrupt(rot) => assert_eq!(rot.reason, Rot::Header(BadHeader::Version(2))),
        other => panic!("{other}"),
    }
}

#[test]
fn the_strict_policy_opens_only_what_was_closed() {
    let strict = Options {
        policy: Policy::Strict,
        ..options()
    };
    let vfs = left_behind(3);
    let refused = Wal::open(vfs.clone(), &log_dir(), strict).unwrap_err();
    assert!(matches!(refused, OpenError::Unclean { .. }), "{refused}");
    open(&vfs, &log_dir()).close().unwrap();
    let (wal, _) = Wal::open(vfs, &log_dir(), strict).unwrap();
    holds(&wal, 3);
}

#[test]
fn a_draft_that_was_never_finished_is_removed() {
    let vfs = left_behind(3);
    let draft = log_dir().join("00000000000000000003.tmp");
    vfs.write(&draft, b"half a header".to_vec());
    holds(&open(&vfs, &log_dir()), 3);
    assert_eq!(vfs.read(&draft), None);
}

#[test]
fn a_store_rebuilt_from_the_log_equals_the_one_that_wrote_it() {
    let vfs = Memory::default();
    let wal = open(&vfs, &log_dir());
    let mut store = Store::default();
    let mut payload = Vec::new();
    for number in 0_u32..500 {
        let key = format!("key/{}", number % 37);
        let record = if number % 5 == 4 {
            store.delete(key.as_bytes());
            Change::delete(key.as_bytes())
        } else {
            let value = format!("value {number}");
            store.put(key.as_bytes(), value.as_bytes());
            Change::put(&mut payload, key.as_bytes(), value.as_bytes())
        };
        wal.append(record).unwrap();
        wal.append(self::record(b"somebody else's")).unwrap();
    }
    wal.sync().unwrap();
    drop(wal);
    let rebuilt = Store::rebuild(open(&vfs, &log_dir()).entries()).unwrap();
    assert!(rebuilt.prefix(b"").eq(store.prefix(b"")));
    assert_eq!(rebuilt.len(), store.len());
}

#[test]
fn a_log_that_begins_later_says_so() {
    let vfs = left_behind(250);
    vfs.remove(&segments(&vfs)[0]).unwrap();
    let wal = open(&vfs, &log_dir());
    let first = wal.first_lsn();
    assert!(first > Lsn(0));
    match wal.entries_from(Lsn(0)).unwrap_err() {
        ReadError::Truncated { lsn, first: named } => assert_eq!((lsn, named), (Lsn(0), first)),
        other => panic!("{other}"),
    }
    assert_eq!(wal.entries().next().unwrap().unwrap().lsn, first);
}

/// A log with `count` records, whose segments before the last third are let go.
fn truncated(vfs: &Memory, count: u64) -> Wal<Memory> {
    let wal = open(vfs, &log_dir());
    append(&wal, 0, count);
    let first = wal.truncate_below(Lsn(count * 2 / 3)).unwrap();
    assert!(
        Lsn(count / 3) < first && first <= Lsn(count * 2 / 3),
        "{first}"
    );
    wal
}

#[test]
fn truncation_lets_go_of_a_segment_only_with_its_last_record() {
    let vfs = Memory::default();
    let wal = open(&vfs, &log_dir());
    append(&wal, 0, 200);
    let second = segments(&vfs)[1]
        .file_stem()
        .unwrap()
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(wal.truncate_below(Lsn(second - 1)).unwrap(), Lsn(0));
    assert_eq!(wal.truncate_below(Lsn(second)).unwrap(), Lsn(second));
}

fn files_ending(vfs: &Memory, end: &str) -> usize {
    vfs.list(&log_dir())
        .unwrap()
        .iter()
        .filter(|name| name.ends_with(end))
        .count()
}

#[test]
fn truncation_lets_go_of_whole_segments_only() {
    let vfs = Memory::default();
    let wal = truncated(&vfs, 300);
    let first = wal.first_lsn();
    let lsns: Vec<_> = wal.entries().map(|entry| entry.unwrap().lsn.0).collect();
    assert_eq!(lsns, (first.0..300).collect::<Vec<_>>());
    drop(wal);
    let (wal, recovered) = Wal::open(vfs, &log_dir(), options()).unwrap();
    assert_eq!((recovered.first, recovered.end), (first, Lsn(300)));
    assert_eq!(wal.first_lsn(), first);
}

#[test]
fn files_of_segments_that_were_let_go_are_used_again() {
    let vfs = Memory::default();
    let wal = truncated(&vfs, 300);
    assert_eq!(files_ending(&vfs, ".spare"), 2);
    let before = segments(&vfs).len();
    append(&wal, 300, 450);
    assert_eq!(files_ending(&vfs, ".spare"), 0);
    assert!(segments(&vfs).len() >= before + 2);
    drop(wal);
    let wal = open(&vfs, &log_dir());
    for entry in wal.entries() {
        let entry = entry.unwrap();
        assert_eq!(
            entry.payload,
            payload(entry.lsn.0),
            "a recycled file's past came back"
        );
    }
    assert_eq!(wal.watermarks().durable, Lsn(450));
}

#[test]
fn a_segment_that_is_being_read_is_not_let_go() {
    let vfs = Memory::default();
    let wal = open(&vfs, &log_dir());
    append(&wal, 0, 300);
    let held = wal.entries().next().unwrap().unwrap();
    assert_eq!(wal.truncate_below(Lsn(200)).unwrap(), Lsn(0));
    assert_eq!(held.payload, payload(0));
    drop(held);
    assert!(wal.truncate_below(Lsn(200)).unwrap() > Lsn(0));
}

#[test]
fn a_spare_file_of_another_size_is_removed() {
    let vfs = Memory::default();
    vfs.write(&log_dir().join("00000000000000000000.spare"), vec![1; 4095]);
    let wal = open(&vfs, &log_dir());
    assert_eq!(files_ending(&vfs, ".spare"), 0);
    append(&wal, 0, 10);
    holds(&wal, 10);
}

#[test]
fn the_policy_point_in_time_goes_back_to_the_first_damage() {
    let vfs = left_behind(250);
    let damaged = &segments(&vfs)[1];
    let mut bytes = vfs.read(damaged).unwrap();
    bytes[2000] ^= 1;
    vfs.write(damaged, bytes);
    let point_in_time = Options {
        policy: Policy::PointInTime,
        ..options()
    };
    let (wal, recovered) = Wal::open(vfs.clone(), &log_dir(), point_in_time).unwrap();
    let cut = recovered.cut.unwrap();
    assert!(cut.path == *damaged && cut.offset <= 2000);
    holds(&wal, recovered.end.0);
    assert!(files_ending(&vfs, ".lost") > 1);
    drop(wal);
    // From here on the log is an ordinary one again.
    holds(&open(&vfs, &log_dir()), recovered.end.0);
}

#[test]
fn the_policy_point_in_time_stops_before_a_missing_segment() {
    let vfs = left_behind(250);
    let paths = segments(&vfs);
    let second = Path::new(paths[1].file_stem().unwrap())
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    vfs.remove(&paths[1]).unwrap();
    let point_in_time = Options {
        policy: Policy::PointInTime,
        ..options()
    };
    let (wal, _) = Wal::open(vfs.clone(), &log_dir(), point_in_time).unwrap();
    holds(&wal, second);
    assert_eq!(files_ending(&vfs, ".lost"), paths.len() - 2);

    // The same again: what was set aside first stays.
    append(&wal, second, 250);
    drop(wal);
    vfs.remove(&segments(&vfs)[1]).unwrap();
    drop(Wal::open(vfs.clone(), &log_dir(), point_in_time).unwrap());
    assert_eq!(files_ending(&vfs, ".lost"), paths.len() - 2);
    assert!(files_ending(&vfs, ".lost.1") > 0);
}

#[test]
fn a_log_in_memory_numbers_records_and_keeps_none() {
    let in_memory = Options {
        mode: Mode::InMemory,
        ..options()
    };
    let vfs = Memory::default();
    let (wal, _) = Wal::open(vfs.clone(), &log_dir(), in_memory).unwrap();
    append(&wal, 0, 500);
    assert_eq!(wal.watermarks().accepted, Lsn(500));
    assert_eq!(wal.watermarks().written, Lsn(0));
    assert!(matches!(wal.sync(), Err(WaitError::InMemory)));
    assert!(matches!(wal.wait_written(Lsn(1)), Err(WaitError::InMemory)));
    assert_eq!(wal.entries().count(), 0);
    wal.close().unwrap();
    assert_eq!(open(&vfs, &log_dir()).entries().count(), 0);
}

#[test]
fn a_transaction_without_its_commit_never_happened() {
    let vfs = Memory::default();
    let wal = open(&vfs, &log_dir());
    append(&wal, 0, 5);
    let mut transaction = Transaction::default();
    for number in 5..15 {
        assert!(transaction.push(record(&payload(number))));
    }
    let appended = wal.append_transaction(&transaction).unwrap();
    assert_eq!((appended.first, appended.end), (Lsn(5), Lsn(15)));
    wal.wait_written(appended.end).unwrap();
    holds(&wal, 15);
    drop(wal);
    let path = &segments(&vfs)[0];
    let good = vfs.read(path).unwrap();
    holds(&open(&vfs, &log_dir()), 15);

    let end = good.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let torn = Memory::default();
    torn.write(path, good[..end - 1].to_vec());
    let (wal, recovered) = Wal::open(torn, &log_dir(), options()).unwrap();
    holds(&wal, 5);
    assert!(recovered.cut.is_some());
}

#[test]
fn a_housekeeper_makes_buffered_records_durable_and_prepares_files() {
    let dir = tempfile::tempdir().unwrap();
    let mode = Mode::Buffered {
        interval: Duration::from_millis(1),
        max_bytes: u64::MAX,
    };
    let (wal, _) = Wal::open(Disk, dir.path(), Options { mode, ..options() }).unwrap();
    let housekeeper = Housekeeper::start(wal.clone()).unwrap();
    let end = wal.append(record(b"left to itself")).unwrap().end;
    let spare_is_there = || {
        Disk.list(dir.path())
            .unwrap()
            .iter()
            .any(|name| name.contains("spare"))
    };
    while wal.watermarks().durable < end || !spare_is_there() {
        std::thread::yield_now();
    }
    drop(housekeeper);
    wal.close().unwrap();
}

#[test]
fn a_strict_commit_costs_one_write_and_one_sync() {
    let wal = open(&Memory::default(), &log_dir());
    append(&wal, 0, 20);
    let counters = wal.counters();
    assert_eq!((counters.writes, counters.syncs), (20, 20));
    let frames: usize = (0..20).map(|number| payload(number).len() + OVERHEAD).sum();
    let marks = 19 * (16 + OVERHEAD);
    assert_eq!(counters.bytes, (frames + marks) as u64);
}

#[test]
fn an_index_is_left_beside_a_segment_and_built_anew_where_it_is_bad() {
    let vfs = Memory::default();
    let big = Options {
        segment_bytes: 64 << 10,
        ..options()
    };
    let (wal, _) = Wal::open(vfs.clone(), &log_dir(), big).unwrap();
    append(&wal, 0, 3000);
    let index = segments(&vfs)[0].with_extension("idx");
    assert_eq!(vfs.read(&index), None);
    assert_eq!(wal.read(Lsn(400)).unwrap().unwrap().payload, payload(400));
    let good = vfs.read(&index).expect("the index was written");
    for bad in [good[..good.len() - 1].to_vec(), vec![0; 40], Vec::new()] {
        vfs.write(&index, bad);
        for lsn in (0..3000).step_by(37) {
            let entry = wal.read(Lsn(lsn)).unwrap().unwrap();
            assert_eq!((entry.lsn, entry.payload), (Lsn(lsn), payload(lsn).into()));
        }
        assert_eq!(vfs.read(&index).unwrap(), good, "the index was built anew");
    }
    drop(wal);
    let (wal, _) = Wal::open(vfs.clone(), &log_dir(), big).unwrap();
    wal.truncate_below(Lsn(3000)).unwrap();
    assert_eq!(vfs.read(&index), None, "it goes with its segment");
}

#[test]
fn a_tail_sees_every_record_once_it_is_written_and_no_sooner() {
    let vfs = Memory::default();
    let wal = open(&vfs, &log_dir());
    append(&wal, 0, 20);
    let mut tail = wal.tail(Lsn(5)).unwrap();
    let mut expected = 5;
    for round in 0..40 {
        let from = 20 + round * 9;
        append(&wal, from, from + 7);
        wal.append(record(&payload(from + 7))).unwrap();
        let unwritten = wal.append(record(&payload(from + 8))).unwrap();
        while let Some(entry) = tail.poll().unwrap() {
            assert_eq!(
                (entry.lsn, entry.payload),
                (Lsn(expected), payload(expected).into())
            );
            expected += 1;
        }
        assert_eq!(Lsn(expected), wal.watermarks().written);
        wal.wait_written(unwritten.end).unwrap();
    }
    assert!(segments(&vfs).len() > 5, "segments rotated meanwhile");
}

#[test]
fn a_tail_that_was_overtaken_by_truncation_says_so() {
    let vfs = Memory::default();
    let wal = open(&vfs, &log_dir());
    append(&wal, 0, 10);
    let mut tail = wal.tail(Lsn(0)).unwrap();
    while tail.poll().unwrap().is_some() {}
    append(&wal, 10, 400);
    wal.truncate_below(Lsn(300)).unwrap();
    match tail.poll().unwrap_err() {
        ReadError::Truncated { lsn, .. } => assert_eq!(lsn, Lsn(10)),
        other => panic!("{other}"),
    }
}

#[test]
fn a_segment_of_another_log_is_noticed_although_it_is_whole() {
    let vfs = left_behind(250);
    let other = Memory::default();
    let wal = open(&other, &log_dir());
    for number in 0..250 {
        // As many bytes in every record, so that every segment has the same numbers.
        let payload = vec![b'#'; payload(number).len()];
        let end = wal.append(record(&payload)).unwrap().end;
        wal.commit(end).unwrap();
    }
    drop(wal);
    let paths = segments(&vfs);
    assert_eq!(segments(&other), paths);
    vfs.write(&paths[1], other.read(&paths[1]).unwrap());
    match Wal::open(vfs, &log_dir(), options()).unwrap_err() {
        OpenError::Corrupt(rot) => assert!(rot.to_string().contains("the chain"), "{rot}"),
        other => panic!("{other}"),
    }
}

#[test]
fn a_leader_that_panics_closes_the_log_instead_of_stalling_it() {
    let sim = Sim::default();
    let wal = open(&sim, &log_dir());
    let end = wal.append(record(b"one")).unwrap().end;
    sim.plan(Plan::FailAt(2, Failure::Panic));
    let leader = wal.clone();
    std::thread::spawn(move || leader.wait_durable(end))
        .join()
        .unwrap_err();
    let told = wal.wait_durable(end).unwrap_err();
    assert!(matches!(told, WaitError::Poisoned(_)), "{told}");
    assert!(wal.append(record(b"two")).is_err());
    drop(wal);
    open(&sim, &log_dir());
}
