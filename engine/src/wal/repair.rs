//! Looking at a log without opening it, and saving what is intact of a damaged one.
//!
//! Both only read the log they are given; repair writes what it finds to a **new** log, and says
//! what it left out. Files are read, not mapped, so a log may be looked at while it is in use.
//!
//! Repair believes a frame whose checksum holds, wherever it stands. After damage it searches for
//! the next one at every byte. Records keep their order and are numbered again, from 0: snapshots of the
//! damaged log do not go with the repaired one, and the report says what they held.

use std::fmt;
use std::path::{Path, PathBuf};

use super::error::{AppendError, OpenError, Poisoned};
use super::files::check_plain;
use super::frame_search::FrameSearch;
use super::log::Wal;
use super::lsn::Lsn;
use super::options::{Options, Policy};
use super::segment::{BadHeader, FileKind, HEADER_BYTES, Header, file_kind};
use super::segment_scanner::Stop;
use super::verify::{check_order, judge, verify_bytes};
use crate::frame::{BatchItems, Frame, Kind, Next, Transaction, TxCommit, decode};
use crate::vfs::{Doing, IoError, Vfs, VfsFile};

/// What one segment looks like.
#[derive(Debug)]
pub struct SegmentReport {
    /// Its file.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Its header.
    pub header: Result<Header, BadHeader>,
    /// Intact frames from the beginning.
    pub frames: u64,
    /// Records in them.
    pub records: u64,
    /// Where its frames end, and why; `None` where it is sealed.
    pub stop: Option<(u64, Stop)>,
    /// What would keep the log from being opened.
    pub verdict: Result<(), OpenError>,
}

/// Looks at every segment in `dir`.
///
/// # Errors
/// [`IoError`] where the directory or a file cannot be read.
pub fn inspect<V: Vfs>(vfs: &V, dir: &Path) -> Result<Vec<SegmentReport>, IoError> {
    let files = segment_files(vfs, dir)?;
    let mut promised: Option<Header> = None;
    let mut reports = Vec::new();
    for (index, (named, path)) in files.iter().enumerate() {
        let segment = read_file(vfs, path)?;
        let is_last = index + 1 == files.len();
        let bytes = segment.len() as u64;
        let header = Header::decode(&segment);
        let found = verify_bytes(path, segment.into());
        let verified = found.as_ref().ok().map(|found| found.verified);
        let begin = header.map_or(0, |header| header.base_lsn);
        let verdict = found.and_then(|found| {
            check_order(&found, *named, promised.as_ref())?;
            judge(&found, is_last, Policy::TornTail)?;
            let last = found.verified.last;
            let next = found.header.next(last.lsn, last.chain, 0);
            let epoch = found.verified.next_epoch;
            promised = Some(Header { epoch, ..next });
            Ok(())
        });
        reports.push(SegmentReport {
            path: path.clone(),
            bytes,
            header,
            frames: verified.map_or(0, |verified| verified.last.frames),
            records: verified.map_or(0, |verified| verified.last.lsn - begin),
            stop: verified.and_then(|verified| Some((verified.at as u64, verified.stop?))),
            verdict,
        });
    }
    Ok(reports)
}

/// What repair kept, and what it left out.
#[derive(Debug, Default)]
pub struct RepairReport {
    /// Segments that were read.
    pub segments: usize,
    /// Records that are in the new log.
    pub records: u64,
    /// The number with which the damaged log began. What comes before is in its snapshots, if
    /// anywhere, and not in the new log.
    pub first: Option<Lsn>,
    /// What could not be kept.
    pub gaps: Vec<Gap>,
}

/// Bytes that could not be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The file.
    pub path: PathBuf,
    /// The first byte.
    pub offset: u64,
    /// How many.
    pub bytes: u64,
    /// Why.
    pub reason: String,
}

impl fmt::Display for RepairReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} records kept from {} segments",
            self.records, self.segments
        )?;
        if let Some(first) = self.first.filter(|first| *first > Lsn(0)) {
            writeln!(
                f,
                "the log began with record {first}: the {first} before it are in its snapshots, if anywhere, and not in the new log"
            )?;
        }
        for Gap {
            path,
            offset,
            bytes,
            reason,
        } in &self.gaps
        {
            let path = path.display();
            writeln!(
                f,
                "left out: {bytes} bytes of `{path}` from byte {offset}: {reason}"
            )?;
        }
        Ok(())
    }
}

/// A log could not be repaired. The damaged log is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The damaged log could not be read.
    #[error(transparent)]
    Read(#[from] IoError),
    /// The new directory has a log already.
    #[error("`{}` is not empty; give a new directory", dir.display())]
    NotEmpty {
        /// The directory.
        dir: PathBuf,
    },
    /// The new log could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The new log does not take a record.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The new log failed.
    #[error(transparent)]
    Poisoned(#[from] Poisoned),
}

/// Writes everything intact in `from` to a new log in `to`.
///
/// # Errors
/// [`RepairError`], by what failed.
pub fn repair<V: Vfs>(
    vfs: &V,
    from: &Path,
    to: &Path,
    options: Options,
) -> Result<RepairReport, RepairError> {
    vfs.create_dir(to).doing("create", to)?;
    if !vfs.list(to).doing("list", to)?.is_empty() {
        return Err(RepairError::NotEmpty { dir: to.to_owned() });
    }
    let (wal, _) = Wal::open(vfs.clone(), to, options)?;
    let mut report = RepairReport::default();
    for (_, path) in segment_files(vfs, from)? {
        let segment = read_file(vfs, &path)?;
        report.segments += 1;
        match Header::decode(&segment) {
            Ok(header) => {
                report.first.get_or_insert(Lsn(header.base_lsn));
                let salvage = Salvage {
                    wal: &wal,
                    path,
                    segment: &segment,
                    salt: header.salt,
                };
                salvage.run(&mut report)?;
            }
            Err(bad) => {
                let bytes = segment.len() as u64;
                report.gaps.push(Gap {
                    path,
                    offset: 0,
                    bytes,
                    reason: bad.to_string(),
                });
            }
        }
    }
    wal.close()?;
    Ok(report)
}

/// The way through one segment.
struct Salvage<'a, V: Vfs> {
    wal: &'a Wal<V>,
    path: PathBuf,
    segment: &'a [u8],
    salt: u32,
}

impl<V: Vfs> Salvage<'_, V> {
    fn run(&self, report: &mut RepairReport) -> Result<(), AppendError> {
        let mut at = HEADER_BYTES;
        let mut search = None;
        let mut open: Option<(usize, Transaction)> = None;
        loop {
            let damage = match decode(self.segment.get(at..).unwrap_or_default(), self.salt) {
                Next::Frame(frame) if frame.record.kind == Kind::SEGMENT_END => break,
                Next::Frame(frame) => {
                    self.keep(&frame, at, &mut open, report)?;
                    at += frame.size;
                    continue;
                }
                Next::Damaged(damage) => damage.to_string(),
                Next::End => "the frames end, and go on later".to_owned(),
            };
            let search = search.get_or_insert_with(|| FrameSearch::new(self.segment, self.salt));
            let Some(next) = search.find(at + 1) else {
                if !self.segment[at.min(self.segment.len())..]
                    .iter()
                    .all(|byte| *byte == 0)
                {
                    let end = self.segment.len();
                    self.gap(at, end, format!("{damage}, and no frame follows"), report);
                }
                break;
            };
            self.abandon(open.take(), at, report);
            self.gap(at, next, damage, report);
            at = next;
        }
        self.abandon(open, at, report);
        Ok(())
    }

    fn keep(
        &self,
        frame: &Frame<'_>,
        at: usize,
        open: &mut Option<(usize, Transaction)>,
        report: &mut RepairReport,
    ) -> Result<(), AppendError> {
        let record = frame.record;
        match record.kind {
            Kind::TX_BEGIN => {
                self.abandon(open.take(), at, report);
                *open = Some((at, Transaction::default()));
            }
            Kind::TX_COMMIT => {
                let promised = TxCommit::decode(record.payload).map(|commit| commit.records);
                match open.take() {
                    Some((_, transaction)) if promised == Some(transaction.len()) => {
                        self.wal.append_transaction(&transaction)?;
                        report.records += transaction.len();
                    }
                    incomplete => self.abandon(incomplete, at, report),
                }
            }
            Kind::BATCH => {
                let items = BatchItems::new(record.payload).filter(|items| {
                    items.clone().is_well_formed() && items.clone().unknown().is_none()
                });
                let Some(items) = items else {
                    self.gap(
                        at,
                        at + frame.size,
                        "the batch is malformed, or of a newer engine".to_owned(),
                        report,
                    );
                    return Ok(());
                };
                let mut whole = Transaction::default();
                let target = open
                    .as_mut()
                    .map_or(&mut whole, |(_, transaction)| transaction);
                // What was in a batch fits a transaction.
                let fits = items.flatten().all(|item| target.push(item));
                debug_assert!(fits);
                if !whole.is_empty() {
                    self.wal.append_transaction(&whole)?;
                    report.records += whole.len();
                }
            }
            kind if kind.is_reserved() => {}
            kind if !kind.is_known() => {
                let reason = format!("type {:#04x} is unknown to this engine", kind.0);
                self.abandon(open.take(), at, report);
                self.gap(at, at + frame.size, reason, report);
            }
            _ if open.is_none() => {
                self.wal.append(record)?;
                report.records += 1;
            }
            _ => {
                let fits = open
                    .as_mut()
                    .is_some_and(|(_, transaction)| transaction.push(record));
                debug_assert!(fits);
            }
        }
        Ok(())
    }

    /// Leaves out a transaction without a commit.
    fn abandon(&self, open: Option<(usize, Transaction)>, end: usize, report: &mut RepairReport) {
        if let Some((begin, transaction)) = open {
            let reason = format!(
                "a transaction of {} records has no commit",
                transaction.len()
            );
            self.gap(begin, end, reason, report);
        }
    }

    fn gap(&self, start: usize, end: usize, reason: String, report: &mut RepairReport) {
        let (offset, bytes) = (start as u64, (end - start) as u64);
        report.gaps.push(Gap {
            path: self.path.clone(),
            offset,
            bytes,
            reason,
        });
    }
}

fn segment_files<V: Vfs>(vfs: &V, dir: &Path) -> Result<Vec<(u64, PathBuf)>, IoError> {
    let names = vfs.list(dir).doing("list", dir)?.into_iter();
    let segments = names.filter_map(|name| match file_kind(&name) {
        FileKind::Segment(number) => Some((number, dir.join(name))),
        _ => None,
    });
    let segments: Vec<_> = segments.collect();
    for (_, path) in &segments {
        check_plain(vfs, path)?;
    }
    Ok(segments)
}

fn read_file<V: Vfs>(vfs: &V, path: &Path) -> Result<Vec<u8>, IoError> {
    let file = vfs.open_read(path).doing("open", path)?;
    let size = file.size().doing("measure", path)?;
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
    let mut at = 0;
    while at < bytes.len() {
        match file
            .read_at(&mut bytes[at..], at as u64)
            .doing("read", path)?
        {
            0 => bytes.truncate(at),
            read => at += read,
        }
    }
    Ok(bytes)
}
