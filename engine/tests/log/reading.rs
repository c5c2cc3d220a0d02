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
