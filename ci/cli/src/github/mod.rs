//! GitHub: the only part of icgate that talks to a network, and only if it was built to.
//!
//! ```text
//! command/publish ── what to say (icgate-core's `publish`)
//!        │
//!        ├─ context    what GitHub knows of the pull request, to judge by
//!        │    └─ commits   which commits were measured
//!        ├─ publisher  look, plan, write one thing, look again
//!        └─ client     one request at a time; pauses and gives up by the core's table
//! ```
//!
//! octocrab is the transport and no more: its own retry repeats a POST at once, and what it sends
//! to update a comment is not what GitHub documents.

mod answers;
mod client;
mod commits;
mod context;
mod publisher;
#[cfg(test)]
mod tests;

pub(crate) use client::{Client, variable};
pub(crate) use context::{Judge, PullRequestContext};
pub(crate) use publisher::{PostTarget, Published, Publisher};
