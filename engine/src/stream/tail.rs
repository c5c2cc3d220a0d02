//! The newest records of a partition in memory, so that whoever follows closely reads no file.
//!
//! ```text
//! producer ─► staged ─► the log takes it ─► records ─► let go of, once written or too many
//! ```

use std::collections::VecDeque;

use bytes::Bytes;

use crate::wal::Lsn;

/// How many bytes of records a partition keeps while it is busy.
const BYTES_MAX: usize = 256 << 10;

/// A record that is still in memory.
#[derive(Debug, Clone)]
pub(super) struct Recent {
    pub base: u64,
    pub lsn: Lsn,
    pub payload: Bytes,
}

/// The newest records.
#[derive(Debug, Default)]
pub(super) struct Tail {
    records: VecDeque<Recent>,
    bytes: usize,
    /// Payloads on their way through the log, in its order.
    staged: VecDeque<Bytes>,
}

impl Tail {
    /// Notes a payload that the log is about to take.
    pub(super) fn stage(&mut self, payload: Bytes) {
        self.staged.push_back(payload);
    }

    /// Forgets what was staged: the log did not take it.
    pub(super) fn unstage(&mut self) {
        self.staged.clear();
    }

    /// Keeps the newest record, where it was staged.
    pub(super) fn keep(&mut self, lsn: Lsn, base: u64) {
        let Some(payload) = self.staged.pop_front() else {
            // What follows a record that is not here is not next to the tail.
            self.records.clear();
            self.bytes = 0;
            return;
        };
        self.bytes += payload.len();
        self.records.push_back(Recent { base, lsn, payload });
        while self.bytes > BYTES_MAX
            && let Some(oldest) = self.records.pop_front()
        {
            self.bytes -= oldest.payload.len();
        }
    }

    /// Forgets the records before `written`; the log has them.
    pub(super) fn forget(&mut self, written: Lsn) {
        while self
            .records
            .front()
            .is_some_and(|recent| recent.lsn < written)
            && let Some(oldest) = self.records.pop_front()
        {
            self.bytes -= oldest.payload.len();
        }
        if self.records.is_empty() {
            self.records = VecDeque::new();
        }
        if self.staged.is_empty() {
            self.staged = VecDeque::new();
        }
    }

    /// The record with `offset`, which is not beyond the newest.
    pub(super) fn find(&self, offset: u64) -> Option<&Recent> {
        self.records.front().filter(|first| first.base <= offset)?;
        let after = self.records.partition_point(|recent| recent.base <= offset);
        self.records.get(after - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tail_is_bounded_and_let_go() {
        let mut tail = Tail::default();
        for number in 0..100 {
            tail.stage(vec![0; 10 << 10].into());
            tail.keep(Lsn(number), number);
        }
        assert_eq!(tail.records.len(), 25);
        assert_eq!(tail.find(99).map(|recent| recent.base), Some(99));
        assert!(tail.find(10).is_none());
        tail.forget(Lsn(99));
        assert_eq!(tail.records.len(), 1);
        tail.forget(Lsn(100));
        assert_eq!((tail.records.capacity(), tail.bytes), (0, 0));
    }

    #[test]
    fn record_that_was_not_staged_ends_the_tail() {
        let mut tail = Tail::default();
        tail.stage(Bytes::from_static(b"a"));
        tail.keep(Lsn(0), 0);
        tail.stage(Bytes::from_static(b"b"));
        tail.unstage();
        tail.keep(Lsn(1), 1);
        assert_eq!((tail.records.len(), tail.bytes), (0, 0));
    }
}
