//! What a log wants done from time to time, by a thread of its own.
//!
//! It makes buffered records durable once an interval, and prepares files for coming segments, so
//! that no committer has to wait for sixty megabytes of zeros. A log works without it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::error::MaintainError;
use super::log::Wal;
use super::options::Mode;
use crate::vfs::Vfs;

/// How often a log is looked after where its mode does not say.
const INTERVAL: Duration = Duration::from_millis(100);

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
