//! What SQLite reports ⇄ what the trait says.

use std::time::Duration;

use rusqlite::ErrorCode;

use crate::kv::error::KvError;

/// The place of a database, to name in errors.
#[derive(Debug)]
pub(super) struct Faults {
    place: String,
    busy: Duration,
}

impl Faults {
    pub(super) fn new(path: &str, busy: Duration) -> Self {
        Self {
            place: format!("sqlite:{path}"),
            busy,
        }
    }

    pub(super) fn closed(&self) -> KvError {
        let place = self.place.clone();
        KvError::Closed { place }
    }

    pub(super) fn not_a_store(&self, detail: String) -> KvError {
        let place = self.place.clone();
        KvError::NotAStore { place, detail }
    }

    pub(super) fn of(&self, error: rusqlite::Error) -> KvError {
        let place = self.place.clone();
        let code = error.sqlite_error_code();
        let cause = Box::new(error);
        match code {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => KvError::Busy {
                place,
                waited: self.busy,
            },
            Some(ErrorCode::ReadOnly) => KvError::ReadOnly { place, cause },
            Some(ErrorCode::DiskFull) => KvError::Full { place, cause },
            Some(ErrorCode::NotADatabase) => KvError::NotAStore {
                place,
                detail: cause.to_string(),
            },
            // The last two: a table that went, a column of another type. Somebody else has been here.
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::Unknown) | None => KvError::Corrupt {
                place,
                detail: cause.to_string(),
            },
            Some(_) => KvError::Refused { place, cause },
        }
    }
}
