//! The catalogue: a workload with an id and a check for every hot path.
//!
//! ```text
//!                     ┌─► instructions/<suite>.rs   counted: iai-callgrind, checked by the gate
//! suite! { … } ───────┤
//! suite/subject/case  └─► wall_time/main.rs         timed: criterion, shown and never checked
//! ```
//!
//! A workload is declared once, in the `suite!` of its module (`src/suite.rs` says how to add one);
//! both harnesses are made from that. `tests/catalogue.rs` proves that every workload passes its
//! check, and that the baselines know the same ids.
//!
//! Rules that keep counts deterministic: data is seeded, hashers have a fixed seed, no clock is read,
//! files are in memory, every setup starts on a [level heap](heap), setup and check are outside the
//! counted region, and a run does about a thousand operations, so that one-time work is less than a
//! hundredth of the count.

#![expect(
    clippy::missing_panics_doc,
    reason = "a workload panics where its setup or its check fails"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "harnesses pass a result to its check by value"
)]

pub mod data;
pub mod frame;
pub mod heap;
pub mod keyspace;
pub mod kv;
pub mod memtable;
pub mod runs;
pub mod search;
pub mod snapshot;
pub mod streams;
mod suite;
pub mod wal;
pub mod workload;

use workload::Workload;

/// Every workload, suite by suite.
#[must_use]
pub fn catalogue() -> Vec<Workload> {
    let suites = [
        frame::workloads(),
        wal::workloads(),
        snapshot::workloads(),
        keyspace::workloads(),
        kv::workloads(),
        memtable::workloads(),
        runs::workloads(),
        search::workloads(),
        streams::workloads(),
    ];
    suites.into_iter().flatten().collect()
}
