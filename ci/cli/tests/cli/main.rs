//! The binary as its users meet it: run on a sample project, with a real Valgrind.
//!
//! The sample has a bench target for each story, so that no test has to change its sources: all
//! run side by side on one build.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod base_run;
mod baselines;
mod cache;
mod counts;
mod foreign;
mod history;
mod init;
mod interruption;
mod machine;
mod metrics;
mod migrate;
mod outputs;
mod project;
mod prove;
mod removals;
mod repository;
mod sample;
mod schemas;
mod shards;
mod stored;
#[path = "../support/surroundings.rs"]
mod surroundings;
mod trends;
mod trouble;
