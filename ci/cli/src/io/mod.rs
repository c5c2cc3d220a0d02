//! Files and standard output: the only places where icgate reads and writes a project's files.

pub(crate) mod output;
pub(crate) mod sources;
pub(crate) mod store;
