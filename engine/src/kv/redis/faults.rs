//! What the server, or its silence, means for the trait.

use std::time::Duration;

use redis::{ErrorKind, FromRedisValue, RedisError, ServerErrorKind, Value};

use crate::kv::error::KvError;

/// The place of a server, to name in errors: without user and password.
#[derive(Debug)]
pub(super) struct Faults {
    pub(super) place: String,
    pub(super) timeout: Duration,
}

/// What a command did before it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// Nothing, whatever became of it.
    Nothing,
    /// It may have changed something.
    Write,
}

impl Faults {
    fn place(&self) -> String {
        self.place.clone()
    }

    pub(super) fn closed(&self) -> KvError {
        let place = self.place();
        KvError::Closed { place }
    }

    pub(super) fn not_a_store(&self, detail: String) -> KvError {
        let place = self.place();
        KvError::NotAStore { place, detail }
    }

    pub(super) fn data_lost(&self, detail: &str) -> KvError {
        KvError::DataLost {
            place: self.place(),
            detail: detail.to_owned(),
        }
    }

    pub(super) fn corrupt(&self, detail: &str) -> KvError {
        KvError::Corrupt {
            place: self.place(),
            detail: detail.to_owned(),
        }
    }

    /// The answer to a command, or the error that it is.
    pub(super) fn parse<T: FromRedisValue>(&self, answer: Value) -> Result<T, KvError> {
        let answer = answer.extract_error();
        let answer = answer.map_err(|error| self.of(error, Sent::Nothing))?;
        let parsed = redis::from_redis_value(answer);
        parsed.map_err(|error| self.corrupt(&error.to_string()))
    }

    pub(super) fn of(&self, error: RedisError, sent: Sent) -> KvError {
        let place = self.place();
        let code = error.code().unwrap_or_default().to_owned();
        let kind = error.kind();
        if kind == ErrorKind::Io {
            let timed_out = error.is_timeout();
            let cause = Box::new(error);
            return match sent {
                Sent::Write => KvError::OutcomeUnknown { place, cause },
                Sent::Nothing if timed_out => KvError::Timeout {
                    place,
                    waited: self.timeout,
                },
                Sent::Nothing => KvError::Unreachable { place, cause },
            };
        }
        let cause = Box::new(error);
        match kind {
            ErrorKind::Parse if sent == Sent::Write => KvError::OutcomeUnknown { place, cause },
            ErrorKind::Parse => self.not_a_store(cause.to_string()),
            ErrorKind::Server(ServerErrorKind::ReadOnly) => KvError::ReadOnly { place, cause },
            ErrorKind::Server(
                ServerErrorKind::BusyLoading
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::TryAgain,
            ) => KvError::Unreachable { place, cause },
            _ if code == "OOM" => KvError::Full { place, cause },
            // A script of somebody else's keeps the server from answering.
            _ if code == "BUSY" => KvError::Unreachable { place, cause },
            // It cannot save what it has, and takes no more until it can.
            _ if code == "MISCONF" => KvError::ReadOnly { place, cause },
            _ => KvError::Refused { place, cause },
        }
    }
}
