//! Names from outside as Markdown that nothing in them can leave.
//!
//! A name is shown as a code span whose fence is longer than any run of backticks in it, with
//! control and direction marks spelt out and `|` escaped, since a table splits its cells before it
//! looks at spans. cmark-gfm, and so GitHub, knows no fence of more than 80 backticks: what stands
//! between longer ones would be markup. So long runs of backticks are spelt out, too.

use std::cmp::Reverse;

use crate::model::escape::escaped;
use crate::model::note::{Note, Piece};

/// A name longer than this many characters is cut.
const NAME_CHARS_MAX: usize = 200;

/// A longer run of backticks is spelt out. The fence is one longer, and far below 80.
const BACKTICKS_MAX: usize = 8;

/// `text` as a code span that nothing in it can leave.
pub(crate) fn code(text: &str) -> String {
    let mut safe: String = text.chars().take(NAME_CHARS_MAX).collect();
    if safe.len() < text.len() {
        safe.push('…');
    }
    let safe = short_runs(&escaped(&safe)).replace('|', "\\|");
    let longest = runs(&safe).map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if safe.is_empty() || safe.starts_with('`') || safe.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{safe}{pad}{fence}")
}

/// A note as a sentence, with what came from elsewhere as code.
pub(crate) fn prose(note: &Note) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Words(words) => (*words).to_owned(),
        Piece::Argument(text) => code(text),
    };
    note.pieces().iter().map(piece).collect()
}

/// The runs of backticks in a text, and empty texts.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| c != '`')
}

/// The text with long runs of backticks spelt out, once and with their length.
fn short_runs(text: &str) -> String {
    let is_long = |run: &&str| run.len() > BACKTICKS_MAX;
    let mut long: Vec<&str> = runs(text).filter(is_long).collect();
    // The longest first: a shorter one is a part of it.
    long.sort_by_key(|run| Reverse(run.len()));
    let mut short = text.to_owned();
    for run in long {
        short = short.replace(run, &format!("\\u{{60}}×{}", run.len()));
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_of_backticks_is_spelt_out() {
        let ticks = |count| "`".repeat(count);
        assert_eq!(
            code(&format!("a{}b", ticks(8))),
            format!("{0}a{1}b{0}", ticks(9), ticks(8))
        );
        assert_eq!(
            code(&format!("a{}b{}", ticks(9), ticks(90))),
            "`a\\u{60}×9b\\u{60}×90`"
        );
    }

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
