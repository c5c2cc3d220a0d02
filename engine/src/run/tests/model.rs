//! What is known of runs from outside: after each step of each run, everything.

use std::collections::{BTreeMap, BTreeSet};

use super::operation::{
    Change, KINDS, Operation, attributes, bytes, cell, key, new_run, new_span, outcome, tag,
};
use crate::run::{Attribute, Attributes, Outcome, RunState, Span, SpanEnd, SpanId, Status};

/// Everything of a run after a step.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct State {
    pub status: Option<Status>,
    pub name: String,
    pub note: String,
    pub tags: BTreeSet<String>,
    pub metadata: Attributes,
    /// Type, attributes, body, step, time.
    pub events: Vec<(String, Attributes, Vec<u8>, u64, u64)>,
    pub keys: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Version, step, time, value.
    pub cells: BTreeMap<String, (u64, u64, u64, Vec<u8>)>,
    pub spans: BTreeMap<SpanId, Span>,
}

impl State {
    /// What a replay says, to be compared.
    pub(super) fn of(state: &RunState) -> Self {
        let event = |it: &crate::run::StoredEvent| {
            let event = it.event().unwrap();
            (
                event.kind.to_owned(),
                event.attributes.into_owned(),
                event.body.to_owned(),
                it.step,
                it.time_us,
            )
        };
        let cell = |it: &crate::run::HeldCell| (it.version, it.step, it.time_us, it.value.to_vec());
        let cells = state.cells.iter();
        let keys = state.keys.iter();
        Self {
            status: state.status,
            name: state.name.clone(),
            note: state.note.clone(),
            tags: state.tags.clone(),
            metadata: state.metadata.clone(),
            events: state.events.iter().map(event).collect(),
            keys: keys.map(|(key, it)| (key.clone(), it.to_vec())).collect(),
            cells: cells.map(|(name, it)| (name.clone(), cell(it))).collect(),
            spans: state.spans.clone(),
        }
    }
}

/// A run: its states after 0, 1, 2, … steps, and the times of the steps.
#[derive(Debug, Clone, Default)]
pub(super) struct Run {
    pub states: Vec<State>,
    pub times_us: Vec<u64>,
}

impl Run {
    pub(super) fn state(&self) -> &State {
        self.states.last().unwrap()
    }

    fn step(&mut self, now_us: u64, change: impl FnOnce(&mut State, u64)) {
        let step = self.states.len() as u64;
        let mut state = self.state().clone();
        change(&mut state, step);
        self.states.push(state);
        self.times_us.push(now_us);
    }

    /// Does a change, or says why not.
    #[expect(clippy::too_many_lines, reason = "one arm for each change")]
    fn change(&mut self, change: &Change, now_us: u64) -> Result<(), &'static str> {
        let state = self.state().clone();
        match state.status {
            Some(Status::Open) => {}
            Some(Status::Orphaned) if matches!(change, Change::End(_)) => {}
            Some(Status::Orphaned) => return Err("orphaned"),
            _ => return Err("ended"),
        }
        match change {
            Change::Append(kind, body) => self.step(now_us, |it, step| {
                let kind = KINDS[usize::from(*kind)].to_owned();
                it.events
                    .push((kind, attributes(*body), bytes(*body), step, now_us));
            }),
            Change::Put(at, value) => self.step(now_us, |it, _| {
                it.keys.insert(key(*at), bytes(*value));
            }),
            Change::Delete(at) if state.keys.contains_key(&key(*at)) => {
                self.step(now_us, |it, _| drop(it.keys.remove(&key(*at))));
            }
            Change::Delete(_) => {}
            Change::Set(at, value) => self.set(*at, *value, now_us),
            Change::Cas(at, expected, value) => {
                let found = state.cells.get(cell(*at)).map_or(0, |it| it.0);
                if found != u64::from(*expected) {
                    return Err("cell version");
                }
                self.set(*at, *value, now_us);
            }
            Change::Transition(at, from, to) => {
                let found = state.cells.get(cell(*at));
                if found.is_none_or(|it| it.3 != bytes(*from)) {
                    return Err("cell value");
                }
                self.set(*at, *to, now_us);
            }
            Change::Start(parent, id) => {
                let new = new_span(*parent, *id);
                let highest = state.spans.keys().next_back().map_or(0, |it| it.0);
                let id = new.id.unwrap_or(SpanId(highest + 1));
                if new.parent == Some(id) {
                    return Err("cycle");
                }
                if state.spans.contains_key(&id) {
                    return Err("span number");
                }
                if new.parent.is_some_and(|it| !state.spans.contains_key(&it)) {
                    return Err("missing parent");
                }
                self.step(now_us, |it, step| {
                    let span = Span {
                        id,
                        parent: new.parent,
                        name: new.name,
                        attributes: new.attributes,
                        started_us: now_us,
                        started_step: step,
                        end: None,
                    };
                    it.spans.insert(id, span);
                });
            }
            Change::Finish(span, how) => {
                let id = SpanId(u64::from(*span));
                match state.spans.get(&id) {
                    None => return Err("unknown span"),
                    Some(Span { end: Some(_), .. }) => return Err("span ended"),
                    Some(_) => {}
                }
                self.step(now_us, |it, step| {
                    let row = it.spans.get_mut(&id).unwrap();
                    row.attributes.extend(attributes(*span));
                    row.end = Some(SpanEnd {
                        outcome: outcome(*how),
                        time_us: now_us,
                        step,
                    });
                });
            }
            Change::Tag(it) => {
                if !state.tags.contains(tag(*it)) {
                    self.step(now_us, |state, _| {
                        let _ = state.tags.insert(tag(*it).into());
                    });
                }
            }
            Change::Untag(it) => {
                if state.tags.contains(tag(*it)) {
                    self.step(now_us, |state, _| {
                        let _ = state.tags.remove(tag(*it));
                    });
                }
            }
            Change::Note(name, value) => {
                let name = ["a", "b"][usize::from(*name)];
                let value = value.map(|it| Attribute::Integer(it.into()));
                if let Some(value) = value {
                    self.step(now_us, |it, _| {
                        it.metadata.insert(name.into(), value);
                    });
                } else if state.metadata.contains_key(name) {
                    self.step(now_us, |it, _| drop(it.metadata.remove(name)));
                }
            }
            Change::End(how) => self.end(now_us, outcome(*how), "done"),
        }
        Ok(())
    }

    fn set(&mut self, at: u8, value: u8, now_us: u64) {
        self.step(now_us, |it, step| {
            let version = it.cells.get(cell(at)).map_or(1, |it| it.0 + 1);
            let row = (version, step, now_us, bytes(value));
            it.cells.insert(cell(at).to_owned(), row);
        });
    }

    fn end(&mut self, now_us: u64, outcome: Outcome, note: &str) {
        self.step(now_us, |it, _| {
            it.status = Some(Status::Ended(outcome));
            it.note = note.to_owned();
        });
    }

    /// A crash was found to have left it.
    pub(super) fn orphan(&mut self, now_us: u64) {
        self.step(now_us, |it, _| it.status = Some(Status::Orphaned));
    }

    /// Somebody goes on with it.
    pub(super) fn resume(&mut self, now_us: u64) {
        self.step(now_us, |it, _| it.status = Some(Status::Open));
    }
}

/// All runs, and how many transactions committed.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    pub runs: Vec<Run>,
    pub count: u8,
}

impl Model {
    /// Does an operation, or says why not; then nothing of it happened.
    pub(super) fn apply(&mut self, operation: &Operation, now_us: u64) -> Result<(), &'static str> {
        match operation {
            Operation::Begin(tags) => {
                let new = new_run(*tags);
                let mut run = Run {
                    states: vec![State::default()],
                    times_us: Vec::new(),
                };
                run.step(now_us, |it, _| {
                    it.name.clone_from(&new.name);
                    it.status = Some(Status::Open);
                });
                for tag in new.tags {
                    run.step(now_us, |it, _| {
                        let _ = it.tags.insert(tag);
                    });
                }
                for (name, value) in new.metadata {
                    run.step(now_us, |it, _| drop(it.metadata.insert(name, value)));
                }
                self.runs.push(run);
            }
            Operation::Together(changes, is_given_up) => {
                let mut after = self.clone();
                for (at, change) in changes {
                    let run = after.runs.get_mut(usize::from(*at));
                    run.ok_or("unknown run")?.change(change, now_us)?;
                }
                if *is_given_up {
                    return Err("given up");
                }
                after.count = after.count.wrapping_add(1);
                *self = after;
            }
            Operation::Wait(_) => {}
        }
        Ok(())
    }
}
