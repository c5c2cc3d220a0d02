//! What a log wants done from time to time, by a thread of its own.
//!
//! It makes buffered records durable once an interval, and prepares files for coming segments, so
//! that no committer has to wait for sixty megabytes of zeros. Segments that were not verified when
//! the log was opened, because a snapshot makes them unnecessary, are verified here, one at a time. A
//! log works without all this.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::error::{Corruption, MaintainError, Poisoned, ReadError, WaitError};
use super::files;
use super::group::Unfinished;
use super::log::{Shared, Wal};
use super::options::Mode;
use super::segment::segment_path;
use super::segment_writer::{SealedSegment, SegmentWriter, check_place, prepare_spare};
use crate::vfs::{Monitor, Vfs};

/// How often a log is looked after where its mode does not say.
const INTERVAL: Duration = Duration::from_millis(100);

/// How often [`Wal::maintain`] does not try to prepare a spare file after it could not.
const SPARE_PAUSE: u32 = 100;

/// Looks after a log until it is dropped, which makes durable what a buffered log has accepted.
#[derive(Debug)]
pub struct Maintainer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Maintainer {
    /// Starts to look after `wal`. It ends by itself where the log fails; whoever waits for
    /// records is told why.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start<V: Vfs>(wal: Wal<V>) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let interval = match wal.mode() {
            Mode::Buffered { interval, .. } => interval,
            Mode::InMemory | Mode::Strict => INTERVAL,
        };
        let work = move || {
            while !stopped.load(Ordering::Acquire) {
                if let Err(MaintainError::Poisoned(_)) = wal.maintain() {
                    return;
                }
                std::thread::park_timeout(interval);
            }
            // What was accepted since is kept as well. Where that fails, whoever waits is told.
            if let Mode::Buffered { .. } = wal.mode() {
                let _ = wal.sync();
            }
        };
        let thread = std::thread::Builder::new()
            .name("wal maintainer".into())
            .spawn(work)?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Maintainer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

impl<V: Vfs> Wal<V> {
    /// Does what should be done from time to time: makes buffered records durable, and prepares
    /// a file for the next segment. Where there is no room for that file, the log goes on without,
    /// and tries again after some hundred calls. One segment below the floor with which the log was
    /// opened is verified, as long as there are any that are not; see [`set_aside`](Self::set_aside).
    ///
    /// # Errors
    /// [`MaintainError::Poisoned`] where records could not be made durable, now or earlier, and
    /// [`MaintainError::Spare`] where there is no file for the next segment, and
    /// [`MaintainError::Verify`] where a segment could not be read.
    pub fn maintain(&self) -> Result<(), MaintainError> {
        if let Mode::Buffered { .. } = self.shared.options.mode
            && let Err(WaitError::Poisoned(poisoned)) = self.sync()
        {
            return Err(poisoned.into());
        }
        let prepared = self.prepare_next();
        let verified = self.verify_next();
        prepared.and(verified)
    }

    /// Prepares a file for the next segment, where it will be needed soon.
    fn prepare_next(&self) -> Result<(), MaintainError> {
        let Shared {
            vfs,
            dir,
            options,
            state,
            held,
            pause,
        } = &*self.shared;
        let Some(held) = held else { return Ok(()) };
        let paused = pause.load(Ordering::Relaxed);
        if paused > 0 {
            pause.store(paused - 1, Ordering::Relaxed);
            return Ok(());
        }
        let mut locked = state.lock();
        if let Some(poisoned) = &locked.failure {
            return Err(poisoned.clone().into());
        }
        let spares = locked
            .writer
            .as_deref()
            .map_or(options.spares, SegmentWriter::spares);
        // A small log is to stay small: one file, and only once it will be needed soon.
        let is_soon = locked.progress.offset >= options.segment_bytes() / 2;
        if !is_soon || spares >= options.spares.min(1) {
            return Ok(());
        }
        let number = locked.next_spare;
        locked.next_spare += 1;
        drop(locked);
        let prepared = check_place(vfs, dir, held)
            .and_then(|()| prepare_spare(vfs, dir, number, options.segment_bytes()));
        let spare = match prepared {
            Ok(spare) => spare,
            Err(error) => {
                pause.store(SPARE_PAUSE, Ordering::Relaxed);
                return Err(MaintainError::Spare(error));
            }
        };
        let (locked, mut writer) = self.take_writer()?;
        drop(locked);
        writer.add_spare(spare);
        Ok(self.put_back(writer, Ok(()))?)
    }

    /// Damage that was found since the log was opened: below the floor with which it was, so that
    /// nothing was lost. The files, and those before them, are kept under the name `*.lost`.
    #[must_use]
    pub fn set_aside(&self) -> Vec<Corruption> {
        self.shared.state.lock().damage.clone()
    }

    /// Verifies the newest segment that is not verified yet, and takes it out of the log where it is
    /// damaged.
    fn verify_next(&self) -> Result<(), MaintainError> {
        let Shared {
            vfs, dir, state, ..
        } = &*self.shared;
        let next = {
            let state = state.lock();
            let mut sealed = state.sealed.iter().rev();
            sealed.find(|sealed| is_doubtful(sealed)).cloned()
        };
        let Some(sealed) = next else { return Ok(()) };
        let number = sealed.header.number;
        match sealed.view.bytes(vfs, || segment_path(dir, number)) {
            Err(ReadError::Corrupt(damage)) if damage.reason.is_damage() => {
                // The log holds its pin, and nobody else does for this.
                drop(sealed);
                Ok(self.let_go(number, damage)?)
            }
            Err(ReadError::Io(error)) => Err(MaintainError::Verify(error)),
            // What an engine wrote so is for its readers to refuse.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Sets the segments up to `number` aside.
    fn let_go(&self, number: u64, damage: Corruption) -> Result<(), Poisoned> {
        let Shared { vfs, dir, .. } = &*self.shared;
        let (mut state, writer) = self.take_writer()?;
        let sealed = state.sealed.iter();
        let count = sealed
            .take_while(|sealed| sealed.header.number <= number)
            .count();
        let gone: Vec<_> = state.sealed.drain(..count).collect();
        if count > 0 {
            state.damage.push(damage);
        }
        drop(state);
        let unfinished = Unfinished(&self.shared);
        let numbers = gone.iter().map(|sealed| sealed.header.number);
        let files: Vec<_> = numbers
            .map(|number| (number, segment_path(dir, number)))
            .collect();
        let outcome = files::set_aside(vfs, dir, files.iter());
        std::mem::forget(unfinished);
        self.put_back(writer, outcome)
    }
}

/// Whether a segment is to be verified, or was found to be damaged by whoever read it.
fn is_doubtful(sealed: &SealedSegment) -> bool {
    match sealed.view.verdict() {
        None => true,
        Some(verdict) => verdict.is_err_and(|damage| damage.reason.is_damage()),
    }
}
