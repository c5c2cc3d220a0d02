//! Producers, groups, transactions, retention and compaction at work, crashed at every call of the
//! disk.
//!
//! ```text
//! script ─► Streams over Sim ─► crash at call n ─► open ─► check
//!    └────► model: what was tried, what was acknowledged ─────┘
//! ```
//!
//! What is checked after every crash:
//!
//! 1. every partition has a prefix of what was published to it, in order, and all that was acknowledged
//!    as durable; what is below its start was let go of by its limits;
//! 2. the last batch, sent again, is there once;
//! 3. a transaction's messages, offsets and keys are there together or not at all;
//! 4. a group's committed offset is one that it committed, not before the last that is durable, and not
//!    beyond what there is;
//! 5. what compaction left says the same of each key as everything that was published.

use std::collections::BTreeMap;

use super::world::{all, buffered, try_open};
use crate::random::SplitMix64;
use crate::stream::{
    GroupConsumer, GroupOptions, Limits, NewMessage, Producer, Retention, Settings, StreamError,
    Streams,
};
use crate::vfs::{Plan, Sim};
use crate::wal::{Lsn, Mode};

/// How many messages of topic `t` are kept at least.
const KEPT: u64 = 12;

/// What is known from outside.
#[derive(Debug, Default, Clone)]
struct Model {
    /// Bodies published to `t`, with the end of the record that holds each; 0 while it is tried.
    logged: Vec<(Vec<u8>, u64)>,
    /// Keys and values published to `c`.
    keyed: Vec<(u8, Option<u8>, u64)>,
    /// How many transactions there were, and the end of each.
    transactions: Vec<u64>,
    /// Offsets that were committed, and whether that is known to be durable.
    committed: Vec<(u64, bool)>,
    /// Before which offset of `t` anything may have been let go of.
    let_go: u64,
    /// Everything before it is durable.
    durable: u64,
}

fn mode(seed: u64) -> Mode {
    if seed.is_multiple_of(2) {
        Mode::Strict
    } else {
        buffered()
    }
}

fn setup(sim: &Sim, seed: u64) -> Streams {
    let streams = try_open(sim, mode(seed)).unwrap();
    let retention = Retention {
        messages: Some(KEPT),
        ..Retention::default()
    };
    let limited = Settings {
        retention,
        ..Settings::default()
    };
    let compacted = Settings {
        is_compacted: true,
        ..Settings::default()
    };
    streams.create_topic("t", 1, limited).unwrap();
    streams.create_topic("c", 1, compacted).unwrap();
    streams.create_topic("x", 2, Settings::default()).unwrap();
    streams.engine().durable().unwrap();
    streams
}

/// What a script works with.
struct Hands {
    streams: Streams,
    producer: Producer,
    keyed: Producer,
    member: GroupConsumer,
}

impl Hands {
    fn new(streams: Streams) -> Result<Self, StreamError> {
        Ok(Self {
            producer: streams.idempotent_producer("t", "p")?,
            keyed: streams.producer("c")?,
            member: streams.join("g", "m", &["t"], GroupOptions::default())?,
            streams,
        })
    }
}

/// Runs a script until it ends or something fails.
fn run(sim: &Sim, seed: u64, len: usize, model: &mut Model) -> Result<(), StreamError> {
    let Ok(streams) = try_open(sim, mode(seed)) else {
        return Err(StreamError::NoLog);
    };
    let mut hands = Hands::new(streams)?;
    let mut random = SplitMix64::new(seed);
    for _ in 0..len {
        step(&mut hands, &mut random, sim, model)?;
        if let Some(marks) = hands.streams.engine().watermarks() {
            model.durable = marks.durable.0;
            if marks.durable == marks.accepted {
                model.committed.iter_mut().for_each(|it| it.1 = true);
            }
        }
    }
    Ok(())
}

fn step(
    hands: &mut Hands,
    random: &mut SplitMix64,
    sim: &Sim,
    model: &mut Model,
) -> Result<(), StreamError> {
    let streams = hands.streams.clone();
    match random.below(16) {
        0..=4 => {
            let first = model.logged.len() as u64;
            let count = 1 + random.below(3);
            let filling = vec![b'.'; usize::try_from(random.below(200)).unwrap_or(0)];
            let body = |number: u64| [format!("{number} ").as_bytes(), &filling].concat();
            let bodies: Vec<_> = (first..first + count).map(body).collect();
            let messages: Vec<_> = bodies.iter().map(|body| NewMessage::new(body)).collect();
            model
                .logged
                .extend(bodies.iter().map(|body| (body.clone(), 0)));
            let published = hands.producer.publish_to(0, &messages)?;
            let last = model.logged.len() - bodies.len();
            for (_, end) in &mut model.logged[last..] {
                *end = published.lsn.0 + 1;
            }
        }
        5..=7 => {
            let key = [u8::try_from(random.below(4)).unwrap_or(0)];
            let value = [u8::try_from(model.keyed.len()).unwrap_or(0)];
            let is_gone = random.below(4) == 0;
            model
                .keyed
                .push((key[0], (!is_gone).then_some(value[0]), 0));
            let message = if is_gone {
                NewMessage::tombstone(&key)
            } else {
                NewMessage::new(&value).key(&key)
            };
            let published = hands.keyed.publish_to(0, &[message])?;
            if let Some(last) = model.keyed.last_mut() {
                last.2 = published.lsn.0 + 1;
            }
        }
        8..=9 => {
            let number = model.transactions.len() as u64;
            let space = streams.engine().keyspace("default")?;
            hands.member.poll(Limits::messages(2))?;
            model.committed.push((hands.member.positions()[0].2, false));
            model.transactions.push(0);
            let body = number.to_le_bytes();
            let done = streams.transaction(|tx| {
                tx.publish("x", 0, &[NewMessage::new(&body)])?;
                tx.engine()
                    .put(&space, b"transactions", &(number + 1).to_le_bytes())?;
                tx.publish("x", 1, &[NewMessage::new(&body)])?;
                tx.commit_offsets(&hands.member)
            })?;
            if let Some(last) = model.transactions.last_mut() {
                *last = done.end.0;
            }
            acknowledge(&streams, model);
        }
        10 => {
            hands.member.poll(Limits::messages(3))?;
            model.committed.push((hands.member.positions()[0].2, false));
            hands.member.commit()?;
            acknowledge(&streams, model);
        }
        11..=12 => {
            model.let_go = model
                .let_go
                .max((model.logged.len() as u64).saturating_sub(KEPT));
            streams.maintain()?;
        }
        13 => drop(streams.compact("c")?),
        14 => {
            sim.advance(random.below(1000));
            // One that fails costs nothing, unless the log failed.
            if streams.engine().checkpoint().is_err() {
                streams.engine().durable()?;
            }
        }
        _ => {
            streams.engine().close().map_err(|_| StreamError::NoLog)?;
            let mode = streams.engine().mode();
            // What reads the log holds the directory.
            hands.member.rest();
            let again = try_open(sim, mode).map_err(|_| StreamError::NoLog)?;
            *hands = Hands::new(again)?;
        }
    }
    Ok(())
}

fn acknowledge(streams: &Streams, model: &mut Model) {
    if streams.engine().mode() == Mode::Strict
        && let Some(last) = model.committed.last_mut()
    {
        last.1 = true;
    }
}

type Checked = Result<(), String>;

macro_rules! ensure {
    ($is:expr, $($what:tt)*) => {
        if !$is {
            return Err(format!($($what)*));
        }
    };
}

/// Opens what a crash left, and checks everything that the module's header lists.
fn check(sim: &Sim, seed: u64, model: &Model) -> Checked {
    let streams = try_open(sim, mode(seed))?;
    check_logged(&streams, model)?;
    let bodies = |partition| -> Vec<u64> {
        let found = all(&streams, "x", partition);
        found
            .iter()
            .map(|(_, body)| body.as_slice().try_into().map_or(0, u64::from_le_bytes))
            .collect()
    };
    let space = streams
        .engine()
        .keyspace("default")
        .map_err(|error| error.to_string())?;
    let value = space.get(b"transactions");
    let count = value.map_or(0, |value| {
        value.as_ref().try_into().map_or(0, u64::from_le_bytes)
    });
    let expected: Vec<_> = (0..count).collect();
    let halves = [bodies(0), bodies(1)];
    ensure!(
        halves.iter().all(|half| *half == expected),
        "a transaction is there in part: {halves:?}, and {count} by its key"
    );
    let durable = model
        .transactions
        .iter()
        .filter(|end| (1..=model.durable).contains(*end))
        .count();
    ensure!(
        count >= durable as u64,
        "{count} transactions of {durable} are there"
    );
    check_keyed(&streams, model)?;
    check_committed(&streams, model)
}

fn check_logged(streams: &Streams, model: &Model) -> Checked {
    let found = all(streams, "t", 0);
    let status = streams
        .topic("t")
        .map_err(|error| error.to_string())?
        .partitions[0];
    let (earliest, latest) = (status.earliest, status.latest);
    let durable = model
        .logged
        .iter()
        .filter(|(_, end)| (1..=model.durable).contains(end))
        .count();
    ensure!(
        latest >= durable as u64,
        "{latest} messages of {durable} are there"
    );
    ensure!(
        earliest <= model.let_go,
        "it begins with {earliest}, and {} may be gone",
        model.let_go
    );
    ensure!(
        found.len() as u64 == latest - earliest,
        "messages are missing: {found:?}"
    );
    for ((offset, body), expected) in found.iter().zip(earliest..) {
        let published = usize::try_from(*offset)
            .ok()
            .and_then(|at| model.logged.get(at));
        let is_it =
            *offset == expected && published.is_some_and(|(published, _)| published == body);
        ensure!(is_it, "offset {offset} has {body:?}, not {published:?}");
    }
    Ok(())
}

/// What messages say of each key.
fn fold<'a>(pairs: impl Iterator<Item = (u8, Option<u8>)> + 'a) -> BTreeMap<u8, u8> {
    let mut values = BTreeMap::new();
    for (key, value) in pairs {
        match value {
            Some(value) => drop(values.insert(key, value)),
            None => drop(values.remove(&key)),
        }
    }
    values
}

fn check_keyed(streams: &Streams, model: &Model) -> Checked {
    let latest = streams
        .topic("c")
        .map_err(|error| error.to_string())?
        .partitions[0]
        .latest;
    let durable = model
        .keyed
        .iter()
        .filter(|(_, _, end)| (1..=model.durable).contains(end))
        .count();
    ensure!(
        latest >= durable as u64,
        "{latest} pairs of {durable} are there"
    );
    let tried = usize::try_from(latest).unwrap_or(usize::MAX);
    ensure!(tried <= model.keyed.len(), "{latest} pairs are there");
    let mut consumer = streams.consumer();
    let mut pairs = Vec::new();
    consumer
        .assign("c", 0, crate::stream::From::Earliest)
        .map_err(|error| error.to_string())?;
    loop {
        let polled = consumer
            .poll(Limits::messages(4))
            .map_err(|error| error.to_string())?;
        let Some(polled) = polled.first() else { break };
        for message in &polled.messages {
            let key = message.key().map_or(0, |key| key[0]);
            pairs.push((key, message.body().map(|body| body[0])));
        }
    }
    let published = model.keyed[..tried]
        .iter()
        .map(|(key, value, _)| (*key, *value));
    let (found, expected) = (fold(pairs.into_iter()), fold(published));
    ensure!(found == expected, "keys have {found:?}, not {expected:?}");
    Ok(())
}

fn check_committed(streams: &Streams, model: &Model) -> Checked {
    let durable = model
        .committed
        .iter()
        .rposition(|(_, is_durable)| *is_durable);
    let possible = &model.committed[durable.unwrap_or(0)..];
    let progress = streams.progress("g");
    let latest = streams
        .topic("t")
        .map_err(|error| error.to_string())?
        .partitions[0]
        .latest;
    match progress.first() {
        Some(progress) => {
            let is_one = possible
                .iter()
                .any(|(offset, _)| *offset == progress.committed);
            ensure!(
                is_one,
                "the group is at {}, not at one of {possible:?}",
                progress.committed
            );
            ensure!(progress.committed <= latest, "the group is beyond the end");
        }
        None => ensure!(durable.is_none(), "a committed offset is lost"),
    }
    Ok(())
}

/// Sends the last batch again: it is there once.
fn send_again(sim: &Sim, seed: u64, model: &Model) -> Checked {
    let streams = try_open(sim, mode(seed))?;
    let mut producer = streams
        .idempotent_producer("t", "p")
        .map_err(|error| error.to_string())?;
    let Some((_, last)) = model.logged.last() else {
        return Ok(());
    };
    let batch = model.logged.iter().filter(|(_, end)| end == last).count();
    let first = model.logged.len() - batch;
    let next = producer
        .next_sequence(0)
        .map_err(|error| error.to_string())? as usize;
    if next < first {
        // In Buffered, more than the last batch may be gone.
        return Ok(());
    }
    let messages: Vec<_> = model.logged[first..]
        .iter()
        .map(|(body, _)| NewMessage::new(body))
        .collect();
    let sequence = u32::try_from(first).unwrap_or(u32::MAX);
    let again = producer
        .publish_again(0, sequence, &messages)
        .map_err(|error| error.to_string())?;
    ensure!(
        again.is_duplicate == (next > first),
        "{again:?} of sequence {sequence}, {next} is next"
    );
    ensure!(again.offset == first as u64, "{again:?} of offset {first}");
    check_logged(&streams, model)
}

/// Crashes at every `step`th call, and lets the power of the same disk go with several fates.
fn crash_everywhere(seed: u64, len: usize, step: usize) -> Result<u64, String> {
    let mut crashes = 0;
    for call in (1..).step_by(step) {
        let sim = Sim::default();
        drop(setup(&sim, seed));
        let sim = sim.crash(0);
        sim.plan(Plan::CrashAt(call));
        let mut model = Model::default();
        let ended = run(&sim, seed, len, &mut model);
        if !sim.has_crashed() {
            return match ended {
                Ok(()) => check(&sim.crash(0), seed, &model).map(|()| crashes),
                Err(error) => Err(format!(
                    "seed {seed} fails where nothing goes wrong: {error}"
                )),
            };
        }
        for fate in [0, 1, seed + 2] {
            let story = |what| format!("seed {seed}, crash at call {call}, fate {fate}: {what}");
            let disk = sim.crash(fate);
            check(&disk, seed, &model).map_err(story)?;
            send_again(&disk.crash(0), seed, &model).map_err(story)?;
            crashes += 1;
        }
    }
    Ok(crashes)
}

/// Everything that the harness has, in its short form.
pub(super) fn harness() -> Checked {
    for seed in 0..10 {
        let sim = Sim::default();
        drop(setup(&sim, seed));
        let mut model = Model::default();
        let ended = run(&sim, seed, 120, &mut model);
        ended.map_err(|error| format!("seed {seed} fails where nothing goes wrong: {error}"))?;
        let story = |what| format!("seed {seed}, at its end: {what}");
        check(&sim.crash(seed), seed, &model).map_err(story)?;
    }
    for seed in 0..2 {
        crash_everywhere(seed, 40, 7)?;
    }
    Ok(())
}

#[test]
fn streams_lose_nothing_by_a_crash_at_any_call() {
    let mut crashes = 0;
    for seed in 0..4 {
        crashes += crash_everywhere(seed, 30, 1).unwrap();
    }
    assert!(crashes > 300, "{crashes}");
}

#[test]
fn streams_do_what_the_model_does_where_nothing_goes_wrong() {
    harness().unwrap();
}

/// A disk that is full, or refuses, at any call: nothing that was acknowledged is lost.
#[test]
fn streams_lose_nothing_by_a_failure_of_any_call() {
    for seed in 0..2 {
        for call in (1..).step_by(2) {
            let sim = Sim::default();
            drop(setup(&sim, seed));
            let sim = sim.crash(0);
            let before = sim.calls().all;
            sim.plan(Plan::FailAt(before + call, crate::vfs::Failure::Partial));
            let mut model = Model::default();
            let ended = run(&sim, seed, 25, &mut model);
            let is_over = ended.is_ok() && sim.calls().all < before + call;
            sim.plan(Plan::Fair);
            let story = |what| format!("seed {seed}, failure of call {call}: {what}");
            check(&sim.crash(0), seed, &model).map_err(story).unwrap();
            if is_over {
                break;
            }
        }
    }
}

/// The long run: scripts of further seeds until the budget is spent.
#[test]
fn further_seeds_of_streams_until_the_budget_is_spent() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|value| value.parse().ok())
    };
    let first: u64 = number("TORTURE_SEED").unwrap_or(1000);
    let budget = std::time::Duration::from_secs(number("TORTURE_BUDGET_SECONDS").unwrap_or(0));
    let begun = std::time::Instant::now();
    let (mut crashes, mut seed) = (0, first);
    loop {
        let len = if budget.is_zero() { 20 } else { 80 };
        crashes += crash_everywhere(seed, len, 1).unwrap();
        seed += 1;
        if begun.elapsed() >= budget {
            break;
        }
    }
    println!(
        "tried streams of seeds {first} to {}: {crashes} crashes; nothing was lost",
        seed - 1
    );
}

#[test]
fn the_end_of_a_record_is_after_it() {
    // The model's bookkeeping relies on it.
    let sim = Sim::default();
    let streams = setup(&sim, 0);
    let mut producer = streams.producer("t").unwrap();
    let published = producer.publish_to(0, &[NewMessage::new(b"x")]).unwrap();
    let marks = streams.engine().watermarks().unwrap();
    assert_eq!(marks.durable, Lsn(published.lsn.0 + 1));
}
