//! Names from outside as Markdown that nothing in them can leave.
//!
//! A name is shown as a code span whose fence is longer than any run of backticks in it, with
//! control and direction marks spelt out and `|` escaped, since a table splits its cells before it
//! looks at spans.

use crate::model::escape::escaped;

/// A name longer than this many characters is cut.
const NAME_CHARS_MAX: usize = 200;

/// `text` as a code span that nothing in it can leave.
pub(crate) fn code(text: &str) -> String {
    let mut safe: String = text.chars().take(NAME_CHARS_MAX).collect();
    if safe.len() < text.len() {
        safe.push('…');
    }
    let safe = escaped(&safe).replace('|', "\\|");
    let longest = safe.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if safe.is_empty() || safe.starts_with('`') || safe.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{safe}{pad}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_code_span() {
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("``"), "``` `` ```");
        assert_eq!(code("a|b"), "`a\\|b`");
        assert_eq!(code("a\nb\u{202e}"), "`a\\u{a}b\\u{202e}`");
        assert_eq!(code(""), "`  `");
        assert_eq!(code("<img src=x>"), "`<img src=x>`");
        assert_eq!(code(&"x".repeat(1_000)).chars().count(), NAME_CHARS_MAX + 3);
    }
}
