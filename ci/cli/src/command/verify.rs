//! `icgate verify`: measures each benchmark several times in disturbed measurement environments and with its code
//! elsewhere, and says how far it moves when nothing changed, which of its functions do, and what it
//! reads of the machine.

use icgate_core::compare::noise::Noise;
use icgate_core::judge::Outcome;
use icgate_core::model::environment::platform;
use icgate_core::model::metric::Metric;
use icgate_core::model::policy::Policy;

use super::failures::print_failures;
use crate::args::{Measuring, Project as Selection};
use crate::cargo::Project;
use crate::environment::toolchain;
use crate::error::CliError;
use crate::io::output;
use crate::io::store;
use crate::measure::{Disturbance, Session};

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
        let disturbance = Disturbance::of_round(round).with_code_moved(round);
        let measured = session.measure_disturbed(&baselines, &|_| true, disturbance)?;
        if let Some(code) = print_failures(&measured.failures) {
            return Ok(code);
        }
        if round == 1 {
            measured.warnings.iter().for_each(output::warn);
        }
        runs.push(measured.run);
    }
    let reads = session.machine_reads(&|_| true)?;
    let mut moving = 0;
    let mut code = Outcome::Pass.exit_code();
    for id in session.ids() {
        let measurements: Vec<_> = runs.iter().filter_map(|run| run.benchmark(id)).collect();
        let Some(noise) = Noise::of(&measurements) else {
            continue;
        };
        output::say(format_args!("noise {:>8}  {id}", noise.instructions()));
        if let Some(asked) = reads.get(id) {
            let asked = asked.join(", ");
            output::say(format_args!("                reads {asked} of the machine"));
        }
        if let Some(others) = others(&noise) {
            output::say(format_args!("                {others}"));
        }
        if noise.instructions() == 0 {
            continue;
        }
        moving += 1;
        for function in noise.moved.iter().take(FUNCTIONS_MAX) {
            let (least, most) = function.range;
            output::say(format_args!(
                "                {least} to {most} in {} {}",
                function.name, function.file
            ));
        }
        let limit = policy
            .limit(id, Metric::Instructions)
            .unwrap_or(Policy::DEFAULT_LIMIT);
        if limit.is_exceeded(noise.range.0, noise.range.1) {
            output::say(format_args!(
                "                exceeds its limit of {}",
                limit.share
            ));
            code = Outcome::BaselineOutOfDate.exit_code();
        }
    }
    let total = session.ids().count();
    output::say(format_args!(
        "{moving} of {total} benchmarks moved in {rounds} measurement environments"
    ));
    Ok(code)
}

/// How far what else is counted moved, in one line: `272 d1 read misses, 1,080 estimated cycles`.
fn others(noise: &Noise) -> Option<String> {
    let parts = noise.metrics.iter();
    let parts: Vec<String> = parts
        .map(|(metric, noise)| format!("{noise} {}", metric.words()))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
