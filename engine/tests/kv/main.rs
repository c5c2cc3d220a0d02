//! Every backend against the one suite, and against what it alone can meet.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod engine;
mod memory;
mod persister;
#[cfg(feature = "redis")]
mod proxy;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "redis")]
mod redis_faults;
#[cfg(feature = "redis")]
mod redis_server;
#[cfg(feature = "sqlite")]
mod sqlite;
