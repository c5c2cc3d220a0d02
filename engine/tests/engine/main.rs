//! An engine as its users see it, over the simulator and the clock that goes with it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

use std::path::Path;

use engine::engine::Recovery;
use engine::vfs::Sim;
use engine::wal::{self, Mode};
use engine::{Engine, Options};

mod durability;
mod edges;
mod keyspaces;
mod transactions;
mod views;

/// Options without a thread, so that nothing happens by itself.
fn options(mode: Mode) -> Options {
    Options {
        log: wal::Options {
            mode,
            segment_bytes: 1 << 16,
            threads: 1,
            ..wal::Options::default()
        },
        background: false,
        ..Options::default()
    }
}

fn open(sim: &Sim) -> (Engine, Recovery) {
    try_open(sim).expect("the engine opens")
}

fn try_open(sim: &Sim) -> Result<(Engine, Recovery), engine::engine::OpenError> {
    Engine::open_with(sim.clone(), Path::new("db"), options(Mode::Strict))
}

/// The pairs of a scan, as text.
fn pairs(scan: impl Iterator<Item = engine::engine::Item>) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    scan.map(|item| (text(item.key()), text(item.value())))
        .collect()
}

/// Only the keys.
fn keys(scan: impl Iterator<Item = engine::engine::Item>) -> Vec<String> {
    pairs(scan).into_iter().map(|(key, _)| key).collect()
}
