//! The icgate binary.

fn main() {}
