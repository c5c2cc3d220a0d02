//! Letting go of a run.
//!
//! A run may have more rows than fit one transaction. So it is first hidden, in a transaction of its
//! own, then its rows go some at a time, and last its head. A crash in between leaves it hidden, and
//! the next opening goes on.

use super::change::RunId;
use super::error::RunError;
use super::row::{About, Status};
use super::runs::{Runs, read_row};
use super::spaces;

/// How many rows go at a time.
const ROWS: usize = 1000;

impl Runs {
    /// Deletes a run that is over or orphaned, with all that belongs to it.
    ///
    /// # Errors
    /// [`RunError::StillOpen`], [`RunError::UnknownRun`]. After any other, it may be that the run is
    /// no longer seen, and goes for good when the runs are opened again.
    pub fn remove(&self, run: RunId) -> Result<(), RunError> {
        let hidden = self.engine.retry(1000, |tx| {
            Ok(self.within(tx, run, |writer| {
                if writer.head().status == Status::Open {
                    return Err(RunError::StillOpen { run });
                }
                writer.head().status = Status::Deleting;
                writer.set_unfinished(true)
            })?)
        });
        hidden?;
        self.purge(run)
    }

    /// Takes all rows of a hidden run away.
    pub(super) fn purge(&self, run: RunId) -> Result<(), RunError> {
        for space in self.spaces.of_runs() {
            let keys = space.prefix(&spaces::prefix(run));
            let keys: Vec<_> = keys.map(|item| item.key().to_vec()).collect();
            for keys in keys.chunks(ROWS) {
                self.engine
                    .transaction(|tx| keys.iter().try_for_each(|key| tx.delete(space, key)))?;
            }
        }
        let catalog = &self.spaces.catalog;
        self.engine.retry(8, |tx| {
            let about = tx.get(catalog, &spaces::catalog(spaces::ABOUT, run));
            if let Some(about) = about {
                let about: About = read_row(run, spaces::CATALOG, "about", About::read(&about))?;
                for tag in &about.tags {
                    tx.delete(catalog, &spaces::tag(tag, run))?;
                }
            }
            for row in [spaces::HEAD, spaces::ABOUT, spaces::UNFINISHED] {
                tx.delete(catalog, &spaces::catalog(row, run))?;
            }
            Ok(())
        })?;
        Ok(())
    }
}
