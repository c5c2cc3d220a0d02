//! A judged report, for the tests of what is told of one.

use std::collections::BTreeMap;

use icgate_core::model::baseline::{Accepted, Baseline};
use icgate_core::model::environment::Environment;
use icgate_core::model::functions::LineCost;
use icgate_core::model::functions::{FunctionCost, FunctionTable};
use icgate_core::model::metric::Metric;
use icgate_core::model::run::{FunctionLines, Measurement};

use super::*;

fn measurement(number: u32, instructions: u64) -> Measurement {
    let cost = FunctionCost {
        name: "f".into(),
        file: "src/lib.rs".into(),
        instructions,
        calls: Some(1),
        caller: None,
        metrics: icgate_core::model::functions::FunctionMetrics::default(),
    };
    let lines = vec![LineCost {
        file: "src/lib.rs".into(),
        line: number,
        instructions,
    }];
    Measurement {
        id: format!("suite/f/{number:04}").parse().unwrap(),
        metrics: BTreeMap::from([(Metric::Instructions, instructions)]),
        functions: FunctionTable::new(vec![cost], 0),
        noise: 0,
        metric_noise: BTreeMap::new(),
        lines: vec![FunctionLines {
            name: "f".into(),
            file: "src/lib.rs".into(),
            lines,
        }],
        calls: icgate_core::model::call_graph::CallGraph::default(),
    }
}

/// A report of `count` regressions, each at a line of its own.
pub(crate) fn regressed(count: u32) -> Report {
    let text = |text: &str| text.to_owned();
    let environment = Environment::example();
    let accepted = |number| Accepted::from_measurement(&measurement(number, 10_000), 0, None);
    let base = Baselines::new([Baseline::new(
        text("suite"),
        environment.clone(),
        (1..=count).map(accepted).collect(),
    )]);
    let run = Run::whole(
        environment,
        (1..=count)
            .map(|number| measurement(number, 20_000))
            .collect(),
    );
    JudgeContext::of(Policy::default(), base.clone(), base).report(&run, &[])
}
