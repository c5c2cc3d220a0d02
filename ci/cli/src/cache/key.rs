//! The key of a measurement: a digest of everything that its counts depend on.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use blake3::Hasher;
use icgate_core::model::environment::Environment;

/// Of the files beside a bench, this much is read to tell whether they changed.
const FILES_BYTES_MAX: u64 = 256 << 20;
/// And this many.
const FILES_MAX: usize = 10_000;

/// What a benchmark's counts depend on, as a digest.
pub(crate) type Key = String;

/// What all benchmarks of a session share: the measurement environment, and the icgate that reads its profiles.
#[derive(Debug)]
pub(crate) struct Keys {
    common: Hasher,
    /// Digests of executables, by path.
    executables: BTreeMap<PathBuf, Vec<u8>>,
    /// Digests of the files beside a bench, by directory; none where there are too many.
    files: BTreeMap<PathBuf, Option<Vec<u8>>>,
}

/// How a benchmark is called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) executable: &'a Path,
    pub(crate) options: &'a [String],
    pub(crate) arguments: &'a [String],
    pub(crate) env_vars: &'a BTreeMap<String, String>,
    /// Directories with the files that it may read: its package's, those of shared libraries.
    pub(crate) directories: &'a [&'a Path],
}

impl Keys {
    pub(crate) fn new(environment: &Environment) -> io::Result<Self> {
        let mut common = Hasher::new();
        // Another icgate may read another attribution out of the same profile.
        let own = fs::File::open("/proc/self/exe")?;
        let mut icgate = Hasher::new();
        icgate.update_reader(own)?;
        add(&mut common, icgate.finalize().as_bytes());
        add(&mut common, environment_digest(environment).as_bytes());
        Ok(Self {
            common,
            executables: BTreeMap::new(),
            files: BTreeMap::new(),
        })
    }

    /// The key of a call; none if something that it depends on cannot be read.
    pub(crate) fn key(&mut self, call: Call<'_>) -> Option<Key> {
        let mut hasher = self.common.clone();
        if !self.executables.contains_key(call.executable) {
            let digest = blake3::hash(&fs::read(call.executable).ok()?)
                .as_bytes()
                .to_vec();
            self.executables.insert(call.executable.to_owned(), digest);
        }
        add(&mut hasher, &self.executables[call.executable]);
        for directory in call.directories {
            let files = self
                .files
                .entry((*directory).to_owned())
                .or_insert_with(|| files_digest(directory));
            add(&mut hasher, files.as_ref()?);
        }
        for list in [call.options, call.arguments] {
            hasher.update(&(list.len() as u64).to_le_bytes());
            for word in list {
                add(&mut hasher, word.as_bytes());
            }
        }
        for (name, value) in call.env_vars {
            add(&mut hasher, name.as_bytes());
            add(&mut hasher, value.as_bytes());
        }
        Some(hasher.finalize().to_hex().to_string())
    }
}

/// A digest of the files in `directory` that a bench may open: all but sources, which are in the
/// executable, and what is never read. `None` if there are more than is worth it.
fn files_digest(directory: &Path) -> Option<Vec<u8>> {
    let mut hasher = Hasher::new();
    let (mut count, mut bytes) = (0, 0);
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<fs::DirEntry> =
            fs::read_dir(&folder).ok()?.collect::<Result<_, _>>().ok()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            let inside = path.strip_prefix(directory).ok()?;
            if entry.file_type().ok()?.is_dir() {
                let is_read = !name.starts_with('.') && name != "target" && name != "baselines";
                folders.extend(is_read.then_some(path));
            } else if !is_source(inside) {
                let data = fs::metadata(&path).ok();
                // What a link to a folder leads to, and what a pipe would give, is not known.
                if data.as_ref().is_some_and(|data| !data.is_file()) {
                    return None;
                }
                count += 1;
                bytes += data.map_or(0, |data| data.len());
                if count > FILES_MAX || bytes > FILES_BYTES_MAX {
                    return None;
                }
                add(
                    &mut hasher,
                    path.strip_prefix(directory)
                        .ok()?
                        .as_os_str()
                        .as_encoded_bytes(),
                );
                // A link may lead nowhere.
                add(&mut hasher, &fs::read(&path).unwrap_or_default());
            }
        }
    }
    Some(hasher.finalize().as_bytes().to_vec())
}

/// Files that have their effect when the executable is built, or none: sources where cargo looks for
/// them, manifests, and prose at the top of a package.
fn is_source(inside: &Path) -> bool {
    let name = inside.file_name().unwrap_or_default().to_string_lossy();
    let is = |extension: &str| inside.extension().is_some_and(|it| it == extension);
    let depth = inside.components().count();
    let source = is("rs") && (inside.starts_with("src") || depth <= 2);
    let prose = is("md") && depth == 1;
    let manifest = matches!(&*name, "Cargo.toml" | "Cargo.lock" | "Makefile");
    source || prose || manifest || name.starts_with('.')
}

/// A digest of a measurement environment.
pub(super) fn environment_digest(environment: &Environment) -> String {
    let mut hasher = Hasher::new();
    for (name, value) in environment.fields() {
        add(&mut hasher, name.as_bytes());
        add(&mut hasher, value.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// Adds a part after its length, so that no two lists of parts read alike.
fn add(hasher: &mut Hasher, part: &[u8]) {
    hasher.update(&(part.len() as u64).to_le_bytes());
    hasher.update(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_a_bench_may_read_count_and_sources_do_not() {
        let directory = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            files_digest(directory.path()).unwrap()
        };
        let empty = files_digest(directory.path()).unwrap();
        assert_ne!(put("benches/data/page.md", "x"), empty);
        fs::remove_file(directory.path().join("benches/data/page.md")).unwrap();
        for ignored in [
            "src/lib.rs",
            "README.md",
            "Cargo.lock",
            "target/x/y",
            ".git/index",
        ] {
            assert_eq!(put(ignored, "x"), empty, "{ignored}");
        }
        let one = put("data/words.txt", "one");
        assert_ne!(one, empty);
        assert_ne!(put("data/words.txt", "two"), one);
        assert_eq!(put("data/words.txt", "one"), one);
        assert_ne!(put("data/more", ""), one, "an empty file is a file");
    }

    #[test]
    fn a_key_depends_on_every_part_of_a_call() {
        let directory = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| {
            let path = directory.path().join(name);
            fs::write(&path, name).unwrap();
            path
        });
        let word = |text: &str| vec![text.to_owned()];
        let variable = |value: &str| BTreeMap::from([("A".to_owned(), value.to_owned())]);
        let environment = |rustc: &str| Environment {
            rustc: rustc.to_owned(),
            ..Environment::example()
        };
        let key = |rustc, executable: &Path, option, argument, value| {
            let mut keys = Keys::new(&environment(rustc)).unwrap();
            let call = Call {
                executable,
                options: &word(option),
                arguments: &word(argument),
                env_vars: &variable(value),
                directories: &[],
            };
            keys.key(call).unwrap()
        };
        let one = key("1", &a, "o", "x", "v");
        assert_eq!(one, key("1", &a, "o", "x", "v"));
        for other in [
            key("2", &a, "o", "x", "v"),
            key("1", &b, "o", "x", "v"),
            key("1", &a, "p", "x", "v"),
            key("1", &a, "o", "y", "v"),
            key("1", &a, "o", "x", "w"),
        ] {
            assert_ne!(one, other);
        }
    }
}
