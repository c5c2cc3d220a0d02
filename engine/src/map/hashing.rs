//! How keys are hashed: by a seed that everybody knows, or by one that nobody does.
//!
//! Whoever knows the seed can make keys that all have one hash. A map of them compares each key with
//! every other one: that is hash flooding. A fixed seed makes counts and the order of work the same in
//! every process, and is right where the keys are one's own.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use foldhash::SharedSeed;
use foldhash::fast::{FixedState, SeedableRandomState};

/// By which seed keys are hashed. It is no part of what is stored: a directory may be opened with one
/// and then with the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HashSeed {
    /// The same in every process. For keys of one's own.
    #[default]
    Fixed,
    /// Another one at each opening, of the system's random numbers. For keys that somebody else chooses,
    /// who could choose them so that they collide.
    Random,
}

/// How the keys of a map are hashed.
#[derive(Clone, Default)]
pub(crate) struct Hashing(Option<SeedableRandomState>);

impl Hashing {
    pub(crate) fn new(seed: HashSeed) -> Self {
        Self(match seed {
            HashSeed::Fixed => None,
            HashSeed::Random => Some(SeedableRandomState::with_seed(random(), secret())),
        })
    }

    /// A key's hash: the lower half goes to the table, of the upper half six bits choose the shard.
    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        match &self.0 {
            None => FixedState::default().hash_one(key),
            Some(state) => secretly(state, key),
        }
    }
}

/// Apart, so that the usual way stays short.
#[inline(never)]
fn secretly(state: &SeedableRandomState, key: &[u8]) -> u64 {
    state.hash_one(key)
}

/// A number of the system's.
fn random() -> u64 {
    RandomState::new().hash_one(())
}

/// The half of the seed by which long keys are folded. It has to be as secret as the other one, which
/// keys could be made to cancel out. One for the process, as it is borrowed for good.
fn secret() -> &'static SharedSeed {
    static SECRET: OnceLock<SharedSeed> = OnceLock::new();
    SECRET.get_or_init(|| SharedSeed::from_u64(random()))
}

impl fmt::Debug for Hashing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the seed itself.
        let seed = self.0.as_ref().map_or("fixed", |_| "random");
        f.debug_tuple("Hashing").field(&seed).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::shard_of;
    use super::*;

    #[test]
    fn fixed_seed_is_the_same_everywhere_and_a_random_one_nowhere() {
        let hashes = |seed| {
            let hashing = Hashing::new(seed);
            let keys = (0..100_u32).map(u32::to_be_bytes);
            keys.map(|key| hashing.hash(&key)).collect::<Vec<_>>()
        };
        let fixed = hashes(HashSeed::Fixed);
        assert_eq!(fixed, hashes(HashSeed::Fixed));
        assert_eq!(fixed[1], Hashing::default().hash(&1_u32.to_be_bytes()));
        let random = hashes(HashSeed::Random);
        let again = hashes(HashSeed::Random);
        let equal = |one: &[u64], other: &[u64]| one.iter().zip(other).any(|(a, b)| a == b);
        assert!(!equal(&fixed, &random) && !equal(&random, &again));
    }

    #[test]
    fn keys_that_were_chosen_to_share_a_shard_are_spread_by_a_random_seed() {
        let fixed = Hashing::default();
        let keys = (0_u64..).map(u64::to_be_bytes);
        let chosen: Vec<_> = keys
            .filter(|key| shard_of(fixed.hash(key)) == 0)
            .take(500)
            .collect();
        let random = Hashing::new(HashSeed::Random);
        let shards = chosen.iter().map(|key| shard_of(random.hash(key)));
        let shards: BTreeSet<_> = shards.collect();
        assert!(shards.len() > 32, "{} of 64 shards", shards.len());
    }

    #[test]
    fn debug_text_does_not_show_the_seed() {
        let text = format!("{:?}", Hashing::new(HashSeed::Random));
        assert_eq!(text, "Hashing(\"random\")");
    }
}
