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

/// `text` line by line, each escaped, and none a command: a runner of GitHub Actions obeys a line of
/// its log that begins with `::` or has `##[` in it, wherever it came from.
#[must_use]
pub fn lines(text: &str) -> String {
    let line = |line: &str| {
        // A tab is harmless, and compilers write them.
        let parts: Vec<String> = line.split('\t').map(escaped).collect();
        let line = parts.join("\t").replace("##[", "#\\u{23}[");
        let start = line.len() - line.trim_start().len();
        let (blank, rest) = line.split_at(start);
        match rest.strip_prefix("::") {
            Some(rest) => format!("{blank}\\u{{3a}}:{rest}"),
            None => line,
        }
    };
    let lines: Vec<String> = text.split('\n').map(line).collect();
    lines.join("\n")
}

/// Marks that change direction, join, fill or have no width: what is read must be what is there.
/// These are Unicode's `Default_Ignorable_Code_Point` (`DerivedCoreProperties.txt`, some of which count
/// as letters), the separators of lines, and the marks of annotations.
pub(crate) const fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_a_command() {
        assert_eq!(
            lines("a\n::error::b\r\n  ::x::\n\u{1b}[2Jc ##[add-mask]d\n"),
            "a\n\\u{3a}:error::b\\u{d}\n  \\u{3a}:x::\n\\u{1b}[2Jc #\\u{23}[add-mask]d\n"
        );
        assert_eq!(lines("a\u{2028}::b::c\u{85}"), "a\\u{2028}::b::c\\u{85}");
    }

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
