//! What time it is, from outside: a test turns the clock, and no test waits for it.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Tells the time by which values expire.
pub trait Clock: Debug + Send + Sync {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;

    /// Whether this is the time that other programs and servers have as well. Only then a server may
    /// be told to forget a value by itself.
    fn is_shared(&self) -> bool {
        false
    }
}

/// The system's clock. Where it is set back, a value that expired and was not reclaimed is seen again.
///
/// On Linux it moves by ticks of the kernel, 1 to 10 ms: a value may be gone or stay that much earlier or
/// later. The exact time costs five times as much (32 ns beside 6), and as much as the rest of a put.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[cfg(target_os = "linux")]
    fn now_ms(&self) -> u64 {
        use rustix::time::{ClockId, clock_gettime};

        let now = clock_gettime(ClockId::RealtimeCoarse);
        let millis = |seconds: u64| seconds * 1000 + now.tv_nsec.unsigned_abs() / 1_000_000;
        u64::try_from(now.tv_sec).map_or(0, millis)
    }

    #[cfg(not(target_os = "linux"))]
    fn now_ms(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX))
    }

    fn is_shared(&self) -> bool {
        true
    }
}

/// A clock that stands until it is turned. Clones are the same clock.
#[derive(Debug, Clone, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// Starts at `now_ms`.
    #[must_use]
    pub fn at(now_ms: u64) -> Self {
        Self(Arc::new(AtomicU64::new(now_ms)))
    }

    /// Turns it forward, by whole milliseconds.
    pub fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    /// Whatever runs in between: it was read after the first, and never runs ahead of the second.
    #[test]
    fn system_clock_is_behind_the_exact_time_by_some_ticks_at_most() {
        let exact = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap();
        let before = ms(exact());
        let now = SystemClock.now_ms();
        assert!(now + 1000 >= before, "{now} is far behind {before}");
        let after = ms(exact());
        assert!(now <= after, "{now} is ahead of {after}");
    }
}
