//! `icgate migrate`: rewrites policy and baselines of a former format.
//!
//! Everything is read and rewritten in memory first: if one file is refused, none is changed.

use std::path::PathBuf;

use icgate_core::model::migrate;

use crate::args::Project as Selection;
use crate::cargo::Project;
use crate::error::CliError;
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
    for platform in store::entries(&directory)?
        .iter()
        .filter(|path| path.is_dir())
    {
        for suite in store::entries(platform)?
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
