//! The storage engine that the gate guards.
