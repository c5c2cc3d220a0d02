//! What a log lets go of, and what it makes of the files.

use super::*;

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
    let second = base_lsn(&vfs, &segments(&vfs)[1]);
    assert_eq!(wal.truncate_below(Lsn(second - 1)).unwrap(), Lsn(0));
    assert_eq!(wal.truncate_below(Lsn(second)).unwrap(), Lsn(second));
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
fn a_log_is_not_opened_again_while_its_bytes_are_held() {
    let vfs = Memory::default();
    let wal = open(&vfs, &log_dir());
    append(&wal, 0, 300);
    let held = wal.entries().next().unwrap().unwrap();
    let entries = wal.entries();
    wal.close().unwrap();
    let refused = |what: &str| {
        let refused = Wal::open(vfs.clone(), &log_dir(), options()).unwrap_err();
        assert!(
            matches!(refused, OpenError::Locked { .. }),
            "{what}: {refused}"
        );
    };
    refused("an entry and all entries");
    drop(entries);
    refused("an entry");
    drop(held);
    holds(&open(&vfs, &log_dir()), 300);
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
