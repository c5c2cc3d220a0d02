//! Every bit of a small log with snapshots, flipped, under every policy: what opens is a state that
//! the store once had, not older than what policy and damage allow.
//!
//! `MATRIX_STEP=1` flips every bit; without it, every seventh.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::path::Path;

use engine::frame::{Batch, Transaction};
use engine::kv::{self, Change, RecoverError, Store, checkpoint};
use engine::vfs::{Memory, Vfs};
use engine::wal::{Lsn, OpenError, Options, Policy, Wal};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn dir() -> &'static Path {
    Path::new("db")
}

fn options(policy: Policy) -> Options {
    Options {
        segment_bytes: 4096,
        threads: 1,
        policy,
        ..Options::default()
    }
}

fn key(number: u64) -> Vec<u8> {
    format!("k{}", number % 7).into_bytes()
}

fn model(count: u64) -> Model {
    let pairs = (0..count).map(|number| (key(number), number.to_le_bytes().to_vec()));
    pairs.collect()
}

/// Four segments, snapshots after 12 and 24 of 38 records, and no close at the end.
fn small(vfs: &Memory) {
    let (wal, _) = Wal::open(vfs.clone(), dir(), options(Policy::TornTail)).unwrap();
    let mut store = Store::default();
    let mut payload = Vec::new();
    let mut next = 0;
    for round in 0..19 {
        let mut batch = Batch::default();
        let mut transaction = Transaction::default();
        for number in next..next + 2 {
            store.put(&key(number), &number.to_le_bytes());
            let change = Change::put(&mut payload, &key(number), &number.to_le_bytes());
            match round % 3 {
                0 => drop(wal.append(change).unwrap()),
                1 => assert!(batch.push(change)),
                _ => assert!(transaction.push(change)),
            }
        }
        next += 2;
        match round % 3 {
            0 => {}
            1 => drop(wal.append_batch(&batch).unwrap()),
            _ => drop(wal.append_transaction(&transaction).unwrap()),
        }
        wal.sync().unwrap();
        if next == 12 || next == 24 {
            checkpoint(vfs, dir(), &wal, &store.freeze().unwrap(), Lsn(next)).unwrap();
        }
        if [8, 18, 30].contains(&next) {
            wal.clone().close().unwrap();
        }
    }
}

fn contents(store: &Store) -> Model {
    let pairs = store.prefix(b"");
    pairs
        .map(|(key, value)| (key.to_vec(), value.to_vec()))
        .collect()
}

#[test]
fn every_flipped_bit_gives_a_state_that_was_or_an_error() {
    let step = std::env::var("MATRIX_STEP").ok();
    let step = step.and_then(|step| step.parse().ok()).unwrap_or(7);
    let pristine = Memory::default();
    small(&pristine);
    let names = pristine.list(dir()).unwrap();
    let files: Vec<_> = names
        .iter()
        .map(|name| (dir().join(name), pristine.read(&dir().join(name)).unwrap()))
        .collect();
    assert!(files.len() >= 5, "{names:?}");
    let (mut opened, mut refused, mut shorter) = (0, 0, 0);
    for (path, good) in &files {
        let used = good
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |at| at + 1);
        for bit in (0..used * 8).step_by(step) {
            for policy in [Policy::Strict, Policy::TornTail, Policy::PointInTime] {
                let vfs = Memory::default();
                for (path, good) in &files {
                    vfs.write(path, good.clone());
                }
                let mut bad = good.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                vfs.write(path, bad);
                let story = format!("bit {bit} of {}, {policy:?}", path.display());
                match kv::open(vfs.clone(), dir(), options(policy)) {
                    Ok((wal, recovered, recovery)) => {
                        let end = wal.watermarks().durable.0;
                        assert_eq!(contents(&recovery.store), model(end), "{story}: {end}");
                        // Only the bytes of the very last sync can be taken for a torn tail.
                        let least = match policy {
                            Policy::PointInTime => 24,
                            Policy::Strict | Policy::TornTail => 36,
                        };
                        assert!(end >= least, "{story}: {end} records are left");
                        assert!(
                            end == 38 || recovered.cut.is_some() || !recovered.set_aside.is_empty(),
                            "{story}: {end}, silently"
                        );
                        shorter += u32::from(end < 38);
                        opened += 1;
                        drop((wal, recovery));
                        let again = kv::open(vfs, dir(), options(Policy::TornTail)).expect(&story);
                        assert_eq!(
                            contents(&again.2.store),
                            model(end),
                            "{story}: the next time"
                        );
                    }
                    Err(RecoverError::Open(error)) => {
                        // A log that was not closed is none for the strict policy.
                        let is_plain =
                            matches!(error, OpenError::Corrupt(_) | OpenError::Unclean { .. });
                        assert!(is_plain, "{story}: {error}");
                        assert!(policy != Policy::PointInTime, "{story}: {error}");
                        refused += 1;
                    }
                    Err(other) => panic!("{story}: {other}"),
                }
            }
        }
    }
    println!("{opened} opened, {shorter} of them without their end; {refused} refused");
    assert!(opened > 0 && refused > 0 && shorter > 0);
}
