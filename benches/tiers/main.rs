//! The six tiers of a database for agent runs: latencies of every primitive in every mode, threads
//! that conflict, recovery, syncs, memory and whole agents, with a record of the machine.
//!
//! Wall time is shown, never checked. `TIERS_DIR` sets the folder of the files, `TIERS_KEYS` the size of
//! tiers 3 and 5 (200,000 by default), `TIERS_ONLY` picks one of micro, concurrency, recovery, memory
//! and scenarios.

#![expect(
    clippy::cast_precision_loss,
    reason = "figures of three digits are printed"
)]

mod concurrency;
mod machine;
mod memory;
mod micro;
mod recovery;
mod samples;
mod scenarios;
mod world;

use std::path::PathBuf;

use world::Done;

fn main() -> Done {
    let base = std::env::var_os("TIERS_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let temporary = tempfile::tempdir_in(base)?;
    let dir = temporary.path();
    let keys = std::env::var("TIERS_KEYS").map_or(Ok(200_000), |it| it.parse())?;
    let only = std::env::var("TIERS_ONLY").ok();
    let wanted = |name: &str| only.as_ref().is_none_or(|only| only == name);
    machine::print(dir);
    // First, while the process is small.
    if wanted("memory") {
        memory::print(dir, keys)?;
    }
    if wanted("micro") {
        micro::print(dir)?;
    }
    if wanted("concurrency") {
        concurrency::print(dir)?;
    }
    if wanted("recovery") {
        recovery::print(dir, keys)?;
    }
    if wanted("scenarios") {
        scenarios::print(dir, 100_000)?;
    }
    Ok(())
}
