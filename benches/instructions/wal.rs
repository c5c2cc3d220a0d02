//! Instructions of the log: the workloads that `src/wal.rs` declares.

#![expect(
    missing_docs,
    reason = "the harness's macros generate undocumented items"
)]

benches::wal!();
