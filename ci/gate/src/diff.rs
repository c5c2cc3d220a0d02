//! Which lines of head a diff touches: the added and changed lines of `git diff --unified=0`.
//!
//! Only what the gate needs of the unified format (as in the manual of GNU diffutils): the `+++`
//! lines and the hunk headers. Everything else is passed over, so no text of a diff can be
//! mistaken for a path.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Changed lines of head by file, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangedLines {
    files: BTreeMap<String, Vec<RangeInclusive<u32>>>,
}

impl ChangedLines {
    /// Reads the output of `git diff --unified=0 --no-prefix` (or with the usual `b/`).
    #[must_use]
    pub fn from_unified_diff(diff: &str) -> Self {
        let mut files: BTreeMap<String, Vec<RangeInclusive<u32>>> = BTreeMap::new();
        let mut file = None;
        // Lines of the current hunk's body that are still to come.
        let mut body = 0_u32;
        for line in diff.lines() {
            if body > 0 && line.starts_with(['+', '-', ' ']) {
                body -= 1;
            } else if let Some(path) = line.strip_prefix("+++ ") {
                let path = path.split('\t').next().unwrap_or(path);
                file = (path != "/dev/null")
                    .then(|| path.strip_prefix("b/").unwrap_or(path).to_owned());
            } else if let Some(header) = line.strip_prefix("@@ ") {
                let Some((removed, added)) = hunk(header) else {
                    continue;
                };
                body = removed.1.saturating_add(added.1);
                if let (Some(file), (start, count @ 1..)) = (&file, added) {
                    let lines = start..=start.saturating_add(count - 1);
                    files.entry(file.clone()).or_default().push(lines);
                }
            }
        }
        Self { files }
    }

    /// Whether the diff added or changed this line of head.
    #[must_use]
    pub fn contains(&self, file: &str, line: u32) -> bool {
        self.files
            .get(file)
            .is_some_and(|hunks| hunks.iter().any(|lines| lines.contains(&line)))
    }

    /// Whether the diff added or changed any line of `file`.
    #[must_use]
    pub fn touches(&self, file: &str) -> bool {
        self.files.contains_key(file)
    }

    /// Whether nothing was added or changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

/// `-start[,count] +start[,count] @@…` as two pairs of start and count.
fn hunk(header: &str) -> Option<((u32, u32), (u32, u32))> {
    let mut words = header.split(' ');
    let mut range = |sign: char| -> Option<(u32, u32)> {
        let text = words.next()?.strip_prefix(sign)?;
        let (start, count) = text.split_once(',').unwrap_or((text, "1"));
        Some((start.parse().ok()?, count.parse().ok()?))
    };
    Some((range('-')?, range('+')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &str = "\
diff --git a/src/a.rs b/src/a.rs
index 111..222 100644
--- a/src/a.rs
+++ b/src/a.rs
@@ -3 +3 @@ fn f()
-old
+new
@@ -10,0 +11,2 @@
+++ b/not/a/file.rs
+@@ -1 +1 @@
@@ -20,2 +22,0 @@
-gone
-gone
diff --git a/gone.rs b/gone.rs
--- a/gone.rs
+++ /dev/null
@@ -1 +0,0 @@
-gone
diff --git a/new.rs b/new.rs
--- /dev/null
+++ b/new.rs
@@ -0,0 +1,3 @@
+a
+b
+c
";

    #[test]
    fn added_and_changed_lines_are_found() {
        let lines = ChangedLines::from_unified_diff(DIFF);
        let found: Vec<u32> = (0..30)
            .filter(|line| lines.contains("src/a.rs", *line))
            .collect();
        assert_eq!(found, [3, 11, 12]);
        assert!(lines.contains("new.rs", 1) && lines.contains("new.rs", 3));
        assert!(!lines.contains("new.rs", 4));
    }

    #[test]
    fn the_text_of_a_change_is_no_header() {
        let lines = ChangedLines::from_unified_diff(DIFF);
        assert!(!lines.touches("not/a/file.rs"));
        assert!(!lines.touches("gone.rs"));
        assert!(lines.touches("src/a.rs"));
    }

    #[test]
    fn nonsense_and_nothing_touch_no_line() {
        for text in [
            "",
            "@@",
            "@@ -x +y @@",
            "+++ ",
            "@@ -1 +1 @@\n",
            "@@ -1,9 +4294967295,9 @@",
        ] {
            assert!(ChangedLines::from_unified_diff(text).is_empty(), "{text:?}");
        }
        let edge = "+++ b/a\n@@ -1,9 +4294967295,9 @@";
        assert!(ChangedLines::from_unified_diff(edge).contains("a", u32::MAX));
    }
}
