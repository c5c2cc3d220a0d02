//! Streams on a simulated disk.

mod basics;
mod bugs;
mod crash;
mod groups;
mod replay;
mod transactions;
mod upkeep;
mod world;
