//! What is counted, and the largest count that is believed.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use strum::{EnumCount, IntoStaticStr, VariantArray};

/// Largest count that is read or written: the largest integer every JSON reader keeps exactly.
pub const COUNT_MAX: u64 = (1 << 53) - 1;

/// A thing that is counted for each benchmark.
///
/// Which of them are judged by default, and how far each may move, policy says
/// ([`Policy::limit`](crate::model::policy::Policy::limit)).
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    EnumCount,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Metric {
    /// Instructions executed (`Ir`).
    Instructions,
    /// Memory reads (`Dr`).
    DataReads,
    /// Memory writes (`Dw`).
    DataWrites,
    /// First-level instruction cache misses (`I1mr`).
    I1Misses,
    /// First-level data cache read misses (`D1mr`).
    D1ReadMisses,
    /// First-level data cache write misses (`D1mw`).
    D1WriteMisses,
    /// Last-level cache instruction misses (`ILmr`).
    LlInstructionMisses,
    /// Last-level cache data read misses (`DLmr`).
    LlReadMisses,
    /// Last-level cache data write misses (`DLmw`).
    LlWriteMisses,
    /// An estimate from the above: 1 a first-level hit, 5 a last-level hit, 35 a memory access.
    /// The weights are Nethercote's, as iai and iai-callgrind use them.
    EstimatedCycles,
    /// Blocks that were asked of the allocator: executions of the first instruction of `malloc` and
    /// its kin, or of the global allocator's, in the measured region.
    Allocations,
    /// Blocks that the allocator was asked to resize, counted in the same way.
    Reallocations,
    /// Blocks that were given back to the allocator, counted in the same way.
    Frees,
    /// Heap blocks allocated (DHAT), by the whole program.
    HeapBlocks,
    /// Heap bytes allocated (DHAT).
    HeapBytes,
    /// Heap bytes in use at the peak (DHAT): the most that each place had in use at once, added up.
    HeapPeakBytes,
    /// Heap blocks that were never given back (DHAT).
    HeapBlocksNotFreed,
    /// Bytes that nothing points to at the end (memcheck's "definitely lost").
    LeakedBytes,
    /// Blocks that nothing points to at the end (memcheck's "definitely lost").
    LeakedBlocks,
}

/// Counts by metric.
pub type Metrics = BTreeMap<Metric, u64>;

impl Metric {
    /// Every metric, in the order in which they are written.
    pub const ALL: [Self; Self::COUNT] = match Self::VARIANTS.first_chunk() {
        Some(all) => *all,
        None => panic!("as many as are counted"),
    };

    /// The name in JSON and policy.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The name as a reader of a sentence sees it: `d1 read misses`.
    #[must_use]
    pub fn words(self) -> String {
        self.name().replace('_', " ")
    }

    /// Whether it moves with the addresses of code and data, and so when code that a benchmark never
    /// executes is changed: what a cache misses, and what is estimated from that.
    #[must_use]
    pub const fn depends_on_layout(self) -> bool {
        matches!(
            self,
            Self::I1Misses
                | Self::D1ReadMisses
                | Self::D1WriteMisses
                | Self::LlInstructionMisses
                | Self::LlReadMisses
                | Self::LlWriteMisses
                | Self::EstimatedCycles
        )
    }

    /// The metric that Callgrind calls `event`, if it is one of ours.
    #[must_use]
    pub fn from_callgrind_event(event: &str) -> Option<Self> {
        Some(match event {
            "Ir" => Self::Instructions,
            "Dr" => Self::DataReads,
            "Dw" => Self::DataWrites,
            "I1mr" => Self::I1Misses,
            "D1mr" => Self::D1ReadMisses,
            "D1mw" => Self::D1WriteMisses,
            "ILmr" => Self::LlInstructionMisses,
            "DLmr" => Self::LlReadMisses,
            "DLmw" => Self::LlWriteMisses,
            _ => return None,
        })
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Reads counts from JSON and refuses a metric that is given twice, which `BTreeMap` itself would
/// let pass with the last value.
pub(crate) fn unique_metrics<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Metrics, D::Error> {
    struct Unique;

    impl<'de> Visitor<'de> for Unique {
        type Value = Metrics;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of counts by metric")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metrics, A::Error> {
            let mut metrics = Metrics::new();
            while let Some((metric, count)) = map.next_entry::<Metric, u64>()? {
                if metrics.insert(metric, count).is_some() {
                    return Err(A::Error::custom(format!(
                        "metric `{metric}` is given twice"
                    )));
                }
            }
            Ok(metrics)
        }
    }

    deserializer.deserialize_map(Unique)
}

/// Adds [`Metric::EstimatedCycles`] where the cache was simulated.
///
/// Hits are what is left of the accesses after the misses; every access that misses the first
/// level is a last-level hit unless it misses there too.
pub fn add_estimated_cycles(metrics: &mut Metrics) {
    let sum = |names: &[Metric]| -> Option<u64> {
        names.iter().map(|name| metrics.get(name).copied()).sum()
    };
    let accesses = sum(&[Metric::Instructions, Metric::DataReads, Metric::DataWrites]);
    let first_misses = sum(&[
        Metric::I1Misses,
        Metric::D1ReadMisses,
        Metric::D1WriteMisses,
    ]);
    let last_misses = sum(&[
        Metric::LlInstructionMisses,
        Metric::LlReadMisses,
        Metric::LlWriteMisses,
    ]);
    if let (Some(accesses), Some(first), Some(last)) = (accesses, first_misses, last_misses) {
        let cycles = accesses.saturating_sub(first) + 5 * first.saturating_sub(last) + 35 * last;
        metrics.insert(Metric::EstimatedCycles, cycles);
    }
}

/// By how much instruction fetches alone change estimated cycles from `base` to `head`, in either
/// direction. Where code lies decides what they miss: of 4,401 misses an edit of other code left 213.
#[must_use]
pub fn fetch_cycles(base: &Metrics, head: &Metrics) -> u64 {
    let change = |metric| {
        let count = |metrics: &Metrics| i128::from(metrics.get(&metric).copied().unwrap_or(0));
        count(head) - count(base)
    };
    // A first-level miss costs 4 more than a hit, and one that misses the last level 30 more.
    let cycles = 4 * change(Metric::I1Misses) + 30 * change(Metric::LlInstructionMisses);
    u64::try_from(cycles.unsigned_abs()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_json_are_the_names_in_code() {
        for metric in Metric::ALL {
            assert_eq!(
                serde_json::to_string(&metric).unwrap(),
                format!("\"{}\"", metric.name())
            );
        }
        let mut sorted = Metric::ALL;
        sorted.sort_unstable();
        assert_eq!(sorted, Metric::ALL);
    }

    #[test]
    fn estimated_cycles_weigh_each_level() {
        let mut metrics: Metrics = [
            (Metric::Instructions, 100),
            (Metric::DataReads, 20),
            (Metric::DataWrites, 10),
            (Metric::I1Misses, 3),
            (Metric::D1ReadMisses, 2),
            (Metric::D1WriteMisses, 1),
            (Metric::LlInstructionMisses, 1),
            (Metric::LlReadMisses, 1),
            (Metric::LlWriteMisses, 0),
        ]
        .into();
        add_estimated_cycles(&mut metrics);
        assert_eq!(metrics[&Metric::EstimatedCycles], 124 + 5 * 4 + 35 * 2);
    }

    #[test]
    fn no_cache_simulation_no_cycles() {
        let mut metrics: Metrics = [(Metric::Instructions, 100)].into();
        add_estimated_cycles(&mut metrics);
        assert!(!metrics.contains_key(&Metric::EstimatedCycles));
    }

    #[test]
    fn fetches_are_weighed_as_cycles_are() {
        let of = |first, last| {
            let mut metrics: Metrics = Metric::ALL[..9].iter().map(|it| (*it, 1_000)).collect();
            metrics.insert(Metric::I1Misses, first);
            metrics.insert(Metric::LlInstructionMisses, last);
            add_estimated_cycles(&mut metrics);
            metrics
        };
        let (base, head) = (of(500, 10), of(20, 3));
        let cycles = |metrics: &Metrics| metrics[&Metric::EstimatedCycles];
        assert_eq!(cycles(&base) - cycles(&head), fetch_cycles(&base, &head));
        assert_eq!(fetch_cycles(&head, &base), 480 * 4 + 7 * 30);
    }
}
