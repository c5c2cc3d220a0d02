//! Runs that a crash left open.
//!
//! ```text
//! open row of a run: its version is the LSN of begin or resume
//!     │
//!     ▼  below the LSN at which the engine was opened?
//! nobody here began or resumed it ──► orphan ──► marked, resumed or closed
//! ```
//!
//! Each is settled in a transaction of its own that reads the run's head again, so that a crash in
//! between leaves the rest for the next opening, and two that settle at once do not settle twice.

use super::change::{Outcome, RunId};
use super::error::RunError;
use super::row::Status;
use super::runs::Runs;
use super::spaces;
use crate::injected_bug::{Bug, injected};

/// What becomes of runs that a crash left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Orphans {
    /// They are marked, and take no change until somebody resumes or ends them.
    #[default]
    Mark,
    /// They go on.
    Resume,
    /// They end as [`Outcome::Abandoned`].
    Close,
}

/// A run that was found open after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orphan {
    /// The run.
    pub run: RunId,
    /// The time of the last step before the crash.
    pub last_us: u64,
    /// How many steps it had.
    pub steps: u64,
}

impl Runs {
    /// Finds the runs that a crash left open, imported by half or deleted by half, and settles them.
    pub(super) fn settle(&self, orphans: Orphans) -> Result<Vec<Orphan>, RunError> {
        let opened_at = self.engine.opened_at();
        let unfinished = self.spaces.catalog.prefix(&[spaces::UNFINISHED]);
        let old = unfinished.filter(|item| item.version() < opened_at);
        let runs: Vec<_> = old.filter_map(|item| spaces::run_of(item.key())).collect();
        let mut found = Vec::new();
        for run in runs {
            if injected(Bug::OrphansOverlooked) {
                break;
            }
            match self.settle_one(run, orphans)? {
                Settled::Orphan(orphan) => found.push(orphan),
                Settled::Hidden => self.purge(run)?,
                Settled::Before => {}
            }
        }
        Ok(found)
    }

    fn settle_one(&self, run: RunId, orphans: Orphans) -> Result<Settled, RunError> {
        let key = spaces::catalog(spaces::UNFINISHED, run);
        let opened_at = self.engine.opened_at();
        let settled = self.engine.retry(64, |tx| {
            let open = tx.get(&self.spaces.catalog, &key);
            if open.is_none_or(|row| row.version() >= opened_at) {
                return Ok(Settled::Before);
            }
            let head = self.head_within(tx, run)?;
            if head.status != Status::Open {
                return Ok(Settled::Hidden);
            }
            self.within(tx, run, |writer| match orphans {
                Orphans::Mark => writer.orphan(),
                Orphans::Resume => writer.go_on(),
                Orphans::Close => writer.end(Outcome::Abandoned, "a crash left it open"),
            })?;
            Ok(Settled::Orphan(Orphan {
                run,
                last_us: head.last_us,
                steps: head.steps,
            }))
        });
        Ok(settled?.value)
    }
}

/// What was found of a run that is not over.
enum Settled {
    /// It was left open.
    Orphan(Orphan),
    /// It was being imported or deleted.
    Hidden,
    /// Somebody else settled it meanwhile.
    Before,
}
