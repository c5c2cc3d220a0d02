//! Instructions of the key-value stores: the workloads that `src/kv.rs` declares.

#![expect(
    missing_docs,
    reason = "the harness's macros generate undocumented items"
)]

benches::kv!();
