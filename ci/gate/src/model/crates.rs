//! Crates: what bench executables are compiled from, and how. Part of `run.json`.
//!
//! Of two states of a project, their crates tell what a diff of manifests cannot: a setting that came from
//! elsewhere (a configuration above the workspace, a feature that another package enables), or one that was
//! written down and had no effect.
//!
//! Nothing in it names a place of the machine: flags that hold a path are kept without its folders.

use serde::{Deserialize, Serialize};

/// The most crates of one run.
pub const CRATES_MAX: usize = 5_000;

/// A crate as the compiler was called for it. One package may be compiled several times.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crate {
    /// Its package.
    pub name: String,
    /// The package's version; empty for one of the workspace, whose version decides nothing.
    pub version: String,
    /// Its features, in order.
    pub features: Vec<String>,
    /// What decides how code is generated: `-C`, `-Z`, `--cfg` and `--edition`, in order.
    pub flags: Vec<String>,
}

impl Crate {
    /// Reads the arguments of a call of the compiler; `None` for a call that compiles nothing, or
    /// something that runs on the machine that builds (a build script, a macro).
    #[must_use]
    pub fn of_arguments(name: &str, version: &str, arguments: &[String]) -> Option<Self> {
        let is = |name: &str| arguments.iter().any(|it| option(it, name).is_some());
        if !is("--target") || !is("--emit") {
            return None;
        }
        let (mut features, mut flags) = (Vec::new(), Vec::new());
        let mut rest = arguments.iter().peekable();
        while let Some(argument) = rest.next() {
            // `-C opt-level=3` and `-Copt-level=3`, `--cfg a` and `--cfg=a` are the same.
            let Some(kind) = ["-C", "-Z", "--cfg", "--edition"]
                .into_iter()
                .find(|kind| option(argument, kind).is_some())
            else {
                continue;
            };
            let value = match option(argument, kind) {
                Some("") => rest.next().map_or("", String::as_str),
                value => value.unwrap_or_default(),
            };
            let feature = value.strip_prefix("feature=").filter(|_| kind == "--cfg");
            if let Some(feature) = feature {
                features.push(feature.trim_matches('"').to_owned());
            } else if decides(kind, value) {
                flags.push(format!("{kind} {}", without_folders(value)));
            }
        }
        features.sort();
        features.dedup();
        flags.sort();
        flags.dedup();
        Some(Self {
            name: name.to_owned(),
            version: version.to_owned(),
            features,
            flags,
        })
    }
}

/// The value of an argument that is this option; empty if the value is the next argument.
fn option<'a>(argument: &'a str, name: &str) -> Option<&'a str> {
    let rest = argument.strip_prefix(name)?;
    match (name.len(), rest) {
        (_, "") => Some(""),
        // `-Cvalue`, but `--cfg=value`.
        (2, rest) => Some(rest),
        (_, rest) => rest.strip_prefix('='),
    }
}

/// Whether a flag can move a count. What tells builds apart, and where files are, cannot.
fn decides(kind: &str, value: &str) -> bool {
    let key = value.split('=').next().unwrap_or(value);
    match kind {
        "-C" => !matches!(
            key,
            "metadata"
                | "extra-filename"
                | "incremental"
                | "link-arg"
                | "link-args"
                | "debuginfo"
                | "strip"
                | "split-debuginfo"
                | "save-temps"
        ),
        // icgate's own marks; the C library is in the environment's fingerprint.
        "--cfg" => !key.starts_with("icgate_"),
        "-Z" => key != "unstable-options",
        _ => true,
    }
}

/// `linker=/usr/bin/clang` without `/usr/bin/`.
fn without_folders(value: &str) -> String {
    let (key, path) = value.split_once('=').unwrap_or(("", value));
    if !path.contains('/') {
        return value.to_owned();
    }
    let name = path.rsplit('/').next().unwrap_or_default();
    if key.is_empty() {
        name.to_owned()
    } else {
        format!("{key}={name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &str) -> Option<Crate> {
        let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
        Crate::of_arguments("memchr", "2.8.0", &arguments)
    }

    const CALL: &str = "--crate-name memchr --edition=2021 /home/a/memchr/src/lib.rs \
        --emit=dep-info,link -C opt-level=3 -Ccodegen-units=1 --cfg feature=\"std\" --cfg feature=\"alloc\" \
        --cfg=loom --cfg icgate_build_5 --cfg icgate_libc_1a2b -C metadata=1a2b -C extra-filename=-1a2b -C incremental=/x \
        --out-dir /home/a/target -C linker=/usr/bin/clang --remap-path-prefix=/home/a=/workspace \
        -L dependency=/home/a/target -C debuginfo=1 --target x86_64-unknown-linux-gnu";

    #[test]
    fn features_and_what_generates_code_are_read() {
        let read = read(CALL).unwrap();
        assert_eq!(read.features, ["alloc", "std"]);
        let flags = [
            "--cfg loom",
            "--edition 2021",
            "-C codegen-units=1",
            "-C linker=clang",
            "-C opt-level=3",
        ];
        assert_eq!(read.flags, flags);
    }

    #[test]
    fn no_place_of_the_machine_is_kept() {
        let text = serde_json::to_string(&read(CALL).unwrap()).unwrap();
        assert!(!text.contains('/') && !text.contains("1a2b"), "{text}");
    }

    #[test]
    fn what_runs_while_building_is_no_crate_of_a_benchmark() {
        assert_eq!(
            read(&CALL.replace(" --target x86_64-unknown-linux-gnu", "")),
            None
        );
        assert_eq!(read(&CALL.replace("--emit=dep-info,link ", "")), None);
        assert_eq!(read(""), None);
    }
}
