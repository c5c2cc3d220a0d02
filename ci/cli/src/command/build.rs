//! `icgate build`: builds the benches, for another job to measure. It may run whatever the tree brings;
//! what measures them does not.

use camino::Utf8Path;
use icgate_core::model::environment::platform;

use crate::args::{Against, Project as Selection};
use crate::cargo::Project;
use crate::environment::{EnvironmentDirectory, Valgrind, fingerprint, run_probe, toolchain};
use crate::error::CliError;
use crate::io::{output, store};
use crate::measure::stored;
use crate::measure::{base_run, clean_commit};
use crate::verdict::JudgeContext;

pub(crate) fn build(
    selection: &Selection,
    against: &Against,
    directory: &Utf8Path,
) -> Result<u8, CliError> {
    let project = Project::open(selection)?;
    let toolchain = toolchain(project.root())?;
    let context = JudgeContext::open(&project, against, &platform(&toolchain.target))?;
    let valgrind = Valgrind::find()?;
    let directory = directory.as_std_path();
    store::prepare(directory)?;
    let probe = stored::build(&project, &toolchain, clean_commit(&project), directory)?;
    // The machine that measures is prepared like this one. Where that is not how base was recorded, base
    // has to be measured as well.
    let environment = EnvironmentDirectory::take()?;
    let probed = run_probe(&probe, &valgrind, &environment)?;
    let build = project.build_description(probed.linkage);
    let here = fingerprint(&toolchain, &valgrind, &probed, build, String::new());
    drop(environment);
    if let Some(at) = &context.at
        && context.was_recorded_elsewhere(&here)
    {
        let to = directory.join(stored::BASE);
        store::prepare(&to)?;
        let at = (&at.0, &at.1);
        match base_run::build(&project, selection, at, &toolchain, &to) {
            Ok(()) => {}
            // Without it there is no verdict, and the job that measures says so.
            Err(error) => {
                let _ = std::fs::remove_dir_all(&to);
                output::warn(format_args!("base cannot be built here: {error}"));
            }
        }
    }
    output::say(format_args!("written {}", store::display(directory)));
    Ok(0)
}
