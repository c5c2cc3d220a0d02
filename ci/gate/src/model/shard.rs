//! Shards: a suite divided among several machines.
//!
//! Each machine divides for itself and arrives at the same: the division depends on the ids and on
//! the committed counts alone, not on their order. The longest processing time goes first, to the
//! shard that is lightest so far, so that
//!
//! ```text
//! heaviest shard ≤ Σ weights / shards + heaviest benchmark
//! ```

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::model::bench_id::BenchId;

/// The most shards that a suite can be divided into.
pub const SHARDS_MAX: u32 = 1_000;

/// What starting Valgrind costs, in instructions that it could have executed instead: 0.15 to 0.19 s
/// for a static executable, where Callgrind executes 105 million a second. Without it one shard
/// would get the long benchmarks and another all the short ones, and end later.
const START_INSTRUCTIONS: u64 = 16_000_000;

/// `2/3`: the second of three shards.
///
/// Promises: 1 ≤ number ≤ of ≤ [`SHARDS_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    number: u32,
    of: u32,
}

/// Why a text is not a shard.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ShardError {
    /// Not two numbers with a slash between them.
    #[error("shard `{text}` is not of the form `2/3`")]
    Shape {
        /// What was read.
        text: String,
    },
    /// There is no shard of that number.
    #[error("shard {number}/{of} does not exist: shards are numbered from 1 to {of}")]
    Number {
        /// The number asked for.
        number: u32,
        /// How many shards there are.
        of: u32,
    },
    /// None, or over [`SHARDS_MAX`].
    #[error("a suite is divided into 1 to {SHARDS_MAX} shards, not into {of}")]
    Of {
        /// How many were asked for.
        of: u32,
    },
}

impl Shard {
    /// Shard `number` of `of`, counted from 1.
    ///
    /// # Errors
    ///
    /// [`ShardError`] if there can be no such shard.
    pub const fn new(number: u32, of: u32) -> Result<Self, ShardError> {
        if of == 0 || of > SHARDS_MAX {
            return Err(ShardError::Of { of });
        }
        if number == 0 || number > of {
            return Err(ShardError::Number { number, of });
        }
        Ok(Self { number, of })
    }

    /// Its number, counted from 1.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.number
    }

    /// How many shards there are.
    #[must_use]
    pub const fn of(self) -> u32 {
        self.of
    }

    /// All shards of a division into as many as this one's.
    pub fn all(self) -> impl Iterator<Item = Self> {
        (1..=self.of).map(move |number| Self { number, ..self })
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        // Only the one spelling that is written: no sign, no leading zero.
        let number = |digits: &str| {
            let plain = !digits.starts_with('0') || digits == "0";
            let plain = plain && digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| digits.parse().ok()).flatten()
        };
        let (index, of) = text
            .split_once('/')
            .and_then(|(index, of)| Some((number(index)?, number(of)?)))
            .ok_or_else(|| ShardError::Shape {
                text: text.escape_debug().to_string(),
            })?;
        Self::new(index, of)
    }
}

impl TryFrom<String> for Shard {
    type Error = ShardError;

    fn try_from(text: String) -> Result<Self, ShardError> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// The ids that `shard` measures, in id order.
///
/// `instructions` are a benchmark's accepted ones; a benchmark that has none counts as the median
/// of those that have.
#[must_use]
pub fn select<'a>(
    ids: impl IntoIterator<Item = &'a BenchId>,
    instructions: impl Fn(&BenchId) -> Option<u64>,
    shard: Shard,
) -> Vec<&'a BenchId> {
    let mut shards = divide(weigh(ids, instructions), shard.of);
    let mut ids = shards.swap_remove(shard.number as usize - 1);
    ids.sort_unstable();
    ids
}

/// The benchmarks with their weights, in no order that matters.
fn weigh<'a>(
    ids: impl IntoIterator<Item = &'a BenchId>,
    instructions: impl Fn(&BenchId) -> Option<u64>,
) -> Vec<(u64, &'a BenchId)> {
    let counts: Vec<_> = ids.into_iter().map(|id| (instructions(id), id)).collect();
    let mut known: Vec<u64> = counts.iter().filter_map(|(count, _)| *count).collect();
    known.sort_unstable();
    let median = known.get(known.len() / 2).copied().unwrap_or(0);
    let weight = |count: Option<u64>| count.unwrap_or(median).saturating_add(START_INSTRUCTIONS);
    counts
        .into_iter()
        .map(|(count, id)| (weight(count), id))
        .collect()
}

/// The heaviest first, each to the shard that is lightest so far; ties by id, then by number.
fn divide(mut weights: Vec<(u64, &BenchId)>, of: u32) -> Vec<Vec<&BenchId>> {
    weights.sort_unstable_by_key(|(weight, id)| (Reverse(*weight), *id));
    let mut shards = vec![Vec::new(); of as usize];
    let mut lightest: BinaryHeap<Reverse<(u128, usize)>> =
        (0..shards.len()).map(|index| Reverse((0, index))).collect();
    for (weight, id) in weights {
        if let Some(mut top) = lightest.peek_mut() {
            let Reverse((load, index)) = &mut *top;
            *load += u128::from(weight);
            shards[*index].push(id);
        }
    }
    shards
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_shard_is_read_as_it_is_written() {
        for text in ["1/1", "2/3", "1000/1000"] {
            let shard: Shard = text.parse().unwrap();
            assert_eq!(shard.to_string(), text);
            let json = serde_json::to_string(&shard).unwrap();
            assert_eq!(serde_json::from_str::<Shard>(&json).unwrap(), shard);
        }
        assert_eq!(Shard::new(2, 3).unwrap().all().count(), 3);
    }

    #[test]
    fn what_is_no_shard_is_refused_with_the_cause() {
        let refused = |text: &str| text.parse::<Shard>().unwrap_err();
        for text in [
            "",
            "/",
            "1",
            "1/",
            "/2",
            "a/b",
            "1/2/3",
            "-1/2",
            "+1/2",
            "1 /2",
            "01/2",
            "1/2\n",
            "1.0/2",
            "4294967296/4294967296",
        ] {
            assert!(
                matches!(refused(text), ShardError::Shape { .. }),
                "{text:?}"
            );
        }
        assert_eq!(refused("0/3"), ShardError::Number { number: 0, of: 3 });
        assert_eq!(refused("4/3"), ShardError::Number { number: 4, of: 3 });
        assert_eq!(refused("1/0"), ShardError::Of { of: 0 });
        assert_eq!(refused("1/1001"), ShardError::Of { of: 1001 });
        assert!(refused("4/3").to_string().contains("numbered from 1 to 3"));
    }

    #[test]
    fn the_heaviest_goes_to_the_lightest_shard() {
        const MILLION: u64 = 1_000_000;
        let ids = ["s/a", "s/b", "s/c", "s/d", "s/e"].map(|id| id.parse::<BenchId>().unwrap());
        let counts = [50, 40, 30, 20, 10].map(|count| count * MILLION);
        let counts: BTreeMap<_, _> = ids.iter().zip(counts).collect();
        let select = |number| {
            let shard = Shard::new(number, 2).unwrap();
            let ids = select(&ids, |id| counts.get(id).copied(), shard);
            ids.into_iter().map(BenchId::as_str).collect::<Vec<_>>()
        };
        // 50, then 40; 30 joins 40, 20 joins 50; both weigh 70, and 10 goes to the first.
        assert_eq!(select(1), ["s/a", "s/d", "s/e"]);
        assert_eq!(select(2), ["s/b", "s/c"]);
    }

    #[test]
    fn what_has_no_baseline_counts_as_the_median() {
        let ids = ["s/a", "s/b", "s/c", "s/new"].map(|id| id.parse::<BenchId>().unwrap());
        let counts: BTreeMap<_, _> = ids.iter().zip([1, 7, 1_000]).collect();
        let weights = weigh(&ids, |id| counts.get(id).copied());
        assert_eq!(weights[3], (7 + START_INSTRUCTIONS, &ids[3]));
        let unknown = weigh(&ids, |_| None);
        assert!(
            unknown
                .iter()
                .all(|(weight, _)| *weight == START_INSTRUCTIONS)
        );
    }

    #[test]
    fn a_shard_may_be_empty() {
        let ids = ["s/a".parse().unwrap()];
        let last = Shard::new(3, 3).unwrap();
        assert!(select(&ids, |_| Some(u64::MAX), last).is_empty());
    }

    /// Ids with the counts of their baselines, shuffled.
    fn suite() -> impl Strategy<Value = Vec<(BenchId, Option<u64>)>> {
        let count = prop_oneof![
            4 => prop::option::of(0..100_000_000_u64),
            1 => prop::option::of(any::<u64>()),
        ];
        prop::collection::btree_map("[a-c]/[a-z]{1,3}", count, 0..80)
            .prop_map(|suite| {
                suite
                    .into_iter()
                    .map(|(id, count)| (id.parse().unwrap(), count))
                    .collect::<Vec<_>>()
            })
            .prop_shuffle()
    }

    fn shards(suite: &[(BenchId, Option<u64>)], of: u32) -> Vec<Vec<BenchId>> {
        let counts: BTreeMap<&BenchId, Option<u64>> =
            suite.iter().map(|(id, count)| (id, *count)).collect();
        let ids = || suite.iter().map(|(id, _)| id);
        let first = Shard::new(1, of).unwrap();
        first
            .all()
            .map(|shard| select(ids(), |id| counts[id], shard))
            .map(|ids| ids.into_iter().cloned().collect())
            .collect()
    }

    proptest! {
        #[test]
        fn every_benchmark_is_in_exactly_one_shard(suite in suite(), of in 1..20_u32) {
            let shards = shards(&suite, of);
            prop_assert_eq!(shards.len(), of as usize);
            prop_assert!(shards.iter().all(|ids| ids.is_sorted()));
            let mut divided: Vec<_> = shards.into_iter().flatten().collect();
            divided.sort();
            let all: BTreeSet<_> = suite.into_iter().map(|(id, _)| id).collect();
            prop_assert_eq!(divided, all.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn the_order_of_the_input_does_not_matter(suite in suite(), of in 1..20_u32) {
            let mut sorted = suite.clone();
            sorted.sort();
            prop_assert_eq!(shards(&suite, of), shards(&sorted, of));
        }

        #[test]
        fn no_shard_is_heavier_than_the_mean_and_the_heaviest_benchmark(
            suite in suite(),
            of in 1..20_u32,
        ) {
            let counts: BTreeMap<_, _> = suite.iter().map(|(id, count)| (id, *count)).collect();
            let weights = weigh(suite.iter().map(|(id, _)| id), |id| counts[id]);
            let heaviest = weights.iter().map(|(weight, _)| u128::from(*weight)).max();
            let heaviest = heaviest.unwrap_or(0);
            let total: u128 = weights.iter().map(|(weight, _)| u128::from(*weight)).sum();
            let weight_of: BTreeMap<_, _> = weights.iter().map(|(weight, id)| (*id, *weight)).collect();
            for ids in shards(&suite, of) {
                let load: u128 = ids.iter().map(|id| u128::from(weight_of[id])).sum();
                prop_assert!((load - load.min(heaviest)) * u128::from(of) <= total);
            }
        }
    }
}
