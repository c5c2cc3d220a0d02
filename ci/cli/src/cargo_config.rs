//! The compiler flags in a project's own `.cargo/config.toml`.
//!
//! Cargo takes flags from one place only: `target.<triple>.rustflags` together with the
//! `target.'cfg(…)'.rustflags` that apply or, where there are none, `build.rustflags`. icgate's own
//! flags are of the first kind. Cargo joins them with the project's of that kind, but they would
//! hide those of the second, so these are read here and given along.
//!
//! Flags in the user's own configuration, under cargo's home, are not the project's: they must not
//! move a count.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr as _;

use cargo_metadata::cargo_platform::{Cfg, Platform};
use toml::{Table, Value};

use crate::cargo::cargo_home;
use crate::chamber::Toolchain;
use crate::error::BuildError;
use crate::interrupt;

/// The project's `build.rustflags`, unless it has flags for the target, which take their place.
pub(crate) fn build_rustflags(
    root: &Path,
    toolchain: &Toolchain,
) -> Result<Vec<String>, BuildError> {
    let tables = tables(root);
    let flags = joined_flags(&tables);
    if flags.is_empty() {
        return Ok(flags);
    }
    let keys = target_keys(&tables);
    let cfgs = if keys.iter().any(|key| key.starts_with("cfg(")) {
        cfgs(toolchain)?
    } else {
        Vec::new()
    };
    let applies = |key: &&str| {
        Platform::from_str(key).is_ok_and(|platform| platform.matches(&toolchain.target, &cfgs))
    };
    if keys.iter().any(applies) {
        return Ok(Vec::new());
    }
    Ok(flags)
}

/// The configuration files that cargo reads in `root`, the farthest first. What cannot be read is
/// left out: cargo itself complains about it.
fn tables(root: &Path) -> Vec<Table> {
    let home = cargo_home();
    let is_home = |directory: &PathBuf| home.as_ref() == Some(directory);
    let directories = root.ancestors().map(|ancestor| ancestor.join(".cargo"));
    let mut tables: Vec<Table> = directories
        .filter(|directory| !is_home(directory))
        .filter_map(|directory| {
            // Where both exist, cargo takes the one without an extension.
            let text = std::fs::read_to_string(directory.join("config"))
                .or_else(|_| std::fs::read_to_string(directory.join("config.toml")));
            text.ok()?.parse().ok()
        })
        .collect();
    tables.reverse();
    tables
}

/// `build.rustflags` of all files: lists are joined, of texts the nearest counts.
fn joined_flags(tables: &[Table]) -> Vec<String> {
    let mut flags = Vec::new();
    for table in tables {
        match table.get("build").and_then(|build| build.get("rustflags")) {
            Some(Value::String(text)) => {
                flags = text.split_whitespace().map(str::to_owned).collect();
            }
            Some(Value::Array(list)) => {
                flags.extend(list.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            _ => {}
        }
    }
    flags
}

/// The targets for which there are flags.
fn target_keys(tables: &[Table]) -> Vec<&str> {
    let targets = tables
        .iter()
        .filter_map(|table| table.get("target")?.as_table());
    targets
        .flatten()
        .filter(|(_, settings)| settings.get("rustflags").is_some())
        .map(|(key, _)| key.as_str())
        .collect()
}

/// What the compiler calls true of the target.
fn cfgs(toolchain: &Toolchain) -> Result<Vec<Cfg>, BuildError> {
    let mut command = Command::new("rustc");
    command
        .current_dir(&toolchain.directory)
        .args(["--print=cfg", "--target", &toolchain.target]);
    let output = interrupt::output(&mut command).map_err(|source| BuildError::Start {
        program: "rustc".to_owned(),
        source,
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text
        .lines()
        .filter_map(|line| Cfg::from_str(line).ok())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(near: &str, far: &str) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("project");
        for (directory, text) in [(&root, near), (&directory.path().to_owned(), far)] {
            let directory = directory.join(".cargo");
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(directory.join("config.toml"), text).unwrap();
        }
        let toolchain = Toolchain {
            directory: root.clone(),
            rustc: String::new(),
            target: "x86_64-unknown-linux-gnu".to_owned(),
        };
        build_rustflags(&root, &toolchain).unwrap()
    }

    #[test]
    fn flags_of_all_files_are_joined_as_cargo_does() {
        let near = "build.rustflags = ['--cfg', 'near']";
        assert_eq!(flags(near, ""), ["--cfg", "near"]);
        assert_eq!(
            flags(near, "build.rustflags = ['-Copt-level=2']"),
            ["-Copt-level=2", "--cfg", "near"]
        );
        assert_eq!(
            flags(
                "build.rustflags = '--cfg  near'",
                "build.rustflags = '--cfg far'"
            ),
            ["--cfg", "near"]
        );
        assert!(flags("", "").is_empty());
        assert!(flags("not toml", "").is_empty());
    }

    #[test]
    fn flags_for_the_target_take_their_place_as_with_cargo() {
        let build = "build.rustflags = ['--cfg', 'near']\n";
        let with = |target: &str| flags(&format!("{build}[target.{target}]\nrustflags = []\n"), "");
        assert!(with("x86_64-unknown-linux-gnu").is_empty());
        assert!(with("'cfg(unix)'").is_empty());
        assert_eq!(with("'cfg(windows)'"), ["--cfg", "near"]);
        assert_eq!(with("aarch64-apple-darwin"), ["--cfg", "near"]);
    }
}
