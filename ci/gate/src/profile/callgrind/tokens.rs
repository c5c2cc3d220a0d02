//! What a line is made of: numbers, words, and the error that quotes where they are missing.

use memchr::memchr;

use super::profile::ProfileError;

/// As much of an unexpected line as an error quotes.
const QUOTED_BYTES_MAX: usize = 60;

/// The decimal or `0x` number that `text` starts with, and what follows it; `None` also beyond
/// 64 bits.
///
/// A profile of tens of megabytes is nearly nothing but numbers, so this loop is what reading one
/// costs. Overflow is looked for only in numbers that are long enough.
#[inline]
pub(super) fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    match text {
        [b'0', b'x', digits @ ..] => number_of::<16>(digits),
        digits => number_of::<10>(digits),
    }
}

#[inline]
fn number_of<const BASE: u64>(text: &[u8]) -> Option<(u64, &[u8])> {
    let digit = |byte: u8| Some(u64::from(DIGITS[usize::from(byte)])).filter(|it| *it < BASE);
    let mut value: u64 = 0;
    let mut rest = text;
    while let Some((digit, behind)) = rest.split_first().and_then(|(b, r)| Some((digit(*b)?, r))) {
        value = value.wrapping_mul(BASE).wrapping_add(digit);
        rest = behind;
    }
    let digits = &text[..text.len() - rest.len()];
    if digits.len() > DIGITS_THAT_FIT {
        value = long_number(digits, BASE)?;
    }
    (!digits.is_empty()).then_some((value, rest))
}

#[cold]
fn long_number(digits: &[u8], base: u64) -> Option<u64> {
    digits.iter().try_fold(0_u64, |value, byte| {
        let digit = u64::from(DIGITS[usize::from(*byte)]);
        value.checked_mul(base)?.checked_add(digit)
    })
}

/// As many digits, decimal or hexadecimal, always fit into 64 bits.
const DIGITS_THAT_FIT: usize = 16;

/// The value of each byte as a digit; 16 for one that is none.
const DIGITS: [u8; 256] = {
    let mut digits = [16; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value as usize] as usize] = value;
        digits[b"0123456789ABCDEF"[value as usize] as usize] = value;
        value += 1;
    }
    digits
};

/// Takes the number that `rest` starts with, if it is a word of its own, and the blanks behind it.
#[inline]
pub(super) fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let (value, behind) = number(rest)?;
    *rest = next_word(behind)?;
    Some(value)
}

/// The word or the end of the line behind the blanks that `rest` starts with, if it starts with
/// any of these.
#[inline]
pub(super) fn next_word(rest: &[u8]) -> Option<&[u8]> {
    match rest {
        // Nearly always.
        [b' ', next, ..] if *next > b' ' => Some(&rest[1..]),
        [b' ' | b'\t', ..] => {
            let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t'));
            Some(&rest[blanks.count()..])
        }
        [b'\n', ..] | [] => Some(rest),
        _ => None,
    }
}

pub(super) fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| matches!(byte, b' ' | b'\t'))
        .filter(|word| !word.is_empty())
}

pub(super) fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// `Timerange: Basic block 0 - 28227`.
pub(super) fn time_range(value: &[u8]) -> Option<(u64, u64)> {
    let range = value.strip_prefix(b"Timerange: Basic block ")?;
    let (first, rest) = number(range)?;
    let (last, _) = number(rest.strip_prefix(b" - ")?)?;
    Some((first, last))
}

/// Adds `values` to what was stated before, if anything was.
pub(super) fn accumulate(sums: &mut Option<Vec<u64>>, values: Vec<u64>) -> Option<()> {
    let summed = match sums.take() {
        None => values,
        Some(sums) => sums
            .iter()
            .zip(&values)
            .map(|(a, b)| a.checked_add(*b))
            .collect::<Option<_>>()?,
    };
    *sums = Some(summed);
    Some(())
}

pub(super) fn syntax(line: u64, expected: &'static str, found: &[u8]) -> ProfileError {
    let end = memchr(b'\n', found)
        .unwrap_or(found.len())
        .min(QUOTED_BYTES_MAX);
    let found = String::from_utf8_lossy(&found[..end])
        .escape_debug()
        .to_string();
    ProfileError::Syntax {
        line,
        expected,
        found,
    }
}
