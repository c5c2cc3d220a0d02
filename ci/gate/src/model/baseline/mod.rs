//! Baselines: the committed, accepted counts of a suite, and their file format.
//!
//! ```text
//! baselines/<platform>/<suite>.json
//! { "format":2, "suite": …, "environment": {…},
//!   "benchmarks": [
//!     {"id": …, "metrics": {"instructions": …, …}, "noise": 0, "metric_noise": {…}, "other": …,
//!      "functions": [
//!       {"name": …, "file": …, "instructions": …, "calls": …},     one function a line
//!     ]},
//!   ],
//!   "removed": [
//!     {"id": …, "reason": …}                                     one removed benchmark a line
//!   ] }
//! ```
//!
//! A removed benchmark stays in the file by its name and the reason, so that nobody gets rid of a
//! regression by deleting what shows it. Without any, `removed` is left out.
//!
//! Promises of a file that was read:
//!
//! 1. Its format is known; an unknown field or a key given twice is refused.
//! 2. Ids are unique, in order, and belong to the file's suite.
//! 3. Every count fits what JSON keeps exactly.
//! 4. What was removed is not there, and has a reason.
//! 5. A benchmark's functions and `other` add up to its instructions.
//!
//! Writing is deterministic: equal baselines give equal bytes, so a diff shows only what changed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::model::bench_id::BenchId;
use crate::model::environment::Environment;
use crate::model::functions::{FunctionCost, FunctionTable, exact};
use crate::model::interned::sharing;
use crate::model::metric::{COUNT_MAX, Metric, Metrics, unique_metrics};
use crate::model::run::Measurement;

/// The version that this code writes, and the newest it reads.
pub const BASELINE_FORMAT: u32 = 2;

/// The accepted counts of one suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline {
    /// The suite's name: the first segment of its benchmarks' ids.
    pub suite: String,
    /// The measurement environment in which all of it was measured.
    pub environment: Environment,
    /// In id order.
    pub benchmarks: Vec<Accepted>,
    /// Benchmarks that were removed, in id order.
    pub removed: Vec<Removed>,
}

/// A benchmark that there is no more, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removed {
    /// Which benchmark.
    pub id: BenchId,
    /// Why, in the words of whoever removed it.
    pub reason: String,
}

/// The accepted counts of one benchmark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Which benchmark.
    pub id: BenchId,
    /// Its counts; instructions are always there.
    pub metrics: Metrics,
    /// How far its instructions move when nothing changed.
    pub noise: u64,
    /// How far what else is counted moves then; what does not is left out. Caches miss more or less
    /// when the layout of code changes that the benchmark never executes.
    pub metric_noise: Metrics,
    /// Why a worsening was accepted, in the words of whoever did.
    pub reason: Option<String>,
    /// Where its instructions were spent.
    pub functions: FunctionTable,
}

impl Accepted {
    /// What a baseline keeps of a measurement.
    #[must_use]
    pub fn from_measurement(measured: &Measurement, noise: u64, reason: Option<String>) -> Self {
        Self {
            id: measured.id.clone(),
            metrics: measured.metrics.clone(),
            noise,
            metric_noise: measured.metric_noise.clone(),
            reason,
            functions: measured.functions.condensed(),
        }
    }

    /// Instructions executed.
    #[must_use]
    pub fn instructions(&self) -> u64 {
        self.metrics
            .get(&Metric::Instructions)
            .copied()
            .unwrap_or(0)
    }
}

fn restore(name: &str) -> String {
    format!(
        "take it from git again (`git checkout -- {name}`), or delete it and run `make update-baseline`"
    )
}

/// Why a text is not a baseline.
#[derive(Debug, Error, Diagnostic)]
pub enum BaselineError {
    /// Not JSON, cut short, or not of this shape.
    #[error("cannot read baseline `{name}` (line {}, column {}: {})", source.line(), source.column(), without_position(source))]
    #[diagnostic(help("{}", restore(name)))]
    Shape {
        /// Display name of the text.
        name: String,
        /// What is wrong and where.
        source: serde_json::Error,
    },
    /// Written by a newer icgate.
    #[error(
        "cannot read baseline `{name}`: it has format {format}, this icgate knows up to {BASELINE_FORMAT}"
    )]
    #[diagnostic(help("use the icgate that wrote it, or a newer one"))]
    Newer {
        /// Display name of the text.
        name: String,
        /// The format it claims.
        format: u64,
    },
    /// Written by a former icgate, with other names for the same things.
    #[error(
        "cannot read baseline `{name}`: it has the former format {format}, this icgate reads {BASELINE_FORMAT}"
    )]
    #[diagnostic(help("{}", crate::model::MIGRATE))]
    Former {
        /// Display name of the text.
        name: String,
        /// The format it claims.
        format: u64,
    },
    /// Well-formed, but not what icgate writes.
    #[error("cannot believe baseline `{name}`: {what}")]
    #[diagnostic(help("{}", restore(name)))]
    Inconsistent {
        /// Display name of the text.
        name: String,
        /// What is wrong, with the benchmark's id.
        what: String,
    },
}

/// `serde_json` appends the position, which the message already gives in its own place.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ")
        .map_or_else(|| text.clone(), |(what, _)| what.to_owned())
}

/// A baseline as it stands in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireBaseline {
    format: u32,
    suite: String,
    environment: Environment,
    benchmarks: Vec<WireAccepted>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    removed: Vec<Removed>,
}

/// A benchmark as it stands in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireAccepted {
    id: BenchId,
    #[serde(deserialize_with = "unique_metrics")]
    metrics: Metrics,
    noise: u64,
    #[serde(
        default,
        skip_serializing_if = "Metrics::is_empty",
        deserialize_with = "unique_metrics"
    )]
    metric_noise: Metrics,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    other: u64,
    #[serde(deserialize_with = "exact")]
    functions: Vec<FunctionCost>,
}

impl WireAccepted {
    fn into_accepted(self) -> Accepted {
        Accepted {
            id: self.id,
            metrics: self.metrics,
            noise: self.noise,
            metric_noise: self.metric_noise,
            reason: self.reason,
            functions: FunctionTable::new(self.functions, self.other),
        }
    }

    fn from_accepted(accepted: &Accepted) -> Self {
        Self {
            id: accepted.id.clone(),
            metrics: accepted.metrics.clone(),
            noise: accepted.noise,
            metric_noise: accepted.metric_noise.clone(),
            reason: accepted.reason.clone(),
            other: accepted.functions.other(),
            functions: accepted.functions.rows().to_vec(),
        }
    }
}

impl Baseline {
    /// A suite of which nothing was removed.
    pub fn new(
        suite: impl Into<String>,
        environment: Environment,
        benchmarks: Vec<Accepted>,
    ) -> Self {
        Self {
            suite: suite.into(),
            environment,
            benchmarks,
            removed: Vec::new(),
        }
    }

    /// Reads a baseline; `name` is how messages call it.
    ///
    /// # Errors
    ///
    /// [`BaselineError`] when one of the module's promises does not hold.
    pub fn from_json(name: &str, text: &str) -> Result<Self, BaselineError> {
        #[derive(Deserialize)]
        struct Version {
            format: u64,
        }
        let shape = |source| BaselineError::Shape {
            name: name.to_owned(),
            source,
        };
        // The version first: another format may have any shape.
        let Version { format } = serde_json::from_str(text).map_err(shape)?;
        if format > u64::from(BASELINE_FORMAT) {
            return Err(BaselineError::Newer {
                name: name.to_owned(),
                format,
            });
        }
        if format < u64::from(BASELINE_FORMAT) {
            return Err(BaselineError::Former {
                name: name.to_owned(),
                format,
            });
        }
        let wire: WireBaseline = sharing(|| serde_json::from_str(text)).map_err(shape)?;
        let baseline = Self {
            suite: wire.suite,
            environment: wire.environment,
            benchmarks: wire
                .benchmarks
                .into_iter()
                .map(WireAccepted::into_accepted)
                .collect(),
            removed: wire.removed,
        };
        baseline
            .check()
            .map_err(|what| BaselineError::Inconsistent {
                name: name.to_owned(),
                what,
            })?;
        Ok(baseline)
    }

    fn check(&self) -> Result<(), String> {
        for benchmark in &self.benchmarks {
            let Accepted {
                id,
                metrics,
                noise,
                functions,
                ..
            } = benchmark;
            if id.suite() != self.suite {
                return Err(format!("`{id}` does not belong to suite `{}`", self.suite));
            }
            if !metrics.contains_key(&Metric::Instructions) {
                return Err(format!("`instructions` is missing from `{id}`"));
            }
            if let Some((metric, count)) = metrics.iter().find(|(_, count)| **count > COUNT_MAX) {
                return Err(format!(
                    "`{id}` has {metric} {count}, over the largest count {COUNT_MAX}"
                ));
            }
            let too_far = benchmark.metric_noise.iter().find(|it| *it.1 > COUNT_MAX);
            if let Some((metric, noise)) = too_far {
                return Err(format!(
                    "`{id}` has a noise of {noise} {metric}, over the largest count {COUNT_MAX}"
                ));
            }
            if *noise > COUNT_MAX {
                return Err(format!(
                    "`{id}` has noise {noise}, over the largest count {COUNT_MAX}"
                ));
            }
            if functions.counts_more_than(metrics) {
                return Err(format!(
                    "the functions of `{id}` count more than it does itself"
                ));
            }
            if functions.total() != Some(benchmark.instructions()) {
                return Err(format!(
                    "the functions and `other` of `{id}` do not add up to its {} instructions",
                    benchmark.instructions()
                ));
            }
        }
        for pair in self.benchmarks.windows(2) {
            let [before, after] = [&pair[0].id, &pair[1].id];
            if before == after {
                return Err(format!("`{after}` appears twice"));
            }
            if before > after {
                return Err(format!("`{after}` stands after `{before}`, out of order"));
            }
        }
        self.check_removed()
    }

    fn check_removed(&self) -> Result<(), String> {
        for Removed { id, reason } in &self.removed {
            if id.suite() != self.suite {
                return Err(format!("`{id}` does not belong to suite `{}`", self.suite));
            }
            if reason.trim().is_empty() {
                return Err(format!("`{id}` was removed without a reason"));
            }
            let is_there = |it: &Accepted| it.id.cmp(id);
            if self.benchmarks.binary_search_by(is_there).is_ok() {
                return Err(format!("`{id}` is there, and removed"));
            }
        }
        for pair in self.removed.windows(2) {
            if pair[0].id >= pair[1].id {
                let id = &pair[1].id;
                return Err(format!("removed `{id}` appears twice or out of order"));
            }
        }
        Ok(())
    }

    /// The file's text: one benchmark a line and one function a line, ending in a line break.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = format!("{{\n  \"format\": {BASELINE_FORMAT},\n");
        let _ = writeln!(text, "  \"suite\": {},", json(&self.suite));
        text.push_str("  \"environment\": {\n");
        let fields = self.environment.fields();
        for (index, (name, value)) in fields.iter().enumerate() {
            let comma = if index + 1 < fields.len() { "," } else { "" };
            let _ = writeln!(text, "    {}: {}{comma}", json(name), json(value));
        }
        text.push_str("  },\n  \"benchmarks\": [");
        for (index, benchmark) in self.benchmarks.iter().enumerate() {
            text.push_str(if index == 0 { "\n" } else { ",\n" });
            push_benchmark(&mut text, benchmark);
        }
        text.push_str(if self.benchmarks.is_empty() {
            "]"
        } else {
            "\n  ]"
        });
        for (index, removed) in self.removed.iter().enumerate() {
            text.push_str(if index == 0 {
                ",\n  \"removed\": [\n    "
            } else {
                ",\n    "
            });
            text.push_str(&json(removed));
        }
        text.push_str(if self.removed.is_empty() {
            "\n}\n"
        } else {
            "\n  ]\n}\n"
        });
        text
    }
}

/// The baselines of all suites of one tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Baselines {
    suites: BTreeMap<String, Arc<Baseline>>,
}

impl Baselines {
    /// These suites together; of two with one name the later counts.
    #[must_use]
    pub fn new(suites: impl IntoIterator<Item = Baseline>) -> Self {
        Self::shared(suites.into_iter().map(Arc::new))
    }

    /// These suites together, which other baselines may have as well.
    #[must_use]
    pub fn shared(suites: impl IntoIterator<Item = Arc<Baseline>>) -> Self {
        Self {
            suites: suites
                .into_iter()
                .map(|suite| (suite.suite.clone(), suite))
                .collect(),
        }
    }

    /// The suites in name order.
    pub fn suites(&self) -> impl Iterator<Item = &Baseline> {
        self.suites.values().map(Arc::as_ref)
    }

    /// The suite of this name.
    #[must_use]
    pub fn suite(&self, name: &str) -> Option<&Baseline> {
        self.suites.get(name).map(Arc::as_ref)
    }

    /// The suite of this name, to be had by other baselines as well.
    #[must_use]
    pub fn share(&self, name: &str) -> Option<Arc<Baseline>> {
        self.suites.get(name).cloned()
    }

    /// What is accepted for `id`.
    #[must_use]
    pub fn accepted(&self, id: &BenchId) -> Option<&Accepted> {
        let benchmarks = &self.suites.get(id.suite())?.benchmarks;
        benchmarks
            .binary_search_by(|accepted| accepted.id.cmp(id))
            .ok()
            .map(|at| &benchmarks[at])
    }

    /// Why `id` was removed, if it was.
    #[must_use]
    pub fn removal(&self, id: &BenchId) -> Option<&str> {
        let removed = &self.suites.get(id.suite())?.removed;
        let found = removed.binary_search_by(|it| it.id.cmp(id)).ok()?;
        Some(&removed[found].reason)
    }

    /// The ids of all suites, in no order across suites.
    pub fn ids(&self) -> impl Iterator<Item = &BenchId> {
        self.suites()
            .flat_map(|suite| suite.benchmarks.iter().map(|accepted| &accepted.id))
    }
}

/// One benchmark: its counts on the first line, then a line for each function.
fn push_benchmark(text: &mut String, benchmark: &Accepted) {
    let mut wire = WireAccepted::from_accepted(benchmark);
    let functions = std::mem::take(&mut wire.functions);
    let head = json(&wire);
    // `functions` is the last field, so an empty list is cut off and written out by hand.
    text.push_str("    ");
    text.push_str(head.strip_suffix("]}").unwrap_or(&head));
    for (index, function) in functions.iter().enumerate() {
        text.push_str(if index == 0 { "\n      " } else { ",\n      " });
        text.push_str(&json(function));
    }
    text.push_str(if functions.is_empty() {
        "]}"
    } else {
        "\n    ]}"
    });
}

fn json(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).expect("texts and numbers always serialise")
}

#[cfg(test)]
pub(crate) mod tests;
