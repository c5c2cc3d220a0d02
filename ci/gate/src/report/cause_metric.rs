//! The metric by which causes are told: what a function has of what moved.
//!
//! ```text
//! decided by            told by
//! instructions          instructions
//! d1_read_misses        d1_read_misses, by function
//! estimated_cycles      what grew most of what cycles are made of
//! data_reads            instructions: by function nothing nearer is known
//! ```

use std::borrow::Cow;

use crate::compare::Facts;
use crate::model::functions::FUNCTION_METRICS;
use crate::model::metric::{Metric, Metrics};
use crate::model::run::Measurement;

/// What estimated cycles are made of, as far as functions' shares are known, and what each weighs.
const CYCLES: [(Metric, i128); 5] = [
    (Metric::Instructions, 1),
    (Metric::D1ReadMisses, 4),
    (Metric::D1WriteMisses, 4),
    (Metric::LlReadMisses, 30),
    (Metric::LlWriteMisses, 30),
];

/// What the cause of a change of `metric` is told by.
pub(super) fn of(facts: &Facts<'_>, metric: Metric) -> Metric {
    let base = match facts.base_run {
        Some(measured) => Some(&measured.metrics),
        None => facts.base.or(facts.committed).map(|it| &it.metrics),
    };
    match (metric, base, facts.measured) {
        (Metric::EstimatedCycles, Some(base), Some(head)) => {
            let count =
                |metrics: &Metrics, metric| i128::from(metrics.get(&metric).copied().unwrap_or(0));
            let change = |metric| count(&head.metrics, metric) - count(base, metric);
            let sign = change(metric).signum();
            let weighed = CYCLES.map(|(metric, weight)| (sign * weight * change(metric), metric));
            // Of equals instructions, which stand first.
            let most = weighed.iter().rev().max_by_key(|(change, _)| *change);
            most.map_or(Metric::Instructions, |(_, metric)| *metric)
        }
        (metric, ..) if FUNCTION_METRICS.contains(&metric) => metric,
        _ => Metric::Instructions,
    }
}

/// The measurement with the counts of `metric` in the place of instructions.
pub(super) fn project(measured: &Measurement, metric: Metric) -> Cow<'_, Measurement> {
    if metric == Metric::Instructions {
        return Cow::Borrowed(measured);
    }
    let total = measured.metrics.get(&metric).copied().unwrap_or(0);
    Cow::Owned(Measurement {
        functions: measured.functions.condensed().of_metric(metric, total),
        ..measured.clone()
    })
}
