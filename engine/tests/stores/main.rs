//! Every backend against the one suite, and against what it alone can meet.

mod memory;
#[cfg(feature = "sqlite")]
mod sqlite;
