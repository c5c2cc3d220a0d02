//! Where in a segment its records are, roughly: a point at least every 4 KiB.
//!
//! ```text
//! frames │ a │ b │ c │ … │ d │ e │ a large one  │ f │ …
//!        ▲                 ▲       ▲              ▲
//! points └── ≤ 4 KiB ─────►└──────►└─────────────►└────
//! ```
//!
//! The writer notes points as it lays frames out, and recovery as it verifies them, so that
//! nobody has to walk over a segment to find one record in it. They are kept in memory alone:
//! two to four per mille of the log, and no file that could be missing, stale or damaged.
//!
//! Invariant: between two points lie at most 4 KiB, or one frame. So whoever looks for a record reads
//! no second page's worth: two frames of 4,000 bytes in one stride made each of them cost as much as both.

use super::segment::HEADER_BYTES;

/// From a point to the next lie at most so many bytes, unless a larger frame does.
const STRIDE: u64 = 4 << 10;

/// The points of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Points {
    /// The number of a record, counted from the segment's first, and where its frame begins.
    points: Vec<(u32, u32)>,
}

/// The part of a segment in which a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stride {
    /// The number of the first record, counted from the segment's first.
    pub record: u64,
    /// Where its frame begins.
    pub offset: u64,
    /// Where the next stride begins; `None` in the last one.
    pub end: Option<u64>,
}

impl Points {
    /// Takes note of a frame of `size` bytes, which begins at `offset` after so many `records`.
    pub(super) fn note(&mut self, records: u64, offset: u64, size: usize) {
        let start = HEADER_BYTES as u64;
        let last = self.points.last().map_or(start, |(_, at)| u64::from(*at));
        if offset + size as u64 > last + STRIDE && offset > last {
            // A segment that has no such numbers does without further points.
            if let (Ok(records), Ok(offset)) = (u32::try_from(records), u32::try_from(offset)) {
                self.points.push((records, offset));
            }
        }
    }

    /// Where to look for a record, given by its number, counted from the segment's first.
    pub(super) fn stride(&self, record: u64) -> Stride {
        let after = self
            .points
            .partition_point(|(number, _)| u64::from(*number) <= record);
        let end = self.points.get(after).map(|(_, at)| u64::from(*at));
        let point = after.checked_sub(1).map(|index| self.points[index]);
        let (record, offset) = point.map_or((0, HEADER_BYTES as u64), |(number, at)| {
            (u64::from(number), u64::from(at))
        });
        Stride {
            record,
            offset,
            end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The points of frames of so many bytes, each of one record.
    fn noted(sizes: &[usize]) -> Points {
        let mut points = Points::default();
        let mut at = HEADER_BYTES as u64;
        for (record, size) in (0..).zip(sizes) {
            points.note(record, at, *size);
            at += *size as u64;
        }
        points
    }

    #[test]
    fn a_stride_holds_its_record_and_ends_where_the_next_begins() {
        let points = noted(&[1024; 20]);
        let stride = |record, offset, end| Stride {
            record,
            offset,
            end,
        };
        assert_eq!(points.stride(0), stride(0, 64, Some(4160)));
        assert_eq!(points.stride(3), stride(0, 64, Some(4160)));
        assert_eq!(points.stride(4), stride(4, 4160, Some(8256)));
        assert_eq!(points.stride(15), stride(12, 12352, Some(16448)));
        assert_eq!(points.stride(19), stride(16, 16448, None));
        assert_eq!(points.stride(99), stride(16, 16448, None));
    }

    #[test]
    fn no_stride_is_longer_than_a_page_unless_it_is_one_frame() {
        for size in [1, 26, 1025, 2048, 2049, 4000, 4095, 4096, 4097, 9000] {
            let points = noted(&vec![size; 50]);
            let strides = (0..50).map(|record| points.stride(record));
            for stride in strides.filter(|it| it.end.is_some()) {
                let len = stride.end.unwrap() - stride.offset;
                assert!(len <= STRIDE || len == size as u64, "{size}: {stride:?}");
                assert!(
                    len + size as u64 > STRIDE,
                    "{size}: {stride:?} is too short"
                );
            }
        }
    }

    #[test]
    fn a_large_frame_has_a_stride_of_its_own() {
        let points = noted(&[100, 100, 1 << 20, 100, 100]);
        let big = 64 + 200;
        assert_eq!(points.stride(1).end, Some(big));
        assert_eq!(
            (points.stride(2).offset, points.stride(2).end),
            (big, Some(big + (1 << 20)))
        );
        assert_eq!(points.stride(4).offset, big + (1 << 20));
    }

    #[test]
    fn frames_without_records_before_a_point_do_not_hide_one() {
        let mut points = Points::default();
        points.note(0, 64, 5000);
        points.note(7, 5064, 26);
        points.note(7, 9160, 26);
        assert_eq!(points.stride(6).offset, 64);
        assert_eq!(points.stride(7).offset, 9160);
    }
}
