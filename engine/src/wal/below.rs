//! Damage below a floor: what a snapshot makes unnecessary may rot.
//!
//! ```text
//! │ segment 3 │ segment 4 │ segment 5 ····│···· │ segment 6 │
//!                                       floor
//! ```
//!
//! Segments below the floor's are set aside where one of them is damaged: that one, and those
//! before it, so that the log has no gap. Where the floor's own segment is damaged before the
//! floor, it is replaced by a copy that begins with the floor. Nothing is lost: whatever is set
//! aside or replaced is kept under the name `*.lost`.

use std::path::{Path, PathBuf};

use super::error::{Corruption, CorruptionKind, OpenError};
use super::files::{keep_lost, load_file, set_aside};
use super::options::{Options, Policy};
use super::origin::Floor;
use super::sealed_copy::{segment_end, write_copy};
use super::segment::{HEADER_BYTES, Header};
use super::segment_scanner::{self, Position, SegmentScanner, Stop};
use super::verify::{Found, check_order, judge, verify_bytes};
use crate::frame::{self, Kind, Next};
use crate::vfs::Vfs;

/// A segment's file, by its number.
type Named = (u64, PathBuf);

/// What was done about damage below a floor.
#[derive(Debug, Default)]
pub(super) struct Cleared {
    /// The first segment that is left.
    pub begin: usize,
    /// The damage.
    pub damage: Vec<Corruption>,
    /// Whether no segment is left that is needed.
    pub is_all: bool,
}

/// Takes damage below `floor` out of the way of `found`.
pub(super) fn clear<V: Vfs>(
    vfs: &V,
    dir: &Path,
    options: &Options,
    floor: &Floor,
    files: &[Named],
    found: &mut [Result<Found, OpenError>],
) -> Result<Cleared, OpenError> {
    let nothing = Cleared::default();
    let Some((holder, is_seam)) = holder(floor, files, found) else {
        return Ok(nothing);
    };
    let rot = if is_seam {
        None
    } else {
        match rot(floor, &files[holder].1, &found[holder]) {
            Ok(rot) => rot,
            Err(Foreign) => return Ok(nothing),
        }
    };
    let Some(rot) = rot else {
        let Some((last, damage)) = damaged(holder, files, found) else {
            return Ok(nothing);
        };
        set_aside(vfs, dir, files[..=last].iter())?;
        return Ok(Cleared {
            begin: last + 1,
            damage: vec![damage],
            is_all: false,
        });
    };
    let is_last = holder + 1 == files.len();
    let Some(rest) = rest(vfs, floor, options, &files[holder].1, &found[holder])? else {
        return Ok(nothing);
    };
    match judge(&rest, is_last, options.policy) {
        Err(OpenError::Corrupt(corruption))
            if options.policy == Policy::PointInTime && corruption.reason.is_damage() => {}
        judged => drop(judged?),
    }
    let has_records = rest.verified.last.lsn > floor.lsn.0;
    let begin = if has_records {
        set_aside(vfs, dir, files[..holder].iter())?;
        found[holder] = replace(vfs, dir, floor, &rest);
        holder
    } else {
        set_aside(vfs, dir, files[..=holder].iter())?;
        holder + 1
    };
    Ok(Cleared {
        begin,
        damage: vec![rot],
        is_all: !has_records && is_last,
    })
}

/// The segment that holds the record before the floor, or else the one that begins with the floor.
fn holder(
    floor: &Floor,
    files: &[Named],
    found: &[Result<Found, OpenError>],
) -> Option<(usize, bool)> {
    let numbered = |number| files.iter().position(|(named, _)| *named == number);
    if let Some(index) = numbered(floor.origin.segment) {
        return Some((index, false));
    }
    let index = numbered(floor.origin.segment + 1)?;
    let header = found[index].as_ref().ok()?.header;
    let is_seam = header.log_id == floor.origin.log_id
        && header.base_lsn == floor.lsn.0
        && header.prev_chain == floor.origin.chain;
    is_seam.then_some((index, true))
}

/// The floor is of another log, or of another epoch of it.
struct Foreign;

/// What is damaged in the floor's segment before the floor.
fn rot(
    floor: &Floor,
    path: &Path,
    found: &Result<Found, OpenError>,
) -> Result<Option<Corruption>, Foreign> {
    let segment = match found {
        Err(OpenError::Corrupt(damage)) if damage.reason.is_damage() => {
            return Ok(Some(damage.clone()));
        }
        Err(_) => return Err(Foreign),
        Ok(segment) => segment,
    };
    let Header {
        log_id,
        epoch,
        salt,
        base_lsn,
        ..
    } = segment.header;
    let origin = floor.origin;
    if (log_id, epoch, salt) != (origin.log_id, origin.epoch, origin.salt) || base_lsn > floor.lsn.0
    {
        return Err(Foreign);
    }
    let at = segment.verified.at as u64;
    let Some(stop) = segment.verified.stop.filter(|_| at < origin.offset) else {
        return Ok(None);
    };
    let damage = Corruption {
        path: path.to_owned(),
        offset: at,
        reason: CorruptionKind::Frame(stop),
    };
    Ok(damage.reason.is_damage().then_some(damage))
}

/// The floor's segment from the floor on; `None` where it ends before.
fn rest<V: Vfs>(
    vfs: &V,
    floor: &Floor,
    options: &Options,
    path: &Path,
    found: &Result<Found, OpenError>,
) -> Result<Option<Found>, OpenError> {
    let bytes = match found {
        Ok(segment) => segment.bytes.clone(),
        Err(_) => load_file(vfs, path)?,
    };
    let origin = floor.origin;
    let at = usize::try_from(origin.offset).unwrap_or(usize::MAX);
    if at < HEADER_BYTES || at > bytes.len() {
        return Ok(None);
    }
    let header = Header {
        number: origin.segment,
        base_lsn: floor.lsn.0,
        salt: origin.salt,
        prev_chain: origin.chain,
        created_us: vfs.now_us(),
        log_id: origin.log_id,
        epoch: origin.epoch,
        segment_bytes: options.segment_size(),
    };
    let position = Position {
        at,
        lsn: floor.lsn.0,
        chain: origin.chain,
        frames: 0,
    };
    let scan = SegmentScanner::at_position(&bytes, &header, position);
    let (verified, points) = segment_scanner::verify_from(scan, None);
    // Zeros up to the end are a log that ends before the floor, and no damage.
    let ended = found
        .as_ref()
        .is_ok_and(|segment| segment.verified.stop == Some(Stop::Empty));
    if ended && verified.last.lsn == floor.lsn.0 && verified.stop.is_some() {
        return Ok(None);
    }
    Ok(Some(Found {
        path: path.to_owned(),
        bytes,
        header,
        verified,
        points,
        next: None,
    }))
}

/// The last segment before `holder` that is damaged, or does not go with the one after it.
fn damaged(
    holder: usize,
    files: &[Named],
    found: &[Result<Found, OpenError>],
) -> Option<(usize, Corruption)> {
    let mut next = found[holder].as_ref().ok()?;
    for index in (0..holder).rev() {
        let (named, path) = &files[index];
        let judged = found[index].as_ref().map_err(|error| match error {
            OpenError::Corrupt(damage) => Some(damage.clone()),
            _ => None,
        });
        let judged = judged.and_then(|segment| {
            let last = segment.verified.last;
            let frame = |stop| Corruption {
                path: path.clone(),
                offset: segment.verified.at as u64,
                reason: CorruptionKind::Frame(stop),
            };
            let stop = segment.verified.stop;
            stop.map_or(Ok(()), |stop| Err(Some(frame(stop))))?;
            check_order(segment, *named, None).map_err(Some)?;
            let promised = segment.header.next(last.lsn, last.chain, 0);
            check_order(next, next.header.number, Some(&promised)).map_err(Some)?;
            Ok(segment)
        });
        match judged {
            Ok(segment) => next = segment,
            Err(Some(damage)) if damage.reason.is_damage() => return Some((index, damage)),
            Err(_) => return None,
        }
    }
    None
}

/// Replaces the floor's segment by a copy of what is intact of it from the floor on.
fn replace<V: Vfs>(vfs: &V, dir: &Path, floor: &Floor, rest: &Found) -> Result<Found, OpenError> {
    let last = rest.verified.last;
    let mut copy = rest.header.encode().to_vec();
    let mut at = usize::try_from(floor.origin.offset).unwrap_or(usize::MAX);
    while at < last.at {
        let Next::Frame(frame) = frame::split(&rest.bytes[at..]) else {
            break;
        };
        // What marks say is of the original's offsets.
        if frame.record.kind != Kind::SYNC_MARK {
            copy.extend_from_slice(&rest.bytes[at..at + frame.size]);
        }
        at += frame.size;
    }
    let epoch = rest.verified.next_epoch + u32::from(rest.verified.stop.is_some());
    copy.extend_from_slice(&segment_end(&rest.header, &last, epoch));
    keep_lost(vfs, dir, &rest.path)?;
    write_copy(vfs, dir, rest.header.number, &copy)?;
    verify_bytes(&rest.path, load_file(vfs, &rest.path)?)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::lsn::Lsn;
    use super::super::origin::Origin;
    use super::super::verify::verify_noting;
    use super::*;

    const HEADER: Header = Header {
        number: 8,
        base_lsn: 100,
        salt: 200,
        prev_chain: 300,
        created_us: 0,
        log_id: 400,
        epoch: 5,
        segment_bytes: 4096,
    };

    /// A floor in a segment of that header, or at the end of the one before it.
    fn floor(segment: u64) -> Floor {
        let origin = Origin {
            log_id: 400,
            epoch: 5,
            segment,
            salt: 200,
            chain: 300,
            ..Origin::default()
        };
        let lsn = Lsn(100);
        Floor { lsn, origin }
    }

    fn found(header: Header) -> Result<Found, OpenError> {
        let bytes = Bytes::copy_from_slice(&header.encode());
        verify_noting(Path::new("segment"), bytes, None)
    }

    #[test]
    fn only_a_segment_that_goes_on_at_the_floor_stands_for_the_one_before_it() {
        let files = [(8, PathBuf::from("segment"))];
        let holder = |header| holder(&floor(7), &files, &[found(header)]);
        assert_eq!(holder(HEADER), Some((0, true)));
        for (what, other) in [
            (
                "log",
                Header {
                    log_id: 1,
                    ..HEADER
                },
            ),
            (
                "beginning",
                Header {
                    base_lsn: 99,
                    ..HEADER
                },
            ),
            (
                "chain",
                Header {
                    prev_chain: 1,
                    ..HEADER
                },
            ),
        ] {
            assert_eq!(holder(other), None, "another {what}");
        }
    }

    #[test]
    fn a_segment_that_begins_after_the_floor_is_not_the_floors() {
        let is_foreign = |base_lsn| {
            let found = found(Header { base_lsn, ..HEADER });
            rot(&floor(8), Path::new("segment"), &found).is_err()
        };
        assert!(!is_foreign(99) && !is_foreign(100));
        assert!(is_foreign(101));
    }
}
