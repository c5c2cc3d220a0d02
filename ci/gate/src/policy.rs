//! Policy: how large a change may be. Read from `baselines/policy.toml`.
//!
//! ```toml
//! format = 1
//!
//! [default]
//! limit = "1%"            # of a benchmark's instructions
//! floor = 50              # a change of fewer instructions passes, whatever its share
//! improvement = "fail"    # an improvement beyond the limit must be banked; or "notice"
//!
//! [[rule]]                # the last rule that matches a benchmark and metric counts
//! benchmarks = "kv/sqlite_*/**"
//! limit = "3%"
//!
//! [drift]                 # growth since a tag, for `icgate history --since`; off without it
//! limit = "5%"
//!
//! [commands]              # what reports tell people to type; defaults to icgate's own commands
//! check = "make gate"
//! update = "make update-baseline REASON=\"…\""
//! ```
//!
//! Limits are kept as parts per million and compared as integers: no rounding happens at the
//! limit, and a change that equals the limit passes.

use std::fmt;

use globset::{Glob, GlobMatcher};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bench_id::BenchId;
use crate::metric::Metric;

/// The version of `policy.toml` that this code reads.
pub const POLICY_FORMAT: u32 = 1;

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
    pub floor: u64,
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
    commands: Commands,
}

/// What reports tell people to type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Commands {
    /// Measures and judges again.
    pub check: String,
    /// Accepts what is measured.
    pub update: String,
}

impl Default for Commands {
    fn default() -> Self {
        Self {
            check: "icgate check".to_owned(),
            update: "icgate update --reason \"…\"".to_owned(),
        }
    }
}

/// An exception for some benchmarks and one metric.
#[derive(Debug, Clone)]
struct Rule {
    benchmarks: GlobMatcher,
    metric: Metric,
    limit: Limit,
}

/// Why a text is not a policy.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// Not TOML, an unknown key, or a value of the wrong kind.
    #[error("cannot read policy `{name}`: {}", source.to_string().trim_end())]
    Shape {
        /// Display name of the text.
        name: String,
        /// What is wrong and where, with the line itself.
        source: Box<toml::de::Error>,
    },
    /// Another version's.
    #[error(
        "cannot read policy `{name}`: it has format {format}, this icgate reads {POLICY_FORMAT}"
    )]
    Format {
        /// Display name of the text.
        name: String,
        /// The format it claims.
        format: u32,
    },
    /// A limit that is not a share between 0 % and 100 %.
    #[error("policy `{name}`: `{text}` in `{place}` is not a limit")]
    Limit {
        /// Display name of the text.
        name: String,
        /// Which table of it.
        place: String,
        /// What stands there.
        text: String,
    },
    /// A pattern that is not a glob.
    #[error("policy `{name}`: `{place}` has a bad pattern: {source}")]
    Pattern {
        /// Display name of the text.
        name: String,
        /// Which rule.
        place: String,
        /// What is wrong with it.
        source: globset::Error,
    },
}

impl PolicyError {
    /// What to do about it.
    #[must_use]
    pub fn fix(&self) -> String {
        match self {
            Self::Shape { .. } | Self::Pattern { .. } => {
                "the keys are: format, default.{limit, floor, improvement}, \
                 rule.{benchmarks, metric, limit, floor}, drift.{limit, floor}, \
                 commands.{check, update}"
                    .to_owned()
            }
            Self::Format { .. } => format!("set `format = {POLICY_FORMAT}`"),
            Self::Limit { .. } => {
                "write a share from \"0%\" to \"100%\" with up to four decimals, such as \"1%\" or \
                 \"0.5%\""
                    .to_owned()
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WirePolicy {
    format: u32,
    #[serde(default)]
    default: WireDefault,
    #[serde(default, rename = "rule")]
    rules: Vec<WireRule>,
    drift: Option<WireDrift>,
    #[serde(default)]
    commands: Commands,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct WireDefault {
    limit: Option<String>,
    floor: Option<u64>,
    improvement: Option<OnImprovement>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRule {
    benchmarks: String,
    metric: Option<Metric>,
    limit: Option<String>,
    floor: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireDrift {
    limit: String,
    floor: Option<u64>,
}

impl Default for Policy {
    /// 1 % and 50 instructions; an improvement must be banked.
    fn default() -> Self {
        Self {
            default: Self::DEFAULT_LIMIT,
            improvement: OnImprovement::Fail,
            rules: Vec::new(),
            drift: None,
            commands: Commands::default(),
        }
    }
}

impl Policy {
    /// 1 %, and 50 instructions.
    pub const DEFAULT_LIMIT: Limit = Limit {
        share: PartsPerMillion(10_000),
        floor: 50,
    };

    /// Reads `policy.toml`; `name` is how messages call it.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] for anything but a policy of this format.
    pub fn from_toml(name: &str, text: &str) -> Result<Self, PolicyError> {
        let wire: WirePolicy = toml::from_str(text).map_err(|source| PolicyError::Shape {
            name: name.to_owned(),
            source: Box::new(source),
        })?;
        if wire.format != POLICY_FORMAT {
            return Err(PolicyError::Format {
                name: name.to_owned(),
                format: wire.format,
            });
        }
        let limit = |place: String, text: Option<String>, floor: Option<u64>, otherwise: Limit| {
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
                floor: floor.unwrap_or(otherwise.floor),
            })
        };
        let built_in = Self::default();
        let default = limit(
            "default.limit".to_owned(),
            wire.default.limit,
            wire.default.floor,
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
                Ok(Rule {
                    benchmarks: benchmarks.compile_matcher(),
                    metric: rule.metric.unwrap_or(Metric::Instructions),
                    limit: limit(place, rule.limit, rule.floor, default)?,
                })
            })
            .collect::<Result<_, _>>()?;
        let drift = wire.drift.map(|it| {
            let place = "drift.limit".to_owned();
            limit(place, Some(it.limit), it.floor, default)
        });
        let improvement = wire.default.improvement.unwrap_or(built_in.improvement);
        Ok(Self {
            default,
            improvement,
            rules,
            drift: drift.transpose()?,
            commands: wire.commands,
        })
    }

    /// The limit for `metric` of the benchmark `id`; `None` if that metric is not judged.
    ///
    /// Instructions are always judged, anything else only where a rule says so.
    #[must_use]
    pub fn limit(&self, id: &BenchId, metric: Metric) -> Option<Limit> {
        let rule = self
            .rules
            .iter()
            .rev()
            .find(|rule| rule.metric == metric && rule.benchmarks.is_match(id.as_str()));
        match rule {
            Some(rule) => Some(rule.limit),
            None if metric == Metric::Instructions => Some(self.default),
            None => None,
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
    /// Any change from zero beyond the floor is: no share of zero could bear it.
    #[must_use]
    pub fn is_exceeded(self, base: u64, head: u64) -> bool {
        let change = base.abs_diff(head);
        change > self.floor
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
mod tests {
    use super::*;

    fn id(id: &str) -> BenchId {
        id.parse().unwrap()
    }

    fn read(text: &str) -> Result<Policy, PolicyError> {
        Policy::from_toml("baselines/policy.toml", text)
    }

    #[test]
    fn the_default_is_one_percent_of_instructions() {
        let policy = read("format = 1").unwrap();
        let limit = policy.limit(&id("a/b/c"), Metric::Instructions).unwrap();
        assert_eq!((limit.share, limit.floor), (PartsPerMillion(10_000), 50));
        assert_eq!(policy.limit(&id("a/b/c"), Metric::EstimatedCycles), None);
        assert_eq!(policy.improvement(), OnImprovement::Fail);
    }

    #[test]
    fn the_last_rule_that_matches_counts() {
        let policy = read(
            r#"
            format = 1
            [default]
            floor = 7
            improvement = "notice"
            [[rule]]
            benchmarks = "kv/**"
            limit = "3%"
            [[rule]]
            benchmarks = "kv/get/*"
            limit = "0.5 %"
            floor = 0
            [[rule]]
            benchmarks = "gone/**"
            metric = "heap_bytes"
            "#,
        )
        .unwrap();
        let limit = |name: &str| policy.limit(&id(name), Metric::Instructions).unwrap();
        assert_eq!(limit("wal/a/b").share, PartsPerMillion(10_000));
        assert_eq!(
            limit("kv/put/b"),
            Limit {
                share: PartsPerMillion(30_000),
                floor: 7
            }
        );
        assert_eq!(
            limit("kv/get/b"),
            Limit {
                share: PartsPerMillion(5_000),
                floor: 0
            }
        );
        assert!(policy.limit(&id("gone/a/b"), Metric::HeapBytes).is_some());
        assert_eq!(policy.limit(&id("kv/get/b"), Metric::HeapBytes), None);
        assert_eq!(policy.improvement(), OnImprovement::Notice);
        assert_eq!(policy.unmatched(&[&id("kv/get/b")]), ["gone/**"]);
    }

    #[test]
    fn drift_is_judged_only_where_policy_says_so() {
        assert_eq!(read("format = 1").unwrap().drift(), None);
        let policy = read("format = 1\n[drift]\nlimit = \"5%\"").unwrap();
        let limit = Limit {
            share: PartsPerMillion(50_000),
            floor: 50,
        };
        assert_eq!(policy.drift(), Some(limit));
        let bad = read("format = 1\n[drift]\nlimit = \"5\"").unwrap_err();
        assert!(bad.to_string().contains("`5` in `drift.limit`"), "{bad}");
        assert!(read("format = 1\n[drift]").is_err());
    }

    #[test]
    fn a_change_that_equals_the_limit_passes() {
        let limit = Limit {
            share: PartsPerMillion(10_000),
            floor: 50,
        };
        let cases = [
            (10_000, 10_000, false),
            (10_000, 10_100, false),
            (10_000, 10_101, true),
            (10_000, 9_900, false),
            (10_000, 9_899, true),
            (1_000, 1_050, false),
            (1_000, 1_051, true),
            (0, 50, false),
            (0, 51, true),
            (51, 0, true),
            (0, 0, false),
            (u64::MAX, u64::MAX, false),
            (u64::MAX, 0, true),
        ];
        for (base, head, exceeded) in cases {
            assert_eq!(limit.is_exceeded(base, head), exceeded, "{base} → {head}");
        }
    }

    #[test]
    fn shares_are_read_and_written_exactly() {
        for (text, parts, written) in [
            ("1%", 10_000, "1 %"),
            ("0.25 %", 2_500, "0.25 %"),
            (" 100% ", MILLION, "100 %"),
            ("0%", 0, "0 %"),
            ("0.0001%", 1, "0.0001 %"),
        ] {
            let share = parse_share(text).unwrap();
            assert_eq!(share, PartsPerMillion(parts), "{text}");
            assert_eq!(share.to_string(), written);
        }
        for text in [
            "1",
            "",
            "%",
            "-1%",
            "1e2%",
            "100.0001%",
            "0.00001%",
            "1.%",
            ".5%",
            "９%",
        ] {
            assert_eq!(parse_share(text), None, "{text}");
        }
    }

    #[test]
    fn a_bad_policy_is_refused_with_the_place() {
        let refused = |text: &str| read(text).unwrap_err();
        let unknown = refused("format = 1\n[default]\nlimits = \"1%\"").to_string();
        assert!(
            unknown.contains("line 3") && unknown.contains("limits"),
            "{unknown}"
        );
        let limit = refused("format = 1\n[[rule]]\nbenchmarks = \"a/**\"\nlimit = \"1\"");
        assert_eq!(
            limit.to_string(),
            "policy `baselines/policy.toml`: `1` in `rule 1` is not a limit"
        );
        assert!(limit.fix().contains("\"0.5%\""));
        assert!(matches!(
            refused("format = 2"),
            PolicyError::Format { format: 2, .. }
        ));
        let glob = refused("format = 1\n[[rule]]\nbenchmarks = \"a/[\"");
        assert!(
            glob.to_string().contains("`rule 1` has a bad pattern"),
            "{glob}"
        );
        assert!(matches!(refused(""), PolicyError::Shape { .. }));
        assert!(matches!(
            refused("format = 1\n[[rule]]\nlimit = \"1%\""),
            PolicyError::Shape { .. }
        ));
    }
}
