//! A suite that nobody wrote, for measuring icgate itself:
//! `cargo run --release -p icgate --example suite -- DIRECTORY [BENCHMARKS [FUNCTIONS [LINES]]]`.
//!
//! Writes `run.json`, the baselines it is compared with, and a project to compare them in. Each
//! benchmark has FUNCTIONS functions of LINES lines each. One in twenty is worse than its
//! baseline, in the function that costs most, and one in twenty is better.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use icgate_core::model::baseline::{Accepted, Baseline};
use icgate_core::model::environment::Environment;
use icgate_core::model::functions::LineCost;
use icgate_core::model::functions::{FunctionCost, FunctionTable};
use icgate_core::model::interned::Interned;
use icgate_core::model::metric::{Metric, Metrics, add_estimated_cycles};
use icgate_core::model::run::{FunctionLines, Measurement, Run};

/// Benchmarks in one suite, and so in one file of baselines.
const SUITE: usize = 100;

struct Size {
    benchmarks: usize,
    functions: usize,
    lines: u32,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().ok_or("DIRECTORY is missing")?);
    let mut number = |default: u32| arguments.next().map_or(Ok(default), |text| text.parse());
    let size = Size {
        benchmarks: number(10_000)? as usize,
        functions: number(35)? as usize,
        lines: number(3)?,
    };
    let environment = Environment::example();
    let platform = directory.join("baselines").join(environment.platform());
    fs::create_dir_all(&platform)?;
    fs::create_dir_all(directory.join("src"))?;
    fs::write(directory.join("src/lib.rs"), "")?;
    let manifest = "[workspace]\n[package]\nname = \"suite\"\nedition = \"2024\"\n";
    fs::write(directory.join("Cargo.toml"), manifest)?;

    let mut benchmarks = Vec::new();
    for first in (0..size.benchmarks).step_by(SUITE) {
        let name = format!("suite_{:04}", first / SUITE);
        let mut accepted = Vec::new();
        for number in first..size.benchmarks.min(first + SUITE) {
            let head = measurement(&name, number, &size, true)?;
            let base = measurement(&name, number, &size, false)?;
            accepted.push(Accepted::from_measurement(&base, 0, None));
            benchmarks.push(head);
        }
        let baseline = Baseline::new(name.clone(), environment.clone(), accepted);
        fs::write(platform.join(format!("{name}.json")), baseline.to_json())?;
    }
    let run = Run::whole(environment, benchmarks);
    fs::write(directory.join("run.json"), run.to_json())?;
    Ok(())
}

fn measurement(
    suite: &str,
    number: usize,
    size: &Size,
    head: bool,
) -> Result<Measurement, Box<dyn Error>> {
    let mut rows = Vec::new();
    let mut lines = Vec::new();
    for index in 0..size.functions {
        let name = format!("engine::storage::segment_{index}::Segment::append_{index}");
        let name = Interned::from(name);
        let file = Interned::from(format!("engine/src/storage/segment_{}.rs", index % 10));
        let mut instructions = 1_000_000 / (index as u64 + 1) + number as u64;
        if head && index == 0 {
            match number % 20 {
                7 => instructions += instructions / 10,
                13 => instructions -= instructions / 10,
                _ => {}
            }
        }
        let share = instructions / u64::from(size.lines.max(1));
        let of_line = |line| LineCost {
            file: file.clone(),
            line: 10 + line,
            instructions: share,
        };
        lines.push(FunctionLines {
            name: name.clone(),
            file: file.clone(),
            lines: (0..size.lines).map(of_line).collect(),
        });
        rows.push(FunctionCost {
            name,
            file,
            instructions,
            calls: Some(1_000),
            caller: None,
            metrics: icgate_core::model::functions::FunctionMetrics::default(),
        });
    }
    let functions = FunctionTable::new(rows, 0);
    let instructions = functions.total().ok_or("too large")?;
    let mut metrics: Metrics = [
        (Metric::Instructions, instructions),
        (Metric::DataReads, instructions / 4),
        (Metric::DataWrites, instructions / 6),
        (Metric::I1Misses, 40),
        (Metric::D1ReadMisses, instructions / 900),
        (Metric::D1WriteMisses, instructions / 1_100),
        (Metric::LlInstructionMisses, 38),
        (Metric::LlReadMisses, instructions / 9_000),
        (Metric::LlWriteMisses, instructions / 9_000),
    ]
    .into();
    add_estimated_cycles(&mut metrics);
    Ok(Measurement {
        calls: icgate_core::model::call_graph::CallGraph::default(),
        id: format!("{suite}/subject_{number:06}/case").parse()?,
        metrics,
        functions,
        noise: 0,
        lines,
        metric_noise: std::collections::BTreeMap::new(),
    })
}
