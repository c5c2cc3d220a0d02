//! What is left of a log after a crash, or after years on a shelf.
//!
//! Each segment is [verified](super::verify) for itself; then the results are judged in order.
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

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::below;
use super::error::{Corruption, CorruptionKind, OpenError};
use super::files::{Files, keep_lost, list_files, set_aside};
use super::lsn::Lsn;
use super::options::{Options, Policy};
use super::origin::Floor;
use super::pin::Pin;
use super::sealed_copy::seal_copy;
use super::segment::Header;
use super::segment_view::SegmentView;
use super::segment_writer::SealedSegment;
use super::verify::{Found, TornTail, Verification, check_order, judge, verify_above, verify_file};
use crate::injected_bug::{Bug, injected};
use crate::vfs::Vfs;

/// What opening a log found and did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Segments that hold records.
    pub segments: usize,
    /// Segments among them that lie below the floor, and of which only the header was read. They are
    /// verified by whoever reads them first, or by [`Wal::maintain`](super::Wal::maintain).
    pub unverified: usize,
    /// The first record.
    pub first: Lsn,
    /// The LSN after the last record.
    pub end: Lsn,
    /// Intact frames in what was verified.
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

/// A log's segments, all sealed, and the header with which it goes on.
#[derive(Debug)]
pub(super) struct RecoveredLog {
    pub report: Recovered,
    /// The floor, where the log is known to have the history that it was noted of.
    pub held: Option<Floor>,
    pub segments: Vec<SealedSegment>,
    pub spares: Vec<PathBuf>,
    pub next_spare: u64,
    pub next: Header,
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
    let Verification {
        mut found,
        holds_floor,
    } = verify_above(vfs, &files.segments, options.threads, floor);
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
    let is_rewound = kept.is_rewound || kept.restart.is_some();
    let mut recovered = kept.seal(vfs, dir, files, options)?;
    recovered.held = floor.copied().filter(|_| holds_floor && !is_rewound);
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
        self.report.unverified += usize::from(segment.next.is_some());
        self.report.cut = cut;
        let (header, end_lsn) = (segment.header, last.lsn);
        self.segments.push(SealedSegment {
            header,
            end_lsn,
            pin: Pin::default(),
            view: Arc::new(match segment.next {
                None => SegmentView::new(std::mem::take(&mut segment.points)),
                Some(next) => SegmentView::unverified(header, next),
            }),
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
        let segment = verify_file(vfs, path, None)?;
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
            held: None,
            segments: self.segments,
            spares: files.spares,
            next_spare: files.next_spare,
            next,
        })
    }
}
