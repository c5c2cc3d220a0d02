//! How long whoever could lead a sync waits for the committers that the last one released.
//!
//! ```text
//! sync ─► released: 8 ─► back: 1, 2, … 7 ── wait ──► back: 8 ─► lead
//!                                   └── late ──────────────────► lead, and wait for nobody a while
//! ```
//!
//! Committers come back at about the same time, and one sync for all of them is worth two for half
//! of them each. To wait costs little only where syncs are slow enough to sleep meanwhile, or where
//! yielding the processor is enough for the others to run.
//!
//! Pure: times are given.

use std::time::Duration;

/// Of a slow sync, a cohort is waited for no longer than this share.
const SLEEP_SHARE: u64 = 4;

/// A shorter sleep is not worth it: to fall asleep and to be woken takes as long.
const SLEEP_US_MIN: u64 = 50;

/// How often a processor is yielded for one sync, whatever the clock says.
const YIELDS_MAX: u32 = 200;

/// For how many syncs nobody is waited for after a cohort that did not come back in time.
const LATE_SYNCS: u32 = 4;

/// For how many syncs nobody is waited for where the processors are too busy to run in time who
/// waits: then whoever runs gets more done than all together.
const BUSY_SYNCS: u32 = 64;

/// A sync that took longer counts as this long, so that one bad moment is soon forgotten.
const SYNC_US_MAX: u64 = 50_000;

/// How a cohort is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// By yielding the processor, and looking again.
    Yield,
    /// Asleep.
    Sleep(Duration),
}

/// The committers that the last sync released.
#[derive(Debug, Default)]
pub(super) struct Cohort {
    /// How many of them have not come back.
    returning: usize,
    /// Until when they are waited for.
    until_us: u64,
    /// What a sync takes, as a moving average.
    sync_us: u64,
    /// For how many syncs nobody is waited for.
    pause: u32,
    /// How often a processor was yielded since the last sync.
    yields: u32,
}

impl Cohort {
    /// A sync has released `committers`; where there are none, those before them still count.
    pub(super) fn release(&mut self, committers: usize) {
        if committers > 0 {
            self.returning = committers;
        }
    }

    /// A committer is back.
    pub(super) fn arrive(&mut self) {
        self.returning = self.returning.saturating_sub(1);
    }

    /// How the cohort may still be waited for; `None` where it is complete, or late.
    ///
    /// Whoever comes asks again: a thread that waits until then may be scheduled much later.
    pub(super) fn patience(&self, now_us: impl FnOnce() -> u64) -> Option<Patience> {
        if self.returning == 0 || self.pause > 0 {
            return None;
        }
        let left_us = self.until_us.saturating_sub(now_us());
        let us = left_us.min(self.share_us());
        if self.is_fast() {
            return (us > 0 && self.yields < YIELDS_MAX).then_some(Patience::Yield);
        }
        (us >= SLEEP_US_MIN).then(|| Patience::Sleep(Duration::from_micros(us)))
    }

    /// The one that yielded its processor runs again, at `now_us`.
    pub(super) fn note_yield(&mut self, now_us: u64) {
        self.yields += 1;
        if now_us >= self.until_us {
            self.note_late(now_us);
        }
    }

    /// The cohort was not complete in time, and at `now_us` whoever waited for it runs.
    pub(super) fn note_late(&mut self, now_us: u64) {
        self.returning = 0;
        let is_busy = now_us > self.until_us + self.sync_us;
        self.pause = if is_busy { BUSY_SYNCS } else { LATE_SYNCS };
    }

    /// A sync was made.
    pub(super) fn note_sync(&mut self, begun_us: u64, ended_us: u64) {
        let us = ended_us.saturating_sub(begun_us).min(SYNC_US_MAX);
        self.sync_us = if self.sync_us == 0 {
            us
        } else {
            (self.sync_us * 7 + us) / 8
        };
        self.until_us = ended_us + self.share_us();
        self.pause = self.pause.saturating_sub(1);
        self.yields = 0;
    }

    /// Whether a share of a sync is too short to sleep.
    fn is_fast(&self) -> bool {
        self.sync_us / SLEEP_SHARE < SLEEP_US_MIN
    }

    /// How long a cohort is waited for: where syncs are fast, as long as one takes, because to come
    /// back takes about as long.
    fn share_us(&self) -> u64 {
        if self.is_fast() {
            self.sync_us
        } else {
            self.sync_us / SLEEP_SHARE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cohort of three, released at 1,000,000 µs by a sync that took `sync_us`.
    fn released(sync_us: u64) -> Cohort {
        let mut cohort = Cohort::default();
        cohort.note_sync(1_000_000 - sync_us, 1_000_000);
        cohort.release(3);
        cohort
    }

    fn patience(cohort: &Cohort, after_us: u64) -> Option<Patience> {
        cohort.patience(|| 1_000_000 + after_us)
    }

    #[test]
    fn the_last_of_a_cohort_waits_for_nobody() {
        for sync_us in [60, 4000] {
            let mut cohort = released(sync_us);
            for _ in 0..2 {
                cohort.arrive();
                assert!(patience(&cohort, 1).is_some());
            }
            cohort.arrive();
            assert_eq!(patience(&cohort, 1), None);
        }
    }

    #[test]
    fn a_fast_sync_is_waited_for_by_yielding_for_as_long_as_it_takes() {
        let cohort = released(199);
        assert_eq!(patience(&cohort, 198), Some(Patience::Yield));
        assert_eq!(patience(&cohort, 199), None);
        let slow = released(200);
        let sleep = |us| Some(Patience::Sleep(Duration::from_micros(us)));
        assert_eq!(patience(&slow, 0), sleep(50));
        assert_eq!(patience(&slow, 1), None, "not worth a sleep");
    }

    #[test]
    fn a_slow_sync_is_waited_for_asleep_for_a_quarter_of_it() {
        let cohort = released(4000);
        let sleep = |us| Some(Patience::Sleep(Duration::from_micros(us)));
        assert_eq!(patience(&cohort, 0), sleep(1000));
        assert_eq!(patience(&cohort, 900), sleep(100));
        assert_eq!(patience(&cohort, 950), sleep(50));
        assert_eq!(patience(&cohort, 951), None);
    }

    /// How many syncs go by until a cohort is waited for again.
    fn pause(mut cohort: Cohort) -> u32 {
        let mut syncs = 0;
        while patience(&cohort, 0).is_none() {
            cohort.note_sync(1_000_000 - 60, 1_000_000);
            cohort.release(3);
            syncs += 1;
        }
        syncs
    }

    #[test]
    fn after_a_late_cohort_nobody_is_waited_for_a_while_and_longer_where_processors_are_busy() {
        for (late_us, syncs) in [(60, LATE_SYNCS), (120, LATE_SYNCS), (121, BUSY_SYNCS)] {
            let mut cohort = released(60);
            cohort.note_yield(1_000_000 + late_us);
            assert_eq!(pause(cohort), syncs, "{late_us}");
        }
    }

    #[test]
    fn yielding_ends_although_the_clock_stands_still() {
        let mut cohort = released(60);
        let mut yields = 0;
        while patience(&cohort, 0).is_some() {
            cohort.note_yield(1_000_000);
            yields += 1;
        }
        assert_eq!(yields, YIELDS_MAX);
        cohort.note_sync(1_000_000, 1_000_060);
        cohort.release(2);
        assert!(cohort.patience(|| 1_000_061).is_some(), "each sync anew");
    }

    #[test]
    fn one_bad_moment_is_soon_forgotten() {
        let mut cohort = released(60);
        cohort.note_sync(0, 10_000_000);
        for _ in 0..60 {
            cohort.note_sync(1_000_000 - 60, 1_000_000);
        }
        assert!(cohort.is_fast(), "{cohort:?}");
    }

    #[test]
    fn a_write_that_released_nobody_leaves_the_cohort_as_it_was() {
        let mut cohort = released(60);
        cohort.release(0);
        assert!(patience(&cohort, 0).is_some());
    }
}
