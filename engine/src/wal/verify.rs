//! Whether a segment is what it should be: its frames, its place among the others, and its end.
//!
//! Each segment is verified for itself, on several threads; then the results are judged in order.
//!
//! Segments below the one that a floor is in are not needed to go on, and there may be many of
//! them. Of those only the header is read now, and what the next header says of them is believed
//! until somebody reads them, or [`Wal::maintain`](super::Wal::maintain) comes to them
//! ([`SegmentView`](super::segment_view::SegmentView)).

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::durable_mark::durable_beyond;
use super::error::{Corruption, CorruptionKind, OpenError};
use super::files::load_file;
use super::options::Policy;
use super::origin::Floor;
use super::points::Points;
use super::segment::{HEADER_BYTES, Header};
use super::segment_scanner::{self, Position, Stop, Verified};
use crate::frame::{Damage, OVERHEAD};
use crate::vfs::{Doing, Vfs, VfsFile};

/// A torn tail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The segment.
    pub path: PathBuf,
    /// The first byte that was cut.
    pub offset: u64,
    /// What stood there.
    pub reason: Stop,
}

/// A segment's file and what its scan found.
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) bytes: Bytes,
    /// What the segment says about itself.
    pub(super) header: Header,
    /// What the scan over it found.
    pub(super) verified: Verified,
    /// Where its records are.
    pub(super) points: Points,
    /// The header of the next segment, where this one is not verified yet: `verified` then says
    /// what that header does.
    pub(super) next: Option<Header>,
}

/// What is verified of a log's segments when it is opened.
pub(super) struct Verification {
    pub found: Vec<Result<Found, OpenError>>,
    /// Whether the log has the history that the floor was noted of.
    pub holds_floor: bool,
}

/// Verifies the segments of a log: all of them, or from the one on that holds `floor`, and only
/// the headers of those below it.
///
/// Those below are left for later only if the log has the history that the floor was noted of, up
/// to the floor: otherwise they are needed.
pub(super) fn verify_above<V: Vfs>(
    vfs: &V,
    files: &[(u64, PathBuf)],
    threads: usize,
    floor: Option<&Floor>,
) -> Verification {
    let holder = floor.and_then(|floor| {
        let index = files
            .iter()
            .position(|(named, _)| *named == floor.origin.segment)?;
        Some((index, floor))
    });
    let Some((holder, floor)) = holder else {
        return Verification {
            found: verify_all(vfs, files, threads, None),
            holds_floor: false,
        };
    };
    let above = &files[holder..];
    let mut above = verify_all(vfs, above, threads, Some(floor.origin.offset));
    let holds_floor = matches!(&above[0], Ok(found) if holds(found, floor));
    let mut found = if holds_floor {
        headers(vfs, &files[..holder], above[0].as_ref().ok())
    } else {
        verify_all(vfs, &files[..holder], threads, None)
    };
    found.append(&mut above);
    Verification { found, holds_floor }
}

/// Whether a segment has the history that `floor` was noted of.
fn holds(found: &Found, floor: &Floor) -> bool {
    let Header {
        log_id,
        epoch,
        salt,
        ..
    } = found.header;
    let origin = floor.origin;
    let noted = found.verified.noted;
    (log_id, epoch, salt) == (origin.log_id, origin.epoch, origin.salt)
        && noted.is_some_and(|at| (at.lsn, at.chain) == (floor.lsn.0, origin.chain))
}

/// Reads the headers of segments, and what each says of the one before it; `after` is the one
/// after all of them. A segment of which no header says anything is verified at once.
fn headers<V: Vfs>(
    vfs: &V,
    files: &[(u64, PathBuf)],
    after: Option<&Found>,
) -> Vec<Result<Found, OpenError>> {
    let mut next = after.map(|found| found.header);
    let mut found: Vec<_> = files
        .iter()
        .rev()
        .map(|(_, path)| {
            let found = match next {
                Some(next) => verify_later(vfs, path, next),
                None => verify_file(vfs, path, None),
            };
            next = found.as_ref().ok().map(|found| found.header);
            found
        })
        .collect();
    found.reverse();
    found
}

/// Reads a segment's header, and believes the next one about the rest for now.
fn verify_later<V: Vfs>(vfs: &V, path: &Path, next: Header) -> Result<Found, OpenError> {
    let file = vfs.open_read(path).doing("open", path)?;
    let mut bytes = [0; HEADER_BYTES];
    let mut len = 0;
    while len < HEADER_BYTES {
        match file
            .read_at(&mut bytes[len..], len as u64)
            .doing("read", path)?
        {
            0 => break,
            read => len += read,
        }
    }
    let header = Header::decode(&bytes[..len]);
    let header = header.map_err(|bad| corruption(path, 0, CorruptionKind::Header(bad)))?;
    if next.base_lsn <= header.base_lsn {
        // It would have no record, which no segment is sealed with.
        return verify_file(vfs, path, None);
    }
    Ok(Found {
        path: path.to_owned(),
        bytes: Bytes::new(),
        header,
        verified: Verified {
            last: Position {
                at: 0,
                lsn: next.base_lsn,
                chain: next.prev_chain,
                frames: 0,
            },
            at: 0,
            stop: None,
            next_epoch: next.epoch,
            synced: 0,
            noted: None,
        },
        points: Points::default(),
        next: Some(next),
    })
}

/// Maps and verifies every file. Threads take the next file in turn. `note` is an offset in the
/// first of them.
fn verify_all<V: Vfs>(
    vfs: &V,
    files: &[(u64, PathBuf)],
    threads: usize,
    note: Option<u64>,
) -> Vec<Result<Found, OpenError>> {
    let verify = |index: usize, path: &Path| verify_file(vfs, path, note.filter(|_| index == 0));
    if threads < 2 || files.len() < 2 {
        let files = files.iter().enumerate();
        return files
            .map(|(index, (_, path))| verify(index, path))
            .collect();
    }
    let taken = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let index = taken.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let Some((_, path)) = files.get(index) else {
                return done;
            };
            done.push((index, verify(index, path)));
        }
    };
    let mut results: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.min(files.len()))
            .map(|_| scope.spawn(work))
            .collect();
        let joined = workers.into_iter().flat_map(|worker| match worker.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect()
    });
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, found)| found).collect()
}

/// Verifies a whole segment, and notes where the records below a floor end in it.
pub(super) fn verify_file<V: Vfs>(
    vfs: &V,
    path: &Path,
    note: Option<u64>,
) -> Result<Found, OpenError> {
    verify_noting(path, load_file(vfs, path)?, note)
}

/// Verifies a whole segment.
pub(super) fn verify_bytes(path: &Path, bytes: Bytes) -> Result<Found, OpenError> {
    verify_noting(path, bytes, None)
}

pub(super) fn verify_noting(
    path: &Path,
    bytes: Bytes,
    note: Option<u64>,
) -> Result<Found, OpenError> {
    let header = Header::decode(&bytes);
    let header = header.map_err(|bad| corruption(path, 0, CorruptionKind::Header(bad)))?;
    let (verified, points) = segment_scanner::verify(&bytes, &header, note);
    Ok(Found {
        path: path.to_owned(),
        bytes,
        header,
        verified,
        points,
        next: None,
    })
}

/// A segment must be the one that its name and its predecessor promise.
pub(super) fn check_order(
    segment: &Found,
    named: u64,
    promised: Option<&Header>,
) -> Result<(), Corruption> {
    let header = &segment.header;
    let expect = |field, expected: u64, found: u64| {
        let kind = CorruptionKind::Order {
            field,
            expected,
            found,
        };
        if expected == found {
            Ok(())
        } else {
            Err(corruption(&segment.path, 0, kind))
        }
    };
    expect("the segment's number", named, header.number)?;
    if let Some(promised) = promised {
        expect("the log's identity", promised.log_id, header.log_id)?;
        expect("the segment's number", promised.number, header.number)?;
        // A rewind raises the epoch; nothing lowers it.
        let least = promised.epoch.max(header.epoch);
        expect("the epoch", u64::from(least), u64::from(header.epoch))?;
        expect("the base LSN", promised.base_lsn, header.base_lsn)?;
        let chains = (u64::from(promised.prev_chain), u64::from(header.prev_chain));
        expect("the chain of the segment before", chains.0, chains.1)?;
    }
    Ok(())
}

/// The table of the module's header.
pub(super) fn judge(
    segment: &Found,
    is_last: bool,
    policy: Policy,
) -> Result<Option<TornTail>, OpenError> {
    let Found {
        path,
        bytes,
        header,
        verified,
        ..
    } = segment;
    let at = verified.at;
    let stop = match verified.stop {
        None => return Ok(None),
        // A frame whose length was lost looks like the end, but for the rest of it.
        Some(Stop::Empty) if bytes[at..].iter().take(OVERHEAD).any(|byte| *byte != 0) => {
            Stop::Damaged(Damage::LengthBelowMin(0))
        }
        Some(stop) => stop,
    };
    let offset = verified.last.at as u64;
    let whole = matches!(stop, Stop::Malformed(_) | Stop::Unknown { .. });
    let (expected, found) = (header.file_bytes(verified.synced), bytes.len() as u64);
    if !whole && is_last && found < expected {
        let reason = CorruptionKind::Shortened { expected, found };
        return Err(corruption(path, found, reason).into());
    }
    if whole || !is_last || durable_beyond(bytes, header.salt, at).is_some() {
        return Err(corruption(path, at as u64, CorruptionKind::Frame(stop)).into());
    }
    let has_records = verified.last.lsn > header.base_lsn;
    if policy == Policy::Strict && (has_records || stop != Stop::Empty) {
        return Err(OpenError::Unclean {
            path: path.clone(),
            offset,
        });
    }
    let torn = matches!(stop, Stop::Damaged(_) | Stop::Unfinished);
    Ok(torn.then(|| TornTail {
        path: path.clone(),
        offset,
        reason: stop,
    }))
}

pub(super) fn corruption(path: &Path, offset: u64, reason: CorruptionKind) -> Corruption {
    Corruption {
        path: path.to_owned(),
        offset,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with a segment of this header after one that promised another.
    fn wrong(header: Header, promised: Option<&Header>) -> Option<(&'static str, u64, u64)> {
        let bytes = Bytes::copy_from_slice(&header.encode());
        let found = verify_noting(Path::new("segment"), bytes, None).expect("a good header");
        match check_order(&found, 7, promised).map_err(|it| it.reason) {
            Ok(()) => None,
            Err(CorruptionKind::Order {
                field,
                expected,
                found,
            }) => Some((field, expected, found)),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_segment_is_what_its_name_and_its_predecessor_promise() {
        let promised = Header {
            number: 7,
            base_lsn: 100,
            prev_chain: 200,
            log_id: 300,
            epoch: 3,
            segment_bytes: 4096,
            ..Header::default()
        };
        assert_eq!(wrong(promised, Some(&promised)), None);
        // A rewind raises the epoch, and nothing else does anything to it.
        let raised = Header {
            epoch: 4,
            ..promised
        };
        assert_eq!(wrong(raised, Some(&promised)), None);
        assert_eq!(wrong(promised, Some(&raised)), Some(("the epoch", 4, 3)));
        let renumbered = Header {
            number: 8,
            ..promised
        };
        let number = "the segment's number";
        assert_eq!(wrong(renumbered, None), Some((number, 7, 8)));
        assert_eq!(
            wrong(promised, Some(&renumbered)),
            Some((number, 8, 7)),
            "its name is right, and its place is not"
        );
        for (field, other) in [
            (
                "the log's identity",
                Header {
                    log_id: 301,
                    ..promised
                },
            ),
            (
                "the base LSN",
                Header {
                    base_lsn: 101,
                    ..promised
                },
            ),
            (
                "the chain of the segment before",
                Header {
                    prev_chain: 201,
                    ..promised
                },
            ),
        ] {
            assert_eq!(wrong(other, None), None, "the first one promises nothing");
            let found = wrong(other, Some(&promised)).map(|it| it.0);
            assert_eq!(found, Some(field));
        }
    }
}
