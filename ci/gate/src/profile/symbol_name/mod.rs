//! One spelling for a function, however the compiler, the linker or a profiler decorated it.
//!
//! A function's row in a baseline must still be found after an edit elsewhere, after another
//! inlining decision, and whether the name came from debug information or from the symbol table.
//! So everything goes that is not written in the source:
//!
//! ```text
//! _ZN3wal6encode17h2451ac9e87b38a93E            wal::encode
//! wal::encode::{{closure}}#3                    wal::encode::{closure}
//! alloc::vec::Vec<T,A>::push                    alloc::vec::Vec::push
//! <alloc::vec::Vec<u8>>::push                   alloc::vec::Vec::push
//! core::num::<impl usize>::wrapping_sub         usize::wrapping_sub
//! <wal::Log<D> as core::ops::Drop>::drop        <wal::Log as core::ops::Drop>::drop
//! systrim.constprop.0                           systrim
//! ```
//!
//! Generic arguments go everywhere, because the two mangling schemes differ in them: legacy names
//! the parameter (`T`), v0 the type it stands for. The variant that the C library chose at run
//! time (`__memcpy_sse2_unaligned`) stays: which one ran is a fact worth reading.

/// Deepest nesting of brackets that is understood. Real names have about ten levels.
const DEPTH_MAX: usize = 100;

/// Longest name in bytes that is rewritten; a longer one is hostile and stays as it is.
const NAME_BYTES_MAX: usize = 1 << 16;

/// How often a name is looked at again, since what comes out of one mangling may be another.
const PASSES_MAX: usize = 100;

/// Suffixes of clones and parts that compilers split off a function.
const CLONE_SUFFIXES: [&str; 7] = [
    ".llvm.",
    ".cold",
    ".part",
    ".constprop",
    ".isra",
    ".lto_priv",
    ".localalias",
];

/// The function's normalised name, mangled or not.
///
/// Normalising twice changes nothing. Only the empty name has an empty normal form.
#[must_use]
pub fn normalise(symbol: &str) -> String {
    let mut name = symbol.to_owned();
    for _ in 0..PASSES_MAX {
        let next = pass(&name);
        if next == name {
            break;
        }
        name = next;
    }
    name
}

fn pass(symbol: &str) -> String {
    let bare = without_suffixes(symbol);
    if bare.len() > NAME_BYTES_MAX {
        return bare.to_owned();
    }
    let demangled = rustc_demangle::try_demangle(bare).map(|name| format!("{name:#}"));
    // `_ZNE` is the mangling of no name at all.
    let demangled = demangled.ok().filter(|name| !name.is_empty());
    let demangled = demangled.unwrap_or_else(|| bare.to_owned());
    let bare = without_suffixes(&demangled);
    if bare.len() > NAME_BYTES_MAX || !is_balanced(bare) {
        return bare.to_owned();
    }
    let path = path(bare);
    if path.is_empty() {
        bare.to_owned()
    } else {
        path
    }
}

/// Cuts everything that was appended to a name: by callgrind (`'2`), the linker (`@@GLIBC_2.14`,
/// `[/lib/libc.so.6]`), the optimiser (`.cold`) and the compiler (`::h` and 16 digits).
fn without_suffixes(symbol: &str) -> &str {
    let mut name = symbol;
    loop {
        let shorter = without_suffix(name).trim_end();
        if shorter.is_empty() || shorter.len() == name.len() {
            return name;
        }
        name = shorter;
    }
}

fn without_suffix(name: &str) -> &str {
    if let Some((bare, recursion)) = name.rsplit_once('\'')
        && is_all(recursion, |c| c.is_ascii_digit())
    {
        return bare;
    }
    if let Some((bare, hash)) = name.rsplit_once("::h")
        && hash.len() == 16
        && is_all(hash, |c| c.is_ascii_hexdigit())
    {
        return bare;
    }
    if let Some((bare, object)) = name.rsplit_once(" [")
        && object.ends_with(']')
        && (object.starts_with('/') || object.starts_with("clone "))
    {
        return bare;
    }
    if let Some((bare, version)) = name.split_once('@')
        && is_all(version, |c| c.is_ascii_alphanumeric() || "@._-".contains(c))
    {
        return bare;
    }
    // `.constprop` may stand alone or be followed by a number: `.constprop.0`, `.llvm.1A2B`.
    for suffix in CLONE_SUFFIXES {
        if let Some((bare, number)) = name.rsplit_once(suffix)
            && number
                .chars()
                .all(|c| c.is_ascii_digit() || "ABCDEF@.".contains(c))
        {
            return bare;
        }
    }
    name
}

fn is_all(text: &str, is_allowed: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(is_allowed)
}

/// Whether brackets nest, and not too deeply. They do not in `operator<`, say.
fn is_balanced(name: &str) -> bool {
    let mut open = Vec::new();
    let mut previous = ' ';
    for c in name.chars() {
        match c {
            '<' | '(' | '[' | '{' => open.push(c),
            '>' if previous == '-' || previous == '=' => {}
            '>' | ')' | ']' | '}' if open.pop().is_none_or(|open| closing(open) != c) => {
                return false;
            }
            _ => {}
        }
        if open.len() > DEPTH_MAX {
            return false;
        }
        previous = c;
    }
    open.is_empty()
}

const fn closing(open: char) -> char {
    match open {
        '<' => '>',
        '(' => ')',
        '[' => ']',
        _ => '}',
    }
}

/// Splits a text that starts with a bracket behind that bracket's partner: what is between the
/// two, and what follows.
fn bracketed(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    let mut previous = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '<' | '(' | '[' | '{' => depth += 1,
            '>' if previous == '-' || previous == '=' => {}
            '>' | ')' | ']' | '}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some((&text[1..at], &text[at + c.len_utf8()..]));
                }
            }
            _ => {}
        }
        previous = c;
    }
    None
}

/// A path or type without generic arguments, numbers and disambiguators. Recurses at most
/// [`DEPTH_MAX`] levels, as the caller has checked.
fn path(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after_name = out.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '}');
        if let Some(arguments) = rest.strip_prefix("::").filter(|rest| rest.starts_with('<'))
            && let Some((inner, behind)) = bracketed(arguments)
        {
            // Legacy mangling puts the module in front of an impl; the type says more.
            if let Some(implementation) = inner.strip_prefix("impl ") {
                let start = out.rfind([' ', ',', '(', '[', '<']).map_or(0, |at| at + 1);
                out.truncate(start);
                out.push_str(&self_type(implementation, " for "));
            } else if keeps_type(&out) {
                out.extend(["::<", &path(inner), ">"]);
            }
            rest = behind;
        } else if c == '<'
            && let Some((inner, behind)) = bracketed(rest)
        {
            if !after_name {
                out.push_str(&self_type(inner, " as "));
            } else if keeps_type(&out) {
                out.extend(["::<", &path(inner), ">"]);
            }
            rest = behind;
        } else if c == '{'
            && let Some((inner, behind)) = bracketed(rest)
        {
            out.push_str(&placeholder(inner));
            rest = without_number(behind);
        } else if c == '['
            && after_name
            && let Some((inner, behind)) = bracketed(rest)
            && is_all(inner, |c| c.is_ascii_hexdigit())
        {
            rest = behind;
        } else if c == ',' {
            rest = rest[1..].trim_start();
            out.push_str(if rest.starts_with(')') { "," } else { ", " });
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// Whether a function says nothing without its type: what is dropped is all that tells one glue of drops
/// from another.
fn keeps_type(function: &str) -> bool {
    function.ends_with("::drop_in_place")
}

/// What stands for the type in a path: itself where it is a path, else in angle brackets.
///
/// `inner` is `Type`, or the two sides of an implementation: `Type as Trait`, `Trait for Type`.
fn self_type(inner: &str, separator: &str) -> String {
    if let Some((left, right)) = split_at_top(inner, separator) {
        let (left, right) = (path(left), path(right));
        let (of, implemented) = if separator == " as " {
            (left, right)
        } else {
            (right, left)
        };
        return format!("<{of} as {implemented}>");
    }
    let name = path(inner);
    let is_path = is_all(&name, |c| c.is_alphanumeric() || "_:{}".contains(c));
    if is_path || (name.starts_with('<') && bracketed(&name).is_some()) {
        name
    } else {
        format!("<{name}>")
    }
}

/// Splits at the first `separator` that is inside no bracket.
fn split_at_top<'t>(text: &'t str, separator: &str) -> Option<(&'t str, &'t str)> {
    let mut depth = 0_usize;
    let mut previous = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '<' | '(' | '[' | '{' => depth += 1,
            '>' if previous == '-' || previous == '=' => {}
            '>' | ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ' ' if depth == 0 && text[at..].starts_with(separator) => {
                return Some((&text[..at], &text[at + separator.len()..]));
            }
            _ => {}
        }
        previous = c;
    }
    None
}

/// `{closure}` for `{{closure}}`, `{closure#3}` and `{{closure}}#3`.
fn placeholder(inner: &str) -> String {
    let mut inner = inner;
    while inner.starts_with('{')
        && let Some((inside, behind)) = bracketed(inner)
        && without_number(behind).is_empty()
    {
        inner = inside;
    }
    let name = match inner.rsplit_once('#') {
        Some((name, number)) if is_all(number, |c| c.is_ascii_digit()) => name,
        _ => inner,
    };
    format!("{{{}}}", path(name))
}

/// `text` behind a leading `#` and digits, if there are any.
fn without_number(text: &str) -> &str {
    match text.strip_prefix('#') {
        Some(number) if number.starts_with(|c: char| c.is_ascii_digit()) => {
            number.trim_start_matches(|c: char| c.is_ascii_digit())
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests;
