//! Seeded data: the same bytes on every machine and in every run.

use bytes::Bytes;
use engine::random::SplitMix64;

/// Seeded numbers, bytes and orders.
#[derive(Debug, Clone)]
pub struct Random(SplitMix64);

impl Random {
    /// Starts from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(SplitMix64::new(seed))
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.0.below(bound as u64)).unwrap_or_default()
    }

    /// `len` bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            bytes.extend_from_slice(&self.number().to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }

    /// Reorders `items`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}

/// `count` payloads of `len` bytes.
#[must_use]
pub fn payloads(count: usize, len: usize) -> Vec<Vec<u8>> {
    let mut random = Random::new(1);
    (0..count).map(|_| random.bytes(len)).collect()
}

/// `count` different keys of 16 bytes, in no order: `group/` and a number.
#[must_use]
pub fn keys(count: usize) -> Vec<Bytes> {
    let mut keys: Vec<_> = (0..count).map(key).collect();
    Random::new(2).shuffle(&mut keys);
    keys
}

/// The key with a number. A hundred successive keys share the prefix `group/NNNN`.
#[must_use]
pub fn key(number: usize) -> Bytes {
    format!("group/{number:010}").into()
}

/// The value that belongs to a key: 100 bytes that depend on it.
#[must_use]
pub fn value(key: &[u8]) -> Bytes {
    let seed = key.iter().fold(3, |seed: u64, byte| {
        seed.wrapping_mul(31) + u64::from(*byte)
    });
    Random::new(seed).bytes(100).into()
}
