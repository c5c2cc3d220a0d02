//! Reads the workspace's sources, for reports that quote them.
//!
//! Which file and which lines comes from a run, and a run may come from a pull request. So only
//! Rust sources inside of the workspace are read, whatever a path or a link says, and only small
//! ones.

use std::collections::HashMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use icgate_core::report::detail::Sources;

/// A larger file is no source that anybody wrote.
const FILE_BYTES_MAX: u64 = 2 << 20;
/// At most this many files are kept.
const FILES_MAX: usize = 200;

/// The sources of a workspace.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: Option<PathBuf>,
    files: HashMap<String, Vec<String>>,
}

impl Workspace {
    /// Those under `root`.
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.canonicalize().ok(),
            files: HashMap::new(),
        }
    }

    fn read(&self, file: &str) -> Option<Vec<String>> {
        let root = self.root.as_deref()?;
        let relative = Path::new(file);
        let is_plain = |it: Component<'_>| matches!(it, Component::Normal(_));
        if !relative.components().all(is_plain) || relative.extension()? != "rs" {
            return None;
        }
        let path = root.join(relative).canonicalize().ok()?;
        let metadata = fs::metadata(&path).ok()?;
        let may_be_read = path.starts_with(root)
            && path.extension()? == "rs"
            && metadata.is_file()
            && metadata.len() <= FILE_BYTES_MAX;
        if !may_be_read {
            return None;
        }
        let text = fs::read_to_string(&path).ok()?;
        Some(text.lines().map(str::to_owned).collect())
    }
}

impl Sources for Workspace {
    fn lines(&mut self, file: &str, first: u32, last: u32) -> Vec<String> {
        if !self.files.contains_key(file) {
            if self.files.len() >= FILES_MAX {
                return Vec::new();
            }
            let lines = self.read(file).unwrap_or_default();
            self.files.insert(file.to_owned(), lines);
        }
        let lines = self.files.get(file).map_or(&[][..], Vec::as_slice);
        let from = (first.max(1) as usize - 1).min(lines.len());
        let to = (last as usize).clamp(from, lines.len());
        lines[from..to].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_sources_of_the_workspace_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("workspace");
        fs::create_dir_all(root.join("src")).unwrap();
        fs::write(root.join("src/lib.rs"), "one\ntwo\nthree\n").unwrap();
        fs::write(root.join("src/secret.txt"), "secret").unwrap();
        fs::write(directory.path().join("outside.rs"), "secret").unwrap();
        symlink(
            directory.path().join("outside.rs"),
            root.join("src/link.rs"),
        )
        .unwrap();
        symlink(root.join("src/secret.txt"), root.join("src/text.rs")).unwrap();
        let large = vec![b'\n'; usize::try_from(FILE_BYTES_MAX).unwrap() + 1];
        fs::write(root.join("src/large.rs"), large).unwrap();
        let mut workspace = Workspace::new(&root);
        assert_eq!(workspace.lines("src/lib.rs", 2, 9), ["two", "three"]);
        assert_eq!(workspace.lines("src/lib.rs", 0, 1), ["one"]);
        assert!(workspace.lines("src/lib.rs", 9, 2).is_empty());
        for refused in [
            "src/secret.txt",
            "../outside.rs",
            "src/../../outside.rs",
            "src/link.rs",
            "src/text.rs",
            "src/large.rs",
            "src/none.rs",
            "src",
            "",
            directory.path().join("outside.rs").to_str().unwrap(),
        ] {
            assert!(workspace.lines(refused, 1, 9).is_empty(), "{refused}");
        }
    }
}
