//! Profiles: what Callgrind wrote, read and turned into costs by source function.
//!
//! Everything read here may come from a hostile build. So nothing panics, nothing is allocated by
//! a number that was read, sums are checked, and an error says the line and what was expected.

pub mod callgrind;
pub mod harness;
pub mod heap_tools;
pub mod symbol_name;
pub mod system_calls;

pub mod source;
