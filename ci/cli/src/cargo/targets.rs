//! Bench targets: which of a workspace are meant, and how their suites are called.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::{Metadata, Package, TargetKind};

use icgate_core::report::explain::nearest;

use crate::args::Project as Selection;
use crate::error::BuildError;

/// A bench target that can be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BenchTarget {
    pub(crate) package: String,
    /// The name of its suite: cargo's name for it, behind that of its package where several
    /// packages of the workspace have one of that name.
    pub(crate) name: String,
    /// Cargo's name for it.
    pub(super) bench: String,
    /// Directory of the package: cargo runs benches there.
    pub(super) directory: Utf8PathBuf,
}

impl BenchTarget {
    /// That of an executable which was built elsewhere.
    pub(crate) fn stored(package: &str, suite: &str, directory: Utf8PathBuf) -> Self {
        Self {
            package: package.to_owned(),
            name: suite.to_owned(),
            bench: suite.to_owned(),
            directory,
        }
    }

    /// Where cargo would run it.
    pub(crate) fn directory(&self) -> &Utf8Path {
        &self.directory
    }
}

/// The selected bench targets that the selected features enable, in name order.
pub(super) fn select(
    metadata: &Metadata,
    selection: &Selection,
) -> Result<Vec<BenchTarget>, BuildError> {
    let Selection {
        package: packages,
        bench: benches,
        features,
        ..
    } = selection;
    let selected =
        |list: &[String], name: &str| list.is_empty() || list.iter().any(|it| it == name);
    check_names(metadata, packages, benches)?;
    let suites = SuiteNames::of(metadata);
    let mut targets = Vec::new();
    for package in metadata.workspace_packages() {
        if !selected(packages, &package.name) {
            continue;
        }
        let enabled = enabled_features(package, features);
        for target in &package.targets {
            let is_bench = target.kind.contains(&TargetKind::Bench);
            let on = |feature: &String| enabled.contains(feature.as_str());
            if is_bench
                && selected(benches, &target.name)
                && target.required_features.iter().all(on)
            {
                let directory = package.manifest_path.parent().unwrap_or(Utf8Path::new("."));
                targets.push(BenchTarget {
                    package: package.name.to_string(),
                    name: suites.name(&package.name, &target.name),
                    bench: target.name.clone(),
                    directory: directory.to_owned(),
                });
            }
        }
    }
    targets.sort_by(|a, b| (&a.name, &a.package).cmp(&(&b.name, &b.package)));
    if targets.is_empty() {
        return Err(BuildError::NoTargets {
            manifest: manifest(selection),
        });
    }
    Ok(targets)
}

/// The manifest that is meant, as messages show it.
pub(super) fn manifest(selection: &Selection) -> String {
    selection
        .manifest_path
        .as_ref()
        .map_or_else(|| "Cargo.toml".to_owned(), ToString::to_string)
}

/// Refuses names that nothing in the workspace has.
fn check_names(
    metadata: &Metadata,
    packages: &[String],
    benches: &[String],
) -> Result<(), BuildError> {
    let members = metadata.workspace_packages();
    let all = members.iter().map(|it| it.name.to_string()).collect();
    check("package", packages, &all)?;
    let is_asked = |it: &Package| packages.iter().any(|name| *name == **it.name);
    let selected = |it: &&&Package| packages.is_empty() || is_asked(it);
    let targets = members.iter().filter(selected).flat_map(|it| &it.targets);
    let all = targets
        .filter(|target| target.kind.contains(&TargetKind::Bench))
        .map(|target| target.name.clone())
        .collect();
    check("bench target", benches, &all)
}

/// Refuses a name that is not among `all`.
fn check(what: &'static str, asked: &[String], all: &BTreeSet<String>) -> Result<(), BuildError> {
    let Some(name) = asked.iter().find(|name| !all.contains(*name)) else {
        return Ok(());
    };
    let near = nearest(name, all.iter().map(String::as_str));
    Err(BuildError::NoSuchTarget {
        what,
        name: name.clone(),
        near: near.into_iter().map(str::to_owned).collect(),
        all: all.iter().cloned().collect(),
    })
}

/// How bench targets are called.
pub(super) struct SuiteNames<'a> {
    /// Names that several packages use.
    shared: BTreeSet<&'a str>,
}

impl<'a> SuiteNames<'a> {
    /// All of the workspace count, so that a selection renames nothing.
    pub(super) fn of(metadata: &'a Metadata) -> Self {
        let mut seen = BTreeSet::new();
        let benches = metadata
            .workspace_packages()
            .into_iter()
            .flat_map(|package| &package.targets)
            .filter(|target| target.kind.contains(&TargetKind::Bench));
        let names = benches.map(|target| target.name.as_str());
        Self {
            shared: names.filter(|name| !seen.insert(*name)).collect(),
        }
    }

    pub(super) fn name(&self, package: &str, bench: &str) -> String {
        if self.shared.contains(bench) {
            format!("{package}.{bench}")
        } else {
            bench.to_owned()
        }
    }
}

/// The features of `package` that are on: the default ones and `selected`, with all that they
/// switch on in turn.
fn enabled_features<'a>(package: &'a Package, selected: &'a [String]) -> BTreeSet<&'a str> {
    let named = selected.iter().flat_map(|list| list.split([',', ' ']));
    let mut next: Vec<&str> = named
        .map(|name| match name.split_once('/') {
            Some((of, name)) if *package.name == of => name,
            _ => name,
        })
        .collect();
    next.push("default");
    let mut enabled = BTreeSet::new();
    while let Some(name) = next.pop() {
        if let Some(implied) = package.features.get(name)
            && enabled.insert(name)
        {
            next.extend(implied.iter().map(String::as_str));
        }
    }
    enabled
}
