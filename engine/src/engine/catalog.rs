//! What an engine keeps about itself, in a keyspace of its own: names of keyspaces, holders of the
//! log.
//!
//! | key | value |
//! |---|---|
//! | `keyspace/` and a name | type u8, number u32 |
//! | `holder/` and a name | the first LSN that is still needed, u64; a byte 1 after it where opening needs none of it |
//! | `view/` and a name | what a view saved; in snapshots alone |

use std::fmt;

use crate::map::Item;
use crate::wal::Lsn;

/// The number of the system's keyspace.
pub(super) const SYSTEM: u32 = 0;

/// The number of the keyspace that is always there.
pub(super) const DEFAULT: u32 = 1;

/// The name of the keyspace that is always there.
pub const DEFAULT_KEYSPACE: &str = "default";

/// The first number for others.
pub(super) const FIRST: u32 = 2;

/// What keys of keyspaces begin with.
pub(super) const KEYSPACE: &[u8] = b"keyspace/";

/// What keys of holders begin with.
pub(super) const HOLDER: &[u8] = b"holder/";

/// What keys of saved views begin with.
pub(super) const VIEW: &[u8] = b"view/";

/// What a keyspace holds. One of another type is not opened by mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum KeyspaceType {
    /// Keys and values.
    Values = 1,
    /// Typed records, of a memtable.
    Records = 2,
    /// What streams note.
    Streams = 3,
    /// What runs and traces note.
    Runs = 4,
}

impl KeyspaceType {
    fn of(byte: u8) -> Option<Self> {
        let all = [Self::Values, Self::Records, Self::Streams, Self::Runs];
        all.into_iter().find(|kind| *kind as u8 == byte)
    }
}

impl fmt::Display for KeyspaceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Values => "values",
            Self::Records => "records",
            Self::Streams => "streams",
            Self::Runs => "runs",
        })
    }
}

/// The key and the value that say that there is a keyspace.
pub(super) fn keyspace(id: u32, name: &str, kind: KeyspaceType) -> (Vec<u8>, Vec<u8>) {
    let value = [&[kind as u8][..], &id.to_le_bytes()].concat();
    ([KEYSPACE, name.as_bytes()].concat(), value)
}

/// The number, the name and the type of a keyspace.
pub(super) fn read_keyspace(item: &Item) -> Option<(u32, String, KeyspaceType)> {
    let name = std::str::from_utf8(item.key().strip_prefix(KEYSPACE)?).ok()?;
    let (kind, id) = item.value().split_first()?;
    let id = u32::from_le_bytes(id.try_into().ok()?);
    Some((id, name.to_owned(), KeyspaceType::of(*kind)?))
}

/// What the value of a holder ends with that reads the log only when it is asked.
pub(super) const LAZY: u8 = 1;

/// The LSN of a holder; `None` of one that let go.
pub(super) fn read_holder(item: &Item) -> Option<Lsn> {
    let (lsn, rest) = item.value().split_first_chunk()?;
    matches!(rest, [] | [LAZY]).then_some(Lsn(u64::from_le_bytes(*lsn)))
}
