//! The key-value stores side by side: criterion's groups for each backend, then one table.
//!
//! ```text
//! single_operations   put and get of 100 B, 10 KB and 1 MB, delete, exists
//! batch_operations    1,000 puts and gets one by one, in one batch, and in batches sent together
//! concurrent_access   reads on 1 and 2 threads, four reads to a write on 2
//! key_patterns        a list of 10, 100 and 1,000 keys under a prefix
//! ttl_operations      a put of 100 B with a time to live
//! ```
//!
//! Wall time is shown, never checked. `BACKENDS_ONLY` picks backends by a part of their names,
//! `BACKENDS_MS` sets for how long each benchmark is measured, `BACKENDS_DIR` the folder of the files,
//! and `REDIS_URL` the server; without it, one is started where there is `redis-server`.

mod backend;
mod groups;
mod table;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use criterion::Criterion;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("backends: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let millis = std::env::var("BACKENDS_MS").map_or(Ok(400), |it| it.parse())?;
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(millis / 4 + 1))
        .measurement_time(Duration::from_millis(millis))
        .without_plots()
        .configure_from_args();
    let all = backend::all()?;
    for it in &all.stores {
        groups::run(&mut criterion, it);
    }
    criterion.final_summary();
    table::print(&all)
}
