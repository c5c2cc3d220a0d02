//! What can be chosen when a table is made.

use std::time::Duration;

/// How a table is made. The module's documentation has tables of what each choice costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The active generation is rotated once it holds so many records and tombstones.
    pub threshold_records: usize,
    /// The active generation is rotated once its records take so many bytes.
    pub threshold_bytes: usize,
    /// How long a change may stay unflushed where neither threshold is reached.
    pub flush_interval: Duration,
    /// How many generations may wait to be flushed. With as many waiting and the active one full,
    /// writers wait. At least 1.
    pub immutables_max: usize,
    /// How long a writer waits for a generation to be flushed before it is refused.
    pub stall_timeout: Duration,
    /// After how long a call of the persister is reported as hanging.
    pub persist_timeout: Duration,
    /// How many records and tombstones the persister is given at once. At least 1.
    pub batch_records: usize,
    /// How often, and how fast, a failed flush is tried again.
    pub retry: Retry,
    /// Whether a thread of the table flushes. Without one, [`flush`](super::Memtable::flush) does.
    pub is_background: bool,
    /// Into how many parts keys are divided, each with its own lock. A power of two.
    pub shards: usize,
    /// The seed of the hash. Choose a secret one where keys come from outside.
    pub hash_seed: u64,
}

/// How a failed flush is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How often a batch is tried in a round. At least 1.
    pub attempts: u32,
    /// How long to wait after the first failure; after each further one twice as long.
    pub backoff: Duration,
    /// The longest wait between two attempts.
    pub backoff_max: Duration,
    /// How long to wait from a round that failed to the next. Rounds never end: nothing is dropped.
    pub pause: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threshold_records: 1 << 16,
            threshold_bytes: 64 << 20,
            flush_interval: Duration::from_secs(30),
            immutables_max: 4,
            stall_timeout: Duration::from_secs(5),
            persist_timeout: Duration::from_secs(10),
            batch_records: 4096,
            retry: Retry::default(),
            is_background: true,
            shards: 64,
            hash_seed: 0,
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 5,
            backoff: Duration::from_millis(20),
            backoff_max: Duration::from_secs(2),
            pause: Duration::from_secs(10),
        }
    }
}

impl Retry {
    /// How long to wait after so many failures of a round, the first being 1.
    #[must_use]
    pub fn wait(&self, failures: u32) -> Duration {
        if failures >= self.attempts.max(1) {
            return self.pause;
        }
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1));
        let wait = doubled.and_then(|factor| self.backoff.checked_mul(factor));
        wait.unwrap_or(Duration::MAX).min(self.backoff_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end_in_the_pause() {
        let ms = Duration::from_millis;
        let retry = Retry {
            attempts: 6,
            backoff: ms(10),
            backoff_max: ms(50),
            pause: ms(900),
        };
        let waits: Vec<_> = (1..8).map(|failures| retry.wait(failures)).collect();
        assert_eq!(waits, [10, 20, 40, 50, 50, 900, 900].map(ms));
        let endless = Retry {
            attempts: u32::MAX,
            ..retry
        };
        assert_eq!(endless.wait(64), ms(50));
        let none = Retry {
            attempts: 0,
            ..retry
        };
        assert_eq!(none.wait(1), ms(900));
    }
}
