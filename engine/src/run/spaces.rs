//! The keyspaces of runs, and the keys in them.
//!
//! | keyspace | key | value |
//! |---|---|---|
//! | `runs` | 0 | the number of the next run, u64 |
//! | `runs` | 1, run | head |
//! | `runs` | 2, run | name, note, tags, metadata |
//! | `runs` | 3, run | empty: the run is not over |
//! | `runs` | 4, length of the tag u16, tag, run | empty: the run has the tag |
//! | `runs.journal` | run, step | change |
//! | `runs.events` | run, seq | event |
//! | `runs.cells` | run, name | cell |
//! | `runs.keys` | run, key | value |
//! | `runs.spans` | run, span | span |
//!
//! Numbers in keys are big-endian, so that their order is that of the keys.

use super::change::{RunId, SpanId};
use super::error::RunError;
use crate::engine::{Engine, Keyspace, KeyspaceType, Transaction};

/// The names of the keyspaces.
pub(super) const CATALOG: &str = "runs";
pub(super) const JOURNAL: &str = "runs.journal";
pub(super) const EVENTS: &str = "runs.events";
pub(super) const CELLS: &str = "runs.cells";
pub(super) const KEYS: &str = "runs.keys";
pub(super) const SPANS: &str = "runs.spans";

/// The key of the next run's number.
pub(super) const NEXT: &[u8] = &[0];
/// What the keys of heads begin with.
pub(super) const HEAD: u8 = 1;
/// What the keys of descriptions begin with.
pub(super) const ABOUT: u8 = 2;
/// What the keys of runs that are not over begin with.
pub(super) const UNFINISHED: u8 = 3;
/// What the keys of tags begin with.
pub(super) const TAG: u8 = 4;

/// Handles to all of them.
#[derive(Debug, Clone)]
pub(super) struct Spaces {
    pub catalog: Keyspace,
    pub journal: Keyspace,
    pub events: Keyspace,
    pub cells: Keyspace,
    pub keys: Keyspace,
    pub spans: Keyspace,
}

impl Spaces {
    /// The keyspaces, which are created where there are none.
    pub(super) fn open(engine: &Engine) -> Result<Self, RunError> {
        if let Some(spaces) = Self::existing(engine)? {
            return Ok(spaces);
        }
        let open = |tx: &mut Transaction<'_>| {
            let mut space = |name| tx.keyspace_of(name, KeyspaceType::Runs);
            Ok(Self {
                catalog: space(CATALOG)?,
                journal: space(JOURNAL)?,
                events: space(EVENTS)?,
                cells: space(CELLS)?,
                keys: space(KEYS)?,
                spans: space(SPANS)?,
            })
        };
        // Of two that create them at once, both succeed.
        Ok(engine.retry(8, open)?.value)
    }

    /// The keyspaces, where they are there: they are created together.
    pub(super) fn existing(engine: &Engine) -> Result<Option<Self>, RunError> {
        if engine.keyspace_type(CATALOG).is_none() {
            return Ok(None);
        }
        let space = |name| engine.keyspace_of(name, KeyspaceType::Runs);
        Ok(Some(Self {
            catalog: space(CATALOG)?,
            journal: space(JOURNAL)?,
            events: space(EVENTS)?,
            cells: space(CELLS)?,
            keys: space(KEYS)?,
            spans: space(SPANS)?,
        }))
    }

    /// Those that have rows of a run behind its number.
    pub(super) fn of_runs(&self) -> [&Keyspace; 5] {
        [
            &self.journal,
            &self.events,
            &self.cells,
            &self.keys,
            &self.spans,
        ]
    }
}

/// A key of the catalogue.
pub(super) fn catalog(row: u8, run: RunId) -> [u8; 9] {
    let mut key = [row; 9];
    key[1..].copy_from_slice(&run.0.to_be_bytes());
    key
}

/// The run of a key of the catalogue.
pub(super) fn run_of(key: &[u8]) -> Option<RunId> {
    let number = key.last_chunk()?;
    Some(RunId(u64::from_be_bytes(*number)))
}

/// What the keys of a tag begin with.
pub(super) fn tag_prefix(tag: &str) -> Vec<u8> {
    let len = u16::try_from(tag.len()).unwrap_or(u16::MAX);
    let mut key = vec![TAG];
    key.extend_from_slice(&len.to_be_bytes());
    key.extend_from_slice(tag.as_bytes());
    key
}

/// The key that says that a run has a tag.
pub(super) fn tag(tag: &str, run: RunId) -> Vec<u8> {
    let mut key = tag_prefix(tag);
    key.extend_from_slice(&run.0.to_be_bytes());
    key
}

/// What all keys of a run begin with.
pub(super) fn prefix(run: RunId) -> [u8; 8] {
    run.0.to_be_bytes()
}

/// The length of [`prefix`].
pub(super) const PREFIX: usize = 8;

/// A key with a number behind the run's: steps, events, spans.
pub(super) fn numbered(run: RunId, number: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..PREFIX].copy_from_slice(&prefix(run));
    key[PREFIX..].copy_from_slice(&number.to_be_bytes());
    key
}

/// The key of a span.
pub(super) fn span(run: RunId, span: SpanId) -> [u8; 16] {
    numbered(run, span.0)
}

/// The number behind the run's.
pub(super) fn number_of(key: &[u8]) -> u64 {
    key.last_chunk().map_or(0, |it| u64::from_be_bytes(*it))
}

/// A key with bytes behind the run's: cells, keys.
pub(super) fn named(run: RunId, name: &[u8]) -> Vec<u8> {
    [&prefix(run)[..], name].concat()
}
