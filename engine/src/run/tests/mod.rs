//! Runs against a model, interrupted at every call, and with bugs injected on purpose.

mod bytes;
mod check;
mod crash;
mod errors;
mod injected_bugs;
#[cfg(feature = "json")]
mod lines;
mod model;
mod operation;
mod orphans;
mod properties;
mod reading;
