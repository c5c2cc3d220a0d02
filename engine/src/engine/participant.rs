//! Modules that lock what they hold themselves, and still change together with a transaction.
//!
//! ```text
//! ready, one after the other    whatever may wait: room, persisters       no lock is held
//! lock, in the order of ids     what is changed; does all of it hold?
//! sequencer                     validate, number, append, apply
//! apply                         their changes                             nothing in here can fail
//! unlock, settle                rotations that are due                    no lock is held
//! ```
//!
//! Invariants:
//!
//! 1. What was checked under the locks holds until the changes are made, and whoever comes between
//!    waits: the records of a transaction have one place in the order of the log and of each key.
//! 2. Locks are taken in the order of the participants' ids, and all of them before the sequencer's.
//!    Who writes to a single participant takes them in the same order.
//! 3. Their records are records of the transaction. After a crash all of it is there, or nothing.

use std::any::Any;

use super::error::CommitError;
use crate::frame::Kind;
use crate::injected_bug::{Bug, injected};

/// A record that a participant adds to the transaction.
pub(crate) struct Addition {
    pub(crate) kind: Kind,
    pub(crate) version: u8,
    pub(crate) payload: Vec<u8>,
}

/// Somebody whose changes are part of a transaction.
pub(crate) trait Participant: Any + Send {
    /// What the log is told.
    fn additions(&mut self) -> Vec<Addition>;

    /// Does whatever may wait for others.
    fn ready(&mut self) -> Result<(), CommitError>;

    /// Locks what is to change, and checks that it can. `None` where [`ready`](Self::ready) has to be
    /// asked again first.
    fn lock(&self) -> Result<Option<Box<dyn Locked + '_>>, CommitError>;

    /// Does what is due after a change.
    fn settle(&self);
}

/// What a participant holds from the check until the change. Dropping it unlocks.
pub(crate) trait Locked {
    /// Makes the changes.
    fn apply(&mut self);
}

/// Locks all participants, runs `commit`, and lets them change where it succeeds.
pub(super) fn together<T>(
    participants: &mut [Box<dyn Participant>],
    commit: impl FnOnce() -> Result<T, CommitError>,
) -> Result<T, CommitError> {
    loop {
        for it in participants.iter_mut() {
            it.ready()?;
        }
        let locked = lock_all(participants)?;
        let Some(mut locked) = locked else { continue };
        let is_early = injected(Bug::TableAheadOfTransaction);
        if is_early {
            apply_all(&mut locked);
        }
        let done = commit()?;
        if !is_early {
            apply_all(&mut locked);
        }
        drop(locked);
        for it in participants.iter() {
            it.settle();
        }
        return Ok(done);
    }
}

fn apply_all(locked: &mut [Box<dyn Locked + '_>]) {
    for it in locked {
        it.apply();
    }
}

/// All of them, or none where one has to be made ready again.
fn lock_all(
    participants: &[Box<dyn Participant>],
) -> Result<Option<Vec<Box<dyn Locked + '_>>>, CommitError> {
    participants.iter().map(|it| it.lock()).collect()
}
