//! `icgate selftest`: proves the gate on this very machine, by running it as its users do.
//!
//! ```text
//! worktree of the last commit ─→ baselines recorded in this measurement environment ─→ committed there
//!    ├─ nothing changed, measured twice                       equal to the digit
//!    ├─ a benchmark deleted, a baseline padded or worsened    refused, exit code 5
//!    └─ costs injected into the code: +0.5 %, +2 %              pass; fail, with function and line
//! ```
//!
//! The project says what is injected, and where (see [`injections`]); its cost is measured and not
//! assumed. Nothing is left behind but unreachable commits, which git collects.

mod injections;
mod rig;
mod table;
mod trials;

use camino::Utf8Path;
use icgate_core::model::exit_code::ExitCode;

use crate::args::Project as Selection;
use crate::cargo::Project;
use crate::error::{CliError, GitError};
use crate::git::Repository;
use crate::io::output;
use crate::io::store;

use rig::Rig;

pub(crate) fn selftest(
    selection: &Selection,
    folder: Option<&Utf8Path>,
    write: Option<&Utf8Path>,
) -> Result<u8, CliError> {
    let project = Project::open(selection)?;
    let repository = Repository::find(project.root())?.ok_or_else(|| GitError::NoHistory {
        revision: "HEAD".to_owned(),
    })?;
    let costs = match folder {
        Some(folder) => injections::read(folder)?,
        None => Vec::new(),
    };
    let rig = Rig::set_up(&project, selection, &repository)?;
    let mut held = Vec::new();
    for trial in trials::without_injections(&rig)? {
        output::complain(format_args!("icgate: {}: {}", trial.what, trial.found));
        held.push(trial);
    }
    for trial in trials::with_injections(&rig, &costs)? {
        output::complain(format_args!("icgate: {}: {}", trial.what, trial.found));
        held.push(trial);
    }
    let table = table::render(&held);
    output::print(&table);
    if let Some(path) = write {
        let text = table::put(path.as_str(), &store::read(path.as_std_path())?, &table)?;
        store::write(path.as_std_path(), &text)?;
    }
    let all = held.iter().all(|trial| trial.held);
    let code = if all {
        ExitCode::Pass
    } else {
        ExitCode::Regression
    };
    Ok(code.code())
}
