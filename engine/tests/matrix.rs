//! Every bit of a small log with snapshots, flipped, under every policy: what opens is a state that
//! the engine once had, not older than what policy and damage allow.
//!
//! `MATRIX_STEP=1` flips every bit; without it, every seventh.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::path::Path;

use engine::engine::{OpenError, Recovery};
use engine::frame::{Batch, Kind, Record, Transaction};
use engine::vfs::{Memory, Vfs};
use engine::wal::{self, Lsn, Policy, Wal};
use engine::{Engine, Options};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn dir() -> &'static Path {
    Path::new("db")
}

fn log_options(policy: Policy) -> wal::Options {
    wal::Options {
        segment_bytes: 4096,
        threads: 1,
        policy,
        ..wal::Options::default()
    }
}

fn open_engine(vfs: &Memory, policy: Policy) -> Result<(Engine, Recovery), OpenError> {
    let options = Options {
        log: log_options(policy),
        background: false,
        ..Options::default()
    };
    Engine::open_with(vfs.clone(), dir(), options)
}

fn key(number: u64) -> Vec<u8> {
    format!("k{}", number % 7).into_bytes()
}

fn model(count: u64) -> Model {
    let pairs = (0..count).map(|number| (key(number), number.to_le_bytes().to_vec()));
    pairs.collect()
}

/// The payload of a put into the keyspace that is always there; `FORMAT.md` §3.
fn put(number: u64) -> Vec<u8> {
    let key = key(number);
    let key_len = u32::try_from(key.len()).unwrap();
    let head = [&1_u32.to_le_bytes()[..], &[0; 8], &key_len.to_le_bytes()];
    [&head.concat()[..], &key, &number.to_le_bytes()].concat()
}

/// Segments with snapshots after 12 and 24 of 38 records, and no close at the end. Records, batches and
/// transactions take turns.
fn small(vfs: &Memory) {
    let open = || {
        Wal::open(vfs.clone(), dir(), log_options(Policy::TornTail))
            .unwrap()
            .0
    };
    let mut wal = Some(open());
    let mut next = 0;
    for round in 0..19 {
        let log = wal.get_or_insert_with(open);
        let mut batch = Batch::default();
        let mut transaction = Transaction::default();
        for number in next..next + 2 {
            let record = Record {
                kind: Kind::KV_PUT,
                version: 2,
                payload: &put(number),
            };
            match round % 3 {
                0 => drop(log.append(record).unwrap()),
                1 => assert!(batch.push(record)),
                _ => assert!(transaction.push(record)),
            }
        }
        next += 2;
        match round % 3 {
            0 => {}
            1 => drop(log.append_batch(&batch).unwrap()),
            _ => drop(log.append_transaction(&transaction).unwrap()),
        }
        log.sync().unwrap();
        if next == 12 || next == 24 {
            drop(wal.take());
            let (engine, _) = open_engine(vfs, Policy::TornTail).unwrap();
            assert_eq!(engine.checkpoint().unwrap(), Lsn(next));
        }
        if [8, 18, 30].contains(&next) {
            wal.take().unwrap().close().unwrap();
        }
    }
}

fn contents(engine: &Engine) -> Model {
    let space = engine.keyspace("default").unwrap();
    space
        .scan()
        .map(|item| (item.key().to_vec(), item.value().to_vec()))
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
                match open_engine(&vfs, policy) {
                    Ok((engine, recovery)) => {
                        let recovered = recovery.log;
                        let end = recovered.end.0;
                        assert_eq!(contents(&engine), model(end), "{story}: {end}");
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
                        drop(engine);
                        let (again, _) = open_engine(&vfs, Policy::TornTail).expect(&story);
                        assert_eq!(contents(&again), model(end), "{story}: the next time");
                    }
                    Err(OpenError::Log(error)) => {
                        // A log that was not closed is none for the strict policy.
                        let is_plain = matches!(
                            error,
                            wal::OpenError::Corrupt(_) | wal::OpenError::Unclean { .. }
                        );
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
