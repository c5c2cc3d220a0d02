//! What a partition should let go of. Pure.
//!
//! Age and bytes are counted at the partition's points, and at the records that were copied: what is
//! let go of is above the limit for sure, and up to the distance of two points more is kept. The number
//! of messages is exact.

use super::partition::Extent;
use super::topic::Retention;

/// The offset before which nothing is kept any more.
pub(super) fn start(extent: &Extent, retention: &Retention, now_us: u64) -> u64 {
    let Retention {
        age_us,
        bytes,
        messages,
    } = *retention;
    let by_count = messages.map_or(0, |max| extent.next.saturating_sub(max));
    let by_age = age_us.map_or(0, |age| older(extent, now_us.saturating_sub(age)));
    let by_bytes = bytes.map_or(0, |max| above(extent, max));
    by_count
        .max(by_age)
        .max(by_bytes)
        .max(extent.start)
        .min(extent.next)
}

/// Before which offset everything is older than `cutoff_us`.
fn older(extent: &Extent, cutoff_us: u64) -> u64 {
    if extent.time_us < cutoff_us {
        return extent.next;
    }
    let old = extent
        .copies
        .iter()
        .take_while(|copied| copied.time_us < cutoff_us);
    let copied = old.last().map_or(0, |copied| copied.until);
    let is_all = extent
        .copies
        .iter()
        .all(|copied| copied.time_us < cutoff_us);
    let after = extent
        .points
        .all
        .partition_point(|point| point.time_us < cutoff_us);
    match extent.points.all[..after].last() {
        Some(point) if is_all => copied.max(point.offset),
        _ => copied,
    }
}

/// Before which offset everything is above `max` bytes.
fn above(extent: &Extent, max: u64) -> u64 {
    let mut kept = extent.kept_bytes();
    let mut start = 0;
    for copied in &extent.copies {
        if kept - copied.bytes < max {
            return start;
        }
        kept -= copied.bytes;
        start = copied.until;
    }
    let after = extent
        .points
        .all
        .partition_point(|point| extent.bytes - point.bytes >= max);
    extent.points.all[..after]
        .last()
        .map_or(start, |point| start.max(point.offset))
}

#[cfg(test)]
mod tests {
    use super::super::record::{Batch, Copy};
    use super::*;
    use crate::wal::Lsn;

    /// Ten records of ten messages and 100 bytes, one each second.
    fn filled() -> Extent {
        let mut extent = Extent::default();
        for number in 0..10 {
            let batch = Batch {
                partition: 0,
                count: 10,
                base: number * 10,
                time_us: number * 1_000_000,
                stamp: None,
            };
            extent.publish(Lsn(number * 40), &batch, 100).unwrap();
        }
        extent
    }

    fn age(age_us: u64) -> Retention {
        Retention {
            age_us: Some(age_us),
            ..Retention::default()
        }
    }

    fn bytes(bytes: u64) -> Retention {
        Retention {
            bytes: Some(bytes),
            ..Retention::default()
        }
    }

    #[test]
    fn nothing_goes_without_a_limit() {
        assert_eq!(start(&filled(), &Retention::default(), u64::MAX), 0);
    }

    #[test]
    fn what_is_too_old_goes() {
        let extent = filled();
        assert_eq!(start(&extent, &age(9_500_000), 9_000_000), 0);
        // Of the records of seconds 0 to 4, the last one is where the others are let go.
        assert_eq!(start(&extent, &age(4_000_000), 9_000_000), 40);
        assert_eq!(start(&extent, &age(1), 60_000_000), 100);
        // A clock that went back lets go of nothing.
        assert_eq!(start(&extent, &age(4_000_000), 0), 0);
    }

    #[test]
    fn what_is_too_much_goes() {
        let extent = filled();
        assert_eq!(start(&extent, &bytes(1000), 0), 0);
        assert_eq!(start(&extent, &bytes(999), 0), 0);
        assert_eq!(start(&extent, &bytes(900), 0), 10);
        assert_eq!(start(&extent, &bytes(1), 0), 90);
        let count = Retention {
            messages: Some(7),
            ..Retention::default()
        };
        assert_eq!(start(&extent, &count, 0), 93);
    }

    #[test]
    fn copies_go_first() {
        let mut extent = filled();
        for number in 0..2 {
            let copy = Copy {
                partition: 0,
                count: 1,
                base: number * 20,
                time_us: number * 1_000_000,
                until: number * 20 + 20,
            };
            extent.copy(Lsn(500 + number), &copy, 50).unwrap();
        }
        assert_eq!(extent.kept_bytes(), 700);
        assert_eq!(start(&extent, &bytes(650), 0), 20);
        assert_eq!(start(&extent, &bytes(649), 0), 20);
        assert_eq!(start(&extent, &bytes(601), 0), 20);
        assert_eq!(start(&extent, &bytes(600), 0), 40);
        assert_eq!(start(&extent, &bytes(500), 0), 50);
        assert_eq!(start(&extent, &age(500_000), 1_000_000), 20);
        assert_eq!(start(&extent, &age(500_000), 5_000_000), 40);
    }
}
