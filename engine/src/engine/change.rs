//! A change to a keyspace ⇄ a record of the log; `FORMAT.md` §3.

use crate::fields::{u32_at, u64_at};
use crate::frame::{Kind, Record};
use crate::map::Item;
use crate::wal::Lsn;

/// The version of these payloads.
const VERSION: u8 = 2;

/// The bytes of a put before its key.
pub(super) const PUT_HEAD: usize = 16;

/// The bytes of a deletion before its key.
const DELETE_HEAD: usize = 4;

/// A change, and the number of its keyspace.
pub(super) struct Change {
    pub keyspace: u32,
    pub item: Item,
}

/// Appends the payload of a put to `payload`.
pub(super) fn put(payload: &mut Vec<u8>, keyspace: u32, expires_us: u64, key: &[u8], value: &[u8]) {
    payload.reserve(PUT_HEAD + key.len() + value.len());
    let key_len = u32::try_from(key.len()).unwrap_or(u32::MAX);
    payload.extend_from_slice(&keyspace.to_le_bytes());
    payload.extend_from_slice(&expires_us.to_le_bytes());
    payload.extend_from_slice(&key_len.to_le_bytes());
    payload.extend_from_slice(key);
    payload.extend_from_slice(value);
}

/// Appends the payload of a deletion to `payload`.
pub(super) fn delete(payload: &mut Vec<u8>, keyspace: u32, key: &[u8]) {
    payload.extend_from_slice(&keyspace.to_le_bytes());
    payload.extend_from_slice(key);
}

/// The record of a payload.
pub(super) fn record(kind: Kind, payload: &[u8]) -> Record<'_> {
    let version = VERSION;
    Record {
        kind,
        version,
        payload,
    }
}

/// Reads a record of the types of puts and deletions.
pub(super) fn read(
    lsn: Lsn,
    kind: Kind,
    version: u8,
    payload: &[u8],
) -> Result<Change, &'static str> {
    const SHORT: &str = "its payload is too short";
    match (kind, version) {
        (Kind::KV_PUT, VERSION) => {
            let (head, pair) = payload.split_at_checked(PUT_HEAD).ok_or(SHORT)?;
            let (expires_us, key_len) = (u64_at(head, 4), u32_at(head, 12));
            let keyspace = u32_at(head, 0);
            put_item(lsn, keyspace, expires_us, key_len, pair)
        }
        (Kind::KV_DELETE, VERSION) => {
            let (head, key) = payload.split_at_checked(DELETE_HEAD).ok_or(SHORT)?;
            Ok(Change {
                keyspace: u32_at(head, 0),
                item: Item::tombstone(lsn, key),
            })
        }
        _ => Err("its version is unknown to this engine"),
    }
}

fn put_item(
    lsn: Lsn,
    keyspace: u32,
    expires_us: u64,
    key_len: u32,
    pair: &[u8],
) -> Result<Change, &'static str> {
    if key_len as usize > pair.len() {
        return Err("its key is longer than its payload");
    }
    Ok(Change {
        keyspace,
        item: Item::new(lsn, expires_us, key_len, pair),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_as(kind: Kind, version: u8, payload: &[u8]) -> Result<Change, &'static str> {
        read(Lsn(5), kind, version, payload)
    }

    #[test]
    fn changes_come_back_as_written() {
        let mut payload = Vec::new();
        put(&mut payload, 7, 9, b"key", b"value");
        let change = read_as(Kind::KV_PUT, VERSION, &payload).unwrap();
        let item = change.item;
        assert_eq!(
            (change.keyspace, item.version(), item.expires_us()),
            (7, Lsn(5), 9)
        );
        assert_eq!((item.key(), item.value()), (&b"key"[..], &b"value"[..]));
        payload.clear();
        delete(&mut payload, 8, b"key");
        let change = read_as(Kind::KV_DELETE, VERSION, &payload).unwrap();
        assert_eq!((change.keyspace, change.item.key()), (8, &b"key"[..]));
        assert!(change.item.is_tombstone());
    }

    #[test]
    fn a_change_that_cannot_be_read_is_an_error() {
        let mut good = Vec::new();
        put(&mut good, 7, 9, b"key", b"");
        for len in 0..good.len() {
            assert!(
                read_as(Kind::KV_PUT, VERSION, &good[..len]).is_err(),
                "cut to {len}"
            );
        }
        for len in 0..DELETE_HEAD {
            assert!(read_as(Kind::KV_DELETE, VERSION, &good[..len]).is_err());
        }
        let mut long = good.clone();
        long[12..16].copy_from_slice(&4_u32.to_le_bytes());
        assert!(
            read_as(Kind::KV_PUT, VERSION, &long).is_err(),
            "a key longer than what is there"
        );
        for version in [0, 1, 3] {
            assert!(read_as(Kind::KV_PUT, version, &good).is_err());
            assert!(read_as(Kind::KV_DELETE, version, &good).is_err());
        }
        assert!(read_as(Kind(0x20), VERSION, &good).is_err());
    }
}
