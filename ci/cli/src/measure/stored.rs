//! Stored executables: what one job has built, for another to measure without cargo.
//!
//! ```text
//! icgate build ─→ executables.json, metadata.json, probe, bin/*, lib/*    and base/ with the same of base
//! icgate check --executables ─→ record ─→ plan ─→ execute ─→ run
//! ```
//!
//! Whoever measures believes nothing of it: names are plain ones, paths stay inside of the checkout,
//! texts are short, files are regular ones. How it was built is what the builder says, and goes into the
//! measurement environment, as the counts of its executables go into the run.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use camino::Utf8PathBuf;
use icgate_core::model::crates::{CRATES_MAX, Crate};
use serde::{Deserialize, Serialize};

use crate::cargo::{BenchExecutable, BenchTarget, Project};
use crate::environment::{
    CLibrary, EnvironmentDirectory, Linkage, ProbeExecutable, Toolchain, build_pins, build_probe,
};
use crate::error::{CliError, MeasureError};
use crate::harness::cargo_shim;
use crate::io::store;
use crate::paths;

/// What the folder holds.
const MANIFEST: &str = "executables.json";
/// The format that is written and read.
const FORMAT: u32 = 1;
/// The folder with base's, where base has to be measured beside.
pub(crate) const BASE: &str = "base";
const BIN: &str = "bin";
const LIB: &str = "lib";
const PROBE: &str = "probe";
/// What cargo says of the workspace: runners of harnesses ask for it.
const METADATA: &str = "metadata.json";

/// The most bytes of the manifest, and of a text in it; the most executables.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;
const TEXT_MAX: usize = 1_000;
const BENCHES_MAX: usize = 1_000;

/// The executables of a tree, and how they were built.
#[derive(Debug)]
pub(crate) struct StoredExecutables {
    directory: PathBuf,
    manifest: Manifest,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    /// The commit that was built, if the tree was one.
    commit: Option<String>,
    /// Whether these are all benches of the project.
    whole: bool,
    rustc: String,
    target: String,
    linkage: Linkage,
    /// Whether the probe and the benches have the pins.
    pinned: bool,
    libc: Option<CLibrary>,
    /// What the build was told.
    build: String,
    /// What they were compiled from.
    #[serde(default)]
    crates: Vec<Crate>,
    benches: Vec<StoredBench>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredBench {
    suite: String,
    package: String,
    /// The package's folder, as seen from the workspace; empty if it is that.
    directory: String,
    /// Cargo's name of the file, by which older harnesses go.
    file: String,
}

/// Builds the benches of `project` and writes them to `directory`, in the place of what is there.
pub(crate) fn build(
    project: &Project,
    toolchain: &Toolchain,
    commit: Option<String>,
    directory: &Path,
) -> Result<ProbeExecutable, CliError> {
    let cache = project.output().join("probe");
    let switches = store::read_policy(&project.baselines())?.measuring();
    let pins = build_pins(toolchain, &cache, switches)?;
    let pins = pins.as_ref();
    let mut probe = build_probe(toolchain, &cache, Linkage::of(switches), pins)?;
    let built = project.build(toolchain, probe.linkage, pins)?;
    if built.linkage != probe.linkage {
        probe = build_probe(toolchain, &cache, &[built.linkage], pins)?;
    }
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| MeasureError::File { path, source }
    };
    for folder in [BIN, LIB, BASE] {
        let path = directory.join(folder);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(&path)(error).into());
            }
            _ => {}
        }
    }
    let bin = directory.join(BIN);
    fs::create_dir_all(&bin).map_err(failed(&bin))?;
    copy(&probe.path, &directory.join(PROBE))?;
    if built.linkage == Linkage::Dynamic {
        for library in EnvironmentDirectory::shared_libraries(&built.libraries) {
            let lib = directory.join(LIB);
            fs::create_dir_all(&lib).map_err(failed(&lib))?;
            copy(&library, &lib.join(library.file_name().unwrap_or_default()))?;
        }
    }
    let mut benches = Vec::new();
    for executable in &built.executables {
        let name = executable.path.file_name().unwrap_or_default();
        copy(&executable.path, &bin.join(name))?;
        let target = &executable.target;
        let inside = target
            .directory()
            .as_std_path()
            .strip_prefix(project.root());
        let inside = inside.map_err(|_| MeasureError::Executables {
            path: directory.to_owned(),
            what: format!("package `{}` lies outside of the workspace", target.package),
        })?;
        benches.push(StoredBench {
            suite: target.name.clone(),
            package: target.package.clone(),
            directory: inside.to_string_lossy().into_owned(),
            file: name.to_string_lossy().into_owned(),
        });
    }
    store::write(&directory.join(METADATA), &project.metadata_json())?;
    let manifest = Manifest {
        format: FORMAT,
        commit,
        whole: project.is_whole(),
        rustc: toolchain.rustc.clone(),
        target: toolchain.target.clone(),
        linkage: built.linkage,
        pinned: pins.is_some(),
        libc: toolchain.static_libc.clone(),
        build: project.build_description(built.linkage),
        crates: built.crates,
        benches,
    };
    let text =
        serde_json::to_string_pretty(&manifest).expect("a manifest always serialises") + "\n";
    store::write(&directory.join(MANIFEST), &text)?;
    Ok(probe)
}

fn copy(from: &Path, to: &Path) -> Result<(), MeasureError> {
    fs::copy(from, to)
        .map(drop)
        .map_err(|source| MeasureError::File {
            path: to.to_owned(),
            source,
        })
}

impl StoredExecutables {
    /// Reads what `directory` says of its executables.
    pub(crate) fn read(directory: &Path) -> Result<Self, MeasureError> {
        let refused = |what: String| MeasureError::Executables {
            path: directory.to_owned(),
            what,
        };
        let bytes = paths::read_plain(&directory.join(MANIFEST), MANIFEST_BYTES_MAX)
            .map_err(|error| refused(format!("{MANIFEST} cannot be read: {error}")))?;
        let manifest: Manifest = serde_json::from_slice(&bytes)
            .map_err(|error| refused(format!("{MANIFEST}: {error}")))?;
        manifest.check().map_err(refused)?;
        Ok(Self {
            directory: directory.to_owned(),
            manifest,
        })
    }

    /// The same of base, if it is there.
    pub(crate) fn base(&self) -> Result<Option<Self>, MeasureError> {
        let directory = self.directory.join(BASE);
        if directory.symlink_metadata().is_ok_and(|it| it.is_dir()) {
            Self::read(&directory).map(Some)
        } else {
            Ok(None)
        }
    }

    pub(crate) fn target(&self) -> &str {
        &self.manifest.target
    }

    pub(crate) const fn is_whole(&self) -> bool {
        self.manifest.whole
    }

    /// What the build was told.
    pub(crate) fn build(&self) -> &str {
        &self.manifest.build
    }

    /// What they were compiled from.
    pub(crate) fn crates(&self) -> &[Crate] {
        &self.manifest.crates
    }

    /// The compiler that built them, as the builder says.
    pub(crate) fn toolchain(&self, root: &Path) -> Toolchain {
        Toolchain {
            directory: root.to_owned(),
            rustc: self.manifest.rustc.clone(),
            target: self.manifest.target.clone(),
            rustup: None,
            static_libc: self.manifest.libc.clone(),
        }
    }

    /// Refuses executables that say to be of another commit than the checkout.
    pub(crate) fn check_commit(&self, checkout: Option<&str>) -> Result<(), MeasureError> {
        match (self.manifest.commit.as_deref(), checkout) {
            (Some(built), Some(checkout)) if built != checkout => Err(MeasureError::Executables {
                path: self.directory.clone(),
                what: format!("they are of commit {built}, and the checkout is {checkout}"),
            }),
            _ => Ok(()),
        }
    }

    /// The probe, in a place where it can be run.
    pub(crate) fn probe(
        &self,
        environment: &EnvironmentDirectory,
    ) -> Result<ProbeExecutable, CliError> {
        let folder = environment.create("stored")?;
        Ok(ProbeExecutable {
            path: self.take(PROBE, &folder.join(PROBE))?,
            linkage: self.manifest.linkage,
            is_pinned: self.manifest.pinned,
        })
    }

    /// The executables, with the folders of `root` in which they run.
    pub(crate) fn executables(
        &self,
        root: &Path,
        environment: &EnvironmentDirectory,
    ) -> Result<Vec<BenchExecutable>, CliError> {
        let folder = environment.create("stored/bin")?;
        self.take(METADATA, &environment.path().join(cargo_shim::ANSWER))?;
        let libraries = self.libraries(environment)?;
        let mut executables = Vec::new();
        for bench in &self.manifest.benches {
            let directory = environment.mirror(root, &root.join(&bench.directory))?;
            let directory = Utf8PathBuf::from_path_buf(directory).map_err(|path| {
                MeasureError::Executables {
                    path,
                    what: "the path is not UTF-8".to_owned(),
                }
            })?;
            executables.push(BenchExecutable {
                target: BenchTarget::stored(&bench.package, &bench.suite, directory),
                path: self.take(&format!("{BIN}/{}", bench.file), &folder.join(&bench.file))?,
                libraries: libraries.clone(),
            });
        }
        Ok(executables)
    }

    /// The shared libraries that were built for them.
    fn libraries(&self, environment: &EnvironmentDirectory) -> Result<Option<PathBuf>, CliError> {
        let Ok(entries) = fs::read_dir(self.directory.join(LIB)) else {
            return Ok(None);
        };
        let folder = environment.create("lib")?;
        for entry in entries.filter_map(Result::ok) {
            let Some(name) = entry
                .file_name()
                .to_str()
                .filter(|it| is_plain(it))
                .map(str::to_owned)
            else {
                continue;
            };
            self.take(&format!("{LIB}/{name}"), &folder.join(&name))?;
        }
        Ok(Some(folder))
    }

    /// Copies a regular file to where it can be run: what came with an artifact has no permissions.
    fn take(&self, name: &str, to: &Path) -> Result<PathBuf, MeasureError> {
        let from = self.directory.join(name);
        paths::open_plain(&from)
            .and_then(|mut file| io::copy(&mut file, &mut fs::File::create(to)?))
            .and_then(|_| fs::set_permissions(to, fs::Permissions::from_mode(0o755)))
            .map_err(|source| MeasureError::File { path: from, source })?;
        Ok(to.to_owned())
    }
}

impl Manifest {
    /// Says what no builder writes.
    fn check(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!("format {} is not {FORMAT}", self.format));
        }
        if self.benches.is_empty() || self.benches.len() > BENCHES_MAX {
            return Err(format!("it has {} executables", self.benches.len()));
        }
        let libc = self.libc.iter().flat_map(CLibrary::texts);
        let texts = [&*self.rustc, &*self.target, &*self.build].into_iter();
        let words = self.crates.iter().flat_map(|it| {
            let own = [&it.name, &it.version].into_iter();
            own.chain(&it.features).chain(&it.flags).map(String::as_str)
        });
        if self.crates.len() > CRATES_MAX || !self.crates.is_sorted() {
            return Err("its crates are too many, or out of order".to_owned());
        }
        let texts = texts.chain(self.commit.as_deref()).chain(libc).chain(words);
        for text in texts {
            if text.len() > TEXT_MAX || text.contains(char::is_control) {
                return Err("a text is too long, or holds control characters".to_owned());
            }
        }
        for bench in &self.benches {
            for name in [&bench.suite, &bench.package, &bench.file] {
                if !is_plain(name) {
                    return Err(format!("{name:?} is no plain name"));
                }
            }
            if !is_inside(&bench.directory) {
                return Err(format!(
                    "{:?} is no folder of the workspace",
                    bench.directory
                ));
            }
        }
        let mut files: Vec<&str> = self.benches.iter().map(|it| it.file.as_str()).collect();
        let mut suites: Vec<&str> = self.benches.iter().map(|it| it.suite.as_str()).collect();
        for names in [&mut files, &mut suites] {
            names.sort_unstable();
            if names.array_windows().any(|[a, b]| a == b) {
                return Err("a name is there twice".to_owned());
            }
        }
        Ok(())
    }
}

/// A name that is one part of a path, and nothing special there.
fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    !name.is_empty() && name.len() <= 200 && !name.starts_with('.') && name.bytes().all(plain)
}

/// A path that leads down, or nowhere.
fn is_inside(path: &str) -> bool {
    let normal = |it: Component<'_>| matches!(it, Component::Normal(_));
    path.len() <= TEXT_MAX
        && !path.contains(char::is_control)
        && Path::new(path).components().all(normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> serde_json::Value {
        serde_json::json!({
            "format": 1, "commit": null, "whole": true, "rustc": "1", "target": "x86_64-unknown-linux-gnu",
            "linkage": "static", "pinned": true, "libc": null, "build": "b", "crates": [],
            "benches": [{"suite": "a", "package": "p", "directory": "crates/p", "file": "a-0123"}],
        })
    }

    fn read(manifest: &serde_json::Value) -> Result<StoredExecutables, MeasureError> {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(MANIFEST), manifest.to_string()).unwrap();
        StoredExecutables::read(directory.path())
    }

    #[test]
    fn hostile_manifest_of_executables_is_refused() {
        assert_eq!(
            read(&manifest()).unwrap().target(),
            "x86_64-unknown-linux-gnu"
        );
        let long = "x".repeat(TEXT_MAX + 1);
        for (place, value) in [
            ("/format", serde_json::json!(2)),
            ("/benches", serde_json::json!([])),
            ("/rustc", serde_json::json!(long)),
            ("/build", serde_json::json!("a\u{1b}[31m")),
            ("/commit", serde_json::json!("a\nb")),
            (
                "/crates",
                serde_json::json!([{"name": "a\nb", "version": "", "features": [], "flags": []}]),
            ),
            (
                "/crates",
                serde_json::json!([{"name": "a", "version": "", "features": [], "flags": [long]}]),
            ),
            ("/benches/0/suite", serde_json::json!("../../tmp/x")),
            ("/benches/0/suite", serde_json::json!("")),
            ("/benches/0/file", serde_json::json!("../probe")),
            ("/benches/0/file", serde_json::json!("/bin/sh")),
            ("/benches/0/file", serde_json::json!("..")),
            ("/benches/0/package", serde_json::json!("a=b\n")),
            ("/benches/0/directory", serde_json::json!("../elsewhere")),
            ("/benches/0/directory", serde_json::json!("/etc")),
            ("/benches/0/directory", serde_json::json!("a/../../b")),
        ] {
            let mut changed = manifest();
            *changed.pointer_mut(place).unwrap() = value.clone();
            assert!(read(&changed).is_err(), "{place} = {value}");
        }
        let mut unknown = manifest();
        unknown["verdict"] = "pass".into();
        assert!(read(&unknown).is_err());
        let mut twice = manifest();
        let bench = twice["benches"][0].clone();
        twice["benches"].as_array_mut().unwrap().push(bench);
        assert!(read(&twice).is_err());
    }

    #[test]
    fn executables_of_another_commit_are_refused() {
        let mut built = manifest();
        built["commit"] = "1a2b".into();
        let built = read(&built).unwrap();
        assert!(built.check_commit(Some("1a2b")).is_ok());
        assert!(built.check_commit(None).is_ok());
        let refused = built.check_commit(Some("3c4d")).unwrap_err().to_string();
        assert!(refused.contains("they are of commit 1a2b"), "{refused}");
    }
}
