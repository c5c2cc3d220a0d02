//! The compiler's wrapper: hides where the workspace lies from `env!("CARGO_MANIFEST_DIR")`.
//!
//! Path remapping covers debug information and panic messages, but not the paths that cargo hands
//! to the compiler in the environment. Harnesses bake one of those into every bench executable, and
//! its length shifts the constants and statics behind it (by 32 to 64 bytes where it was seen).
//! `memcpy` takes another way for another alignment of its target, so a benchmark that writes to a
//! static could tell one checkout from another. With the wrapper, executables of one commit have
//! the same layout everywhere.
//!
//! ```text
//! /home/somebody/project            where the workspace is
//! /tmp/icgate.src.0123456789abcdef  a link to it: a path of one length for every checkout
//! ```
//!
//! It has to be a path that works, because benches open their fixtures by it. Cargo leaves the
//! variables that it sets itself out of its freshness checks, so nothing is built anew for this.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The name under which this part is called.
pub(crate) const NAME: &str = "icgate-rustc-wrapper";

/// The workspace's real path.
const ROOT: &str = "ICGATE_WORKSPACE_ROOT";
/// The link to it.
const LINK: &str = "ICGATE_WORKSPACE_LINK";
/// The wrapper that the user has set, which is called in its turn.
const INNER: &str = "ICGATE_INNER_WRAPPER";

/// How the path of every such link begins: what follows tells one workspace from another.
pub(crate) const LINK_PREFIX: &str = "/tmp/icgate.src.";
/// How many characters follow.
pub(crate) const LINK_DIGEST_CHARS: usize = 16;

/// Variables in which cargo tells the compiler a path, and that end up in executables.
const PATHS: [&str; 4] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "OUT_DIR",
    "CARGO_TARGET_TMPDIR",
];

/// Acts as the compiler: cargo gives its path, then its arguments.
pub(crate) fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let inner = std::env::var_os(INNER).filter(|inner| !inner.is_empty());
    let Some(program) = inner.or_else(|| words.next()) else {
        eprintln!("icgate: {NAME} is for cargo to call");
        return ExitCode::FAILURE;
    };
    let mut command = Command::new(&program);
    command.args(words);
    if let (Some(root), Some(link)) = (std::env::var_os(ROOT), std::env::var_os(LINK)) {
        for name in PATHS {
            if let Some(path) = std::env::var_os(name)
                && let Some(moved) = moved(Path::new(&path), Path::new(&root), Path::new(&link))
            {
                command.env(name, moved);
            }
        }
    }
    let error = command.exec();
    eprintln!(
        "icgate: cannot start {}: {error}",
        Path::new(&program).display()
    );
    ExitCode::FAILURE
}

/// `path` with `link` in the place of `root`, if it lies there.
fn moved(path: &Path, root: &Path, link: &Path) -> Option<OsString> {
    let inside = path.strip_prefix(root).ok()?;
    let moved = if inside == Path::new("") {
        link.to_owned()
    } else {
        link.join(inside)
    };
    Some(moved.into_os_string())
}

/// Makes cargo's command compile through the wrapper; `directory` is for a link to this executable.
pub(crate) fn wrap(command: &mut Command, root: &Path, directory: &Path) -> io::Result<()> {
    let wrapper = directory.join(NAME);
    replace_link(&crate::own_path()?, &wrapper)?;
    let link = source_link(root);
    replace_link(root, &link)?;
    let inner = std::env::var_os("RUSTC_WRAPPER").unwrap_or_default();
    command
        .env("RUSTC_WRAPPER", wrapper)
        .env(INNER, inner)
        .env(ROOT, root)
        .env(LINK, link);
    Ok(())
}

/// The link to the workspace at `root`: of the same length for every root, and different for
/// each, so that two checkouts can be built at the same time.
fn source_link(root: &Path) -> PathBuf {
    let digest = blake3::hash(root.as_os_str().as_encoded_bytes()).to_hex();
    PathBuf::from(format!("{LINK_PREFIX}{}", &digest[..LINK_DIGEST_CHARS]))
}

/// Makes `link` lead to `target`. A link that leads elsewhere is replaced if it is our own; if it
/// is somebody else's, following it would mean reading their files.
fn replace_link(target: &Path, link: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(link) {
        Ok(data) if data.uid() != nix::unistd::geteuid().as_raw() => {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("`{}` belongs to another user", link.display()),
            ));
        }
        Ok(_) if std::fs::read_link(link).is_ok_and(|old| old == target) => return Ok(()),
        Ok(_) => std::fs::remove_file(link)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    match symlink(target, link) {
        // Another icgate was faster, with the same target.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_in_the_workspace_is_moved() {
        let moved = |path| moved(Path::new(path), Path::new("/home/a/p"), Path::new("/tmp/l"));
        assert_eq!(moved("/home/a/p"), Some("/tmp/l".into()));
        assert_eq!(moved("/home/a/p/engine"), Some("/tmp/l/engine".into()));
        assert_eq!(moved("/home/a/project"), None);
        assert_eq!(moved("/home/a/.cargo/registry/x"), None);
    }

    #[test]
    fn links_have_one_length_and_their_own_name() {
        let (short, long) = (
            source_link(Path::new("/p")),
            source_link(Path::new("/a/longer/path")),
        );
        assert_ne!(short, long);
        assert_eq!(short.as_os_str().len(), long.as_os_str().len());
    }

    #[test]
    fn a_link_that_leads_elsewhere_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("link");
        for target in ["/one", "/two", "/two"] {
            replace_link(Path::new(target), &link).unwrap();
            assert_eq!(std::fs::read_link(&link).unwrap(), Path::new(target));
        }
    }
}
