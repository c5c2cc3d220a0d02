//! Hunks: a change in pieces that can be taken out, and the texts without some of them.
//!
//! ```text
//! git diff ─▶ pieces ─▶ groups: what cannot stand without each other stays together
//!                          │
//!                          └─▶ base's text + the pieces of some groups = a text to build
//! ```
//!
//! Pieces know base's lines that they replace, so any of them can be put into base's text without the
//! others: no context has to match.
//!
//! Two pieces stay together where both say a name that only one side of the change has: a function and
//! its callers, a field and its uses, a variable under its new name.

use std::collections::{BTreeMap, BTreeSet};

/// A piece of a change: lines of base that become other lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The file, seen from the repository.
    pub file: String,
    /// Base's first line that it replaces; of none, the one before which it stands.
    pub base: usize,
    /// How many lines of base it replaces.
    pub removed: Vec<String>,
    /// What stands there instead.
    pub added: Vec<String>,
    /// Head's first line of it.
    pub head: usize,
    /// Whether base or head lacks the file.
    whole: Whole,
    /// Whether head's last line has no line break.
    open_end: bool,
}

/// Whether both sides have a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whole {
    No,
    Added,
    Deleted,
}

/// The pieces of a change, and which of them stay together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pieces {
    pieces: Vec<Piece>,
    /// Indices of pieces; groups in order of their first pieces.
    groups: Vec<Vec<usize>>,
}

impl Pieces {
    /// Reads the output of `git diff --no-renames` with the usual prefixes, with lines of context or
    /// without.
    #[must_use]
    pub fn from_unified_diff(diff: &str) -> Self {
        let mut pieces: Vec<Piece> = Vec::new();
        let (mut base, mut head): (Option<String>, Option<String>) = (None, None);
        let (mut removed_left, mut added_left) = (0_usize, 0_usize);
        // The next lines of base and head, and whether a piece is being read.
        let (mut at_base, mut at_head, mut inside) = (0, 0, false);
        for line in diff.lines() {
            if removed_left + added_left > 0 || line.starts_with('\\') {
                let sign = line.as_bytes().first().copied();
                if let (Some(b'-' | b'+'), false, Some(file)) =
                    (sign, inside, head.as_ref().or(base.as_ref()))
                {
                    pieces.push(Piece {
                        file: file.clone(),
                        base: at_base,
                        removed: Vec::new(),
                        added: Vec::new(),
                        head: at_head,
                        whole: match (&base, &head) {
                            (None, _) => Whole::Added,
                            (_, None) => Whole::Deleted,
                            _ => Whole::No,
                        },
                        open_end: false,
                    });
                    inside = true;
                }
                let piece = pieces.last_mut();
                match (sign, piece) {
                    (Some(b'-'), Some(piece)) => {
                        (removed_left, at_base) = (removed_left.saturating_sub(1), at_base + 1);
                        piece.removed.push(line[1..].to_owned());
                    }
                    (Some(b'+'), Some(piece)) => {
                        (added_left, at_head) = (added_left.saturating_sub(1), at_head + 1);
                        piece.added.push(line[1..].to_owned());
                    }
                    (Some(b'\\'), Some(piece)) => {
                        piece.open_end = inside && !piece.added.is_empty() && added_left == 0;
                    }
                    _ => {
                        (removed_left, at_base) = (removed_left.saturating_sub(1), at_base + 1);
                        (added_left, at_head) = (added_left.saturating_sub(1), at_head + 1);
                        inside = false;
                    }
                }
            } else if let Some(path) = line.strip_prefix("--- ") {
                base = name(path, "a/");
            } else if let Some(path) = line.strip_prefix("+++ ") {
                head = name(path, "b/");
            } else if let Some(((from, removed), (to, added))) =
                line.strip_prefix("@@ ").and_then(ranges)
            {
                (removed_left, added_left) = (removed, added);
                at_base = if removed == 0 { from + 1 } else { from };
                at_head = if added == 0 { to + 1 } else { to };
                inside = false;
            }
        }
        Self {
            groups: grouped(&pieces),
            pieces,
        }
    }

    /// Adds a file that git does not know yet.
    pub fn add_file(&mut self, file: &str, text: &str) {
        self.pieces.push(Piece {
            file: file.to_owned(),
            base: 1,
            removed: Vec::new(),
            added: text.lines().map(str::to_owned).collect(),
            head: 1,
            whole: Whole::Added,
            open_end: !text.ends_with('\n'),
        });
        self.groups = grouped(&self.pieces);
    }

    /// How many groups there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether nothing was changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The pieces of a group.
    pub fn group(&self, group: usize) -> impl Iterator<Item = &Piece> {
        self.groups[group].iter().map(|index| &self.pieces[*index])
    }

    /// The group that a line of head's file lies in, or beside.
    #[must_use]
    pub fn group_at(&self, file: &str, line: usize) -> Option<usize> {
        let is_at = |piece: &Piece| {
            let last = piece.head + piece.added.len().max(1);
            piece.file == file && (piece.head.saturating_sub(1)..=last).contains(&line)
        };
        let has = |group: &Vec<usize>| group.iter().any(|index| is_at(&self.pieces[*index]));
        self.groups.iter().position(has)
    }

    /// The files that are changed.
    #[must_use]
    pub fn files(&self) -> BTreeSet<&str> {
        self.pieces.iter().map(|it| it.file.as_str()).collect()
    }

    /// What a file becomes by all of it, if `base` is the text that the change was made of.
    #[must_use]
    pub fn applied(&self, file: &str, base: Option<&str>) -> Option<String> {
        let lines: Vec<&str> = base.unwrap_or_default().lines().collect();
        let mut pieces = self.pieces.iter().filter(|piece| piece.file == file);
        let fits = |piece: &Piece| {
            let start = piece.base.saturating_sub(1);
            let there = lines.get(start..start + piece.removed.len());
            there.is_some_and(|there| there == piece.removed)
        };
        let all = (0..self.len()).collect();
        pieces
            .all(fits)
            .then(|| self.text(file, base, &all))
            .flatten()
    }

    /// A file with the pieces of `groups` alone; `None` if it is not there then. `base` is base's text.
    #[must_use]
    pub fn text(&self, file: &str, base: Option<&str>, groups: &BTreeSet<usize>) -> Option<String> {
        let mut chosen: Vec<&Piece> = groups
            .iter()
            .flat_map(|group| self.group(*group))
            .filter(|piece| piece.file == file)
            .collect();
        chosen.sort_by_key(|piece| piece.base);
        let is = |whole| chosen.iter().any(|piece| piece.whole == whole);
        if is(Whole::Deleted) || base.is_none() && !is(Whole::Added) {
            return None;
        }
        let lines: Vec<&str> = base.unwrap_or_default().split_inclusive('\n').collect();
        let mut text = String::new();
        let mut at = 0;
        for piece in chosen {
            let start = (piece.base - 1).min(lines.len());
            text.extend(lines[at.min(start)..start].iter().copied());
            for line in &piece.added {
                if !text.is_empty() && !text.ends_with('\n') {
                    text.push('\n');
                }
                text.push_str(line);
                text.push('\n');
            }
            if piece.open_end {
                text.pop();
            }
            at = (start + piece.removed.len()).min(lines.len()).max(at);
        }
        text.extend(lines[at..].iter().copied());
        Some(text)
    }
}

/// `-1,2 +3 @@ …`: where and how many, on both sides.
fn ranges(header: &str) -> Option<((usize, usize), (usize, usize))> {
    let mut words = header.split(' ');
    let mut range = |sign: char| {
        let text = words.next()?.strip_prefix(sign)?;
        let (start, count) = text.split_once(',').unwrap_or((text, "1"));
        Some((start.parse().ok()?, count.parse().ok()?))
    };
    Some((range('-')?, range('+')?))
}

fn name(path: &str, prefix: &str) -> Option<String> {
    let path = path.split('\t').next().unwrap_or(path);
    (path != "/dev/null").then(|| path.strip_prefix(prefix).unwrap_or(path).to_owned())
}

/// Puts together what cannot stand alone.
fn grouped(pieces: &[Piece]) -> Vec<Vec<usize>> {
    let names = |lines: &[String]| -> BTreeSet<String> {
        lines.iter().flat_map(|line| words(line)).collect()
    };
    let before: Vec<BTreeSet<String>> = pieces.iter().map(|it| names(&it.removed)).collect();
    let now: Vec<BTreeSet<String>> = pieces.iter().map(|it| names(&it.added)).collect();
    let gone: BTreeSet<&String> = before.iter().flatten().collect();
    let new: BTreeSet<&String> = now.iter().flatten().collect();
    let mut leader: Vec<usize> = (0..pieces.len()).collect();
    let mut first: BTreeMap<&String, usize> = BTreeMap::new();
    for at in 0..pieces.len() {
        // A name that both sides say tells nothing.
        let lost = before[at].iter().filter(|it| !new.contains(it));
        let found = now[at].iter().filter(|it| !gone.contains(it));
        for name in lost.chain(found) {
            let other = *first.entry(name).or_insert(at);
            let (a, b) = (lead(&leader, at), lead(&leader, other));
            leader[a.max(b)] = a.min(b);
        }
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for at in 0..pieces.len() {
        groups.entry(lead(&leader, at)).or_default().push(at);
    }
    groups.into_values().collect()
}

fn lead(leader: &[usize], mut at: usize) -> usize {
    while leader[at] != at {
        at = leader[at];
    }
    at
}

/// The names of a line of code that somebody may have chosen: what both sides of a change say, and words
/// that every program has, are no reason to stay together.
fn words(line: &str) -> impl Iterator<Item = String> + '_ {
    let code = line.split("//").next().unwrap_or_default();
    let words = code.split(|it: char| !it.is_alphanumeric() && it != '_');
    let is_name = |word: &&str| {
        word.len() > 1
            && !word.starts_with(|it: char| it.is_ascii_digit())
            && !COMMON.contains(word)
    };
    words.filter(is_name).map(str::to_owned)
}

/// Words of the language and its library that hunks share without belonging together.
const COMMON: [&str; 58] = [
    "as",
    "black_box",
    "bool",
    "box",
    "Box",
    "break",
    "clone",
    "collect",
    "const",
    "continue",
    "core",
    "count",
    "dyn",
    "else",
    "false",
    "filter",
    "fn",
    "for",
    "hint",
    "if",
    "impl",
    "in",
    "inline",
    "into",
    "into_iter",
    "iter",
    "len",
    "let",
    "loop",
    "map",
    "match",
    "max",
    "min",
    "mod",
    "mut",
    "never",
    "new",
    "None",
    "pub",
    "push",
    "ref",
    "return",
    "self",
    "Self",
    "Some",
    "static",
    "std",
    "str",
    "String",
    "struct",
    "to_vec",
    "true",
    "u32",
    "u64",
    "usize",
    "vec",
    "Vec",
    "while",
];

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &str = "\
diff --git a/a.rs b/a.rs
--- a/a.rs
+++ b/a.rs
@@ -2 +2,2 @@ fn f()
-two
+zwei
+drei
@@ -4,0 +6 @@
+helper();
@@ -6 +7,0 @@
-six
diff --git a/b.rs b/b.rs
new file mode 100644
--- /dev/null
+++ b/b.rs
@@ -0,0 +1 @@
+fn helper() {}
\\ No newline at end of file
";
    const BASE: &str = "one\ntwo\nthree\nfour\nfive\nsix\n";

    fn set(groups: &[usize]) -> BTreeSet<usize> {
        groups.iter().copied().collect()
    }

    #[test]
    fn pieces_of_a_file_can_be_taken_out_one_by_one() {
        let pieces = Pieces::from_unified_diff(DIFF);
        assert_eq!(pieces.len(), 3, "{pieces:?}");
        let text = |groups: &[usize]| pieces.text("a.rs", Some(BASE), &set(groups)).unwrap();
        assert_eq!(text(&[]), BASE);
        assert_eq!(text(&[0]), "one\nzwei\ndrei\nthree\nfour\nfive\nsix\n");
        assert_eq!(text(&[1]), "one\ntwo\nthree\nfour\nhelper();\nfive\nsix\n");
        assert_eq!(text(&[2]), "one\ntwo\nthree\nfour\nfive\n");
        assert_eq!(
            text(&[0, 1, 2]),
            "one\nzwei\ndrei\nthree\nfour\nhelper();\nfive\n"
        );
    }

    #[test]
    fn what_names_what_only_head_has_stays_with_it() {
        let pieces = Pieces::from_unified_diff(DIFF);
        let files: Vec<_> = pieces.group(1).map(|it| it.file.as_str()).collect();
        assert_eq!(files, ["a.rs", "b.rs"]);
        assert_eq!(pieces.text("b.rs", None, &set(&[0])), None);
        let added = pieces.text("b.rs", None, &set(&[1])).unwrap();
        assert_eq!(added, "fn helper() {}", "no line break at the end");
        assert_eq!(pieces.group_at("a.rs", 3), Some(0));
        assert_eq!(pieces.group_at("a.rs", 6), Some(1));
        assert_eq!(pieces.group_at("b.rs", 1), Some(1));
        assert_eq!(pieces.group_at("c.rs", 1), None);
    }

    #[test]
    fn lines_of_context_are_passed_over() {
        let diff = "--- a/a.rs\n+++ b/a.rs\n@@ -1,5 +1,5 @@\n one\n-two\n+zwei\n three\n four\n+x\n-five\n";
        let pieces = Pieces::from_unified_diff(diff);
        assert_eq!(pieces.len(), 2, "{pieces:?}");
        let head = "one\nzwei\nthree\nfour\nx\nsix\n";
        assert_eq!(pieces.applied("a.rs", Some(BASE)).unwrap(), head);
        let other = "another\n".repeat(9);
        assert_eq!(
            pieces.applied("a.rs", Some(&other)),
            None,
            "of another base"
        );
    }

    #[test]
    fn a_deleted_file_goes_with_its_piece() {
        let diff = "--- a/a.rs\n+++ /dev/null\n@@ -1 +0,0 @@\n-one\n";
        let pieces = Pieces::from_unified_diff(diff);
        assert_eq!(pieces.text("a.rs", Some("one\n"), &set(&[0])), None);
        assert_eq!(
            pieces.text("a.rs", Some("one\n"), &set(&[])).unwrap(),
            "one\n"
        );
    }

    #[test]
    fn files_that_git_does_not_know_are_pieces_too() {
        let mut pieces = Pieces::default();
        assert!(pieces.is_empty());
        pieces.add_file("n.rs", "a\nb\n");
        assert_eq!(pieces.text("n.rs", None, &set(&[0])).unwrap(), "a\nb\n");
        assert_eq!(pieces.files(), BTreeSet::from(["n.rs"]));
    }

    #[test]
    fn no_diff_is_too_strange() {
        for diff in [
            "",
            "@@ -1 +1 @@\n-a\n+b\n",
            "--- a/x\n+++ b/x\n@@ -9 +9 @@\n-a\n+b\n",
            "@@ x",
        ] {
            let pieces = Pieces::from_unified_diff(diff);
            let all = (0..pieces.len()).collect();
            let _ = pieces.text("x", Some("one line"), &all);
        }
    }
}
