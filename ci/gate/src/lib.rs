//! The pure part of icgate.
