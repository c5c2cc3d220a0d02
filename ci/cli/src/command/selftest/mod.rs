//! `icgate selftest`: proves the gate on this very machine, by running it as its users do.
//!
//! ```text
//! worktree of the last commit ─→ baselines recorded in this measurement environment ─→ committed there
//!    ├─ nothing changed, measured twice                       equal to the digit
//!    ├─ a benchmark deleted, a baseline padded or worsened    refused, exit code 5
//!    └─ costs planted in the code: +0.5 %, +2 %               pass; fail, with function and line
//! ```
//!
//! What is planted, and where, the project says (see [`plants`]); how dear a plant is, is measured
//! and not assumed. Nothing is left behind but unreachable commits, which git collects.

mod plants;
mod rig;
mod table;
mod trials;

use camino::Utf8Path;

use crate::args::Project as Selection;
use crate::cargo::Project;
use crate::error::{CliError, GitError};
use crate::git::Repository;
use crate::io::output;
use crate::io::store;

use plants::Plants;
use rig::Rig;

/// Exit code if a trial did not go as it should.
const FAILED: u8 = 1;

pub(crate) fn selftest(
    selection: &Selection,
    plants: Option<&Utf8Path>,
    write: Option<&Utf8Path>,
) -> Result<u8, CliError> {
    let project = Project::open(selection)?;
    let repository = Repository::find(project.root())?.ok_or_else(|| GitError::NoHistory {
        revision: "HEAD".to_owned(),
    })?;
    let plants = match plants {
        Some(path) => Plants::read(path)?,
        None => Plants::default(),
    };
    let rig = Rig::set_up(&project, selection, &repository)?;
    let mut held = Vec::new();
    for trial in trials::without_plants(&rig)? {
        output::complain(format_args!("icgate: {}: {}", trial.what, trial.found));
        held.push(trial);
    }
    for trial in trials::with_plants(&rig, &plants)? {
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
    Ok(if all { 0 } else { FAILED })
}
