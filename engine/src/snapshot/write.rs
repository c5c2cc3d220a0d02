//! Writing a snapshot piece by piece: no more memory than a buffer, and the heads.
//!
//! ```text
//! │ header │ origin │ section │ count, heads │ key value key value … │ crc │
//! └────────────── written last ───────────────┘└── first, buffer by buffer
//! ```
//!
//! How long the heads are is known before the first row, so heads and bytes are gathered in one pass. The checksum of the whole is put together from those of the two parts.
//!
//! In the order of their keys, rows lie all over the memory, and each is a wait for it. So they
//! are touched a group at a time before they are copied: the waits of a group go on at once.

use std::hint::black_box;
use std::io;

use super::file::{
    HEADER_BYTES, Meta, ORIGIN_SECTION_BYTES, SECTION_BYTES, header, origin_section, section_head,
};
use crate::vfs::VfsFile;

/// How many bytes are written at once.
const BUFFER_BYTES: usize = 1 << 20;

/// How many rows are touched before they are copied: enough waits for the processor to go on with,
/// few enough for the nearest cache to hold what they brought.
const GROUP: usize = 128;

/// What callers that break their word get.
pub(super) const INVALID: io::ErrorKind = io::ErrorKind::InvalidData;

/// The bytes before the section of rows.
const BEFORE_BYTES: usize = HEADER_BYTES + ORIGIN_SECTION_BYTES;

/// Writes the snapshot of `count` rows as its one section of the type `kind`: the count, a head of
/// each, and then the bytes of each. Says how long it is. A file that was longer keeps its tail.
///
/// # Errors
/// What the system says, or [`io::ErrorKind::InvalidData`] where there are not as many rows as was
/// said.
pub(super) fn write_section<'a, F: VfsFile, T, const HEAD: usize>(
    file: &F,
    meta: &Meta,
    kind: u8,
    count: usize,
    mut rows: impl Iterator<Item = T>,
    head_of: impl Fn(&T) -> io::Result<[u8; HEAD]>,
    bytes_of: impl Fn(&T) -> &'a [u8],
) -> io::Result<u64> {
    let body_at = BEFORE_BYTES + SECTION_BYTES + 8 + count * HEAD;
    let mut out = Body {
        file,
        at: body_at as u64,
        buffer: Vec::with_capacity(BUFFER_BYTES),
        crc: crc32fast::Hasher::new(),
    };
    let mut head = Vec::with_capacity(body_at);
    head.resize(body_at - count * HEAD, 0);
    let mut group: Vec<T> = Vec::with_capacity(GROUP);
    loop {
        group.extend(rows.by_ref().take(GROUP));
        if group.is_empty() {
            break;
        }
        for row in &group {
            head.extend_from_slice(&head_of(row)?);
            black_box(bytes_of(row).first().copied());
        }
        for row in group.drain(..) {
            out.push(bytes_of(&row))?;
        }
    }
    if head.len() != body_at {
        return Err(INVALID.into());
    }
    out.flush()?;
    let section_len = out.at - (BEFORE_BYTES + SECTION_BYTES) as u64;
    let (first, rest) = head.split_at_mut(BEFORE_BYTES);
    first[..HEADER_BYTES].copy_from_slice(&header(meta, 2));
    first[HEADER_BYTES..].copy_from_slice(&origin_section(meta));
    rest[..SECTION_BYTES].copy_from_slice(&section_head(kind, section_len));
    rest[SECTION_BYTES..][..8].copy_from_slice(&(count as u64).to_le_bytes());
    let mut crc = crc32fast::Hasher::new();
    crc.update(&head);
    crc.combine(&out.crc);
    file.write_at(&crc.finalize().to_le_bytes(), out.at)?;
    file.write_at(&head, 0)?;
    Ok(out.at + 4)
}

/// The keys and values on their way to the file.
struct Body<'a, F> {
    file: &'a F,
    at: u64,
    buffer: Vec<u8>,
    crc: crc32fast::Hasher,
}

impl<F: VfsFile> Body<'_, F> {
    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        if bytes.len() > BUFFER_BYTES {
            return self.write(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let written = self.write(&buffer);
        buffer.clear();
        self.buffer = buffer;
        written
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.crc.update(bytes);
        self.file.write_at(bytes, self.at)?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::file::read;
    use super::super::rows::{ROWS, Row, Rows, write_rows};
    use super::*;
    use crate::vfs::{Memory, Vfs};
    use crate::wal::{Lsn, Origin};

    const META: Meta = Meta {
        taken_us: 5,
        lsn: Lsn(70),
        changes: 90,
        origin: Origin {
            log_id: 1,
            epoch: 2,
            segment: 3,
            salt: 4,
            offset: 5,
            chain: 6,
        },
    };

    #[test]
    fn what_is_written_in_pieces_is_one_good_snapshot() {
        let large = vec![7; BUFFER_BYTES + 1];
        let half = vec![8; BUFFER_BYTES / 2];
        let all: [&[u8]; 6] = [b"", &half, b"small", &large, &half, &half];
        let rows = (0..).zip(all).map(|(version, bytes)| Row {
            keyspace: 1,
            version: Lsn(version),
            expires_us: 0,
            key: &bytes[..bytes.len().min(3)],
            bytes,
        });
        let rows: Vec<_> = rows.collect();
        let vfs = Memory::default();
        let path = Path::new("snapshot");
        let file = vfs.create(path).unwrap();
        let len = write_rows(&file, &META, rows.iter().copied()).unwrap();
        let bytes = vfs.read(path).unwrap();
        assert_eq!(bytes.len() as u64, len);
        let loaded = read(&bytes.into()).unwrap();
        assert_eq!(loaded.meta, META);
        let found = Rows::load(loaded.section(ROWS).unwrap()).unwrap();
        assert!(found.eq(rows));
    }

    #[test]
    fn another_number_of_rows_than_was_said_is_refused() {
        let vfs = Memory::default();
        let file = vfs.create(Path::new("snapshot")).unwrap();
        for count in [0, 2] {
            let one = std::iter::once(&b"row"[..]);
            let head = |_: &&[u8]| Ok([0; 8]);
            let written = write_section(&file, &META, ROWS, count, one, head, |row| row);
            assert_eq!(written.unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }
}
