//! Noise: how far a benchmark moves when nothing changed, and which functions move.
//!
//! A benchmark is measured in several measurement environments that differ in nothing that should matter: the
//! size of the environment, the length of a path, what lies on the heap. An honest benchmark counts
//! the same in all of them. One that does not has a cause that its functions name: a hasher seeded
//! at random, a buffer that grows with the environment.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::bench_id::BenchId;
use crate::model::metric::{Metric, Metrics};
use crate::model::run::Measurement;

/// What several measurements of one benchmark show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Noise {
    /// Which benchmark.
    pub id: BenchId,
    /// Fewest and most instructions.
    pub range: (u64, u64),
    /// How far what else is counted moved; what did not is left out.
    pub metrics: Metrics,
    /// The functions whose cost moved, widest first.
    pub moved: Vec<MovedFunction>,
}

/// A function that did not cost the same each time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MovedFunction {
    /// Its normalised name.
    pub name: String,
    /// Its file.
    pub file: String,
    /// Fewest and most instructions.
    pub range: (u64, u64),
}

impl Noise {
    /// The noise of a benchmark from its measurements; `None` without any.
    #[must_use]
    pub fn of(measurements: &[&Measurement]) -> Option<Self> {
        let first = measurements.first()?;
        let mut functions: BTreeMap<(&str, &str), Vec<u64>> = BTreeMap::new();
        for measured in measurements {
            for row in measured.functions.rows() {
                functions
                    .entry((&row.name, &row.file))
                    .or_default()
                    .push(row.instructions);
            }
        }
        let mut moved: Vec<MovedFunction> = functions
            .into_iter()
            .filter_map(|((name, file), mut counts)| {
                // A function that a measurement does not name cost nothing in it.
                counts.resize(measurements.len(), 0);
                let range = range(counts.iter().copied())?;
                (range.0 != range.1).then(|| MovedFunction {
                    name: name.to_owned(),
                    file: file.to_owned(),
                    range,
                })
            })
            .collect();
        moved.sort_by_key(|it| (std::cmp::Reverse(it.range.1 - it.range.0), it.name.clone()));
        let range = range(measurements.iter().map(|it| it.instructions()))?;
        Some(Self {
            id: first.id.clone(),
            range,
            metrics: metrics(measurements),
            moved,
        })
    }

    /// How far it moves; 0 for an honest benchmark.
    #[must_use]
    pub const fn instructions(&self) -> u64 {
        self.range.1 - self.range.0
    }
}

/// How far each metric but instructions moved, if it did. One that not all have counted is none to
/// compare.
fn metrics(measurements: &[&Measurement]) -> Metrics {
    let noise = |metric: &Metric| {
        let counts: Option<Vec<u64>> = measurements
            .iter()
            .map(|it| it.metrics.get(metric).copied())
            .collect();
        let (least, most) = range(counts?.into_iter())?;
        Some((*metric, most - least))
    };
    let others = Metric::ALL.iter().filter(|it| **it != Metric::Instructions);
    others
        .filter_map(noise)
        .filter(|(_, noise)| *noise > 0)
        .collect()
}

/// Least and greatest.
fn range(counts: impl Iterator<Item = u64> + Clone) -> Option<(u64, u64)> {
    Some((counts.clone().min()?, counts.max()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::functions::{FunctionCost, FunctionTable};

    fn measured(rows: &[(&str, u64)]) -> Measurement {
        let row = |(name, instructions): &(&str, u64)| FunctionCost {
            name: (*name).into(),
            file: "src/lib.rs".into(),
            instructions: *instructions,
            calls: None,
            caller: None,
            metrics: crate::model::functions::FunctionMetrics::default(),
        };
        let functions = FunctionTable::new(rows.iter().map(row).collect(), 0);
        Measurement {
            metric_noise: BTreeMap::new(),
            calls: crate::model::call_graph::CallGraph::default(),
            id: "a/b/c".parse().unwrap(),
            metrics: [(Metric::Instructions, functions.total().unwrap())].into(),
            functions,
            lines: vec![],
            noise: 0,
        }
    }

    #[test]
    fn the_functions_that_moved_are_named_widest_first() {
        let rounds = [
            measured(&[("steady", 500), ("hash", 100), ("grow", 10)]),
            measured(&[("steady", 500), ("hash", 130)]),
            measured(&[("steady", 500), ("hash", 90), ("grow", 10)]),
        ];
        let noise = Noise::of(&rounds.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!((noise.range, noise.instructions()), ((600, 630), 30));
        let moved: Vec<_> = noise
            .moved
            .iter()
            .map(|it| (it.name.as_str(), it.range))
            .collect();
        assert_eq!(moved, [("hash", (90, 130)), ("grow", (0, 10))]);
    }

    #[test]
    fn an_honest_benchmark_has_no_floor() {
        let round = measured(&[("steady", 500)]);
        let noise = Noise::of(&[&round, &round]).unwrap();
        assert_eq!((noise.instructions(), noise.moved.len()), (0, 0));
        assert_eq!(Noise::of(&[]), None);
    }
}
