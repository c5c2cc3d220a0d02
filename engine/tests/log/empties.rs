//! Nothing appended, nothing twice: segments without records, and handles that close more than once.

use engine::frame::Batch;

use super::*;

/// Names of the files that `Memory` holds for the log, apart from its segments' content.
fn reopened(vfs: &Memory, count: u64) {
    for _ in 0..3 {
        let (wal, recovered) = Wal::open(vfs.clone(), &log_dir(), options()).unwrap();
        assert_eq!(recovered.end, Lsn(count));
        holds(&wal, count);
    }
}

#[test]
fn clones_that_each_close_leave_a_log_that_opens() {
    for count in [0, 1, 2, 50] {
        let vfs = Memory::default();
        let wal = open(&vfs, &log_dir());
        append(&wal, 0, count);
        for _ in 0..4 {
            wal.clone().close().unwrap();
        }
        drop(wal);
        reopened(&vfs, count);
    }
}

#[test]
fn records_appended_between_closes_are_kept() {
    let vfs = Memory::default();
    let wal = open(&vfs, &log_dir());
    for count in 0..20 {
        append(&wal, count, count + 1);
        wal.clone().close().unwrap();
        wal.clone().close().unwrap();
    }
    holds(&wal, 20);
    drop(wal);
    reopened(&vfs, 20);
}

#[test]
fn empty_batch_and_empty_transaction_are_refused() {
    let vfs = Memory::default();
    let wal = open(&vfs, &log_dir());
    let batch = wal.append_batch(&Batch::default()).unwrap_err();
    let transaction = wal.append_transaction(&Transaction::default()).unwrap_err();
    assert!(matches!(batch, AppendError::Empty), "{batch}");
    assert!(matches!(transaction, AppendError::Empty), "{transaction}");
    wal.close().unwrap();
    reopened(&vfs, 0);
    append(&open(&vfs, &log_dir()), 0, 3);
    reopened(&vfs, 3);
}

#[test]
fn truncation_after_two_closes_keeps_the_active_segment() {
    let vfs = Memory::default();
    let wal = open(&vfs, &log_dir());
    wal.clone().close().unwrap();
    wal.clone().close().unwrap();
    append(&wal, 0, 1);
    wal.clone().close().unwrap();
    wal.clone().close().unwrap();
    append(&wal, 1, 2);
    assert_eq!(wal.truncate_below(Lsn(1)).unwrap(), Lsn(1));
    append(&wal, 2, 7);
    drop(wal);
    let (wal, recovered) = Wal::open(vfs, &log_dir(), options()).unwrap();
    assert_eq!((recovered.first, recovered.end), (Lsn(1), Lsn(7)));
    let lsns: Vec<_> = wal.entries().map(|entry| entry.unwrap().lsn.0).collect();
    assert_eq!(lsns, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn truncating_everything_keeps_the_numbers() {
    let vfs = Memory::default();
    let wal = open(&vfs, &log_dir());
    for count in [10, 20, 30] {
        append(&wal, count - 10, count);
        wal.clone().close().unwrap();
        wal.sync().unwrap();
        wal.clone().close().unwrap();
        assert_eq!(wal.truncate_below(Lsn(u64::MAX)).unwrap(), Lsn(count));
        assert_eq!(wal.first_lsn(), Lsn(count));
    }
    drop(wal);
    let (wal, recovered) = Wal::open(vfs, &log_dir(), options()).unwrap();
    assert_eq!((recovered.end, recovered.records), (Lsn(30), 0));
    append(&wal, 30, 31);
}

#[test]
fn file_that_a_segment_would_replace_is_an_error_and_stays() {
    let vfs = Memory::default();
    let wal = open(&vfs, &log_dir());
    append(&wal, 0, 3);
    let next = log_dir().join("00000000000000000001.wal");
    vfs.write(&next, b"somebody else's".to_vec());
    let refused = wal.clone().close().unwrap_err();
    assert_eq!(
        refused.cause.source.kind(),
        std::io::ErrorKind::AlreadyExists
    );
    assert_eq!(vfs.read(&next).unwrap(), b"somebody else's");
    drop(wal);
    vfs.remove(&next).unwrap();
    reopened(&vfs, 3);
}
