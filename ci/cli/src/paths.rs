//! Paths: where this executable is, and where others are.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
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
pub(crate) fn own_path() -> io::Result<PathBuf> {
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

/// Opens a file from a folder in which somebody else writes: no link is followed, and nothing but a
/// regular file is opened, so that no pipe is waited for.
pub(crate) fn open_plain(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK)
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is no regular file"))
    }
}

/// Reads such a file, if it is not larger than that.
pub(crate) fn read_plain(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_plain(path)?
        .take(bytes_max + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::other(format!(
            "it is larger than {bytes_max} bytes"
        )));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn open_plain_refuses_links_pipes_and_folders() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name| directory.path().join(name);
        std::fs::write(path("file"), "text").unwrap();
        symlink(path("file"), path("link")).unwrap();
        let pipe = std::process::Command::new("mkfifo")
            .arg(path("pipe"))
            .status();
        assert!(pipe.unwrap().success());
        assert_eq!(read_plain(&path("file"), 4).unwrap(), b"text");
        assert!(read_plain(&path("file"), 3).is_err(), "too large");
        for refused in ["link", "pipe", ".", "none"] {
            assert!(open_plain(&path(refused)).is_err(), "{refused}");
        }
    }
}
