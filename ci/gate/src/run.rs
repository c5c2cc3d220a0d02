//! A run: what was measured, of one commit, in one chamber. Written as `run.json`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bench_id::BenchId;
use crate::chamber::Chamber;
use crate::functions::FunctionTable;
use crate::metric::{COUNT_MAX, Metric, Metrics, unique_metrics};
use crate::source::LineCost;

/// The version of `run.json` that this code writes, and the only one it reads.
pub const RUN_FORMAT: u32 = 1;

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
    /// Where it was measured.
    pub chamber: Chamber,
    /// What was measured, in id order.
    pub benchmarks: Vec<Measurement>,
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
    /// The workspace's lines behind each function, dearest functions and lines first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<FunctionLines>,
}

/// The lines behind one row of a function table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionLines {
    /// The row's name.
    pub name: String,
    /// The row's file.
    pub file: String,
    /// Its lines in the workspace (for a library function, where it was called), dearest first.
    pub lines: Vec<LineCost>,
}

/// Why a text is not a run.
#[derive(Debug, Error)]
pub enum RunError {
    /// Not JSON, or not of this shape.
    #[error("cannot read run `{name}` (line {}, column {}: {source})", source.line(), source.column())]
    Shape {
        /// Display name of the text.
        name: String,
        /// What is wrong and where.
        source: serde_json::Error,
    },
    /// Another version's.
    #[error("cannot read run `{name}`: it has format {format}, this icgate reads {RUN_FORMAT}")]
    Format {
        /// Display name of the text.
        name: String,
        /// The format it claims.
        format: u32,
    },
    /// Well-formed, but not something that was measured.
    #[error("cannot believe run `{name}`: benchmark `{id}` {what}")]
    Untrue {
        /// Display name of the text.
        name: String,
        /// The benchmark.
        id: BenchId,
        /// What is wrong with it.
        what: String,
    },
}

impl RunError {
    /// What to do about it.
    #[must_use]
    pub fn fix(&self) -> String {
        "measure again: `icgate measure`".to_owned()
    }
}

impl Run {
    /// Reads `run.json`; `name` is how messages call it.
    ///
    /// # Errors
    ///
    /// [`RunError`] if it is not a run of this format, a count is over [`COUNT_MAX`], ids are not
    /// unique and in order, or a function table does not add up.
    pub fn from_json(name: &str, text: &str) -> Result<Self, RunError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let shape = |source| RunError::Shape {
            name: name.to_owned(),
            source,
        };
        let Version { format } = serde_json::from_str(text).map_err(shape)?;
        if format != RUN_FORMAT {
            return Err(RunError::Format {
                name: name.to_owned(),
                format,
            });
        }
        let run: Self = serde_json::from_str(text).map_err(shape)?;
        run.check(name)?;
        Ok(run)
    }

    fn check(&self, name: &str) -> Result<(), RunError> {
        let mut seen = BTreeSet::new();
        for benchmark in &self.benchmarks {
            let untrue = |what: &str| RunError::Untrue {
                name: name.to_owned(),
                id: benchmark.id.clone(),
                what: what.to_owned(),
            };
            if !seen.insert(&benchmark.id) {
                return Err(untrue("appears twice"));
            }
            if benchmark.metrics.values().any(|count| *count > COUNT_MAX) {
                return Err(untrue("has a count beyond 2^53 - 1"));
            }
            if benchmark.functions.total() != Some(benchmark.instructions()) {
                return Err(untrue(
                    "has functions that do not add up to its instructions",
                ));
            }
        }
        Ok(())
    }

    /// The measurement of `id`.
    #[must_use]
    pub fn benchmark(&self, id: &BenchId) -> Option<&Measurement> {
        self.benchmarks.iter().find(|benchmark| benchmark.id == *id)
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

    /// The lines behind the function `name` in `file`, dearest first.
    #[must_use]
    pub fn lines_of(&self, name: &str, file: &str) -> &[LineCost] {
        self.lines
            .iter()
            .find(|function| function.name == name && function.file == file)
            .map_or(&[], |function| &function.lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chamber::tests::chamber;

    fn run() -> Run {
        let functions = serde_json::from_str(
            r#"{"rows":[{"name":"f","file":"src/lib.rs","instructions":10}],"other":0}"#,
        )
        .unwrap();
        Run {
            format: RUN_FORMAT,
            commit: None,
            complete: true,
            chamber: chamber(),
            benchmarks: vec![Measurement {
                id: "a/b/c".parse().unwrap(),
                metrics: [(Metric::Instructions, 10)].into(),
                functions,
                lines: vec![],
            }],
        }
    }

    fn reread(run: &Run) -> Result<Run, RunError> {
        Run::from_json("run.json", &serde_json::to_string(run).unwrap())
    }

    #[test]
    fn a_run_survives_writing_and_reading() {
        assert_eq!(reread(&run()).unwrap(), run());
    }

    #[test]
    fn a_run_that_nobody_measured_is_refused() {
        let refused = |change: fn(&mut Run)| {
            let mut run = run();
            change(&mut run);
            reread(&run).unwrap_err().to_string()
        };
        let newer = refused(|run| run.format = 2);
        assert_eq!(
            newer,
            "cannot read run `run.json`: it has format 2, this icgate reads 1"
        );
        let twice = refused(|run| run.benchmarks.push(run.benchmarks[0].clone()));
        assert!(twice.contains("`a/b/c` appears twice"), "{twice}");
        let sum = refused(|run| {
            run.benchmarks[0].metrics.insert(Metric::Instructions, 11);
        });
        assert!(sum.contains("do not add up"), "{sum}");
        let large = refused(|run| {
            run.benchmarks[0]
                .metrics
                .insert(Metric::DataReads, COUNT_MAX + 1);
        });
        assert!(large.contains("beyond 2^53"), "{large}");
        let cut = Run::from_json("run.json", "{\"format\": 1,")
            .unwrap_err()
            .to_string();
        assert!(cut.contains("`run.json` (line 1, column 13"), "{cut}");
    }
}
