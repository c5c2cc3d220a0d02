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

use bytes::Bytes;

use super::error::{Corruption, CorruptionKind, ReadError};
use super::index::Index;
use super::log::{State, Wal};
use super::lsn::Lsn;
use super::pin::Pin;
use super::segment::{HEADER_BYTES, Header, index_path, segment_path};
use super::segment_scanner::Stop;
use super::segment_writer::{Progress, SealedSegment};
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
    /// The LSN after the last record that was written when the iteration began.
    end: u64,
    /// After the last segment that was read to its end.
    place: Option<Place>,
}

/// A place between two frames.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// The segment, by its base LSN.
    segment: u64,
    /// Where in its file.
    offset: u64,
    /// The LSN of the next record.
    lsn: u64,
}

/// A segment still to be read.
#[derive(Debug)]
struct Source {
    path: PathBuf,
    /// Where to begin.
    place: Place,
    extent: Extent,
}

#[derive(Debug)]
enum Extent {
    /// All of it.
    Sealed(SealedSegment),
    /// What was written of the active segment; the pin keeps its file from being used again.
    Active { written: u64, _pin: Pin },
}

/// A mapping that keeps its file from being used again.
struct Pinned {
    bytes: Bytes,
    _pin: Pin,
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
        self.entries_at(Lsn(0), None)
    }

    /// The LSN with which the log begins.
    #[must_use]
    pub fn first_lsn(&self) -> Lsn {
        first_lsn(&self.shared.state.lock())
    }

    /// The written records from `lsn` on.
    ///
    /// # Errors
    /// [`ReadError::Truncated`] where the log no longer reaches back that far.
    pub fn entries_from(&self, lsn: Lsn) -> Result<Entries<V>, ReadError> {
        let entries = self.entries_at(lsn, None);
        let first = entries.first_lsn().unwrap_or_else(|| self.first_lsn());
        if lsn < first {
            Err(ReadError::Truncated { lsn, first })
        } else {
            Ok(entries)
        }
    }

    /// The written record `lsn`, where there is one.
    ///
    /// # Errors
    /// [`ReadError`] where it cannot be read.
    pub fn read(&self, lsn: Lsn) -> Result<Option<Entry>, ReadError> {
        self.entries_from(lsn)?.next().transpose()
    }

    /// The records from `lsn` on, those included that are yet to be written.
    ///
    /// # Errors
    /// [`ReadError::Truncated`] where the log no longer reaches back that far.
    pub fn tail(&self, lsn: Lsn) -> Result<Tail<V>, ReadError> {
        let entries = self.entries_from(lsn)?;
        Ok(Tail {
            wal: self.clone(),
            entries,
            next: lsn,
        })
    }

    fn entries_at(&self, lsn: Lsn, resume: Option<Place>) -> Entries<V> {
        let shared = &self.shared;
        let state = shared.state.lock();
        let source = |header: &Header, extent| {
            let segment = header.base_lsn;
            let start = Place {
                segment,
                offset: HEADER_BYTES as u64,
                lsn: segment,
            };
            let place = resume
                .filter(|place| place.segment == segment)
                .unwrap_or(start);
            Source {
                path: segment_path(&shared.dir, header.number),
                place,
                extent,
            }
        };
        let sealed = state.sealed.iter().filter(|sealed| sealed.end_lsn > lsn.0);
        let sealed = sealed.map(|sealed| source(&sealed.header, Extent::Sealed(sealed.clone())));
        let mut sources: VecDeque<_> = sealed.collect();
        let Progress {
            header,
            offset: written,
            written: end,
            ..
        } = state.progress;
        if written > HEADER_BYTES as u64 {
            let extent = Extent::Active {
                written,
                _pin: state.active_pin.clone(),
            };
            sources.push_back(source(&header, extent));
        }
        Entries {
            vfs: shared.vfs.clone(),
            sources,
            cursor: None,
            from: lsn.0,
            end,
            place: None,
        }
    }
}

fn first_lsn<V: Vfs>(state: &State<V>) -> Lsn {
    let first = state
        .sealed
        .first()
        .map_or(state.progress.header, |sealed| sealed.header);
    Lsn(first.base_lsn)
}

/// The records of a log, as they are written. See [`Wal::tail`].
#[derive(Debug)]
pub struct Tail<V: Vfs> {
    wal: Wal<V>,
    entries: Entries<V>,
    next: Lsn,
}

impl<V: Vfs> Tail<V> {
    /// The next record; `None` where it is not written yet, which may change.
    ///
    /// A tail holds on to the segment it reads. It misses nothing: where the log was truncated
    /// faster than it was read, that is an error.
    ///
    /// # Errors
    /// [`ReadError`] where the record cannot be read.
    pub fn poll(&mut self) -> Result<Option<Entry>, ReadError> {
        loop {
            if let Some(entry) = self.entries.next().transpose()? {
                self.next = Lsn(entry.lsn.0 + 1);
                return Ok(Some(entry));
            }
            if self.wal.watermarks().written <= self.next {
                return Ok(None);
            }
            let further = self.wal.entries_at(self.next, self.entries.place);
            if let Some(first) = further.first_lsn().filter(|first| *first > self.next) {
                return Err(ReadError::Truncated {
                    lsn: self.next,
                    first,
                });
            }
            self.entries = further;
        }
    }
}

impl<V: Vfs> Entries<V> {
    /// The base LSN of the first segment still to be read.
    fn first_lsn(&self) -> Option<Lsn> {
        self.sources.front().map(|source| Lsn(source.place.segment))
    }

    fn open(&self, source: Source) -> Result<Cursor, ReadError> {
        let Source {
            path,
            mut place,
            extent,
        } = source;
        let (bytes, origin) = match extent {
            Extent::Sealed(sealed) => {
                let bytes = self.vfs.map(&path).doing("map", &path)?;
                let inside = place.offset == HEADER_BYTES as u64 && self.from > place.lsn;
                if inside {
                    let (lsn, offset) = self.index(&path, &bytes, &sealed).seek(self.from);
                    place = Place {
                        lsn,
                        offset: offset as u64,
                        ..place
                    };
                }
                (
                    Bytes::from_owner(Pinned {
                        bytes,
                        _pin: sealed.pin,
                    }),
                    0,
                )
            }
            Extent::Active { written, .. } => (
                self.read_active(&path, place.offset, written)?,
                place.offset,
            ),
        };
        let at = usize::try_from(place.offset - origin).unwrap_or(usize::MAX);
        let lsn = place.lsn;
        Ok(Cursor {
            path,
            segment: place.segment,
            origin,
            bytes,
            at,
            batch: None,
            lsn,
        })
    }

    /// The index of a sealed segment, built and left behind where there was none.
    fn index(&self, path: &Path, segment: &[u8], sealed: &SealedSegment) -> Index {
        let path = index_path(path);
        let found = self.vfs.map(&path).ok();
        if let Some(index) = found.and_then(|bytes| Index::decode(&bytes, sealed, segment.len())) {
            return index;
        }
        let index = Index::build(segment, sealed);
        // It is derived: that it cannot be written costs the next seek some time, and no more. It
        // is renamed into place, because somebody may have the bad one mapped.
        let draft = path.with_extension("idx.tmp");
        let written = self
            .vfs
            .create(&draft)
            .and_then(|file| file.write_at(&index.encode(), 0));
        let _ = written.and_then(|()| self.vfs.rename(&draft, &path));
        index
    }

    fn read_active(&self, path: &Path, from: u64, to: u64) -> Result<Bytes, ReadError> {
        let file = self.vfs.open(path).doing("open", path)?;
        let mut bytes = vec![0; usize::try_from(to - from).unwrap_or(usize::MAX)];
        let mut at = 0;
        while at < bytes.len() {
            match file
                .read_at(&mut bytes[at..], from + at as u64)
                .doing("read", path)?
            {
                0 => bytes.truncate(at),
                read => at += read,
            }
        }
        Ok(bytes.into())
    }

    fn advance(&mut self) -> Result<Option<Entry>, ReadError> {
        loop {
            if let Some(cursor) = &mut self.cursor {
                match cursor.next()? {
                    Some(entry) if entry.lsn.0 < self.from => continue,
                    Some(entry) => return Ok(Some(entry)),
                    None => {
                        self.place = Some(cursor.place());
                        self.cursor = None;
                    }
                }
            }
            let Some(source) = self.sources.pop_front() else {
                return Ok(None);
            };
            self.cursor = Some(self.open(source)?);
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

    /// No more than were written when the iteration began.
    fn size_hint(&self) -> (usize, Option<usize>) {
        let begin = self.cursor.as_ref().map(|cursor| cursor.lsn);
        let begin = begin.or_else(|| Some(self.sources.front()?.place.lsn));
        let begin = begin.unwrap_or(self.end).max(self.from);
        (0, usize::try_from(self.end.saturating_sub(begin)).ok())
    }
}

/// A place in a segment.
#[derive(Debug)]
struct Cursor {
    path: PathBuf,
    /// The segment, by its base LSN.
    segment: u64,
    /// Where in the file the bytes begin.
    origin: u64,
    bytes: Bytes,
    /// The next frame.
    at: usize,
    /// Within a batch: where its next item begins, where it ends, and how many are left.
    batch: Option<(usize, usize, u32)>,
    lsn: u64,
}

impl Cursor {
    fn place(&self) -> Place {
        let offset = self.origin + self.at as u64;
        Place {
            segment: self.segment,
            offset,
            lsn: self.lsn,
        }
    }

    fn next(&mut self) -> Result<Option<Entry>, ReadError> {
        loop {
            if let Some(entry) = self.next_item()? {
                return Ok(Some(entry));
            }
            let frame = match frame::split(&self.bytes[self.at..]) {
                Next::Frame(frame) => frame,
                Next::End => return Ok(None),
                Next::Damaged(damage) => return Err(self.corruption(Stop::Damaged(damage))),
            };
            let start = self.at + frame::HEAD;
            self.at += frame.size;
            match frame.record.kind {
                Kind::SEGMENT_END => return Ok(None),
                Kind::BATCH => {
                    let Some(items) = BatchItems::new(frame.record.payload) else {
                        return Err(self.corruption(Stop::Malformed("the batch is too short")));
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
                return Err(self.corruption(Stop::Malformed("an item does not fit its batch")));
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

    fn corruption(&self, stop: Stop) -> ReadError {
        let offset = self.origin + self.at as u64;
        ReadError::Corrupt(Corruption {
            path: self.path.clone(),
            offset,
            reason: CorruptionKind::Frame(stop),
        })
    }
}
