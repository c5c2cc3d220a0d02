//! The write side of the log: whoever holds the writer is the one who writes and syncs.
//!
//! There is one writer. A thread that wants something written takes it, works without any lock,
//! and puts it back; that thread is the leader, and everybody else waits for the watermarks.
//!
//! Order at the end of a segment, each step complete before the next begins:
//!
//! 1. the last frames and the segment's end are written, and synced;
//! 2. the next segment's header is written to a draft file, and synced;
//! 3. the draft is renamed to its final name, and the directory synced.
//!
//! A segment that has a successor is therefore durable to its last byte, and a file that bears a
//! segment's name has a whole header.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::pending::Chunk;
use super::pin::Pin;
use super::segment::{HEADER_BYTES, Header, draft_path, lock_path, segment_path, spare_path};
use super::segment_view::SegmentView;
use crate::injected_bug::{Bug, injected};
use crate::vfs::{Doing, IoError, Vfs, VfsFile};

/// The active segment's file.
pub(super) struct SegmentWriter<V: Vfs> {
    vfs: V,
    dir: PathBuf,
    lock: Arc<V::Lock>,
    segment_bytes: u64,
    file: Arc<V::File>,
    /// The file of the segment that `progress` is about.
    active_file: Arc<V::File>,
    /// The file's name, for whoever reads an error.
    path: PathBuf,
    header: Header,
    /// How far the file is filled with zeros already.
    filled: u64,
    progress: Progress,
    sealed: Vec<SealedSegment>,
    /// Files as long as a segment, whose content does not matter.
    spares: Vec<PathBuf>,
}

/// How far a writer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    /// The active segment.
    pub header: Header,
    /// Its bytes that are written.
    pub offset: u64,
    /// Its bytes that are synced.
    pub synced: u64,
    /// The LSN after the last record written.
    pub written: u64,
    /// The LSN after the last record synced.
    pub durable: u64,
    /// What it took.
    pub counters: Counters,
}

/// What a log has cost since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Writes of frames.
    pub writes: u64,
    /// Bytes of frames.
    pub bytes: u64,
    /// Syncs of frames.
    pub syncs: u64,
}

/// A segment that will not change again.
#[derive(Debug, Clone)]
pub(super) struct SealedSegment {
    /// Its header.
    pub header: Header,
    /// The LSN after its last record.
    pub end_lsn: u64,
    /// Shared with everybody who reads the segment; its file is used again once nobody does.
    pub pin: Pin,
    /// Shared with them too.
    pub view: Arc<SegmentView>,
}

impl SealedSegment {
    /// Whether its file may be used for something else once the records below `lsn` are not needed:
    /// never that of the segment that is being written, whatever a list says.
    pub(super) fn may_go(&self, lsn: u64, active: u64) -> bool {
        self.end_lsn <= lsn && self.header.number < active && !self.pin.is_shared()
    }
}

impl Progress {
    /// At the beginning of the segment of `header`.
    pub(super) fn begin(header: Header) -> Self {
        let (lsn, offset) = (header.base_lsn, HEADER_BYTES as u64);
        Self {
            header,
            offset,
            synced: offset,
            written: lsn,
            durable: lsn,
            counters: Counters::default(),
        }
    }
}

impl<V: Vfs> SegmentWriter<V> {
    /// Begins the segment of `header`. Recovery may replace the file of a segment that holds no
    /// record; nobody else replaces anything.
    pub(super) fn begin(
        vfs: &V,
        dir: &Path,
        lock: &Arc<V::Lock>,
        header: Header,
        segment_bytes: u64,
        mut spares: Vec<PathBuf>,
        taken: Taken,
    ) -> Result<Self, IoError> {
        let (file, filled) = begin_segment(vfs, dir, &header, spares.pop(), taken)?;
        let file = Arc::new(file);
        Ok(Self {
            vfs: vfs.clone(),
            dir: dir.to_owned(),
            lock: Arc::clone(lock),
            segment_bytes,
            active_file: Arc::clone(&file),
            file,
            path: segment_path(dir, header.number),
            header,
            filled,
            progress: Progress::begin(header),
            sealed: Vec::new(),
            spares,
        })
    }

    /// Writes `chunks` in order, and makes them durable where `sync` says so.
    pub(super) fn write(&mut self, chunks: &[Chunk], sync: bool) -> Result<(), IoError> {
        for chunk in chunks {
            if chunk.header.number != self.header.number {
                let spare = self.spares.pop();
                check_place(&self.vfs, &self.dir, &self.lock)?;
                let begun =
                    begin_segment(&self.vfs, &self.dir, &chunk.header, spare, Taken::IsAnError)?;
                check_place(&self.vfs, &self.dir, &self.lock)?;
                (self.file, self.filled) = (Arc::new(begun.0), begun.1);
                self.path = segment_path(&self.dir, chunk.header.number);
                self.header = chunk.header;
            }
            self.write_chunk(chunk)?;
            if chunk.sealed.is_some() {
                self.sync()?;
                self.sealed.push(SealedSegment {
                    header: chunk.header,
                    end_lsn: chunk.end_lsn,
                    pin: Pin::default(),
                    view: Arc::default(),
                });
            }
        }
        if sync && self.progress.durable < self.progress.written {
            self.sync()?;
        }
        Ok(())
    }

    fn write_chunk(&mut self, chunk: &Chunk) -> Result<(), IoError> {
        if !chunk.bytes.is_empty() {
            let wanted = self.header.file_bytes(chunk.end());
            if self.filled < wanted {
                let filled = self.file.fill(self.filled, wanted);
                filled.doing("preallocate", &self.path)?;
                self.filled = wanted;
            }
            self.file
                .write_at(&chunk.bytes, chunk.start)
                .doing("write", &self.path)?;
            self.progress.counters.writes += 1;
            self.progress.counters.bytes += chunk.bytes.len() as u64;
        }
        if self.progress.header.number != chunk.header.number {
            self.progress.synced = HEADER_BYTES as u64;
        }
        self.progress.header = chunk.header;
        self.active_file = Arc::clone(&self.file);
        self.progress.offset = chunk.end();
        self.progress.written = chunk.end_lsn;
        if injected(Bug::PublishBeforeDurable) {
            self.progress.durable = chunk.end_lsn;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), IoError> {
        let mut synced = self.file.sync_data();
        if injected(Bug::RetryFailedSync) && synced.is_err() {
            synced = self.file.sync_data();
        }
        synced.doing("sync", &self.path)?;
        self.progress.counters.syncs += 1;
        self.progress.durable = self.progress.written;
        self.progress.synced = self.progress.offset;
        Ok(())
    }

    /// How far it has come.
    pub(super) fn progress(&self) -> Progress {
        self.progress
    }

    /// The file to which the progress belongs.
    pub(super) fn active_file(&self) -> &Arc<V::File> {
        &self.active_file
    }

    /// The segments sealed since this was last asked.
    pub(super) fn take_sealed(&mut self) -> Vec<SealedSegment> {
        std::mem::take(&mut self.sealed)
    }

    /// Takes over a file that is as long as a segment.
    pub(super) fn add_spare(&mut self, spare: PathBuf) {
        self.spares.push(spare);
    }

    /// How many files wait to become segments.
    pub(super) fn spares(&self) -> usize {
        self.spares.len()
    }

    /// Lets go of segments, oldest first, each durably before the next: a gap in the middle of a
    /// log would look like a lost segment. Keeps up to `spares_max` of their files for later use,
    /// numbered from `first_number` on.
    pub(super) fn retire(
        &mut self,
        segments: Vec<SealedSegment>,
        spares_max: usize,
        first_number: u64,
    ) -> Result<(), IoError> {
        check_place(&self.vfs, &self.dir, &self.lock)?;
        for (number, segment) in (first_number..).zip(segments) {
            let path = segment_path(&self.dir, segment.header.number);
            let file = self.vfs.open(&path).doing("open", &path)?;
            let whole = file.size().doing("measure", &path)? == self.segment_bytes;
            if whole && self.spares.len() < spares_max {
                let spare = spare_path(&self.dir, number);
                self.vfs.rename(&path, &spare).doing("rename", &path)?;
                self.spares.push(spare);
            } else {
                self.vfs.remove(&path).doing("remove", &path)?;
            }
            self.vfs.sync_dir(&self.dir).doing("sync", &self.dir)?;
        }
        Ok(())
    }
}

/// Makes an empty segment durable under its final name, in a spare file where there is one.
/// Says how much of the file is there already.
fn begin_segment<V: Vfs>(
    vfs: &V,
    dir: &Path,
    header: &Header,
    spare: Option<PathBuf>,
    taken: Taken,
) -> Result<(V::File, u64), IoError> {
    let is_spare = spare.is_some();
    let draft = spare.unwrap_or_else(|| draft_path(dir, header.number));
    let file = if is_spare {
        vfs.open(&draft)
    } else {
        vfs.create(&draft)
    };
    let file = file.doing("open", &draft)?;
    file.write_at(&header.encode(), 0).doing("write", &draft)?;
    let mut filled = u64::from(header.segment_bytes);
    if !is_spare {
        filled = header.file_bytes(0);
        let zeros = file.fill(HEADER_BYTES as u64, filled);
        zeros.doing("preallocate", &draft)?;
    }
    file.sync_data().doing("sync", &draft)?;
    put_in_place(vfs, dir, &draft, header.number, taken)?;
    Ok((file, filled))
}

/// Checks that `dir` still is the directory that was locked. Open files go with a directory that
/// is renamed; names that are used afterwards would be another log's.
pub(super) fn check_place<V: Vfs>(vfs: &V, dir: &Path, lock: &V::Lock) -> Result<(), IoError> {
    let path = lock_path(dir);
    if vfs.is_held(lock, &path).doing("look at", &path)? {
        return Ok(());
    }
    let what = "it was renamed or replaced while the log was open; open the log at its new place";
    Err(io::Error::other(what)).doing("go on in", dir)
}

/// Prepares a file that a segment can later be begun in without waiting for the disk.
pub(super) fn prepare_spare<V: Vfs>(
    vfs: &V,
    dir: &Path,
    number: u64,
    segment_bytes: u64,
) -> Result<PathBuf, IoError> {
    let spare = spare_path(dir, number);
    let file = vfs.create(&spare).doing("create", &spare)?;
    let filled = file.fill(0, segment_bytes).doing("preallocate", &spare);
    let synced = filled.and_then(|()| file.sync_data().doing("sync", &spare));
    match synced.and_then(|()| vfs.sync_dir(dir).doing("sync", dir)) {
        Ok(()) => Ok(spare),
        Err(error) => {
            // What it took of the disk is given back. If that fails, the next opening does it.
            let _ = vfs.remove(&spare);
            Err(error)
        }
    }
}

/// What to do where a segment's name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// Replace the file: only recovery does, and only what it has read and copied.
    Replace,
    /// Refuse: somebody else's file must not be lost.
    IsAnError,
}

/// Gives a finished draft its final name, durably.
pub(super) fn put_in_place<V: Vfs>(
    vfs: &V,
    dir: &Path,
    draft: &Path,
    number: u64,
    taken: Taken,
) -> Result<(), IoError> {
    let path = segment_path(dir, number);
    match taken {
        Taken::Replace => vfs.rename(draft, &path).doing("rename", draft)?,
        Taken::IsAnError => vfs.rename_new(draft, &path).doing("create", &path)?,
    }
    if injected(Bug::SkipDirectorySync) {
        return Ok(());
    }
    vfs.sync_dir(dir).doing("sync", dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_segment_below_that_nobody_reads_and_nobody_writes_may_go() {
        let header = Header {
            number: 4,
            ..Header::default()
        };
        let sealed = SealedSegment {
            header,
            end_lsn: 100,
            pin: Pin::default(),
            view: Arc::default(),
        };
        assert!(sealed.may_go(100, 5) && sealed.may_go(101, 9));
        assert!(!sealed.may_go(99, 5), "a record of it is needed");
        assert!(!sealed.may_go(100, 4), "it is being written");
        let reader = sealed.pin.clone();
        assert!(!sealed.may_go(100, 5), "somebody reads it");
        drop(reader);
        assert!(sealed.may_go(100, 5));
    }
}
