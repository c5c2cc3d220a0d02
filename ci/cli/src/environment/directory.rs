//! The measurement environment's directory, `/tmp/icgate.NNNNNN`: a path of the same length for every process.
//!
//! The executable's path is copied to the top of its stack, and its length moves all that lies
//! below. So it must not depend on where the project was checked out. The number is the lowest
//! that is free, which makes nearly all runs use the very same path. A lock shows which
//! directories are in use; one whose owner died is taken over.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::statvfs::{FsFlags, statvfs};

use super::sandbox::Sandbox;
use crate::error::EnvironmentError;
use crate::{paths, process};

/// More measurements at once on one machine than this are unlikely to be meant.
const DIRECTORIES_MAX: u32 = 1_000;

/// The file in it by which it is locked.
const LOCK: &str = "lock";

/// A copy of this executable, for a sandbox's user.
const OWN: &str = "icgate";

/// A measurement environment's directory, removed when dropped.
#[derive(Debug)]
pub(crate) struct EnvironmentDirectory {
    path: PathBuf,
    /// Whether what runs in it is another user's.
    sandbox: Option<Sandbox>,
    /// Held for as long as the directory is in use.
    _lock: File,
}

impl EnvironmentDirectory {
    /// Takes the first directory that is free.
    ///
    /// Whether anything can be executed there is checked now: a build takes minutes, and fails only
    /// afterwards without a word.
    pub(crate) fn take() -> Result<Self, EnvironmentError> {
        let parent = Path::new("/tmp");
        let flags = statvfs(parent).map(|it| it.flags());
        if flags.is_ok_and(|flags| flags.contains(FsFlags::ST_NOEXEC)) {
            let path = parent.to_owned();
            return Err(EnvironmentError::NoExec { path });
        }
        Self::take_in(parent)
    }

    fn take_in(parent: &Path) -> Result<Self, EnvironmentError> {
        let numbers = (0..DIRECTORIES_MAX).map(|number| format!("{number:06}"));
        // Whoever else may write to /tmp can have taken all of these, and keep them. Other names of
        // the same length are too many to take.
        let others = (0..DIRECTORIES_MAX).map(|_| unforeseeable());
        for name in numbers.chain(others) {
            let path = parent.join(format!("icgate.{name}"));
            let lock = try_take(&path).map_err(|source| EnvironmentError::Directory {
                path: path.clone(),
                source,
            })?;
            if let Some(lock) = lock {
                process::guard_directory(&path, vacate);
                return Ok(Self {
                    path,
                    sandbox: None,
                    _lock: lock,
                });
            }
        }
        Err(EnvironmentError::Full(DIRECTORIES_MAX))
    }

    /// The directory's path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The same, for code that runs in a sandbox.
    pub(crate) fn take_sandboxed(sandbox: Option<Sandbox>) -> Result<Self, EnvironmentError> {
        let mut directory = Self::take()?;
        if sandbox.is_some() {
            // Its executables are run by another user, from a copy: who runs this process's own by way
            // of /proc needs its rights.
            let copy = directory.path.join(OWN);
            let failed = |source| EnvironmentError::Directory {
                path: directory.path.clone(),
                source,
            };
            fs::set_permissions(&directory.path, fs::Permissions::from_mode(0o755))
                .and_then(|()| paths::own_path())
                .and_then(|own| fs::copy(own, &copy))
                .and_then(|_| fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)))
                .map_err(failed)?;
        }
        directory.sandbox = sandbox;
        Ok(directory)
    }

    /// This executable, for the links by which measured code calls it. It is this very file, even if
    /// another one takes its name meanwhile.
    pub(crate) fn own_executable(&self) -> PathBuf {
        match self.sandbox {
            Some(_) => self.path.join(OWN),
            None => PathBuf::from(format!("/proc/{}/exe", std::process::id())),
        }
    }

    /// Whether what runs in it must not see this process's surroundings.
    pub(crate) const fn is_sandboxed(&self) -> bool {
        self.sandbox.is_some()
    }

    /// Lets `command`, which runs measured code, run in the sandbox, if there is one.
    pub(crate) fn confine(&self, command: &mut Command) {
        if self.sandbox.is_some() {
            Sandbox::confine(command);
        }
    }

    /// Lets measured code write in a folder.
    pub(crate) fn hand_over(&self, folder: &Path) -> io::Result<()> {
        match self.sandbox {
            Some(_) => Sandbox::hand_over(folder),
            None => Ok(()),
        }
    }

    /// A directory in it with links to the shared libraries in `directories`; `None` if there are
    /// none.
    pub(crate) fn libraries(
        &self,
        directories: &[PathBuf],
    ) -> Result<Option<PathBuf>, EnvironmentError> {
        let mut libraries = None;
        for library in Self::shared_libraries(directories) {
            let directory = self.create("lib")?;
            link(
                &library,
                &directory.join(library.file_name().unwrap_or_default()),
            )?;
            libraries = Some(directory);
        }
        Ok(libraries)
    }

    /// The shared libraries in `directories`. A build script may name one that does not exist.
    pub(crate) fn shared_libraries(directories: &[PathBuf]) -> Vec<PathBuf> {
        let entries = directories.iter().filter_map(|it| fs::read_dir(it).ok());
        let is_shared = |name: &str| name.split('.').skip(1).any(|part| part == "so");
        let paths = entries
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()));
        paths
            .filter(|path| {
                path.file_name()
                    .and_then(OsStr::to_str)
                    .is_some_and(is_shared)
            })
            .collect()
    }

    /// A new directory in it.
    pub(crate) fn create(&self, name: &str) -> Result<PathBuf, EnvironmentError> {
        let path = self.path.join(name);
        fs::create_dir_all(&path).map_err(|source| EnvironmentError::Directory {
            path: path.clone(),
            source,
        })?;
        Ok(path)
    }
}

impl EnvironmentDirectory {
    /// A working directory of fixed length that stands for `directory` of the project at `root`.
    ///
    /// Cargo runs benches in their package's directory, and some open fixtures there. But the
    /// working directory's length is not neutral either: whoever makes a path absolute keeps it on
    /// the heap, and what is allocated next lies elsewhere. So the way from the root to the
    /// package is made again here, with links to everything that lies beside it. A directory
    /// outside of the project is the harness's own, and stays.
    pub(crate) fn mirror(
        &self,
        root: &Path,
        directory: &Path,
    ) -> Result<PathBuf, EnvironmentError> {
        let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let (mut real, directory) = (canonical(root), canonical(directory));
        let Ok(inside) = directory.strip_prefix(&real).map(Path::to_owned) else {
            return Ok(directory);
        };
        // One for each package: the way to one is a link in the mirror of another.
        let digest = blake3::hash(inside.as_os_str().as_encoded_bytes()).to_hex();
        let mut mirror = self.create(&format!("work/{}", &digest[..8]))?;
        for part in &inside {
            link_entries(&real, &mirror, Some(part))?;
            real.push(part);
            mirror.push(part);
        }
        link_entries(&real, &mirror, None)?;
        Ok(mirror)
    }
}

/// Six letters and digits, of two thousand million.
fn unforeseeable() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    const LETTERS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut left = RandomState::new().hash_one(std::process::id());
    let mut letter = || {
        let at = usize::try_from(left % 36).unwrap_or(0);
        left /= 36;
        char::from(LETTERS[at])
    };
    (0..6).map(|_| letter()).collect()
}

/// Makes the directory `to` with a link to each entry of `from` but `except`.
fn link_entries(from: &Path, to: &Path, except: Option<&OsStr>) -> Result<(), EnvironmentError> {
    let failed = |source| EnvironmentError::Directory {
        path: to.to_owned(),
        source,
    };
    fs::create_dir_all(to).map_err(failed)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if except == Some(&name) {
            continue;
        }
        link(&from.join(&name), &to.join(&name))?;
    }
    Ok(())
}

/// Makes a link unless it is there already, for another benchmark.
fn link(from: &Path, to: &Path) -> Result<(), EnvironmentError> {
    match symlink(from, to) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            let path = to.to_owned();
            Err(EnvironmentError::Directory { path, source })
        }
        _ => Ok(()),
    }
}

impl Drop for EnvironmentDirectory {
    fn drop(&mut self) {
        vacate(&self.path);
        process::release_directory(&self.path);
    }
}

/// Takes `path` if nobody uses it: makes it, or empties what a dead owner left. `None` if somebody
/// else has it.
fn try_take(path: &Path) -> io::Result<Option<File>> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // Only a real directory of our own: /tmp is everybody's, and this could be a trap.
            let data = match fs::symlink_metadata(path) {
                Ok(data) => data,
                // Its owner removed it between the two steps.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
            if !data.is_dir() || data.uid() != nix::unistd::geteuid().as_raw() {
                return Ok(None);
            }
        }
        Err(error) => return Err(error),
    }
    let lock_path = path.join(LOCK);
    let lock = match File::create(&lock_path) {
        Ok(lock) => lock,
        // Its owner removed it between the two steps.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // The lock may be that of a file which its owner has just removed.
    if !fs::metadata(&lock_path)
        .is_ok_and(|data| lock.metadata().is_ok_and(|own| own.ino() == data.ino()))
    {
        return Ok(None);
    }
    clear(path)?;
    Ok(Some(lock))
}

/// Removes a measurement environment's directory. The lock goes last: whoever finds none takes the directory, and
/// must not lose to this what it then puts there.
pub(crate) fn vacate(path: &Path) {
    let _ = clear(path)
        .and_then(|()| fs::remove_file(path.join(LOCK)))
        .and_then(|()| fs::remove_dir(path));
}

/// Removes everything in a directory but its lock.
fn clear(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_owners_get_two_directories_of_equal_length() {
        let parent = tempfile::tempdir().unwrap();
        let first = EnvironmentDirectory::take_in(parent.path()).unwrap();
        let second = EnvironmentDirectory::take_in(parent.path()).unwrap();
        assert!(first.path().ends_with("icgate.000000"));
        assert!(second.path().ends_with("icgate.000001"));
        let path = first.path().to_owned();
        drop(first);
        assert!(!path.exists());
        let again = EnvironmentDirectory::take_in(parent.path()).unwrap();
        assert_eq!(again.path(), path);
    }

    #[test]
    fn owners_that_come_and_go_never_share_a_directory() {
        let parent = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for owner in 0..4 {
                let parent = parent.path();
                scope.spawn(move || {
                    for round in 0..200 {
                        let taken = EnvironmentDirectory::take_in(parent).unwrap();
                        let mine = taken.create("plan").unwrap().join("mine");
                        let text = format!("{owner} {round}");
                        fs::write(&mine, &text).unwrap();
                        std::thread::yield_now();
                        assert_eq!(fs::read_to_string(&mine).unwrap(), text);
                    }
                });
            }
        });
    }

    #[test]
    fn what_a_dead_owner_left_is_cleared() {
        let parent = tempfile::tempdir().unwrap();
        let stale = parent.path().join("icgate.000000");
        fs::create_dir_all(stale.join("bin")).unwrap();
        fs::write(stale.join("bin/frame"), "old").unwrap();
        fs::write(stale.join("lock"), "").unwrap();
        let taken = EnvironmentDirectory::take_in(parent.path()).unwrap();
        assert_eq!(taken.path(), stale);
        assert!(!stale.join("bin").exists());
    }

    #[test]
    fn a_mirror_has_what_the_package_has_and_a_length_of_its_own() {
        let parent = tempfile::tempdir().unwrap();
        let environment = EnvironmentDirectory::take_in(parent.path()).unwrap();
        let project = tempfile::tempdir().unwrap();
        for package in ["a", "deep/b"] {
            let data = project.path().join(package).join("data");
            fs::create_dir_all(&data).unwrap();
            fs::write(data.join("x"), package).unwrap();
        }
        fs::write(project.path().join("shared"), "root").unwrap();
        for package in ["a", "deep/b"] {
            let mirror = environment
                .mirror(project.path(), &project.path().join(package))
                .unwrap();
            assert!(mirror.starts_with(environment.path().join("work")));
            assert_eq!(
                mirror.canonicalize().unwrap(),
                mirror.as_path(),
                "no part of it is a link"
            );
            assert_eq!(fs::read_to_string(mirror.join("data/x")).unwrap(), package);
            let up = if package == "a" {
                "../shared"
            } else {
                "../../shared"
            };
            assert_eq!(fs::read_to_string(mirror.join(up)).unwrap(), "root");
        }
        let elsewhere = tempfile::tempdir().unwrap();
        let own = environment
            .mirror(project.path(), elsewhere.path())
            .unwrap();
        assert_eq!(own, elsewhere.path().canonicalize().unwrap());
    }

    #[test]
    fn all_numbers_taken_by_somebody_else_leave_names_of_equal_length() {
        let parent = tempfile::tempdir().unwrap();
        for number in 0..DIRECTORIES_MAX {
            fs::write(parent.path().join(format!("icgate.{number:06}")), "").unwrap();
        }
        let first = EnvironmentDirectory::take_in(parent.path()).unwrap();
        let second = EnvironmentDirectory::take_in(parent.path()).unwrap();
        assert_ne!(first.path(), second.path());
        for taken in [first, second] {
            let name = taken.path().file_name().unwrap();
            assert_eq!(name.len(), "icgate.000000".len());
        }
    }

    #[test]
    fn a_trap_is_stepped_around() {
        let parent = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("precious"), "").unwrap();
        symlink(elsewhere.path(), parent.path().join("icgate.000000")).unwrap();
        fs::write(parent.path().join("icgate.000001"), "a file").unwrap();
        let taken = EnvironmentDirectory::take_in(parent.path()).unwrap();
        assert!(taken.path().ends_with("icgate.000002"));
        assert!(elsewhere.path().join("precious").exists());
    }
}
