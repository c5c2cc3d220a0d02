//! A run: what was measured, of one commit, in one measurement environment. Written as `run.json`:
//!
//! ```text
//! {"format":2, …, "environment":{…},"benchmarks":[
//! {"id":…},                                      one benchmark a line
//! {"id":…}
//! ]}
//! ```
//!
//! The lines mean nothing to a reader of JSON. They let a run that is larger than memory should
//! bear be read benchmark by benchmark.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::io::BufRead;

use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::model::bench_id::BenchId;
use crate::model::call_graph::CallGraph;
use crate::model::crates::{CRATES_MAX, Crate};
use crate::model::environment::Environment;
use crate::model::functions::LineCost;
use crate::model::functions::{FunctionTable, exact};
use crate::model::interned::{Interned, sharing};
use crate::model::metric::{COUNT_MAX, Metric, Metrics, unique_metrics};
use crate::model::shard::Shard;

/// The version of `run.json` that this code writes, and the only one it reads.
pub const RUN_FORMAT: u32 = 2;

/// How the first line of `run.json` ends.
const HEAD_END: &str = "\"benchmarks\":[\n";
/// The last line of `run.json`.
const TAIL: &str = "]}\n";
/// How a run without benchmarks ends where it is written in one line.
const EMPTY_END: &str = "\"benchmarks\":[]}";

/// Lines that are kept for each function: more than a report shows, few enough for a readable
/// `run.json`.
pub const LINES_MAX: usize = 60;

/// Length of a digest: 256 bits in hexadecimal.
const DIGEST_CHARS: usize = 64;

/// One measurement of all benchmarks that were selected, in id order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// [`RUN_FORMAT`].
    pub format: u32,
    /// The measured commit, if the sources came from one and were unchanged.
    pub commit: Option<String>,
    /// Whether every benchmark of the project was measured. Only a complete run can tell that a
    /// baseline has lost its benchmark.
    pub complete: bool,
    /// If it is a shard: which one, and of what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// Where it was measured.
    pub environment: Environment,
    /// What its executables were compiled from, and how; empty where that is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crates: Vec<Crate>,
    /// What could not be measured, in id order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<Failed>,
    /// What was measured, in id order.
    pub benchmarks: Vec<Measurement>,
}

/// A benchmark that could not be measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    /// Which benchmark.
    pub id: BenchId,
    /// Why, as it was said.
    pub why: String,
}

/// What a shard is a part of: all that merging needs to prove that nothing is missing or mixed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Which shard.
    pub shard: Shard,
    /// Every benchmark that is measured in one of the shards, in id order.
    pub listed: Vec<BenchId>,
    /// Whether these are all benchmarks of the project.
    pub whole: bool,
    /// Digest of the policy and the baselines in the tree, by which the benchmarks were divided.
    pub accepted: String,
    /// The run of CI that measured it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci: Option<CiRun>,
}

/// A run of CI, and which attempt at it. Newer ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CiRun {
    /// The number of the run, the same for all jobs and attempts.
    pub run: u64,
    /// Which attempt, counted from 1. Running failed jobs again keeps the shards of the others.
    pub attempt: u32,
}

/// What one benchmark cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// Which benchmark.
    pub id: BenchId,
    /// Its counts.
    #[serde(deserialize_with = "unique_metrics")]
    pub metrics: Metrics,
    /// All its functions; the sum equals its instructions.
    pub functions: FunctionTable,
    /// How far it moved when it was measured again in this run; 0 if it was not.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub noise: u64,
    /// How far what else is counted moved then; what did not is left out.
    #[serde(
        default,
        skip_serializing_if = "Metrics::is_empty",
        deserialize_with = "unique_metrics"
    )]
    pub metric_noise: Metrics,
    /// The workspace's lines behind each function, most expensive functions and lines first.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "exact"
    )]
    pub lines: Vec<FunctionLines>,
    /// Who calls whom, as far as it matters.
    #[serde(default, skip_serializing_if = "CallGraph::is_empty")]
    pub calls: CallGraph,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The lines behind one row of a function table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionLines {
    /// The row's name.
    pub name: Interned,
    /// The row's file.
    pub file: Interned,
    /// Its lines in the workspace (for a library function, where it was called), most expensive first.
    #[serde(deserialize_with = "exact")]
    pub lines: Vec<LineCost>,
}

/// Why a text is not a run.
#[derive(Debug, Error, Diagnostic)]
pub enum RunError {
    /// Not JSON, or not of this shape.
    #[error("cannot read run `{name}` (line {}, column {}: {source})", source.line(), source.column())]
    #[diagnostic(help("measure again: `icgate measure`"))]
    Shape {
        /// Display name of the text.
        name: String,
        /// What is wrong and where.
        source: serde_json::Error,
    },
    /// Another version's.
    #[error("cannot read run `{name}`: it has format {format}, this icgate reads {RUN_FORMAT}")]
    #[diagnostic(help("measure again: `icgate measure`"))]
    Format {
        /// Display name of the text.
        name: String,
        /// The format it claims.
        format: u32,
    },
    /// Well-formed, but not something that was measured.
    #[error("cannot believe run `{name}`: benchmark `{id}` {what}")]
    #[diagnostic(help("measure again: `icgate measure`"))]
    Inconsistent {
        /// Display name of the text.
        name: String,
        /// The benchmark.
        id: BenchId,
        /// What is wrong with it.
        what: String,
    },
    /// Well-formed, but not what a shard says of itself.
    #[error("cannot believe run `{name}`: {what}")]
    #[diagnostic(help("measure again: `icgate measure`"))]
    Part {
        /// Display name of the text.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl Run {
    /// A run of everything, in which nothing failed; of no commit.
    #[must_use]
    pub const fn whole(environment: Environment, benchmarks: Vec<Measurement>) -> Self {
        Self {
            format: RUN_FORMAT,
            commit: None,
            complete: true,
            part: None,
            environment,
            crates: Vec::new(),
            failed: Vec::new(),
            benchmarks,
        }
    }

    /// Reads `run.json`; `name` is how messages call it.
    ///
    /// # Errors
    ///
    /// [`RunError`] if it is not a run of this format, a count is over [`COUNT_MAX`], ids are not
    /// unique and in order, a function table does not add up, a call names no function, or a
    /// shard has what is not listed.
    pub fn from_json(name: &str, text: &str) -> Result<Self, RunError> {
        let run: Self = sharing(|| serde_json::from_str(text))
            .map_err(|source| unreadable(name, text, source))?;
        if run.format != RUN_FORMAT {
            return Err(RunError::Format {
                name: name.to_owned(),
                format: run.format,
            });
        }
        run.check(name)?;
        Ok(run)
    }

    /// Reads a run line by line as [`to_json`](Self::to_json) wrote it, without having the text in
    /// memory. `None` if it is anything else, whole or in part: what is wrong with it, if anything
    /// is, [`from_json`](Self::from_json) says.
    #[must_use]
    pub fn from_lines(mut text: impl BufRead) -> Option<Self> {
        let mut line = Vec::new();
        text.read_until(b'\n', &mut line).ok()?;
        let head = line.strip_suffix(HEAD_END.as_bytes())?;
        let head = [head, EMPTY_END.as_bytes()].concat();
        let run = sharing(|| {
            let mut run: Self = serde_json::from_slice(&head).ok()?;
            // A comma stands after each benchmark but the last.
            let mut was_last = false;
            loop {
                line.clear();
                text.read_until(b'\n', &mut line).ok()?;
                if line == TAIL.as_bytes() {
                    return (was_last || run.benchmarks.is_empty()).then_some(run);
                }
                if was_last {
                    return None;
                }
                let benchmark = line.strip_suffix(b"\n")?;
                let before_comma = benchmark.strip_suffix(b",");
                was_last = before_comma.is_none();
                let benchmark = before_comma.unwrap_or(benchmark);
                run.benchmarks.push(serde_json::from_slice(benchmark).ok()?);
            }
        })?;
        let is_end = text.fill_buf().ok()?.is_empty();
        let is_run = is_end && run.format == RUN_FORMAT && run.check("").is_ok();
        is_run.then_some(run)
    }

    /// The run as `run.json` holds it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let head = Self {
            benchmarks: Vec::new(),
            crates: self.crates.clone(),
            failed: self.failed.clone(),
            commit: self.commit.clone(),
            part: self.part.clone(),
            environment: self.environment.clone(),
            ..*self
        };
        let mut text = json(&head);
        // `benchmarks` is the last field, so the empty list is cut off and written out by hand.
        text.truncate(text.len() - EMPTY_END.len());
        text.push_str(HEAD_END);
        for (index, benchmark) in self.benchmarks.iter().enumerate() {
            text.push_str(if index == 0 { "" } else { ",\n" });
            text.push_str(&json(benchmark));
        }
        text.push_str(if self.benchmarks.is_empty() { "" } else { "\n" });
        text.push_str(TAIL);
        text
    }

    fn check(&self, name: &str) -> Result<(), RunError> {
        let inconsistent = |id: &BenchId, what: &str| RunError::Inconsistent {
            name: name.to_owned(),
            id: id.clone(),
            what: what.to_owned(),
        };
        if !self.environment.has_plain_target() {
            return Err(RunError::Part {
                name: name.to_owned(),
                what: "its measurement environment's `target` is no target triple",
            });
        }
        if self.crates.len() > CRATES_MAX || !self.crates.is_sorted() {
            return Err(RunError::Part {
                name: name.to_owned(),
                what: "its `crates` are more than are ever linked, or out of order",
            });
        }
        for pair in self.benchmarks.windows(2) {
            check_order(&pair[0].id, &pair[1].id)
                .map_err(|what| inconsistent(&pair[1].id, what))?;
        }
        for benchmark in &self.benchmarks {
            let counts = benchmark
                .metrics
                .values()
                .chain(benchmark.metric_noise.values());
            if counts.into_iter().any(|count| *count > COUNT_MAX) {
                return Err(inconsistent(&benchmark.id, "has a count beyond 2^53 - 1"));
            }
            if benchmark.functions.counts_more_than(&benchmark.metrics) {
                return Err(inconsistent(
                    &benchmark.id,
                    "has functions that count more than it does itself",
                ));
            }
            if benchmark.functions.total() != Some(benchmark.instructions()) {
                return Err(inconsistent(
                    &benchmark.id,
                    "has functions that do not add up to its instructions",
                ));
            }
            if !benchmark.calls.is_whole() {
                return Err(inconsistent(
                    &benchmark.id,
                    "has calls of functions it does not name",
                ));
            }
            benchmark
                .check_lines()
                .map_err(|what| inconsistent(&benchmark.id, what))?;
        }
        let Some(part) = &self.part else {
            return Ok(());
        };
        for pair in part.listed.windows(2) {
            check_order(&pair[0], &pair[1]).map_err(|what| inconsistent(&pair[1], what))?;
        }
        let listed = |it: &Measurement| part.listed.binary_search(&it.id).is_ok();
        if let Some(stranger) = self.benchmarks.iter().find(|it| !listed(it)) {
            return Err(inconsistent(
                &stranger.id,
                "is not among those that the shard lists",
            ));
        }
        part.check(self.complete).map_err(|what| RunError::Part {
            name: name.to_owned(),
            what,
        })
    }

    /// The measurement of `id`.
    #[must_use]
    pub fn benchmark(&self, id: &BenchId) -> Option<&Measurement> {
        let found = self
            .benchmarks
            .binary_search_by(|benchmark| benchmark.id.cmp(id));
        found.ok().map(|at| &self.benchmarks[at])
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts and numbers always serialise")
}

/// Why a text is not a run; its format before its shape, since a newer one may have any shape.
fn unreadable(name: &str, text: &str, source: serde_json::Error) -> RunError {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let name = name.to_owned();
    match serde_json::from_str(text) {
        Ok(Version { format }) if format != RUN_FORMAT => RunError::Format { name, format },
        _ => RunError::Shape { name, source },
    }
}

/// What is wrong with `id` standing after `before`.
fn check_order(before: &BenchId, id: &BenchId) -> Result<(), &'static str> {
    match before.cmp(id) {
        Ordering::Less => Ok(()),
        Ordering::Equal => Err("appears twice"),
        Ordering::Greater => Err("stands out of order"),
    }
}

impl Part {
    fn check(&self, complete: bool) -> Result<(), &'static str> {
        let is_digest = |text: &str| {
            let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            text.len() == DIGEST_CHARS && text.bytes().all(hex)
        };
        if complete {
            return Err("a shard is never complete");
        }
        if !is_digest(&self.accepted) {
            return Err("its `accepted` is no digest");
        }
        if self.ci.is_some_and(|ci| !ci.is_possible()) {
            return Err("its `ci` is no run of CI");
        }
        Ok(())
    }
}

impl CiRun {
    /// Runs and attempts are counted from 1, and JSON keeps their numbers exactly.
    #[must_use]
    pub fn is_possible(self) -> bool {
        (1..=COUNT_MAX).contains(&self.run) && self.attempt > 0
    }
}

impl Measurement {
    /// Instructions executed; 0 if nothing was collected.
    #[must_use]
    pub fn instructions(&self) -> u64 {
        self.metrics
            .get(&Metric::Instructions)
            .copied()
            .unwrap_or(0)
    }

    /// That there are no more lines than measuring writes, and no function's twice. Whoever looks
    /// for causes compares lines with lines, so their number must not be an artifact's to choose.
    fn check_lines(&self) -> Result<(), &'static str> {
        let mut seen = HashSet::with_capacity(self.lines.len());
        for function in &self.lines {
            if function.lines.len() > LINES_MAX {
                return Err("has a function with more lines than are ever written");
            }
            if !seen.insert((function.name.as_str(), function.file.as_str())) {
                return Err("has the lines of one function twice");
            }
        }
        Ok(())
    }

    /// The lines behind each function, for looking up many.
    pub(crate) fn lines_by_function(&self) -> HashMap<(&str, &str), &[LineCost]> {
        self.lines
            .iter()
            .map(|it| ((it.name.as_str(), it.file.as_str()), it.lines.as_slice()))
            .collect()
    }

    /// The lines behind the function `name` in `file`, most expensive first.
    #[must_use]
    pub fn lines_of(&self, name: &str, file: &str) -> &[LineCost] {
        self.lines
            .iter()
            .find(|function| function.name == name && function.file == file)
            .map_or(&[], |function| &function.lines)
    }
}

#[cfg(test)]
mod tests;
