//! Instructions of the snapshot: the workloads that `src/snapshot.rs` declares.

#![expect(
    missing_docs,
    reason = "the harness's macros generate undocumented items"
)]

benches::snapshot!();
