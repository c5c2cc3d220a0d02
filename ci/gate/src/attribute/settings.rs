//! Settings: what a change does to manifests, lock file and configuration, key by key.
//!
//! ```text
//! base's Cargo.toml ─┐   profile.bench.opt-level   3 → 1        Cargo.toml:12     the build
//! head's Cargo.toml ─┘   dependencies.memchr       std off      Cargo.toml:7      a dependency
//! ```
//!
//! Files are compared by what they say and not by their lines: a comment, an order or a key that no
//! benchmark is built with (`profile.dev`, `description`) is no setting. What icgate itself fixes for
//! its builds is none either.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use toml::de::{DeTable, DeValue};

use super::Origin;
use crate::model::interned::Interned;

/// What the gate's own builds fix, whatever a profile says.
const FIXED: [&str; 5] = [
    "codegen-units",
    "debug",
    "incremental",
    "split-debuginfo",
    "strip",
];

/// Tables that name packages.
const DEPENDENCIES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// One setting that a change makes, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Setting {
    /// [`Origin::Build`] or [`Origin::Dependency`].
    pub origin: Origin,
    /// The file, seen from the workspace.
    pub file: Interned,
    /// Head's line; `None` where head has none any more.
    pub line: Option<u32>,
    /// Which setting, and how it changed: `profile.bench.opt-level 3 → 1`.
    pub what: String,
    /// Of a dependency, or of a profile for one package: which.
    pub package: Option<String>,
}

/// A key's value as text, and its line.
type Values = BTreeMap<Vec<String>, (String, u32)>;

/// The settings that head's `file` has and base's has not, or has otherwise. A file that is not
/// there is an empty one; one that is not TOML says nothing.
#[must_use]
pub fn between(file: &str, base: &str, head: &str) -> Vec<Setting> {
    let name = file.rsplit('/').next().unwrap_or(file);
    if name == "rust-toolchain" && base.trim() != head.trim() {
        let what = format!("toolchain {} → {}", base.trim(), head.trim());
        return vec![Setting {
            origin: Origin::Build,
            file: file.into(),
            line: Some(1),
            what,
            package: None,
        }];
    }
    let read = |text| Some(versions_named(name, values(name, text)?));
    let (Some(before), Some(now)) = (read(base), read(head)) else {
        return Vec::new();
    };
    let mut settings: BTreeMap<(Origin, Vec<String>), Setting> = BTreeMap::new();
    let keys: BTreeSet<&Vec<String>> = before.keys().chain(now.keys()).collect();
    for key in keys {
        let (old, new) = (before.get(key), now.get(key));
        if old.map(|it| &it.0) == new.map(|it| &it.0) {
            continue;
        }
        let Some((origin, depth, package)) = meaning(name, key) else {
            continue;
        };
        if is_feature_of_one_side(key, (old.is_some(), new.is_some())) {
            continue;
        }
        let text = |value: Option<&(String, u32)>| {
            value.map_or_else(|| "–".to_owned(), |(text, _)| text.clone())
        };
        // Of a dependency it matters which it is, and not in which table it stands.
        let said = match &package {
            Some(package) => [std::slice::from_ref(package), &key[depth.min(key.len())..]].concat(),
            None => key.clone(),
        };
        let what = format!("{} {} → {}", said.join("."), text(old), text(new));
        // Several keys of one dependency are one setting: the first that head has.
        let line = new.map(|(_, line)| *line);
        settings
            .entry((origin, key[..depth.min(key.len())].to_vec()))
            .and_modify(|it| {
                it.line = it.line.or(line);
                it.what = format!("{}, {what}", it.what);
            })
            .or_insert_with(|| Setting {
                origin,
                file: file.into(),
                line,
                what: what.clone(),
                package: package.or_else(|| profiled_package(key)),
            });
    }
    settings.into_values().collect()
}

/// The one package that a profile's key is for: of `profile.bench.package.memchr.opt-level`, memchr.
fn profiled_package(key: &[String]) -> Option<String> {
    match key {
        [profile, _, table, package, _, ..] if profile == "profile" && table == "package" => {
            (package != "*").then(|| package.clone())
        }
        _ => None,
    }
}

/// A feature that came or went moves nothing by itself: what enables it is a setting of its own.
fn is_feature_of_one_side(key: &[String], sides: (bool, bool)) -> bool {
    let is_named = matches!(key, [table, name, ..] if table == "features" && name != "default");
    is_named && sides != (true, true)
}

/// Whether a file can hold settings, by its path.
#[must_use]
pub fn is_settings(path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    match name {
        "Cargo.toml" | "Cargo.lock" | "rust-toolchain" | "rust-toolchain.toml" => true,
        "config" | "config.toml" => folder == ".cargo" || folder.ends_with("/.cargo"),
        _ => false,
    }
}

/// What kind of setting a key is, how many of its parts name it, and the package that it is of.
fn meaning(file: &str, key: &[String]) -> Option<(Origin, usize, Option<String>)> {
    let parts: Vec<&str> = key.iter().map(String::as_str).collect();
    let build = |depth| Some((Origin::Build, depth, None));
    let package = |at: usize| {
        let name = parts.get(at)?;
        Some((Origin::Dependency, at + 1, Some((*name).to_owned())))
    };
    if file.starts_with("rust-toolchain") {
        return build(parts.len());
    }
    if file == "Cargo.lock" {
        return package(0);
    }
    if let ["profile", "bench" | "release", rest @ ..] = parts.as_slice() {
        let is_moving = rest
            .last()
            .is_some_and(|last| !FIXED.contains(last) && !rest.contains(&"build-override"));
        return if is_moving { build(parts.len()) } else { None };
    }
    if file.starts_with("config") {
        return match parts.as_slice() {
            [
                "build",
                "rustflags" | "target" | "rustc" | "rustc-wrapper",
                ..,
            ] => build(2),
            ["target", _, "rustflags" | "linker", ..] => build(3),
            ["patch", _, _, ..] => package(2),
            ["source", ..] => package(1),
            _ => None,
        };
    }
    match parts.as_slice() {
        [table, _, ..] if DEPENDENCIES.contains(table) => package(1),
        ["target", _, table, _, ..] if DEPENDENCIES.contains(table) => package(3),
        ["workspace", "dependencies", _, ..] | ["patch", _, _, ..] => package(2),
        ["replace", _, ..] => package(1),
        ["workspace", "resolver"] | ["package", "edition"] | ["features", _, ..] => build(2),
        _ => None,
    }
}

/// The same with `memchr = "2"` written as `memchr = { version = "2" }`.
fn versions_named(name: &str, values: Values) -> Values {
    let named = |mut key: Vec<String>| {
        let meaning = meaning(name, &key);
        let is_alone = meaning.is_some_and(|(_, depth, package)| {
            package.is_some() && depth == key.len() && name != "Cargo.lock"
        });
        if is_alone {
            key.push("version".to_owned());
        }
        key
    };
    let values = values.into_iter();
    values.map(|(key, value)| (named(key), value)).collect()
}

/// All values of a file by their keys. Of a lock file: packages, by name, with their versions.
fn values(name: &str, text: &str) -> Option<Values> {
    let table = DeTable::parse(text).ok()?;
    let mut values = Values::new();
    let lines = Lines::of(text);
    if name == "Cargo.lock" {
        let packages = table
            .get_ref()
            .iter()
            .find(|(key, _)| *key.get_ref() == "package");
        let DeValue::Array(packages) = packages?.1.get_ref() else {
            return None;
        };
        for package in packages {
            lock(package.get_ref(), text, &lines, &mut values);
        }
        return Some(values);
    }
    let mut open = vec![(Vec::new(), table.get_ref())];
    while let Some((path, table)) = open.pop() {
        for (key, value) in table {
            let mut path: Vec<String> = path.clone();
            path.push(key.get_ref().to_string());
            match value.get_ref() {
                DeValue::Table(inner) if !inner.is_empty() => open.push((path, inner)),
                _ => {
                    let said = text.get(value.span()).unwrap_or_default();
                    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
                    values.insert(path, (said, lines.number(key.span().start)));
                }
            }
        }
    }
    Some(values)
}

/// A package of a lock file. Of several versions of one package each is one.
fn lock(package: &DeValue<'_>, text: &str, lines: &Lines, values: &mut Values) {
    let DeValue::Table(package) = package else {
        return;
    };
    let field = |name: &str| {
        let (key, value) = package.iter().find(|(key, _)| *key.get_ref() == name)?;
        let DeValue::String(value) = value.get_ref() else {
            return None;
        };
        let line = lines.number(key.span().start.min(text.len()));
        Some((value.to_string(), line))
    };
    let (Some((name, _)), Some((version, line))) = (field("name"), field("version")) else {
        return;
    };
    let source = field("source").map_or_else(|| "path".to_owned(), |(source, _)| source);
    let is_registry = source.starts_with("registry+");
    let said = if is_registry {
        version
    } else {
        format!("{version} of {source}")
    };
    values
        .entry(vec![name])
        .and_modify(|(all, _)| *all = format!("{all}, {said}"))
        .or_insert((said, line));
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self([0].into_iter().chain(breaks).collect())
    }

    /// The line of a byte, counted from 1.
    fn number(&self, at: usize) -> u32 {
        let line = self.0.partition_point(|start| *start <= at);
        u32::try_from(line).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(file: &str, base: &str, head: &str) -> Vec<(Origin, Option<u32>, String)> {
        let settings = between(file, base, head).into_iter();
        settings.map(|it| (it.origin, it.line, it.what)).collect()
    }

    #[test]
    fn profile_keys_are_settings_of_the_build_with_their_lines() {
        let base = "[profile.bench]\nopt-level = 3\n";
        let head = "# less\n[profile.bench]\nopt-level = 1 # fast to build\nlto = true\n\
                    [profile.bench.package.strsim]\nopt-level = 0\n";
        let what = |what: &str, line| (Origin::Build, Some(line), what.to_owned());
        assert_eq!(
            said("Cargo.toml", base, head),
            [
                what("profile.bench.lto – → true", 4),
                what("profile.bench.opt-level 3 → 1", 3),
                what("profile.bench.package.strsim.opt-level – → 0", 6),
            ]
        );
    }

    #[test]
    fn what_no_benchmark_is_built_with_is_no_setting() {
        let head = "[package]\nname = \"a\"\ndescription = \"b\"\n[profile.dev]\nopt-level = 1\n\
                    [profile.bench]\ndebug = true\ncodegen-units = 4\n";
        assert_eq!(said("Cargo.toml", "[package]\nname = \"a\"\n", head), []);
        assert_eq!(said("Cargo.toml", "a = 1\n", "# a comment\na  =  1\n"), []);
        assert_eq!(said("Cargo.toml", "", "this is not TOML"), []);
        let features = "[features]\nextra = [\"dep:a\"]\n";
        assert_eq!(said("Cargo.toml", "", features), []);
        assert_eq!(said("Cargo.toml", features, ""), []);
        let enabled = format!("{features}default = [\"extra\"]\n");
        assert_eq!(said("Cargo.toml", features, &enabled).len(), 1);
        let other = "[features]\nextra = [\"dep:b\"]\n";
        assert_eq!(said("Cargo.toml", features, other).len(), 1);
    }

    #[test]
    fn dependencies_are_named_by_their_package() {
        let base = "[workspace.dependencies]\nmemchr = \"2.8\"\n";
        let head =
            "[workspace.dependencies]\nmemchr = { version = \"2.8\", default-features = false }\n";
        let settings = between("Cargo.toml", base, head);
        assert_eq!(settings.len(), 1, "{settings:?}");
        assert_eq!(settings[0].package.as_deref(), Some("memchr"));
        assert_eq!(
            (settings[0].origin, settings[0].line),
            (Origin::Dependency, Some(2))
        );
        assert_eq!(settings[0].what, "memchr.default-features – → false");
        let gone = between(
            "a/Cargo.toml",
            "[dependencies]\na = \"1\"\n",
            "[dependencies]\n",
        );
        assert_eq!((gone.len(), gone[0].line), (1, None));
    }

    #[test]
    fn a_lock_file_tells_versions() {
        let package = |version: &str| {
            format!(
                "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"{version}\"\n\
                 source = \"registry+x\"\nchecksum = \"{version}\"\n"
            )
        };
        let dependency = (Origin::Dependency, Some(5), "a 1.0.0 → 1.0.1".to_owned());
        let said = said("Cargo.lock", &package("1.0.0"), &package("1.0.1"));
        assert_eq!(said, [dependency]);
    }

    #[test]
    fn configuration_and_toolchain_are_settings_of_the_build() {
        let flags = |flags: &str| format!("[build]\nrustflags = [{flags}]\njobs = 2\n");
        let found = said(".cargo/config.toml", &flags(""), &flags("\"-Cfoo\""));
        assert_eq!(
            found,
            [(
                Origin::Build,
                Some(2),
                "build.rustflags [] → [\"-Cfoo\"]".to_owned()
            )]
        );
        let found = said("rust-toolchain", "1.90\n", "1.91\n");
        assert_eq!(found[0].2, "toolchain 1.90 → 1.91");
        assert!(is_settings("a/.cargo/config.toml") && is_settings("Cargo.lock"));
        assert!(!is_settings("config.toml") && !is_settings("a.rs"));
    }

    #[test]
    fn no_text_is_too_strange() {
        for text in [
            "",
            "\u{0}",
            "a = [[[",
            "[package]\nname = 3",
            "package = 3",
            "[[package]]",
        ] {
            for file in [
                "Cargo.toml",
                "Cargo.lock",
                ".cargo/config",
                "rust-toolchain",
            ] {
                let _ = between(file, text, "a = 1");
                let _ = between(file, "", text);
            }
        }
    }
}
