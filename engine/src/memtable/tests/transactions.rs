//! Transactions over a table and a keyspace that mirrors it: model, crashes at every call, and what is
//! refused.
//!
//! Each transaction writes what it does to the table into the keyspace too. Whatever happens, both say
//! the same, and what the model says after some number of commits, not fewer than were durable.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::item::{Item, Panics, email, panicking};
use super::map_persister::MapPersister;
use super::world::{Checked, Model, Operation, World, by_hand, ensure};
use crate::engine::{self, CommitError, Committed, Engine, Keyspace, Transaction};
use crate::memtable::{Memtable, NoopPersister, Record, WriteError, view};
use crate::random::SplitMix64;
use crate::vfs::{Failure, Plan, Sim};
use crate::wal::{self, Lsn, Mode};

/// The state after each commit.
type History = Vec<(Lsn, Model)>;

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
    let buffered = Mode::Buffered {
        interval: Duration::ZERO,
        max_bytes: 700,
    };
    let options = engine::Options {
        log: wal::Options {
            mode: [Mode::Strict, buffered][usize::from(seed % 2 == 1)],
            segment_bytes: 4096,
            buffer_bytes: 200,
            threads: 1,
            ..wal::Options::default()
        },
        checkpoint_bytes: None,
        checkpoint_interval: None,
        background: false,
        views: vec![view()],
        ..engine::Options::default()
    };
    let opened = Engine::open_with(sim.clone(), Path::new("db"), options);
    let (engine, _) = opened.map_err(|error| error.to_string())?;
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
fn check(
    disk: &Sim,
    seed: u64,
    persister: &MapPersister,
    durable: Lsn,
    history: &History,
) -> Checked {
    let mut both = open(disk, seed, persister)?;
    let count = both.ends().0;
    ensure!(
        count >= durable,
        "{count} records of {durable} durable ones"
    );
    let upto = history.iter().take_while(|(end, _)| *end <= count);
    let model = upto.last().map(|(_, model)| model.clone());
    both.world.model = model.unwrap_or_default();
    let at = |what| format!("recovered {count} records: {what}");
    both.check().map_err(at)?;
    // It can be used.
    both.step(&mut SplitMix64::new(seed), &mut History::new())?;
    both.check().map_err(at)
}

/// Crashes at every call of the engine's disk.
pub(super) fn crash_everywhere(seed: u64, len: usize, fates: &[u64]) -> Checked {
    for call in 1.. {
        let sim = Sim::default();
        sim.plan(Plan::CrashAt(call));
        let (persister, mut history) = (MapPersister::default(), History::new());
        let story = |what| format!("seed {seed}, crash at call {call}: {what}");
        let durable = run(&sim, seed, len, &persister, &mut history).map_err(story)?;
        for &fate in fates {
            let disk = sim.crash(fate);
            check(&disk, seed, &persister.copy(), durable, &history).map_err(story)?;
        }
        if !sim.has_crashed() {
            return Ok(());
        }
    }
    Ok(())
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
        assert_eq!(crash_everywhere(seed, 60, &[0, 1, 3]), Ok(()));
    }
}

#[test]
fn a_failure_of_any_call_tears_no_transaction() {
    for seed in 0..2 {
        let sim = Sim::default();
        let (persister, mut history) = (MapPersister::default(), History::new());
        run(&sim, seed, 40, &persister, &mut history).expect("the disk is good");
        for call in 1..=sim.calls().all {
            let sim = Sim::default();
            sim.plan(Plan::FailAt(call, Failure::Partial));
            let (persister, mut history) = (MapPersister::default(), History::new());
            let durable = run(&sim, seed, 40, &persister, &mut history);
            let durable = durable.expect("a failed call is no contradiction");
            sim.plan(Plan::Fair);
            let checked = check(&sim.crash(seed), seed, &persister, durable, &history);
            assert_eq!(checked, Ok(()), "seed {seed}, failure at call {call}");
        }
    }
}

fn fresh() -> Both {
    open(&Sim::default(), 0, &MapPersister::default()).expect("a good disk")
}

fn with_email(id: u8, number: u8) -> Item {
    Item {
        email: Some(number),
        ..Item::new(id)
    }
}

/// The cause of a transaction that was given up.
fn cause(done: Result<impl std::fmt::Debug, CommitError>) -> WriteError {
    match done {
        Err(CommitError::Aborted(cause)) => *cause.downcast().expect("a table's error"),
        other => panic!("{other:?}"),
    }
}

/// Somebody else changes a record between a transaction's read of it and its commit.
pub(super) fn read_is_validated() -> Checked {
    for is_rotated in [false, true] {
        for is_there in [false, true] {
            let both = fresh();
            let table = &both.world.table;
            if is_there {
                table.put(Item::new(1)).map_err(|error| error.to_string())?;
            }
            if is_rotated {
                table.rotate();
            }
            let mut attempts = 0;
            let done = both.engine.retry(3, |tx| {
                let found = table.get_in(tx, &1)?;
                attempts += 1;
                if attempts == 1 {
                    table.put(with_email(1, 5))?;
                }
                let email = found.and_then(|it| it.email).unwrap_or(0);
                tx.put(&both.journal, b"seen", &[email])
            });
            ensure!(done.is_ok(), "{done:?}");
            let seen = both.journal.get(b"seen").map(|it| it[0]);
            ensure!(
                attempts == 2 && seen == Some(5),
                "{attempts} attempts, saw {seen:?} ({is_rotated}, {is_there})"
            );
        }
    }
    Ok(())
}

#[test]
fn what_a_transaction_read_of_a_table_is_validated() {
    assert_eq!(read_is_validated(), Ok(()));
}

#[test]
fn read_that_nobody_disturbs_commits_at_once() {
    let both = fresh();
    let table = &both.world.table;
    table.put(Item::new(1)).expect("it is open");
    let done = both.engine.transaction(|tx| {
        assert!(table.get_in(tx, &1)?.is_some() && table.get_in(tx, &2)?.is_none());
        table.put_in(tx, Item::new(2))?;
        table.delete_in(tx, &1)?;
        assert!(table.get_in(tx, &1)?.is_none() && table.get_in(tx, &2)?.is_some());
        assert!(
            table.get(&1).expect("memory").is_some(),
            "not committed yet"
        );
        tx.put(&both.journal, b"key", b"value")
    });
    let done = done.expect("it commits");
    assert_eq!(
        done.end.0 - done.first.0,
        3,
        "three records in one transaction"
    );
    assert!(table.get(&1).expect("memory").is_none());
}

#[test]
fn two_records_can_swap_their_unique_keys_and_not_share_one() {
    let both = fresh();
    let table = &both.world.table;
    let put = |items: [Item; 2]| {
        both.engine.transaction(|tx| {
            tx.put(&both.journal, b"tried", b"yes")?;
            for item in items {
                table.put_in(tx, item)?;
            }
            Ok(())
        })
    };
    put([with_email(1, 1), with_email(2, 2)]).expect("they differ");
    put([with_email(1, 2), with_email(2, 1)]).expect("a swap");
    let found = table.get_unique(0, email(1).as_str()).expect("memory");
    assert_eq!(found.expect("it is there").id, 2);
    both.journal.delete(b"tried").expect("it is open");
    let refused = cause(put([with_email(3, 3), with_email(4, 3)]));
    assert!(matches!(refused, WriteError::NotUnique { index: "email" }));
    // Of generations too, and of the persister.
    table.rotate();
    let refused = cause(put([with_email(3, 1), Item::new(4)]));
    assert!(matches!(refused, WriteError::NotUnique { .. }));
    put([with_email(1, 1), with_email(2, 2)]).expect("a swap over a rotation");
    table.flush(Duration::MAX).expect("the persister is well");
    let refused = cause(put([with_email(3, 1), Item::new(4)]));
    assert!(matches!(refused, WriteError::NotUnique { .. }));
    put([with_email(1, 2), with_email(2, 1)]).expect("a swap over a flush");
    assert!(table.get(&3).expect("memory").is_none());
    assert_eq!(both.journal.get(b"tried").expect("of the swap"), b"yes");
}

#[test]
fn transaction_that_is_refused_leaves_nothing_in_table_keyspace_or_log() {
    let both = fresh();
    let table = &both.world.table;
    table.put(with_email(1, 1)).expect("it is open");
    let before = both.ends().0;
    let try_with = |change: &dyn Fn(&mut Transaction<'_>) -> Result<(), WriteError>| {
        cause(both.engine.transaction(|tx| {
            tx.put(&both.journal, b"key", b"value")?;
            table.put_in(tx, Item::new(9))?;
            change(tx)?;
            Ok(())
        }))
    };
    let insert = try_with(&|tx| table.insert_in(tx, Item::new(1)));
    assert!(matches!(insert, WriteError::KeyExists));
    let update = try_with(&|tx| table.update_in(tx, Item::new(2)));
    assert!(matches!(update, WriteError::KeyNotFound));
    let twice = try_with(&|tx| table.insert_in(tx, Item::new(9)));
    assert!(matches!(twice, WriteError::KeyExists));
    let gone = try_with(&|tx| {
        table.delete_in(tx, &1)?;
        table.update_in(tx, Item::new(1))
    });
    assert!(matches!(gone, WriteError::KeyNotFound));
    let panics = try_with(&|tx| panicking(Panics::Encode, || table.put_in(tx, Item::new(3))));
    assert!(matches!(panics, WriteError::RecordPanicked { .. }));
    assert_eq!(both.ends().0, before);
    assert!(both.journal.is_empty() && table.get(&9).expect("memory").is_none());
    // Deleted and inserted again is one change.
    let again = both.engine.transaction(|tx| {
        table.delete_in(tx, &1)?;
        table.insert_in(tx, with_email(1, 2))?;
        Ok(())
    });
    again.expect("it is absent by then");
    assert_eq!(both.ends().0, Lsn(before.0 + 1));
}

/// A keyspace's read conflicts, after the table was locked.
pub(super) fn conflict_leaves_the_table_alone() -> Checked {
    let both = fresh();
    let table = &both.world.table;
    let done = both.engine.transaction(|tx| {
        let _ = tx.get(&both.journal, b"key");
        table.put_in(tx, Item::new(1))?;
        both.journal.put(b"key", b"meanwhile").map(drop)
    });
    ensure!(matches!(done, Err(CommitError::Conflict(_))), "{done:?}");
    let found = table.get(&1).map_err(|error| error.to_string())?;
    ensure!(found.is_none(), "the table has {found:?}");
    // Its locks are free.
    table.put(Item::new(1)).map_err(|error| error.to_string())
}

#[test]
fn conflict_in_a_keyspace_leaves_the_table_alone() {
    assert_eq!(conflict_leaves_the_table_alone(), Ok(()));
}

#[test]
fn table_of_another_engine_or_of_none_is_refused() {
    let (both, other) = (fresh(), fresh());
    let persister = NoopPersister::default();
    let alone: Memtable<Item> = Memtable::in_memory(persister, by_hand()).expect("it opens");
    for table in [&other.world.table, &alone] {
        let done = both.engine.transaction(|tx| {
            assert!(table.get_in(tx, &1).is_err());
            Ok(table.put_in(tx, Item::new(1))?)
        });
        assert!(matches!(cause(done), WriteError::NotOfEngine { .. }));
    }
}

#[test]
fn closed_table_refuses_a_transaction_that_would_change_it() {
    let both = fresh();
    let table = &both.world.table;
    let done = both.engine.transaction(|tx| {
        table.put_in(tx, Item::new(1))?;
        table.close(Duration::MAX).expect("the persister is well");
        tx.put(&both.journal, b"key", b"value")
    });
    assert!(matches!(cause(done), WriteError::Closed));
    assert!(both.journal.is_empty());
}

#[test]
fn transaction_fills_a_generation_like_any_other_write() {
    let both = fresh();
    let table = &both.world.table;
    let put = |ids: std::ops::Range<u8>| {
        both.engine.transaction(|tx| {
            for id in ids {
                table.put_in(tx, Item::new(id))?;
            }
            Ok(())
        })
    };
    put(0..6).expect("there is room");
    assert_eq!(table.status().immutables, 1, "five records fill it");
    both.world.persister.refuse();
    for _ in 0..3 {
        put(0..6).expect("there is room");
    }
    assert!(matches!(cause(put(0..1)), WriteError::Stalled { .. }));
}

#[test]
fn table_over_an_engine_in_memory_joins_its_transactions() {
    let engine = Engine::in_memory();
    let space = engine.keyspace("default").expect("it is always there");
    let table: Memtable<Item> =
        Memtable::open("items", engine.clone(), NoopPersister::default(), by_hand())
            .expect("it opens");
    let done = engine.transaction(|tx| {
        table.insert_in(tx, Item::new(1))?;
        tx.put(&space, b"key", b"value")
    });
    done.expect("it commits");
    assert!(table.get(&1).expect("memory").is_some() && space.contains(b"key"));
}
