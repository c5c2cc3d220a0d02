//! Engines to measure on, in each mode.

use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::engine::{Engine, Options};
use engine::run::{NewRun, Orphans, RunId, Runs};
use engine::wal::Mode;

pub(crate) type Done<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// The modes, and their names.
pub(crate) fn modes() -> [(&'static str, Mode); 3] {
    [
        ("InMemory", Mode::InMemory),
        ("Buffered", buffered()),
        ("Strict", Mode::Strict),
    ]
}

/// Synced each 100 ms by the engine's thread.
pub(crate) fn buffered() -> Mode {
    Mode::Buffered {
        interval: Duration::from_millis(100),
        max_bytes: u64::MAX,
    }
}

/// An engine in a directory of its own, which goes with it.
pub(crate) struct World {
    pub runs: Runs,
    pub run: RunId,
    pub engine: Engine,
    pub dir: PathBuf,
}

impl World {
    pub(crate) fn new(base: &Path, mode: Mode) -> Done<Self> {
        let dir = base.join("world");
        if dir.exists() {
            std::fs::remove_dir_all(&dir)?;
        }
        Self::open(dir, mode)
    }

    pub(crate) fn open(dir: PathBuf, mode: Mode) -> Done<Self> {
        let options = Options {
            checkpoint_bytes: None,
            checkpoint_interval: None,
            ..Options::in_mode(mode)
        };
        let engine = Engine::open(&dir, options)?.0;
        let runs = Runs::open(&engine, Orphans::Close)?.0;
        let run = runs.begin(&NewRun::named("measured"))?;
        Ok(Self {
            runs,
            run,
            engine,
            dir,
        })
    }
}

/// The key of a number.
pub(crate) fn key(number: usize) -> [u8; 16] {
    let mut key = *b"group/0000000000";
    for (at, digit) in key[6..].iter_mut().rev().scan(number, |rest, at| {
        let digit = *rest % 10;
        *rest /= 10;
        Some((at, digit))
    }) {
        *at = b'0' + u8::try_from(digit).unwrap_or(0);
    }
    key
}

/// A value, a body, a state: 100 bytes.
pub(crate) const VALUE: [u8; 100] = [7; 100];
