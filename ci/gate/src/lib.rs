//! The pure part of icgate: profiles, baselines and policy in; verdicts and reports out.
//!
//! Data flows one way, and a module imports only from modules declared above it:
//!
//! ```text
//! parse → compare → judge → attribute → report → render → publish
//! ```
//!
//! Deliberately absent: files, the clock, the environment, processes, the network. Those are the
//! `icgate` binary's; here everything arrives as a value, so every decision can be tested as one.

pub mod bench_id;
pub mod function_name;
pub mod interned;
mod visible;

pub mod functions;
pub mod metric;

pub mod calls;

pub mod harness;
pub mod parse;
pub mod source;

pub mod chamber;
pub mod shard;

pub mod run;

pub mod floor;

pub mod baseline;
pub mod compare;
pub mod merge;
pub mod rename;
pub mod side_by_side;

pub mod base_run;

pub mod policy;

pub mod history;

pub mod judge;

pub mod outline;

pub mod reach;

pub mod diff;

pub mod attribute;
pub mod report;

pub mod detail;
pub mod explain;

pub mod render;

pub mod publish;
