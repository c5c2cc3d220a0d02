//! The section of an engine's snapshot: rows of all keyspaces, sorted by keyspace and key.
//!
//! ```text
//! │ count u64 │ key_len u32, value_len u32, keyspace u32, version u64, expires u64 │ … │ key value │ … │
//! ```

use std::io;

use bytes::Bytes;

use super::file::{BadSnapshot, Meta};
use super::write::{INVALID, write_section};
use crate::fields::{u32_at, u64_at};
use crate::vfs::VfsFile;
use crate::wal::Lsn;

/// The type of the section.
pub const ROWS: u8 = 3;

/// What is said of each row before the first key.
const HEAD: usize = 28;

/// A key of a keyspace, its value, and what is known of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// The number of the keyspace.
    pub keyspace: u32,
    /// The LSN of the record that gave the key its value.
    pub version: Lsn,
    /// When it expires, in microseconds since the Unix epoch; 0 where it does not.
    pub expires_us: u64,
    /// The key.
    pub key: &'a [u8],
    /// The key and the value, one after the other.
    pub bytes: &'a [u8],
}

/// Writes the snapshot of `rows`, and says how long it is. A file that was longer keeps its tail.
///
/// # Errors
/// What the system says, or [`io::ErrorKind::InvalidData`] where a key or value is too long.
pub fn write_rows<'a, F: VfsFile>(
    file: &F,
    meta: &Meta,
    rows: impl ExactSizeIterator<Item = Row<'a>>,
) -> io::Result<u64> {
    let head = |row: &Row<'a>| {
        let value_len = row.bytes.len().checked_sub(row.key.len()).ok_or(INVALID)?;
        let len = |len: usize| u32::try_from(len).map_err(|_| INVALID);
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(&len(row.key.len())?.to_le_bytes());
        head[4..8].copy_from_slice(&len(value_len)?.to_le_bytes());
        head[8..12].copy_from_slice(&row.keyspace.to_le_bytes());
        head[12..20].copy_from_slice(&row.version.0.to_le_bytes());
        head[20..].copy_from_slice(&row.expires_us.to_le_bytes());
        Ok(head)
    };
    write_section(file, meta, ROWS, rows.len(), rows, head, |row| row.bytes)
}

/// The rows of a section's payload, in their order.
#[derive(Debug)]
pub struct Rows<'a> {
    heads: std::slice::ChunksExact<'a, u8>,
    bytes: &'a [u8],
}

impl<'a> Rows<'a> {
    /// Reads the heads. Lengths that do not add up are refused before the first row.
    ///
    /// # Errors
    /// [`BadSnapshot::Section`] where they do not.
    pub fn load(payload: &'a Bytes) -> Result<Self, BadSnapshot> {
        let bad = BadSnapshot::Section(ROWS);
        let (count, rest) = payload.split_first_chunk::<8>().ok_or(bad)?;
        let count = usize::try_from(u64::from_le_bytes(*count)).map_err(|_| bad)?;
        let heads_len = count.checked_mul(HEAD).ok_or(bad)?;
        let (heads, bytes) = rest.split_at_checked(heads_len).ok_or(bad)?;
        let len = |head: &[u8]| u64::from(u32_at(head, 0)) + u64::from(u32_at(head, 4));
        let total = heads.chunks_exact(HEAD).map(len).sum::<u64>();
        if total != bytes.len() as u64 {
            return Err(bad);
        }
        let heads = heads.chunks_exact(HEAD);
        Ok(Self { heads, bytes })
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = Row<'a>;

    fn next(&mut self) -> Option<Row<'a>> {
        let head = self.heads.next()?;
        let (key_len, value_len) = (u32_at(head, 0) as usize, u32_at(head, 4) as usize);
        let (bytes, rest) = self.bytes.split_at_checked(key_len + value_len)?;
        self.bytes = rest;
        Some(Row {
            keyspace: u32_at(head, 8),
            version: Lsn(u64_at(head, 12)),
            expires_us: u64_at(head, 20),
            key: &bytes[..key_len],
            bytes,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.heads.size_hint()
    }
}

impl ExactSizeIterator for Rows<'_> {}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::file::read;
    use super::*;
    use crate::vfs::{Memory, Vfs};
    use crate::wal::Origin;

    fn some_rows() -> Vec<Row<'static>> {
        let row = |keyspace, version, expires_us, key: &'static str, bytes: &'static str| Row {
            keyspace,
            version: Lsn(version),
            expires_us,
            key: key.as_bytes(),
            bytes: bytes.as_bytes(),
        };
        vec![
            row(0, 5, 0, "a", "a"),
            row(1, 0, 9, "key", "keyvalue"),
            row(1, u64::MAX, u64::MAX, "l", "lvalue"),
        ]
    }

    fn section() -> Bytes {
        let vfs = Memory::default();
        let path = Path::new("snapshot");
        let meta = Meta {
            taken_us: 1,
            lsn: Lsn(2),
            changes: 3,
            origin: Origin::default(),
        };
        let file = vfs.create(path).unwrap();
        write_rows(&file, &meta, some_rows().into_iter()).unwrap();
        let loaded = read(&vfs.read(path).unwrap().into()).unwrap();
        loaded.section(ROWS).unwrap().clone()
    }

    #[test]
    fn rows_come_back_as_written() {
        assert!(Rows::load(&section()).unwrap().eq(some_rows()));
    }

    #[test]
    fn lengths_that_do_not_add_up_are_refused() {
        let good = section();
        for len in 0..good.len() {
            assert!(Rows::load(&good.slice(..len)).is_err(), "cut to {len}");
        }
        for count in [0, 2, 4, u64::MAX, u64::MAX / 28 + 1] {
            let bad = [&count.to_le_bytes()[..], &good[8..]].concat();
            assert!(Rows::load(&bad.into()).is_err(), "{count} rows");
        }
    }
}
