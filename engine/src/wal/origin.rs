//! A place in a log's history, so that what was noted of one log is never used with another.
//!
//! A snapshot is the state after all records below an LSN. That it goes with a log, the LSN alone
//! does not say: another log, or the same one after a rewind, gives the same numbers to other
//! records. So a snapshot carries the log's identity, the epoch, and the chain at its LSN.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::error::ReadError;
use super::log::Wal;
use super::lsn::Lsn;
use super::pin::Pin;
use super::segment::{HEADER_BYTES, Header, chained, segment_path};
use super::segment_view::SegmentView;
use crate::frame::{self, Kind, OVERHEAD};
use crate::vfs::{Doing, IoError, Monitor, Vfs, VfsFile};

/// How much of a segment is read at once while its frames are walked over.
const WINDOW_BYTES: usize = 64 << 10;

/// Where in which log's history an LSN is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Origin {
    /// The log.
    pub log_id: u64,
    /// The epoch of the segment.
    pub epoch: u32,
    /// The segment that holds the record before the LSN, or that begins with the LSN.
    pub segment: u64,
    /// Its salt, with which its frames can be read although its header is damaged.
    pub salt: u32,
    /// Where in its file the frames of the records before the LSN end.
    pub offset: u64,
    /// The chain there.
    pub chain: u32,
}

/// The bytes of an encoded [`Origin`].
pub const ORIGIN_BYTES: usize = 36;

impl Origin {
    /// The bytes; `FORMAT.md` §4.
    #[must_use]
    pub fn encode(&self) -> [u8; ORIGIN_BYTES] {
        let mut bytes = [0; ORIGIN_BYTES];
        bytes[..8].copy_from_slice(&self.log_id.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.segment.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.salt.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.offset.to_le_bytes());
        bytes[32..].copy_from_slice(&self.chain.to_le_bytes());
        bytes
    }

    /// Reads the bytes; `None` where there are not as many.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; ORIGIN_BYTES] = bytes.try_into().ok()?;
        let u32_at = |at: usize| Some(u32::from_le_bytes(*bytes[at..].first_chunk()?));
        let u64_at = |at: usize| Some(u64::from_le_bytes(*bytes[at..].first_chunk()?));
        Some(Self {
            log_id: u64_at(0)?,
            epoch: u32_at(8)?,
            segment: u64_at(12)?,
            salt: u32_at(20)?,
            offset: u64_at(24)?,
            chain: u32_at(32)?,
        })
    }
}

/// What a snapshot makes unnecessary: the records below an LSN of a log.
///
/// A log that is opened above a floor may be damaged below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// The first record that is still needed.
    pub lsn: Lsn,
    /// Where it is.
    pub origin: Origin,
}

/// Whether a log has the history that an [`Origin`] was noted of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It has.
    Held,
    /// It is another log.
    AnotherLog,
    /// It is the same log, and what it had there was cut off by a rewind.
    Rewound,
    /// It ends before.
    TooShort,
    /// It no longer reaches back that far.
    Truncated,
}

/// A segment to walk over.
struct Walked {
    header: Header,
    end: u64,
    /// Of a sealed segment, which may have to be verified first.
    view: Option<Arc<SegmentView>>,
    _pin: Pin,
}

impl<V: Vfs> Wal<V> {
    /// Where in the log's history `lsn` is.
    ///
    /// # Errors
    /// [`ReadError`] where the record before it is not, or no longer, in the log's files, or they
    /// cannot be read.
    pub fn origin(&self, lsn: Lsn) -> Result<Origin, ReadError> {
        let first = self.first_lsn();
        let Some(walked) = self.holder(lsn) else {
            return Err(ReadError::Truncated { lsn, first });
        };
        let header = walked.header;
        let mut origin = Origin {
            log_id: header.log_id,
            epoch: header.epoch,
            segment: header.number,
            salt: header.salt,
            offset: HEADER_BYTES as u64,
            chain: header.prev_chain,
        };
        if lsn.0 > header.base_lsn {
            let path = segment_path(self.dir(), header.number);
            if let Some(view) = walked.view.as_ref().filter(|view| view.verdict().is_none()) {
                view.bytes(self.vfs(), || path.clone())?;
            }
            walk(self.vfs(), &path, &walked, lsn.0, &mut origin)?;
        }
        Ok(origin)
    }

    /// Whether the log has the history that `origin` was noted of, for the records below `lsn`.
    ///
    /// # Errors
    /// [`ReadError`] where that cannot be read.
    pub fn fit(&self, lsn: Lsn, origin: &Origin) -> Result<Fit, ReadError> {
        let (active, written, first) = {
            let state = self.state().lock();
            let noted = Floor {
                lsn,
                origin: *origin,
            };
            if state.held == Some(noted) {
                return Ok(Fit::Held);
            }
            let progress = state.progress;
            let first = state
                .sealed
                .first()
                .map_or(progress.header, |sealed| sealed.header);
            (progress.header, progress.written, first)
        };
        if origin.log_id != active.log_id {
            return Ok(Fit::AnotherLog);
        }
        if lsn.0 > written {
            let is_rewound = active.epoch > origin.epoch;
            return Ok(if is_rewound {
                Fit::Rewound
            } else {
                Fit::TooShort
            });
        }
        if lsn.0 < first.base_lsn {
            return Ok(Fit::Truncated);
        }
        let here = self.origin(lsn)?;
        let is_same = here == *origin;
        // The end of one segment is the beginning of the next; and recovery may have replaced a
        // segment by a copy that begins there.
        let epoch = self.epoch_of(origin.segment);
        let is_near = here.segment == origin.segment || here.segment == origin.segment + 1;
        let is_seam = here.offset == HEADER_BYTES as u64
            && here.chain == origin.chain
            && is_near
            && epoch.is_none_or(|epoch| epoch == origin.epoch);
        Ok(if is_same || is_seam {
            Fit::Held
        } else {
            Fit::Rewound
        })
    }

    /// The segment that begins with `lsn`, or else the one that holds the record before it.
    fn holder(&self, lsn: Lsn) -> Option<Walked> {
        let state = self.state().lock();
        let progress = state.progress;
        if progress.header.base_lsn <= lsn.0 {
            return (lsn.0 <= progress.written).then(|| Walked {
                header: progress.header,
                end: progress.offset,
                view: None,
                _pin: state.active_pin.clone(),
            });
        }
        let sealed = state.sealed.iter().rev();
        let mut sealed = sealed.skip_while(|sealed| sealed.header.base_lsn > lsn.0);
        sealed.next().map(|sealed| Walked {
            header: sealed.header,
            end: u64::MAX,
            view: Some(Arc::clone(&sealed.view)),
            _pin: sealed.pin.clone(),
        })
    }

    fn epoch_of(&self, segment: u64) -> Option<u32> {
        let state = self.state().lock();
        let sealed = state.sealed.iter().map(|sealed| sealed.header);
        let mut headers = sealed.chain([state.progress.header]);
        let found = headers.find(|header| header.number == segment);
        found.map(|header| header.epoch)
    }
}

/// Walks over the frames of the records below `lsn`, believing their checksums.
fn walk<V: Vfs>(
    vfs: &V,
    path: &Path,
    walked: &Walked,
    lsn: u64,
    origin: &mut Origin,
) -> Result<(), IoError> {
    let file = vfs.open_read(path).doing("open", path)?;
    let mut window = Window {
        file: &file,
        path,
        start: 0,
        bytes: Vec::new(),
    };
    let mut at = HEADER_BYTES as u64;
    let (mut next, mut chain) = (walked.header.base_lsn, walked.header.prev_chain);
    let mut in_transaction = false;
    while at + OVERHEAD as u64 <= walked.end {
        let [a, b, c, d, kind, _] = window.get(at)?;
        let size = u64::from(u32::from_le_bytes([a, b, c, d])) + 4;
        if size < OVERHEAD as u64 {
            break;
        }
        let kind = Kind(kind);
        let crc = u32::from_le_bytes(window.get(at + size - 4)?) ^ walked.header.salt;
        match kind {
            Kind::SEGMENT_END => break,
            Kind::SYNC_MARK => {}
            Kind::BATCH => {
                next += u64::from(u32::from_le_bytes(window.get(at + frame::HEAD as u64)?));
            }
            Kind::TX_BEGIN => in_transaction = true,
            Kind::TX_COMMIT => in_transaction = false,
            _ => next += 1,
        }
        if kind != Kind::SYNC_MARK {
            chain = chained(chain, crc);
        }
        at += size;
        // A transaction counts as a whole: in the middle of it nothing can be gone on from.
        if !in_transaction && kind != Kind::SYNC_MARK {
            if next > lsn {
                break;
            }
            (origin.offset, origin.chain) = (at, chain);
            if next == lsn {
                break;
            }
        }
    }
    Ok(())
}

/// Some bytes of a file, read ahead.
struct Window<'a, F> {
    file: &'a F,
    path: &'a Path,
    start: u64,
    bytes: Vec<u8>,
}

impl<F: VfsFile> Window<'_, F> {
    /// The bytes at an offset.
    fn get<const N: usize>(&mut self, at: u64) -> Result<[u8; N], IoError> {
        if let Some(bytes) = self.cached(at) {
            return Ok(bytes);
        }
        self.start = at;
        self.bytes.resize(WINDOW_BYTES, 0);
        let mut read = 0;
        while read < WINDOW_BYTES {
            let rest = &mut self.bytes[read..];
            match self.file.read_at(rest, at + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) => return Err(error).doing("read", self.path),
            }
        }
        self.bytes.truncate(read);
        let missing = || io::Error::from(io::ErrorKind::UnexpectedEof);
        self.cached(at).ok_or_else(missing).doing("read", self.path)
    }

    fn cached<const N: usize>(&self, at: u64) -> Option<[u8; N]> {
        let at = usize::try_from(at.checked_sub(self.start)?).ok()?;
        self.bytes.get(at..)?.first_chunk().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_comes_back_as_written() {
        let origin = Origin {
            log_id: 1 << 60,
            epoch: 2,
            segment: 3,
            salt: 4,
            offset: 5 << 33,
            chain: 6,
        };
        assert_eq!(Origin::decode(&origin.encode()), Some(origin));
        assert_eq!(Origin::decode(&origin.encode()[1..]), None);
    }
}
