//! Topics: names, partitions, and what is kept of them.

use std::sync::Arc;

use super::message::BODY_BYTES_MAX;
use super::partition::Partition;

/// The longest name of a topic, in bytes.
pub const TOPIC_NAME_MAX: usize = 249;

/// The most partitions that a topic may have.
pub const PARTITIONS_MAX: u32 = 1 << 16;

/// What is kept of each partition of a topic. What is above any of the limits is let go, oldest
/// first; without a limit, everything is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Messages that the log took longer ago, in microseconds.
    pub age_us: Option<u64>,
    /// So many bytes of records.
    pub bytes: Option<u64>,
    /// So many messages.
    pub messages: Option<u64>,
}

/// How a topic is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// What is let go.
    pub retention: Retention,
    /// Whether compaction keeps the last message of each key, and lets go of those before it.
    pub is_compacted: bool,
    /// The largest body, in bytes; at most [`BODY_BYTES_MAX`].
    pub body_bytes_max: u32,
}

impl Default for Settings {
    /// Everything is kept; bodies have at most 1 MiB.
    fn default() -> Self {
        Self {
            retention: Retention::default(),
            is_compacted: false,
            body_bytes_max: 1 << 20,
        }
    }
}

impl Settings {
    /// What is wrong with them.
    pub(super) fn problem(&self) -> Option<&'static str> {
        if self.body_bytes_max as usize > BODY_BYTES_MAX {
            return Some("a body has at most 15 MiB");
        }
        let Retention {
            age_us,
            bytes,
            messages,
        } = self.retention;
        let has_zero = [age_us, bytes, messages].contains(&Some(0));
        has_zero.then_some("a limit of 0 keeps nothing; leave it out to keep everything")
    }
}

/// Whether a topic can have this name: letters, digits, `.`, `_` and `-`, as in Kafka.
pub(super) fn is_topic_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !name.is_empty() && name.len() <= TOPIC_NAME_MAX && name.bytes().all(is_plain)
}

/// A topic that is there.
#[derive(Debug)]
pub(super) struct Topic {
    pub id: u32,
    pub name: Arc<str>,
    pub settings: Settings,
    pub partitions: Box<[Arc<Partition>]>,
}

/// Where a key belongs: Kafka's default partitioner, so that a key is in the same partition as there.
///
/// The hash is `MurmurHash2` with Kafka's seed; its sign is dropped.
#[must_use]
pub fn partition_of(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % partitions.max(1)
}

fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let len = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let mut hash = 0x9747_b28c ^ len;
    let (chunks, rest) = key.as_chunks::<4>();
    for chunk in chunks {
        let mut word = u32::from_le_bytes(*chunk).wrapping_mul(M);
        word = (word ^ (word >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ word;
    }
    if !rest.is_empty() {
        for (place, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * place);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values that the tests of Kafka's client expect.
    #[test]
    fn keys_are_hashed_as_by_kafka() {
        let known: [(&[u8], i32); 6] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (
                b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            (b"abc", 479_470_107),
        ];
        for (key, hash) in known {
            assert_eq!(murmur2(key), hash.cast_unsigned(), "{}", key.escape_ascii());
        }
        assert!((0..1000_u32).all(|key| partition_of(&key.to_le_bytes(), 7) < 7));
    }

    #[test]
    fn names_are_checked() {
        for good in ["orders", "a.b_c-D9", &"n".repeat(TOPIC_NAME_MAX)] {
            assert!(is_topic_name(good), "{good}");
        }
        for bad in ["", "a b", "a/b", "\u{e9}", &"n".repeat(TOPIC_NAME_MAX + 1)] {
            assert!(!is_topic_name(bad), "{bad}");
        }
    }

    #[test]
    fn limits_of_zero_and_bodies_above_the_cap_are_refused() {
        assert_eq!(Settings::default().problem(), None);
        let large = Settings {
            body_bytes_max: (15 << 20) + 1,
            ..Settings::default()
        };
        assert!(large.problem().is_some());
        let none = Retention {
            messages: Some(0),
            ..Retention::default()
        };
        let none = Settings {
            retention: none,
            ..Settings::default()
        };
        assert!(none.problem().is_some());
    }
}
