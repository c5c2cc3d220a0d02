//! The injections that the self-test calibrates: those of a folder with a `[calibrate]`.

use camino::Utf8Path;
use icgate_core::model::injection::{Calibrate, Edit, Edited, Injection};

use crate::error::{CliError, SelftestError};
use crate::io::store;

/// One cost that can be injected.
#[derive(Debug)]
pub(super) struct Cost {
    edit: Edit,
    pub(super) calibrate: Calibrate,
}

impl Cost {
    /// The file that it changes.
    pub(super) fn file(&self) -> &str {
        &self.edit.file
    }

    /// The file's text with a loop of `rounds` rounds.
    pub(super) fn inject(&self, text: &str, rounds: u64) -> Result<Edited, CliError> {
        Ok(self.edit.apply(text, rounds)?)
    }
}

/// All costs of a folder, by file name.
pub(super) fn read(folder: &Utf8Path) -> Result<Vec<Cost>, CliError> {
    let mut costs = Vec::new();
    for path in store::entries(folder.as_std_path())? {
        if path.extension().is_none_or(|it| it != "toml") {
            continue;
        }
        let name = store::display(&path);
        let injection = Injection::from_toml(&name, &store::read(&path)?)?;
        let Some(calibrate) = injection.calibrate else {
            continue;
        };
        let [edit] = <[Edit; 1]>::try_from(injection.edit)
            .map_err(|_| SelftestError::Edits { path: name })?;
        costs.push(Cost { edit, calibrate });
    }
    Ok(costs)
}
