//! The workspace's layout as tests: what points where, and what must be absent.
//!
//! Clippy checks code; this checks the map of `ARCHITECTURE.md`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod workflows;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand};
use icgate_core::model::exit_code::ExitCode;
use icgate_core::model::injection::Injection;
use strum::VariantArray as _;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// All Rust sources under a folder of the workspace.
fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "{folder} has sources");
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// A source without its tests and comments.
fn code(path: &Path) -> String {
    if path.ends_with("tests.rs") {
        return String::new();
    }
    let text = read(path);
    let text = text.split("#[cfg(test)]\n").next().unwrap();
    let lines = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn packages_depend_inwards_only() {
    let manifest = root().join("Cargo.toml");
    let metadata = MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .exec()
        .unwrap();
    let packages = metadata.workspace_packages();
    let members: BTreeSet<&str> = packages.iter().map(|it| it.name.as_str()).collect();
    let mut arrows = BTreeSet::new();
    for package in &packages {
        for dependency in &package.dependencies {
            if members.contains(dependency.name.as_str())
                && dependency.kind == DependencyKind::Normal
            {
                arrows.insert((package.name.as_str(), dependency.name.as_str()));
            }
        }
    }
    let allowed = BTreeSet::from([("benches", "engine"), ("icgate", "icgate-core")]);
    assert_eq!(
        arrows, allowed,
        "packages depend inwards only: see ARCHITECTURE.md"
    );
}

#[test]
fn the_gate_has_no_effects() {
    let banned = [
        "std::fs",
        "std::env",
        "std::net",
        "std::process",
        "std::thread",
        "SystemTime",
        "Instant",
        "println!",
        "print!",
    ];
    for path in sources("ci/gate/src") {
        let code = code(&path);
        for word in banned {
            assert!(
                !code.contains(word),
                "{}: `{word}` is an effect; it belongs in ci/cli",
                path.display()
            );
        }
    }
}

/// The rooms of each crate, in the order in which data flows through them.
const ROOMS: [(&str, &[&str]); 3] = [
    (
        "engine/src",
        &[
            "random",
            "fields",
            "injected_bug",
            "vfs",
            "crash_test",
            "frame",
            "wal",
            "snapshot",
            "map",
            "engine",
            "memtable",
            "stream",
            "kv",
            "run",
            "search",
            "torture",
        ],
    ),
    (
        "ci/gate/src",
        &[
            "model",
            "profile",
            "compare",
            "judge",
            "attribute",
            "report",
            "render",
            "publish",
        ],
    ),
    (
        "ci/cli/src",
        &[
            "args",
            "error",
            "paths",
            "process",
            "io",
            "harness",
            "environment",
            "cache",
            "cargo",
            "git",
            "measure",
            "verdict",
            "github",
            "command",
        ],
    ),
];

/// The first part of each `crate::` path, of a group each.
fn imports(code: &str) -> Vec<&str> {
    let first = |it: &str| {
        let end = it.find(|c: char| !c.is_alphanumeric() && c != '_');
        end.unwrap_or(it.len())
    };
    let mut found = Vec::new();
    for path in code.split("crate::").skip(1) {
        let group = path.strip_prefix('{').and_then(|it| it.split('}').next());
        let names = group.unwrap_or(path).split(',').map(str::trim);
        let count = if group.is_some() { usize::MAX } else { 1 };
        let names = names.filter(|it| !it.is_empty()).take(count);
        found.extend(names.map(|it| &it[..first(it)]));
    }
    found
}

#[test]
fn each_room_imports_only_those_before_it() {
    for (folder, rooms) in ROOMS {
        let place = |name: &str| rooms.iter().position(|room| *room == name);
        for path in sources(folder) {
            let file = path.display();
            let relative = path.strip_prefix(root().join(folder)).unwrap();
            let own = relative.with_extension("");
            let own = own.iter().next().unwrap().to_str().unwrap();
            if matches!(own, "lib" | "main") {
                continue;
            }
            let Some(room) = place(own) else {
                panic!(
                    "{file}: `{own}` has no place in ROOMS of ci/cli/tests/tidy/main.rs; give it one"
                );
            };
            for import in imports(&code(&path)) {
                let before = place(import).is_some_and(|other| other <= room);
                assert!(
                    before,
                    "{file} imports `{import}`, which is not before `{own}`: rooms import only \
                     those before them (see ARCHITECTURE.md; the order is {})",
                    rooms.join(", ")
                );
            }
        }
    }
}

/// A module's path in its crate; empty for `main.rs` and `lib.rs`.
fn module(relative: &Path) -> Vec<String> {
    let parts = relative.with_extension("");
    let parts = parts.iter().map(|it| it.to_str().unwrap().to_owned());
    let mut parts: Vec<String> = parts.collect();
    if parts
        .last()
        .is_some_and(|it| matches!(it.as_str(), "mod" | "main" | "lib"))
    {
        parts.pop();
    }
    parts
}

/// The modules that a module's code names: by `crate::`, `super::`, `self::`, or as its own child.
fn named(own: &[String], code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut rest = code;
    while let Some(at) = rest.find("::") {
        let start = rest[..at]
            .rfind(|c: char| !is_word(c))
            .map_or(0, |it| it + 1);
        let end = rest[start..].find(|c: char| !is_word(c) && c != ':');
        let (path, after) = rest[start..].split_at(end.unwrap_or(rest.len() - start));
        rest = after;
        let mut parts: Vec<&str> = path.split("::").filter(|it| !it.is_empty()).collect();
        let mut base = own.to_vec();
        match parts.first() {
            Some(&"crate") => base.clear(),
            Some(&"super" | &"self") | None => {}
            Some(_) => {
                found.push([&base[..], &[parts[0].to_owned()]].concat());
                continue;
            }
        }
        while parts.first() == Some(&"super") {
            base.pop();
            parts.remove(0);
        }
        parts.retain(|it| !matches!(*it, "crate" | "self"));
        base.extend(parts.into_iter().map(str::to_owned));
        // Of `use a::{b, c}`, each part.
        let group = after.strip_prefix('{').and_then(|it| it.split('}').next());
        for part in group.unwrap_or_default().split(',') {
            let first = part.trim().split("::").next().unwrap_or_default();
            found.push([&base[..], &[first.to_owned()]].concat());
        }
        found.push(base);
    }
    found
}

#[test]
fn no_files_of_the_command_line_import_each_other_in_a_circle() {
    for folder in ["ci/cli/src", "ci/github-fake/src"] {
        let mut codes = BTreeMap::new();
        for path in sources(folder) {
            let relative = path.strip_prefix(root().join(folder)).unwrap().to_owned();
            if !relative.iter().any(|it| it == "tests" || it == "tests.rs") {
                codes.insert(module(&relative), code(&path).replace("mod ", ""));
            }
        }
        codes.remove(&Vec::new());
        let mut arrows: BTreeMap<&[String], BTreeSet<&[String]>> = BTreeMap::new();
        for (own, code) in &codes {
            for name in named(own, code) {
                let known = (1..=name.len())
                    .rev()
                    .find_map(|len| codes.get_key_value(&name[..len]));
                if let Some((other, _)) = known.filter(|(other, _)| *other != own) {
                    arrows.entry(own).or_default().insert(other);
                }
            }
        }
        // What imports nothing that is left, or what nothing that is left imports, is in no circle.
        let mut left: BTreeSet<&[String]> = codes.keys().map(Vec::as_slice).collect();
        loop {
            let imports =
                |a: &[String], b: &[String]| arrows.get(a).is_some_and(|it| it.contains(b));
            let circular = |own: &&[String]| {
                left.iter().any(|other| imports(own, other))
                    && left.iter().any(|other| imports(other, own))
            };
            let remaining: BTreeSet<&[String]> = left.iter().copied().filter(circular).collect();
            if remaining.len() == left.len() {
                break;
            }
            left = remaining;
        }
        let left: Vec<String> = left.iter().map(|it| it.join("/")).collect();
        assert!(
            left.is_empty(),
            "{folder}: these files are in circles of imports, or between two: {} (see ARCHITECTURE.md)",
            left.join(", ")
        );
    }
}

#[test]
fn help_and_readme_list_every_exit_code() {
    let readme = read(&root().join("README.md"));
    for &code in ExitCode::VARIANTS {
        let row = format!("| {} | {}", code.code(), code.meaning());
        assert!(
            readme.contains(&row),
            "README.md, \"Exit codes\" lacks: {row}"
        );
    }
}

#[test]
fn every_file_is_part_of_its_crate() {
    for folder in ["engine/src", "benches/src", "ci/gate/src", "ci/cli/src"] {
        for path in sources(folder) {
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let directory = path.parent().unwrap();
            if matches!(stem, "lib" | "main") && path.parent().unwrap().ends_with("src") {
                continue;
            }
            let (name, directory) = match stem {
                "mod" => (
                    directory.file_name().unwrap().to_str().unwrap(),
                    directory.parent().unwrap(),
                ),
                _ => (stem, directory),
            };
            let declaration = format!("mod {name};");
            let parents = ["lib.rs", "main.rs", "mod.rs"].map(|file| directory.join(file));
            let beside = directory.with_extension("rs");
            let declared = parents
                .iter()
                .chain([&beside])
                .filter(|it| it.exists())
                .any(|it| read(it).contains(&declaration));
            assert!(declared, "{} is imported by nothing", path.display());
        }
    }
}

#[test]
fn unsafe_stands_only_where_files_are_mapped() {
    let allowed = ["engine/src/vfs/", "ci/cli/src/measure/inline_stacks.rs"];
    for folder in ["engine/src", "benches/src", "ci/gate/src", "ci/cli/src"] {
        for path in sources(folder) {
            let relative = path
                .strip_prefix(root())
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            let code = code(&path);
            let found = code.contains("unsafe {")
                || code.contains("unsafe fn")
                || code.contains("unsafe impl");
            let expected = allowed.iter().any(|place| relative.starts_with(place));
            assert!(!found || expected, "{relative} has `unsafe`");
        }
    }
}

#[test]
fn threat_model_names_tests_that_exist() {
    let model = read(&root().join("docs/threat-model.md"));
    let scenarios = read(&root().join(".ci/rig/scenarios.py"));
    let tests: String = ["ci/cli", "ci/gate"]
        .into_iter()
        .flat_map(sources)
        .map(|path| read(&path))
        .collect();
    let rows = model
        .lines()
        .filter(|line| line.starts_with("| ") && line.matches(" | ").count() == 2);
    let mut named = 0;
    for row in rows.filter(|row| !row.starts_with("| attack")) {
        let proof = row.rsplit(" | ").next().unwrap();
        for name in proof
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|it| it.contains('_'))
        {
            assert!(
                tests.contains(&format!("fn {name}()")),
                "`{name}` is no test: {row}"
            );
            named += 1;
        }
        for name in proof.split('"').skip(1).step_by(2) {
            let scenario = format!("        \"{name}\": lambda");
            assert!(
                scenarios.contains(&scenario),
                "\"{name}\" is no scenario: {row}"
            );
            named += 1;
        }
    }
    assert!(named > 30, "{named} tests are named");
}

/// Otherwise an injection whose text is gone would be noticed only by whoever measures it.
#[test]
fn every_injection_applies_to_the_code_as_it_is() {
    let mut applied = 0;
    for entry in std::fs::read_dir(root().join("ci/injections")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        let injection = Injection::from_toml(&name, &read(&path)).unwrap();
        if injection.project.is_some() {
            continue;
        }
        let mut texts = BTreeMap::new();
        for edit in [injection.prepare, injection.unrecorded, injection.edit].concat() {
            let text = texts.entry(edit.file.clone());
            let text = text.or_insert_with(|| read(&root().join(&edit.file)));
            match edit.apply(text, 1) {
                Ok(edited) => *text = edited.text,
                Err(error) => panic!("{name}: {error}"),
            }
        }
        applied += 1;
    }
    assert!(applied > 40, "{applied} injections");
}
