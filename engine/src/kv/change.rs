//! A change to the store ⇄ a record of the log; `FORMAT.md` §3.

use bytes::{Buf, Bytes};

use crate::frame::{Kind, Record};
use crate::pair::Pair;
use crate::wal::Lsn;

/// The version of these payloads.
const VERSION: u8 = 1;

/// What a record does to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The key gets the value.
    Put(Pair),
    /// The key goes away.
    Delete(Bytes),
}

/// A record of the store's own types that it cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {lsn} (type {kind:#04x}, version {version}) is not a change this engine can read")]
pub struct UnreadableChange {
    /// Which record.
    pub lsn: Lsn,
    /// Its type.
    pub kind: u8,
    /// Its version.
    pub version: u8,
}

impl Change {
    /// The same in memory of its own: the log can let go of what it was read from.
    pub(super) fn detached(self) -> Self {
        match self {
            Self::Put(pair) => Self::Put(pair.detached()),
            Self::Delete(key) => Self::Delete(key),
        }
    }

    /// Writes a put into `payload`, which is emptied first, and gives the record around it.
    #[must_use]
    pub fn put<'a>(payload: &'a mut Vec<u8>, key: &[u8], value: &[u8]) -> Record<'a> {
        payload.clear();
        payload.reserve(4 + key.len() + value.len());
        let key_len = u32::try_from(key.len()).unwrap_or(u32::MAX);
        payload.extend_from_slice(&key_len.to_le_bytes());
        payload.extend_from_slice(key);
        payload.extend_from_slice(value);
        Record {
            kind: Kind::KV_PUT,
            version: VERSION,
            payload,
        }
    }

    /// The record of a deletion.
    #[must_use]
    pub fn delete(key: &[u8]) -> Record<'_> {
        Record {
            kind: Kind::KV_DELETE,
            version: VERSION,
            payload: key,
        }
    }

    /// Reads a record's payload without copying it. `Ok(None)` where its type belongs to
    /// somebody else.
    ///
    /// # Errors
    /// [`UnreadableChange`] where the type is the store's and the rest is not.
    pub fn read(
        lsn: Lsn,
        kind: Kind,
        version: u8,
        mut payload: Bytes,
    ) -> Result<Option<Self>, UnreadableChange> {
        let unreadable = UnreadableChange {
            lsn,
            kind: kind.0,
            version,
        };
        match (kind, version) {
            (Kind::KV_PUT, VERSION) => {
                let key_len = payload.try_get_u32_le().map_err(|_| unreadable.clone())?;
                let pair = Pair::split(payload, key_len).ok_or(unreadable)?;
                Ok(Some(Self::Put(pair)))
            }
            (Kind::KV_DELETE, VERSION) => Ok(Some(Self::Delete(payload))),
            (Kind::KV_PUT | Kind::KV_DELETE, _) => Err(unreadable),
            _ if !kind.is_known() => Err(unreadable),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: Kind, version: u8, payload: &[u8]) -> Result<Option<Change>, UnreadableChange> {
        Change::read(Lsn(5), kind, version, Bytes::copy_from_slice(payload))
    }

    #[test]
    fn changes_come_back_as_written() {
        let mut payload = Vec::new();
        for (key, value) in [
            (&b"key"[..], &b"value"[..]),
            (b"", b""),
            (b"k", b""),
            (b"", b"v"),
        ] {
            let record = Change::put(&mut payload, key, value);
            let put = Change::Put(Pair::new(key, value));
            assert_eq!(
                read(record.kind, record.version, record.payload),
                Ok(Some(put))
            );
        }
        let delete = Change::Delete(Bytes::from_static(b"key"));
        assert_eq!(read(Kind::KV_DELETE, 1, b"key"), Ok(Some(delete)));
    }

    #[test]
    fn a_record_of_another_type_is_somebody_elses() {
        assert_eq!(read(Kind(0x40), 1, b"event"), Ok(None));
        assert!(read(Kind(0x30), 1, b"of a newer engine").is_err());
    }

    #[test]
    fn a_change_that_cannot_be_read_is_an_error() {
        let error = |kind: Kind, version| UnreadableChange {
            lsn: Lsn(5),
            kind: kind.0,
            version,
        };
        assert_eq!(read(Kind::KV_PUT, 1, b"abc"), Err(error(Kind::KV_PUT, 1)));
        assert_eq!(
            read(Kind::KV_PUT, 1, &[9, 0, 0, 0, 1]),
            Err(error(Kind::KV_PUT, 1))
        );
        assert_eq!(read(Kind::KV_PUT, 2, &[0; 8]), Err(error(Kind::KV_PUT, 2)));
        assert_eq!(
            read(Kind::KV_DELETE, 2, b"key"),
            Err(error(Kind::KV_DELETE, 2))
        );
    }
}
