//! What a log is when it is opened again, whole or damaged.

use super::*;

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
            let mut bytes = [&good[..len], filler].concat();
            bytes.resize(SEGMENT, 0);
            vfs.write(path, bytes);
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
fn a_lost_length_is_a_torn_tail_and_no_end() {
    let pristine = Memory::default();
    let wal = open(&pristine, &log_dir());
    for number in 0..8 {
        wal.append(record(&payload(number))).unwrap();
    }
    wal.sync().unwrap();
    drop(wal);
    let path = &segments(&pristine)[0];
    let good = pristine.read(path).unwrap();
    let mut begin = HEADER_BYTES;
    for number in 0..8 {
        let vfs = Memory::default();
        let mut bytes = good.clone();
        bytes[begin..begin + 4].fill(0);
        vfs.write(path, bytes);
        let (wal, recovered) = Wal::open(vfs, &log_dir(), options()).unwrap();
        holds(&wal, number);
        assert_eq!(recovered.cut.unwrap().offset, begin as u64);
        begin += payload(number).len() + OVERHEAD;
    }
}

#[test]
fn file_whose_end_was_cut_off_is_no_torn_tail() {
    let pristine = left_behind(20);
    let path = &segments(&pristine)[0];
    let good = pristine.read(path).unwrap();
    for len in HEADER_BYTES..good.len() {
        let vfs = Memory::default();
        vfs.write(path, good[..len].to_vec());
        let (found, expected) = (len as u64, SEGMENT as u64);
        match Wal::open(vfs.clone(), &log_dir(), options()).unwrap_err() {
            OpenError::Corrupt(corruption) => {
                let reason = CorruptionKind::Shortened { expected, found };
                assert_eq!((&corruption.path, corruption.reason), (path, reason));
            }
            other => panic!("{other}"),
        }
        let point_in_time = Options {
            policy: Policy::PointInTime,
            ..options()
        };
        let (wal, recovered) = Wal::open(vfs.clone(), &log_dir(), point_in_time).unwrap();
        assert!(recovered.cut.is_some());
        holds(&wal, recovered.end.0);
        assert_eq!(files_ending(&vfs, ".lost"), 1, "the original is kept");
    }
}

#[test]
fn link_or_directory_in_a_segments_place_is_an_error() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join("log");
    let wal = open(&Disk, &dir);
    append(&wal, 0, 300);
    drop(wal);
    let path = dir.join("00000000000000000001.wal");
    let elsewhere = temporary.path().join("elsewhere");
    std::fs::rename(&path, &elsewhere).unwrap();
    let refused = |what: &str| {
        let refused = Wal::open(Disk, &dir, options()).unwrap_err();
        let OpenError::Io(error) = refused else {
            panic!("{what}: {refused}");
        };
        assert_eq!(error.path, path, "{what}");
        assert!(
            error
                .source
                .to_string()
                .contains("put the file itself here")
        );
        assert!(engine::wal::inspect(&Disk, &dir).is_err(), "{what}");
    };
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    refused("a link");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    refused("a directory");
    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(&elsewhere, &path).unwrap();
    std::fs::create_dir(dir.join("00000000000000000009.tmp")).unwrap();
    holds(&open(&Disk, &dir), 300);
}

#[test]
fn log_whose_directory_was_renamed_writes_into_no_other() {
    let temporary = tempfile::tempdir().unwrap();
    let (old, new) = (temporary.path().join("old"), temporary.path().join("new"));
    let first = open(&Disk, &old);
    append(&first, 0, 10);
    std::fs::rename(&old, &new).unwrap();
    let second = open(&Disk, &old);
    append(&second, 0, 5);
    let mut kept = 10;
    let error = loop {
        let appended = first.append(record(&payload(kept))).unwrap();
        match first.commit(appended.end) {
            Ok(()) => kept += 1,
            Err(WaitError::Poisoned(poisoned)) => break poisoned.cause,
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(error.path, old);
    assert!(error.source.to_string().contains("renamed"), "{error}");
    assert!(first.maintain().is_err());
    append(&second, 5, 200);
    drop((first, second));
    holds(&open(&Disk, &old), 200);
    // The record that met the end of the segment was written, and never acknowledged.
    let (wal, _) = Wal::open(Disk, &new, options()).unwrap();
    let count = wal.watermarks().durable.0;
    assert!(count == kept || count == kept + 1, "{count} of {kept}");
    holds(&wal, count);
}

#[test]
fn power_loss_after_closes_leaves_a_log_that_opens() {
    for fate in 0..200 {
        let sim = Sim::default();
        let wal = open(&sim, &log_dir());
        let mut next = 0;
        for _ in 0..3 {
            append(&wal, next, next + 2);
            next += 2;
            wal.clone().close().unwrap();
            wal.clone().close().unwrap();
            let end = wal.append(record(&payload(next))).unwrap().end;
            next += 1;
            wal.wait_written(end).unwrap();
        }
        let durable = wal.watermarks().durable;
        let (wal, recovered) = Wal::open(sim.crash(fate), &log_dir(), options()).unwrap();
        assert!(
            durable <= recovered.end && recovered.end <= Lsn(next),
            "{fate}"
        );
        holds(&wal, recovered.end.0);
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
        OpenError::Corrupt(corruption) => {
            assert_eq!((&corruption.path, corruption.offset), (path, 64));
        }
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
            OpenError::Corrupt(corruption) => {
                assert_eq!(&corruption.path, path);
                assert!(corruption.offset <= at as u64, "byte {at}: {corruption}");
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
        OpenError::Corrupt(corruption) => assert!(
            matches!(corruption.reason, CorruptionKind::Order { .. }),
            "{corruption}"
        ),
        other => panic!("{other}"),
    }
}

/// What opening a log says with one byte of its first header forged, under each policy.
fn refused_header(at: usize, byte: u8) -> BadHeader {
    let refused = [Policy::Strict, Policy::TornTail, Policy::PointInTime].map(|policy| {
        let vfs = left_behind(3);
        let path = &segments(&vfs)[0];
        let mut bytes = vfs.read(path).unwrap();
        bytes[at] = byte;
        bytes[12..16].fill(0);
        let crc = crc32fast::hash(&bytes[..HEADER_BYTES]);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        vfs.write(path, bytes.clone());
        let options = Options {
            policy,
            ..options()
        };
        let refused = Wal::open(vfs.clone(), &log_dir(), options).unwrap_err();
        assert_eq!(vfs.read(path).unwrap(), bytes, "{policy:?} changed it");
        match refused {
            OpenError::Corrupt(corruption) => match corruption.reason {
                CorruptionKind::Header(bad) => bad,
                other => panic!("{other}"),
            },
            other => panic!("{other}"),
        }
    });
    assert!(refused.iter().all(|bad| *bad == refused[0]));
    refused[0]
}

#[test]
fn header_of_another_engine_is_refused_by_name() {
    assert_eq!(refused_header(8, 1), BadHeader::Outdated);
    assert_eq!(refused_header(8, 3), BadHeader::Version(3));
    assert_eq!(refused_header(10, 1), BadHeader::Flags(1));
}

#[test]
fn forged_number_that_would_overflow_is_refused() {
    assert_eq!(refused_header(31, 0xff), BadHeader::Number);
    assert_eq!(refused_header(23, 0xff), BadHeader::Number);
    let vfs = Memory::default();
    for name in ["18446744073709551615.spare", "18446744073709551615.tmp"] {
        vfs.write(&log_dir().join(name), vec![0; 4096]);
    }
    let wal = open(&vfs, &log_dir());
    wal.maintain().unwrap();
    append(&wal, 0, 300);
    wal.truncate_below(Lsn(200)).unwrap();
    wal.maintain().unwrap();
    append(&wal, 300, 400);
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
    let second = base_lsn(&vfs, &paths[1]);
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
        OpenError::Corrupt(corruption) => {
            assert!(corruption.to_string().contains("the chain"), "{corruption}");
        }
        other => panic!("{other}"),
    }
}
