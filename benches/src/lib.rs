//! The catalogue of workloads.
