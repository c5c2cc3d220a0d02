//! State cells: a value with a version, and every value that it had.

use super::change::{Change, RunId};
use super::error::{RunError, check_name};
use super::row;
use super::runs::read_row;
use super::spaces;
use super::writer::{RunWriter, STEP_BYTES_MAX, check_len};
use crate::engine::Value;
use crate::injected_bug::{Bug, injected};

/// A state cell as it is.
#[derive(Debug, Clone)]
pub struct Cell {
    /// How often it was set.
    pub version: u64,
    /// The step that set it.
    pub step: u64,
    /// When that was: microseconds since the Unix epoch.
    pub time_us: u64,
    row: Value,
}

impl Cell {
    pub(super) fn read(run: RunId, name: &str, row: Value) -> Result<Self, RunError> {
        let numbers = read_row(run, spaces::CELLS, name, row::read_cell(&row));
        let [step, time_us, version] = numbers?;
        Ok(Self {
            version,
            step,
            time_us,
            row,
        })
    }

    /// Its value.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.row[row::CELL_VALUE..]
    }
}

impl RunWriter<'_, '_> {
    /// A state cell; `None` of one that was never set.
    ///
    /// # Errors
    /// [`RunError::Row`] where it cannot be read.
    pub fn cell(&mut self, name: &str) -> Result<Option<Cell>, RunError> {
        let key = spaces::named(self.run, name.as_bytes());
        let row = self.tx.get(&self.runs.spaces.cells, &key);
        row.map(|row| Cell::read(self.run, name, row)).transpose()
    }

    /// Gives a cell a value whatever it had, and answers with its new version.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub fn set_cell(&mut self, name: &str, value: &[u8]) -> Result<u64, RunError> {
        self.change_cell(name, value, |_| Ok(()))
    }

    /// Gives a cell a value if its version is `expected`, where 0 is that of a cell that is not
    /// there; answers with its new version.
    ///
    /// # Errors
    /// [`RunError::CellVersion`] where it has another; as for [`append`](Self::append).
    pub fn compare_and_set(
        &mut self,
        name: &str,
        expected: u64,
        value: &[u8],
    ) -> Result<u64, RunError> {
        let run = self.run;
        self.change_cell(name, value, |cell| {
            let found = cell.map_or(0, |it| it.version);
            if found == expected || injected(Bug::CellIgnoresVersion) {
                return Ok(());
            }
            Err(RunError::CellVersion {
                run,
                cell: name.to_owned(),
                expected,
                found,
            })
        })
    }

    /// Takes a cell from one value to another, and answers with its new version.
    ///
    /// # Errors
    /// [`RunError::CellValue`] where it has another value than `from`; as for
    /// [`append`](Self::append).
    pub fn transition(&mut self, name: &str, from: &[u8], to: &[u8]) -> Result<u64, RunError> {
        let run = self.run;
        self.change_cell(name, to, |cell| match cell {
            Some(cell) if cell.value() == from => Ok(()),
            _ => Err(RunError::CellValue {
                run,
                cell: name.to_owned(),
                expected: from.to_owned(),
                found: cell.map(|it| it.value().to_owned()),
            }),
        })
    }

    fn change_cell(
        &mut self,
        name: &str,
        value: &[u8],
        check: impl FnOnce(Option<&Cell>) -> Result<(), RunError>,
    ) -> Result<u64, RunError> {
        self.check_open()?;
        check_name("a cell's name", name)?;
        check_len("a cell's value", value.len(), STEP_BYTES_MAX)?;
        let cell = self.cell(name)?;
        check(cell.as_ref())?;
        let (previous, version) = cell.map_or((0, 1), |it| (it.step, it.version + 1));
        let change = Change::Cell {
            name,
            previous,
            version,
            value,
        };
        let step = self.step(&change)?;
        let row = row::cell(step, self.head.last_us, version, value);
        let key = spaces::named(self.run, name.as_bytes());
        self.tx.put(&self.runs.spaces.cells, &key, &row)?;
        Ok(version)
    }
}
