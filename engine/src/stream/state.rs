//! All topics and partitions, as the log says; the streams' view of it.
//!
//! ```text
//! record ──► View::apply ──► topics by name, partitions by number, producers by name
//! checkpoint ◄── save ── everything but the tails ── restore ──► the same again
//! ```
//!
//! Invariants:
//!
//! 1. It follows from the records alone, in the order of their LSNs.
//! 2. Readers see records below `settled` alone: those of commits that are here as a whole.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;
use parking_lot::RwLock;

use super::partition::Partition;
use super::record::{self, Batch, Copy, TopicRecord};
use super::saved;
use super::topic::Topic;
use crate::engine::{Applied, Refused, View};
use crate::frame::Kind;
use crate::wal::Lsn;

/// A producer that has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Named {
    pub id: u64,
    pub epoch: u16,
}

/// What is known of all topics.
#[derive(Debug, Default)]
pub(super) struct Registry {
    pub topics: HashMap<Arc<str>, Arc<Topic>, foldhash::fast::FixedState>,
    pub by_id: BTreeMap<u32, Arc<str>>,
    /// By number. Those of deleted topics are absent.
    pub partitions: HashMap<u32, Arc<Partition>, foldhash::fast::FixedState>,
    pub producers: BTreeMap<String, Named>,
    pub next_topic: u32,
    pub next_partition: u32,
    pub next_producer: u64,
}

impl Registry {
    /// Makes a topic, or gives it other settings.
    pub(super) fn put_topic(&mut self, record: &TopicRecord) -> Result<(), &'static str> {
        let name: Arc<str> = record.name.as_str().into();
        if let Some(known) = self.topics.get(&name) {
            let is_same = known.id == record.id
                && known.partitions.len() == record.partitions as usize
                && known.partitions[0].number == record.first;
            if !is_same {
                return Err("another topic has its name");
            }
            let topic = Topic {
                settings: record.settings,
                id: known.id,
                name: Arc::clone(&known.name),
                partitions: known.partitions.clone(),
            };
            self.topics.insert(Arc::clone(&known.name), Arc::new(topic));
            return Ok(());
        }
        if record.first < self.next_partition {
            return Err("its partitions do not follow the others");
        }
        self.add(record).ok_or("another topic has its number")?;
        Ok(())
    }

    /// Makes a topic; `None` where there is one with its name, its number or a partition of it.
    pub(super) fn add(&mut self, record: &TopicRecord) -> Option<Arc<Topic>> {
        let name: Arc<str> = record.name.as_str().into();
        if self.by_id.contains_key(&record.id) || self.topics.contains_key(&name) {
            return None;
        }
        let partitions = (0..record.partitions)
            .map(|index| Arc::new(Partition::new(record.first + index, index)))
            .collect::<Box<[_]>>();
        for partition in &partitions {
            let place = self
                .partitions
                .insert(partition.number, Arc::clone(partition));
            place.is_none().then_some(())?;
        }
        self.next_partition = self.next_partition.max(record.first + record.partitions);
        self.next_topic = self.next_topic.max(record.id.saturating_add(1));
        self.by_id.insert(record.id, Arc::clone(&name));
        let topic = Topic {
            id: record.id,
            name: Arc::clone(&name),
            settings: record.settings,
            partitions,
        };
        let topic = Arc::new(topic);
        self.topics.insert(name, Arc::clone(&topic));
        Some(topic)
    }

    fn delete_topic(&mut self, id: u32) -> Result<(), &'static str> {
        let name = self.by_id.remove(&id).ok_or("there is no such topic")?;
        if let Some(topic) = self.topics.remove(&name) {
            for partition in &topic.partitions {
                self.partitions.remove(&partition.number);
            }
        }
        Ok(())
    }

    fn put_producer(&mut self, id: u64, epoch: u16, name: String) {
        self.next_producer = self.next_producer.max(id.saturating_add(1));
        self.producers.insert(name, Named { id, epoch });
    }
}

/// What all handles share with the engine.
#[derive(Debug, Default)]
pub(super) struct State {
    pub registry: RwLock<Registry>,
    /// The LSN after the last commit that is here as a whole.
    settled: AtomicU64,
}

impl State {
    /// The LSN up to which everything is here.
    pub(super) fn settled(&self) -> Lsn {
        Lsn(self.settled.load(Ordering::Acquire))
    }

    /// Says that everything before `end` is here.
    pub(super) fn settle(&self, end: Lsn) {
        self.settled.store(end.0, Ordering::Release);
    }

    /// Whether a partition is there: its topic was not deleted.
    pub(super) fn has(&self, partition: &Arc<Partition>) -> bool {
        let registry = self.registry.read();
        let found = registry.partitions.get(&partition.number);
        found.is_some_and(|found| Arc::ptr_eq(found, partition))
    }

    fn partition(&self, number: u32) -> Option<Arc<Partition>> {
        self.registry.read().partitions.get(&number).cloned()
    }

    fn take(&self, applied: Applied<'_>) -> Result<(), &'static str> {
        let Applied {
            lsn,
            kind,
            payload,
            is_replay,
            ..
        } = applied;
        let size = payload.len();
        match kind {
            record::MESSAGES => {
                let batch = Batch::read(payload)?;
                // Messages of a topic that was deleted meanwhile are nobody's.
                let Some(partition) = self.partition(batch.partition) else {
                    return Ok(());
                };
                let mut extent = partition.extent.lock();
                extent.publish(lsn, &batch, size)?;
                if !is_replay {
                    extent.tail.keep(lsn, batch.base);
                }
                Ok(())
            }
            record::COPIED => {
                let copy = Copy::read(payload)?;
                match self.partition(copy.partition) {
                    Some(partition) => partition.extent.lock().copy(lsn, &copy, size),
                    None => Ok(()),
                }
            }
            record::TRIMMED => {
                let (number, start) = record::read_trimmed(payload)?;
                match self.partition(number) {
                    Some(partition) => partition.extent.lock().trim(start),
                    None => Ok(()),
                }
            }
            record::TOPIC => self
                .registry
                .write()
                .put_topic(&TopicRecord::read(payload)?),
            record::DELETED => self
                .registry
                .write()
                .delete_topic(record::read_id(payload)?),
            record::PRODUCER => {
                let (id, epoch, name) = record::read_producer(payload)?;
                self.registry.write().put_producer(id, epoch, name);
                Ok(())
            }
            _ => Err("its type is unknown to this engine"),
        }
    }
}

/// The streams' view of an engine's log, which has to be among the
/// [`views`](crate::engine::Options::views) of every engine whose log has streams. Clones are the
/// same one.
#[derive(Debug, Clone, Default)]
pub struct StreamsView {
    pub(super) state: Arc<State>,
}

impl StreamsView {
    /// A view for one engine.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What goes into the engine's options.
    #[must_use]
    pub fn as_view(&self) -> Arc<dyn View> {
        Arc::new(self.clone())
    }
}

/// The name of the view, and of its holder of the log.
pub(super) const NAME: &str = "streams";

impl View for StreamsView {
    fn name(&self) -> &str {
        NAME
    }

    fn kinds(&self) -> RangeInclusive<Kind> {
        Kind::STREAM..=record::LAST
    }

    fn apply(&self, applied: Applied<'_>) -> Result<(), Refused> {
        if applied.version != record::VERSION {
            return Err(Refused("its version is unknown to this engine".into()));
        }
        self.state
            .take(applied)
            .map_err(|what| Refused(what.into()))
    }

    fn committed(&self, end: Lsn) {
        self.state.settle(end);
    }

    fn save(&self) -> Option<Vec<u8>> {
        Some(saved::encode(&self.state.registry.read()))
    }

    fn restore(&self, bytes: &[u8]) -> Result<(), Refused> {
        let registry = saved::decode(bytes);
        let registry = registry.ok_or_else(|| Refused("what streams saved is malformed".into()))?;
        *self.state.registry.write() = registry;
        Ok(())
    }
}
