//! What waits in memory is bounded, and what is verified side by side is judged the same.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::frame::{Kind, OVERHEAD, Record};
use engine::vfs::{Memory, Vfs};
use engine::wal::{Mode, OpenError, Options, Recovered, Wal};

const BUFFER: usize = 1000;
const FRAME: usize = 100 + OVERHEAD;

fn dir() -> &'static Path {
    Path::new("log")
}

fn options(threads: usize) -> Options {
    Options {
        mode: Mode::Buffered {
            interval: Duration::ZERO,
            max_bytes: u64::MAX,
        },
        segment_bytes: 4096,
        buffer_bytes: BUFFER,
        threads,
        ..Options::default()
    }
}

fn append(wal: &Wal<Memory>) {
    let record = Record {
        kind: Kind(0x40),
        version: 1,
        payload: &[7; 100],
    };
    wal.append(record).unwrap();
}

/// Bytes that were accepted and are not written.
fn waiting(wal: &Wal<Memory>) -> usize {
    let marks = wal.watermarks();
    usize::try_from(marks.accepted.0 - marks.written.0).unwrap() * FRAME
}

#[test]
fn an_appender_that_outruns_the_disk_has_to_write() {
    let (wal, _) = Wal::open(Memory::default(), dir(), options(1)).unwrap();
    let mut most = 0;
    for _ in 0..500 {
        append(&wal);
        most = most.max(waiting(&wal));
        assert!(most <= BUFFER, "{most} bytes wait");
    }
    assert!(most > BUFFER - 2 * FRAME, "the buffer is not used: {most}");
    // A write takes what has gathered, not each record for itself.
    let writes = wal.counters().writes;
    assert!(writes < 500 / 4, "{writes} writes");
}

#[test]
fn appenders_side_by_side_cannot_fill_the_memory_either() {
    const APPENDERS: usize = 4;
    let (wal, _) = Wal::open(Memory::default(), dir(), options(1)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..APPENDERS {
            scope.spawn(|| {
                for _ in 0..500 {
                    append(&wal);
                    // One buffer is written while the other is filled, and each may have taken
                    // one record too many from every appender.
                    let most = 2 * (BUFFER + APPENDERS * FRAME);
                    let waiting = waiting(&wal);
                    assert!(waiting <= most, "{waiting} bytes wait");
                }
            });
        }
    });
    wal.sync().unwrap();
    assert_eq!(wal.entries().flatten().count(), 500 * APPENDERS);
}

/// The files of a log of many segments.
fn many_segments() -> Vec<(PathBuf, Vec<u8>)> {
    let vfs = Memory::default();
    let (wal, _) = Wal::open(vfs.clone(), dir(), options(1)).unwrap();
    for _ in 0..600 {
        append(&wal);
    }
    wal.sync().unwrap();
    drop(wal);
    let names = vfs.list(dir()).unwrap().into_iter();
    let paths = names.map(|name| dir().join(name));
    paths
        .map(|path| (path.clone(), vfs.read(&path).unwrap()))
        .collect()
}

fn opened(files: &[(PathBuf, Vec<u8>)], threads: usize) -> Result<Recovered, OpenError> {
    let vfs = Memory::default();
    for (path, bytes) in files {
        vfs.write(path, bytes.clone());
    }
    Ok(Wal::open(vfs, dir(), options(threads))?.1)
}

#[test]
fn however_many_threads_verify_they_find_the_same() {
    let mut files = many_segments();
    assert!(files.len() > 15, "{} segments", files.len());
    let alone = opened(&files, 1).unwrap();
    assert_eq!(alone.records, 600);
    for threads in [2, 3, 50] {
        assert_eq!(opened(&files, threads).unwrap(), alone, "{threads} threads");
    }
    // Of two segments that are damaged, the first is told, whoever comes to it first.
    for index in [9, 4] {
        files[index].1[2000] ^= 1;
    }
    for threads in [1, 2, 3, 50] {
        let Err(OpenError::Corrupt(corruption)) = opened(&files, threads) else {
            panic!("{threads} threads: not refused")
        };
        assert_eq!(corruption.path, files[4].0, "{threads} threads");
    }
}
