//! Texts from outside, made safe to look at: what is read is what is there.
//!
//! Names, reasons and commit messages come from pull requests. On a terminal or in a log, a line
//! break or an escape sequence in them would be obeyed; a direction mark would show another text.

/// `text` with control characters and invisible marks spelt out.
#[must_use]
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || is_invisible(character) {
            safe.extend(character.escape_unicode());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Marks that change direction, join or have no width: what is read must be what is there.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_spelt_out() {
        assert_eq!(escaped("a\nb\u{1b}[2J"), "a\\u{a}b\\u{1b}[2J");
        assert_eq!(
            escaped("\u{202e}\u{200b}\u{feff}"),
            "\\u{202e}\\u{200b}\\u{feff}"
        );
        assert_eq!(escaped("Grüße, 你好"), "Grüße, 你好");
    }
}
