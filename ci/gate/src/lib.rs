//! The pure part of icgate: profiles, baselines and policy in; verdicts and reports out.
//!
//! A folder is a stage. Data flows one way, and a stage imports only from stages declared above it:
//!
//! ```text
//! model → profile → compare → judge → attribute → report → render → publish
//! ```
//!
//! Deliberately absent: files, the clock, the environment, processes, the network. Those are the
//! `icgate` binary's; here everything arrives as a value, so every decision can be tested as one.

pub mod model;

pub mod profile;

pub mod compare;

pub mod judge;

pub mod attribute;

pub mod report;

pub mod render;

pub mod publish;
