//! What all who read a sealed segment share: where its records are, and its mapping.
//!
//! The mapping is made by the first reader and kept until the segment is let go, so that those
//! after it make no system call. It holds no pin of its own: readers add theirs.
//!
//! A segment that was not verified when the log was opened is verified before its first reader
//! gets a byte of it: its frames, and that they are what the next segment's header says of them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use bytes::Bytes;

use super::error::{Corruption, CorruptionKind, ReadError};
use super::points::Points;
use super::segment::Header;
use super::segment_scanner;
use crate::vfs::{Doing, Vfs};

/// What readers of a sealed segment share.
#[derive(Default)]
pub(super) struct SegmentView {
    /// Where its records are, once it is verified; or what is wrong with it.
    points: OnceLock<Result<Points, Corruption>>,
    mapping: OnceLock<Bytes>,
    /// Its header and the next one's, where it was not verified when the log was opened.
    headers: Option<(Header, Header)>,
}

impl SegmentView {
    /// Of a segment with `points`, not yet mapped.
    pub(super) fn new(points: Points) -> Self {
        Self {
            points: OnceLock::from(Ok(points)),
            ..Self::default()
        }
    }

    /// Of a segment that is not verified yet.
    pub(super) fn unverified(header: Header, next: Header) -> Self {
        Self {
            headers: Some((header, next)),
            ..Self::default()
        }
    }

    /// Where its records are; `None` where that is not known yet.
    pub(super) fn points(&self) -> Option<&Points> {
        self.points.get().and_then(|points| points.as_ref().ok())
    }

    /// What is wrong with it; `None` where it was not verified yet.
    pub(super) fn verdict(&self) -> Option<Result<(), &Corruption>> {
        Some(self.points.get()?.as_ref().map(|_| ()))
    }

    /// The whole file, which is at `path`. Whoever calls holds the segment's pin as long as it has them.
    pub(super) fn bytes<V: Vfs>(
        &self,
        vfs: &V,
        path: impl FnOnce() -> PathBuf,
    ) -> Result<Bytes, ReadError> {
        if let Some(bytes) = self.mapping.get() {
            return Ok(bytes.clone());
        }
        let path = path();
        let bytes = match self.headers {
            Some((header, next)) => self.verify(vfs, &path, &header, &next)?,
            None => vfs.map(&path).doing("map", &path)?,
        };
        // Of two readers that map at the same time, both mappings are good.
        Ok(self.mapping.get_or_init(|| bytes).clone())
    }

    fn verify<V: Vfs>(
        &self,
        vfs: &V,
        path: &Path,
        header: &Header,
        next: &Header,
    ) -> Result<Bytes, ReadError> {
        if let Some(Err(damage)) = self.points.get() {
            return Err(damage.clone().into());
        }
        let bytes = vfs.load(path).doing("read", path)?;
        let found = points(&bytes, header, next).map_err(|(offset, reason)| Corruption {
            path: path.to_owned(),
            offset,
            reason,
        });
        match self.points.get_or_init(|| found) {
            Ok(_) => Ok(bytes),
            Err(damage) => Err(damage.clone().into()),
        }
    }
}

/// Where the records of a sealed segment are, which must end as the next header says.
fn points(bytes: &Bytes, header: &Header, next: &Header) -> Result<Points, (u64, CorruptionKind)> {
    let found = Header::decode(bytes).map_err(|bad| (0, CorruptionKind::Header(bad)))?;
    let (verified, points) = segment_scanner::verify(bytes, header, None);
    if let Some(stop) = verified.stop {
        return Err((verified.at as u64, CorruptionKind::Frame(stop)));
    }
    let expect = |field, expected: u64, found: u64| {
        let kind = CorruptionKind::Order {
            field,
            expected,
            found,
        };
        if expected == found {
            Ok(())
        } else {
            Err((0, kind))
        }
    };
    let last = verified.last;
    expect("the segment's number", header.number, found.number)?;
    expect(
        "the base LSN of the segment after it",
        last.lsn,
        next.base_lsn,
    )?;
    let chains = (u64::from(last.chain), u64::from(next.prev_chain));
    expect("the chain in the segment after it", chains.0, chains.1)?;
    let raised = verified.next_epoch.max(next.epoch);
    expect(
        "the epoch of the segment after it",
        u64::from(raised),
        u64::from(next.epoch),
    )?;
    Ok(points)
}

impl fmt::Debug for SegmentView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentView").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::pending::Pending;
    use super::*;
    use crate::frame::{Kind, Prepared, Record};

    /// A sealed segment, its header, and the next one's.
    fn sealed() -> (Vec<u8>, Header, Header) {
        let header = Header {
            epoch: 3,
            ..Header::first(1, 2, 4096)
        };
        let mut pending = Pending::new(header, 4096);
        let record = Record {
            kind: Kind(0x40),
            version: 1,
            payload: b"record",
        };
        pending.push(&Prepared::new(record).unwrap(), 1);
        pending.roll(2);
        let chunks = pending.take();
        let file = [&header.encode()[..], &chunks[0].bytes].concat();
        (file, header, chunks[1].header)
    }

    fn found(file: &[u8], header: &Header, next: &Header) -> Result<Points, (u64, CorruptionKind)> {
        points(&Bytes::copy_from_slice(file), header, next)
    }

    #[test]
    fn segment_must_end_as_the_next_header_says() {
        let (file, header, next) = sealed();
        assert_eq!(found(&file, &header, &next), Ok(Points::default()));
        let raised = Header { epoch: 9, ..next };
        assert_eq!(found(&file, &header, &raised), Ok(Points::default()));
        let contradictions = [
            Header {
                base_lsn: next.base_lsn + 1,
                ..next
            },
            Header {
                prev_chain: next.prev_chain ^ 1,
                ..next
            },
            Header {
                epoch: next.epoch - 1,
                ..next
            },
        ];
        for next in contradictions {
            let found = found(&file, &header, &next);
            assert!(
                matches!(found, Err((0, CorruptionKind::Order { .. }))),
                "{found:?}"
            );
        }
        let other = Header {
            number: 7,
            ..header
        };
        assert!(found(&file, &other, &next).is_err());
    }

    #[test]
    fn every_flipped_bit_and_every_length_is_noticed() {
        let (file, header, next) = sealed();
        for bit in 0..file.len() * 8 {
            let mut bad = file.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(found(&bad, &header, &next).is_err(), "bit {bit}");
        }
        for len in 0..file.len() {
            assert!(found(&file[..len], &header, &next).is_err(), "length {len}");
        }
    }
}
