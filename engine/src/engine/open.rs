//! How an engine comes to be: from a directory, or in memory.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use super::error::OpenError;
use super::log::Log;
use super::recover::{self, Opened, Recovery, check_views, empty};
use super::sequencer::{MonitorGate, Sequencer};
use super::shared::{self, Schedule, Shared};
use super::worker::Worker;
use super::{Engine, Inner, Options, catalog};
use crate::vfs::{Disk, Monitor, Vfs};
use crate::wal::{Lsn, Mode};

/// With more segments than this beyond what its bytes need, a log calls for a checkpoint. Each opening
/// leaves one, however little is in it: a program that is started often would fill its directory.
const SHORT_SEGMENTS_MAX: u64 = 64;

impl Engine {
    /// Opens the engine in the directory `path`, creating it where there is none, and recovers what
    /// a crash left.
    ///
    /// # Errors
    /// [`OpenError`]; whatever the directory held is still there.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<(Self, Recovery), OpenError> {
        Self::open_with(Disk, path, options)
    }

    /// As [`open`](Self::open), through a door of one's own: the simulator's, for tests. Its clock
    /// is the one by which values expire.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    #[expect(
        clippy::needless_pass_by_value,
        reason = "options are made for one opening, as for `open`"
    )]
    pub fn open_with<V: Vfs>(
        vfs: V,
        path: impl AsRef<Path>,
        options: Options,
    ) -> Result<(Self, Recovery), OpenError> {
        if options.log.mode == Mode::InMemory {
            check_views(&options.views)?;
            let sequencer = empty(options.views.clone(), options.hash_seed);
            let engine = Self::start(vfs, sequencer, None, &options, 0)?;
            return Ok((engine, Recovery::default()));
        }
        let opened = recover::open(vfs.clone(), path.as_ref(), &options)?;
        let Opened {
            door,
            sequencer,
            recovery,
        } = opened;
        let log: Arc<dyn Log> = Arc::new(door);
        let bytes = recovery.log.bytes;
        let segments = u64::try_from(recovery.log.segments).unwrap_or(u64::MAX);
        let needed = bytes / u64::from(options.log.segment_bytes.max(1));
        let replayed = if segments.saturating_sub(needed) > SHORT_SEGMENTS_MAX {
            bytes.max(options.checkpoint_bytes.unwrap_or(0))
        } else {
            bytes
        };
        let engine = Self::start(vfs, sequencer, Some(log), &options, replayed)?;
        Ok((engine, recovery))
    }

    /// An engine without a log, a file or a thread: records are counted, and nothing survives. Expired
    /// keys are let go by [`maintain`](Self::maintain).
    ///
    /// # Panics
    /// Never: nothing of it can fail.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::in_memory_with(Disk)
    }

    /// As [`in_memory`](Self::in_memory), by the clock of a door.
    ///
    /// # Panics
    /// Never: nothing of it can fail.
    #[must_use]
    pub fn in_memory_with<V: Vfs>(vfs: V) -> Self {
        let options = Options {
            background: false,
            ..Options::in_mode(Mode::InMemory)
        };
        let sequencer = empty(Vec::new(), options.hash_seed);
        let started = Self::start(vfs, sequencer, None, &options, 0);
        started.expect("an engine in memory without a thread asks nothing of the system")
    }

    fn start<V: Vfs>(
        vfs: V,
        mut sequencer: Sequencer,
        log: Option<Arc<dyn Log>>,
        options: &Options,
        replayed_bytes: u64,
    ) -> Result<Self, OpenError> {
        sequencer.log.clone_from(&log);
        let now_us = vfs.now_us();
        let opened_at = Lsn(sequencer.next);
        let system = Arc::clone(&sequencer.by_id[&catalog::SYSTEM]);
        let highest = sequencer.by_id.keys().next_back().copied().unwrap_or(0);
        let kinds = options.views.iter().map(|view| view.kinds()).collect();
        let micros = |it: Duration| u64::try_from(it.as_micros()).unwrap_or(u64::MAX);
        let last = (0_u64.wrapping_sub(replayed_bytes), now_us, Lsn(u64::MAX));
        let shared = Arc::new(Shared {
            gate: Box::new(MonitorGate(V::Monitor::new(sequencer))),
            memory: shared::Memory::default(),
            log: RwLock::new(log),
            mode: options.log.mode,
            clock: Box::new(move || vfs.now_us()),
            next_keyspace: AtomicU32::new((highest + 1).max(catalog::FIRST)),
            counted: shared::Counted::default(),
            schedule: Schedule {
                bytes: options.checkpoint_bytes,
                interval_us: options.checkpoint_interval.map(micros),
                last: Mutex::new(last),
            },
            skip_views: options.skip_views,
            checkpointing: Mutex::new(()),
        });
        let worker = options
            .background
            .then(|| Worker::start(Arc::clone(&shared)));
        Ok(Self {
            inner: Arc::new(Inner {
                _worker: worker.transpose().map_err(OpenError::Thread)?,
                shared,
                system,
                opened_at,
                kinds,
            }),
        })
    }
}
