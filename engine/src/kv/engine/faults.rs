//! What the engine reports ⇄ what the trait says.

use std::io;
use std::time::Duration;

use crate::engine::{CheckpointError, CommitError, OpenError};
use crate::kv::error::{Cause, KvError};
use crate::wal::{AppendError, OpenError as LogError, Poisoned, WaitError};

/// The place of an engine, to name in errors.
#[derive(Debug)]
pub(super) struct Faults {
    place: String,
}

/// What the system said, if it was the system.
fn system_error(error: &(dyn std::error::Error + 'static)) -> Option<io::ErrorKind> {
    let mut error = Some(error);
    while let Some(it) = error {
        if let Some(it) = it.downcast_ref::<io::Error>() {
            return Some(it.kind());
        }
        error = it.source();
    }
    None
}

impl Faults {
    pub(super) fn new(place: String) -> Self {
        Self { place }
    }

    fn place(&self) -> String {
        self.place.clone()
    }

    pub(super) fn closed(&self) -> KvError {
        let place = self.place();
        KvError::Closed { place }
    }

    /// By what the system said.
    fn system(&self, kind: Option<io::ErrorKind>, cause: Cause) -> KvError {
        let place = self.place();
        match kind {
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                KvError::Full { place, cause }
            }
            Some(io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied) => {
                KvError::ReadOnly { place, cause }
            }
            _ => KvError::Refused { place, cause },
        }
    }

    pub(super) fn of_open(&self, error: OpenError) -> KvError {
        let place = self.place();
        match &error {
            OpenError::Log(LogError::Locked { .. }) => KvError::Busy {
                place,
                waited: Duration::ZERO,
            },
            OpenError::Log(LogError::Corrupt(_) | LogError::TooShort { .. })
            | OpenError::Read(_)
            | OpenError::Malformed(_)
            | OpenError::LogTooShort { .. }
            | OpenError::AnotherLog { .. }
            | OpenError::NoSnapshot { .. } => KvError::Corrupt {
                place,
                detail: error.to_string(),
            },
            OpenError::Record { .. } => KvError::NotAStore {
                place,
                detail: error.to_string(),
            },
            _ => self.system(system_error(&error), Box::new(error)),
        }
    }

    pub(super) fn of(&self, error: CommitError) -> KvError {
        let place = self.place();
        match error {
            CommitError::Closed => KvError::Closed { place },
            CommitError::WrongType { .. } | CommitError::KeyspaceName { .. } => {
                let detail = error.to_string();
                KvError::NotAStore { place, detail }
            }
            CommitError::NotDurable(WaitError::Poisoned(cause)) => KvError::OutcomeUnknown {
                place,
                cause: Box::new(cause),
            },
            CommitError::Append(AppendError::Poisoned(poisoned)) => self.poisoned(poisoned),
            CommitError::Append(AppendError::TooLarge { size, .. }) => KvError::BatchTooLarge {
                items: 1,
                bytes: size,
            },
            other => KvError::Refused {
                place,
                cause: Box::new(other),
            },
        }
    }

    /// The log takes nothing more; what was refused now was not written.
    pub(super) fn poisoned(&self, poisoned: Poisoned) -> KvError {
        self.system(system_error(&poisoned), Box::new(poisoned))
    }

    pub(super) fn of_upkeep(&self, error: CheckpointError) -> KvError {
        match error {
            CheckpointError::NoLog => self.closed(),
            CheckpointError::Truncate(poisoned)
            | CheckpointError::Wait(WaitError::Poisoned(poisoned)) => self.poisoned(poisoned),
            other => self.system(system_error(&other), Box::new(other)),
        }
    }
}
