//! The files of a log in memory.

use std::path::{Path, PathBuf};

use engine::vfs::{Memory, Vfs};

/// The segments in a directory, in order.
pub(crate) fn segments(vfs: &Memory, dir: &Path) -> Vec<PathBuf> {
    let names = vfs.list(dir).unwrap();
    let paths = names.into_iter().map(|name| dir.join(name));
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "wal"))
        .collect()
}
