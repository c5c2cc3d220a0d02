//! Where in the log a partition's messages are, roughly: offsets and the records that hold them.
//!
//! ```text
//! log     │ p0 │ p1 │ p0 │ p2 │ p0 │ p0 │ …     records of many partitions
//! points    ▲                  ▲                 offset, LSN, time, bytes so far
//! ```
//!
//! There is a point for each record that is at least [`SPACING`] records behind the last point's, so
//! that whoever looks for an offset passes over few records. Once there are [`POINTS_MAX`], every
//! second one goes and the spacing doubles: a partition's points take a bounded amount of memory,
//! however much is retained.

use crate::wal::Lsn;

/// How many records apart two points are at first.
const SPACING: u64 = 32;

/// How many points are too many.
pub(super) const POINTS_MAX: usize = 512;

/// A record of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point {
    /// The offset of its first message.
    pub offset: u64,
    pub lsn: Lsn,
    /// When the log took it. Of two points, the later one's is not lower.
    pub time_us: u64,
    /// The bytes of the partition's records before it.
    pub bytes: u64,
}

/// The points of a partition, by offset, by LSN and by time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Points {
    pub all: Vec<Point>,
    pub spacing: u64,
}

impl Default for Points {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            spacing: SPACING,
        }
    }
}

impl Points {
    /// Notes a record, which is behind all others.
    pub(super) fn push(&mut self, point: Point) {
        if let Some(last) = self.all.last()
            && point.lsn.0 < last.lsn.0.saturating_add(self.spacing)
        {
            return;
        }
        if self.all.len() >= POINTS_MAX {
            let mut number = 0;
            self.all.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.spacing *= 2;
        }
        if self.all.is_empty() {
            // Most partitions are idle: they have one.
            self.all.reserve_exact(1);
        }
        self.all.push(point);
    }

    /// The last record that begins at `offset` or before.
    pub(super) fn floor(&self, offset: u64) -> Option<&Point> {
        let after = self.all.partition_point(|point| point.offset <= offset);
        self.all[..after].last()
    }

    /// The last point that is older than `time_us`, or else the first.
    pub(super) fn before(&self, time_us: u64) -> Option<&Point> {
        let after = self.all.partition_point(|point| point.time_us < time_us);
        self.all[..after].last().or(self.all.first())
    }

    /// Lets go of the points that nobody needs who reads from `offset` on.
    pub(super) fn trim(&mut self, offset: u64) {
        let after = self.all.partition_point(|point| point.offset <= offset);
        self.all.drain(..after.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(records: u64, apart: u64) -> Points {
        let mut points = Points::default();
        for number in 0..records {
            points.push(Point {
                offset: number * 10,
                lsn: Lsn(number * apart),
                time_us: number / 2,
                bytes: number * 100,
            });
        }
        points
    }

    #[test]
    fn points_are_a_few_records_apart() {
        assert_eq!(points(100, 1).all.len(), 4);
        assert_eq!(points(100, 32).all.len(), 100);
        assert_eq!(points(1, 1).all.capacity(), 1);
    }

    #[test]
    fn points_are_bounded_however_many_records_there_are() {
        let points = points(100_000, 40);
        assert!(points.all.len() <= POINTS_MAX);
        assert!(points.all.len() >= POINTS_MAX / 2);
        let apart = points.all.windows(2).map(|two| two[1].lsn.0 - two[0].lsn.0);
        assert!(apart.max().unwrap() <= points.spacing * 2);
        assert_eq!(points.all[0].offset, 0);
    }

    #[test]
    fn floors_and_times_are_found() {
        let points = points(100, 40);
        assert_eq!(points.floor(0).unwrap().offset, 0);
        assert_eq!(points.floor(19).unwrap().offset, 10);
        assert_eq!(points.floor(20).unwrap().offset, 20);
        assert_eq!(points.floor(u64::MAX).unwrap().offset, 990);
        assert_eq!(points.before(0).unwrap().offset, 0);
        assert_eq!(points.before(10).unwrap().offset, 190);
        assert_eq!(Points::default().floor(3), None);
    }

    #[test]
    fn trimming_keeps_the_floor() {
        let mut points = points(10, 40);
        points.trim(35);
        assert_eq!(points.all[0].offset, 30);
        points.trim(30);
        assert_eq!(points.all[0].offset, 30);
        points.trim(u64::MAX);
        assert_eq!(points.all.len(), 1);
    }
}
