//! What a path of debug information is to a reader of a report.

use std::rc::Rc;

use super::SourceRoots;

/// A file as a row names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SourceFile {
    /// Relative to the workspace's root.
    Workspace(Rc<str>),
    /// Cut down to what does not depend on the machine; empty if unknown.
    Library(Rc<str>),
}

impl SourceFile {
    pub(super) fn path(&self) -> &Rc<str> {
        match self {
            Self::Workspace(path) | Self::Library(path) => path,
        }
    }

    pub(super) const fn is_workspace(&self) -> bool {
        matches!(self, Self::Workspace(_))
    }
}

impl SourceRoots {
    /// What `path` is to a reader of a report.
    pub(super) fn classify(&self, path: &str) -> SourceFile {
        let path = clean(path);
        if let Some(library) = library_file(&path) {
            return SourceFile::Library(library.into());
        }
        let relative = path
            .strip_prefix(self.workspace.trim_end_matches('/'))
            .and_then(|path| path.strip_prefix('/'));
        match relative {
            Some(relative)
                if self
                    .generated
                    .iter()
                    .any(|folder| is_within(relative, folder)) =>
            {
                SourceFile::Library(relative.into())
            }
            Some(relative) => SourceFile::Workspace(relative.into()),
            None => SourceFile::Library(path.into()),
        }
    }
}

/// `path` without `.` and `..`, and without what stands for an unknown file.
fn clean(path: &str) -> String {
    if path == "???" {
        return String::new();
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

/// The part of a library's path that is the same on every machine.
fn library_file(path: &str) -> Option<String> {
    if let Some((_, file)) = path
        .strip_prefix("/rustc/")
        .and_then(|rest| rest.split_once('/'))
    {
        return Some(format!("rust/{file}"));
    }
    if let Some((_, file)) = path.split_once("/lib/rustlib/src/rust/") {
        return Some(format!("rust/{file}"));
    }
    if let Some((_, mut file)) = path.split_once("/registry/") {
        loop {
            let (package, rest) = file.split_once('/')?;
            if is_package(package) {
                return Some(file.to_owned());
            }
            file = rest;
        }
    }
    if let Some((_, checkout)) = path.split_once("/git/checkouts/") {
        let (repository, rest) = checkout.split_once('/')?;
        let (_revision, file) = rest.split_once('/')?;
        let name = repository
            .rsplit_once('-')
            .map_or(repository, |(name, _hash)| name);
        return Some(format!("{name}/{file}"));
    }
    None
}

/// Whether this is a crate's name and version: `serde_json-1.0.128`.
fn is_package(folder: &str) -> bool {
    let mut dashes = folder.match_indices('-');
    dashes.any(|(at, _)| {
        let mut numbers = folder[at + 1..].split('.');
        let mut is_number = || {
            numbers
                .next()
                .is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
        };
        at > 0 && is_number() && is_number() && is_number()
    })
}

fn is_within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder.trim_end_matches('/'))
        .is_some_and(|rest| rest.starts_with('/'))
}
