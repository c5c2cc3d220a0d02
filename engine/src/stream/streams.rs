//! The streams of an engine: topics are made, changed and looked at here.

use std::fmt;
use std::sync::Arc;

use super::error::StreamError;
use super::locks::Locks;
use super::membership::Groups;
use super::partition::Partition;
use super::record::{self, TopicRecord};
use super::rules::{Action, Decided, Rule, Rules};
use super::state::{NAME, State, StreamsView};
use super::topic::{PARTITIONS_MAX, Settings, Topic, is_topic_name};
use crate::engine::{CommitError, Engine, Keyspace, KeyspaceType, View as _};
use crate::frame::{Kind, Record};
use crate::vfs::{Disk, Vfs};
use crate::wal::{Lsn, Mode};

/// The keyspace of committed offsets and of groups' generations.
const GROUPS: &str = "streams/groups";

/// The keyspace of the rules.
const RULES: &str = "streams/rules";

/// Whether the rules are on.
const RULES_ON: &[u8] = b"on";

/// What names of rules begin with, as keys.
const RULE: &[u8] = b"rule/";

/// The streams of an engine. Clones are handles to the same ones.
#[derive(Clone)]
pub struct Streams {
    pub(super) shared: Arc<Shared>,
    /// Who asks; `None` is the operator.
    pub(super) principal: Option<Arc<str>>,
}

/// What all handles share.
pub(super) struct Shared {
    pub engine: Engine,
    pub state: Arc<State>,
    pub sync: Locks,
    pub rules: Rules,
    pub offsets: Keyspace,
    rule_space: Keyspace,
    pub groups: Groups,
}

/// What a partition has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionStatus {
    /// The first offset that is kept.
    pub earliest: u64,
    /// The offset that the next message will have.
    pub latest: u64,
    /// The bytes of the records that are kept.
    pub bytes: u64,
}

/// What a topic is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicStatus {
    /// Its name.
    pub name: String,
    /// How it is kept.
    pub settings: Settings,
    /// Its partitions, from 0 on.
    pub partitions: Vec<PartitionStatus>,
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams")
            .field("principal", &self.principal)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// The time: microseconds since the Unix epoch.
    pub(super) fn now_us(&self) -> u64 {
        self.engine.now_us()
    }

    /// The topic `name`.
    pub(super) fn topic(&self, name: &str) -> Result<Arc<Topic>, StreamError> {
        let found = self.state.registry.read().topics.get(name).cloned();
        found.ok_or_else(|| StreamError::UnknownTopic {
            topic: name.to_owned(),
        })
    }

    /// Up to where consumers see the log: in Strict what is durable, in Buffered what is accepted.
    /// That is what the keyspaces of the engine show.
    pub(super) fn visible(&self) -> Lsn {
        let settled = self.state.settled();
        match self.engine.mode() {
            Mode::Strict => self
                .engine
                .watermarks()
                .map_or(Lsn(0), |it| it.durable.min(settled)),
            Mode::Buffered { .. } | Mode::InMemory => settled,
        }
    }

    /// Appends a record of no partition, and waits as the mode says.
    fn append(&self, kind: Kind, payload: &[u8]) -> Result<(), StreamError> {
        let lsn = self.engine.append_told(Record {
            kind,
            version: record::VERSION,
            payload,
        })?;
        Ok(self.engine.promise(Lsn(lsn.0 + 1))?)
    }
}

/// The partition `index` of a topic.
pub(super) fn partition_at(topic: &Topic, index: u32) -> Result<&Arc<Partition>, StreamError> {
    let found = topic.partitions.get(index as usize);
    found.ok_or_else(|| StreamError::UnknownPartition {
        topic: topic.name.to_string(),
        partition: index,
        partitions: u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX),
    })
}

/// Checks the name of a group, a member or a producer.
pub(super) fn check_name(what: &'static str, name: &str) -> Result<(), StreamError> {
    if (1..=249).contains(&name.len()) && !name.contains('\0') {
        return Ok(());
    }
    let name = name.to_owned();
    Err(StreamError::Name { what, name })
}

impl Streams {
    /// The streams of `engine`, which was opened with `view` among its options.
    ///
    /// # Errors
    /// [`StreamError::NoLog`] of an engine in memory, [`StreamError::NoView`] of one without the view,
    /// [`StreamError::Rule`] where a saved rule cannot be read.
    pub fn open(engine: &Engine, view: &StreamsView) -> Result<Self, StreamError> {
        Self::open_with::<Disk>(engine, view)
    }

    /// As [`open`](Self::open), with the locks of a door of one's own.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_with<V: Vfs>(engine: &Engine, view: &StreamsView) -> Result<Self, StreamError> {
        if engine.mode() == Mode::InMemory {
            return Err(StreamError::NoLog);
        }
        if !engine.has_view(&view.kinds()) {
            return Err(StreamError::NoView);
        }
        view.state.settle(engine.next_lsn());
        let shared = Shared {
            engine: engine.clone(),
            state: Arc::clone(&view.state),
            sync: Locks::of::<V>(),
            rules: Rules::default(),
            offsets: engine.keyspace_of(GROUPS, KeyspaceType::Streams)?,
            rule_space: engine.keyspace_of(RULES, KeyspaceType::Streams)?,
            groups: Groups::default(),
        };
        let streams = Self {
            shared: Arc::new(shared),
            principal: None,
        };
        streams.load_rules()?;
        Ok(streams)
    }

    /// The engine that keeps them.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    /// A handle that acts as `principal`, and may do what the [rules](Self::set_rule) allow.
    #[must_use]
    pub fn act_as(&self, principal: &str) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            principal: Some(principal.into()),
        }
    }

    /// An error unless this handle may do something with a topic.
    pub(super) fn check(&self, topic: &str, action: Action) -> Result<(), StreamError> {
        let decided = Decided::default();
        self.shared
            .rules
            .check(self.principal.as_ref(), topic, action, &decided)
    }

    /// An error unless this handle is the operator's.
    pub(super) fn check_operator(&self) -> Result<(), StreamError> {
        match &self.principal {
            None => Ok(()),
            Some(principal) => Err(StreamError::Denied {
                principal: principal.to_string(),
                action: Action::Admin,
                topic: "*".into(),
            }),
        }
    }

    /// Makes the topic `name`, with partitions from 0 on.
    ///
    /// # Errors
    /// [`StreamError::TopicExists`], [`StreamError::TopicName`], [`StreamError::Settings`],
    /// [`StreamError::Denied`]; [`StreamError::Commit`] where the log did not take it.
    pub fn create_topic(
        &self,
        name: &str,
        partitions: u32,
        settings: Settings,
    ) -> Result<(), StreamError> {
        self.check(name, Action::Admin)?;
        let topic = || name.to_owned();
        if !is_topic_name(name) {
            return Err(StreamError::TopicName { topic: topic() });
        }
        let problem = match partitions {
            1..=PARTITIONS_MAX => settings.problem(),
            _ => Some("a topic has 1 to 65,536 partitions"),
        };
        if let Some(problem) = problem {
            let topic = topic();
            return Err(StreamError::Settings { topic, problem });
        }
        let shared = &self.shared;
        shared.sync.topics(|| {
            self.hold()?;
            let record = {
                let registry = shared.state.registry.read();
                if registry.topics.contains_key(name) {
                    return Err(StreamError::TopicExists { topic: topic() });
                }
                TopicRecord {
                    id: registry.next_topic,
                    first: registry.next_partition,
                    partitions,
                    settings,
                    name: topic(),
                }
            };
            let mut payload = Vec::new();
            record.encode(&mut payload);
            shared.append(record::TOPIC, &payload)
        })
    }

    /// Holds the log before the first message: checkpoints let go of none.
    fn hold(&self) -> Result<(), StreamError> {
        let engine = &self.shared.engine;
        if engine.held_from(NAME).is_none() {
            let from = engine.next_lsn();
            engine.transaction(|tx| tx.hold_lazily(NAME, from))?;
        }
        Ok(())
    }

    /// Gives a topic other settings.
    ///
    /// # Errors
    /// As for [`create_topic`](Self::create_topic), and [`StreamError::UnknownTopic`].
    pub fn change_topic(&self, name: &str, settings: Settings) -> Result<(), StreamError> {
        self.check(name, Action::Admin)?;
        if let Some(problem) = settings.problem() {
            let topic = name.to_owned();
            return Err(StreamError::Settings { topic, problem });
        }
        let shared = &self.shared;
        shared.sync.topics(|| {
            let topic = shared.topic(name)?;
            let record = TopicRecord {
                id: topic.id,
                first: topic.partitions[0].number,
                partitions: u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX),
                settings,
                name: name.to_owned(),
            };
            let mut payload = Vec::new();
            record.encode(&mut payload);
            shared.append(record::TOPIC, &payload)
        })
    }

    /// Deletes a topic and all its messages. Groups' offsets of it go too.
    ///
    /// # Errors
    /// [`StreamError::UnknownTopic`], [`StreamError::Denied`]; [`StreamError::Commit`] where the log
    /// did not take it.
    pub fn delete_topic(&self, name: &str) -> Result<(), StreamError> {
        self.check(name, Action::Admin)?;
        let shared = &self.shared;
        shared.sync.topics(|| {
            let topic = shared.topic(name)?;
            let numbers: Vec<_> = topic.partitions.iter().map(|it| it.number).collect();
            shared.engine.transaction(|tx| {
                for key in shared.offset_keys(&numbers) {
                    tx.delete(&shared.offsets, &key)?;
                }
                tx.record(record::DELETED, record::VERSION, &topic.id.to_le_bytes())
            })?;
            Ok(())
        })
    }

    /// The names of all topics that this handle may do anything with, sorted.
    #[must_use]
    pub fn topics(&self) -> Vec<String> {
        let registry = self.shared.state.registry.read();
        let mut names: Vec<_> = registry.topics.keys().map(ToString::to_string).collect();
        drop(registry);
        names.retain(|name| {
            Action::ALL
                .iter()
                .any(|action| self.check(name, *action).is_ok())
        });
        names.sort();
        names
    }

    /// What a topic has.
    ///
    /// # Errors
    /// [`StreamError::UnknownTopic`], [`StreamError::Denied`].
    pub fn topic(&self, name: &str) -> Result<TopicStatus, StreamError> {
        self.check(name, Action::Consume)?;
        let topic = self.shared.topic(name)?;
        let status = |partition: &Arc<Partition>| {
            let extent = partition.extent.lock();
            PartitionStatus {
                earliest: extent.start,
                latest: extent.next,
                bytes: extent.kept_bytes(),
            }
        };
        Ok(TopicStatus {
            name: topic.name.to_string(),
            settings: topic.settings,
            partitions: topic.partitions.iter().map(status).collect(),
        })
    }

    /// Turns the rules on or off. Only the operator's handle may.
    ///
    /// # Errors
    /// [`StreamError::Denied`]; [`StreamError::Commit`] where the engine did not take it.
    pub fn enforce_rules(&self, is_on: bool) -> Result<(), StreamError> {
        self.change_rules(|space| {
            let value = [u8::from(is_on)];
            space.put(RULES_ON, &value).map(drop)
        })
    }

    /// Gives a rule a name, in the place of the one that has it. It counts for every call that begins
    /// after this returns. Only the operator's handle may.
    ///
    /// # Errors
    /// As for [`enforce_rules`](Self::enforce_rules).
    pub fn set_rule(&self, name: &str, rule: &Rule) -> Result<(), StreamError> {
        let key = [RULE, name.as_bytes()].concat();
        self.change_rules(|space| space.put(&key, &rule.encode()).map(drop))
    }

    /// Takes a rule away, whether it is there or not. Only the operator's handle may.
    ///
    /// # Errors
    /// As for [`enforce_rules`](Self::enforce_rules).
    pub fn remove_rule(&self, name: &str) -> Result<(), StreamError> {
        let key = [RULE, name.as_bytes()].concat();
        self.change_rules(|space| space.delete(&key).map(drop))
    }

    /// Whether the rules are on, and all of them by name.
    #[must_use]
    pub fn rules(&self) -> (bool, Vec<(String, Rule)>) {
        self.shared.rules.list()
    }

    fn change_rules(
        &self,
        change: impl FnOnce(&Keyspace) -> Result<(), CommitError>,
    ) -> Result<(), StreamError> {
        self.check_operator()?;
        self.shared.sync.topics(|| {
            change(&self.shared.rule_space)?;
            self.load_rules()
        })
    }

    fn load_rules(&self) -> Result<(), StreamError> {
        let space = &self.shared.rule_space;
        let is_on = space.get(RULES_ON).is_some_and(|value| *value == [1]);
        let mut rules = Vec::new();
        for item in space.prefix(RULE) {
            let name = String::from_utf8_lossy(&item.key()[RULE.len()..]).into_owned();
            let Some(rule) = Rule::read(item.value()) else {
                return Err(StreamError::Rule { rule: name });
            };
            rules.push((name, rule));
        }
        self.shared.rules.replace(is_on, rules);
        Ok(())
    }
}
