//! Instructions of streams: the workloads that `src/streams.rs` declares.

#![expect(
    missing_docs,
    reason = "the harness's macros generate undocumented items"
)]

benches::streams!();
