//! Repair keeps what is intact, says what it left out, and changes nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/protected.rs"]
mod protected;
#[path = "support/record.rs"]
mod record;
#[path = "support/segments.rs"]
mod segments;

use std::path::Path;
use std::process::Command;

use engine::frame::{Batch, PAYLOAD_BYTES_MAX, Transaction};
use engine::vfs::{Disk, Memory, Vfs};
use engine::wal::{Lsn, OpenError, Options, RepairError, Wal, inspect, repair};

use protected::Protected;
use record::record;
use segments::segments;

fn options() -> Options {
    Options {
        segment_bytes: 4096,
        threads: 1,
        ..Options::default()
    }
}

fn dir() -> &'static Path {
    Path::new("log")
}

/// A hundred records: alone, in batches of five, and in transactions of five.
fn left_behind<V: Vfs>(vfs: &V, dir: &Path) {
    let (wal, _) = Wal::open(vfs.clone(), dir, options()).unwrap();
    for group in (0..100_u64).step_by(5) {
        let payloads =
            (group..group + 5).map(|number| [&number.to_le_bytes()[..], &[7; 60]].concat());
        match group % 3 {
            0 => {
                let mut batch = Batch::default();
                assert!(
                    payloads
                        .into_iter()
                        .all(|payload| batch.push(record(&payload)))
                );
                wal.append_batch(&batch).unwrap();
            }
            1 => {
                let mut transaction = Transaction::default();
                assert!(
                    payloads
                        .into_iter()
                        .all(|payload| transaction.push(record(&payload)))
                );
                wal.append_transaction(&transaction).unwrap();
            }
            _ => payloads.into_iter().for_each(|payload| {
                wal.append(record(&payload)).unwrap();
            }),
        }
        wal.sync().unwrap();
    }
}

fn numbers<V: Vfs>(vfs: &V, dir: &Path) -> Vec<u64> {
    let (wal, _) = Wal::open(vfs.clone(), dir, options()).unwrap();
    let number = |payload: &[u8]| u64::from_le_bytes(payload[..8].try_into().unwrap());
    wal.entries()
        .map(|entry| number(&entry.unwrap().payload))
        .collect()
}

#[test]
fn a_good_log_is_kept_whole() {
    let vfs = Memory::default();
    left_behind(&vfs, dir());
    let report = repair(&vfs, dir(), Path::new("new"), options()).unwrap();
    assert_eq!((report.records, report.gaps), (100, vec![]));
    assert_eq!(
        numbers(&vfs, Path::new("new")),
        (0..100).collect::<Vec<_>>()
    );
}

#[test]
fn damage_anywhere_costs_what_it_hit_and_no_more() {
    let pristine = Memory::default();
    left_behind(&pristine, dir());
    let paths = segments(&pristine, dir());
    let good = pristine.read(&paths[0]).unwrap();
    let used = good.iter().rposition(|byte| *byte != 0).unwrap();
    for at in (64..used).step_by(13) {
        let vfs = Memory::default();
        for path in &paths {
            vfs.write(path, pristine.read(path).unwrap());
        }
        let mut bytes = good.clone();
        bytes[at] ^= 0xff;
        vfs.write(&paths[0], bytes.clone());
        let report = repair(&vfs, dir(), Path::new("new"), options()).unwrap();
        let kept = numbers(&vfs, Path::new("new"));
        assert_eq!(report.records, kept.len() as u64, "byte {at}");
        assert!(
            kept.len() >= 95,
            "byte {at}: only {} of 100 are left",
            kept.len()
        );
        assert!(kept.is_sorted(), "byte {at}: the order has changed");
        assert!(
            kept.len() == 100 || !report.gaps.is_empty(),
            "byte {at}: nothing is reported"
        );
        assert_eq!(
            vfs.read(&paths[0]).unwrap(),
            bytes,
            "the damaged log was touched"
        );
    }
}

#[test]
fn transaction_that_lost_its_commit_is_reported_from_its_beginning() {
    let pristine = Memory::default();
    let (wal, _) = Wal::open(pristine.clone(), dir(), options()).unwrap();
    wal.append(record(&0_u64.to_le_bytes())).unwrap();
    wal.sync().unwrap();
    let path = segments(&pristine, dir()).swap_remove(0);
    let end = |vfs: &Memory| {
        let bytes = vfs.read(&path).unwrap();
        bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1
    };
    let begin = end(&pristine);
    let mut transaction = Transaction::default();
    for number in 1..6_u64 {
        assert!(transaction.push(record(&number.to_le_bytes())));
    }
    wal.append_transaction(&transaction).unwrap();
    wal.append(record(&6_u64.to_le_bytes())).unwrap();
    wal.sync().unwrap();
    let end = end(&pristine);
    let bytes = pristine.read(&path).unwrap();
    let mut without_commit = 0;
    for at in begin..end {
        let vfs = Memory::default();
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        vfs.write(&path, bytes);
        let report = repair(&vfs, dir(), Path::new("new"), options()).unwrap();
        let gaps = &report.gaps;
        let Some(lost) = gaps
            .iter()
            .find(|gap| gap.reason == "a transaction of 5 records has no commit")
        else {
            continue;
        };
        // It begins where its first frame does, and ends where the damage begins.
        without_commit += 1;
        let damage = gaps
            .iter()
            .find(|gap| gap.offset == lost.offset + lost.bytes);
        let damage = damage.unwrap();
        assert!((damage.offset..damage.offset + damage.bytes).contains(&(at as u64)));
        assert!(
            lost.offset >= begin as u64 && lost.bytes > 5 * 8,
            "{report}"
        );
        assert_eq!(numbers(&vfs, Path::new("new")), [0, 6]);
    }
    assert!(without_commit > 10, "{without_commit} bytes of a commit");
}

#[test]
fn record_of_many_megabytes_after_damage_is_kept() {
    let vfs = Memory::default();
    let options = Options {
        segment_bytes: 64 << 20,
        ..options()
    };
    let (wal, _) = Wal::open(vfs.clone(), dir(), options).unwrap();
    wal.append(record(b"damaged")).unwrap();
    let largest = vec![7; PAYLOAD_BYTES_MAX];
    wal.append(record(&largest)).unwrap();
    wal.append(record(b"last")).unwrap();
    wal.sync().unwrap();
    drop(wal);
    let path = segments(&vfs, dir()).swap_remove(0);
    let mut bytes = vfs.read(&path).unwrap();
    bytes[70] ^= 1;
    vfs.write(&path, bytes);
    let report = repair(&vfs, dir(), Path::new("new"), options).unwrap();
    assert_eq!((report.records, report.gaps.len()), (2, 1), "{report}");
    let (wal, _) = Wal::open(vfs, Path::new("new"), options).unwrap();
    let kept: Vec<_> = wal
        .entries()
        .map(|entry| entry.unwrap().payload.len())
        .collect();
    assert_eq!(kept, [PAYLOAD_BYTES_MAX, 4]);
}

#[test]
fn what_lies_beyond_the_end_of_a_sealed_segment_is_no_damage() {
    let vfs = Memory::default();
    left_behind(&vfs, dir());
    // The checksum of the last frame may end with zeros.
    let room = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte != 0).unwrap() + 4;
    let mut paths = segments(&vfs, dir());
    paths.pop();
    let beyond = paths
        .into_iter()
        .map(|path| (vfs.read(&path).unwrap(), path));
    let beyond = beyond.max_by_key(|(bytes, _)| bytes.len() - room(bytes));
    let (mut bytes, path) = beyond.unwrap();
    let end = room(&bytes);
    assert!(end < bytes.len(), "a sealed segment with room left");
    bytes[end..].fill(0xaa);
    vfs.write(&path, bytes);
    let report = repair(&vfs, dir(), Path::new("new"), options()).unwrap();
    assert_eq!((report.records, report.gaps), (100, vec![]));
}

#[test]
fn report_says_where_the_log_began_if_not_with_its_first_record() {
    let vfs = Memory::default();
    left_behind(&vfs, dir());
    let report = repair(&vfs, dir(), Path::new("whole"), options()).unwrap();
    assert_eq!(report.first, Some(Lsn(0)));
    assert!(!report.to_string().contains("began"), "{report}");
    vfs.remove(&segments(&vfs, dir())[0]).unwrap();
    let report = repair(&vfs, dir(), Path::new("rest"), options()).unwrap();
    let first = report.first.unwrap();
    assert_eq!(report.records, 100 - first.0);
    let said = format!("the log began with record {first}: the {first} before it");
    assert!(report.to_string().contains(&said), "{report}");
}

#[test]
fn a_segment_without_a_header_is_left_out_and_reported() {
    let vfs = Memory::default();
    left_behind(&vfs, dir());
    let path = &segments(&vfs, dir())[1];
    vfs.write(path, b"not a segment".to_vec());
    let report = repair(&vfs, dir(), Path::new("new"), options()).unwrap();
    assert_eq!(report.gaps.len(), 1);
    assert_eq!((&report.gaps[0].path, report.gaps[0].bytes), (path, 13));
    assert!(report.records > 40 && report.records < 100);
}

#[test]
fn a_directory_that_is_in_use_is_not_written_to() {
    let vfs = Memory::default();
    left_behind(&vfs, dir());
    let refused = repair(&vfs, dir(), dir(), options()).unwrap_err();
    assert!(matches!(refused, RepairError::NotEmpty { .. }), "{refused}");
}

#[test]
fn log_that_may_only_be_read_is_inspected_and_repaired() {
    let files = Memory::default();
    left_behind(&files, dir());
    let segment = segments(&files, dir()).swap_remove(1);
    let mut bytes = files.read(&segment).unwrap();
    bytes[300] ^= 1;
    files.write(&segment, bytes);
    let contents = |name: String| files.read(&dir().join(name));
    let names = || files.list(dir()).unwrap();
    let before: Vec<_> = names().into_iter().map(contents).collect();
    let vfs = Protected {
        files: files.clone(),
        dir: dir().to_owned(),
    };
    let refused = Wal::open(vfs.clone(), dir(), options()).map(drop);
    assert!(matches!(refused, Err(OpenError::Io(_))), "{refused:?}");
    let reports = inspect(&vfs, dir()).unwrap();
    assert!(reports.iter().any(|report| report.verdict.is_err()));
    let kept = repair(&vfs, dir(), Path::new("new"), options()).unwrap();
    assert!(kept.records > 50 && !kept.gaps.is_empty(), "{kept}");
    assert_eq!(numbers(&vfs, Path::new("new")).len() as u64, kept.records);
    let after: Vec<_> = names().into_iter().map(contents).collect();
    assert_eq!(after, before, "nothing was changed");
}

#[test]
fn inspection_agrees_with_opening() {
    let vfs = Memory::default();
    left_behind(&vfs, dir());
    let before: Vec<_> = segments(&vfs, dir())
        .iter()
        .map(|path| vfs.read(path))
        .collect();
    let reports = inspect(&vfs, dir()).unwrap();
    assert_eq!(
        reports.iter().map(|report| report.records).sum::<u64>(),
        100
    );
    assert!(reports.iter().all(|report| report.verdict.is_ok()));
    assert!(
        reports
            .iter()
            .rev()
            .skip(1)
            .all(|report| report.stop.is_none()),
        "sealed"
    );
    assert!(reports.last().unwrap().stop.is_some());

    let path = &segments(&vfs, dir())[0];
    let mut bytes = vfs.read(path).unwrap();
    bytes[100] ^= 1;
    vfs.write(path, bytes);
    let inspected = inspect(&vfs, dir())
        .unwrap()
        .remove(0)
        .verdict
        .unwrap_err()
        .to_string();
    let opened = Wal::open(vfs.clone(), dir(), options()).unwrap_err();
    assert!(matches!(opened, OpenError::Corrupt(_)));
    assert_eq!(inspected, opened.to_string());
    assert_eq!(
        vfs.read(path).unwrap().len(),
        before[0].as_ref().unwrap().len()
    );
}

/// Runs the example, which is built beside the tests, as its header shows it.
fn wal(arguments: &[&str]) -> (Option<i32>, String) {
    let this = std::env::current_exe().unwrap();
    let example = this
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples/wal");
    let output = Command::new(&example).args(arguments).output();
    let output = output.expect("the example is built with `cargo build -p engine --examples`");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn the_example_inspects_verifies_and_repairs() {
    let temporary = tempfile::tempdir().unwrap();
    let log = temporary.path().join("log");
    let path = log.to_str().unwrap();
    left_behind(&Disk, &log);
    let (code, text) = wal(&["inspect", path]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("good: ") && text.contains("100 intact records"),
        "{text}"
    );

    let first = log.join("00000000000000000000.wal");
    let mut bytes = std::fs::read(&first).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&first, bytes).unwrap();
    let (code, text) = wal(&["verify", path]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("is corrupt at byte 64") && text.contains("repair DIR"),
        "{text}"
    );

    let (code, text) = wal(&["repair", path]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("left out: ") && text.contains("95 records kept"),
        "{text}"
    );
    let repaired = temporary.path().join("log.repaired");
    assert!(repaired.join("repair-report.txt").exists());
    assert_eq!(wal(&["verify", repaired.to_str().unwrap()]).0, Some(0));

    assert_eq!(
        wal(&["repair", path]).0,
        Some(2),
        "the new directory is not empty"
    );
    assert_eq!(
        wal(&["verify", temporary.path().to_str().unwrap()]).0,
        Some(2),
        "no log"
    );
    assert_eq!(wal(&[]).0, Some(2), "usage");
}
