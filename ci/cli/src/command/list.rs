//! `icgate list`: the ids of all benchmarks, as the harness knows them.

use crate::args::{Measuring, Project as Selection};
use crate::cargo::Project;
use crate::environment::toolchain;
use crate::error::CliError;
use crate::io::output;
use crate::measure::Session;

pub(crate) fn list(selection: &Selection, patterns: &[String]) -> Result<u8, CliError> {
    let project = Project::open(selection)?;
    let toolchain = toolchain(project.root())?;
    let measuring = Measuring {
        patterns: patterns.to_vec(),
        ..Measuring::default()
    };
    let session = Session::open(&project, &toolchain, &measuring)?;
    for id in session.ids() {
        output::say(format_args!("{id}"));
    }
    Ok(0)
}
