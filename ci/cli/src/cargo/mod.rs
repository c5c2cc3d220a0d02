//! Cargo: which project and bench targets there are, and their executables.
//!
//! The build is told all that may move a count and that a checkout or a user could differ in:
//! one codegen unit, no incremental state, the sources' paths mapped to fixed ones, the static C
//! library where the probe could be linked so. Flags from the environment (`RUSTFLAGS`,
//! `CARGO_PROFILE_…`) are taken out, so that every user builds the same executable.

mod config;
mod home;
mod inputs;
pub(crate) mod layout;
pub(crate) mod rustc_wrapper;
mod targets;

use std::io::{BufReader, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::{Artifact, CompilerMessage, Message, Metadata, MetadataCommand, TargetKind};
use icgate_core::model::crates::Crate;
use object::Object as _;

use crate::args::{Measuring, OutputDirectory, Project as Selection};
use crate::environment::{CLibrary, Linkage, Pins, Toolchain};
use crate::error::BuildError;
use crate::harness;
use crate::io::output;
use crate::process;

pub(crate) use targets::BenchTarget;

/// Where the workspace's sources seem to lie, for debug information and panic messages.
pub(crate) const WORKSPACE_PREFIX: &str = "/workspace";
/// Where cargo's home seems to lie.
const CARGO_PREFIX: &str = "/cargo";

/// Sets these builds apart from all others, since cargo does not know of the wrapper: an executable
/// that was built without it, or with an older one, must not be taken for fresh. To be counted up
/// when the wrapper changes.
const BUILD_MARK: &str = "--cfg=icgate_build_5";

/// What every build is told beyond the project's own profile.
const PROFILE: [&str; 4] = [
    "profile.bench.codegen-units=1",
    "profile.bench.debug=\"limited\"",
    "profile.bench.incremental=false",
    "profile.bench.strip=\"none\"",
];

/// A cargo project and the selection of its benches.
#[derive(Debug)]
pub(crate) struct Project {
    metadata: Metadata,
    selection: Selection,
    /// Where cargo builds, if not where it would by itself.
    target_directory: Option<PathBuf>,
}

/// A bench target's executable.
#[derive(Debug, Clone)]
pub(crate) struct BenchExecutable {
    pub(crate) target: BenchTarget,
    pub(crate) path: PathBuf,
    /// Where it finds shared libraries that were built for it.
    pub(crate) libraries: Option<PathBuf>,
}

/// What was built.
#[derive(Debug)]
pub(crate) struct Build {
    /// In name order.
    pub(crate) executables: Vec<BenchExecutable>,
    /// How they are linked.
    pub(crate) linkage: Linkage,
    /// Where build scripts have put libraries: cargo lets benches load shared ones from there.
    pub(crate) libraries: Vec<PathBuf>,
    /// What all of it was compiled from, in order.
    pub(crate) crates: Vec<Crate>,
}

/// How a call of cargo ended.
enum Compiled {
    Artifacts {
        artifacts: Vec<Artifact>,
        libraries: Vec<PathBuf>,
    },
    NotLinked,
}

impl Project {
    /// Reads the project's manifest.
    pub(crate) fn open(selection: &Selection) -> Result<Self, BuildError> {
        if let Some(workspace) = &selection.workspace {
            return Self::unread(selection, workspace);
        }
        let manifest = targets::manifest(selection);
        let mut command = MetadataCommand::new();
        command.no_deps();
        if let Some(path) = &selection.manifest_path {
            command.manifest_path(path);
        }
        let metadata = command.exec().map_err(|error| BuildError::Metadata {
            manifest,
            what: match error {
                cargo_metadata::Error::CargoMetadata { stderr } => stderr.trim().to_owned(),
                other => other.to_string(),
            },
        })?;
        Ok(Self {
            metadata,
            selection: selection.clone(),
            target_directory: None,
        })
    }

    /// One that cargo is not asked about, since even that would obey what the tree says: which compiler
    /// is called, for one. So its packages are not known, and nothing of it can be built.
    fn unread(selection: &Selection, workspace: &Utf8Path) -> Result<Self, BuildError> {
        let failed = |what: String| BuildError::Metadata {
            manifest: workspace.to_string(),
            what,
        };
        let root = workspace
            .canonicalize_utf8()
            .map_err(|error| failed(error.to_string()))?;
        let metadata = serde_json::json!({
            "version": 1,
            "packages": [],
            "workspace_members": [],
            "resolve": null,
            "workspace_root": root,
            "target_directory": root.join("target"),
        });
        Ok(Self {
            metadata: serde_json::from_value(metadata)
                .map_err(|error| failed(error.to_string()))?,
            selection: selection.clone(),
            target_directory: None,
        })
    }

    /// Builds in `directory`, and keeps icgate's own files there.
    pub(crate) fn build_in(&mut self, directory: PathBuf) {
        if let Ok(directory) = Utf8PathBuf::from_path_buf(directory.clone()) {
            self.metadata.target_directory = directory;
        }
        self.target_directory = Some(directory);
    }

    /// The workspace's directory.
    pub(crate) fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// Where baselines and policy are.
    pub(crate) fn baselines(&self) -> PathBuf {
        match &self.selection.baselines {
            Some(directory) => directory.clone().into_std_path_buf(),
            None => self.root().join("baselines"),
        }
    }

    /// Where runs and reports go.
    pub(crate) fn output_directory(&self, asked: &OutputDirectory) -> PathBuf {
        asked
            .directory
            .as_ref()
            .map_or_else(|| self.output(), |it| it.as_std_path().to_owned())
    }

    /// Where icgate keeps its files in the target directory.
    pub(crate) fn output(&self) -> PathBuf {
        self.metadata
            .target_directory
            .join("icgate")
            .into_std_path_buf()
    }

    /// Where measurements are kept; nowhere if they are not to be.
    pub(crate) fn cache(&self, measuring: &Measuring) -> Option<PathBuf> {
        let asked = measuring.cache.as_ref();
        let directory = asked.map_or_else(
            || self.output().join("cache"),
            |it| it.as_std_path().to_owned(),
        );
        (!measuring.no_cache).then_some(directory)
    }

    /// What cargo has said of the workspace.
    pub(crate) fn metadata_json(&self) -> String {
        serde_json::to_string(&self.metadata).expect("cargo's own metadata serialises")
    }

    /// Whether all benches of the project are selected.
    pub(crate) fn is_whole(&self) -> bool {
        self.selection.package.is_empty() && self.selection.bench.is_empty()
    }

    /// What the build is told, for the fingerprint.
    pub(crate) fn build_description(&self, linkage: Linkage) -> String {
        let linkage = match linkage {
            Linkage::Static => "linked statically",
            Linkage::Dynamic => "linked dynamically",
        };
        let mut parts = vec![linkage.to_owned()];
        parts.extend(PROFILE.map(|option| option.replace("profile.bench.", "").replace('"', "")));
        if !self.selection.features.is_empty() {
            parts.push(format!("features={}", self.selection.features.join(",")));
        }
        parts.join(", ")
    }

    /// Builds the selected benches, and returns those that a harness runs. What cannot be linked
    /// with the static C library is linked dynamically.
    pub(crate) fn build(
        &self,
        toolchain: &Toolchain,
        linkage: Linkage,
        pins: Option<&Pins>,
    ) -> Result<Build, BuildError> {
        let targets = targets::select(&self.metadata, &self.selection)?;
        if let Some(build) = self.build_linked(&targets, toolchain, (linkage, pins), None)? {
            return Ok(build);
        }
        if linkage == Linkage::Static {
            // In a directory of its own: cargo keeps one build of each crate, and the two would
            // undo each other every time.
            let directory = self.output().join("dynamic");
            let linked = (Linkage::Dynamic, pins);
            let build = self.build_linked(&targets, toolchain, linked, Some(&directory))?;
            return build.ok_or(BuildError::Compile);
        }
        Err(BuildError::Compile)
    }

    /// Builds with this linkage; `None` if that is not possible.
    fn build_linked(
        &self,
        targets: &[BenchTarget],
        toolchain: &Toolchain,
        (linkage, pins): (Linkage, Option<&Pins>),
        directory: Option<&Path>,
    ) -> Result<Option<Build>, BuildError> {
        let mut command = self.build_command(targets, toolchain, (linkage, pins))?;
        self.wrap_compiler(&mut command, pins)?;
        if let Some(directory) = directory.or(self.target_directory.as_deref()) {
            command.arg("--target-dir").arg(directory);
        }
        let compiled = self.compile(command, linkage)?;
        let Compiled::Artifacts {
            artifacts,
            libraries,
        } = compiled
        else {
            return Ok(None);
        };
        let files = artifacts.iter().flat_map(|it| &it.filenames);
        let noted = files.filter_map(|it| rustc_wrapper::noted_crate(it.as_std_path()));
        let mut crates: Vec<Crate> = noted.collect();
        crates.sort();
        crates.dedup();
        let executables = bench_executables(targets, artifacts);
        let (executables, shared) = keep_harness_benches(executables)?;
        // The linker takes a shared library into a static executable, which then crashes.
        let works = linkage == Linkage::Dynamic || !shared;
        Ok(works.then_some(Build {
            executables,
            linkage,
            libraries,
            crates,
        }))
    }

    /// Runs cargo, and prints what the compiler says; but not that it could not link statically,
    /// which is no news for the user.
    fn compile(&self, mut command: Command, linkage: Linkage) -> Result<Compiled, BuildError> {
        let (mut artifacts, mut libraries) = (Vec::new(), Vec::new());
        let (not_linked, status) = process::read_stdout(&mut command, |stdout| {
            let mut not_linked = false;
            for message in Message::parse_stream(BufReader::new(stdout)).filter_map(Result::ok) {
                match message {
                    Message::CompilerArtifact(artifact) => artifacts.push(artifact),
                    Message::CompilerMessage(CompilerMessage { message, .. }) => {
                        let is_link_error = message.message.starts_with("linking with ");
                        not_linked |= is_link_error;
                        if !is_link_error || linkage == Linkage::Dynamic {
                            let text = message.rendered.unwrap_or(message.message);
                            // On a terminal it has the compiler's colours.
                            if std::io::stderr().is_terminal() {
                                eprint!("{text}");
                            } else {
                                output::complain(text.trim_end());
                            }
                        }
                    }
                    Message::BuildScriptExecuted(script) => {
                        let paths = script.linked_paths.iter().map(|path| {
                            let path = path.as_str();
                            PathBuf::from(path.split_once('=').map_or(path, |(_, path)| path))
                        });
                        let ours =
                            |path: &PathBuf| path.starts_with(&self.metadata.target_directory);
                        libraries.extend(paths.filter(ours));
                    }
                    _ => {}
                }
            }
            not_linked
        })
        .map_err(|source| BuildError::Start {
            program: "cargo".to_owned(),
            source,
        })?;
        if status.success() {
            Ok(Compiled::Artifacts {
                artifacts,
                libraries,
            })
        } else if not_linked {
            Ok(Compiled::NotLinked)
        } else {
            Err(BuildError::Compile)
        }
    }

    fn build_command(
        &self,
        targets: &[BenchTarget],
        toolchain: &Toolchain,
        (linkage, pins): (Linkage, Option<&Pins>),
    ) -> Result<Command, BuildError> {
        let mut command = Command::new("cargo");
        command.current_dir(self.root()).stdin(Stdio::null());
        if let Some(name) = &toolchain.rustup {
            command.env("RUSTUP_TOOLCHAIN", name);
        }
        // Rendered here and not by cargo, so that the messages can be read as well.
        let format = if std::io::stderr().is_terminal() {
            "--message-format=json,json-diagnostic-rendered-ansi"
        } else {
            "--message-format=json"
        };
        command.args(["bench", "--no-run", format]);
        command.arg(format!("--target={}", toolchain.target));
        if let Some(path) = &self.selection.manifest_path {
            let absolute = path.canonicalize_utf8().unwrap_or_else(|_| path.clone());
            command.arg("--manifest-path").arg(absolute);
        }
        for target in targets {
            command.arg(format!("--package={}", target.package));
            command.arg(format!("--bench={}", target.bench));
        }
        for features in &self.selection.features {
            command.arg(format!("--features={features}"));
        }
        for option in PROFILE {
            command.args(["--config", option]);
        }
        config::check_user_configuration()?;
        let mut flags = config::build_rustflags(self.root(), toolchain)?;
        flags.extend(self.rustflags(toolchain, linkage));
        flags.extend(pins.map(Pins::placeholder));
        let flags: Vec<String> = flags.iter().map(|flag| format!("{flag:?}")).collect();
        let flags = format!(
            "target.{}.rustflags=[{}]",
            toolchain.target,
            flags.join(",")
        );
        command.args(["--config", &flags]);
        for (name, _) in std::env::vars_os() {
            let Some(text) = name.to_str() else { continue };
            let moves_counts = matches!(
                text,
                "RUSTFLAGS"
                    | "CARGO_ENCODED_RUSTFLAGS"
                    | "CARGO_INCREMENTAL"
                    | "CARGO_BUILD_TARGET"
            ) || text.starts_with("CARGO_PROFILE_")
                || text.starts_with("CARGO_TARGET_") && text.ends_with("_RUSTFLAGS")
                || matches!(text, "IAI_CALLGRIND_RUNNER" | "GUNGRAUN_RUNNER");
            if moves_counts {
                command.env_remove(&name);
            }
        }
        Ok(command)
    }

    /// Keeps the workspace's path out of what is compiled, and links the pins in.
    fn wrap_compiler(&self, command: &mut Command, pins: Option<&Pins>) -> Result<(), BuildError> {
        let directory = self.output().join("bin");
        std::fs::create_dir_all(&directory)
            .and_then(|()| {
                rustc_wrapper::wrap(
                    command,
                    self.root(),
                    &directory,
                    pins.map(|it| it.object.as_path()),
                )
            })
            .map_err(|source| BuildError::Wrapper { source })
    }

    /// Where it is noted how executables are linked.
    pub(crate) fn links(&self) -> PathBuf {
        rustc_wrapper::links(&self.output().join("bin"))
    }

    fn rustflags(&self, toolchain: &Toolchain, linkage: Linkage) -> Vec<String> {
        let mut flags = vec![BUILD_MARK.to_owned()];
        if linkage == Linkage::Static {
            flags.push("-Ctarget-feature=+crt-static".to_owned());
            flags.extend(toolchain.static_libc.as_ref().map(CLibrary::build_mark));
        }
        // The later of two mappings wins, so the workspace comes last: it may lie in cargo's home.
        if let Some(home) = home::cargo_home() {
            flags.push(format!(
                "--remap-path-prefix={}={CARGO_PREFIX}",
                home.display()
            ));
        }
        let root = &self.metadata.workspace_root;
        flags.push(format!("--remap-path-prefix={root}={WORKSPACE_PREFIX}"));
        flags
    }
}

/// The executables of `targets`.
fn bench_executables(targets: &[BenchTarget], artifacts: Vec<Artifact>) -> Vec<BenchExecutable> {
    let executable = |artifact: Artifact| {
        let is_bench = artifact.target.kind.contains(&TargetKind::Bench);
        let directory = artifact.manifest_path.parent();
        let target = targets.iter().find(|target| {
            is_bench
                && target.bench == artifact.target.name
                && directory == Some(target.directory.as_path())
        });
        Some(BenchExecutable {
            target: target?.clone(),
            path: artifact.executable?.into(),
            libraries: None,
        })
    };
    artifacts.into_iter().filter_map(executable).collect()
}

/// Keeps the executables that call a harness's runner, in name order, and says whether one of them
/// needs a shared library.
fn keep_harness_benches(
    executables: Vec<BenchExecutable>,
) -> Result<(Vec<BenchExecutable>, bool), BuildError> {
    let names: Vec<String> = executables
        .iter()
        .map(|it| format!("`{}`", it.target.name))
        .collect();
    let mut kept = Vec::new();
    let mut shared = false;
    for executable in executables {
        let bytes = std::fs::read(&executable.path).map_err(|source| BuildError::Executable {
            path: executable.path.clone(),
            source,
        })?;
        if harness::is_harness_bench(&bytes) {
            shared |= needs_shared_library(&bytes);
            kept.push(executable);
        }
    }
    if kept.is_empty() {
        return Err(BuildError::NoHarness {
            targets: names.join(", "),
        });
    }
    kept.sort_by(|a, b| a.target.name.cmp(&b.target.name));
    Ok((kept, shared))
}

fn needs_shared_library(executable: &[u8]) -> bool {
    let file = object::File::parse(executable);
    file.and_then(|file| Ok(file.import_libraries()?.next().is_some()))
        .unwrap_or(false)
}
