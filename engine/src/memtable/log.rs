//! The log behind a table, and what the table writes there.
//!
//! ```text
//! put      0x18 │ name_len u8 │ name │ record, as it encodes itself
//! delete   0x19 │ name_len u8 │ name │ key, as it writes itself
//! flushed  0x1a │ name_len u8 │ name │ lsn u64: changes of the table below it are the persister's
//! ```
//!
//! A change is logged while its key is locked, so the log has the changes of a key in the order in
//! which they were made. Index keys are not in it: they are computed again from the records.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use bytes::{Buf, Bytes};

use crate::engine::Engine;
use crate::frame::{Kind, Record};
use crate::wal::{Entry, Lsn};

/// A record was put.
pub(super) const PUT: Kind = Kind::MEMTABLE;
/// A record was deleted.
pub(super) const DELETE: Kind = Kind(Kind::MEMTABLE.0 + 1);
/// The persister has the table's earlier changes.
pub(super) const FLUSHED: Kind = Kind(Kind::MEMTABLE.0 + 2);
/// The last type that tables may use.
pub(super) const LAST: Kind = Kind(Kind::STREAM.0 - 1);

/// The version of these payloads.
pub(super) const VERSION: u8 = 1;

/// Why a log failed. Clones share the cause.
#[derive(Clone)]
pub struct LogError(Arc<dyn Error + Send + Sync>);

impl LogError {
    /// Wraps the cause.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(Arc::from(cause.into()))
    }
}

impl fmt::Debug for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for LogError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// A log that tables write their changes to. Others may write to it too.
pub trait ChangeLog: Send + Sync + 'static {
    /// Accepts a record, and answers with the LSN after it.
    ///
    /// # Errors
    /// [`LogError`] where it was not accepted, or may not have been.
    fn append(&self, record: Record<'_>) -> Result<Lsn, LogError>;

    /// Does what the log's mode promises of a commit.
    ///
    /// # Errors
    /// [`LogError`] where the records below `end` may be lost.
    fn commit(&self, end: Lsn) -> Result<(), LogError>;

    /// Returns once the records below `end` survive power loss.
    ///
    /// # Errors
    /// [`LogError`] where they will not.
    fn wait_durable(&self, end: Lsn) -> Result<(), LogError>;

    /// The LSN of the next record.
    fn end(&self) -> Lsn;

    /// The engine that this is the log of. Tables over one can take part in its transactions.
    fn engine(&self) -> Option<&Engine> {
        None
    }

    /// Shows every record that the holder called `name` may need, in order, until `visit` answers
    /// `false`.
    ///
    /// # Errors
    /// [`LogError`] where the log cannot be read.
    fn replay(&self, name: &str, visit: &mut dyn FnMut(Entry) -> bool) -> Result<(), LogError>;

    /// Notes that the holder called `name` needs records from `lsn` on, and none below.
    ///
    /// # Errors
    /// [`LogError`] where that could not be noted.
    fn hold(&self, name: &str, lsn: Lsn) -> Result<(), LogError>;
}

/// What a record of the log says of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// This record was put.
    Put(Bytes),
    /// The record of this key was deleted.
    Delete(Bytes),
    /// The persister has all changes below.
    Flushed(Lsn),
}

/// Begins the payload of a record of the table called `name`.
pub(super) fn payload(name: &str) -> Vec<u8> {
    let len = u8::try_from(name.len()).expect("names are checked when a table is opened");
    let mut payload = Vec::with_capacity(1 + name.len() + 64);
    payload.push(len);
    payload.extend_from_slice(name.as_bytes());
    payload
}

/// Says that the persister has all changes of the table called `name` below `end`.
pub(super) fn flushed(name: &str, end: Lsn) -> Vec<u8> {
    let mut payload = payload(name);
    payload.extend_from_slice(&end.0.to_le_bytes());
    payload
}

/// What a record says of the table called `name`: `Ok(None)` where it is about something else,
/// `Err` where it is about a table and cannot be read.
pub(super) fn read(name: &str, entry: Entry) -> Result<Option<Change>, &'static str> {
    let Entry {
        kind,
        version,
        mut payload,
        ..
    } = entry;
    if !matches!(kind, PUT | DELETE | FLUSHED) {
        return Ok(None);
    }
    if version != VERSION {
        return Err("it was written by a newer version of the engine");
    }
    let len = usize::from(payload.try_get_u8().map_err(|_| "it has no table's name")?);
    if len > payload.len() {
        return Err("its table's name is cut off");
    }
    let named = payload.split_to(len);
    if named != name.as_bytes() {
        return Ok(None);
    }
    Ok(Some(match kind {
        PUT => Change::Put(payload),
        DELETE => Change::Delete(payload),
        _ => {
            let lsn = payload
                .as_ref()
                .try_into()
                .map_err(|_| "its LSN is no LSN")?;
            Change::Flushed(Lsn(u64::from_le_bytes(lsn)))
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: Kind, version: u8, payload: Vec<u8>) -> Entry {
        Entry {
            lsn: Lsn(3),
            kind,
            version,
            payload: payload.into(),
        }
    }

    #[test]
    fn records_of_a_table_come_back_and_those_of_others_do_not() {
        let with = |bytes: &[u8]| [payload("tea"), bytes.to_vec()].concat();
        let put = entry(PUT, 1, with(b"record"));
        assert_eq!(
            read("tea", put.clone()),
            Ok(Some(Change::Put("record".into())))
        );
        assert_eq!(read("te", put.clone()), Ok(None));
        assert_eq!(read("teapot", put), Ok(None));
        let delete = entry(DELETE, 1, with(b""));
        assert_eq!(read("tea", delete), Ok(Some(Change::Delete(Bytes::new()))));
        let done = entry(FLUSHED, 1, flushed("tea", Lsn(9)));
        assert_eq!(read("tea", done), Ok(Some(Change::Flushed(Lsn(9)))));
        let other = entry(Kind::KV_PUT, 1, with(b"record"));
        assert_eq!(read("tea", other), Ok(None));
    }

    #[test]
    fn records_that_cannot_be_read_are_errors() {
        assert!(read("tea", entry(PUT, 2, payload("tea"))).is_err());
        assert!(read("tea", entry(PUT, 1, vec![])).is_err());
        assert!(read("tea", entry(PUT, 1, vec![9, b't'])).is_err());
        assert!(read("tea", entry(FLUSHED, 1, payload("tea"))).is_err());
    }
}
