//! What differs between two runs, or between two points of one.
//!
//! ```text
//! a  keys │ events │ cells │ spans     two scans in the same order
//! b  keys │ events │ cells │ spans     merged: only in a, only in b, in both and not the same
//! ```
//!
//! Compared is what happened, not when: times, steps and LSNs are left out, since no two runs share
//! them. Rows end with what is compared, so that equal ones are told by their bytes. Events and spans
//! are compared by their numbers: one that was inserted makes all later ones differ.
//!
//! A side at its end is read from the rows of the present, any other is replayed.

use std::collections::BTreeMap;
use std::fmt;

use super::attribute::Attributes;
use super::change::{self, Outcome, RunId, SpanId};
use super::code;
use super::error::RunError;
use super::replay::{Point, Replay};
use super::row;
use super::runs::{Runs, read_row, tail};
use super::spaces;
use super::state::Section;
use crate::engine::{Item, ReadView};
use crate::injected_bug::{Bug, injected};

/// One of the two that are compared: a run, at its end or at another point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Side {
    /// The run.
    pub run: RunId,
    /// The point.
    pub point: Point,
}

impl From<RunId> for Side {
    fn from(run: RunId) -> Self {
        let point = Point::End;
        Self { run, point }
    }
}

impl From<(RunId, Point)> for Side {
    fn from((run, point): (RunId, Point)) -> Self {
        Self { run, point }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {}, {}", self.run, self.point)
    }
}

/// Where something of a run is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A key.
    Key(Vec<u8>),
    /// An event, by its sequence number.
    Event(u64),
    /// A state cell.
    Cell(String),
    /// A span.
    Span(SpanId),
}

/// What is at a place.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// The value of a key.
    Value(Vec<u8>),
    /// What happened.
    Event {
        /// What sort of event it is.
        kind: String,
        /// What is known of it.
        attributes: Attributes,
        /// Its content.
        body: Vec<u8>,
    },
    /// The state of a cell.
    Cell {
        /// How often it was set.
        version: u64,
        /// Its value.
        value: Vec<u8>,
    },
    /// A span.
    Span {
        /// The span within which it is.
        parent: Option<SpanId>,
        /// Its name.
        name: String,
        /// How it ended; `None` where it has not.
        outcome: Option<Outcome>,
        /// What is known of it.
        attributes: Attributes,
    },
}

/// All that is compared of a run at one point.
pub type Content = BTreeMap<Place, Fact>;

/// A place that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The place.
    pub place: Place,
    /// What the first side has there.
    pub before: Option<Fact>,
    /// What the second has.
    pub after: Option<Fact>,
}

/// What differs between two sides, in the order of the places.
#[derive(Debug, Clone, PartialEq)]
pub struct RunDiff {
    /// The first side.
    pub before: Side,
    /// The second.
    pub after: Side,
    /// The places that differ.
    pub differences: Vec<Difference>,
}

impl RunDiff {
    /// Makes the content of the second side out of that of the first.
    ///
    /// # Errors
    /// The first place at which `content` is not what the first side had. What was changed before
    /// stays changed.
    pub fn apply(&self, content: &mut Content) -> Result<(), Place> {
        for Difference {
            place,
            before,
            after,
        } in &self.differences
        {
            if content.get(place) != before.as_ref() {
                return Err(place.clone());
            }
            match after {
                Some(fact) => drop(content.insert(place.clone(), fact.clone())),
                None => drop(content.remove(place)),
            }
        }
        Ok(())
    }

    /// The same difference from the other side.
    #[must_use]
    pub fn reversed(self) -> Self {
        let turn = |it: Difference| Difference {
            place: it.place,
            before: it.after,
            after: it.before,
        };
        Self {
            before: self.after,
            after: self.before,
            differences: self.differences.into_iter().map(turn).collect(),
        }
    }
}

/// A row that is compared, with the run that it is of.
struct Row {
    section: Section,
    item: Item,
}

impl Row {
    /// Its place, as it is ordered.
    fn order(&self) -> (Section, &[u8]) {
        (self.section, &self.item.key()[spaces::PREFIX..])
    }

    /// What is compared of it; empty where the row is too short.
    fn content(&self) -> &[u8] {
        let head = match self.section {
            Section::Keys => 0,
            Section::Events => change::EVENT_HEAD,
            Section::Cells => row::CELL_HEAD,
            Section::Spans => row::SPAN_HEAD,
        };
        self.item.value().get(head..).unwrap_or_default()
    }

    /// What it says, in full.
    fn read(&self, run: RunId) -> Result<(Place, Fact), RunError> {
        let (key, content) = (&self.item.key()[spaces::PREFIX..], self.content());
        let number = spaces::number_of(key);
        Ok(match self.section {
            Section::Keys => (Place::Key(key.to_owned()), Fact::Value(content.to_owned())),
            Section::Events => {
                let event = change::read_event_content(number, content);
                let event = read_row(run, spaces::EVENTS, number, event)?;
                let fact = Fact::Event {
                    kind: event.kind.to_owned(),
                    attributes: event.attributes.into_owned(),
                    body: event.body.to_owned(),
                };
                (Place::Event(number), fact)
            }
            Section::Cells => {
                let at = tail(self.item.key());
                let name = read_row(run, spaces::CELLS, at, code::utf8(key))?;
                let mut rest = code::Reader(content);
                let fact = Fact::Cell {
                    version: read_row(run, spaces::CELLS, name, rest.u64())?,
                    value: rest.rest().to_owned(),
                };
                (Place::Cell(name.to_owned()), fact)
            }
            Section::Spans => {
                let read = row::read_span_content(content);
                let read = read_row(run, spaces::SPANS, number, read)?;
                let (parent, outcome, name, attributes) = read;
                let fact = Fact::Span {
                    parent,
                    name,
                    outcome,
                    attributes,
                };
                (Place::Span(SpanId(number)), fact)
            }
        })
    }
}

type Rows = Box<dyn Iterator<Item = Row>>;

impl Runs {
    /// What differs between two sides, which may be points of one run: what has to be changed in the
    /// first to get the second.
    ///
    /// # Errors
    /// [`RunError::UnknownRun`], [`RunError::NoStep`]; [`RunError::Row`] where a row cannot be read.
    pub fn diff(
        &self,
        before: impl Into<Side>,
        after: impl Into<Side>,
    ) -> Result<RunDiff, RunError> {
        let (before, after) = (before.into(), after.into());
        let view = self.engine.view();
        let rows = [self.rows(&view, before)?, self.rows(&view, after)?];
        Ok(RunDiff {
            before,
            after,
            differences: merge(rows, [before.run, after.run])?,
        })
    }

    /// All that is compared of a side.
    ///
    /// # Errors
    /// As for [`diff`](Self::diff).
    pub fn content(&self, side: impl Into<Side>) -> Result<Content, RunError> {
        let side = side.into();
        let rows = self.rows(&self.engine.view(), side)?;
        rows.map(|row| row.read(side.run)).collect()
    }

    /// The rows of a side, in order.
    fn rows(&self, view: &ReadView, side: Side) -> Result<Rows, RunError> {
        let run = side.run;
        let head = self.head_in(view, run)?;
        if side.point != Point::End && side.point != Point::Step(head.steps) {
            let mut replay = Replay::new(self, view, run)?;
            replay.forward_to(side.point)?;
            let rows = replay.into_state().into_rows(run);
            let rows = rows.into_iter();
            return Ok(Box::new(rows.map(|(section, item)| Row { section, item })));
        }
        let spaces = &self.spaces;
        let sections = [
            (Section::Keys, &spaces.keys),
            (Section::Events, &spaces.events),
            (Section::Cells, &spaces.cells),
            (Section::Spans, &spaces.spans),
        ];
        let scans = sections.map(|(section, space)| {
            let rows = view.prefix(space, &spaces::prefix(run));
            rows.map(move |item| Row { section, item })
        });
        Ok(Box::new(scans.into_iter().flatten()))
    }
}

/// What differs between two scans in the same order.
fn merge([before, after]: [Rows; 2], runs: [RunId; 2]) -> Result<Vec<Difference>, RunError> {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let (mut before, mut after) = (before.peekable(), after.peekable());
    let mut differences = Vec::new();
    loop {
        let order = match (before.peek(), after.peek()) {
            (Some(before), Some(after)) => before.order().cmp(&after.order()),
            (Some(_), None) => Less,
            (None, Some(_)) => Greater,
            (None, None) => return Ok(differences),
        };
        let before = before.next_if(|_| order != Greater);
        let after = after.next_if(|_| order != Less);
        let is_same = |a: &Row, b: &Row| a.content() == b.content();
        match (&before, &after) {
            (Some(before), Some(after)) if order == Equal && is_same(before, after) => continue,
            (Some(_), None) if injected(Bug::DiffOverlooksRemoved) => continue,
            _ => {}
        }
        let read = |row: Option<Row>, run| row.map(|row| row.read(run)).transpose();
        let (before, after) = (read(before, runs[0])?, read(after, runs[1])?);
        let place = before.as_ref().or(after.as_ref()).map(|it| it.0.clone());
        let Some(place) = place else { continue };
        differences.push(Difference {
            place,
            before: before.map(|it| it.1),
            after: after.map(|it| it.1),
        });
    }
}
