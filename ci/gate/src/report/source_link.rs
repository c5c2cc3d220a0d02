//! Links to lines of a commit on the forge that holds it.
//!
//! Invariant: nothing of a link is outside text as it came. The repository is a plain `https` page,
//! the commit 40 hexadecimal digits, the path one of a repository's files in percent form.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

/// A longer path is none.
const PATH_BYTES_MAX: usize = 1_000;

/// A commit on a forge, for links into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceTree {
    /// `https://github.com/owner/repository/blob/<commit>/`.
    root: String,
}

impl SourceTree {
    /// The commit of a repository, whose page is `https://host/owner/name`; `None` if either does
    /// not look like one.
    #[must_use]
    pub fn new(repository: &str, commit: &str) -> Option<Self> {
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/:".contains(&byte);
        let is_page = repository.strip_prefix("https://")?.bytes().all(plain);
        let is_commit = commit.len() == 40 && commit.bytes().all(hex);
        (is_page && is_commit).then(|| Self {
            root: format!("{repository}/blob/{commit}/"),
        })
    }

    /// A link to a line; `None` if the path is no file of a repository.
    #[must_use]
    pub fn line(&self, path: &str, line: u32) -> Option<String> {
        is_path(path).then(|| format!("{}{}#L{line}", self.root, percent_encoded(path)))
    }
}

/// Whether a text is a path inside a repository, in the one spelling that it has there.
#[must_use]
pub fn is_path(path: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part != "." && part != "..";
    let plain = |it: char| !it.is_control() && it != '\\' && it != ':';
    path.len() <= PATH_BYTES_MAX && path.split('/').all(part) && path.chars().all(plain)
}

/// A path as a relative reference: everything but unreserved characters and `/` in percent form
/// (RFC 3986, section 2).
pub(crate) fn percent_encoded(path: &str) -> PercentEncode<'_> {
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~')
        .remove(b'/');
    utf8_percent_encode(path, RESERVED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_reference_and_nothing_else() {
        assert_eq!(
            percent_encoded("engine/src/lib.rs").to_string(),
            "engine/src/lib.rs"
        );
        assert_eq!(
            percent_encoded("a b:c?d#é)").to_string(),
            "a%20b%3Ac%3Fd%23%C3%A9%29"
        );
    }

    #[test]
    fn a_link_is_made_of_nothing_but_a_page_a_commit_a_path_and_a_line() {
        let sha = "0a".repeat(20);
        let page = "https://github.com/o/r";
        let tree = SourceTree::new(page, &sha).unwrap();
        assert_eq!(
            tree.line("src/a (b).rs", 7).unwrap(),
            format!("{page}/blob/{sha}/src/a%20%28b%29.rs#L7")
        );
        for path in [
            "",
            "/etc",
            "../x",
            "a/./b",
            "a//b",
            "https://evil.example/x",
            "a\nb",
            "a\\b",
        ] {
            assert_eq!(tree.line(path, 7), None, "{path}");
        }
        for (page, commit) in [
            ("http://github.com/o/r", sha.as_str()),
            ("javascript:alert(1)", &sha),
            ("https://github.com/o/r)](x", &sha),
            (page, "main"),
            (page, &sha[1..]),
            (page, &"0A".repeat(20)),
        ] {
            assert_eq!(SourceTree::new(page, commit), None, "{page} {commit}");
        }
    }
}
