//! Consumer groups: who reads which partition, and how far the group has come.
//!
//! ```text
//! join, leave, no heartbeat ──► generation + 1, in the log ──► partitions reassigned
//! poll ──► new generation? ──► partitions that stayed go on, others begin at the committed offset
//! commit ──► one transaction: is the generation mine? ──► offsets, in a keyspace
//! ```
//!
//! Members live in the process that has the engine open; offsets and generations are in the keyspace
//! `streams/groups`, so they survive it.
//!
//! Invariants:
//!
//! 1. In one generation, a partition is read by one member at most.
//! 2. Offsets are committed in the generation of whoever commits them, or not at all: the transaction
//!    that writes them has read the generation. So a member that was taken for dead undoes nothing of
//!    what others committed since.
//! 3. A partition that comes to a member is read from the committed offset on, also where it was away
//!    for a generation that the member did not notice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::consumer::{Consumer, From, Limits, OutOfRange, Polled, resolve};
use super::error::StreamError;
use super::membership::{ATTEMPTS, GENERATION, Member, generation_key, number, offset_key};
use super::rules::Action;
use super::streams::{Shared, Streams, check_name};
use crate::engine::{CommitError, Transaction};
use crate::injected_bug::{Bug, injected};

/// How a member joins a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupOptions {
    /// A member that neither polls nor sends a heartbeat for so long is taken for dead.
    pub session_timeout: Duration,
    /// Where a partition begins of which the group committed nothing yet.
    pub begin: From,
    /// What happens where the committed offset is no longer kept.
    pub out_of_range: OutOfRange,
}

impl Default for GroupOptions {
    /// 45 seconds, from the first message on, and on with the first one that is kept.
    fn default() -> Self {
        Self {
            session_timeout: Duration::from_secs(45),
            begin: From::Earliest,
            out_of_range: OutOfRange::Earliest,
        }
    }
}

/// How far a group has come in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The committed offset: of the next message to be read.
    pub committed: u64,
    /// How many messages come after it.
    pub lag: u64,
    /// Who reads it now.
    pub member: Option<String>,
}

/// A member of a group: a consumer of the partitions that it is assigned.
#[derive(Debug)]
pub struct GroupConsumer {
    consumer: Consumer,
    group: String,
    member: String,
    options: GroupOptions,
    generation: u64,
}

impl Streams {
    /// Joins a group as `member`, or joins it again: the former holder of the name is fenced off. The
    /// topics' partitions are reassigned among all members.
    ///
    /// # Errors
    /// [`StreamError::Name`], [`StreamError::UnknownTopic`], [`StreamError::Denied`];
    /// [`StreamError::Commit`] where the new generation could not be noted.
    pub fn join(
        &self,
        group: &str,
        member: &str,
        topics: &[&str],
        options: GroupOptions,
    ) -> Result<GroupConsumer, StreamError> {
        check_name("group", group)?;
        check_name("member", member)?;
        for topic in topics {
            self.check(topic, Action::Consume)?;
            self.shared.topic(topic)?;
        }
        let shared = &self.shared;
        let timeout_us = u64::try_from(options.session_timeout.as_micros()).unwrap_or(u64::MAX);
        let joining = Member {
            topics: topics.iter().map(ToString::to_string).collect(),
            places: BTreeMap::new(),
            seen_us: shared.now_us(),
            timeout_us,
        };
        shared.sync.groups(|| {
            shared.regroup(group, |members| {
                drop(members.insert(member.to_owned(), joining));
            })
        })?;
        Ok(GroupConsumer {
            consumer: self.consumer().on_out_of_range(options.out_of_range),
            group: group.to_owned(),
            member: member.to_owned(),
            options,
            generation: 0,
        })
    }

    /// The names of all groups that ever had a member, sorted.
    #[must_use]
    pub fn groups(&self) -> Vec<String> {
        let keys = self.shared.offsets.prefix(&[GENERATION, 0]);
        let name = |key: &[u8]| String::from_utf8_lossy(&key[2..]).into_owned();
        keys.map(|item| name(item.key())).collect()
    }

    /// How far a group has come in the partitions of which it committed an offset or has a reader, by
    /// topic and partition.
    #[must_use]
    pub fn progress(&self, group: &str) -> Vec<Progress> {
        let shared = &self.shared;
        let mut readers = BTreeMap::new();
        if let Some(group) = shared.groups.0.lock().get(group) {
            for (member, it) in &group.members {
                readers.extend(
                    it.places
                        .keys()
                        .cloned()
                        .map(|place| (place, member.clone())),
                );
            }
        }
        let topics: Vec<_> = shared
            .state
            .registry
            .read()
            .topics
            .values()
            .cloned()
            .collect();
        let mut all = Vec::new();
        for topic in topics {
            for partition in &topic.partitions {
                let committed = shared.committed(group, partition.number);
                let member = readers.remove(&(topic.name.to_string(), partition.index));
                if committed.is_none() && member.is_none() {
                    continue;
                }
                let (start, next) = {
                    let extent = partition.extent.lock();
                    (extent.start, extent.next)
                };
                let committed = committed.unwrap_or(start);
                all.push(Progress {
                    topic: topic.name.to_string(),
                    partition: partition.index,
                    committed,
                    lag: next.saturating_sub(committed.max(start)),
                    member,
                });
            }
        }
        all.sort_by(|one, other| (&one.topic, one.partition).cmp(&(&other.topic, other.partition)));
        all
    }
}

impl GroupConsumer {
    /// The member's name.
    #[must_use]
    pub fn member(&self) -> &str {
        &self.member
    }

    /// The generation of the group that it knows; 0 before its first poll.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The partitions that it reads: topic, partition, offset of the next message.
    #[must_use]
    pub fn positions(&self) -> Vec<(Arc<str>, u32, u64)> {
        self.consumer.positions()
    }

    /// As [`Consumer::lag`].
    #[must_use]
    pub fn lag(&self) -> Vec<(Arc<str>, u32, u64)> {
        self.consumer.lag()
    }

    /// As [`Consumer::seek`], of a partition that it reads.
    ///
    /// # Errors
    /// As for [`Consumer::seek`].
    pub fn seek(&mut self, topic: &str, partition: u32, from: From) -> Result<(), StreamError> {
        self.consumer.seek(topic, partition, from)
    }

    /// Lets go of the log until the next poll, so that nothing is held for a member that pauses.
    pub fn rest(&mut self) {
        self.consumer.rest();
    }

    fn fenced(&self, current: u64) -> StreamError {
        StreamError::MemberFenced {
            group: self.group.clone(),
            member: self.member.clone(),
            generation: self.generation,
            current,
        }
    }

    /// Says that the member is alive, takes members that are not for dead, and takes over what the
    /// group's generation assigns. [`poll`](Self::poll) does all of that.
    ///
    /// # Errors
    /// [`StreamError::MemberFenced`] where it was taken for dead itself; [`StreamError::Commit`] where a
    /// new generation could not be noted.
    pub fn heartbeat(&mut self) -> Result<(), StreamError> {
        let shared = Arc::clone(&self.consumer.streams.shared);
        let now_us = shared.now_us();
        let is_dead = |name: &String, it: &Member| {
            // A clock that goes back kills nobody.
            *name != self.member && now_us.saturating_sub(it.seen_us) > it.timeout_us
        };
        let has_dead = {
            let mut groups = shared.groups.0.lock();
            let Some(group) = groups.get_mut(&self.group) else {
                return Err(self.fenced(0));
            };
            let Some(me) = group.members.get_mut(&self.member) else {
                return Err(self.fenced(group.generation));
            };
            if now_us.saturating_sub(me.seen_us) <= me.timeout_us {
                me.seen_us = me.seen_us.max(now_us);
            }
            group.members.iter().any(|(name, it)| is_dead(name, it))
        };
        if has_dead {
            shared.sync.groups(|| {
                shared.regroup(&self.group, |members| {
                    members.retain(|name, it| !is_dead(name, it));
                })
            })?;
        }
        self.refresh(&shared, now_us)
    }

    /// Takes over what the group's generation assigns.
    fn refresh(&mut self, shared: &Shared, now_us: u64) -> Result<(), StreamError> {
        let (generation, places) = {
            let mut groups = shared.groups.0.lock();
            let Some(group) = groups.get_mut(&self.group) else {
                return Err(self.fenced(0));
            };
            let current = group.generation;
            let Some(me) = group.members.get_mut(&self.member) else {
                return Err(self.fenced(current));
            };
            me.seen_us = me.seen_us.max(now_us);
            if current == self.generation {
                return Ok(());
            }
            (current, me.places.clone())
        };
        let known = self.generation;
        let is_kept = |topic: &str, index: u32| {
            let since = places.get(&(topic.to_owned(), index));
            since.is_some_and(|since| *since <= known || injected(Bug::KeepPositions))
        };
        self.consumer
            .assigned
            .retain(|it| is_kept(&it.topic.name, it.cursor.partition.index));
        for (topic, partition) in places.keys() {
            let is_there = self
                .consumer
                .assigned
                .iter()
                .any(|it| *it.topic.name == **topic && it.cursor.partition.index == *partition);
            if is_there {
                continue;
            }
            let Ok(found) = shared.topic(topic) else {
                continue;
            };
            let Some(place) = found.partitions.get(*partition as usize) else {
                continue;
            };
            let committed = shared.committed(&self.group, place.number);
            let from = match committed {
                Some(offset) => offset,
                None => resolve(shared, &found, *partition, self.options.begin)?,
            };
            self.consumer.begin(found, *partition, from)?;
        }
        self.generation = generation;
        Ok(())
    }

    /// As [`Consumer::poll`], of the partitions that the group's generation assigns.
    ///
    /// # Errors
    /// As for [`Consumer::poll`] and [`heartbeat`](Self::heartbeat).
    pub fn poll(&mut self, limits: Limits) -> Result<Vec<Polled>, StreamError> {
        self.heartbeat()?;
        self.consumer.poll(limits)
    }

    /// As [`Consumer::poll_wait`]. It waits at most a third of the session's time-out at once, so that
    /// waiting is no sign of death.
    ///
    /// # Errors
    /// As for [`poll`](Self::poll).
    pub fn poll_wait(
        &mut self,
        limits: Limits,
        timeout: Duration,
    ) -> Result<Vec<Polled>, StreamError> {
        self.heartbeat()?;
        self.consumer
            .poll_wait(limits, timeout.min(self.options.session_timeout / 3))
    }

    /// Commits how far the member has read: what it polled is done, for the whole group.
    ///
    /// # Errors
    /// [`StreamError::MemberFenced`] where the group has another generation: nothing was committed;
    /// [`StreamError::Denied`]; [`StreamError::Commit`].
    pub fn commit(&self) -> Result<(), StreamError> {
        let engine = self.consumer.streams.engine();
        let mut fenced = None;
        let done = engine.retry(ATTEMPTS, |tx| {
            self.put_offsets(tx).map_err(|error| match error {
                StreamError::Commit(error) => error,
                other => {
                    fenced = Some(other);
                    CommitError::abort("the member is fenced off")
                }
            })
        });
        match (done, fenced) {
            (_, Some(error)) => Err(error),
            (done, None) => Ok(done.map(drop)?),
        }
    }

    /// Adds how far the member has read to a transaction.
    pub(super) fn put_offsets(&self, tx: &mut Transaction<'_>) -> Result<(), StreamError> {
        let shared = &self.consumer.streams.shared;
        let key = generation_key(&self.group);
        let current = if injected(Bug::CommitUnfenced) {
            self.generation
        } else {
            tx.get(&shared.offsets, &key)
                .map_or(0, |value| number(&value))
        };
        if current != self.generation {
            return Err(self.fenced(current));
        }
        for assigned in &self.consumer.assigned {
            self.consumer
                .streams
                .check(&assigned.topic.name, Action::Consume)?;
            let key = offset_key(&self.group, assigned.cursor.partition.number);
            let offset = assigned.cursor.offset.to_le_bytes();
            tx.put(&shared.offsets, &key, &offset)?;
        }
        Ok(())
    }

    /// Leaves the group: its partitions go to the others. What it did not commit they read again.
    ///
    /// # Errors
    /// [`StreamError::Commit`] where the new generation could not be noted; the group then takes it for
    /// dead later.
    pub fn leave(self) -> Result<(), StreamError> {
        let shared = Arc::clone(&self.consumer.streams.shared);
        shared
            .sync
            .groups(|| shared.regroup(&self.group, |members| drop(members.remove(&self.member))))
    }
}
