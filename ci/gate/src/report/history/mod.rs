//! History: how accepted counts moved from commit to commit, read out of the baselines that git
//! kept. There is no other store.
//!
//! ```text
//! commits that touched a suite's file      oldest … newest
//! a benchmark's points                     count after each of them
//! a step                                   two neighbouring points that differ
//! drift since a tag                        Σ of the steps after it
//! ```
//!
//! Invariants:
//!
//! 1. A benchmark has a point for each commit that touched its suite from its first count on.
//! 2. A step between two measurement environments says nothing about the code: it is marked, and no drift counts
//!    it.
//! 3. An old version is read for its counts only. What cannot be read is left out and counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use crate::model::bench_id::BenchId;
use crate::model::environment::Environment;
use crate::model::escape::escaped;
use crate::model::interned::Interned;
use crate::model::metric::COUNT_MAX;
use crate::model::policy::{Limit, share_of};

/// A commit that touched baselines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Commit {
    /// Its full hash; empty for a state that is not a commit.
    pub hash: Interned,
    /// Its date as text, for people.
    pub date: Interned,
    /// The first line of its message.
    pub subject: Interned,
}

/// What one version of a suite's file accepts: its counts, and no functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuiteCounts {
    suite: String,
    environment: Environment,
    counts: Vec<(BenchId, Accepted)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Accepted {
    instructions: u64,
    reason: Option<Interned>,
}

/// One suite after one commit; `counts` is `None` where the commit removed the file.
#[derive(Debug, Clone)]
pub struct Change {
    /// The commit.
    pub commit: Commit,
    /// The suite's name.
    pub suite: String,
    /// What it accepts from there on.
    pub counts: Option<Arc<SuiteCounts>>,
}

/// The trends of all benchmarks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    trends: BTreeMap<BenchId, Trend>,
}

/// How one benchmark's accepted count moved. Written as its counts and its steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trend {
    /// The count before the first point, where earlier ones were left out.
    pub before: Option<u64>,
    /// The points, oldest first; never empty.
    pub points: Vec<Point>,
}

/// A benchmark after one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// The commit.
    pub commit: Commit,
    /// Its accepted instructions; `None` where it had no baseline any more.
    pub instructions: Option<u64>,
    /// Why a worsening was accepted, if this version says so.
    pub reason: Option<Interned>,
    /// Whether the suite was recorded in another measurement environment than the point before.
    pub rebaselined: bool,
}

/// Two neighbouring points that differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<'a> {
    /// Instructions before; `None` for the first baseline.
    pub before: Option<u64>,
    /// The point after.
    pub after: &'a Point,
}

/// How far a benchmark has moved since some commit, step by step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// Instructions then, or in its first baseline since.
    pub base: u64,
    /// Instructions now.
    pub head: u64,
    /// How much of the way was a new measurement environment's, and so not the code's.
    pub rebaselined: i128,
}

#[derive(Deserialize)]
struct WireSuite {
    suite: String,
    /// `chamber` until format 2.
    #[serde(alias = "chamber")]
    environment: Environment,
    benchmarks: Vec<WireCounts>,
}

#[derive(Deserialize)]
struct WireCounts {
    id: BenchId,
    metrics: WireMetrics,
    #[serde(default)]
    reason: Option<Interned>,
}

#[derive(Deserialize)]
struct WireMetrics {
    instructions: u64,
}

impl SuiteCounts {
    /// Reads a version of a suite's file, of this format or an older or newer one that has the
    /// same counts in the same places. `None` if it has not.
    #[must_use]
    pub fn from_json(text: &[u8]) -> Option<Self> {
        let wire: WireSuite = serde_json::from_slice(text).ok()?;
        let mut counts: Vec<(BenchId, Accepted)> = Vec::with_capacity(wire.benchmarks.len());
        for it in wire.benchmarks {
            let instructions = it.metrics.instructions;
            if instructions > COUNT_MAX || it.id.suite() != wire.suite {
                return None;
            }
            let reason = it.reason;
            counts.push((
                it.id,
                Accepted {
                    instructions,
                    reason,
                },
            ));
        }
        counts.sort_by(|a, b| a.0.cmp(&b.0));
        Some(Self {
            suite: wire.suite,
            environment: wire.environment,
            counts,
        })
    }

    /// The suite's name.
    #[must_use]
    pub fn suite(&self) -> &str {
        &self.suite
    }
}

impl History {
    /// The trends that these changes make, given oldest first.
    #[must_use]
    pub fn new<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Self {
        let mut history = Self::default();
        let mut last: BTreeMap<&str, &SuiteCounts> = BTreeMap::new();
        for change in changes {
            let before = match &change.counts {
                Some(counts) => last.insert(&change.suite, counts),
                None => last.remove(change.suite.as_str()),
            };
            history.push(change, before);
        }
        history
    }

    fn push(&mut self, change: &Change, before: Option<&SuiteCounts>) {
        let after = change.counts.as_deref();
        let rebaselined = before
            .zip(after)
            .is_some_and(|(before, after)| before.environment != after.environment);
        let counts = after.map_or(&[][..], |it| &it.counts);
        for (id, accepted) in counts {
            let point = Point {
                commit: change.commit.clone(),
                instructions: Some(accepted.instructions),
                reason: accepted.reason.clone(),
                rebaselined,
            };
            if let Some(trend) = self.trends.get_mut(id) {
                trend.points.push(point);
            } else {
                let (before, points) = (None, vec![point]);
                self.trends.insert(id.clone(), Trend { before, points });
            }
        }
        for (id, _) in before.map_or(&[][..], |it| &it.counts) {
            let is_gone = counts.binary_search_by(|it| it.0.cmp(id)).is_err();
            if let Some(trend) = self.trends.get_mut(id).filter(|_| is_gone) {
                trend.points.push(Point {
                    commit: change.commit.clone(),
                    instructions: None,
                    reason: None,
                    rebaselined: false,
                });
            }
        }
    }

    /// The trend of a benchmark that ever had a baseline.
    #[must_use]
    pub fn trend(&self, id: &BenchId) -> Option<&Trend> {
        self.trends.get(id)
    }

    /// All trends in id order.
    pub fn trends(&self) -> impl Iterator<Item = (&BenchId, &Trend)> {
        self.trends.iter()
    }

    /// Whether no baseline was ever read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.trends.is_empty()
    }
}

impl Trend {
    /// The counts, oldest first, without the points that have none.
    #[must_use]
    pub fn counts(&self) -> impl DoubleEndedIterator<Item = u64> {
        self.points.iter().filter_map(|it| it.instructions)
    }

    /// Those since the measurement environment changed last: only these compare.
    #[must_use]
    pub fn comparable_counts(&self) -> impl DoubleEndedIterator<Item = u64> {
        let start = self.points.iter().rposition(|it| it.rebaselined);
        let points = &self.points[start.unwrap_or(0)..];
        points.iter().filter_map(|it| it.instructions)
    }

    /// The points at which the count moved, oldest first; the first baseline is the first step.
    pub fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        let before =
            std::iter::once(self.before).chain(self.points.iter().map(|it| it.instructions));
        let steps = before.zip(&self.points);
        steps
            .filter(|(before, after)| *before != after.instructions)
            .map(|(before, after)| Step { before, after })
    }

    /// The same with the last `most` points only.
    #[must_use]
    pub fn last(&self, most: usize) -> Self {
        let from = self.points.len().saturating_sub(most);
        Self {
            before: match from.checked_sub(1) {
                Some(earlier) => self.points[earlier].instructions,
                None => self.before,
            },
            points: self.points[from..].to_vec(),
        }
    }

    /// How far it drifted from its first point to its last; `None` if it has no baseline now.
    #[must_use]
    pub fn drift(&self) -> Option<Drift> {
        let base = self.counts().next()?;
        let head = self.points.last()?.instructions?;
        let difference = |step: &Step<'_>| {
            let (before, after) = step.before.zip(step.after.instructions)?;
            Some(i128::from(after) - i128::from(before))
        };
        let rebaselined = self
            .steps()
            .filter(|step| step.after.rebaselined)
            .filter_map(|step| difference(&step))
            .sum();
        Some(Drift {
            base,
            head,
            rebaselined,
        })
    }
}

impl Point {
    /// The same with every mark that cannot be seen spelt out: a commit's message may hold any.
    pub(crate) fn escaped(&self) -> Self {
        let text = |text: &Interned| Interned::from(escaped(text));
        Self {
            commit: Commit {
                hash: text(&self.commit.hash),
                date: text(&self.commit.date),
                subject: text(&self.commit.subject),
            },
            reason: self.reason.as_ref().map(text),
            ..*self
        }
    }
}

impl Serialize for Trend {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct WireTrend<'a> {
            counts: Vec<Option<u64>>,
            steps: Vec<WireStep<'a>>,
        }
        #[derive(Serialize)]
        struct WireStep<'a> {
            commit: &'a Commit,
            before: Option<u64>,
            after: Option<u64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            reason: Option<&'a str>,
            rebaselined: bool,
        }
        let steps = self.steps().map(|step| WireStep {
            commit: &step.after.commit,
            before: step.before,
            after: step.after.instructions,
            reason: step.after.reason.as_deref(),
            rebaselined: step.after.rebaselined,
        });
        let wire = WireTrend {
            counts: self.points.iter().map(|it| it.instructions).collect(),
            steps: steps.collect(),
        };
        wire.serialize(serializer)
    }
}

impl Drift {
    /// Instructions gained (or, negative, saved) by the code.
    #[must_use]
    pub fn instructions(self) -> i128 {
        i128::from(self.head) - i128::from(self.base) - self.rebaselined
    }

    /// The same as a share of base, in parts per million; `None` from zero.
    #[must_use]
    pub fn share(self) -> Option<i64> {
        share_of(self.instructions(), self.base)
    }

    /// Whether it grew by more than `limit`. Getting better never exceeds a limit.
    #[must_use]
    pub fn exceeds(self, limit: Limit) -> bool {
        let grown = u64::try_from(self.instructions()).unwrap_or(0);
        limit.is_exceeded(self.base, self.base.saturating_add(grown))
    }
}

#[cfg(test)]
pub(crate) mod tests;
