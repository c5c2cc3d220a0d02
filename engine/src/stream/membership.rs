//! The members of groups, their generations, and the keys under which offsets are committed.
//!
//! Whoever changes the members of a group is alone with all groups, and notes the new generation in the
//! log before anybody is told of it. So a commit of the former generation is refused from then on.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;

use super::assignment::{Place, Share, rebalance};
use super::error::StreamError;
use super::streams::Shared;

/// How often a commit is tried where others commit meanwhile.
pub(super) const ATTEMPTS: u32 = 16;

/// The members of all groups.
#[derive(Debug, Default)]
pub(super) struct Groups(pub Mutex<BTreeMap<String, Group>>);

/// A group that has members.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub generation: u64,
    pub members: BTreeMap<String, Member>,
}

/// A member of a group.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub topics: BTreeSet<String>,
    /// The partitions that it reads, and since which generation.
    pub places: BTreeMap<Place, u64>,
    pub seen_us: u64,
    pub timeout_us: u64,
}

/// What keys of generations begin with.
pub(super) const GENERATION: u8 = b'g';
/// What keys of committed offsets begin with.
const OFFSET: u8 = b'o';

pub(super) fn generation_key(group: &str) -> Vec<u8> {
    [&[GENERATION, 0], group.as_bytes()].concat()
}

fn offsets_prefix(group: &str) -> Vec<u8> {
    [&[OFFSET, 0], group.as_bytes(), &[0]].concat()
}

pub(super) fn offset_key(group: &str, partition: u32) -> Vec<u8> {
    [offsets_prefix(group), partition.to_be_bytes().to_vec()].concat()
}

pub(super) fn number(value: &[u8]) -> u64 {
    value.try_into().map_or(0, u64::from_le_bytes)
}

impl Shared {
    /// Changes the members of a group, and reassigns its partitions in a new generation. Whoever
    /// calls is alone with the groups.
    pub(super) fn regroup(
        &self,
        name: &str,
        change: impl FnOnce(&mut BTreeMap<String, Member>),
    ) -> Result<(), StreamError> {
        let key = generation_key(name);
        let next = self.engine.retry(ATTEMPTS, |tx| {
            let next = tx
                .get(&self.offsets, &key)
                .map_or(0, |value| number(&value))
                + 1;
            tx.put(&self.offsets, &key, &next.to_le_bytes())?;
            Ok(next)
        })?;
        let generation = next.value;
        let mut groups = self.groups.0.lock();
        let group = groups.entry(name.to_owned()).or_default();
        change(&mut group.members);
        group.generation = generation;
        let mut shares: BTreeMap<String, Share> = BTreeMap::new();
        for (member, it) in &group.members {
            let share = Share {
                topics: it.topics.clone(),
                places: it.places.keys().cloned().collect(),
            };
            shares.insert(member.clone(), share);
        }
        let mut counts = BTreeMap::new();
        let registry = self.state.registry.read();
        for topic in group.members.values().flat_map(|member| &member.topics) {
            if let Some(found) = registry.topics.get(topic.as_str()) {
                let partitions = u32::try_from(found.partitions.len()).unwrap_or(u32::MAX);
                counts.insert(topic.clone(), partitions);
            }
        }
        drop(registry);
        rebalance(&mut shares, &counts);
        for (member, share) in shares {
            if let Some(it) = group.members.get_mut(&member) {
                let since = |place: &Place| it.places.get(place).copied().unwrap_or(generation);
                it.places = share
                    .places
                    .iter()
                    .map(|place| (place.clone(), since(place)))
                    .collect();
            }
        }
        if group.members.is_empty() {
            groups.remove(name);
        }
        Ok(())
    }

    /// The offset that a group committed for a partition.
    pub(super) fn committed(&self, group: &str, partition: u32) -> Option<u64> {
        let value = self.offsets.get(&offset_key(group, partition))?;
        Some(number(&value))
    }

    /// The keys of what all groups committed for a topic.
    pub(super) fn offset_keys(&self, partitions: &[u32]) -> Vec<Vec<u8>> {
        let is_of = |key: &[u8]| {
            let number = key.last_chunk::<4>().map(|it| u32::from_be_bytes(*it));
            number.is_some_and(|number| partitions.contains(&number))
        };
        let keys = self.offsets.prefix(&[OFFSET, 0]);
        keys.map(|item| item.key().to_vec())
            .filter(|key| is_of(key))
            .collect()
    }
}
