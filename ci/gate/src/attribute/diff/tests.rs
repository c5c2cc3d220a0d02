use std::fmt::Write as _;

use proptest::prelude::*;

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
@@ -20,2 +21,0 @@
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
        "+++ b/a\n@@ -1,9 +4294967295,9 @@",
    ] {
        assert!(ChangedLines::from_unified_diff(text).is_empty(), "{text:?}");
    }
    let edge = "+++ b/a\n@@ -1,9 +4294967295,9 @@\n+a\n+b\n";
    assert!(ChangedLines::from_unified_diff(edge).contains("a", u32::MAX));
}

#[test]
fn lines_of_context_divide_hunks_and_change_nothing() {
    let context = "+++ b/a.rs\n@@ -1,9 +1,8 @@\n a\n-b\n+B\n\n-d\n e\n f\n-g\n+G\n h\n i\n";
    let bare = "+++ b/a.rs\n@@ -2 +2 @@\n-b\n+B\n@@ -4 +3,0 @@\n-d\n@@ -7 +6 @@\n-g\n+G\n";
    assert_eq!(
        ChangedLines::from_unified_diff(context),
        ChangedLines::from_unified_diff(bare)
    );
}

#[test]
fn a_folder_s_files_are_seen_from_it() {
    let diff = "+++ b/in/a.rs\n@@ -1 +1 @@\n-x\n+y\n+++ b/b.rs\n@@ -1 +1 @@\n-x\n+y\n";
    let below = ChangedLines::from_unified_diff(diff).below("in/");
    assert_eq!(below.files().collect::<Vec<_>>(), ["a.rs"]);
}

#[test]
fn removed_lines_touch_their_neighbours() {
    let lines = ChangedLines::from_unified_diff(DIFF);
    let touched: Vec<_> = (1..30)
        .filter_map(|line| Some((line, lines.touch("src/a.rs", line)?)))
        .collect();
    assert_eq!(
        touched,
        [
            (3, Touch::Changed),
            (11, Touch::Changed),
            (12, Touch::Changed),
            (21, Touch::Beside),
            (22, Touch::Beside),
        ]
    );
}

#[test]
fn lines_of_base_are_found_in_head() {
    let lines = ChangedLines::from_unified_diff(DIFF);
    let head = |line| lines.in_head("src/a.rs", line).map(|(_, line)| line);
    let found: Vec<_> = [2, 3, 4, 10, 11, 19, 20, 21, 22].map(head).into();
    assert_eq!(
        found,
        [
            Some(2),
            None,
            Some(4),
            Some(10),
            Some(13),
            Some(21),
            None,
            None,
            Some(22)
        ]
    );
    assert_eq!(lines.in_head("elsewhere.rs", 7), Some(("elsewhere.rs", 7)));
}

#[test]
fn a_renamed_file_is_the_same_file() {
    let diff = "rename from a.rs\nrename to b.rs\n--- a/a.rs\n+++ b/b.rs\n@@ -5,0 +6 @@\n+x\n";
    let lines = ChangedLines::from_unified_diff(diff);
    assert_eq!(lines.in_head("a.rs", 5), Some(("b.rs", 5)));
    assert_eq!(lines.in_head("a.rs", 6), Some(("b.rs", 7)));
    let only = ChangedLines::from_unified_diff("rename from a.rs\nrename to b.rs\n");
    assert_eq!(only.in_head("a.rs", 6), Some(("b.rs", 6)));
}

#[test]
fn comments_are_no_code() {
    let is_code = |body: &str| {
        let diff = format!("+++ b/a.rs\n@@ -1 +1 @@\n{body}");
        ChangedLines::from_unified_diff(&diff).hunks("a.rs")[0].is_code
    };
    assert!(!is_code("-// old\n+\n"));
    assert!(!is_code("-  /// old\n+  // new\n"));
    assert!(is_code("-// old\n+let x = 1; // new\n"));
    assert!(is_code("-f();\n+// f();\n"));
}

#[test]
fn a_hunk_changes_the_functions_that_it_overlaps() {
    let function = Extent {
        name: "f".to_owned(),
        first: 10,
        head: 12,
        last: 20,
    };
    let line_in = |diff: &str| {
        let changed = ChangedLines::from_unified_diff(&format!("+++ b/a.rs\n{diff}"));
        changed.hunks("a.rs")[0].line_in(&function)
    };
    for (diff, expected) in [
        ("@@ -5,0 +9 @@\n+x\n", None),
        ("@@ -5,0 +9,2 @@\n+x\n+y\n", Some(10)),
        ("@@ -5,0 +20,5 @@\n+x\n", Some(20)),
        ("@@ -5,0 +21 @@\n+x\n", None),
        ("@@ -15 +14,0 @@\n-x\n", Some(15)),
        ("@@ -15 +20,0 @@\n-x\n", None),
        // Right above: an attribute was the function's, a function was another.
        ("@@ -10 +9,0 @@\n-#[inline]\n", Some(10)),
        ("@@ -10 +9,0 @@\n-fn e() {}\n", None),
    ] {
        assert_eq!(line_in(diff), expected, "{diff}");
    }
}

proptest! {
    /// The lines that a diff keeps are the same in base and head: what `in_head` says is what
    /// happens to a text.
    #[test]
    fn kept_lines_are_followed(
        base in prop::collection::vec(0..4_u32, 0..12),
        hunks in prop::collection::vec((0..4_usize, 0..3_usize, 0..3_usize), 0..4),
    ) {
        let mut diff = "+++ b/a\n".to_owned();
        let (mut at, mut head_line) = (0, 0);
        let mut kept = Vec::new();
        for (skip, removed, added) in hunks {
            let skip = skip.min(base.len() - at).max(usize::from(at > 0 && at < base.len()));
            for _ in 0..skip {
                kept.push((at + 1, head_line + 1));
                at += 1;
                head_line += 1;
            }
            let removed = removed.min(base.len() - at);
            if removed + added == 0 {
                continue;
            }
            let start = |line: usize, count| if count == 0 { line } else { line + 1 };
            write!(
                diff,
                "@@ -{},{removed} +{},{added} @@\n{}{}",
                start(at, removed),
                start(head_line, added),
                "-x\n".repeat(removed),
                "+x\n".repeat(added)
            )
            .unwrap();
            at += removed;
            head_line += added;
        }
        while at < base.len() {
            kept.push((at + 1, head_line + 1));
            at += 1;
            head_line += 1;
        }
        let changed = ChangedLines::from_unified_diff(&diff);
        let number = |line| u32::try_from(line).unwrap();
        let found: Vec<_> = (1..=base.len())
            .filter_map(|line| Some((line, changed.in_head("a", number(line))?.1)))
            .collect();
        let kept: Vec<_> = kept.into_iter().map(|(base, head)| (base, number(head))).collect();
        prop_assert_eq!(found, kept);
    }

    #[test]
    fn any_text_is_read(text in "([-+@ a0-9,b/\\n]|@@ -|\\+\\+\\+ b/a|rename to ){0,80}") {
        let changed = ChangedLines::from_unified_diff(&text);
        for line in [0, 1, 7, u32::MAX] {
            let _ = changed.touch("a", line);
            let _ = changed.in_head("a", line);
        }
    }
}

#[test]
fn a_place_is_never_a_comment_or_a_blank_line() {
    let diff =
        "--- a/a.rs\n+++ b/a.rs\n@@ -4,0 +5,4 @@\n+    // Why.\n+\n+    let x = 1;\n+    x\n";
    let changed = ChangedLines::from_unified_diff(diff);
    let hunk = changed.hunks("a.rs")[0];
    assert_eq!(hunk.line(), 7);
    let function = Extent {
        name: "f".to_owned(),
        first: 3,
        head: 3,
        last: 20,
    };
    assert_eq!(hunk.line_in(&function), Some(7));
    let above = Extent {
        last: 6,
        ..function
    };
    assert_eq!(hunk.line_in(&above), Some(5), "its code is another's");
}
