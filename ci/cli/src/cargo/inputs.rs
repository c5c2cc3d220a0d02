//! What each suite is built from, as far as the repository goes: the packages that its bench target
//! links, by their manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use camino::Utf8Path;
use cargo_metadata::{Package, TargetKind};
use icgate_core::attribute::reach::BuildInputs;
use icgate_core::model::bench_id::BenchId;

use super::Project;
use super::targets::SuiteNames;

impl Project {
    /// The bench targets that the suites of these benchmarks are named for; none, and so all, if one of
    /// them is not known by its suite's name.
    pub(crate) fn benches_of(&self, ids: &[BenchId]) -> Vec<String> {
        let packages = self.metadata.workspace_packages();
        let targets = packages.iter().flat_map(|package| &package.targets);
        let benches = targets.filter(|target| target.kind.contains(&TargetKind::Bench));
        let names: BTreeSet<&str> = benches.map(|target| target.name.as_str()).collect();
        let suites: BTreeSet<&str> = ids.iter().map(BenchId::suite).collect();
        if suites.iter().any(|suite| !names.contains(suite)) {
            return Vec::new();
        }
        suites.into_iter().map(str::to_owned).collect()
    }

    /// The packages behind each suite, named by their folders in the repository at `top`. Of a
    /// suite that links a package which is not the workspace's own nothing is said: what that one
    /// links is not known without resolving everything.
    pub(crate) fn build_inputs(&self, top: &Path) -> BuildInputs {
        let folder = |path: &Utf8Path| {
            let real = path.as_std_path().canonicalize().ok()?;
            let inside = real.strip_prefix(top.canonicalize().ok()?).ok()?;
            inside.to_str().map(str::to_owned)
        };
        let workspace = folder(&self.metadata.workspace_root);
        let Some(workspace) = workspace.filter(|_| !self.metadata.packages.is_empty()) else {
            return BuildInputs::default();
        };
        let mut inputs = BuildInputs::new(&workspace);
        let members: BTreeMap<&Utf8Path, &Package> = self
            .metadata
            .workspace_packages()
            .into_iter()
            .filter_map(|package| Some((package.manifest_path.parent()?, package)))
            .collect();
        let folders: BTreeMap<&Utf8Path, String> = members
            .keys()
            .filter_map(|path| Some((*path, folder(path)?)))
            .collect();
        for folder in folders.values() {
            inputs.add_package(folder);
        }
        let suites = SuiteNames::of(&self.metadata);
        for (path, package) in &members {
            let Some(linked) = linked(path, &members) else {
                continue;
            };
            let benches = package.targets.iter();
            let benches = benches.filter(|target| target.kind.contains(&TargetKind::Bench));
            for bench in benches {
                for workload in workload(path, bench.src_path.parent()) {
                    inputs.add_workload(&folder(workload).unwrap_or_default());
                }
                let suite = suites.name(&package.name, &bench.name);
                for folder in linked.iter().filter_map(|path| folders.get(path)) {
                    inputs.link(&suite, folder);
                }
            }
        }
        inputs
    }
}

/// Where a bench target's own code is: its folder, if that is not the package's; and the whole package,
/// if it is one of benches by its folder's name.
fn workload<'a>(
    package: &'a Utf8Path,
    sources: Option<&'a Utf8Path>,
) -> impl Iterator<Item = &'a Utf8Path> {
    let own = sources.filter(|it| *it != package && *it != package.join("src"));
    let is_of_benches = package
        .file_name()
        .is_some_and(|name| name.contains("bench"));
    own.into_iter().chain(is_of_benches.then_some(package))
}

/// A member and the members that it depends on, in any way; `None` if it depends on a package of
/// another workspace.
fn linked<'a>(
    member: &'a Utf8Path,
    members: &BTreeMap<&'a Utf8Path, &'a Package>,
) -> Option<BTreeSet<&'a Utf8Path>> {
    let mut linked = BTreeSet::from([member]);
    let mut open = vec![member];
    while let Some(path) = open.pop() {
        for dependency in &members.get(path)?.dependencies {
            let Some(path) = dependency.path.as_deref() else {
                continue;
            };
            let (path, _) = members.get_key_value(path)?;
            if linked.insert(path) {
                open.push(path);
            }
        }
    }
    Some(linked)
}
