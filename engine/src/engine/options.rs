//! How an engine is opened.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::view::View;
use crate::map::HashSeed;
use crate::wal::{self, Mode};

/// How an engine is opened.
#[derive(Clone)]
pub struct Options {
    /// The log: mode, size of segments, policy for damage. Of [`Mode::InMemory`] nothing else counts.
    pub log: wal::Options,
    /// A checkpoint is taken once the log has grown by so many bytes since the last one; `None` for
    /// never. Smaller: faster recovery, more writing.
    pub checkpoint_bytes: Option<u64>,
    /// A checkpoint is taken so long after the last one, if anything changed; `None` for never.
    pub checkpoint_interval: Option<Duration>,
    /// Whether a thread syncs, takes checkpoints, merges generations and sweeps expired keys. Without
    /// it, [`Engine::maintain`](super::Engine::maintain) does that when it is called.
    pub background: bool,
    /// Opens although views are missing that the directory knows: their records and saved states are
    /// passed over, and no checkpoint is taken, which would lose them. To look into a directory.
    pub skip_views: bool,
    /// By which seed keys are hashed. The default is the fixed one, for keys of one's own: choose
    /// [`HashSeed::Random`] where keys come from outside. It costs a lookup some instructions.
    pub hash_seed: HashSeed,
    /// Other views of the log; see [`View`].
    pub views: Vec<Arc<dyn View>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            log: wal::Options::default(),
            checkpoint_bytes: Some(256 << 20),
            checkpoint_interval: Some(Duration::from_mins(5)),
            background: true,
            skip_views: false,
            hash_seed: HashSeed::Fixed,
            views: Vec::new(),
        }
    }
}

impl Options {
    /// The defaults, in a mode.
    #[must_use]
    pub fn in_mode(mode: Mode) -> Self {
        let log = wal::Options {
            mode,
            ..wal::Options::default()
        };
        Self {
            log,
            ..Self::default()
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let views: Vec<_> = self.views.iter().map(|view| view.name()).collect();
        f.debug_struct("Options")
            .field("log", &self.log)
            .field("checkpoint_bytes", &self.checkpoint_bytes)
            .field("checkpoint_interval", &self.checkpoint_interval)
            .field("background", &self.background)
            .field("skip_views", &self.skip_views)
            .field("hash_seed", &self.hash_seed)
            .field("views", &views)
            .finish()
    }
}
