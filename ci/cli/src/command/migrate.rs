//! `icgate migrate`: rewrites policy and baselines of a former format.
//!
//! Everything is read and rewritten in memory first: if one file is refused, none is changed.

use std::path::{Path, PathBuf};

use icgate_core::model::migrate;

use crate::args::Project as Selection;
use crate::cargo::Project;
use crate::error::{CliError, StoreError};
use crate::io::output;
use crate::io::store;

pub(crate) fn migrate(selection: &Selection) -> Result<u8, CliError> {
    let project = Project::open(selection)?;
    let directory = project.baselines();
    let mut migrated: Vec<(PathBuf, String)> = Vec::new();
    let policy = directory.join(store::POLICY_FILE);
    if let Some(text) = store::read_optional(&policy)?
        && let Some(text) = migrate::policy(&store::display(&policy), &text)?
    {
        migrated.push((policy, text));
    }
    for platform in entries(&directory)?.iter().filter(|path| path.is_dir()) {
        for suite in entries(platform)?
            .into_iter()
            .filter(|it| store::is_suite(it))
        {
            let text = store::read(&suite)?;
            if let Some(text) = migrate::baseline(&store::display(&suite), &text)? {
                migrated.push((suite, text));
            }
        }
    }
    for (path, text) in &migrated {
        store::write(path, text)?;
        output::say(format_args!("written {}", store::display(path)));
    }
    if migrated.is_empty() {
        let directory = store::display(&directory);
        output::say(format_args!("nothing to migrate in {directory}"));
    }
    Ok(0)
}

/// What a directory holds, by name.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let failed = |source| StoreError::Read {
        path: directory.to_owned(),
        source,
    };
    let entries = std::fs::read_dir(directory).map_err(failed)?;
    let paths = entries.map(|entry| entry.map(|it| it.path()).map_err(failed));
    let mut paths = paths.collect::<Result<Vec<PathBuf>, StoreError>>()?;
    paths.sort();
    Ok(paths)
}
