//! Producers, groups, transactions, retention and compaction at work, crashed at every call of the
//! disk.
//!
//! ```text
//! script ─► Streams over Sim ─► crash at call n ─► open ─► check
//!    └────► model: what was tried, what was acknowledged ─────┘
//! ```
//!
//! What is checked after every crash:
//!
//! 1. every partition has a prefix of what was published to it, in order, and all that was acknowledged
//!    as durable; what is below its start was let go of by its limits;
//! 2. the last batch, sent again, is there once;
//! 3. a transaction's messages, offsets and keys are there together or not at all;
//! 4. a group's committed offset is one that it committed, not before the last that is durable, and not
//!    beyond what there is;
//! 5. what compaction left says the same of each key as everything that was published.

mod check;
mod script;

use self::check::{check, send_again};
use self::script::{Model, run, setup};
use crate::crash_test::{Checked, Script, crash_everywhere, fail_everywhere, further_seeds};
use crate::stream::{NewMessage, StreamError};
use crate::vfs::{Failure, Sim};
use crate::wal::Lsn;

/// Streams at work.
struct Work {
    seed: u64,
    len: usize,
}

impl Script for Work {
    type Known = (Model, Result<(), StreamError>);

    fn disk(&self) -> Sim {
        let sim = Sim::default();
        drop(setup(&sim, self.seed));
        sim.crash(0)
    }

    fn run(&self, sim: &Sim) -> Result<Self::Known, String> {
        let mut model = Model::default();
        let ended = run(sim, self.seed, self.len, &mut model);
        Ok((model, ended))
    }

    fn is_done(&self, (_, ended): &Self::Known) -> bool {
        ended.is_ok()
    }

    fn check(&self, disk: &Sim, (model, _): &Self::Known) -> Checked {
        let story = |what| format!("seed {}: {what}", self.seed);
        check(disk, self.seed, model).map_err(story)?;
        send_again(&disk.crash(0), self.seed, model).map_err(story)
    }
}

/// Everything that the harness has, in its short form.
pub(super) fn harness() -> Checked {
    for seed in 0..10 {
        let work = Work { seed, len: 120 };
        let sim = Sim::default();
        drop(setup(&sim, seed));
        let (model, ended) = work.run(&sim)?;
        ended.map_err(|error| format!("seed {seed} fails where nothing goes wrong: {error}"))?;
        let story = |what| format!("seed {seed}, at its end: {what}");
        check(&sim.crash(seed), seed, &model).map_err(story)?;
    }
    for seed in 0..2 {
        crash_everywhere(&Work { seed, len: 40 }, 7, &[0, 1, seed + 2])?;
    }
    Ok(())
}

#[test]
fn streams_lose_nothing_by_a_crash_at_any_call() {
    let mut crashes = 0;
    for seed in 0..4 {
        crashes += crash_everywhere(&Work { seed, len: 30 }, 1, &[0, 1, seed + 2]).unwrap();
    }
    assert!(crashes > 300, "{crashes}");
}

#[test]
fn streams_do_what_the_model_does_where_nothing_goes_wrong() {
    harness().unwrap();
}

/// A disk that is full, or refuses, at any call: nothing that was acknowledged is lost.
#[test]
fn streams_lose_nothing_by_a_failure_of_any_call() {
    for seed in 0..2 {
        let work = Work { seed, len: 25 };
        fail_everywhere(&work, 2, &[Failure::Partial], 0).unwrap();
    }
}

/// The long run: scripts of further seeds until the budget is spent.
#[test]
fn further_seeds_of_streams_until_the_budget_is_spent() {
    let mut crashes = 0;
    let (first, last) = further_seeds(|seed, is_short| {
        let len = if is_short { 20 } else { 80 };
        crashes += crash_everywhere(&Work { seed, len }, 1, &[0, 1, seed + 2]).unwrap();
    });
    println!("tried streams of seeds {first} to {last}: {crashes} crashes; nothing was lost");
}

#[test]
fn the_end_of_a_record_is_after_it() {
    // The model's bookkeeping relies on it.
    let sim = Sim::default();
    let streams = setup(&sim, 0);
    let mut producer = streams.producer("t").unwrap();
    let published = producer.publish_to(0, &[NewMessage::new(b"x")]).unwrap();
    let marks = streams.engine().watermarks().unwrap();
    assert_eq!(marks.durable, Lsn(published.lsn.0 + 1));
}
