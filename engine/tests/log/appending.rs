//! What a record is promised from append to durable.

use super::*;

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
fn bounds_of_a_buffered_log_may_be_reached_and_not_exceeded() {
    let size = payload(0).len() + OVERHEAD;
    let open = |max_bytes, buffer_bytes| {
        let mode = Mode::Buffered {
            interval: Duration::from_hours(1),
            max_bytes,
        };
        let options = Options {
            mode,
            buffer_bytes,
            ..options()
        };
        Wal::open(Memory::default(), &log_dir(), options).unwrap().0
    };
    let append = |wal: &Wal<Memory>| {
        let end = wal.append(record(&payload(0))).unwrap().end;
        let marks = wal.watermarks();
        (end, marks.written, marks.durable)
    };
    // What a crash may cost: two records.
    let wal = open(2 * size as u64, usize::MAX);
    assert_eq!(append(&wal), (Lsn(1), Lsn(0), Lsn(0)));
    assert_eq!(append(&wal), (Lsn(2), Lsn(0), Lsn(0)));
    assert_eq!(append(&wal), (Lsn(3), Lsn(3), Lsn(3)));
    // What waits in memory: two records.
    let wal = open(u64::MAX, 2 * size);
    assert_eq!(append(&wal), (Lsn(1), Lsn(0), Lsn(0)));
    assert_eq!(append(&wal), (Lsn(2), Lsn(0), Lsn(0)));
    assert_eq!(append(&wal), (Lsn(3), Lsn(3), Lsn(0)));
}

#[test]
fn a_record_that_does_not_fit_is_refused_and_nothing_changes() {
    let wal = open(&Memory::default(), &log_dir());
    let max = SEGMENT - HEADER_BYTES - 34;
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
}

#[test]
fn types_of_the_log_and_of_a_newer_engine_are_refused() {
    let wal = open(&Memory::default(), &log_dir());
    for kind in [0x03, 0x0f, 0x12, 0x3f] {
        let record = Record {
            kind: Kind(kind),
            version: 1,
            payload: b"",
        };
        let refused = wal.append(record).unwrap_err();
        assert!(
            matches!(refused, AppendError::Reserved { kind: named } if named == kind),
            "{refused}"
        );
        assert!(!Batch::default().push(record));
        assert!(!Transaction::default().push(record));
    }
    append(&wal, 0, 1);
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
    assert_eq!(wal.truncate_below(Lsn(400)).unwrap(), Lsn(0));
    wal.maintain().unwrap();
    wal.clone().close().unwrap();
    wal.close().unwrap();
    assert_eq!(vfs.list(&log_dir()).unwrap(), [""; 0]);
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
    holds(&wal.up_to(Watermark::Written), 15);
    drop(wal);
    let path = &segments(&vfs)[0];
    let good = vfs.read(path).unwrap();
    holds(&open(&vfs, &log_dir()), 15);

    let end = good.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let torn = Memory::default();
    let mut bytes = good[..end - 1].to_vec();
    bytes.resize(SEGMENT, 0);
    torn.write(path, bytes);
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
    let maintainer = Maintainer::start(wal.clone()).unwrap();
    let end = wal.append(record(&[1; 2500])).unwrap().end;
    let spare_is_there = || {
        Disk.list(dir.path())
            .unwrap()
            .iter()
            .any(|name| name.contains("spare"))
    };
    while wal.watermarks().durable < end || !spare_is_there() {
        std::thread::yield_now();
    }
    drop(maintainer);
    wal.close().unwrap();
}

#[test]
fn dropping_a_maintainer_makes_buffered_records_durable() {
    let mode = Mode::Buffered {
        interval: Duration::from_hours(1),
        max_bytes: u64::MAX,
    };
    let (wal, _) = Wal::open(Memory::default(), &log_dir(), Options { mode, ..options() }).unwrap();
    let maintainer = Maintainer::start(wal.clone()).unwrap();
    let end = wal.append(record(b"the last word")).unwrap().end;
    drop(maintainer);
    assert!(wal.watermarks().durable >= end);
}

#[test]
fn no_room_for_a_spare_file_closes_no_log() {
    for (call, failure) in [
        (1, Failure::Refused),
        (2, Failure::Partial),
        (3, Failure::Refused),
        (4, Failure::Refused),
    ] {
        let sim = Sim::default();
        let wal = open(&sim, &log_dir());
        // A spare is prepared once half of the segment is full.
        append(&wal, 0, 40);
        sim.plan(Plan::FailAt(call, failure));
        let told = wal.maintain().unwrap_err();
        assert!(
            matches!(told, MaintainError::Spare(_)),
            "call {call}: {told}"
        );
        sim.plan(Plan::Fair);
        let spares = || {
            let names = sim.list(&log_dir()).unwrap();
            names.iter().filter(|name| name.contains(".spare")).count()
        };
        assert_eq!(spares(), 0, "what it took is given back");
        // It is tried again, and not at once: each attempt takes room that is needed elsewhere.
        wal.maintain().unwrap();
        assert_eq!(spares(), 0);
        append(&wal, 40, 60);
        let mut prepared = false;
        for number in 60..200 {
            append(&wal, number, number + 1);
            wal.maintain().unwrap();
            prepared |= spares() > 0;
        }
        assert!(prepared, "call {call}");
        append(&wal, 200, 300);
        holds(&wal, 300);
    }
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

#[test]
fn a_small_log_is_a_few_small_files() {
    let vfs = Memory::default();
    let (wal, _) = Wal::open(vfs.clone(), &log_dir(), Options::default()).unwrap();
    append(&wal, 0, 20);
    wal.maintain().unwrap();
    let size = |vfs: &Memory| {
        let names = vfs.list(&log_dir()).unwrap();
        let bytes = |name: &String| vfs.read(&log_dir().join(name)).unwrap().len();
        names.iter().map(bytes).sum::<usize>()
    };
    assert_eq!(size(&vfs), 64 << 10);
    let large = vec![7; 1 << 20];
    let committed = wal.append(record(&large)).unwrap();
    wal.commit(committed.end).unwrap();
    assert_eq!(size(&vfs), 4 << 20);
    wal.close().unwrap();
    assert!(size(&vfs) < (5 << 20));
}

#[test]
fn a_file_for_the_next_segment_is_prepared_once_this_one_is_half_full() {
    let vfs = Memory::default();
    let wal = open(&vfs, &log_dir());
    append(&wal, 0, 10);
    wal.maintain().unwrap();
    assert_eq!(files_ending(&vfs, ".spare"), 0);
    append(&wal, 10, 40);
    wal.maintain().unwrap();
    wal.maintain().unwrap();
    assert_eq!(files_ending(&vfs, ".spare"), 1);
}
