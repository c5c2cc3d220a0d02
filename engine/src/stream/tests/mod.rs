//! Streams on a simulated disk.

mod basics;
mod groups;
mod transactions;
mod upkeep;
mod world;
