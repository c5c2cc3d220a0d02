//! Streams on a simulated disk.

mod basics;
mod bugs;
mod crash;
mod format;
mod groups;
mod model;
mod replay;
mod saved;
mod transactions;
mod upkeep;
mod world;
