//! Proof that the log loses nothing: a scripted workload, every way to interrupt it, and a model.
//!
//! ```text
//! script ─► log over Sim ─► crash or failure at call n ─► recovery (itself interrupted) ─► check
//!    └────► model: attempted, durable, which records belong together ──────────────────────┘
//! ```
//!
//! What is checked after every interruption:
//!
//! 1. recovery succeeds, and gives records `0..n` with the bytes that were appended;
//! 2. `durable ≤ n ≤ attempted`, and no batch is cut in two;
//! 3. what recovery served is durable: the power may go right afterwards;
//! 4. the log can be used again.
//!
//! A check answers with what it found wrong instead of panicking, so that tests of injected bugs
//! can insist that it finds something.

mod crash;
mod damage;
mod engine;
mod injected_bugs;
mod map;
mod model;
mod schedules;
mod script;
mod snapshots;
