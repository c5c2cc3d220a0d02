//! Plans whose executables have their code elsewhere: see [`layout`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use icgate_core::model::note::Note;

use crate::cargo::{BenchExecutable, layout, rustc_wrapper};
use crate::environment::EnvironmentDirectory;
use crate::error::{CliError, MeasureError};
use crate::measure::record::Planned;

/// The commands of `plan` with code `shift` bytes further on. What cannot be linked so stays as it was,
/// and is named in `warnings`.
pub(super) fn move_code(
    plan: &[&Planned],
    executables: &[BenchExecutable],
    links: &std::path::Path,
    environment: &EnvironmentDirectory,
    shift: u64,
    warnings: &mut Vec<Note>,
) -> Result<Vec<Planned>, CliError> {
    let mut moved: BTreeMap<usize, Option<PathBuf>> = BTreeMap::new();
    let mut commands = Vec::new();
    for planned in plan {
        let path = if let Some(path) = moved.get(&planned.executable) {
            path.clone()
        } else {
            let executable = &executables[planned.executable];
            let path = link(executable, links, environment, shift, warnings)?;
            moved.insert(planned.executable, path.clone());
            path
        };
        let mut planned = (*planned).clone();
        if let Some(path) = path {
            planned.path = path;
        }
        commands.push(planned);
    }
    Ok(commands)
}

/// The executable with its code elsewhere, put where it can be run from.
fn link(
    executable: &BenchExecutable,
    links: &std::path::Path,
    environment: &EnvironmentDirectory,
    shift: u64,
    warnings: &mut Vec<Note>,
) -> Result<Option<PathBuf>, CliError> {
    let name = &executable.target.name;
    let directory = environment.create(&format!("code/{shift}"))?;
    let linked = directory.join("linked");
    let built = match layout::link_moved(links, &executable.path, shift, &linked) {
        Ok(Some(built)) => built,
        Ok(None) => {
            warnings.push(Note::new(
                "{} was built elsewhere, so its code cannot be moved",
                &[name],
            ));
            return Ok(None);
        }
        Err(error) => {
            warnings.push(Note::new(
                "the code of {} cannot be moved: {}",
                &[name, &error],
            ));
            return Ok(None);
        }
    };
    let to = directory.join(name);
    rustc_wrapper::install(&built, &to, environment.path()).map_err(|source| {
        MeasureError::File {
            path: to.clone(),
            source,
        }
    })?;
    Ok(Some(to))
}
