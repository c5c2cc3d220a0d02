//! Instructions of search: the workloads that `src/search.rs` declares.

#![expect(
    missing_docs,
    reason = "the harness's macros generate undocumented items"
)]

benches::search!();
