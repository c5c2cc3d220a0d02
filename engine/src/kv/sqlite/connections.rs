//! Connections: one that writes, and one for each thread that reads at once.

use std::path::{Path, PathBuf};

use parking_lot::{Mutex, MutexGuard};
use rusqlite::{Connection, OpenFlags};

use super::SqliteOptions;

/// How many connections that nobody reads with are kept.
const IDLE_MAX: usize = 16;

/// The connections of a database in a file that nobody reads with now.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Option<Vec<Connection>>>,
}

/// A connection to read with.
pub(super) enum Reader<'a> {
    Shared(MutexGuard<'a, Option<Connection>>),
    Own(Option<Connection>, &'a Readers),
}

impl Readers {
    pub(super) fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            idle: Mutex::new(Some(Vec::new())),
        }
    }

    /// A connection to read with; `None` once they are closed.
    pub(super) fn take(&self, options: &SqliteOptions) -> rusqlite::Result<Option<Reader<'_>>> {
        let idle = match self.idle.lock().as_mut() {
            Some(idle) => idle.pop(),
            None => return Ok(None),
        };
        let connection = match idle {
            Some(connection) => connection,
            None => connect(&self.path, options, true)?,
        };
        Ok(Some(Reader::Own(Some(connection), self)))
    }

    pub(super) fn close(&self) {
        self.idle.lock().take();
    }
}

impl Reader<'_> {
    pub(super) fn connection(&self) -> Option<&Connection> {
        match self {
            Self::Shared(guard) => guard.as_ref(),
            Self::Own(connection, _) => connection.as_ref(),
        }
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Self::Own(connection, readers) = self
            && let Some(connection) = connection.take()
            && let Some(idle) = readers.idle.lock().as_mut()
            && idle.len() < IDLE_MAX
        {
            idle.push(connection);
        }
    }
}

pub(super) fn connect(
    path: &Path,
    options: &SqliteOptions,
    read_only: bool,
) -> rusqlite::Result<Connection> {
    let access = if read_only {
        OpenFlags::SQLITE_OPEN_READ_ONLY
    } else {
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
    };
    // No SQLITE_OPEN_URI: a path that begins with `file:` is a path.
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(options.busy)?;
    Ok(connection)
}
