//! A segment that is replaced by a copy of what is good of it, sealed and synced.

use std::path::Path;

use super::segment::{Header, draft_path};
use super::segment_scanner::Position;
use super::segment_writer::{Taken, put_in_place};
use super::verify::Found;
use crate::frame::{Prepared, SegmentEnd};
use crate::vfs::{Doing, IoError, Vfs, VfsFile};

/// Replaces the last segment by a sealed copy of its good part.
pub(super) fn seal_copy<V: Vfs>(
    vfs: &V,
    dir: &Path,
    segment: &Found,
    next_epoch: u32,
) -> Result<(), IoError> {
    let Found {
        bytes,
        header,
        verified,
        ..
    } = segment;
    let last = verified.last;
    let draft = draft_path(dir, header.number);
    let file = vfs.create(&draft).doing("create", &draft)?;
    file.write_at(&bytes[..last.at], 0).doing("write", &draft)?;
    let end = segment_end(header, &last, next_epoch);
    file.write_at(&end, last.at as u64).doing("write", &draft)?;
    file.sync_data().doing("sync", &draft)?;
    put_in_place(vfs, dir, &draft, header.number, Taken::Replace)
}

/// The last frame of a segment whose frames end at `last`.
pub(super) fn segment_end(header: &Header, last: &Position, next_epoch: u32) -> Vec<u8> {
    let end = SegmentEnd {
        records: last.lsn - header.base_lsn,
        end_lsn: last.lsn,
        chain: last.chain,
        next_epoch,
    }
    .encode();
    let mut frame = Vec::new();
    if let Some(prepared) = Prepared::new(SegmentEnd::record(&end)) {
        prepared.write_to(&mut frame, header.salt);
    }
    frame
}

/// Puts `copy` in the place of the segment with a number.
pub(super) fn write_copy<V: Vfs>(
    vfs: &V,
    dir: &Path,
    number: u64,
    copy: &[u8],
) -> Result<(), IoError> {
    let draft = draft_path(dir, number);
    let file = vfs.create(&draft).doing("create", &draft)?;
    file.write_at(copy, 0).doing("write", &draft)?;
    file.sync_data().doing("sync", &draft)?;
    put_in_place(vfs, dir, &draft, number, Taken::Replace)
}
