//! Real processes: killed without warning, and watched from outside.
//!
//! A test starts this very executable again, as a child that runs only [`child`]; what the child
//! is to do stands in its environment.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/record.rs"]
mod record;

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use engine::vfs::Disk;
use engine::wal::{Lsn, Mode, Options, Wal};

use record::record;

const DIR: &str = "ENGINE_TEST_DIR";
const COMMITTERS: &str = "ENGINE_TEST_COMMITTERS";
const COMMITS: u64 = 40;
const KILLS: u64 = 200;

fn options(mode: Mode) -> Options {
    Options {
        mode,
        segment_bytes: 16 << 10,
        buffer_bytes: 4 << 10,
        ..Options::default()
    }
}

fn payload(number: u64) -> Vec<u8> {
    let len = 8 + usize::try_from(number % 200).unwrap();
    number.to_le_bytes().into_iter().cycle().take(len).collect()
}

/// What a child does; without instructions from a parent, nothing.
#[test]
fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    match std::env::var(COMMITTERS) {
        Ok(count) => commit_side_by_side(Path::new(&dir), count.parse().unwrap()),
        Err(_) => acknowledge_for_ever(Path::new(&dir)),
    }
}

/// Appends records without end, and tells the number of each once it is written.
fn acknowledge_for_ever(dir: &Path) {
    let mode = Mode::Buffered {
        interval: std::time::Duration::ZERO,
        max_bytes: 30_000,
    };
    let (wal, recovered) = Wal::open(Disk, dir, options(mode)).unwrap();
    let mut out = std::io::stderr();
    for number in recovered.end.0.. {
        let end = wal.append(record(&payload(number))).unwrap().end;
        wal.wait_written(end).unwrap();
        out.write_all(&number.to_le_bytes()).unwrap();
    }
}

fn commit_side_by_side(dir: &Path, committers: u64) {
    let (wal, _) = Wal::open(Disk, dir, options(Mode::Strict)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..committers {
            scope.spawn(|| {
                for number in 0..COMMITS {
                    let end = wal.append(record(&number.to_le_bytes())).unwrap().end;
                    wal.commit(end).unwrap();
                }
            });
        }
    });
    assert_eq!(wal.watermarks().durable, Lsn(committers * COMMITS));
}

fn as_child(command: &mut Command, dir: &Path) {
    command
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(DIR, dir);
}

fn spawn_writer(dir: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    as_child(&mut command, dir);
    command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn what_was_called_written_survives_any_number_of_kills() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for kill in 0..KILLS {
        let mut writer = spawn_writer(dir.path());
        let mut pipe = writer.stderr.take().unwrap();
        // Not all at the same moment: after 1 to 37 acknowledgements.
        let mut number = [0; 8];
        for _ in 0..=kill * 7 % 37 {
            pipe.read_exact(&mut number).unwrap();
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        let mut rest = Vec::new();
        pipe.read_to_end(&mut rest).unwrap();
        let last = rest
            .chunks_exact(8)
            .last()
            .map_or(number, |last| last.try_into().unwrap());
        acknowledged = u64::from_le_bytes(last) + 1;

        let (wal, recovered) = Wal::open(Disk, dir.path(), options(Mode::Strict)).unwrap();
        assert!(
            recovered.end.0 >= acknowledged,
            "kill {kill}: {} lost",
            recovered.end
        );
        let mut expected = recovered.first.0;
        for entry in wal.entries() {
            let entry = entry.unwrap();
            assert_eq!(entry.lsn, Lsn(expected), "kill {kill}");
            assert_eq!(entry.payload, payload(expected), "kill {kill}");
            expected += 1;
        }
        assert_eq!(expected, recovered.end.0);
        wal.truncate_below(recovered.end).unwrap();
    }
    println!("{KILLS} kills, {acknowledged} records acknowledged, none lost");
}

/// Counts the sync calls of a child in which `committers` threads commit.
fn syncs(committers: u64) -> Option<(usize, usize)> {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let trace = dir.path().join("trace");
    let mut command = Command::new("strace");
    command
        .args(["-f", "-e", "trace=fsync,fdatasync", "-o"])
        .arg(&trace);
    command
        .arg(std::env::current_exe().unwrap())
        .env(COMMITTERS, committers.to_string());
    as_child(&mut command, &log);
    let output = command
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    drop(output);
    let trace = std::fs::read_to_string(trace).unwrap();
    let calls = |name: &str| trace.lines().filter(|line| line.contains(name)).count();
    Some((calls(" fdatasync("), calls(" fsync(")))
}

#[test]
fn a_strict_commit_costs_one_sync_and_sharing_makes_it_less() {
    let Some((file_syncs, dir_syncs)) = syncs(1) else {
        println!("SKIPPED: strace is missing or may not trace; install it to run this test");
        return;
    };
    // One for the header of the first segment, then one a commit.
    assert_eq!(file_syncs as u64, 1 + COMMITS);
    // The directory above may itself have been created by somebody who was killed since.
    assert_eq!(
        dir_syncs, 3,
        "the directory's names and the first segment's"
    );
    let (shared, _) = syncs(8).unwrap();
    let commits = 8 * COMMITS;
    assert!(
        (shared as u64) < commits,
        "{shared} syncs for {commits} commits: nobody ever shared one"
    );
    println!("8 committers: {shared} fdatasyncs for {commits} commits");
}
