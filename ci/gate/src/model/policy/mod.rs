//! Policy: how large a change may be. Read from `baselines/policy.toml`.
//!
//! ```toml
//! format = 2
//!
//! [default]
//! limit = "1%"            # of a benchmark's instructions
//! min_change = 5          # a change of fewer instructions passes, whatever its share
//! improvement = "fail"    # an improvement beyond the limit must be recorded; or "notice"
//!
//! [[rule]]                # the last rule that matches a benchmark and metric counts
//! benchmarks = "kv/sqlite_*/**"
//! limit = "3%"
//!
//! [[rule]]                # a metric that is not to be judged
//! benchmarks = "**"
//! metric = "ll_read_misses"
//! limit = "off"
//!
//! [drift]                 # growth since a tag, for `icgate history --since`; off without it
//! limit = "5%"
//!
//! [measuring]             # how benchmarks are built; not judged
//! pins = true             # the machine's answers are the same everywhere
//! clock = "system"        # or "counter": a microsecond more each time that it is read
//! heap_tools = false      # link dynamically, and keep what the harness's DHAT and memcheck find
//!
//! [proof]                 # proving the causes of a red run, after its verdict
//! minutes = 5             # how long that may build and measure; 0: not at all
//!
//! [commands]              # what reports tell people to type; defaults to icgate's own commands
//! check = "make gate"
//! update = "make update-baseline REASON=\"…\""
//! explain = "make explain BENCH={benchmark}"
//! ```
//!
//! Limits are kept as parts per million and compared as integers: no rounding happens at the
//! limit, and a change that equals the limit passes.

mod error;

use std::fmt;

use globset::{Glob, GlobMatcher};
use serde::{Deserialize, Serialize};

use crate::model::bench_id::BenchId;
use crate::model::metric::Metric;

pub use error::PolicyError;

/// The version of `policy.toml` that this code reads.
pub const POLICY_FORMAT: u32 = 2;

const MILLION: u64 = 1_000_000;

/// A share in parts per million, such as 10,000 for 1 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartsPerMillion(pub u64);

/// How large a change of one metric of one benchmark may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Changes of up to this share pass.
    pub share: PartsPerMillion,
    /// Changes of up to this many pass, whatever their share.
    pub min_change: u64,
}

/// What an improvement beyond the limit does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnImprovement {
    /// The gate asks for the baseline to be updated, so that the gain cannot be lost unseen.
    Fail,
    /// The report says so, the gate passes.
    Notice,
}

/// Limits for all benchmarks.
#[derive(Debug, Clone)]
pub struct Policy {
    default: Limit,
    improvement: OnImprovement,
    rules: Vec<Rule>,
    drift: Option<Limit>,
    measuring: Switches,
    proof: Proving,
    commands: Commands,
}

/// How causes of a red run are proven, after its verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Proving {
    /// For how many minutes something may be built and measured for it; 0 switches it off.
    pub minutes: u8,
}

impl Default for Proving {
    fn default() -> Self {
        Self { minutes: 5 }
    }
}

/// How benchmarks are built. The tree's own, since it is what is built; a fingerprint says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Whether what the machine tells a program is pinned.
    pub pins: bool,
    /// Whether what DHAT and memcheck find is kept, where the harness runs them. They cannot replace
    /// the allocator of an executable that is linked statically, so that takes the dynamic one.
    pub heap_tools: bool,
    /// What a program is told that asks for the time.
    pub clock: Clock,
}

/// What a program is told that asks for the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// The time.
    System,
    /// How often it was asked, so that a program that waits for a moment executes the same each time.
    Counter,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            pins: true,
            heap_tools: false,
            clock: Clock::System,
        }
    }
}

/// What reports tell people to type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Commands {
    /// Measures and judges again.
    pub check: String,
    /// Accepts what is measured.
    pub update: String,
    /// Shows why a benchmark moved; [`Self::BENCHMARK`] stands for its id.
    pub explain: String,
}

impl Commands {
    /// What `explain` has in the place of a benchmark's id.
    pub const BENCHMARK: &'static str = "{benchmark}";
}

impl Default for Commands {
    fn default() -> Self {
        Self {
            check: "icgate check".to_owned(),
            update: "icgate update --reason \"…\"".to_owned(),
            explain: format!("icgate explain {}", Self::BENCHMARK),
        }
    }
}

/// An exception for some benchmarks and one metric.
#[derive(Debug, Clone)]
struct Rule {
    benchmarks: GlobMatcher,
    metric: Metric,
    /// `None`: it is not judged.
    limit: Option<Limit>,
}

/// A limit that is none.
const OFF: &str = "off";

/// How far unrelated edits were seen to move what caches miss, rounded up.
const D1_READ_MISSES_MIN_CHANGE: u64 = 400;
const D1_WRITE_MISSES_MIN_CHANGE: u64 = 150;
const LL_MISSES_MIN_CHANGE: u64 = 20;
/// As far as the misses that are allowed can move them: each of the first level costs 4 cycles more
/// than a hit, and those of instructions are not judged by themselves.
const CYCLES_MIN_CHANGE: u64 = 2_000;

/// 1 %, and a smallest change.
const fn percent(min_change: u64) -> Limit {
    Limit {
        share: PartsPerMillion(10_000),
        min_change,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WirePolicy {
    #[serde(rename = "format")]
    _format: u32,
    #[serde(default)]
    default: WireDefault,
    #[serde(default, rename = "rule")]
    rules: Vec<WireRule>,
    drift: Option<WireDrift>,
    #[serde(default)]
    measuring: Switches,
    #[serde(default)]
    proof: Proving,
    #[serde(default)]
    commands: Commands,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct WireDefault {
    limit: Option<String>,
    min_change: Option<u64>,
    improvement: Option<OnImprovement>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRule {
    benchmarks: String,
    metric: Option<Metric>,
    limit: Option<String>,
    min_change: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireDrift {
    limit: String,
    min_change: Option<u64>,
}

impl Default for Policy {
    /// 1 % and 5 instructions; an improvement must be recorded.
    fn default() -> Self {
        Self {
            default: Self::DEFAULT_LIMIT,
            improvement: OnImprovement::Fail,
            rules: Vec::new(),
            drift: None,
            measuring: Switches::default(),
            proof: Proving::default(),
            commands: Commands::default(),
        }
    }
}

impl Policy {
    /// 1 %, and 5 instructions. Counts are exact, so the smallest change is only what one more spilt
    /// register may cost a function that is called once.
    pub const DEFAULT_LIMIT: Limit = Limit {
        share: PartsPerMillion(10_000),
        min_change: 5,
    };

    /// The limit for `metric` where policy says nothing; `None` if it is not judged then.
    ///
    /// Misses and cycles move with the layout of code that a benchmark never executes. Their smallest
    /// changes are what unrelated edits were seen to do (see *Caches* in `ARCHITECTURE.md`), and what
    /// a baseline has measured as noise comes on top. What the heap is asked for is exact.
    #[must_use]
    pub const fn default_limit(metric: Metric) -> Option<Limit> {
        Some(match metric {
            Metric::Instructions | Metric::DataReads | Metric::DataWrites => Self::DEFAULT_LIMIT,
            Metric::D1ReadMisses => percent(D1_READ_MISSES_MIN_CHANGE),
            Metric::D1WriteMisses => percent(D1_WRITE_MISSES_MIN_CHANGE),
            Metric::LlReadMisses | Metric::LlWriteMisses => percent(LL_MISSES_MIN_CHANGE),
            Metric::EstimatedCycles => percent(CYCLES_MIN_CHANGE),
            Metric::Allocations
            | Metric::Reallocations
            | Metric::Frees
            | Metric::HeapBlocks
            | Metric::HeapBytes
            | Metric::HeapPeakBytes
            | Metric::HeapBlocksNotFreed
            | Metric::LeakedBytes
            | Metric::LeakedBlocks => Limit {
                share: PartsPerMillion(0),
                min_change: 0,
            },
            Metric::I1Misses | Metric::LlInstructionMisses => return None,
        })
    }

    /// Reads `policy.toml`; `name` is how messages call it.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] for anything but a policy of this format.
    pub fn from_toml(name: &str, text: &str) -> Result<Self, PolicyError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let refused = |source| PolicyError::Shape {
            name: name.to_owned(),
            source: Box::new(source),
        };
        // The version first: another format may have any shape.
        if let Ok(Version { format }) = toml::from_str(text)
            && format != POLICY_FORMAT
        {
            return Err(PolicyError::Format {
                name: name.to_owned(),
                format,
            });
        }
        let wire: WirePolicy = toml::from_str(text).map_err(refused)?;
        let limit =
            |place: String, text: Option<String>, min_change: Option<u64>, otherwise: Limit| {
                let share = match text {
                    None => otherwise.share,
                    Some(text) => parse_share(&text).ok_or_else(|| PolicyError::Limit {
                        name: name.to_owned(),
                        place,
                        text,
                    })?,
                };
                Ok(Limit {
                    share,
                    min_change: min_change.unwrap_or(otherwise.min_change),
                })
            };
        let built_in = Self::default();
        let default = limit(
            "default.limit".to_owned(),
            wire.default.limit,
            wire.default.min_change,
            built_in.default,
        )?;
        let rules = wire
            .rules
            .into_iter()
            .enumerate()
            .map(|(index, rule)| {
                let place = format!("rule {}", index + 1);
                let benchmarks =
                    Glob::new(&rule.benchmarks).map_err(|source| PolicyError::Pattern {
                        name: name.to_owned(),
                        place: place.clone(),
                        source,
                    })?;
                let metric = rule.metric.unwrap_or(Metric::Instructions);
                let is_off = rule.limit.as_deref().is_some_and(|text| text.trim() == OFF);
                let limit = if is_off && metric != Metric::Instructions {
                    None
                } else {
                    // What a rule leaves open is as without it; a metric that is judged only where
                    // a rule says so is then judged as instructions are.
                    let otherwise = match metric {
                        Metric::Instructions => default,
                        _ => Self::default_limit(metric).unwrap_or(default),
                    };
                    Some(limit(place, rule.limit, rule.min_change, otherwise)?)
                };
                Ok(Rule {
                    benchmarks: benchmarks.compile_matcher(),
                    metric,
                    limit,
                })
            })
            .collect::<Result<_, _>>()?;
        let drift = wire.drift.map(|it| {
            let place = "drift.limit".to_owned();
            limit(place, Some(it.limit), it.min_change, default)
        });
        let improvement = wire.default.improvement.unwrap_or(built_in.improvement);
        Ok(Self {
            default,
            improvement,
            rules,
            drift: drift.transpose()?,
            measuring: wire.measuring,
            proof: wire.proof,
            commands: wire.commands,
        })
    }

    /// The limit for `metric` of the benchmark `id`; `None` if that metric is not judged.
    ///
    /// Instructions are always judged; for anything else a rule counts before
    /// [`default_limit`](Self::default_limit).
    #[must_use]
    pub fn limit(&self, id: &BenchId, metric: Metric) -> Option<Limit> {
        let rule = self
            .rules
            .iter()
            .rev()
            .find(|rule| rule.metric == metric && rule.benchmarks.is_match(id.as_str()));
        match rule {
            Some(rule) => rule.limit,
            None if metric == Metric::Instructions => Some(self.default),
            None => Self::default_limit(metric),
        }
    }

    /// What an improvement beyond the limit does.
    #[must_use]
    pub const fn improvement(&self) -> OnImprovement {
        self.improvement
    }

    /// How far a benchmark may have grown since a tag; `None` if that is not judged.
    #[must_use]
    pub const fn drift(&self) -> Option<Limit> {
        self.drift
    }

    /// How benchmarks are built.
    #[must_use]
    pub const fn measuring(&self) -> Switches {
        self.measuring
    }

    /// How causes are proven.
    #[must_use]
    pub const fn proof(&self) -> Proving {
        self.proof
    }

    /// What reports tell people to type.
    #[must_use]
    pub const fn commands(&self) -> &Commands {
        &self.commands
    }

    /// The patterns that match none of these benchmarks: most likely a name that has changed.
    #[must_use]
    pub fn unmatched(&self, ids: &[&BenchId]) -> Vec<&str> {
        self.rules
            .iter()
            .filter(|rule| !ids.iter().any(|id| rule.benchmarks.is_match(id.as_str())))
            .map(|rule| rule.benchmarks.glob().glob())
            .collect()
    }
}

impl Limit {
    /// Whether a change from `base` to `head` is larger than this limit, in either direction.
    ///
    /// From zero, any change larger than `min_change` is: zero has no share.
    #[must_use]
    pub fn is_exceeded(self, base: u64, head: u64) -> bool {
        let change = base.abs_diff(head);
        change > self.min_change
            && u128::from(change) * u128::from(MILLION)
                > u128::from(base) * u128::from(self.share.0)
    }
}

impl fmt::Display for PartsPerMillion {
    /// As a percentage with as many decimals as it needs: `1 %`, `0.25 %`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 10_000, self.0 % 10_000);
        let decimals = format!("{rest:04}");
        match decimals.trim_end_matches('0') {
            "" => write!(f, "{whole} %"),
            decimals => write!(f, "{whole}.{decimals} %"),
        }
    }
}

/// `difference` as a share of `base` in parts per million, rounded away from zero so that no change
/// ever reads as none. `None` from zero, unless nothing changed.
#[must_use]
pub(crate) fn share_of(difference: i128, base: u64) -> Option<i64> {
    let base = i128::from(base);
    if base == 0 {
        return (difference == 0).then_some(0);
    }
    let scaled = difference * i128::from(MILLION);
    let rounded = (scaled.abs() + base - 1) / base * scaled.signum();
    Some(i64::try_from(rounded).unwrap_or(if rounded < 0 { i64::MIN } else { i64::MAX }))
}

/// `"1%"`, `"0.25 %"` → parts per million. Four decimals are all that parts per million can hold.
fn parse_share(text: &str) -> Option<PartsPerMillion> {
    let number = text.trim().strip_suffix('%')?.trim_end();
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > 4 || whole.len() > 3 {
        return None;
    }
    let share =
        whole.parse::<u64>().ok()? * 10_000 + format!("{decimals:0<4}").parse::<u64>().ok()?;
    (share <= MILLION).then_some(PartsPerMillion(share))
}

#[cfg(test)]
mod tests;
