//! The values that all stages share, and the formats of the files that hold them.
//!
//! ```text
//! run.json ⇄ Run            what one commit costs, in one measurement environment
//! <suite>.json ⇄ Baseline   what was accepted
//! policy.toml → Policy      which change is too large
//! ```
//!
//! Whatever is read here may come from a pull request: a reader checks sums, ranges and duplicates,
//! and its errors say the file, the place and the remedy.

/// What rewrites files of a former format, as errors advise it.
pub(crate) const MIGRATE: &str = "run `icgate migrate`, and commit what it rewrote";

pub mod bench_id;
pub mod escape;
pub mod exit_code;
pub mod injection;
pub mod interned;

pub mod functions;
pub mod metric;
pub mod note;

pub mod call_graph;

pub mod crates;
pub mod environment;
pub mod shard;

pub mod run;

pub mod baseline;

pub mod policy;

pub mod proof;

pub mod migrate;
