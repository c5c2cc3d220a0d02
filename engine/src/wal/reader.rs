//! Reading records back: one by its number, in order, or as they come.
//!
//! ```text
//! number ──► segment ──► points ──► stride ──┬── sealed: a slice of the mapping
//!            (binary searches, one lock)     └── active: one read of about 4 KiB
//! ```
//!
//! Sealed segments are mapped once, and an entry's payload is a slice of the mapping: nothing is
//! copied, and the mapping lives as long as any payload of it does. The active segment is read
//! through its open file, never further than it was written.
//!
//! Invariants:
//!
//! 1. A reader sees no record beyond its [`Watermark`]. By default, a record in
//!    [`Mode::Strict`](super::Mode::Strict) is seen once it is durable: before that, power loss
//!    could give its number to another.
//! 2. Whoever reads a segment holds its pin, the active one's too: without that, its file could be
//!    sealed, let go, and used again under the reader.
//!
//! Checksums were verified when the log was opened, or computed by this process when it wrote
//! the segment; they are not computed again. Of segments below the floor with which the log was
//! opened, the first reader verifies them.

use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::cursor::{Active, Broken, Cursor, Place, read_exactly};
use super::error::{Corruption, CorruptionKind, ReadError};
use super::log::{State, Wal};
use super::lsn::Lsn;
use super::pin::Pin;
use super::points::{Points, Stride};
use super::segment::{Header, segment_path};
use super::segment_scanner::Stop;
use super::segment_writer::SealedSegment;
use crate::frame::Kind;
use crate::vfs::{IoError, Monitor, Vfs};

/// A record read from the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub lsn: Lsn,
    /// What it says.
    pub kind: Kind,
    /// The version of its payload.
    pub version: u8,
    /// Its content: of a sealed segment a slice, not a copy.
    pub payload: Bytes,
}

/// Up to where readers see the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watermark {
    /// Records that survive the end of the process. After power loss, the number of one that was
    /// seen may belong to another.
    Written,
    /// Records that survive power loss.
    Durable,
}

/// The records of a log that could be seen when the iteration began.
pub struct Entries<V: Vfs> {
    vfs: V,
    dir: PathBuf,
    sources: VecDeque<Source<V>>,
    cursor: Option<Cursor<V::File>>,
    /// The LSN of the next record.
    from: u64,
    /// The LSN after the last record.
    end: u64,
    /// The LSN with which the log began.
    first: Lsn,
    /// After the last segment that was read to its end.
    place: Option<Place>,
}

/// A segment still to be read, and where to begin.
struct Source<V: Vfs> {
    place: Place,
    extent: Extent<V>,
}

enum Extent<V: Vfs> {
    Sealed(SealedSegment),
    Active(Active<V::File>),
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
    /// A handle to the same log whose readers see it up to `watermark`.
    #[must_use]
    pub fn up_to(&self, watermark: Watermark) -> Self {
        Self {
            watermark,
            ..self.clone()
        }
    }

    /// All records that can be seen.
    #[must_use]
    pub fn entries(&self) -> Entries<V> {
        self.entries_at(Lsn(0), None)
    }

    /// The LSN with which the log begins.
    #[must_use]
    pub fn first_lsn(&self) -> Lsn {
        first_lsn(&self.shared.state.lock())
    }

    /// The records from `lsn` on that can be seen.
    ///
    /// # Errors
    /// [`ReadError::Truncated`] where the log no longer reaches back that far.
    pub fn entries_from(&self, lsn: Lsn) -> Result<Entries<V>, ReadError> {
        self.entries_at(lsn, None).not_truncated()
    }

    /// The record `lsn`; `None` where it cannot be seen yet.
    ///
    /// # Errors
    /// [`ReadError`] where it cannot be read.
    pub fn read(&self, lsn: Lsn) -> Result<Option<Entry>, ReadError> {
        let state = self.shared.state.lock();
        let first = first_lsn(&state);
        if lsn < first {
            return Err(ReadError::Truncated { lsn, first });
        }
        if lsn.0 >= self.visible(&state) {
            return Ok(None);
        }
        let after = state
            .sealed
            .partition_point(|sealed| sealed.end_lsn <= lsn.0);
        if let Some(sealed) = state.sealed.get(after) {
            let sealed = sealed.clone();
            drop(state);
            let header = sealed.header;
            let view = Arc::clone(&sealed.view);
            let bytes = pinned(&self.shared.vfs, &self.shared.dir, sealed)?;
            let stride = stride(view.points(), lsn.0 - header.base_lsn);
            let cursor = Cursor::new(place(&header, stride), bytes, 0);
            return self.find(cursor, lsn);
        }
        let header = state.progress.header;
        let points = state.pending.points(header.number);
        let stride = points.stride(lsn.0 - header.base_lsn);
        let Some(active) = active(&state) else {
            return Ok(None);
        };
        drop(state);
        let end = stride
            .end
            .map_or(active.written, |end| end.min(active.written));
        let len = usize::try_from(end.saturating_sub(stride.offset)).unwrap_or(usize::MAX);
        let bytes = read_exactly(&*active.file, stride.offset, len)
            .map_err(|error| broken(&self.shared.dir, header.number, Broken::Io(error)))?;
        let cursor = Cursor::new(place(&header, stride), bytes.into(), stride.offset);
        // Whoever keeps the entry keeps its payload alone, and not all that was read for it.
        let found = self.find(cursor, lsn)?;
        Ok(found.map(|entry| Entry {
            payload: Bytes::copy_from_slice(&entry.payload),
            ..entry
        }))
    }

    fn find(&self, mut cursor: Cursor<V::File>, lsn: Lsn) -> Result<Option<Entry>, ReadError> {
        match cursor.next(lsn.0) {
            Ok(Some(entry)) => Ok(Some(entry)),
            // It was written.
            Ok(None) => Err(self.broken(&cursor, cursor.corrupt(Stop::Empty))),
            Err(error) => Err(self.broken(&cursor, error)),
        }
    }

    fn broken(&self, cursor: &Cursor<V::File>, broken: Broken) -> ReadError {
        self::broken(&self.shared.dir, cursor.place().segment, broken)
    }

    /// The records from `lsn` on, those included that cannot be seen yet.
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
        let end = self.visible(&state);
        let begin = |header: &Header, points: Option<&Points>| {
            let resume = resume.filter(|place| place.segment == header.number);
            let stride = || stride(points, lsn.0.saturating_sub(header.base_lsn));
            resume.unwrap_or_else(|| place(header, stride()))
        };
        let after = state
            .sealed
            .partition_point(|sealed| sealed.end_lsn <= lsn.0);
        let mut sources = VecDeque::with_capacity(state.sealed.len() - after + 1);
        for sealed in &state.sealed[after..] {
            sources.push_back(Source {
                place: begin(&sealed.header, sealed.view.points()),
                extent: Extent::Sealed(sealed.clone()),
            });
        }
        let sealed_end = state.sealed.last().map_or(0, |sealed| sealed.end_lsn);
        let header = state.progress.header;
        // After a failure, the segment written last may be sealed already.
        if header.base_lsn >= sealed_end
            && end > header.base_lsn
            && let Some(active) = active(&state)
        {
            sources.push_back(Source {
                place: begin(&header, Some(state.pending.points(header.number))),
                extent: Extent::Active(active),
            });
        }
        Entries {
            vfs: shared.vfs.clone(),
            dir: shared.dir.clone(),
            sources,
            cursor: None,
            from: lsn.0,
            end,
            first: first_lsn(&state),
            place: None,
        }
    }

    /// The LSN after the last record that readers of this handle see.
    #[must_use]
    pub fn seen(&self) -> Lsn {
        Lsn(self.visible(&self.shared.state.lock()))
    }

    fn visible(&self, state: &State<V>) -> u64 {
        match self.watermark {
            Watermark::Written => state.progress.written,
            Watermark::Durable => state.progress.durable,
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

/// What was written of the active segment.
fn active<V: Vfs>(state: &State<V>) -> Option<Active<V::File>> {
    Some(Active {
        file: Arc::clone(state.active_file.as_ref()?),
        written: state.progress.offset,
        _pin: state.active_pin.clone(),
    })
}

fn place(header: &Header, stride: Stride) -> Place {
    Place {
        segment: header.number,
        offset: stride.offset,
        lsn: header.base_lsn + stride.record,
    }
}

/// Where to look for a record. In a segment that is not verified yet, from its beginning on.
fn stride(points: Option<&Points>, record: u64) -> Stride {
    points.map_or_else(
        || Points::default().stride(record),
        |points| points.stride(record),
    )
}

/// The bytes of a sealed segment; its file is not used again before they are let go.
fn pinned<V: Vfs>(vfs: &V, dir: &Path, sealed: SealedSegment) -> Result<Bytes, ReadError> {
    let bytes = sealed
        .view
        .bytes(vfs, || segment_path(dir, sealed.header.number))?;
    Ok(Bytes::from_owner(Pinned {
        bytes,
        _pin: sealed.pin,
    }))
}

fn broken(dir: &Path, segment: u64, broken: Broken) -> ReadError {
    let path = segment_path(dir, segment);
    match broken {
        Broken::Io(source) => ReadError::Io(IoError {
            doing: "read",
            path,
            source: Arc::new(source),
        }),
        Broken::Corrupt(offset, stop) => ReadError::Corrupt(Corruption {
            path,
            offset,
            reason: CorruptionKind::Frame(stop),
        }),
    }
}

impl<V: Vfs> Entries<V> {
    fn not_truncated(self) -> Result<Self, ReadError> {
        let (lsn, first) = (Lsn(self.from), self.first);
        if lsn < first {
            Err(ReadError::Truncated { lsn, first })
        } else {
            Ok(self)
        }
    }

    fn open(&self, source: Source<V>) -> Result<Cursor<V::File>, ReadError> {
        Ok(match source.extent {
            Extent::Sealed(sealed) => {
                Cursor::new(source.place, pinned(&self.vfs, &self.dir, sealed)?, 0)
            }
            Extent::Active(active) => Cursor::active(source.place, active),
        })
    }

    fn advance(&mut self) -> Result<Option<Entry>, ReadError> {
        loop {
            if self.from >= self.end {
                self.sources.clear();
                self.leave();
                return Ok(None);
            }
            if let Some(cursor) = &mut self.cursor {
                let segment = cursor.place().segment;
                let next = cursor.next(self.from);
                match next.map_err(|error| broken(&self.dir, segment, error))? {
                    Some(entry) => {
                        self.from = entry.lsn.0 + 1;
                        return Ok(Some(entry));
                    }
                    None => self.leave(),
                }
            }
            let Some(source) = self.sources.pop_front() else {
                return self.ended_early();
            };
            self.cursor = Some(self.open(source)?);
        }
    }

    /// The frames end before the last record that was promised.
    fn ended_early(&self) -> Result<Option<Entry>, ReadError> {
        self.place.map_or(Ok(None), |place| {
            let end = Broken::Corrupt(place.offset, Stop::Empty);
            Err(broken(&self.dir, place.segment, end))
        })
    }

    /// Lets go of the segment being read, and remembers where that was.
    fn leave(&mut self) {
        if let Some(cursor) = self.cursor.take() {
            self.place = Some(cursor.place());
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

    /// No more than could be seen when the iteration began.
    fn size_hint(&self) -> (usize, Option<usize>) {
        let begin = self.from.max(self.first.0);
        (0, usize::try_from(self.end.saturating_sub(begin)).ok())
    }
}

impl<V: Vfs> fmt::Debug for Entries<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries")
            .field("from", &self.from)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// The records of a log, as they come. See [`Wal::tail`].
#[derive(Debug)]
pub struct Tail<V: Vfs> {
    wal: Wal<V>,
    entries: Entries<V>,
    next: Lsn,
}

impl<V: Vfs> Tail<V> {
    /// The next record; `None` where it cannot be seen yet, which may change.
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
            if self.wal.seen().0 <= self.next.0 {
                return Ok(None);
            }
            let further = self.wal.entries_at(self.next, self.entries.place);
            self.entries = further.not_truncated()?;
        }
    }
}
