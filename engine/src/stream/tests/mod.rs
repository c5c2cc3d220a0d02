//! Streams on a simulated disk.

mod bugs;
mod crash;
mod format;
mod groups;
mod model;
mod publishing;
mod reading;
mod replay;
mod saved;
mod topics;
mod transactions;
mod upkeep;
mod world;
