//! Publishing: what GitHub is told about a judged run, decided as values.
//!
//! ```text
//! artifact ──┐                                    ┌─ check run: create or update, batch by batch
//! event ─────┼→ run, pull request → report → plan ┤
//! comments ──┘                                    └─ comment: create, update, retire, or leave
//! ```
//!
//! Nothing here talks to GitHub. A plan says what to send given what is there; after each write
//! one looks again and plans again, until there is nothing left to do. So a reply that got lost, a
//! comment that somebody deleted, and a second publisher are all met in the same way.

pub mod artifact;
pub mod body;
pub mod check_run;
pub mod comment;
pub mod marker;
pub mod newer_tools;
pub mod pull_request;
pub mod retry;
