//! Proof by a sync mark that bytes before it were durable, so that what is damaged there was no torn tail.

use crate::frame::{self, Kind, Next, SyncMark};

/// Looks for proof that bytes at or beyond `at` were durable: an intact sync mark further on that
/// says so. Only needed where a scan stopped, so its cost does not matter.
pub(super) fn durable_beyond(segment: &[u8], salt: u32, at: usize) -> Option<SyncMark> {
    let pattern = mark_pattern();
    let rest = segment.get(at..)?;
    memchr::memmem::find_iter(rest, &pattern).find_map(|found| {
        let Next::Frame(frame) = frame::decode(&rest[found..], salt) else {
            return None;
        };
        let mark = SyncMark::decode(frame.record.payload)?;
        (mark.offset > at as u64).then_some(mark)
    })
}

/// The bytes before a sync mark's payload, which are always the same.
fn mark_pattern() -> [u8; 6] {
    let mut pattern = [0; 6];
    let len = frame::MARK_PAYLOAD_BYTES + frame::OVERHEAD - 4;
    pattern[0] = u8::try_from(len).unwrap_or_default();
    pattern[4] = Kind::SYNC_MARK.0;
    pattern[5] = frame::VERSION;
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Prepared;

    const SALT: u32 = 5;

    fn bytes_with_mark(mark_at: usize, offset: u64) -> Vec<u8> {
        let mut bytes = vec![0xff; mark_at];
        let mark = SyncMark { offset, lsn: 3 }.encode();
        let frame = Prepared::new(SyncMark::record(&mark)).unwrap();
        frame.write_to(&mut bytes, SALT);
        bytes
    }

    #[test]
    fn only_a_later_mark_for_later_bytes_is_proof() {
        let proof = |offset| durable_beyond(&bytes_with_mark(500, offset), SALT, 100).is_some();
        assert!(proof(101), "the byte at 100 was durable");
        assert!(
            !proof(100),
            "everything before it was, and that it need not have been"
        );
        let before = durable_beyond(&bytes_with_mark(500, 400), SALT, 501);
        assert_eq!(before, None, "the mark stands before the damage");
    }

    #[test]
    fn a_mark_with_another_salt_or_a_flipped_bit_proves_nothing() {
        let bytes = bytes_with_mark(500, 400);
        assert!(durable_beyond(&bytes, SALT, 100).is_some());
        assert_eq!(durable_beyond(&bytes, SALT + 1, 100), None);
        for bit in 500 * 8..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(durable_beyond(&bad, SALT, 100), None, "bit {bit}");
        }
    }
}
