//! What must be left of streams after a crash; the header of the folder lists it.

use std::collections::BTreeMap;

use super::super::world::{all, try_open};
use super::script::{Model, mode};
use crate::crash_test::{Checked, ensure};
use crate::stream::{Limits, NewMessage, Streams};
use crate::vfs::Sim;

/// Opens what a crash left, and checks everything.
pub(super) fn check(sim: &Sim, seed: u64, model: &Model) -> Checked {
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
pub(super) fn send_again(sim: &Sim, seed: u64, model: &Model) -> Checked {
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
