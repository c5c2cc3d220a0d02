//! The number of a record in the log.

use std::fmt;

/// A log sequence number: the records of a log are numbered 0, 1, 2, … without a gap.
///
/// As a watermark it means "every record below this one".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
