//! A workload as steps that follow from a seed, run on an engine and on the model.

use std::collections::BTreeMap;

use super::model::{HOLDING, KEYS, Model, NAMES, SAVED, check_state, key};
use super::open::{Opened, open};
use crate::engine::CommitError;
use crate::random::SplitMix64;
use crate::vfs::{Sim, Vfs};
use crate::wal::{Lsn, Mode};

/// How a script ended.
pub(super) type Ended = Result<Result<(), ()>, String>;

/// Runs a script of `len` steps, keeping `model` up to date. Ends where the engine fails.
pub(super) fn run(sim: &Sim, seed: u64, len: usize, model: &mut Model) -> Ended {
    let Ok(mut opened) = open(sim, seed) else {
        return Ok(Err(()));
    };
    let mut random = SplitMix64::new(seed);
    for _ in 0..len {
        let done = match random.below(24) {
            0 => opened.engine.checkpoint().map(drop).map_err(|_| None),
            1 => {
                sim.advance(random.below(200));
                opened.engine.maintain().map_err(|_| None)
            }
            2..=4 => {
                check_state(&opened, model, sim)?;
                Ok(())
            }
            5 => conflicts(&opened, model)?,
            6 => {
                if random.below(2) == 0 && opened.engine.close().is_err() {
                    return Ok(Err(()));
                }
                drop(opened);
                let Ok(again) = open(sim, seed) else {
                    return Ok(Err(()));
                };
                check_state(&again, model, sim)?;
                model.settle(again.engine.stats().next.0);
                opened = again;
                Ok(())
            }
            7..=13 => one(&opened, model, &mut random, sim),
            _ => several(&mut opened, model, &mut random, sim),
        };
        match done {
            Ok(()) => {}
            // A checkpoint that failed costs nothing, unless the log failed.
            Err(None) if opened.engine.durable().is_ok() => {}
            Err(_) => return Ok(Err(())),
        }
        if let Some(marks) = opened.engine.watermarks() {
            // In Buffered a commit is acknowledged before it is durable.
            model.durable = match opened.engine.mode() {
                Mode::Strict => model.next,
                _ => model.durable.max(marks.durable.0),
            };
        }
    }
    check_state(&opened, model, sim)?;
    Ok(Ok(()))
}

/// What a step answers: of a commit the error, of a checkpoint none.
type Step = Result<(), Option<CommitError>>;

fn expiry(random: &mut SplitMix64, sim: &Sim) -> u64 {
    match random.below(3) {
        0 => sim.now_us() + 1 + random.below(300),
        _ => 0,
    }
}

/// One change, without a transaction.
fn one(opened: &Opened, model: &mut Model, random: &mut SplitMix64, sim: &Sim) -> Step {
    let (number, key) = (0, key(random.below(KEYS)));
    let space = &opened.spaces[&number];
    let value = (random.below(4) > 0).then(|| (vec![7; 1 + number], expiry(random, sim)));
    let place = (number, key.clone());
    model.attempt(0, BTreeMap::from([(place, value.clone())]), None);
    let done = match value {
        Some((value, expires_us)) => space.put_until(&key, &value, expires_us),
        None => space.delete(&key),
    };
    done.map(drop).map_err(Some)
}

/// Several changes in one transaction, over all keyspaces and both views.
fn several(opened: &mut Opened, model: &mut Model, random: &mut SplitMix64, sim: &Sim) -> Step {
    let create = (1..3).find(|number| !opened.spaces.contains_key(number));
    let create = create.filter(|_| random.below(2) == 0);
    let mut changes = BTreeMap::new();
    for _ in 0..=random.below(5) {
        let number = usize::try_from(random.below(3)).unwrap_or(0);
        let is_there = opened.spaces.contains_key(&number) || create == Some(number);
        let len = usize::try_from(random.below(60)).unwrap_or(0);
        let value = (random.below(3) > 0)
            .then(|| (vec![number.to_le_bytes()[0]; len], expiry(random, sim)));
        if is_there {
            changes.insert((number, key(random.below(KEYS))), value);
        }
    }
    let record = 1 + random.below(100).to_le_bytes()[0];
    // The holder says so each time, so that every transaction has a record of the system.
    let before = 1 + u64::from(create.is_some());
    model.attempt(before, changes.clone(), Some(record));
    let mut spaces = opened.spaces.clone();
    let done = opened.engine.transaction(|tx| {
        if let Some(number) = create {
            spaces.insert(number, tx.keyspace(NAMES[number])?);
        }
        for ((number, key), value) in &changes {
            let space = &spaces[number];
            match value {
                Some((value, expires_us)) => tx.put_until(space, key, value, *expires_us)?,
                None => tx.delete(space, key)?,
            }
        }
        tx.record(SAVED, 1, &[record])?;
        tx.record(HOLDING, 1, &[record])?;
        tx.hold("holding", Lsn(0))
    });
    if done.is_ok() {
        opened.spaces = spaces;
    }
    done.map(drop).map_err(Some)
}

/// Transactions that must not commit, because what they read changed: a key, and a range.
fn conflicts(opened: &Opened, model: &mut Model) -> Result<Step, String> {
    let space = &opened.spaces[&0];
    for is_scan in [false, true] {
        let place = (0, key(3));
        let change = Some((b"other".to_vec(), 0));
        model.attempt(0, BTreeMap::from([(place, change)]), None);
        let mut other = Ok(Lsn(0));
        let done = opened.engine.transaction(|tx| {
            if is_scan {
                assert!(
                    tx.scan(space).all(|item| !item.key().is_empty()),
                    "no key is empty"
                );
            } else {
                drop(tx.get(space, &key(3)));
            }
            other = space.put(&key(3), b"other");
            tx.put(space, &key(4), b"lost update")
        });
        if let Err(error) = other {
            return Ok(Err(Some(error)));
        }
        match done {
            Err(error) if error.is_conflict() => {}
            Err(error) => return Ok(Err(Some(error))),
            Ok(_) => return Err("a transaction committed although what it read had changed".into()),
        }
    }
    Ok(Ok(()))
}
