//! Which lines of head a diff touches: the added and changed lines of `git diff`.
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
    /// Reads the output of `git diff --no-prefix` (or with the usual `b/`), with any number of
    /// lines of context.
    #[must_use]
    pub fn from_unified_diff(diff: &str) -> Self {
        let mut files: BTreeMap<String, Vec<RangeInclusive<u32>>> = BTreeMap::new();
        let mut file = None;
        let mut hunk = Hunk::default();
        for line in diff.lines() {
            if hunk.takes(line) {
                if let (Some(added), Some(file)) = (hunk.line(line), &file) {
                    push(files.entry(String::clone(file)).or_default(), added);
                }
            } else if let Some(path) = line.strip_prefix("+++ ") {
                let path = path.split('\t').next().unwrap_or(path);
                file = (path != "/dev/null")
                    .then(|| path.strip_prefix("b/").unwrap_or(path).to_owned());
            } else if let Some(header) = line.strip_prefix("@@ ") {
                hunk = Hunk::of(header).unwrap_or_default();
            }
        }
        Self { files }
    }

    /// The same as seen from the folder `prefix` (`some/folder/`, or nothing): files outside of it
    /// are left out.
    #[must_use]
    pub fn below(self, prefix: &str) -> Self {
        let inside =
            |(file, lines): (String, _)| Some((file.strip_prefix(prefix)?.to_owned(), lines));
        Self {
            files: self.files.into_iter().filter_map(inside).collect(),
        }
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

/// Adds a line to the ranges, which grow at their end.
fn push(ranges: &mut Vec<RangeInclusive<u32>>, line: u32) {
    match ranges.last_mut() {
        Some(last) if last.end().checked_add(1) == Some(line) => *last = *last.start()..=line,
        _ => ranges.push(line..=line),
    }
}

/// What is left of a hunk while its lines are read.
#[derive(Debug, Default)]
struct Hunk {
    /// Lines of base, and of head, that are still to come.
    base: u32,
    head: u32,
    /// Head's number of the next line.
    next: u32,
}

impl Hunk {
    /// `-start[,count] +start[,count] @@…`
    fn of(header: &str) -> Option<Self> {
        let mut words = header.split(' ');
        let mut range = |sign: char| -> Option<(u32, u32)> {
            let text = words.next()?.strip_prefix(sign)?;
            let (start, count) = text.split_once(',').unwrap_or((text, "1"));
            Some((start.parse().ok()?, count.parse().ok()?))
        };
        let ((_, base), (next, head)) = (range('-')?, range('+')?);
        Some(Self { base, head, next })
    }

    /// Whether `line` is one of the hunk's. An empty line is one of context, cut by somebody.
    fn takes(&self, line: &str) -> bool {
        let inside = self.base > 0 || self.head > 0;
        inside && (line.is_empty() || line.starts_with(['+', '-', ' ', '\\']))
    }

    /// Goes past `line`; its number in head if it was added.
    fn line(&mut self, line: &str) -> Option<u32> {
        let at = self.next;
        match line.as_bytes().first() {
            Some(b'+') => {
                self.head = self.head.saturating_sub(1);
                self.next = self.next.saturating_add(1);
                return Some(at);
            }
            Some(b'-') => self.base = self.base.saturating_sub(1),
            Some(b'\\') => {}
            _ => {
                self.base = self.base.saturating_sub(1);
                self.head = self.head.saturating_sub(1);
                self.next = self.next.saturating_add(1);
            }
        }
        None
    }
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
