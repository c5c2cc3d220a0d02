//! The harness of crash tests: a script on a simulated disk that fails at one call after another.
//!
//! ```text
//! script ─► Sim ─► crash, or failure, at call n ─► check
//!    └────► what is known from outside ───────────────┘
//! ```

use std::time::{Duration, Instant};

use crate::vfs::{Failure, Plan, Sim};

/// What a check found wrong, or that it found nothing.
pub(crate) type Checked = Result<(), String>;

/// Answers with the message where the condition does not hold.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}
pub(crate) use ensure;

/// Work on a disk, and what must be left of it.
pub(crate) trait Script {
    /// What is known from outside once the disk has failed, or all is done.
    type Known;

    /// The disk that it begins with.
    fn disk(&self) -> Sim {
        Sim::default()
    }

    /// Works until the disk fails or all is done. An error is a contradiction.
    fn run(&self, sim: &Sim) -> Result<Self::Known, String>;

    /// Whether all was done, as it must be on a good disk.
    fn is_done(&self, _known: &Self::Known) -> bool {
        true
    }

    /// Opens what a disk kept, and compares it with what is known.
    fn check(&self, disk: &Sim, known: &Self::Known) -> Checked;
}

/// Crashes at each `step`-th call, lets the power of the same disk go with several fates, and counts that.
pub(crate) fn crash_everywhere(
    script: &impl Script,
    step: usize,
    fates: &[u64],
) -> Result<u64, String> {
    let mut crashes = 0;
    for call in (1..).step_by(step) {
        let sim = script.disk();
        sim.plan(Plan::CrashAt(call));
        let story = |what: String| format!("crash at call {call}: {what}");
        let known = script.run(&sim).map_err(story)?;
        for fate in fates {
            let story = |what: String| story(format!("fate {fate}: {what}"));
            script.check(&sim.crash(*fate), &known).map_err(story)?;
            crashes += 1;
        }
        if !sim.has_crashed() {
            ensure!(script.is_done(&known), "it fails where nothing goes wrong");
            break;
        }
    }
    Ok(crashes)
}

/// Fails each `step`-th call in each of these ways, and counts that. What is left is opened twice: after
/// the power went, and as by a new process on the same system, whose cache may lie.
pub(crate) fn fail_everywhere(
    script: &impl Script,
    step: usize,
    failures: &[Failure],
    fate: u64,
) -> Result<u64, String> {
    let mut count = 0;
    for &failure in failures {
        for call in (1..).step_by(step) {
            let sim = script.disk();
            sim.plan(Plan::FailAt(call, failure));
            let story = |what: String| format!("{failure:?} at call {call}: {what}");
            let known = script.run(&sim).map_err(story)?;
            let is_past = sim.calls().all < call;
            sim.plan(Plan::Fair);
            script.check(&sim.crash(fate), &known).map_err(story)?;
            script.check(&sim, &known).map_err(story)?;
            if is_past {
                break;
            }
            count += 1;
        }
    }
    Ok(count)
}

/// The long run: tries one seed after another until the budget is spent, and answers with the first and
/// the last. Without a budget it tries one, in a short form, so that it cannot rot.
/// `TORTURE_SEED` and `TORTURE_BUDGET_SECONDS` set both.
pub(crate) fn further_seeds(mut attempt: impl FnMut(u64, bool)) -> (u64, u64) {
    let number = |name: &str| std::env::var(name).ok()?.parse().ok();
    let first = number("TORTURE_SEED").unwrap_or(1000);
    let budget = Duration::from_secs(number("TORTURE_BUDGET_SECONDS").unwrap_or(0));
    let begun = Instant::now();
    for seed in first.. {
        attempt(seed, budget.is_zero());
        if begun.elapsed() >= budget {
            return (first, seed);
        }
    }
    (first, first)
}
