//! Walking over the records of one segment, whose frames were verified before.
//!
//! A sealed segment is there as a whole, as a mapping. Of the active one, the cursor reads a
//! window at a time, the first a few strides long and each further one twice as long.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::lsn::Lsn;
use super::pin::Pin;
use super::reader::Entry;
use super::segment_scanner::Stop;
use crate::frame::{self, BatchItems, Damage, Kind, Next};
use crate::vfs::VfsFile;

/// How much of the active segment is read at first.
const WINDOW_MIN: usize = 16 << 10;

/// How much of it is read at once where frames are not larger.
const WINDOW_MAX: usize = 1 << 20;

/// A place between two frames.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The number of the segment.
    pub segment: u64,
    /// Where in its file.
    pub offset: u64,
    /// The LSN of the next record.
    pub lsn: u64,
}

/// What was written of the active segment.
pub(super) struct Active<F> {
    pub file: Arc<F>,
    /// The bytes that are frames.
    pub written: u64,
    /// Keeps the file from being used again.
    pub _pin: Pin,
}

/// Why a cursor went no further.
pub(super) enum Broken {
    /// At this offset stands no frame.
    Corrupt(u64, Stop),
    /// The system refused.
    Io(io::Error),
}

/// A place in a segment, and the bytes around it.
pub(super) struct Cursor<F> {
    /// The number of the segment.
    segment: u64,
    /// Where in the file the bytes begin.
    origin: u64,
    bytes: Bytes,
    /// The next frame.
    at: usize,
    /// Within a batch: where its next item begins, where it ends, and how many are left.
    batch: Option<(usize, usize, u32)>,
    /// The LSN of the next record.
    pub lsn: u64,
    /// Where more bytes come from.
    active: Option<Active<F>>,
    /// How many bytes are read next.
    window: usize,
}

impl<F: VfsFile> Cursor<F> {
    /// Begins at `place` of a segment of which `bytes` are there, which begin at `origin`.
    pub(super) fn new(place: Place, bytes: Bytes, origin: u64) -> Self {
        Self {
            segment: place.segment,
            origin,
            bytes,
            at: usize::try_from(place.offset - origin).unwrap_or(usize::MAX),
            batch: None,
            lsn: place.lsn,
            active: None,
            window: WINDOW_MIN,
        }
    }

    /// Begins at `place` of the active segment.
    pub(super) fn active(place: Place, active: Active<F>) -> Self {
        Self {
            active: Some(active),
            ..Self::new(place, Bytes::new(), place.offset)
        }
    }

    /// After the last frame of which all records were read.
    pub(super) fn place(&self) -> Place {
        let offset = self.origin + self.at as u64;
        Place {
            segment: self.segment,
            offset,
            lsn: self.lsn,
        }
    }

    /// The next record that is not below `from`; `None` at the end of what was written.
    pub(super) fn next(&mut self, from: u64) -> Result<Option<Entry>, Broken> {
        loop {
            if let Some(entry) = self.next_item(from)? {
                return Ok(Some(entry));
            }
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let frame = match frame::split(rest) {
                Next::Frame(frame) => frame,
                Next::End => {
                    if self.read_on()? {
                        continue;
                    }
                    return Ok(None);
                }
                Next::Damaged(damage) => {
                    let is_cut = matches!(damage, Damage::Short(_) | Damage::BeyondEnd { .. });
                    if is_cut && self.read_on()? {
                        continue;
                    }
                    return Err(self.corrupt(Stop::Damaged(damage)));
                }
            };
            let start = self.at + frame::HEAD;
            match frame.record.kind {
                Kind::SEGMENT_END => {
                    self.at += frame.size;
                    return Ok(None);
                }
                Kind::BATCH => {
                    let Some(items) = BatchItems::new(frame.record.payload) else {
                        return Err(self.corrupt(Stop::Malformed("the batch is too short")));
                    };
                    let end = start + frame.record.payload.len();
                    let left = items.left();
                    self.at += frame.size;
                    if self.lsn + u64::from(left) <= from {
                        self.lsn += u64::from(left);
                    } else {
                        self.batch = Some((start + 4, end, left));
                    }
                }
                kind if kind.is_reserved() => self.at += frame.size,
                _ if self.lsn < from => {
                    self.lsn += 1;
                    self.at += frame.size;
                }
                kind => {
                    let version = frame.record.version;
                    let payload = self.bytes.slice(start..start + frame.record.payload.len());
                    self.at += frame.size;
                    return Ok(Some(self.entry(kind, version, payload)));
                }
            }
        }
    }

    fn next_item(&mut self, from: u64) -> Result<Option<Entry>, Broken> {
        let Some((mut start, end, mut left)) = self.batch else {
            return Ok(None);
        };
        let mut items = BatchItems::resume(&self.bytes[start..end], left);
        loop {
            let record = match items.next() {
                None => {
                    self.batch = None;
                    return Ok(None);
                }
                Some(Some(record)) => record,
                Some(None) => {
                    return Err(self.corrupt(Stop::Malformed("an item does not fit its batch")));
                }
            };
            let payload = start + frame::ITEM_HEAD;
            start = payload + record.payload.len();
            left -= 1;
            if self.lsn < from {
                self.lsn += 1;
                continue;
            }
            let (kind, version) = (record.kind, record.version);
            self.batch = Some((start, end, left));
            let payload = self.bytes.slice(payload..start);
            return Ok(Some(self.entry(kind, version, payload)));
        }
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

    /// Moves the window on to the next frame. Says whether there are more bytes now.
    fn read_on(&mut self) -> Result<bool, Broken> {
        let Some(active) = &self.active else {
            return Ok(false);
        };
        let from = self.origin + self.at as u64;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let left = usize::try_from(active.written.saturating_sub(from)).unwrap_or(usize::MAX);
        if left <= rest.len() {
            return Ok(false);
        }
        let size = rest
            .first_chunk()
            .map_or(0, |len| 4 + u32::from_le_bytes(*len) as usize);
        let wanted = self.window.max(size).min(left);
        let bytes = read_exactly(&*active.file, from, wanted).map_err(Broken::Io)?;
        let grown = bytes.len() > rest.len();
        self.window = (self.window * 2).min(WINDOW_MAX);
        self.bytes = bytes.into();
        self.origin = from;
        self.at = 0;
        Ok(grown)
    }

    pub(super) fn corrupt(&self, stop: Stop) -> Broken {
        Broken::Corrupt(self.origin + self.at as u64, stop)
    }
}

/// Reads `len` bytes from `offset` on, or as many as the file has.
pub(super) fn read_exactly<F: VfsFile>(file: &F, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let mut at = 0;
    while at < len {
        match file.read_at(&mut bytes[at..], offset + at as u64)? {
            0 => bytes.truncate(at),
            read => at += read,
        }
        if bytes.len() <= at {
            break;
        }
    }
    Ok(bytes)
}
