//! What readers see: from a number on, in batches, following, sharing the mapping.

use super::*;

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
fn every_record_is_found_by_its_number_in_active_and_sealed_segments() {
    let vfs = Memory::default();
    let big = Options {
        segment_bytes: 64 << 10,
        ..options()
    };
    let (wal, _) = Wal::open(vfs.clone(), &log_dir(), big).unwrap();
    append(&wal, 0, 1000);
    let large = vec![7; 20_000];
    wal.append(record(&large)).unwrap();
    let mut batch = Batch::default();
    for number in 1001..1200 {
        assert!(batch.push(record(&payload(number))));
    }
    wal.commit(wal.append_batch(&batch).unwrap().end).unwrap();
    append(&wal, 1200, 1500);
    let check = |wal: &Wal<Memory>, what: &str| {
        for lsn in 0..1500 {
            let entry = wal.read(Lsn(lsn)).unwrap().unwrap();
            let expected = if lsn == 1000 {
                large.clone()
            } else {
                payload(lsn)
            };
            assert_eq!((entry.lsn, entry.kind), (Lsn(lsn), KIND));
            assert_eq!(entry.payload, expected, "record {lsn}, {what}");
            let from = wal.entries_from(Lsn(lsn)).unwrap().next().unwrap().unwrap();
            assert_eq!(from, entry, "{what}");
        }
        assert_eq!(wal.read(Lsn(1500)).unwrap(), None);
    };
    check(&wal, "written");
    wal.close().unwrap();
    let (wal, _) = Wal::open(vfs.clone(), &log_dir(), big).unwrap();
    check(&wal, "recovered");
    let other_files = files_ending(&vfs, ".idx") + files_ending(&vfs, ".tmp");
    assert_eq!(other_files, 0, "reading leaves nothing behind");
}

#[test]
fn an_index_of_an_earlier_engine_is_removed() {
    let vfs = left_behind(10);
    for name in ["00000000000000000000.idx", "00000000000000000000.idx.tmp"] {
        vfs.write(&log_dir().join(name), vec![1; 50]);
    }
    holds(&open(&vfs, &log_dir()), 10);
    assert_eq!(files_ending(&vfs, ".idx") + files_ending(&vfs, ".tmp"), 0);
}

/// Eight readers look up records all over a log that is being written, as sealed segments come.
fn read_side_by_side<V: Vfs>(vfs: &V, dir: &Path, count: u64) {
    let wal = open(vfs, dir);
    append(&wal, 0, count / 2);
    drop(wal);
    let wal = open(vfs, dir);
    std::thread::scope(|scope| {
        for reader in 0..8_u64 {
            let wal = wal.clone();
            scope.spawn(move || {
                for step in 0..4000 {
                    let seen = wal.seen().0;
                    let lsn = (reader * 7919 + step * 104_729) % seen;
                    let entry = wal.read(Lsn(lsn)).unwrap().unwrap();
                    assert_eq!((entry.lsn, entry.payload), (Lsn(lsn), payload(lsn).into()));
                }
            });
        }
        append(&wal, count / 2, count);
    });
    holds(&wal, count);
}

#[test]
fn many_readers_at_once_read_what_was_written() {
    read_side_by_side(&Memory::default(), &log_dir(), 2000);
    let dir = tempfile::tempdir().unwrap();
    read_side_by_side(&Disk, dir.path(), 300);
}

#[test]
fn readers_that_hold_the_active_segment_keep_its_file_from_being_used_again() {
    let vfs = Memory::default();
    let wal = open(&vfs, &log_dir());
    append(&wal, 0, 20);
    let entries = wal.entries();
    append(&wal, 20, 300);
    assert_eq!(wal.truncate_below(Lsn(250)).unwrap(), Lsn(0));
    append(&wal, 300, 600);
    let numbers: Vec<_> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.lsn.0, entry.payload))
        .collect();
    let expected: Vec<_> = (0..20)
        .map(|number| (number, payload(number).into()))
        .collect();
    assert_eq!(numbers, expected);
    assert!(wal.truncate_below(Lsn(250)).unwrap() > Lsn(0));
}

#[test]
fn readers_of_a_strict_log_see_durable_records_only() {
    let sim = Sim::default();
    let wal = open(&sim, &log_dir());
    append(&wal, 0, 3);
    let mut tail = wal.tail(Lsn(3)).unwrap();
    let mut eager = wal.up_to(Watermark::Written).tail(Lsn(3)).unwrap();
    let written = wal.append(record(&payload(3))).unwrap();
    assert_eq!(eager.poll().unwrap(), None, "it is not even written");
    wal.wait_written(written.end).unwrap();
    assert_eq!(tail.poll().unwrap(), None);
    assert_eq!(wal.read(Lsn(3)).unwrap(), None);
    holds(&wal, 3);
    assert_eq!(eager.poll().unwrap().unwrap().lsn, Lsn(3));
    // The power goes: the number is given to another record.
    let after = open(&sim.crash(0), &log_dir());
    assert_eq!(after.append(record(b"another")).unwrap().first, Lsn(3));
    wal.commit(written.end).unwrap();
    assert_eq!(tail.poll().unwrap().unwrap().payload, payload(3));
    holds(&wal, 4);
}

#[test]
fn readers_of_a_buffered_log_see_written_records() {
    let mode = Mode::Buffered {
        interval: Duration::from_secs(1),
        max_bytes: u64::MAX,
    };
    let (wal, _) = Wal::open(Memory::default(), &log_dir(), Options { mode, ..options() }).unwrap();
    let written = wal.append(record(&payload(0))).unwrap();
    wal.wait_written(written.end).unwrap();
    holds(&wal, 1);
    let durable = wal.up_to(Watermark::Durable);
    assert_eq!((durable.seen(), durable.entries().count()), (Lsn(0), 0));
}

#[test]
fn a_tail_below_a_log_whose_records_all_went_says_so() {
    let wal = open(&Memory::default(), &log_dir());
    let mut tail = wal.tail(Lsn(0)).unwrap();
    append(&wal, 0, 5);
    // The last segment is sealed, and the one after it is empty.
    wal.clone().close().unwrap();
    assert_eq!(wal.truncate_below(Lsn(5)).unwrap(), Lsn(5));
    match tail.poll().unwrap_err() {
        ReadError::Truncated { lsn, first } => assert_eq!((lsn, first), (Lsn(0), Lsn(5))),
        other => panic!("{other}"),
    }
    let mut tail = wal.tail(Lsn(5)).unwrap();
    assert_eq!(tail.poll().unwrap(), None);
    assert!(wal.entries_from(Lsn(4)).is_err());
    assert!(wal.read(Lsn(4)).is_err());
    append(&wal, 5, 6);
    assert_eq!(tail.poll().unwrap().unwrap().lsn, Lsn(5));
}

#[test]
fn a_tail_sees_every_record_once_it_is_durable_and_no_sooner() {
    let vfs = Memory::default();
    let wal = open(&vfs, &log_dir());
    append(&wal, 0, 20);
    let mut tail = wal.tail(Lsn(5)).unwrap();
    let mut expected = 5;
    for round in 0..40 {
        let from = 20 + round * 9;
        append(&wal, from, from + 7);
        wal.append(record(&payload(from + 7))).unwrap();
        let undurable = wal.append(record(&payload(from + 8))).unwrap();
        while let Some(entry) = tail.poll().unwrap() {
            assert_eq!(
                (entry.lsn, entry.payload),
                (Lsn(expected), payload(expected).into())
            );
            expected += 1;
        }
        assert_eq!(Lsn(expected), wal.watermarks().durable);
        wal.commit(undurable.end).unwrap();
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
