//! Runs of agents: what happened, in order, and the state at any point of it.
//!
//! ```text
//! Runs ──► RunWriter ──► engine.transaction ──► keyspaces of the type `runs`
//!                             one step for each change
//!
//!  runs.journal   (run, step) ─► change          everything but events, in the order it happened
//!  runs.events    (run, seq)  ─► step, event     the event log; its steps fill the journal's gaps
//!  runs.cells, runs.keys, runs.spans             what is so now
//!  runs           heads, names, tags, runs that are not over
//! ```
//!
//! A *run* has an *event log*, *state cells*, *keys* and *spans*. Each change to it is a *step*; steps
//! are numbered from 1 on without gaps. The rows of journal and events, merged by step, are the index
//! of the run's LSNs: each row's version is the LSN of its record. [`Replay`] reads them and nothing
//! else, so a run can be replayed in every mode, after any checkpoint, and without its log.
//!
//! Invariants:
//!
//! 1. A transaction changes any number of runs and keyspaces as a whole or not at all, as any other.
//! 2. Every change reads and writes its run's head: of two that change one run at once, one wins and
//!    the other is tried again. Changes to different runs do not meet.
//! 3. Replaying all steps gives what the keyspaces of the present say.
//! 4. The times of a run's steps never go back, whatever the clock does.
//! 5. No run is seen half: one that is being imported or deleted is not there.
//!
//! Records of its own (types 0x28 to 0x2f) were not needed. A view of such records has to give its
//! whole state to each checkpoint, under the sequencer's lock; rows of keyspaces are saved beside the
//! writers, and keep their LSNs.

mod attribute;
mod cell;
mod change;
mod code;
mod diff;
mod error;
mod event;
#[cfg(feature = "json")]
mod import;
#[cfg(feature = "json")]
mod json;
mod lifecycle;
mod orphan;
mod print;
mod purge;
mod read;
mod replay;
mod row;
mod runs;
mod spaces;
mod span;
mod state;
mod text;
mod tree;
mod writer;

pub use self::attribute::{ATTRIBUTES_MAX, Attribute, Attributes};
pub use self::cell::Cell;
pub use self::change::{Change, Event, Outcome, RunId, SpanId};
pub use self::diff::{Content, Difference, Fact, Place, RunDiff, Side};
pub use self::error::RunError;
pub use self::event::{Events, StoredEvent};
#[cfg(feature = "json")]
pub use self::import::{ImportError, LINE_BYTES_MAX};
#[cfg(feature = "json")]
pub use self::json::{ExportError, line};
pub use self::orphan::{Orphan, Orphans};
pub use self::print::{Listed, Quoted};
pub use self::read::{CellVersion, RunInfo};
pub use self::replay::{Point, Replay, Step, Steps};
pub use self::row::{Span, SpanEnd, Status};
pub use self::runs::{NewRun, Runs};
pub use self::span::NewSpan;
pub use self::state::{Held, HeldCell, RunState};
pub(crate) use self::text::{Part, Rows};
pub use self::tree::{TreeSpan, tree};
pub use self::writer::{RUN_KEY_BYTES_MAX, RunWriter, STEP_BYTES_MAX};

/// The longest name of a run, a cell, a span, a tag, an attribute or a type of events, in bytes.
pub const NAME_BYTES_MAX: usize = 1024;

#[cfg(test)]
mod tests;
