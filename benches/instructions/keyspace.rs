//! Instructions of the an engine's keyspaces: the workloads that `src/keyspace.rs` declares.

#![expect(
    missing_docs,
    reason = "the harness's macros generate undocumented items"
)]

benches::keyspace!();
