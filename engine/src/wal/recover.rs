//! What is left of a log after a crash, or after years on a shelf.
//!
//! Each segment is verified for itself, on several threads; then the results are judged in order.
//! Only the last segment may end in anything but its end frame:
//!
//! | segment | its frames stop | a later mark says that byte was durable | so it is |
//! |---|---|---|---|
//! | not the last | anywhere but at its end | – | corruption |
//! | last | at its end | – | complete |
//! | last | before | yes | corruption |
//! | last | before | no | a torn tail, cut there |
//!
//! Frames that are intact and malformed, or from a newer engine, are never cut: an error, always.
//!
//! The page cache may hold bytes whose sync failed, so a reader cannot tell what the disk holds.
//! Recovery therefore never goes on writing where it found frames: the last segment's good part
//! is copied to a new file, sealed and synced, before anybody is served.
//!
//! Recovery invents nothing, drops nothing that was durable, and run twice does nothing more.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::below;
use super::error::{Corruption, CorruptionKind, OpenError};
use super::lsn::Lsn;
use super::options::{Options, Policy};
use super::origin::Floor;
use super::pin::Pin;
use super::points::Points;
use super::segment::{FileKind, Header, draft_path, file_kind};
use super::segment_scanner::{self, Position, Stop, Verified};
use super::segment_view::SegmentView;
use super::segment_writer::{SealedSegment, Taken, put_in_place};
use crate::frame::{Prepared, SegmentEnd};
use crate::injected_bug::{Bug, injected};
use crate::vfs::{Doing, IoError, Vfs, VfsFile};

/// What opening a log found and did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Segments that hold records.
    pub segments: usize,
    /// The first record.
    pub first: Lsn,
    /// The LSN after the last record.
    pub end: Lsn,
    /// Intact frames.
    pub frames: u64,
    /// Records.
    pub records: u64,
    /// Bytes that were verified.
    pub bytes: u64,
    /// How long it took, by the clock of the door.
    pub took: Duration,
    /// The torn tail that was cut, where there was one. In a file that was used before, what
    /// follows the last frame is no frame either, and is called a torn tail too.
    pub cut: Option<TornTail>,
    /// Damage that was set aside: below the floor, where it costs nothing and says that the disk
    /// rots; or with [`Policy::PointInTime`], where the log now ends before it. The files are kept
    /// under the name `*.lost`.
    pub set_aside: Vec<Corruption>,
}

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

/// A log's segments, all sealed, and the header with which it goes on.
#[derive(Debug)]
pub(super) struct RecoveredLog {
    pub report: Recovered,
    pub segments: Vec<SealedSegment>,
    pub spares: Vec<PathBuf>,
    pub next_spare: u64,
    pub next: Header,
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
}

/// Verifies a directory and seals its last segment.
pub(super) fn recover<V: Vfs>(
    vfs: &V,
    dir: &Path,
    options: &Options,
    floor: Option<&Floor>,
) -> Result<RecoveredLog, OpenError> {
    let begun_us = vfs.now_us();
    let files = list_files(vfs, dir, options)?;
    let mut found = verify_all(vfs, &files.segments, options.threads);
    let mut kept = Kept::default();
    let mut begin = 0;
    if let Some(floor) = floor {
        let cleared = below::clear(vfs, dir, options, floor, &files.segments, &mut found)?;
        begin = cleared.begin;
        kept.report.set_aside = cleared.damage;
        if cleared.is_all {
            kept.restart(vfs, floor, &files);
        }
    }
    for (index, found) in found.into_iter().enumerate().skip(begin) {
        let is_last = index + 1 == files.segments.len();
        let (named, path) = &files.segments[index];
        let judged = found.and_then(|segment| {
            check_order(&segment, *named, kept.promised.as_ref())?;
            let cut = judge(&segment, is_last, options.policy)?;
            Ok((segment, cut))
        });
        match judged {
            Ok((segment, cut)) => kept.keep(segment, cut, vfs.now_us()),
            Err(OpenError::Corrupt(corruption))
                if options.policy == Policy::PointInTime && corruption.reason.is_damage() =>
            {
                kept.go_back(vfs, dir, &corruption, path, &files.segments[index..])?;
                break;
            }
            Err(error) => return Err(error),
        }
    }
    if let Some(floor) = floor.filter(|floor| kept.ends_before(floor)) {
        if options.policy != Policy::PointInTime {
            let (dir, end) = (dir.to_owned(), kept.report.end);
            let floor = floor.lsn;
            return Err(OpenError::TooShort { dir, end, floor });
        }
        let left = list_files(vfs, dir, options)?.segments;
        set_aside(vfs, dir, left.iter().rev())?;
        kept.restart(vfs, floor, &files);
    }
    let mut recovered = kept.seal(vfs, dir, files, options)?;
    recovered.report.took = Duration::from_micros(vfs.now_us().saturating_sub(begun_us));
    Ok(recovered)
}

/// What recovery keeps, segment by segment.
#[derive(Default)]
struct Kept {
    report: Recovered,
    segments: Vec<SealedSegment>,
    /// What the header of the next segment must say.
    promised: Option<Header>,
    last: Option<Found>,
    /// Whether records that were there are not kept, so that their numbers are given out again.
    is_rewound: bool,
    /// Segments after the damage, to be set aside once the good part before it is sealed.
    after: Vec<(u64, PathBuf)>,
    /// Where the log begins again above a floor, with no segment left.
    restart: Option<Header>,
}

impl Kept {
    fn keep(&mut self, mut segment: Found, cut: Option<TornTail>, now_us: u64) {
        let last = segment.verified.last;
        let records = last.lsn - segment.header.base_lsn;
        if self.segments.is_empty() {
            self.report.first = Lsn(segment.header.base_lsn);
        }
        self.report.end = Lsn(last.lsn);
        self.report.bytes += last.at as u64;
        self.report.frames += last.frames;
        self.report.records += records;
        self.report.cut = cut;
        let (header, end_lsn) = (segment.header, last.lsn);
        self.segments.push(SealedSegment {
            header,
            end_lsn,
            pin: Pin::default(),
            view: Arc::new(SegmentView::new(std::mem::take(&mut segment.points))),
        });
        let next = header.next(end_lsn, last.chain, now_us);
        let epoch = segment.verified.next_epoch;
        self.promised = Some(Header { epoch, ..next });
        self.last = Some(segment);
    }

    /// Keeps the good part of a damaged segment, and sets everything after it aside.
    fn go_back<V: Vfs>(
        &mut self,
        vfs: &V,
        dir: &Path,
        corruption: &Corruption,
        path: &Path,
        rest: &[(u64, PathBuf)],
    ) -> Result<(), OpenError> {
        self.is_rewound = true;
        self.report.set_aside.push(corruption.clone());
        let has_good_part = matches!(
            corruption.reason,
            CorruptionKind::Frame(_) | CorruptionKind::Shortened { .. }
        );
        if !has_good_part {
            self.after = rest.to_vec();
            return Ok(());
        }
        self.after = rest[1..].to_vec();
        keep_lost(vfs, dir, path)?;
        let segment = verify_file(vfs, path)?;
        let cut = segment.verified.stop.map(|reason| TornTail {
            path: path.to_owned(),
            offset: segment.verified.at as u64,
            reason,
        });
        self.keep(segment, cut, vfs.now_us());
        Ok(())
    }

    /// Whether the log ends before `floor` although nothing was cut off since that was noted.
    fn ends_before(&self, floor: &Floor) -> bool {
        let is_same = self.promised.is_none_or(|next| {
            next.log_id == floor.origin.log_id && next.epoch <= floor.origin.epoch
        });
        is_same && self.restart.is_none() && self.report.end < floor.lsn
    }

    /// Begins again at `floor`, above all segments that there were.
    fn restart<V: Vfs>(&mut self, vfs: &V, floor: &Floor, files: &Files) {
        let origin = floor.origin;
        let last = files.segments.last().map_or(0, |(number, _)| *number);
        let before = Header {
            number: last.max(origin.segment),
            salt: origin.salt,
            log_id: origin.log_id,
            epoch: self.promised.map_or(0, |next| next.epoch).max(origin.epoch) + 1,
            ..Header::default()
        };
        self.segments.clear();
        self.after.clear();
        self.last = None;
        self.report = Recovered {
            first: floor.lsn,
            end: floor.lsn,
            set_aside: std::mem::take(&mut self.report.set_aside),
            ..Recovered::default()
        };
        self.restart = Some(before.next(floor.lsn.0, origin.chain, vfs.now_us()));
    }

    /// Seals the last segment, or leaves its place to the next where it holds nothing.
    fn seal<V: Vfs>(
        mut self,
        vfs: &V,
        dir: &Path,
        files: Files,
        options: &Options,
    ) -> Result<RecoveredLog, OpenError> {
        let next = match &self.last {
            None if self.restart.is_some() => self.restart.unwrap_or_default(),
            None => Header::first(vfs.now_us(), vfs.random(), options.segment_size()),
            Some(last) if last.verified.last.lsn == last.header.base_lsn => {
                self.segments.pop();
                Header {
                    epoch: last.header.epoch + u32::from(self.is_rewound),
                    ..last.header
                }
            }
            Some(last) => {
                // Numbers beyond the end may have been given out before.
                let is_rewound = self.is_rewound || last.verified.stop.is_some();
                let epoch = last.verified.next_epoch + u32::from(is_rewound);
                if !injected(Bug::ResumeInPlace) {
                    seal_copy(vfs, dir, last, epoch)?;
                }
                let end = last.verified.last;
                let next = last.header.next(end.lsn, end.chain, vfs.now_us());
                Header { epoch, ..next }
            }
        };
        // Only now: until the good part is sealed, a crash must find the damage again.
        set_aside(vfs, dir, self.after.iter().rev())?;
        let next = Header {
            segment_bytes: options.segment_size(),
            ..next
        };
        self.report.segments = self.segments.len();
        Ok(RecoveredLog {
            report: self.report,
            segments: self.segments,
            spares: files.spares,
            next_spare: files.next_spare,
            next,
        })
    }
}

/// Renames segments out of the way, one durably after the other: the newest first where they are
/// a log's end, the oldest first where they are its beginning, so that what is left has no gap.
pub(super) fn set_aside<'a, V: Vfs>(
    vfs: &V,
    dir: &Path,
    segments: impl Iterator<Item = &'a (u64, PathBuf)>,
) -> Result<(), IoError> {
    for (_, path) in segments {
        let lost = lost_path(vfs, dir, path)?;
        vfs.rename_new(path, &lost).doing("rename", path)?;
        vfs.sync_dir(dir).doing("sync", dir)?;
    }
    Ok(())
}

/// Keeps a copy of a damaged file that is about to be replaced. A copy that is there already, from
/// an attempt that was interrupted, is enough.
pub(super) fn keep_lost<V: Vfs>(vfs: &V, dir: &Path, path: &Path) -> Result<(), IoError> {
    let bytes = load_file(vfs, path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    for other in vfs.list(dir).doing("list", dir)? {
        let other = dir.join(other);
        let is_lost = other.to_string_lossy().contains(&format!("{name}.lost"));
        if is_lost && load_file(vfs, &other)? == bytes {
            return Ok(());
        }
    }
    let draft = path.with_extension("tmp");
    let file = vfs.create(&draft).doing("create", &draft)?;
    file.write_at(&bytes, 0).doing("write", &draft)?;
    file.sync_data().doing("sync", &draft)?;
    let lost = lost_path(vfs, dir, path)?;
    vfs.rename_new(&draft, &lost).doing("rename", &draft)?;
    vfs.sync_dir(dir).doing("sync", dir)
}

/// A free name for what is set aside. A file of the same name may have been set aside before.
fn lost_path<V: Vfs>(vfs: &V, dir: &Path, path: &Path) -> Result<PathBuf, IoError> {
    let taken = vfs.list(dir).doing("list", dir)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let names = std::iter::once(format!("{name}.lost"));
    let mut names = names.chain((1..).map(|number: u64| format!("{name}.lost.{number}")));
    let free = names.find(|name| !taken.contains(name));
    Ok(dir.join(free.unwrap_or_default()))
}

/// Sets a file of another kind aside.
pub(crate) fn set_file_aside<V: Vfs>(vfs: &V, dir: &Path, path: &Path) -> Result<PathBuf, IoError> {
    let lost = lost_path(vfs, dir, path)?;
    vfs.rename_new(path, &lost).doing("rename", path)?;
    vfs.sync_dir(dir).doing("sync", dir)?;
    Ok(lost)
}

/// The files of a log.
struct Files {
    /// Segments in order, by the number in their names.
    segments: Vec<(u64, PathBuf)>,
    /// Files to begin segments in.
    spares: Vec<PathBuf>,
    /// A number that no spare file has.
    next_spare: u64,
}

/// Lists the directory. What was never finished, or is of no use, is removed.
fn list_files<V: Vfs>(vfs: &V, dir: &Path, options: &Options) -> Result<Files, IoError> {
    let mut files = Files {
        segments: Vec::new(),
        spares: Vec::new(),
        next_spare: 0,
    };
    for name in vfs.list(dir).doing("list", dir)? {
        let path = dir.join(&name);
        match file_kind(&name) {
            FileKind::Segment(number) => {
                check_plain(vfs, &path)?;
                files.segments.push((number, path));
            }
            // Whatever else has such a name is not the log's.
            FileKind::Spare(_) | FileKind::Draft
                if !vfs.is_plain(&path).doing("look at", &path)? => {}
            FileKind::Spare(number) => {
                files.next_spare = files.next_spare.max(number.saturating_add(1));
                let file = vfs.open(&path).doing("open", &path)?;
                let whole = file.size().doing("measure", &path)? == options.segment_bytes();
                if whole && files.spares.len() < options.spares {
                    files.spares.push(path);
                } else {
                    vfs.remove(&path).doing("remove", &path)?;
                }
            }
            FileKind::Draft => vfs.remove(&path).doing("remove", &path)?,
            FileKind::Other => {}
        }
    }
    Ok(files)
}

/// A segment must be a file of its own. What a link points to may be changed, renamed or removed
/// behind the log's back; passing over it would open the log without its records.
pub(super) fn check_plain<V: Vfs>(vfs: &V, path: &Path) -> Result<(), IoError> {
    if vfs.is_plain(path).doing("look at", path)? {
        return Ok(());
    }
    let what = "it is a link or a directory, and a segment is a file; put the file itself here";
    Err(io::Error::new(io::ErrorKind::InvalidInput, what)).doing("use", path)
}

/// Maps and verifies every file. Threads take the next file in turn.
fn verify_all<V: Vfs>(
    vfs: &V,
    files: &[(u64, PathBuf)],
    threads: usize,
) -> Vec<Result<Found, OpenError>> {
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
    verify_bytes(path, load_file(vfs, path)?)
}

/// The whole of a file. A medium that cannot deliver it is an error, not a signal.
pub(super) fn load_file<V: Vfs>(vfs: &V, path: &Path) -> Result<Bytes, IoError> {
    vfs.load(path).doing("read", path)
}

/// Verifies a whole segment.
pub(super) fn verify_bytes(path: &Path, bytes: Bytes) -> Result<Found, OpenError> {
    let header = Header::decode(&bytes);
    let header = header.map_err(|bad| corruption(path, 0, CorruptionKind::Header(bad)))?;
    let (verified, points) = segment_scanner::verify(&bytes, &header);
    Ok(Found {
        path: path.to_owned(),
        bytes,
        header,
        verified,
        points,
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
    let Some(stop) = verified.stop else {
        return Ok(None);
    };
    let at = verified.at;
    let offset = verified.last.at as u64;
    let whole = matches!(stop, Stop::Malformed(_) | Stop::Unknown { .. });
    let (expected, found) = (header.file_bytes(verified.synced), bytes.len() as u64);
    if !whole && is_last && found < expected {
        let reason = CorruptionKind::Shortened { expected, found };
        return Err(corruption(path, found, reason).into());
    }
    if whole || !is_last || segment_scanner::durable_beyond(bytes, header.salt, at).is_some() {
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

/// Replaces the last segment by a sealed copy of its good part.
fn seal_copy<V: Vfs>(vfs: &V, dir: &Path, segment: &Found, next_epoch: u32) -> Result<(), IoError> {
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

fn corruption(path: &Path, offset: u64, reason: CorruptionKind) -> Corruption {
    Corruption {
        path: path.to_owned(),
        offset,
        reason,
    }
}
