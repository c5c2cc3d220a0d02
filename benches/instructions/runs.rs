//! Instructions of runs: the workloads that `src/runs.rs` declares.

#![expect(
    missing_docs,
    reason = "the harness's macros generate undocumented items"
)]

benches::runs!();
