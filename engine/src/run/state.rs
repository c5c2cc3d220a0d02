//! Everything of a run as it was at one point, made by doing its steps in order.
//!
//! What is large stays where it is: a value or an event is a part of its row, counted and not copied.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use super::attribute::Attributes;
use super::change::{Change, RunId, SpanId};
use super::error::RunError;
use super::event::StoredEvent;
use super::replay::Step;
use super::row::{self, Span, SpanEnd, Status};
use super::spaces;
use crate::engine::Item;
use crate::wal::Lsn;

/// The end of a row: a value as it was.
#[derive(Debug, Clone)]
pub struct Held {
    item: Item,
    len: usize,
}

impl Deref for Held {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let value = self.item.value();
        &value[value.len() - self.len..]
    }
}

/// A state cell as it was.
#[derive(Debug, Clone)]
pub struct HeldCell {
    /// How often it had been set.
    pub version: u64,
    /// The step that had set it.
    pub step: u64,
    /// When that was: microseconds since the Unix epoch.
    pub time_us: u64,
    /// Its value.
    pub value: Held,
}

/// Everything of a run as it was at one point.
#[derive(Debug, Clone, Default)]
pub struct RunState {
    /// How many steps had been made.
    pub steps: u64,
    /// The time of the last one.
    pub time_us: u64,
    /// The LSN of its record.
    pub lsn: Option<Lsn>,
    /// What had become of the run; `None` before it began.
    pub status: Option<Status>,
    /// Its name.
    pub name: String,
    /// Why it had ended, in words.
    pub note: String,
    /// Its tags.
    pub tags: BTreeSet<String>,
    /// What was known of it.
    pub metadata: Attributes,
    /// Its event log.
    pub events: Vec<StoredEvent>,
    /// Its keys and their values.
    pub keys: BTreeMap<Vec<u8>, Held>,
    /// Its state cells.
    pub cells: BTreeMap<String, HeldCell>,
    /// Its spans.
    pub spans: BTreeMap<SpanId, Span>,
}

impl RunState {
    /// Does what the next step did.
    pub(super) fn apply(&mut self, run: RunId, step: &Step) -> Result<(), RunError> {
        let (number, time_us) = (step.number, step.time_us);
        self.steps = number;
        self.time_us = time_us;
        self.lsn = Some(step.lsn());
        if step.is_event() {
            self.events.push(step.stored_event()?);
            return Ok(());
        }
        let held = |value: &[u8]| Held {
            item: step.item().clone(),
            len: value.len(),
        };
        match step.change()? {
            Change::Began { name } => {
                name.clone_into(&mut self.name);
                self.status = Some(Status::Open);
            }
            Change::Resumed => self.status = Some(Status::Open),
            Change::Orphaned => self.status = Some(Status::Orphaned),
            Change::Ended { outcome, note } => {
                note.clone_into(&mut self.note);
                self.status = Some(Status::Ended(outcome));
            }
            Change::Tagged { tag, is_set: true } => drop(self.tags.insert(tag.to_owned())),
            Change::Tagged { tag, is_set: false } => drop(self.tags.remove(tag)),
            Change::Noted { name, value } => match value {
                Some(value) => drop(self.metadata.insert(name.to_owned(), value.into_owned())),
                None => drop(self.metadata.remove(name)),
            },
            Change::Event(_) => {}
            Change::Put { key, value } => drop(self.keys.insert(key.to_owned(), held(value))),
            Change::Deleted { key } => drop(self.keys.remove(key)),
            Change::Cell {
                name,
                version,
                value,
                ..
            } => {
                let cell = HeldCell {
                    version,
                    step: number,
                    time_us,
                    value: held(value),
                };
                self.cells.insert(name.to_owned(), cell);
            }
            Change::SpanStarted {
                span,
                parent,
                name,
                attributes,
            } => {
                let row = Span {
                    id: span,
                    parent,
                    name: name.to_owned(),
                    attributes: attributes.into_owned(),
                    started_us: time_us,
                    started_step: number,
                    end: None,
                };
                self.spans.insert(span, row);
            }
            Change::SpanEnded {
                span,
                outcome,
                attributes,
            } => {
                let row = self.spans.get_mut(&span);
                let row = row.ok_or(RunError::UnknownSpan { run, span })?;
                row.attributes.extend(attributes.into_owned());
                row.end = Some(SpanEnd {
                    outcome,
                    time_us,
                    step: number,
                });
            }
        }
        Ok(())
    }

    /// The rows that the keyspaces of the present would have, in the order of [`Section`] and key.
    pub(super) fn into_rows(self, run: RunId) -> Vec<(Section, Item)> {
        let item = |key: &[u8], value: &[u8]| {
            let key = spaces::named(run, key);
            let key_len = u32::try_from(key.len()).unwrap_or(u32::MAX);
            Item::new(Lsn(0), 0, key_len, &[&key, value].concat())
        };
        let mut rows = Vec::new();
        for (key, value) in &self.keys {
            rows.push((Section::Keys, item(key, value)));
        }
        let events = self.events.into_iter().map(StoredEvent::into_item);
        rows.extend(events.map(|item| (Section::Events, item)));
        for (name, cell) in &self.cells {
            let row = row::cell(cell.step, cell.time_us, cell.version, &cell.value);
            rows.push((Section::Cells, item(name.as_bytes(), &row)));
        }
        for (id, span) in &self.spans {
            rows.push((Section::Spans, item(&id.0.to_be_bytes(), &span.bytes())));
        }
        rows
    }
}

/// What has rows of the present, in the order in which runs are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    Keys,
    Events,
    Cells,
    Spans,
}
