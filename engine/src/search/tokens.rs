//! Text as tokens: what is found when somebody looks for a word.
//!
//! ```text
//! bytes ── stretches of UTF-8 ── pieces between white space ──┬─ ASCII ──► split, lower case
//!                                                             └─ other ──► NFKC, lower case, UAX #29, split
//! ```
//!
//! A token is a run of letters, digits and the marks on them, in lower case. Words are those of
//! Unicode's annex 29 (so each Han character is one), split once more at everything that is neither:
//! `tool_call`, `a.b` and `run/7` are two tokens each, because that is how people look for parts of
//! identifiers and paths. For ASCII the annex adds nothing to that, so it is left out; a test compares.
//!
//! Segmentation and normalisation are `unicode-segmentation`'s and `unicode-normalization`'s: their
//! tables follow Unicode, and ours would not.
//!
//! Invariants:
//!
//! 1. Documents and queries go through the same function, so whatever it does to a word, it is found.
//! 2. A token has at most [`TOKEN_BYTES_MAX`] bytes; a longer one is cut, in documents and queries.
//! 3. Bytes that are no UTF-8 part words, and no phrase reaches across them.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation as _;

/// The longest token, in bytes: of a longer one the beginning counts.
pub const TOKEN_BYTES_MAX: usize = 128;

/// Calls `each` with the position and the text of every token, in order. Positions rise from `begin` by
/// one from token to token, and by two across bytes that are no UTF-8. Answers with the position after
/// the last.
pub(super) fn tokens(text: &[u8], begin: u32, mut each: impl FnMut(u32, &str)) -> u32 {
    let mut position = begin;
    let mut each = |token: &str, position: &mut u32| {
        each(*position, cut(token));
        *position = position.saturating_add(1);
    };
    let mut lower = String::new();
    for chunk in text.utf8_chunks() {
        for piece in chunk.valid().split(|c: char| c.is_ascii_whitespace()) {
            if piece.is_ascii() {
                for token in piece.split(|c: char| !c.is_ascii_alphanumeric()) {
                    if !token.is_empty() {
                        lower.clear();
                        lower.push_str(cut(token));
                        lower.make_ascii_lowercase();
                        each(&lower, &mut position);
                    }
                }
            } else {
                words(piece, |token| each(token, &mut position));
            }
        }
        if !chunk.invalid().is_empty() && position > begin {
            position = position.saturating_add(1);
        }
    }
    position
}

/// The tokens of a piece that is not ASCII alone.
fn words(piece: &str, mut each: impl FnMut(&str)) {
    let normal: String = piece.nfkc().flat_map(char::to_lowercase).collect();
    for word in normal.unicode_words() {
        for token in word.split(|c: char| !c.is_alphanumeric() && !is_combining_mark(c)) {
            // A mark that stands on nothing is no part of a word.
            let token = token.trim_start_matches(is_combining_mark);
            if !token.is_empty() {
                each(token);
            }
        }
    }
}

/// The beginning of a token, of at most [`TOKEN_BYTES_MAX`] bytes.
fn cut(token: &str) -> &str {
    &token[..token.floor_char_boundary(TOKEN_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listed(text: impl AsRef<[u8]>) -> Vec<(u32, String)> {
        let mut found = Vec::new();
        tokens(text.as_ref(), 0, |position, token| {
            found.push((position, token.to_owned()));
        });
        found
    }

    fn texts(text: impl AsRef<[u8]>) -> Vec<String> {
        listed(text).into_iter().map(|(_, token)| token).collect()
    }

    #[test]
    fn words_are_split_at_all_that_is_no_letter_or_digit_and_lowered() {
        assert_eq!(
            texts("Tool_call: run/7, a.b=\"C\""),
            ["tool", "call", "run", "7", "a", "b", "c"]
        );
        assert_eq!(texts(""), [""; 0]);
        assert_eq!(texts(" \t\n!?* \"\" "), [""; 0]);
    }

    #[test]
    fn equal_words_in_other_scripts_and_forms_are_equal_tokens() {
        // Composed, and with a combining accent; full-width; capitals beyond ASCII.
        assert_eq!(texts("caf\u{e9}"), texts("CAFE\u{301}"));
        assert_eq!(texts("ＡＢＣ１"), ["abc1"]);
        assert_eq!(texts("ÜBER-Straße"), ["über", "straße"]);
        assert_eq!(texts("東京"), ["東", "京"]);
        assert_eq!(texts("\u{301}"), [""; 0]);
    }

    #[test]
    fn bytes_that_are_no_text_part_words_and_leave_a_gap() {
        assert_eq!(
            listed(b"\xff\xfeone\x80two three\xc3"),
            [(0, "one".into()), (2, "two".into()), (3, "three".into())]
        );
        assert_eq!(texts([0xff; 1000]), [""; 0]);
    }

    #[test]
    fn a_token_equal_to_the_cap_is_whole_and_a_longer_one_is_cut_at_a_character() {
        let long = "x".repeat(TOKEN_BYTES_MAX);
        assert_eq!(texts(&long), [long.as_str()]);
        assert_eq!(texts("x".repeat(1 << 20)), [long.as_str()]);
        let wide = "é".repeat(TOKEN_BYTES_MAX);
        assert_eq!(texts(&wide), ["é".repeat(TOKEN_BYTES_MAX / 2)]);
    }

    proptest! {
        #[test]
        fn the_short_way_for_ascii_gives_what_the_long_one_gives(text in "[ -~\t\n]{0,60}") {
            let mut long = Vec::new();
            for piece in text.split(|c: char| c.is_ascii_whitespace()) {
                words(piece, |token| long.push(token.to_owned()));
            }
            prop_assert_eq!(texts(&text), long);
        }

        #[test]
        fn any_bytes_give_tokens_that_give_themselves(text: Vec<u8>) {
            for (at, token) in texts(&text).iter().enumerate() {
                prop_assert!(token.len() <= TOKEN_BYTES_MAX, "token {}", at);
                prop_assert!(!token.is_empty());
            }
        }

        #[test]
        fn any_text_gives_tokens_that_a_query_finds(text in "\\PC{0,30}") {
            for token in texts(&text) {
                prop_assert_eq!(texts(&token), [token.as_str()]);
            }
        }
    }
}
