//! Pins: what keeps a segment's file from being used again, and its directory locked.
//!
//! ```text
//! Wal ───────────┬──► pin of each segment ──► lock of the directory
//! Entries, Bytes ┘
//! ```
//!
//! A file is used again only where the log alone holds its pin. Another log could not know who
//! reads it, so as long as anybody does, none is opened: each pin holds the lock too.

use std::fmt;
use std::sync::Arc;

/// A lock of a directory, of whatever kind.
type Lock = Arc<dyn Send + Sync>;

/// Held by the log for each of its segments, and by everybody who reads one.
#[derive(Clone, Default)]
pub(super) struct Pin(Arc<Option<Lock>>);

impl Pin {
    /// A pin that holds `lock`.
    pub(super) fn new(lock: &Lock) -> Self {
        Self(Arc::new(Some(Arc::clone(lock))))
    }

    /// Whether somebody besides the log holds it.
    pub(super) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pin").finish_non_exhaustive()
    }
}
