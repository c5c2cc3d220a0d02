//! Reading records back, in order.
//!
//! Sealed segments are mapped, and an entry's payload is a slice of the mapping: nothing is
//! copied, and the mapping lives as long as any payload of it does. What has been written to the
//! active segment is read into memory once.
//!
//! Checksums were verified when the log was opened, or computed by this process when it wrote
//! the segment; they are not computed again.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::error::{Corruption, ReadError, Rot};
use super::log::Wal;
use super::lsn::Lsn;
use super::segment::{HEADER_BYTES, Header, segment_path};
use super::tape::Progress;
use super::walk::Stop;
use crate::frame::{self, BatchItems, Kind, Next};
use crate::vfs::{Doing, Monitor, Vfs, VfsFile};

/// A record read from the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub lsn: Lsn,
    /// What it says.
    pub kind: Kind,
    /// The version of its payload.
    pub version: u8,
    /// Its content: a slice of the segment, not a copy.
    pub payload: Bytes,
}

/// The records of a log that were written when the iteration began.
#[derive(Debug)]
pub struct Entries<V: Vfs> {
    vfs: V,
    sources: VecDeque<Source>,
    cursor: Option<Cursor>,
    from: u64,
}

/// A segment still to be read.
#[derive(Debug)]
struct Source {
    path: PathBuf,
    header: Header,
    /// For the active segment: where its written bytes end.
    written: Option<u64>,
    /// Keeps the segment's file from being used again.
    pin: Arc<()>,
}

/// A mapping that keeps its file from being used again.
struct Pinned {
    bytes: Bytes,
    _pin: Arc<()>,
}

impl AsRef<[u8]> for Pinned {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<V: Vfs> Wal<V> {
    /// All records that have been written.
    #[must_use]
    pub fn entries(&self) -> Entries<V> {
        let first = self.first_lsn();
        self.entries_at(first)
    }

    /// The LSN with which the log begins.
    #[must_use]
    pub fn first_lsn(&self) -> Lsn {
        let state = self.shared.state.lock();
        let first = state
            .sealed
            .first()
            .map_or(state.progress.header, |sealed| sealed.header);
        Lsn(first.base_lsn)
    }

    /// The written records from `lsn` on.
    ///
    /// # Errors
    /// [`ReadError::Truncated`] where the log no longer reaches back that far.
    pub fn entries_from(&self, lsn: Lsn) -> Result<Entries<V>, ReadError> {
        let first = self.first_lsn();
        if lsn < first {
            return Err(ReadError::Truncated { lsn, first });
        }
        Ok(self.entries_at(lsn))
    }

    fn entries_at(&self, lsn: Lsn) -> Entries<V> {
        let shared = &self.shared;
        let state = shared.state.lock();
        let source = |header: Header, written, pin: &Arc<()>| {
            let path = segment_path(&shared.dir, header.base_lsn);
            Source {
                path,
                header,
                written,
                pin: Arc::clone(pin),
            }
        };
        let sealed = state.sealed.iter().filter(|sealed| sealed.end_lsn > lsn.0);
        let sealed = sealed.map(|sealed| source(sealed.header, None, &sealed.pin));
        let mut sources: VecDeque<_> = sealed.collect();
        let Progress { header, offset, .. } = state.progress;
        if offset > HEADER_BYTES as u64 {
            sources.push_back(source(header, Some(offset), &state.active_pin));
        }
        Entries {
            vfs: shared.vfs.clone(),
            sources,
            cursor: None,
            from: lsn.0,
        }
    }
}

impl<V: Vfs> Entries<V> {
    fn open(&self, source: &Source) -> Result<Cursor, ReadError> {
        let Source {
            path,
            header,
            written,
            pin,
        } = source;
        let bytes = match written {
            None => {
                let bytes = self.vfs.map(path).doing("map", path)?;
                Bytes::from_owner(Pinned {
                    bytes,
                    _pin: Arc::clone(pin),
                })
            }
            Some(written) => self.read_prefix(path, *written)?,
        };
        Ok(Cursor {
            path: path.clone(),
            bytes,
            at: HEADER_BYTES,
            batch: None,
            lsn: header.base_lsn,
        })
    }

    fn read_prefix(&self, path: &Path, len: u64) -> Result<Bytes, ReadError> {
        let file = self.vfs.open(path).doing("open", path)?;
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        let mut at = 0;
        while at < bytes.len() {
            let read = file
                .read_at(&mut bytes[at..], at as u64)
                .doing("read", path)?;
            if read == 0 {
                bytes.truncate(at);
            }
            at += read;
        }
        Ok(bytes.into())
    }

    fn advance(&mut self) -> Result<Option<Entry>, ReadError> {
        loop {
            if let Some(cursor) = &mut self.cursor {
                match cursor.next()? {
                    Some(entry) if entry.lsn.0 < self.from => continue,
                    Some(entry) => return Ok(Some(entry)),
                    None => self.cursor = None,
                }
            }
            let Some(source) = self.sources.pop_front() else {
                return Ok(None);
            };
            self.cursor = Some(self.open(&source)?);
        }
    }
}

impl<V: Vfs> Iterator for Entries<V> {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.advance().transpose();
        if matches!(item, Some(Err(_))) {
            self.cursor = None;
            self.sources.clear();
        }
        item
    }
}

/// A place in a segment.
#[derive(Debug)]
struct Cursor {
    path: PathBuf,
    bytes: Bytes,
    /// The next frame.
    at: usize,
    /// Within a batch: where its next item begins, where it ends, and how many are left.
    batch: Option<(usize, usize, u32)>,
    lsn: u64,
}

impl Cursor {
    fn next(&mut self) -> Result<Option<Entry>, ReadError> {
        loop {
            if let Some(entry) = self.next_item()? {
                return Ok(Some(entry));
            }
            let frame = match frame::split(&self.bytes[self.at..]) {
                Next::Frame(frame) => frame,
                Next::End => return Ok(None),
                Next::Damaged(damage) => return Err(self.rot(Stop::Damaged(damage))),
            };
            let start = self.at + frame::HEAD;
            self.at += frame.size;
            match frame.record.kind {
                Kind::SEGMENT_END => return Ok(None),
                Kind::BATCH => {
                    let Some(items) = BatchItems::new(frame.record.payload) else {
                        return Err(self.rot(Stop::Malformed("the batch is too short")));
                    };
                    let end = start + frame.record.payload.len();
                    self.batch = Some((start + 4, end, items.left()));
                }
                kind if kind.is_reserved() => {}
                kind => {
                    let payload = self.bytes.slice(start..start + frame.record.payload.len());
                    return Ok(Some(self.entry(kind, frame.record.version, payload)));
                }
            }
        }
    }

    fn next_item(&mut self) -> Result<Option<Entry>, ReadError> {
        let Some((start, end, left)) = self.batch else {
            return Ok(None);
        };
        let mut items = BatchItems::resume(&self.bytes[start..end], left);
        let record = match items.next() {
            None => {
                self.batch = None;
                return Ok(None);
            }
            Some(Some(record)) => record,
            Some(None) => {
                return Err(self.rot(Stop::Malformed("an item does not fit its batch")));
            }
        };
        let next = start + frame::ITEM_HEAD + record.payload.len();
        let payload = self.bytes.slice(next - record.payload.len()..next);
        let (kind, version) = (record.kind, record.version);
        self.batch = Some((next, end, left - 1));
        Ok(Some(self.entry(kind, version, payload)))
    }

    fn entry(&mut self, kind: Kind, version: u8, payload: Bytes) -> Entry {
        let lsn = Lsn(self.lsn);
        self.lsn += 1;
        Entry {
            lsn,
            kind,
            version,
            payload,
        }
    }

    fn rot(&self, stop: Stop) -> ReadError {
        let offset = self.at as u64;
        ReadError::Corrupt(Corruption {
            path: self.path.clone(),
            offset,
            reason: Rot::Frame(stop),
        })
    }
}
