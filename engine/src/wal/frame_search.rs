//! The next intact frame after damage, in time that grows with the bytes and not with their square.
//!
//! At every offset a length could stand. To check each candidate's checksum over all of its bytes
//! takes as long as there are candidates times bytes: one damaged record of 4 MiB took 24 seconds.
//! CRC-32 is linear, so the checksum of any range follows from those of two prefixes: the sums of
//! prefixes are computed once, one every few KiB, and a candidate costs the bytes to the nearest two.

use crc32fast::Hasher;

use crate::frame::{OVERHEAD, PAYLOAD_BYTES_MAX};

/// How far apart the prefixes are whose checksums are kept.
const STRIDE: usize = 4 << 10;

/// Bytes in which frames are searched for.
#[derive(Debug)]
pub(super) struct FrameSearch<'a> {
    bytes: &'a [u8],
    salt: u32,
    /// The checksums of the prefixes of `0, STRIDE, 2 × STRIDE …` bytes.
    prefixes: Vec<u32>,
    /// How many bytes were summed, for a test that holds the cost to its bound.
    pub summed: u64,
}

impl<'a> FrameSearch<'a> {
    /// Sums up the prefixes.
    pub(super) fn new(bytes: &'a [u8], salt: u32) -> Self {
        let mut hasher = Hasher::new();
        let mut prefixes = vec![0];
        for piece in bytes.chunks_exact(STRIDE) {
            hasher.update(piece);
            prefixes.push(hasher.clone().finalize());
        }
        Self {
            bytes,
            salt,
            prefixes,
            summed: bytes.len() as u64,
        }
    }

    /// The first offset from `from` on at which an intact frame stands.
    pub(super) fn find(&mut self, from: usize) -> Option<usize> {
        (from..self.bytes.len()).find(|at| self.is_frame(*at))
    }

    fn is_frame(&mut self, at: usize) -> bool {
        let Some((len, rest)) = self.bytes[at..].split_first_chunk::<4>() else {
            return false;
        };
        let len = u32::from_le_bytes(*len) as usize;
        let plausible = OVERHEAD - 4..=PAYLOAD_BYTES_MAX + OVERHEAD - 4;
        if !plausible.contains(&len) || len > rest.len() {
            return false;
        }
        // The frame is covered from its length up to its checksum.
        let end = at + len;
        let Some(stored) = self.bytes[end..].first_chunk() else {
            return false;
        };
        let stored = u32::from_le_bytes(*stored) ^ self.salt;
        let (before, whole) = (self.prefix(at), self.prefix(end));
        whole ^ shifted(before, len as u64) == stored
    }

    /// The checksum of the first `len` bytes.
    fn prefix(&mut self, len: usize) -> u32 {
        let kept = len / STRIDE;
        let rest = &self.bytes[kept * STRIDE..len];
        self.summed += rest.len() as u64;
        let mut hasher = Hasher::new_with_initial(self.prefixes[kept]);
        hasher.update(rest);
        hasher.finalize()
    }
}

/// What a checksum contributes to that of a longer range, `len` bytes further on.
fn shifted(crc: u32, len: u64) -> u32 {
    let mut first = Hasher::new_with_initial_len(crc, 0);
    first.combine(&Hasher::new_with_initial_len(0, len));
    first.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Kind, Next, Prepared, Record, decode};
    use crate::random::SplitMix64;

    const SALT: u32 = 0x0102_0304;

    fn push(bytes: &mut Vec<u8>, len: usize) {
        let payload = vec![7; len];
        let record = Record {
            kind: Kind(0x40),
            version: 1,
            payload: &payload,
        };
        Prepared::new(record)
            .expect("it is short")
            .write_to(bytes, SALT);
    }

    #[test]
    fn search_finds_what_decoding_at_every_offset_finds() {
        let mut random = SplitMix64::new(3);
        let mut bytes = Vec::new();
        for _ in 0..60 {
            let noise = usize::try_from(random.below(300)).expect("it is small");
            bytes.extend((0..noise).map(|_| random.next_u64().to_le_bytes()[0] & 0x1f));
            let len = usize::try_from(random.below(9000)).expect("it is small");
            push(&mut bytes, len);
        }
        let mut search = FrameSearch::new(&bytes, SALT);
        let is_frame = |at: &usize| matches!(decode(&bytes[*at..], SALT), Next::Frame(_));
        let expected: Vec<_> = (0..bytes.len()).filter(is_frame).collect();
        let found: Vec<_> = (0..bytes.len()).filter(|at| search.is_frame(*at)).collect();
        assert!(found.len() >= 60);
        assert_eq!(found, expected);
    }

    #[test]
    fn cost_of_a_search_grows_with_the_bytes_alone() {
        // Every offset could begin a frame of 64 KiB.
        let len = 256 << 10;
        let mut bytes: Vec<u8> = [0, 0, 1, 0].into_iter().cycle().take(len).collect();
        push(&mut bytes, 100);
        let mut search = FrameSearch::new(&bytes, SALT);
        assert_eq!(search.find(0), Some(len));
        let bound = bytes.len() as u64 * (1 + 2 * STRIDE as u64);
        assert!(search.summed <= bound, "{} of {bound}", search.summed);
    }
}
