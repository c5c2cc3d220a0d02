//! Instructions of the table of typed records: the workloads that `src/memtable.rs` declares.

#![expect(
    missing_docs,
    reason = "the harness's macros generate undocumented items"
)]

benches::memtable!();
