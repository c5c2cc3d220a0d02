//! `icgate verify`: measures each benchmark several times in disturbed chambers, and says how far
//! it moves when nothing changed, and which of its functions do.

use icgate_core::chamber::platform;
use icgate_core::floor::Floor;
use icgate_core::judge::Outcome;
use icgate_core::metric::Metric;
use icgate_core::policy::Policy;

use super::print_failures;
use crate::args::{Measuring, Project as Selection};
use crate::cargo::Project;
use crate::chamber::toolchain;
use crate::error::CliError;
use crate::measure::{Disturbance, Session};
use crate::output;
use crate::store;

/// Functions named for a benchmark that moves.
const FUNCTIONS_MAX: usize = 5;

pub(crate) fn verify(
    selection: &Selection,
    measuring: &Measuring,
    rounds: u32,
) -> Result<u8, CliError> {
    let project = Project::open(selection)?;
    let toolchain = toolchain(project.root())?;
    let policy = store::read_policy(&project.baselines())?;
    let baselines = store::read_baselines(&project.baselines(), &platform(&toolchain.target))?;
    let session = Session::open(&project, &toolchain, measuring)?;
    let mut runs = Vec::new();
    for round in 0..rounds {
        let disturbance = Disturbance::of_round(round);
        let measured = session.measure_disturbed(&baselines, &|_| true, disturbance)?;
        if let Some(code) = print_failures(&measured.failures) {
            return Ok(code);
        }
        runs.push(measured.run);
    }
    let mut moving = 0;
    let mut code = Outcome::Pass.exit_code();
    for id in session.ids() {
        let measurements: Vec<_> = runs.iter().filter_map(|run| run.benchmark(id)).collect();
        let Some(floor) = Floor::of(&measurements) else {
            continue;
        };
        output::say(format_args!("floor {:>8}  {id}", floor.instructions()));
        if floor.instructions() == 0 {
            continue;
        }
        moving += 1;
        for function in floor.moved.iter().take(FUNCTIONS_MAX) {
            let (least, most) = function.range;
            output::say(format_args!(
                "                {least} to {most} in {} {}",
                function.name, function.file
            ));
        }
        let limit = policy
            .limit(id, Metric::Instructions)
            .unwrap_or(Policy::DEFAULT_LIMIT);
        if limit.is_exceeded(floor.range.0, floor.range.1) {
            output::say(format_args!(
                "                more than its limit of {} bears",
                limit.share
            ));
            code = Outcome::OutOfStep.exit_code();
        }
    }
    let total = session.ids().count();
    output::say(format_args!(
        "{moving} of {total} benchmarks moved in {rounds} chambers"
    ));
    Ok(code)
}
