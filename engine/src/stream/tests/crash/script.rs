//! What producers, a group and upkeep do, and what is known of it from outside.

use super::super::world::{buffered, try_open};
use crate::random::SplitMix64;
use crate::stream::{
    GroupConsumer, GroupOptions, Limits, NewMessage, Producer, Retention, Settings, StreamError,
    Streams,
};
use crate::vfs::Sim;
use crate::wal::Mode;

/// How many messages of topic `t` are kept at least.
const KEPT: u64 = 12;

/// What is known from outside.
#[derive(Debug, Default, Clone)]
pub(super) struct Model {
    /// Bodies published to `t`, with the end of the record that holds each; 0 while it is tried.
    pub logged: Vec<(Vec<u8>, u64)>,
    /// Keys and values published to `c`.
    pub keyed: Vec<(u8, Option<u8>, u64)>,
    /// How many transactions there were, and the end of each.
    pub transactions: Vec<u64>,
    /// Offsets that were committed, and whether that is known to be durable.
    pub committed: Vec<(u64, bool)>,
    /// Before which offset of `t` anything may have been let go of.
    pub let_go: u64,
    /// Everything before it is durable.
    pub durable: u64,
}

pub(super) fn mode(seed: u64) -> Mode {
    if seed.is_multiple_of(2) {
        Mode::Strict
    } else {
        buffered()
    }
}

pub(super) fn setup(sim: &Sim, seed: u64) -> Streams {
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
pub(super) fn run(sim: &Sim, seed: u64, len: usize, model: &mut Model) -> Result<(), StreamError> {
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
