//! The engine's thread: syncs, checkpoints, merges and sweeps beside the writers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::shared::Shared;
use crate::wal::Mode;

/// How often it looks.
const TICK: Duration = Duration::from_millis(100);

/// At least so long between two looks, whatever interval the mode has.
const TICK_MIN: Duration = Duration::from_millis(1);

/// After how many failures in a row the pause grows no more: to some 50 seconds.
const FAILURES_MAX: u32 = 9;

/// Works until it is dropped.
#[derive(Debug)]
pub(super) struct Worker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// How long a tick is, and every how many of them the log is looked after.
fn ticks(mode: Mode) -> (Duration, u128) {
    let Mode::Buffered { interval, .. } = mode else {
        return (TICK, 1);
    };
    let tick = interval.clamp(TICK_MIN, TICK);
    (tick, (interval.as_micros() / tick.as_micros()).max(1))
}

/// How many ticks nothing is tried after so many failures in a row: a disk that is full is not
/// written full again at once.
fn pause(failures: u32) -> u32 {
    (1 << failures.min(FAILURES_MAX)) - 1
}

impl Worker {
    /// Starts the thread.
    pub(super) fn start(shared: Arc<Shared>) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (tick, sync_every) = ticks(shared.mode);
        let work = move || {
            let (mut failures, mut paused) = (0, 0);
            for number in 1_u128.. {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                if number.is_multiple_of(sync_every) {
                    // A log that failed tells each writer so.
                    let _ = shared.maintain_log();
                }
                if paused > 0 {
                    paused -= 1;
                } else if shared.tend().is_err() {
                    // It is counted; see `Stats::checkpoint_failures`.
                    failures += 1;
                    paused = pause(failures);
                } else {
                    failures = 0;
                }
                std::thread::park_timeout(tick);
            }
        };
        let thread = std::thread::Builder::new()
            .name("engine".into())
            .spawn(work)?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffered(interval: Duration) -> Mode {
        Mode::Buffered {
            interval,
            max_bytes: 1,
        }
    }

    #[test]
    fn a_log_is_synced_as_often_as_its_mode_says_and_never_in_a_loop() {
        let ms = Duration::from_millis;
        assert_eq!(ticks(Mode::Strict), (TICK, 1));
        assert_eq!(ticks(buffered(Duration::ZERO)), (TICK_MIN, 1));
        assert_eq!(ticks(buffered(ms(20))), (ms(20), 1));
        assert_eq!(ticks(buffered(ms(100))), (TICK, 1));
        assert_eq!(ticks(buffered(ms(1000))), (TICK, 10));
    }

    #[test]
    fn pauses_grow_with_failures_up_to_an_end() {
        assert_eq!([0, 1, 2, 3].map(pause), [0, 1, 3, 7]);
        assert_eq!(pause(u32::MAX), pause(FAILURES_MAX));
    }
}
