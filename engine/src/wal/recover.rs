//! What is left of a log after a crash, or after years on a shelf.
//!
//! Each segment is verified for itself, on several threads; then the results are judged in order.
//! Only the last segment may end in anything but its end frame:
//!
//! | segment | its frames stop | a later mark says that byte was durable | so it is |
//! |---|---|---|---|
//! | not the last | anywhere but at its end | – | rot |
//! | last | at its end | – | complete |
//! | last | before | yes | rot |
//! | last | before | no | a torn tail, cut there |
//!
//! Frames that are intact and malformed, or from a newer engine, are never cut: an error, always.
//!
//! The page cache may hold bytes whose sync failed, so a reader cannot tell what the disk holds.
//! Recovery therefore never goes on writing where it found frames: the last segment's good part
//! is copied to a new file, sealed and synced, before anybody is served.
//!
//! Recovery invents nothing, drops nothing that was durable, and run twice does nothing more.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::error::{Corruption, OpenError, Rot};
use super::options::{Options, Policy};
use super::segment::{FileKind, Header, draft_path, file_kind};
use super::tape::{SealedSegment, put_in_place};
use super::walk::{self, Stop, Verified};
use crate::frame::{Prepared, SegmentEnd};
use crate::planted::{Bug, planted};
use crate::vfs::{Doing, IoError, Vfs, VfsFile};

/// What opening a log found and did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Segments that hold records.
    pub segments: usize,
    /// Intact frames.
    pub frames: u64,
    /// Records.
    pub records: u64,
    /// Bytes that were verified.
    pub bytes: u64,
    /// The torn tail that was cut, where there was one.
    pub cut: Option<Cut>,
}

/// A torn tail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The segment.
    pub path: PathBuf,
    /// The first byte that was cut.
    pub offset: u64,
    /// What stood there.
    pub reason: Stop,
}

/// A log's segments, all sealed, and the header with which it goes on.
#[derive(Debug)]
pub(super) struct Remains {
    pub report: Recovered,
    pub segments: Vec<SealedSegment>,
    pub next: Header,
}

/// A segment's file and what its walk found.
struct Found {
    path: PathBuf,
    bytes: Bytes,
    header: Header,
    verified: Verified,
}

/// Verifies a directory and seals its last segment.
pub(super) fn recover<V: Vfs>(
    vfs: &V,
    dir: &Path,
    options: &Options,
) -> Result<Remains, OpenError> {
    let files = segment_files(vfs, dir)?;
    let found = verify_all(vfs, &files, options.threads)?;
    let mut report = Recovered::default();
    let mut segments: Vec<SealedSegment> = Vec::with_capacity(found.len());
    let mut next = None;
    for (index, segment) in found.iter().enumerate() {
        let is_last = index + 1 == found.len();
        check_order(segment, files[index].0, next.as_ref())?;
        let cut = judge(segment, is_last, options.policy)?;
        let last = segment.verified.last;
        let records = last.lsn - segment.header.base_lsn;
        report.bytes += last.at as u64;
        report.frames += last.frames;
        report.records += records;
        report.cut = cut;
        if is_last && records == 0 {
            // Nothing to keep: the next segment takes its name and its place.
            next = Some(segment.header);
            continue;
        }
        if is_last && !planted(Bug::ResumeInPlace) {
            seal_copy(vfs, dir, segment)?;
        }
        segments.push(SealedSegment {
            header: segment.header,
            end_lsn: last.lsn,
        });
        next = Some(segment.header.next(last.lsn, last.chain, vfs.now_us()));
    }
    report.segments = segments.len();
    let next = next.unwrap_or_else(|| Header::first(vfs.now_us()));
    Ok(Remains {
        report,
        segments,
        next,
    })
}

/// The segments in order, by base LSN. Drafts that were never finished are removed.
fn segment_files<V: Vfs>(vfs: &V, dir: &Path) -> Result<Vec<(u64, PathBuf)>, IoError> {
    let mut files = Vec::new();
    for name in vfs.list(dir).doing("list", dir)? {
        let path = dir.join(&name);
        match file_kind(&name) {
            FileKind::Segment(base_lsn) => files.push((base_lsn, path)),
            FileKind::Draft => vfs.remove(&path).doing("remove", &path)?,
            FileKind::Other => {}
        }
    }
    Ok(files)
}

/// Maps and verifies every file. Threads take the next file in turn.
fn verify_all<V: Vfs>(
    vfs: &V,
    files: &[(u64, PathBuf)],
    threads: usize,
) -> Result<Vec<Found>, OpenError> {
    if threads < 2 || files.len() < 2 {
        return files
            .iter()
            .map(|(_, path)| verify_file(vfs, path))
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
            done.push((index, verify_file(vfs, path)));
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

fn verify_file<V: Vfs>(vfs: &V, path: &Path) -> Result<Found, OpenError> {
    let bytes = vfs.map(path).doing("map", path)?;
    let header = Header::decode(&bytes);
    let header = header.map_err(|bad| corruption(path, 0, Rot::Header(bad)))?;
    let verified = walk::verify(&bytes, &header);
    Ok(Found {
        path: path.to_owned(),
        bytes,
        header,
        verified,
    })
}

/// A segment must be the one that its name and its predecessor promise.
fn check_order(
    segment: &Found,
    name_lsn: u64,
    promised: Option<&Header>,
) -> Result<(), Corruption> {
    let header = &segment.header;
    let expect = |field, expected: u64, found: u64| {
        let rot = Rot::Order {
            field,
            expected,
            found,
        };
        if expected == found {
            Ok(())
        } else {
            Err(corruption(&segment.path, 0, rot))
        }
    };
    expect("the base LSN", name_lsn, header.base_lsn)?;
    if let Some(promised) = promised {
        expect("the segment's number", promised.number, header.number)?;
        expect("the base LSN", promised.base_lsn, header.base_lsn)?;
        let chains = (u64::from(promised.prev_chain), u64::from(header.prev_chain));
        expect("the chain of the segment before", chains.0, chains.1)?;
    }
    Ok(())
}

/// The table of the module's header.
fn judge(segment: &Found, is_last: bool, policy: Policy) -> Result<Option<Cut>, OpenError> {
    let Found {
        path,
        bytes,
        header,
        verified,
    } = segment;
    let Some(stop) = verified.stop else {
        return Ok(None);
    };
    let at = verified.at;
    let offset = verified.last.at as u64;
    let whole = matches!(stop, Stop::Malformed(_) | Stop::Unknown { .. });
    if whole || !is_last || walk::durable_beyond(bytes, header.salt, at).is_some() {
        return Err(corruption(path, at as u64, Rot::Frame(stop)).into());
    }
    let has_records = verified.last.lsn > header.base_lsn;
    if policy == Policy::Strict && (has_records || stop != Stop::Empty) {
        return Err(OpenError::Unclean {
            path: path.clone(),
            offset,
        });
    }
    let torn = matches!(stop, Stop::Damaged(_) | Stop::Unfinished);
    Ok(torn.then(|| Cut {
        path: path.clone(),
        offset,
        reason: stop,
    }))
}

/// Replaces the last segment by a sealed copy of its good part.
fn seal_copy<V: Vfs>(vfs: &V, dir: &Path, segment: &Found) -> Result<(), IoError> {
    let Found {
        bytes,
        header,
        verified,
        ..
    } = segment;
    let last = verified.last;
    let draft = draft_path(dir, header.base_lsn);
    let file = vfs.create(&draft).doing("create", &draft)?;
    file.write_at(&bytes[..last.at], 0).doing("write", &draft)?;
    let records = last.lsn - header.base_lsn;
    let end = SegmentEnd {
        records,
        end_lsn: last.lsn,
        chain: last.chain,
    }
    .encode();
    let mut frame = Vec::new();
    if let Some(prepared) = Prepared::new(SegmentEnd::record(&end)) {
        prepared.write_to(&mut frame, header.salt);
    }
    file.write_at(&frame, last.at as u64)
        .doing("write", &draft)?;
    file.sync_data().doing("sync", &draft)?;
    put_in_place(vfs, dir, &draft, header.base_lsn)
}

fn corruption(path: &Path, offset: u64, reason: Rot) -> Corruption {
    Corruption {
        path: path.to_owned(),
        offset,
        reason,
    }
}
