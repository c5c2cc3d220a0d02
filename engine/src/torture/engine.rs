//! A whole engine: transactions over several keyspaces and two views, with checkpoints, sweeps,
//! scans and restarts; crashed or failed at every call.
//!
//! ```text
//! script ─► Engine over Sim ─► crash or failure at call n ─► Engine::open ─► check
//!    └────► model: what each commit did, and from which LSN to which ────────┘
//! ```
//!
//! What is checked after every interruption, and at each scan while nothing went wrong:
//!
//! 1. the engine opens, and its next LSN is the end of a commit: none is cut in two;
//! 2. no commit is missing that was acknowledged as durable;
//! 3. keys, values, versions and expiry in all keyspaces are those of that commit, by points and in
//!    order, and both views are where they were: the one that is saved and the one that holds the log;
//! 4. the engine can be used again, and what it served after recovery is durable.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::crash::holds;
use super::model::{Checked, dir, ensure};
use crate::engine::{Applied, CommitError, Engine, Keyspace, Options, Refused, View};
use crate::frame::Kind;
use crate::random::SplitMix64;
use crate::vfs::{Failure, Plan, Sim, Vfs};
use crate::wal::{self, Lsn, Mode};

/// The names of the keyspaces. The engine has the first; scripts create the others.
const NAMES: [&str; 3] = ["default", "cups", "pots"];

/// The types of the views' records.
const SAVED: Kind = Kind(0x20);
const HOLDING: Kind = Kind(0x28);

/// What a key has: value, expiry, version.
type Had = (Vec<u8>, u64, u64);

/// A keyspace and a key in it.
type Place = (usize, Vec<u8>);

/// What a key gets: a value with its expiry, or none.
type Value = Option<(Vec<u8>, u64)>;

/// A change of a commit.
type Change = (Place, Value);

/// What a commit did.
#[derive(Debug, Clone)]
struct Commit {
    end: u64,
    /// In the order of their LSNs, which end before those of the views' records.
    changes: Vec<(u64, Change)>,
    sum: u64,
}

/// What is known of the engine from outside.
#[derive(Debug, Clone, Default)]
struct Model {
    commits: Vec<Commit>,
    /// The end of the last one that was acknowledged as durable.
    durable: u64,
    next: u64,
    /// The keyspaces that were created.
    created: [bool; 3],
}

/// A view that adds up its records.
struct Sum {
    name: &'static str,
    kind: Kind,
    saves: bool,
    total: AtomicU64,
}

impl View for Sum {
    fn name(&self) -> &str {
        self.name
    }

    fn kinds(&self) -> RangeInclusive<Kind> {
        self.kind..=self.kind
    }

    fn apply(&self, record: Applied<'_>) -> Result<(), Refused> {
        let number = record.payload.first().copied().map_or(0, u64::from);
        self.total.fetch_add(number, Ordering::Relaxed);
        Ok(())
    }

    fn save(&self) -> Option<Vec<u8>> {
        let sum = self.total.load(Ordering::Relaxed);
        self.saves.then(|| sum.to_le_bytes().to_vec())
    }

    fn restore(&self, saved: &[u8]) -> Result<(), Refused> {
        let sum = saved
            .try_into()
            .map_err(|_| Refused("eight bytes".into()))?;
        self.total.store(u64::from_le_bytes(sum), Ordering::Relaxed);
        Ok(())
    }
}

/// An engine and its views.
struct Opened {
    engine: Engine,
    views: [Arc<Sum>; 2],
    spaces: BTreeMap<usize, Keyspace>,
}

fn open(sim: &Sim, seed: u64) -> Result<Opened, String> {
    let view = |name, kind, saves| {
        let total = AtomicU64::new(0);
        Arc::new(Sum {
            name,
            kind,
            saves,
            total,
        })
    };
    let views = [view("saved", SAVED, true), view("holding", HOLDING, false)];
    let buffered = Mode::Buffered {
        interval: Duration::ZERO,
        max_bytes: 700,
    };
    let options = Options {
        log: wal::Options {
            mode: if seed.is_multiple_of(2) {
                Mode::Strict
            } else {
                buffered
            },
            segment_bytes: 4096,
            buffer_bytes: 400,
            threads: 1,
            ..wal::Options::default()
        },
        checkpoint_bytes: Some(1500),
        checkpoint_interval: None,
        background: false,
        skip_views: false,
        views: views
            .iter()
            .map(|view| Arc::clone(view) as Arc<dyn View>)
            .collect(),
    };
    let opened = Engine::open_with(sim.clone(), dir(), options);
    let (engine, _) = opened.map_err(|error| format!("the engine does not open: {error}"))?;
    let mut spaces = BTreeMap::new();
    for (number, name) in NAMES.iter().enumerate() {
        if engine.keyspace_type(name).is_some() {
            let space = engine.keyspace(name).map_err(|error| error.to_string())?;
            spaces.insert(number, space);
        }
    }
    Ok(Opened {
        engine,
        views,
        spaces,
    })
}

impl Model {
    /// Notes a commit that is about to be tried. Its changes come in the order of the keyspaces'
    /// numbers and keys; `before` records of the system come first, and a record for each of the
    /// views last.
    fn attempt(&mut self, before: u64, changes: BTreeMap<Place, Value>, record: Option<u8>) {
        let first = self.next + before;
        let changes: Vec<_> = (first..).zip(changes).collect();
        let records = if record.is_some() { 2 } else { 0 };
        let end = first + changes.len() as u64 + records;
        self.commits.push(Commit {
            end,
            changes,
            sum: record.map_or(0, u64::from),
        });
        self.next = end;
    }

    /// What all keyspaces have and the views have added up, after the commits up to `end`.
    fn state(&self, end: u64) -> (BTreeMap<Place, Had>, u64) {
        let (mut state, mut sum) = (BTreeMap::new(), 0);
        for commit in self.commits.iter().take_while(|it| it.end <= end) {
            sum += commit.sum;
            for (lsn, (place, value)) in &commit.changes {
                match value {
                    Some((value, expires_us)) => {
                        state.insert(place.clone(), (value.clone(), *expires_us, *lsn));
                    }
                    None => drop(state.remove(place)),
                }
            }
        }
        (state, sum)
    }

    /// What recovery gave is what there is now, durably.
    fn settle(&mut self, end: u64) {
        self.commits.retain(|commit| commit.end <= end);
        (self.next, self.durable) = (end, end);
    }
}

/// Whether the engine is as the model says after the commits up to its own next LSN.
fn check_state(opened: &Opened, model: &Model, sim: &Sim) -> Checked {
    let end = opened.engine.stats().next.0;
    let is_an_end = end == 0 || model.commits.iter().any(|commit| commit.end == end);
    ensure!(is_an_end, "a commit was cut in two: the next LSN is {end}");
    let durable = model.durable;
    ensure!(
        end >= durable,
        "the next LSN is {end}, and {durable} was durable"
    );
    let (state, sum) = model.state(end);
    let now = sim.now_us();
    let sums = opened
        .views
        .each_ref()
        .map(|view| view.total.load(Ordering::Relaxed));
    ensure!(sums == [sum, sum], "the views have {sums:?}, and not {sum}");
    for (number, space) in &opened.spaces {
        let within = state.iter().filter(|((at, _), _)| at == number);
        let live = within.filter(|(_, (_, expires, _))| *expires == 0 || now < *expires);
        let live: Vec<_> = live
            .map(|((_, key), had)| (key.clone(), had.clone()))
            .collect();
        let of = |item: crate::map::Item| {
            let had = (item.value().to_vec(), item.expires_us(), item.version().0);
            (item.key().to_vec(), had)
        };
        let scanned: Vec<_> = space.scan().map(of).collect();
        ensure!(
            scanned == live,
            "`{}` scans as {scanned:?}, not {live:?}",
            space.name()
        );
        let mut turned: Vec<_> = space.scan().rev().map(of).collect();
        turned.reverse();
        ensure!(
            turned == live,
            "`{}` scans backwards as {turned:?}",
            space.name()
        );
        for key in (0..KEYS).map(key) {
            let found = space.get(&key).map(crate::map::Value::into_item).map(of);
            let expected = live.iter().find(|(at, _)| *at == key).cloned();
            ensure!(
                found == expected,
                "`{}` has {found:?}, not {expected:?}",
                space.name()
            );
        }
    }
    Ok(())
}

/// How many keys there are.
const KEYS: u64 = 9;

fn key(number: u64) -> Vec<u8> {
    // Some share a prefix, one is a prefix of others.
    [
        b"k".repeat(usize::try_from(1 + number % 3).unwrap_or(1)),
        number.to_le_bytes()[..1].to_vec(),
    ]
    .concat()
}

/// How a script ended.
type Ended = Result<Result<(), ()>, String>;

/// Runs a script of `len` steps, keeping `model` up to date. Ends where the engine fails.
fn run(sim: &Sim, seed: u64, len: usize, model: &mut Model) -> Ended {
    let Ok(mut opened) = open(sim, seed) else {
        return Ok(Err(()));
    };
    let mut random = SplitMix64::new(seed);
    model.created[0] = true;
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

/// Recovers the engine on `sim` and checks everything that the module's header lists.
fn check(sim: &Sim, seed: u64, model: &Model) -> Checked {
    let opened = open(sim, seed)?;
    check_state(&opened, model, sim)?;
    let mut settled = model.clone();
    settled.settle(opened.engine.stats().next.0);
    // The power may go right after recovery …
    let again = open(&sim.crash(0), seed)?;
    check_state(&again, &settled, sim)?;
    // … or once the engine has been used again.
    let changes = BTreeMap::from([((0, key(0)), Some((b"again".to_vec(), 0)))]);
    settled.attempt(0, changes, None);
    let used = opened.spaces[&0].put(&key(0), b"again");
    ensure!(used.is_ok(), "the recovered engine refuses a put: {used:?}");
    let saved = opened.engine.checkpoint();
    ensure!(
        saved.is_ok(),
        "the recovered engine refuses a checkpoint: {saved:?}"
    );
    settled.durable = settled.next;
    let again = open(&sim.crash(0), seed)?;
    check_state(&again, &settled, sim)
}

/// What was tried.
#[derive(Debug, Default)]
struct Tried {
    crashes: u64,
    failures: u64,
}

/// Crashes at every call, and lets the power of the same disk go with several fates.
fn crash_everywhere(seed: u64, len: usize, fates: &[u64], tried: &mut Tried) -> Checked {
    for call in 1.. {
        let sim = Sim::default();
        sim.plan(Plan::CrashAt(call));
        let mut model = Model::default();
        let story = |what: String| format!("seed {seed}, crash at call {call}: {what}");
        let ended = run(&sim, seed, len, &mut model).map_err(story)?;
        if !sim.has_crashed() {
            return ended.map_err(|()| "a script fails where nothing goes wrong".into());
        }
        for fate in fates {
            let story = |what: String| format!("{}, fate {fate}", story(what));
            check(&sim.crash(*fate), seed, &model).map_err(story)?;
            tried.crashes += 1;
        }
    }
    Ok(())
}

/// Fails every call once, in both ways: the disk is full, or refuses.
fn fail_everywhere(seed: u64, len: usize, tried: &mut Tried) -> Checked {
    let sim = Sim::default();
    let _ = run(&sim, seed, len, &mut Model::default())?;
    for call in 1..=sim.calls().all {
        for failure in [Failure::Refused, Failure::Partial] {
            let sim = Sim::default();
            sim.plan(Plan::FailAt(call, failure));
            let mut model = Model::default();
            let story = |what| format!("seed {seed}, {failure:?} at call {call}: {what}");
            let _ = run(&sim, seed, len, &mut model).map_err(story)?;
            sim.plan(Plan::Fair);
            check(&sim.crash(0), seed, &model).map_err(story)?;
            check(&sim, seed, &model).map_err(story)?;
            tried.failures += 1;
        }
    }
    Ok(())
}

/// Steps of a script in the ordinary tests.
pub(super) const STEPS: usize = 45;

/// Everything that the harness has for one seed, in its short form.
pub(super) fn harness(seed: u64) -> Checked {
    for further in 0..40 {
        let sim = Sim::default();
        let calm = run(&sim, seed + further * 100, STEPS * 4, &mut Model::default())?;
        ensure!(calm.is_ok(), "a script fails where nothing goes wrong");
    }
    crash_everywhere(seed, STEPS, &[0, seed + 1], &mut Tried::default())
}

#[test]
fn an_engine_loses_nothing_by_a_crash_at_any_call() {
    for seed in 0..4 {
        holds(crash_everywhere(
            seed,
            STEPS,
            &[0, 1, seed + 2],
            &mut Tried::default(),
        ));
    }
}

#[test]
fn an_engine_loses_nothing_by_a_failure_of_any_call() {
    for seed in 0..2 {
        holds(fail_everywhere(seed, STEPS, &mut Tried::default()));
    }
}

#[test]
fn an_engine_does_what_the_model_does_where_nothing_goes_wrong() {
    for seed in 0..300 {
        let sim = Sim::default();
        let calm = run(&sim, seed, 200, &mut Model::default());
        holds(calm.map(|ended| assert!(ended.is_ok(), "seed {seed} fails")));
    }
}

/// The long run: scripts of further seeds until the budget is spent.
#[test]
fn further_seeds_of_engines_until_the_budget_is_spent() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|value| value.parse().ok())
    };
    let first: u64 = number("TORTURE_SEED").unwrap_or(1000);
    let budget = Duration::from_secs(number("TORTURE_BUDGET_SECONDS").unwrap_or(0));
    let begun = std::time::Instant::now();
    let (mut tried, mut seed) = (Tried::default(), first);
    loop {
        let len = if budget.is_zero() {
            STEPS / 2
        } else {
            STEPS * 3
        };
        holds(crash_everywhere(seed, len, &[0, 1, seed + 2], &mut tried));
        holds(fail_everywhere(seed, len, &mut tried));
        seed += 1;
        if begun.elapsed() >= budget {
            break;
        }
    }
    let Tried { crashes, failures } = tried;
    println!(
        "tried engines of seeds {first} to {}: {crashes} crashes, {failures} failures; nothing was \
         lost",
        seed - 1
    );
}
