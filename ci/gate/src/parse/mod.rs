//! Text that a tool wrote, read into values: the first stage, and the only one that meets bytes.
//!
//! Everything read here may come from a hostile build. So nothing panics, nothing is allocated by
//! a number that was read, sums are checked, and an error says the line and what was expected.

pub mod callgrind;
mod profile;

pub use profile::{Call, Cost, FileId, ObjectId, Profile, ProfileError, Symbol, SymbolId};
