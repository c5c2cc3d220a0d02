//! A stand-in for GitHub's interface: keeps what it is told, answers in GitHub's shapes, refuses
//! what GitHub would, and fails on demand. For tests on this machine; it knows no network but
//! loopback.
//!
//! Every request body is checked against the schemas of GitHub's own description of its interface
//! (`schemas/`, MIT). What breaks them is refused with 422 and kept in [`World::violations`].

mod answers;
mod fault;
mod resource;
mod schema;
mod server;
mod world;
mod write;

pub use fault::{Fault, Kind, Meanwhile};
pub use resource::{CheckRun, Comment, GateRun, Issue, Pull};
pub use server::Fake;
pub use world::{Logged, World};
