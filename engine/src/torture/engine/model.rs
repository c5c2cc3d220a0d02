//! What is known of an engine from outside, and whether it is so.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::open::Opened;
use crate::crash_test::{Checked, ensure};
use crate::frame::Kind;

use crate::vfs::{Sim, Vfs};

/// The names of the keyspaces. The engine has the first; scripts create the others.
pub(super) const NAMES: [&str; 3] = ["default", "cups", "pots"];

/// The types of the views' records.
pub(super) const SAVED: Kind = Kind(0x20);
pub(super) const HOLDING: Kind = Kind(0x28);

/// What a key has: value, expiry, version.
pub(super) type Had = (Vec<u8>, u64, u64);

/// A keyspace and a key in it.
pub(super) type Place = (usize, Vec<u8>);

/// What a key gets: a value with its expiry, or none.
pub(super) type Value = Option<(Vec<u8>, u64)>;

/// A change of a commit.
pub(super) type Change = (Place, Value);

/// What a commit did.
#[derive(Debug, Clone)]
pub(super) struct Commit {
    pub end: u64,
    /// In the order of their LSNs, which end before those of the views' records.
    pub changes: Vec<(u64, Change)>,
    pub sum: u64,
}

/// What is known of the engine from outside.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    pub commits: Vec<Commit>,
    /// The end of the last one that was acknowledged as durable.
    pub durable: u64,
    pub next: u64,
}

impl Model {
    /// Notes a commit that is about to be tried. Its changes come in the order of the keyspaces'
    /// numbers and keys; `before` records of the system come first, and a record for each of the
    /// views last.
    pub(super) fn attempt(
        &mut self,
        before: u64,
        changes: BTreeMap<Place, Value>,
        record: Option<u8>,
    ) {
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
    pub(super) fn state(&self, end: u64) -> (BTreeMap<Place, Had>, u64) {
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
    pub(super) fn settle(&mut self, end: u64) {
        self.commits.retain(|commit| commit.end <= end);
        (self.next, self.durable) = (end, end);
    }
}

/// Whether the engine is as the model says after the commits up to its own next LSN.
pub(super) fn check_state(opened: &Opened, model: &Model, sim: &Sim) -> Checked {
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
pub(super) const KEYS: u64 = 9;

pub(super) fn key(number: u64) -> Vec<u8> {
    // Some share a prefix, one is a prefix of others.
    [
        b"k".repeat(usize::try_from(1 + number % 3).unwrap_or(1)),
        number.to_le_bytes()[..1].to_vec(),
    ]
    .concat()
}
