//! A change to a keyspace ⇄ a record of the log; `FORMAT.md` §3.

use crate::fields::{u32_at, u64_at};
use crate::frame::{Kind, Record};
use crate::map::Item;
use crate::wal::Lsn;

/// The version of these payloads.
const VERSION: u8 = 2;

/// The version that knew one store and no expiry.
const ONE_STORE: u8 = 1;

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

/// Reads a record of the types of puts and deletions. Records of version 1 belong to keyspace
/// `default`.
pub(super) fn read(
    lsn: Lsn,
    kind: Kind,
    version: u8,
    payload: &[u8],
    default: u32,
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
        (Kind::KV_PUT, ONE_STORE) => {
            let (head, pair) = payload.split_at_checked(4).ok_or(SHORT)?;
            put_item(lsn, default, 0, u32_at(head, 0), pair)
        }
        (Kind::KV_DELETE, ONE_STORE) => Ok(Change {
            keyspace: default,
            item: Item::tombstone(lsn, payload),
        }),
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

    const DEFAULT: u32 = 1;

    fn read_as(kind: Kind, version: u8, payload: &[u8]) -> Result<Change, &'static str> {
        read(Lsn(5), kind, version, payload, DEFAULT)
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
    fn changes_of_a_store_without_keyspaces_belong_to_the_default_one() {
        let put = read_as(Kind::KV_PUT, 1, b"\x03\0\0\0keyvalue").unwrap();
        assert_eq!((put.keyspace, put.item.value()), (DEFAULT, &b"value"[..]));
        let delete = read_as(Kind::KV_DELETE, 1, b"key").unwrap();
        assert_eq!((delete.keyspace, delete.item.key()), (DEFAULT, &b"key"[..]));
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
        assert!(read_as(Kind::KV_PUT, 1, b"\xff\xff\xff\xffkey").is_err());
        assert!(read_as(Kind::KV_PUT, 3, &good).is_err());
        assert!(read_as(Kind(0x20), VERSION, &good).is_err());
    }
}
