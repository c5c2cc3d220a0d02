//! Paths: where this executable is, and where others are.

use std::path::{Path, PathBuf};

/// The path under which this executable was called.
pub(crate) fn called_as() -> PathBuf {
    let program = PathBuf::from(std::env::args_os().next().unwrap_or_default());
    match program.to_str() {
        // A bare name: what was started is the first of that name on PATH.
        Some(name) if !name.contains('/') => find_program(name, |_| true).unwrap_or(program),
        _ => program,
    }
}

/// The path of this executable, for links to it.
pub(crate) fn own_path() -> std::io::Result<PathBuf> {
    std::env::current_exe()
}

/// The directory of a path, `.` for a bare name.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// The first executable file called `name` in a directory of PATH that `accept` accepts.
pub(crate) fn find_program(name: &str, mut accept: impl FnMut(&Path) -> bool) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;

    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .filter(|directory| directory.is_absolute() && accept(directory))
        .map(|directory| directory.join(name))
        .find(|program| {
            let executable = |data: std::fs::Metadata| data.permissions().mode() & 0o111 != 0;
            std::fs::metadata(program).is_ok_and(|data| data.is_file() && executable(data))
        })
}
