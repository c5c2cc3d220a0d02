//! A table is opened: what the log has and the persister may not have is put back into memory.
//!
//! ```text
//! log    put a │ put b │ flushed below 2 │ delete a │ put c │
//! table                                    a†         c          the rest is the persister's
//! ```
//!
//! A note of a flush may have been lost. The changes before it are then made again, up to the last
//! one of the log, so that each key ends as it was. Postings are built on the way.

use std::collections::VecDeque;

use super::error::{OpenError, WriteError};
use super::key::Key;
use super::log::{Change, LogError, read};
use super::panics::caught;
use super::prepare::user;
use super::record::{BadRecord, Record};
use super::runtime::Runtime;
use super::table::Shared;
use crate::vfs::Monitor;
use crate::wal::Lsn;

impl<R: Record, T: Runtime> Shared<R, T> {
    /// Replays the log.
    pub(super) fn recover(&self) -> Result<(), OpenError> {
        let Some(log) = &self.log else {
            return Ok(());
        };
        let mut changes = VecDeque::new();
        let mut flushed = None;
        let mut bad = None;
        let replayed = log.replay(&self.name, &mut |entry| {
            let lsn = entry.lsn;
            match read(&self.name, entry) {
                Ok(None) => {}
                Ok(Some(Change::Flushed(end))) => {
                    flushed = flushed.max(Some(end));
                    while changes.front().is_some_and(|(lsn, _)| *lsn < end) {
                        changes.pop_front();
                    }
                }
                Ok(Some(change)) => changes.push_back((lsn, change)),
                Err(what) => bad = Some((lsn, BadRecord(what))),
            }
            bad.is_none()
        });
        replayed.map_err(OpenError::Log)?;
        if let Some((lsn, cause)) = bad {
            return Err(OpenError::BadRecord { lsn, cause });
        }
        let first = changes.front().map(|(lsn, _)| *lsn);
        for (lsn, change) in changes {
            self.replay(lsn, change)?;
        }
        let needs_from = first.or(flushed).unwrap_or_else(|| log.end());
        self.control.lock().needs_from = needs_from;
        log.hold(&self.name, needs_from).map_err(OpenError::Log)
    }

    fn replay(&self, lsn: Lsn, change: Change) -> Result<(), OpenError> {
        let panicked = |cause: WriteError| OpenError::RecordPanicked { lsn, cause };
        let prepared = match change {
            Change::Put(bytes) => {
                let record = user("decode", || R::decode(&bytes)).map_err(panicked)?;
                let record = record.map_err(|cause| OpenError::BadRecord { lsn, cause })?;
                self.prepare(record)
            }
            Change::Delete(bytes) => {
                let key = caught(|| R::Key::read_key(&bytes)).map_err(LogError::new);
                let key = key.map_err(OpenError::Log)?;
                let cause = BadRecord("the bytes of its key are no key");
                let key = key.ok_or(OpenError::BadRecord { lsn, cause })?;
                self.prepare_delete(&key)
            }
            Change::Flushed(_) => return Ok(()),
        };
        self.restore(&prepared.map_err(panicked)?);
        Ok(())
    }
}
