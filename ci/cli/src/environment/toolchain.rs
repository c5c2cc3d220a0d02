//! The compiler, and the C library that it links.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::error::BuildError;
use crate::process;

/// The compiler that builds a project, and for what.
#[derive(Debug, Clone)]
pub(crate) struct Toolchain {
    /// The project's directory, by which rustup chooses the compiler.
    pub(crate) directory: PathBuf,
    /// Version, commit and LLVM.
    pub(crate) rustc: String,
    /// The host's triple, for which benchmarks are built.
    pub(crate) target: String,
    /// Rustup's name for it, where that is to be used whatever a project asks for.
    pub(crate) rustup: Option<String>,
    /// The C library that it links statically.
    pub(crate) static_libc: Option<CLibrary>,
}

/// A file of a C library.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CLibrary {
    /// As it calls itself.
    pub(super) version: String,
    pub(crate) digest: String,
}

impl CLibrary {
    pub(super) fn read(path: &Path) -> Option<Self> {
        let bytes = std::fs::read(path).ok()?;
        Some(Self {
            version: libc_version(&bytes).unwrap_or("unknown").to_owned(),
            digest: blake3::hash(&bytes).to_hex()[..16].to_owned(),
        })
    }

    /// What it says of itself.
    pub(crate) fn texts(&self) -> [&str; 2] {
        [&self.version, &self.digest]
    }

    /// Sets builds with this library apart from those with another. Cargo does not know of it: an
    /// executable that holds the one of yesterday must not be taken for fresh.
    pub(crate) fn build_mark(&self) -> String {
        format!("--cfg=icgate_libc_{}", self.digest)
    }
}

impl Toolchain {
    /// The same, for projects that would choose another. Without rustup there is no choice.
    pub(crate) fn fixed(&self) -> Self {
        let mut command = Command::new("rustup");
        command.args(["show", "active-toolchain"]);
        let output = process::output(command.current_dir(&self.directory)).ok();
        let printed = output.filter(|it| it.status.success()).map(|it| it.stdout);
        let printed = printed.and_then(|it| String::from_utf8(it).ok());
        let name = printed.and_then(|it| Some(it.split_whitespace().next()?.to_owned()));
        Self {
            rustup: name,
            ..self.clone()
        }
    }
}

/// Asks the compiler of the project in `directory` who it is.
pub(crate) fn toolchain(directory: &Path) -> Result<Toolchain, BuildError> {
    let program = || "rustc".to_owned();
    let mut command = Command::new("rustc");
    let output = process::output(command.arg("-vV").current_dir(directory)).map_err(|source| {
        BuildError::Start {
            program: program(),
            source,
        }
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim)
    };
    let (Some(version), Some(target)) = (text.lines().next(), field("host:")) else {
        let source = std::io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned());
        return Err(BuildError::Start {
            program: program(),
            source,
        });
    };
    let llvm = field("LLVM version:").map_or_else(String::new, |llvm| format!(", LLVM {llvm}"));
    Ok(Toolchain {
        directory: directory.to_owned(),
        rustc: format!("{}{llvm}", version.trim_start_matches("rustc ")),
        target: target.to_owned(),
        rustup: None,
        static_libc: static_libc().and_then(|path| CLibrary::read(&path)),
    })
}

/// The static C library that the linker takes.
fn static_libc() -> Option<PathBuf> {
    let output = process::output(Command::new("cc").arg("-print-file-name=libc.a")).ok()?;
    Some(PathBuf::from(
        String::from_utf8(output.stdout).ok()?.trim_end(),
    ))
}

/// `Debian GLIBC 2.36-9+deb12u14`, from the banner `GNU C Library (…) …` that glibc prints when
/// it is run.
fn libc_version(bytes: &[u8]) -> Option<&str> {
    let banner = b"GNU C Library (";
    let start = memchr::memmem::find(bytes, banner)? + banner.len();
    let rest = &bytes[start..bytes.len().min(start + 100)];
    std::str::from_utf8(&rest[..memchr::memchr(b')', rest)?]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_marked_by_the_bytes_of_the_c_library() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("libc.a");
        assert!(CLibrary::read(&path).is_none());
        let mark = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            CLibrary::read(&path).unwrap().build_mark()
        };
        let first = mark(b"one");
        assert_ne!(mark(b"another"), first);
        assert_eq!(mark(b"one"), first);
    }

    #[test]
    fn the_c_library_says_its_version() {
        let file = b"\0x\0GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n\0";
        assert_eq!(libc_version(file), Some("Debian GLIBC 2.36-9"));
        assert_eq!(libc_version(b"musl"), None);
        assert_eq!(libc_version(b"GNU C Library (cut"), None);
    }
}
