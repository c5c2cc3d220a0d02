//! Transactions over a table and a keyspace that mirrors it: model, crashes at every call, and what is
//! refused.
//!
//! Each transaction writes what it does to the table into the keyspace too. Whatever happens, both say
//! the same, and what the model says after some number of commits, not fewer than were durable.

mod rules;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::crash::{self, History, Known};
use super::item::Item;
use super::map_persister::MapPersister;
use super::world::{Model, Operation, World, by_hand};
use crate::crash_test::{Checked, Script, crash_everywhere, ensure, fail_everywhere};
use crate::engine::{CommitError, Committed, Engine, Keyspace, Transaction};
use crate::memtable::{Record, WriteError};
use crate::random::SplitMix64;
use crate::vfs::{Failure, Sim};
use crate::wal::Lsn;

pub(super) use self::rules::{conflict_leaves_the_table_alone, read_is_validated};

/// An engine, a table over it, and the keyspace that says the same as the table.
struct Both {
    engine: Engine,
    world: World,
    journal: Keyspace,
}

/// What a transaction does to a key.
#[derive(Debug, Clone)]
enum Step {
    Put(Item),
    Insert(Item),
    Update(Item),
    Delete(u8),
    Get(u8),
}

fn open(sim: &Sim, seed: u64, persister: &MapPersister) -> Result<Both, String> {
    let engine = crash::open(sim, seed)?;
    let log = Arc::new(engine.clone());
    let world = World::over_log(log, persister.clone(), by_hand())?;
    let journal = engine.keyspace("default");
    let journal = journal.map_err(|error| error.to_string())?;
    Ok(Both {
        engine,
        world,
        journal,
    })
}

fn encoded(item: &Item) -> Vec<u8> {
    let mut bytes = Vec::new();
    item.encode(&mut bytes);
    bytes
}

/// A few steps of random numbers.
fn steps(random: &mut SplitMix64) -> Vec<Step> {
    let step = |random: &mut SplitMix64| {
        let [_, b, c, d, what, ..] = random.next_u64().to_le_bytes();
        let Operation::Put(item) = Operation::of([0, b, c, d]) else {
            return Step::Get(b);
        };
        match what % 8 {
            0..=2 => Step::Put(item),
            3 => Step::Insert(item),
            4 => Step::Update(item),
            5 | 6 => Step::Delete(item.id),
            _ => Step::Get(item.id),
        }
    };
    (0..=random.below(4)).map(|_| step(random)).collect()
}

/// What the steps leave, or that they must be refused.
fn expected(model: &Model, steps: &[Step]) -> Option<BTreeMap<u8, Option<Item>>> {
    let mut after = model.clone();
    let mut written = BTreeMap::new();
    for step in steps {
        match step {
            Step::Get(_) => {}
            Step::Insert(item) if after.contains_key(&item.id) => return None,
            Step::Update(item) if !after.contains_key(&item.id) => return None,
            Step::Put(item) | Step::Insert(item) | Step::Update(item) => {
                after.insert(item.id, item.clone());
                written.insert(item.id, Some(item.clone()));
            }
            Step::Delete(id) => {
                after.remove(id);
                written.insert(*id, None);
            }
        }
    }
    let is_unique = |item: &Item| {
        let same = |other: &Item| other.id != item.id && other.email == item.email;
        item.email.is_none() || !after.values().any(same)
    };
    written.values().flatten().all(is_unique).then_some(written)
}

impl Both {
    /// Runs the steps as one transaction, which gives up at its end if `is_given_up`.
    fn transact(
        &self,
        steps: &[Step],
        is_given_up: bool,
    ) -> Result<Committed<Vec<Option<Item>>>, CommitError> {
        let table = &self.world.table;
        self.engine.transaction(|tx| {
            let mut read = Vec::new();
            let mirror = |tx: &mut Transaction<'_>, item: &Item| {
                tx.put(&self.journal, &[b'i', item.id], &encoded(item))
            };
            for step in steps {
                match step {
                    Step::Put(item) => table.put_in(tx, item.clone())?,
                    Step::Insert(item) => table.insert_in(tx, item.clone())?,
                    Step::Update(item) => table.update_in(tx, item.clone())?,
                    Step::Delete(id) => {
                        table.delete_in(tx, id)?;
                        tx.delete(&self.journal, &[b'i', *id])?;
                    }
                    Step::Get(id) => {
                        let found = table.get_in(tx, id)?;
                        read.push(found.map(|item| Item::clone(&item)));
                    }
                }
                if let Step::Put(item) | Step::Insert(item) | Step::Update(item) = step {
                    mirror(tx, item)?;
                }
            }
            if is_given_up {
                return Err(CommitError::abort("as told"));
            }
            Ok(read)
        })
    }

    /// Runs a random transaction and compares. Answers whether the log goes on.
    fn step(&mut self, random: &mut SplitMix64, history: &mut History) -> Result<bool, String> {
        let steps = steps(random);
        let is_given_up = random.below(8) == 0;
        let begun = self.ends().0;
        let expected = expected(&self.world.model, &steps);
        let done = self.transact(&steps, is_given_up);
        let mut after = self.world.model.clone();
        let written = expected.clone().unwrap_or_default();
        for (id, item) in written.clone() {
            match item {
                Some(item) => drop(after.insert(id, item)),
                None => drop(after.remove(&id)),
            }
        }
        match done {
            Ok(committed) => {
                ensure!(!is_given_up, "{steps:?} commits, and was given up");
                ensure!(expected.is_some(), "{steps:?} is not refused");
                history.push((committed.end, after.clone()));
                self.world.model = after;
                self.check_reads(&steps, &committed.value)?;
            }
            Err(CommitError::Aborted(cause)) => {
                let cause = cause.downcast::<WriteError>();
                let is_stalled = matches!(cause.as_deref(), Ok(WriteError::Stalled { .. }));
                ensure!(
                    is_given_up || is_stalled || expected.is_none(),
                    "{steps:?} is refused: {cause:?}"
                );
                ensure!(self.ends().0 == begun, "{steps:?} left records");
            }
            // It was refused, and may be in the log: one record in each for a key.
            Err(CommitError::Append(_) | CommitError::NotDurable(_)) => {
                history.push((Lsn(begun.0 + 2 * written.len() as u64), after));
                return Ok(false);
            }
            Err(error) => return Err(format!("{steps:?}: {error}")),
        }
        Ok(true)
    }

    /// A read sees what was there before the transaction, or what its own steps did.
    fn check_reads(&self, steps: &[Step], read: &[Option<Item>]) -> Checked {
        let reads = steps.iter().filter(|step| matches!(step, Step::Get(_)));
        ensure!(reads.count() == read.len(), "a read has no answer");
        let last = steps.iter().rposition(|step| !matches!(step, Step::Get(_)));
        let after = &steps[last.map_or(0, |last| last + 1)..];
        let first = read.len() - after.len();
        for (step, found) in after.iter().zip(&read[first..]) {
            let Step::Get(id) = step else { continue };
            let expected = self.world.model.get(id);
            ensure!(found.as_ref() == expected, "read {found:?} of {id}");
        }
        Ok(())
    }

    fn ends(&self) -> (Lsn, Lsn) {
        let marks = self.engine.watermarks();
        marks.map_or((Lsn(0), Lsn(0)), |it| (it.accepted, it.durable))
    }

    /// Table, keyspace and model say the same.
    fn check(&self) -> Checked {
        self.world.check()?;
        let found: BTreeMap<_, _> = self
            .journal
            .scan()
            .map(|it| (it.key()[1], it.value().to_vec()))
            .collect();
        let model = &self.world.model;
        let expected: BTreeMap<_, _> = model.iter().map(|(id, it)| (*id, encoded(it))).collect();
        ensure!(
            found == expected,
            "the keyspace has {found:?}, not {expected:?}"
        );
        Ok(())
    }
}

/// Works until the disk fails, and answers with what was durable by then.
fn run(
    sim: &Sim,
    seed: u64,
    len: usize,
    persister: &MapPersister,
    history: &mut History,
) -> Result<Lsn, String> {
    let mut random = SplitMix64::new(seed);
    let mut durable = Lsn(0);
    // Whether it can be opened on a good disk is checked afterwards.
    let Ok(mut both) = open(sim, seed, persister) else {
        return Ok(durable);
    };
    for _ in 0..len {
        match random.below(24) {
            0 => drop(both.engine.checkpoint()),
            1 => {
                if both.engine.durable().is_err() {
                    return Ok(durable);
                }
                let model = std::mem::take(&mut both.world.model);
                drop(both);
                let Ok(again) = open(sim, seed, persister) else {
                    return Ok(durable);
                };
                both = again;
                both.world.model = model;
                both.check()?;
            }
            2..=4 => drop(both.world.table.rotate()),
            5 | 6 => drop(both.world.table.flush(Duration::MAX)),
            _ => {
                if !both.step(&mut random, history)? {
                    return Ok(durable);
                }
            }
        }
        durable = durable.max(both.ends().1);
    }
    both.check()?;
    Ok(durable)
}

/// Opens what the disk kept, and compares it with the state after the last commit that it has.
fn check(disk: &Sim, seed: u64, known: &Known) -> Checked {
    let mut both = open(disk, seed, &known.persister.copy())?;
    let (count, durable) = (both.ends().0, known.durable);
    ensure!(
        count >= durable,
        "{count} records of {durable} durable ones"
    );
    let upto = known.history.iter().take_while(|(end, _)| *end <= count);
    let model = upto.last().map(|(_, model)| model.clone());
    both.world.model = model.unwrap_or_default();
    let at = |what| format!("recovered {count} records: {what}");
    both.check().map_err(at)?;
    // It can be used.
    both.step(&mut SplitMix64::new(seed), &mut History::new())?;
    both.check().map_err(at)
}

/// Both at work.
struct Work {
    seed: u64,
    len: usize,
}

impl Script for Work {
    type Known = Known;

    fn run(&self, sim: &Sim) -> Result<Known, String> {
        let (persister, mut history) = (MapPersister::default(), History::new());
        let durable = run(sim, self.seed, self.len, &persister, &mut history)?;
        Ok(Known {
            persister,
            history,
            durable,
        })
    }

    fn check(&self, disk: &Sim, known: &Known) -> Checked {
        let story = |what| format!("seed {}: {what}", self.seed);
        check(disk, self.seed, known).map_err(story)
    }
}

/// Crashes at every call of the engine's disk.
pub(super) fn crashed(seed: u64, len: usize, fates: &[u64]) -> Checked {
    crash_everywhere(&Work { seed, len }, 1, fates).map(drop)
}

/// A script on a good disk.
pub(super) fn calm(seed: u64) -> Checked {
    let persister = MapPersister::default();
    let ran = run(&Sim::default(), seed, 150, &persister, &mut History::new());
    ran.map(drop)
}

#[test]
fn a_table_and_a_keyspace_stay_alike_by_transactions() {
    for seed in 0..100 {
        assert_eq!(calm(seed), Ok(()), "seed {seed}");
    }
}

#[test]
fn a_crash_at_any_call_tears_no_transaction() {
    for seed in 0..2 {
        assert_eq!(crashed(seed, 60, &[0, 1, 3]), Ok(()));
    }
}

#[test]
fn a_failure_of_any_call_tears_no_transaction() {
    for seed in 0..2 {
        let tried = fail_everywhere(&Work { seed, len: 40 }, 1, &[Failure::Partial], seed);
        assert_eq!(tried.map(drop), Ok(()));
    }
}
