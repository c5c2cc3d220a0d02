//! The write side of the log: whoever holds the tape is the one who writes and syncs.
//!
//! There is one tape. A thread that wants something written takes it, works without any lock,
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

use std::path::{Path, PathBuf};

use super::pending::Chunk;
use super::segment::{HEADER_BYTES, Header, draft_path, segment_path};
use crate::planted::{Bug, planted};
use crate::vfs::{Doing, IoError, Vfs, VfsFile};

/// The active segment's file.
pub(super) struct Tape<V: Vfs> {
    vfs: V,
    dir: PathBuf,
    segment_bytes: u64,
    file: V::File,
    /// The file's name, for whoever reads an error.
    path: PathBuf,
    header: Header,
    /// Whether the rest of the file is filled with zeros already.
    filled: bool,
    progress: Progress,
    sealed: Vec<SealedSegment>,
}

/// How far a tape has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    /// The active segment.
    pub header: Header,
    /// Its bytes that are written.
    pub offset: u64,
    /// The LSN after the last record written.
    pub written: u64,
    /// The LSN after the last record synced.
    pub durable: u64,
}

/// A segment that will not change again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SealedSegment {
    /// Its header.
    pub header: Header,
    /// The LSN after its last record.
    pub end_lsn: u64,
}

impl<V: Vfs> Tape<V> {
    /// Begins the segment of `header`, which replaces a file of the same name.
    pub(super) fn begin(
        vfs: &V,
        dir: &Path,
        header: Header,
        segment_bytes: u64,
    ) -> Result<Self, IoError> {
        let file = begin_segment(vfs, dir, &header)?;
        let lsn = header.base_lsn;
        let offset = HEADER_BYTES as u64;
        Ok(Self {
            vfs: vfs.clone(),
            dir: dir.to_owned(),
            segment_bytes,
            file,
            path: segment_path(dir, lsn),
            header,
            filled: false,
            progress: Progress {
                header,
                offset,
                written: lsn,
                durable: lsn,
            },
            sealed: Vec::new(),
        })
    }

    /// Writes `chunks` in order, and makes them durable where `sync` says so.
    pub(super) fn write(&mut self, chunks: &[Chunk], sync: bool) -> Result<(), IoError> {
        for chunk in chunks {
            if chunk.header.number != self.header.number {
                self.file = begin_segment(&self.vfs, &self.dir, &chunk.header)?;
                self.path = segment_path(&self.dir, chunk.header.base_lsn);
                self.header = chunk.header;
                self.filled = false;
            }
            self.write_chunk(chunk)?;
            if chunk.sealed {
                self.sync()?;
                self.sealed.push(SealedSegment {
                    header: chunk.header,
                    end_lsn: chunk.end_lsn,
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
            if !self.filled {
                let filled = self.file.fill(chunk.start, self.segment_bytes);
                filled.doing("preallocate", &self.path)?;
                self.filled = true;
            }
            self.file
                .write_at(&chunk.bytes, chunk.start)
                .doing("write", &self.path)?;
        }
        self.progress.header = chunk.header;
        self.progress.offset = chunk.end();
        self.progress.written = chunk.end_lsn;
        if planted(Bug::PublishBeforeDurable) {
            self.progress.durable = chunk.end_lsn;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), IoError> {
        let mut synced = self.file.sync_data();
        if planted(Bug::RetryFailedSync) && synced.is_err() {
            synced = self.file.sync_data();
        }
        synced.doing("sync", &self.path)?;
        self.progress.durable = self.progress.written;
        Ok(())
    }

    /// How far it has come.
    pub(super) fn progress(&self) -> Progress {
        self.progress
    }

    /// The segments sealed since this was last asked.
    pub(super) fn take_sealed(&mut self) -> Vec<SealedSegment> {
        std::mem::take(&mut self.sealed)
    }
}

/// Makes an empty segment durable under its final name.
fn begin_segment<V: Vfs>(vfs: &V, dir: &Path, header: &Header) -> Result<V::File, IoError> {
    let draft = draft_path(dir, header.base_lsn);
    let file = vfs.create(&draft).doing("create", &draft)?;
    file.write_at(&header.encode(), 0).doing("write", &draft)?;
    file.sync_data().doing("sync", &draft)?;
    put_in_place(vfs, dir, &draft, header.base_lsn)?;
    Ok(file)
}

/// Gives a finished draft its final name, durably.
pub(super) fn put_in_place<V: Vfs>(
    vfs: &V,
    dir: &Path,
    draft: &Path,
    base_lsn: u64,
) -> Result<(), IoError> {
    let path = segment_path(dir, base_lsn);
    vfs.rename(draft, &path).doing("rename", draft)?;
    if planted(Bug::SkipDirectorySync) {
        return Ok(());
    }
    vfs.sync_dir(dir).doing("sync", dir)
}
