//! What can be chosen when a log is opened.

use std::time::Duration;

use super::segment::SEGMENT_BYTES_MIN;

/// How a log is opened.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What [`commit`](super::Wal::commit) waits for.
    pub mode: Mode,
    /// The size of a segment's file; at least 4 KiB.
    pub segment_bytes: u32,
    /// How many accepted bytes may wait in memory before an appender has to write them out.
    pub buffer_bytes: usize,
    /// How many files of segments that were let go are kept, to be used again.
    pub spares: usize,
    /// What to do with a damaged log.
    pub policy: Policy,
    /// How many threads verify segments when the log is opened.
    pub threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::Strict,
            segment_bytes: 64 << 20,
            buffer_bytes: 1 << 20,
            spares: 2,
            policy: Policy::TornTail,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

impl Options {
    pub(super) fn segment_bytes(&self) -> u64 {
        u64::from(self.segment_size())
    }

    pub(super) fn segment_size(&self) -> u32 {
        self.segment_bytes.max(SEGMENT_BYTES_MIN)
    }
}

/// What a commit promises, and what a crash may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Records are numbered from 0 and not kept: no file is read, written or locked, nothing
    /// survives, and waiting for that is an error. For data that may be lost, and for tests.
    InMemory,
    /// Commits return once accepted. A record survives power loss at most `interval` and one sync
    /// later, or once `max_bytes` more have been accepted, whichever comes first. The interval is
    /// kept by a [`Maintainer`](super::Maintainer); without one, only the bytes count.
    Buffered {
        /// How long a record may stay volatile.
        interval: Duration,
        /// How many accepted bytes may be volatile.
        max_bytes: u64,
    },
    /// Commits return once durable. Committers that wait at the same time share one sync.
    Strict,
}

/// What to do when a log was not closed, or is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Open only a log that was closed; anything else is an error.
    Strict,
    /// Cut a torn tail, which is what a crash leaves behind. Corruption is an error.
    TornTail,
    /// Go back to the moment before the first damage, wherever it is. Segments after it are set
    /// aside under the name `*.lost`. For those who prefer an older state to none.
    PointInTime,
}
