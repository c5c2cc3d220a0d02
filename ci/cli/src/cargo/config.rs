//! The compiler flags in a project's own `.cargo/config.toml`.
//!
//! Cargo takes flags from one place only: `target.<triple>.rustflags` together with the
//! `target.'cfg(…)'.rustflags` that apply or, where there are none, `build.rustflags`. icgate's own
//! flags are of the first kind. Cargo joins them with the project's of that kind, but they would
//! hide those of the second, so these are read here and given along.
//!
//! Flags in the user's own configuration, under cargo's home, are not the project's: they must not
//! move a count. Cargo offers no way to leave that file out, so what would move one is refused.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr as _;

use cargo_metadata::cargo_platform::{Cfg, Platform};
use toml::{Table, Value};

use super::home::cargo_home;
use crate::environment::Toolchain;
use crate::error::BuildError;
use crate::process;

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

/// Refuses a user's own configuration that changes how benches are compiled.
pub(crate) fn check_user_configuration() -> Result<(), BuildError> {
    let Some(home) = cargo_home() else {
        return Ok(());
    };
    for name in ["config", "config.toml"] {
        let path = home.join(name);
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        // What cannot be parsed is cargo's to complain about.
        let found = text.parse().ok().and_then(|table| moves_counts(&table));
        if let Some(key) = found {
            return Err(BuildError::UserConfiguration { path, key });
        }
    }
    Ok(())
}

/// The first key of a configuration that changes how benches are compiled. `build.rustflags` is
/// none: flags for the target, which icgate always gives, take its place.
fn moves_counts(table: &Table) -> Option<String> {
    let profiles = table.get("profile").and_then(Value::as_table);
    let profile = ["bench", "release"]
        .into_iter()
        .find(|name| profiles.is_some_and(|profiles| profiles.contains_key(*name)));
    if let Some(name) = profile {
        return Some(format!("profile.{name}"));
    }
    let targets = table.get("target").and_then(Value::as_table)?;
    targets.iter().find_map(|(name, target)| {
        let has_flags = target
            .as_table()
            .is_some_and(|target| target.contains_key("rustflags"));
        has_flags.then(|| format!("target.{name}.rustflags"))
    })
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
    let output = process::output(&mut command).map_err(|source| BuildError::Start {
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

    #[test]
    fn what_a_user_sets_for_benches_is_found() {
        let found = |text: &str| moves_counts(&text.parse().unwrap());
        assert_eq!(
            found("[profile.bench]\nopt-level = 1"),
            Some("profile.bench".to_owned())
        );
        assert_eq!(
            found("[profile.release]\nlto = true"),
            Some("profile.release".to_owned())
        );
        let target = found("[target.x86_64-unknown-linux-gnu]\nrustflags = [\"-Cx\"]");
        assert_eq!(
            target,
            Some("target.x86_64-unknown-linux-gnu.rustflags".to_owned())
        );
        for harmless in [
            "",
            "[profile.dev]\nopt-level = 1",
            "[target.x]\nlinker = \"l\"",
            "[net]\nretry = 3",
        ] {
            assert_eq!(found(harmless), None, "{harmless}");
        }
    }

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
            rustup: None,
            static_libc: None,
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
