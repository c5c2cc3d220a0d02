//! The compiler's wrapper: hides where the workspace lies from `env!("CARGO_MANIFEST_DIR")`.
//!
//! Path remapping covers debug information and panic messages, but not the paths that cargo hands
//! to the compiler in the environment. Harnesses bake one of those into every bench executable, and
//! its length shifts the constants and statics behind it (by 32 to 64 bytes where it was seen); even
//! what it says decides in which order constants lie. `memcpy` takes another way for another
//! alignment of its target, so a benchmark that writes to a static could tell one checkout from
//! another. With the wrapper, executables of one commit are the same everywhere, byte by byte.
//!
//! ```text
//! /home/somebody/project        where the workspace is
//! /proc/self/cwd//././././.     what the compiler is told: it runs there, and so finds the files
//! /tmp/icgate.000000/source     what a benchmark is told: a link, put into its copy in the measurement environment
//! ```
//!
//! All are paths that work, because sources include files by them, and benches open their fixtures.
//! Cargo leaves the variables that it sets itself out of its freshness checks, so nothing is built
//! again for this.

use std::ffi::{OsStr, OsString};
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use icgate_core::model::crates::Crate;

use super::layout::LinkCommand;
use crate::environment::PINS_PLACEHOLDER;
use crate::io::output;

/// The name under which this part is called.
pub(crate) const NAME: &str = "icgate-rustc-wrapper";

/// The workspace's real path.
const ROOT: &str = "ICGATE_WORKSPACE_ROOT";
/// The object file that takes the place of the pins' placeholder.
const PINS: &str = "ICGATE_PINS";
/// Where it is noted how executables are linked, for linking them once more.
const LINKS: &str = "ICGATE_LINKS";
/// How the file ends in which it is noted what a crate is compiled from.
const CRATE_NOTE: &str = ".icgate";
/// The wrapper that the user has set, which is called in its turn.
const INNER: &str = "ICGATE_INNER_WRAPPER";

/// The workspace, seen from a compiler that runs in it. As long as the link in a measurement environment, with which
/// it changes places in an executable's copy.
const SEEN_FROM_WITHIN: &str = "/proc/self/cwd//././././.";
/// The name of that link.
const LINK: &str = "source";

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
        output::complain(format_args!("icgate: {NAME} is for cargo to call"));
        return ExitCode::FAILURE;
    };
    let mut command = Command::new(&program);
    let pins = std::env::var_os(PINS);
    command.args(words.map(|word| with_pins(word, pins.as_deref())));
    // Cargo lets the compiler run in the workspace for what belongs to it, and elsewhere for what
    // does not.
    if let Some(root) = std::env::var_os(ROOT)
        && let (Ok(here), Ok(real)) = (std::env::current_dir(), Path::new(&root).canonicalize())
        && here == real
    {
        for name in PATHS {
            if let Some(path) = std::env::var_os(name)
                && let Some(moved) = moved(Path::new(&path), Path::new(&root))
            {
                command.env(name, moved);
            }
        }
    }
    note(&command);
    note_crate(&command);
    let error = command.exec();
    output::complain(format_args!(
        "icgate: cannot start {}: {error}",
        Path::new(&program).display()
    ));
    ExitCode::FAILURE
}

/// Notes how an executable is linked. What cannot be noted cannot be linked otherwise later, and whoever
/// asks for that is told.
fn note(command: &Command) {
    if let Some(directory) = std::env::var_os(LINKS)
        && let Some(link) = LinkCommand::of(command)
        && let Some(file) = link.file(Path::new(&directory))
        && let Ok(text) = serde_json::to_string(&link)
    {
        let _ = std::fs::write(file, text);
    }
}

/// Notes what is compiled and how, beside the result: whoever keeps that keeps the note. What cannot be
/// noted is not known, and nothing is told by it.
fn note_crate(command: &Command) {
    let arguments: Option<Vec<String>> = command
        .get_args()
        .map(|it| it.to_str().map(str::to_owned))
        .collect();
    let (Some(arguments), Ok(name)) = (arguments, std::env::var("CARGO_PKG_NAME")) else {
        return;
    };
    let value = |option: &str| {
        let at = arguments.iter().position(|it| it == option)?;
        arguments.get(at + 1)
    };
    let extra = arguments
        .iter()
        .find_map(|it| it.strip_prefix("extra-filename="))
        .unwrap_or("");
    let (Some(directory), Some(crate_name)) = (value("--out-dir"), value("--crate-name")) else {
        return;
    };
    // Cargo lets the compiler run in the workspace for its packages alone.
    let is_own = std::env::var_os(ROOT).is_some_and(|root| {
        let (here, root) = (
            std::env::current_dir().ok(),
            Path::new(&root).canonicalize().ok(),
        );
        here.is_some() && here == root
    });
    let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let version = if is_own { "" } else { &version };
    let arguments: Vec<String> = arguments
        .iter()
        .filter(|it| !it.starts_with(PINS_PLACEHOLDER))
        .cloned()
        .collect();
    if let Some(found) = Crate::of_arguments(&name, version, &arguments)
        && let Ok(text) = serde_json::to_string(&found)
    {
        let file = Path::new(directory).join(format!("{crate_name}{extra}{CRATE_NOTE}"));
        let _ = std::fs::write(file, text);
    }
}

/// What was noted of the crate that a file of cargo's was compiled from.
pub(crate) fn noted_crate(artifact: &Path) -> Option<Crate> {
    let stem = artifact.file_stem()?.to_str()?;
    let is_library = artifact.extension().is_some();
    let stem = stem
        .strip_prefix("lib")
        .filter(|_| is_library)
        .unwrap_or(stem);
    let note = artifact.with_file_name(format!("{stem}{CRATE_NOTE}"));
    serde_json::from_str(&std::fs::read_to_string(note).ok()?).ok()
}

/// A word of the compiler's command, with the object file of the pins in its placeholder's place.
fn with_pins(word: OsString, object: Option<&OsStr>) -> OsString {
    let is_placeholder = word
        .to_str()
        .is_some_and(|word| word.starts_with(PINS_PLACEHOLDER));
    match object {
        Some(object) if is_placeholder => {
            let mut word = OsString::from("-Clink-arg=");
            word.push(object);
            word
        }
        _ => word,
    }
}

/// `path` as it is seen from `root`, if it lies there.
fn moved(path: &Path, root: &Path) -> Option<OsString> {
    let inside = path.strip_prefix(root).ok()?;
    let mut moved = OsString::from(SEEN_FROM_WITHIN);
    if inside != Path::new("") {
        moved.push("/");
        moved.push(inside);
    }
    Some(moved)
}

/// Copies an executable into `environment`, from where it finds the workspace by a link there.
pub(crate) fn install(executable: &Path, to: &Path, environment: &Path) -> io::Result<()> {
    let mut bytes = std::fs::read(executable)?;
    lead(
        &mut bytes,
        environment.join(LINK).as_os_str().as_encoded_bytes(),
    );
    std::fs::write(to, bytes)?;
    // Not those of the original: a file that came with an artifact has lost them.
    std::fs::set_permissions(to, Permissions::from_mode(0o755))
}

/// Makes the workspace at `root` findable from `environment`.
pub(crate) fn link(environment: &Path, root: &Path) -> io::Result<()> {
    symlink(root, environment.join(LINK))
}

/// Puts `link` into the place of what the compiler was told.
fn lead(executable: &mut [u8], link: &[u8]) {
    let told = SEEN_FROM_WITHIN.as_bytes();
    let places: Vec<usize> = memchr::memmem::find_iter(executable, told).collect();
    // Of any other length it would overwrite what follows.
    if link.len() == told.len() {
        for at in places {
            executable[at..at + told.len()].copy_from_slice(link);
        }
    }
}

/// Makes cargo's command compile through the wrapper; `directory` is for a link to this executable.
pub(crate) fn wrap(
    command: &mut Command,
    root: &Path,
    directory: &Path,
    pins: Option<&Path>,
) -> io::Result<()> {
    let wrapper = directory.join(NAME);
    replace_link(&crate::paths::own_path()?, &wrapper)?;
    let inner = std::env::var_os("RUSTC_WRAPPER").unwrap_or_default();
    command
        .env("RUSTC_WRAPPER", wrapper)
        .env(INNER, inner)
        .env(ROOT, root);
    if let Some(pins) = pins {
        command.env(PINS, pins);
    }
    let links = links(directory);
    std::fs::create_dir_all(&links)?;
    command.env(LINKS, links);
    Ok(())
}

/// Where it is noted how executables are linked, for a wrapper in `directory`.
pub(crate) fn links(directory: &Path) -> PathBuf {
    directory.join("links")
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
        let moved = |path| moved(Path::new(path), Path::new("/home/a/p"));
        assert_eq!(moved("/home/a/p"), Some(SEEN_FROM_WITHIN.into()));
        let inside = format!("{SEEN_FROM_WITHIN}/engine");
        assert_eq!(moved("/home/a/p/engine"), Some(inside.into()));
        assert_eq!(moved("/home/a/project"), None);
        assert_eq!(moved("/home/a/.cargo/registry/x"), None);
        let here = std::env::current_dir().unwrap();
        let seen = Path::new(SEEN_FROM_WITHIN).canonicalize().unwrap();
        assert_eq!(seen, here.canonicalize().unwrap());
    }

    #[test]
    fn a_environments_link_takes_the_place_of_what_the_compiler_was_told() {
        let text = format!("a {SEEN_FROM_WITHIN}/engine b {SEEN_FROM_WITHIN}");
        let mut bytes = text.clone().into_bytes();
        lead(&mut bytes, b"/tmp/icgate.000007/source");
        let expected = "a /tmp/icgate.000007/source/engine b /tmp/icgate.000007/source";
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
        let mut untouched = text.clone().into_bytes();
        lead(&mut untouched, b"/tmp/longer/icgate.000007/source");
        assert_eq!(String::from_utf8(untouched).unwrap(), text);
    }

    #[test]
    fn the_object_file_takes_the_place_of_the_placeholder() {
        let placeholder = OsString::from(format!("{PINS_PLACEHOLDER}0123"));
        let object = OsStr::new("/cache/pins.o");
        let linked = with_pins(placeholder.clone(), Some(object));
        assert_eq!(linked, "-Clink-arg=/cache/pins.o");
        assert_eq!(with_pins(placeholder.clone(), None), placeholder);
        let other = OsString::from("-Clink-arg=-lm");
        assert_eq!(with_pins(other.clone(), Some(object)), other);
    }

    #[test]
    fn note_of_a_crate_is_found_by_its_library_and_its_executable() {
        let directory = tempfile::tempdir().unwrap();
        let noted = Crate {
            name: "memchr".to_owned(),
            version: "2.8.0".to_owned(),
            features: Vec::new(),
            flags: vec!["-C opt-level=3".to_owned()],
        };
        let text = serde_json::to_string(&noted).unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("memchr-1a2b.icgate"), &text).unwrap();
        std::fs::write(path("library-1a2b.icgate"), &text).unwrap();
        for file in ["libmemchr-1a2b.rlib", "memchr-1a2b", "library-1a2b"] {
            assert_eq!(noted_crate(&path(file)).as_ref(), Some(&noted), "{file}");
        }
        assert_eq!(noted_crate(&path("libother-1a2b.rlib")), None);
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
