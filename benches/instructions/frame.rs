//! Instructions of the frame codec: the workloads that `src/frame.rs` declares.

#![expect(
    missing_docs,
    reason = "the harness's macros generate undocumented items"
)]

benches::frame!();
