//! The engine's thread: syncs, checkpoints, merges and sweeps beside the writers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::shared::Shared;
use crate::wal::Mode;

/// How often it looks where the mode does not say.
const INTERVAL: Duration = Duration::from_millis(100);

/// Works until it is dropped.
#[derive(Debug)]
pub(super) struct Worker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread.
    pub(super) fn start(shared: Arc<Shared>) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let interval = match shared.mode {
            Mode::Buffered { interval, .. } => interval.min(INTERVAL),
            Mode::InMemory | Mode::Strict => INTERVAL,
        };
        let work = move || {
            while !stopped.load(Ordering::Acquire) {
                // A log that failed tells each writer so. A checkpoint that failed is tried again.
                let _ = shared.maintain();
                std::thread::park_timeout(interval);
            }
        };
        let thread = std::thread::Builder::new()
            .name("engine".into())
            .spawn(work)?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}
