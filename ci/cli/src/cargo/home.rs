//! Cargo's home: the user's configuration and the sources of dependencies.

use std::path::PathBuf;

/// `CARGO_HOME`, or `.cargo` in the user's home.
pub(crate) fn cargo_home() -> Option<PathBuf> {
    let set = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    set.or_else(|| Some(std::env::home_dir()?.join(".cargo")))
}
