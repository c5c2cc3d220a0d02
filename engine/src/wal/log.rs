//! The log that threads share: accept, write, sync, wait.
//!
//! ```text
//! append ──► State (one short lock) ──► SegmentWriter (no lock, one holder) ──► files
//!            accepted                   written, durable
//! ```
//!
//! [Group commit](super::group) decides who writes, and who is woken.
//!
//! Invariants:
//!
//! 1. `durable ≤ written ≤ accepted`, and each only rises.
//! 2. Checksums are computed before the lock is taken; under it, bytes are copied, once.
//! 3. After a failed write or sync the log accepts nothing more, and everyone who waits is told.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use super::error::{AppendError, Corruption, OpenError, Poisoned, WaitError};
use super::group::{Unfinished, Waiting};
use super::lsn::Lsn;
use super::options::{Mode, Options, Policy};
use super::origin::Floor;
use super::pending::{BRACKET_BYTES, Pending};
use super::pin::Pin;
use super::reader::Watermark;
use super::recover::{self, Recovered};
use super::segment::{Header, lock_path};
use super::segment_writer::{Counters, Progress, SealedSegment, SegmentWriter, Taken, check_place};
use crate::frame::{Batch, OVERHEAD, PAYLOAD_BYTES_MAX, Prepared, Record, Transaction};
use crate::vfs::{Doing, IoError, Monitor, Vfs};

/// An open log. Clones are handles to the same log.
#[derive(Clone)]
pub struct Wal<V: Vfs> {
    pub(super) shared: Arc<Shared<V>>,
    /// Up to where readers of this handle see the log.
    pub(super) watermark: Watermark,
}

pub(super) struct Shared<V: Vfs> {
    pub(super) vfs: V,
    pub(super) dir: PathBuf,
    pub(super) options: Options,
    pub(super) state: V::Monitor<State<V>>,
    /// The directory's; absent in memory.
    pub(super) held: Option<Arc<V::Lock>>,
    /// How often no spare file is prepared, after one could not be.
    pub(super) pause: AtomicU32,
}

impl<V: Vfs> fmt::Debug for Wal<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wal")
            .field("dir", &self.shared.dir)
            .finish_non_exhaustive()
    }
}

/// Everything that the lock protects.
pub(super) struct State<V: Vfs> {
    /// Absent while a leader has it. Boxed, since each commit moves it out and in again.
    pub(super) writer: Option<Box<SegmentWriter<V>>>,
    pub(super) progress: Progress,
    pub(super) sealed: Vec<SealedSegment>,
    pub(super) pending: Pending,
    /// Bytes accepted since the last sync began.
    pub(super) volatile_bytes: u64,
    pub(super) failure: Option<Poisoned>,
    pub(super) waiting: Waiting<V>,
    /// Shared with everybody who reads the active segment.
    pub(super) active_pin: Pin,
    /// The active segment's file; a log in memory has none.
    pub(super) active_file: Option<Arc<V::File>>,
    /// The number of the next spare file.
    pub(super) next_spare: u64,
    /// The floor with which the log was opened, where it has the history that it was noted of.
    pub(super) held: Option<Floor>,
    /// Damage below it that was found since, and is set aside.
    pub(super) damage: Vec<Corruption>,
    /// Held as long as anyone has the log open or reads it.
    pub(super) lock: Arc<dyn Send + Sync>,
}

/// The records of one append: from `first` up to and without `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The LSN of the first record.
    pub first: Lsn,
    /// The LSN after the last record; what to wait for.
    pub end: Lsn,
}

/// How far the log has come; each means "every record below".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// Accepted: in memory, and in order.
    pub accepted: Lsn,
    /// Written: survives the end of the process.
    pub written: Lsn,
    /// Durable: survives power loss.
    pub durable: Lsn,
}

impl<V: Vfs> Wal<V> {
    /// Opens the log in `dir`, creating it where there is none, and recovers what a crash left.
    ///
    /// Everything recovered is durable, and read by [`entries`](Self::entries).
    ///
    /// # Errors
    /// - [`OpenError::Locked`]: somebody has it open, or holds what was read from it.
    /// - [`OpenError::Corrupt`]: bytes that were durable have changed.
    /// - [`OpenError::Unclean`]: it was not closed, and the policy insists on that.
    /// - [`OpenError::Io`]: the system refused.
    pub fn open(vfs: V, dir: &Path, options: Options) -> Result<(Self, Recovered), OpenError> {
        Self::open_above(vfs, dir, options, || Ok(None))
    }

    /// As [`open`](Self::open), for a log of which the records below a floor are not needed: damage
    /// below it is reported in [`Recovered::set_aside`], and no error. `floor` is asked for it once
    /// the directory is locked.
    ///
    /// # Errors
    /// As for [`open`](Self::open), what `floor` says, and [`OpenError::TooShort`] where the log
    /// ends before the floor.
    pub fn open_above(
        vfs: V,
        dir: &Path,
        options: Options,
        floor: impl FnOnce() -> Result<Option<Floor>, IoError>,
    ) -> Result<(Self, Recovered), OpenError> {
        if options.mode == Mode::InMemory {
            return Ok((Self::in_memory(vfs, dir, options), Recovered::default()));
        }
        vfs.create_dir(dir).doing("create", dir)?;
        let lock = vfs.lock(&lock_path(dir)).doing("lock", dir)?;
        let lock = lock.ok_or_else(|| OpenError::Locked {
            dir: dir.to_owned(),
        })?;
        let held = Arc::new(lock);
        let lock: Arc<dyn Send + Sync> = Arc::<V::Lock>::clone(&held);
        let mut recovered = recover::recover(&vfs, dir, &options, floor()?.as_ref())?;
        for segment in &mut recovered.segments {
            segment.pin = Pin::new(&lock);
        }
        let segment_bytes = options.segment_bytes();
        let next_spare = recovered.next_spare;
        let (next, spares) = (recovered.next, recovered.spares);
        let writer = SegmentWriter::begin(
            &vfs,
            dir,
            &held,
            next,
            segment_bytes,
            spares,
            Taken::Replace,
        )?;
        let state = State {
            progress: writer.progress(),
            active_file: Some(Arc::clone(writer.active_file())),
            writer: Some(Box::new(writer)),
            sealed: recovered.segments,
            pending: Pending::new(recovered.next, segment_bytes),
            volatile_bytes: 0,
            failure: None,
            waiting: Waiting::default(),
            active_pin: Pin::new(&lock),
            next_spare,
            held: recovered.held,
            damage: Vec::new(),
            lock,
        };
        let watermark = match options.mode {
            Mode::Strict => Watermark::Durable,
            Mode::Buffered { .. } | Mode::InMemory => Watermark::Written,
        };
        let dir = dir.to_owned();
        let shared = Shared {
            vfs,
            dir,
            options,
            state: V::Monitor::new(state),
            held: Some(held),
            pause: AtomicU32::new(0),
        };
        Ok((
            Self {
                shared: Arc::new(shared),
                watermark,
            },
            recovered.report,
        ))
    }

    /// A log that numbers records and touches no file: whatever is in `dir` stays as it is.
    fn in_memory(vfs: V, dir: &Path, options: Options) -> Self {
        let lock: Arc<dyn Send + Sync> = Arc::new(());
        let header = Header::first(vfs.now_us(), 0, options.segment_size());
        let state = State {
            writer: None,
            progress: Progress::begin(header),
            active_file: None,
            sealed: Vec::new(),
            pending: Pending::new(header, options.segment_bytes()),
            volatile_bytes: 0,
            failure: None,
            waiting: Waiting::default(),
            active_pin: Pin::new(&lock),
            next_spare: 0,
            held: None,
            damage: Vec::new(),
            lock,
        };
        Self {
            shared: Arc::new(Shared {
                vfs,
                dir: dir.to_owned(),
                options,
                state: V::Monitor::new(state),
                held: None,
                pause: AtomicU32::new(0),
            }),
            watermark: Watermark::Written,
        }
    }

    /// Accepts `record`. It is **not durable** yet: see [`commit`](Self::commit),
    /// [`wait_written`](Self::wait_written) and [`wait_durable`](Self::wait_durable).
    ///
    /// # Errors
    /// - [`AppendError::TooLarge`]: it does not fit; nothing was written.
    /// - [`AppendError::Reserved`]: its type belongs to the engine.
    /// - [`AppendError::Poisoned`]: an earlier failure closed the log.
    pub fn append(&self, record: Record<'_>) -> Result<Appended, AppendError> {
        if !record.kind.is_known() {
            return Err(AppendError::Reserved {
                kind: record.kind.0,
            });
        }
        self.accept_frame(record, 1)
    }

    /// Accepts all records of `batch` under one checksum: recovery replays all of them or none.
    ///
    /// # Errors
    /// As for [`append`](Self::append), and [`AppendError::Empty`] where it has no record.
    pub fn append_batch(&self, batch: &Batch) -> Result<Appended, AppendError> {
        if batch.is_empty() {
            return Err(AppendError::Empty);
        }
        self.accept_frame(batch.record(), u64::from(batch.len()))
    }

    /// Accepts all records of `transaction`: recovery replays all of them or none.
    ///
    /// It has to fit one segment, and is held in memory until then; within that, it may be as
    /// large as it likes.
    ///
    /// # Errors
    /// As for [`append`](Self::append), and [`AppendError::Empty`] where it has no record.
    pub fn append_transaction(&self, transaction: &Transaction) -> Result<Appended, AppendError> {
        if transaction.is_empty() {
            return Err(AppendError::Empty);
        }
        let frames: Vec<_> = transaction.frames().collect();
        let size = frames.iter().map(|(frame, _)| frame.size()).sum::<usize>() + BRACKET_BYTES;
        self.accept(size, |pending| {
            pending.push_transaction(transaction.begin(), &frames);
        })
    }

    /// As [`append`](Self::append), of one record whose checksum was computed before.
    pub(crate) fn append_frame(&self, frame: &Prepared<'_>) -> Result<Appended, AppendError> {
        self.accept(frame.size(), |pending| pending.push(frame, 1))
    }

    fn accept_frame(&self, record: Record<'_>, records: u64) -> Result<Appended, AppendError> {
        let size = record.payload.len() + OVERHEAD;
        let frame = Prepared::new(record);
        let max = PAYLOAD_BYTES_MAX + OVERHEAD;
        let frame = frame.ok_or(AppendError::TooLarge { size, max })?;
        self.accept(size, |pending| pending.push(&frame, records))
    }

    /// Makes room for `size` bytes and lets `push` lay them out.
    fn accept(
        &self,
        size: usize,
        push: impl FnOnce(&mut Pending),
    ) -> Result<Appended, AppendError> {
        let mut state = self.shared.state.lock();
        if let Some(poisoned) = &state.failure {
            return Err(poisoned.clone().into());
        }
        if !state.pending.fits(size) {
            let max = state.pending.frame_bytes_max();
            if size > max {
                return Err(AppendError::TooLarge { size, max });
            }
            state.pending.roll(self.shared.vfs.now_us());
        }
        let first = Lsn(state.pending.next_lsn());
        push(&mut state.pending);
        state.volatile_bytes += size as u64;
        let end = Lsn(state.pending.next_lsn());
        if self.shared.options.mode == Mode::InMemory {
            state.pending.forget();
        } else {
            self.relieve(state)?;
        }
        Ok(Appended { first, end })
    }

    /// Does what the mode promises of a commit for the records below `end`.
    ///
    /// # Errors
    /// [`WaitError`] where they will not become durable any more.
    pub fn commit(&self, end: Lsn) -> Result<(), WaitError> {
        match self.shared.options.mode {
            Mode::InMemory | Mode::Buffered { .. } => Ok(()),
            Mode::Strict => self.wait_durable(end),
        }
    }

    /// Returns once the records below `end` survive the end of this process.
    ///
    /// # Errors
    /// [`WaitError`] where they will not.
    pub fn wait_written(&self, end: Lsn) -> Result<(), WaitError> {
        self.wait(end, false)
    }

    /// Returns once the records below `end` survive power loss.
    ///
    /// # Errors
    /// [`WaitError`] where they will not.
    pub fn wait_durable(&self, end: Lsn) -> Result<(), WaitError> {
        self.wait(end, true)
    }

    /// Makes everything accepted so far durable.
    ///
    /// # Errors
    /// [`WaitError`] where that failed, now or earlier.
    pub fn sync(&self) -> Result<(), WaitError> {
        let accepted = self.watermarks().accepted;
        self.wait_durable(accepted)
    }

    /// What the log has cost since it was opened.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.state.lock().progress.counters
    }

    /// Lets go of the segments that hold only records below `lsn`, as far as nobody reads them,
    /// and answers with the first record that is left. Call it once a snapshot that covers them
    /// is durable.
    ///
    /// # Errors
    /// [`Poisoned`] where that failed, now or earlier.
    pub fn truncate_below(&self, lsn: Lsn) -> Result<Lsn, Poisoned> {
        if self.shared.options.mode == Mode::InMemory {
            return Ok(self.first_lsn());
        }
        let (mut state, mut writer) = self.take_writer()?;
        let active = state.progress.header.number;
        let gone = |segment: &&SealedSegment| segment.may_go(lsn.0, active);
        let count = state.sealed.iter().take_while(gone).count();
        let retired: Vec<_> = state.sealed.drain(..count).collect();
        let number = state.next_spare;
        state.next_spare += retired.len() as u64;
        drop(state);
        let unfinished = Unfinished(&self.shared);
        let outcome = writer.retire(retired, self.shared.options.spares, number);
        std::mem::forget(unfinished);
        self.put_back(writer, outcome)?;
        Ok(self.first_lsn())
    }

    /// How many bytes the files take that hold the records from `lsn` on.
    pub(crate) fn bytes_from(&self, lsn: Lsn) -> u64 {
        let state = self.shared.state.lock();
        let sealed = state.sealed.iter().filter(|sealed| sealed.end_lsn > lsn.0);
        let sealed: u64 = sealed.map(|it| u64::from(it.header.segment_bytes)).sum();
        sealed + state.progress.offset
    }

    /// The directory.
    pub(super) fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// The door.
    pub(super) fn vfs(&self) -> &V {
        &self.shared.vfs
    }

    /// What the lock protects.
    pub(super) fn state(&self) -> &V::Monitor<State<V>> {
        &self.shared.state
    }

    /// How it was opened.
    pub(crate) fn policy(&self) -> Policy {
        self.shared.options.policy
    }

    /// Checks that the log still is where it was opened.
    pub(crate) fn check_place(&self) -> Result<(), IoError> {
        let Shared { vfs, dir, held, .. } = &*self.shared;
        let Some(held) = held else { return Ok(()) };
        check_place(vfs, dir, held)
    }

    /// How it was opened.
    pub(crate) fn mode(&self) -> Mode {
        self.shared.options.mode
    }

    /// How far the log has come.
    #[must_use]
    pub fn watermarks(&self) -> Watermarks {
        let state = self.shared.state.lock();
        Watermarks {
            accepted: Lsn(state.pending.next_lsn()),
            written: Lsn(state.progress.written),
            durable: Lsn(state.progress.durable),
        }
    }

    /// Makes everything durable and closes the last segment, so that the next opening has nothing
    /// to recover. Dropping the log instead loses what was accepted and not written, and nothing
    /// else. Other handles find the log as it was, with a new segment begun.
    ///
    /// # Errors
    /// [`Poisoned`] where that failed, now or earlier.
    pub fn close(self) -> Result<(), Poisoned> {
        if self.shared.options.mode == Mode::InMemory {
            return Ok(());
        }
        let (mut state, writer) = self.take_writer()?;
        if !state.pending.has_records() {
            drop(state);
            return self.put_back(writer, Ok(()));
        }
        state.pending.roll(self.shared.vfs.now_us());
        self.lead(state, writer, true).map(drop)
    }
}

/// The locked state.
pub(super) type Guard<'a, V> = <<V as Vfs>::Monitor<State<V>> as Monitor<State<V>>>::Guard<'a>;
