//! `icgate publish` as a workflow meets it: a trusted checkout, an event, hostile numbers, and a
//! stand-in for GitHub. Needs neither Valgrind nor a build.

#![cfg(feature = "github")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod corpus;
mod hostile;
mod markup;
mod merges;
mod newer_tools;
mod proof;
mod scene;
#[path = "../support/surroundings.rs"]
mod surroundings;
mod telling;
mod update;
mod younger;
