//! Where the functions of a source file begin and end.
//!
//! Debug information knows the lines that execute. Which function an attribute, a deleted line or
//! a declaration belongs to, only the source says. It is read as tokens, by the crate that
//! procedural macros read tokens with: no grammar is needed to find `fn name … { … }`, and no
//! nesting is deep enough to exhaust a stack.

use std::str::FromStr as _;

use proc_macro2::{Delimiter, TokenStream, TokenTree, token_stream};

/// A file over this many bytes is not read: nobody wrote it.
const BYTES_MAX: usize = 4 << 20;

/// The functions of a file, in the order in which they begin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FunctionSpans {
    functions: Vec<Extent>,
}

/// From where to where a function goes, its attributes and documentation included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// Its bare name.
    pub name: String,
    /// Its first line.
    pub first: u32,
    /// The line of `fn name`.
    pub head: u32,
    /// Its last line.
    pub last: u32,
}

impl Extent {
    /// Whether a line belongs to the function.
    #[must_use]
    pub const fn contains(&self, line: u32) -> bool {
        self.first <= line && line <= self.last
    }
}

impl FunctionSpans {
    /// Reads a source file. A file that is not Rust has no functions.
    #[must_use]
    pub fn read(text: &str) -> Self {
        if text.len() > BYTES_MAX {
            return Self::default();
        }
        let Ok(tokens) = TokenStream::from_str(text) else {
            return Self::default();
        };
        let mut functions = Vec::new();
        let mut open = vec![Level::new(tokens)];
        while let Some(level) = open.last_mut() {
            match level.next(&mut functions) {
                Some(inner) => open.push(inner),
                None => drop(open.pop()),
            }
        }
        // The positions of all files read so far are kept by thread, until this is called.
        proc_macro2::extra::invalidate_current_thread_spans();
        functions.sort_by_key(|it| (it.first, std::cmp::Reverse(it.last)));
        Self { functions }
    }

    /// The functions, each before those that lie in it.
    #[must_use]
    pub fn functions(&self) -> &[Extent] {
        &self.functions
    }

    /// The innermost function that a line belongs to.
    #[must_use]
    pub fn function_at(&self, line: u32) -> Option<&Extent> {
        let around = self.functions.iter().filter(|it| it.contains(line));
        around.min_by_key(|it| it.last - it.first)
    }
}

/// The tokens between one pair of brackets that are still to be read.
struct Level {
    tokens: token_stream::IntoIter,
    /// Where the item or statement at hand began.
    start: Option<u32>,
    /// How much of `fn name` was read.
    function: Function,
    /// How much of `#!` was read: what follows belongs to no item.
    inner: u8,
}

enum Function {
    No,
    Keyword(u32),
    Named(Extent),
}

impl Level {
    fn new(tokens: TokenStream) -> Self {
        Self {
            tokens: tokens.into_iter(),
            start: None,
            function: Function::No,
            inner: 0,
        }
    }

    /// Reads on, up to the next bracket and past it, whose tokens are given.
    fn next(&mut self, found: &mut Vec<Extent>) -> Option<Self> {
        for token in self.tokens.by_ref() {
            let line = number(token.span().start().line);
            let first = *self.start.get_or_insert(line);
            // Behind `fn` stands a name, or it was a type.
            let keyword = match self.function {
                Function::Keyword(head) => Some(head),
                Function::No | Function::Named(_) => None,
            };
            if keyword.is_some() {
                self.function = Function::No;
            }
            let inner = std::mem::take(&mut self.inner);
            match token {
                TokenTree::Group(group) => {
                    let is_brace = group.delimiter() == Delimiter::Brace;
                    if is_brace
                        && let Function::Named(extent) =
                            std::mem::replace(&mut self.function, Function::No)
                    {
                        let last = number(group.span_close().end().line);
                        found.push(Extent { last, ..extent });
                    }
                    if is_brace || inner == 2 {
                        self.start = None;
                    }
                    return Some(Self::new(group.stream()));
                }
                TokenTree::Ident(ident) => {
                    let word = ident.to_string();
                    if let Some(head) = keyword {
                        let name = word.strip_prefix("r#").unwrap_or(&word).to_owned();
                        let last = head;
                        self.function = Function::Named(Extent {
                            name,
                            first,
                            head,
                            last,
                        });
                    } else if word == "fn" && matches!(self.function, Function::No) {
                        self.function = Function::Keyword(line);
                    }
                }
                TokenTree::Punct(mark) => match mark.as_char() {
                    ';' => {
                        self.start = None;
                        self.function = Function::No;
                    }
                    '#' => self.inner = 1,
                    '!' if inner == 1 => self.inner = 2,
                    _ => {}
                },
                TokenTree::Literal(_) => {}
            }
        }
        None
    }
}

fn number(line: usize) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SOURCE: &str = "\
//! What this file is.

use std::fmt;

/// Puts.
#[inline]
pub const fn put(of: fn(u32) -> u32) -> u32 {
    let x = { 3 };
    #[cold]
    fn inner() {}
    x
}

impl fmt::Debug for Log {
    type T = fn(u8) -> u8;
    // Shows.
    fn r#fmt<const N: usize>(
        &self,
    ) -> fmt::Result {
        match self { Self => {} }
    }
}

trait T { fn without_a_body(); }
macro_rules! m { () => { fn made() { 1 } } }
";

    #[test]
    fn functions_are_found_with_their_attributes() {
        let spans = FunctionSpans::read(SOURCE);
        let found: Vec<_> = spans
            .functions()
            .iter()
            .map(|it| (it.name.as_str(), it.first, it.head, it.last))
            .collect();
        assert_eq!(
            found,
            [
                ("put", 5, 7, 12),
                ("inner", 9, 10, 10),
                ("fmt", 17, 17, 21),
                ("made", 25, 25, 25),
            ]
        );
        let at = |line| spans.function_at(line).map(|it| it.name.as_str());
        assert_eq!(
            (at(5), at(9), at(11), at(13), at(1)),
            (Some("put"), Some("inner"), Some("put"), None, None)
        );
    }

    #[test]
    fn what_is_not_rust_has_no_functions() {
        for text in [
            "",
            "fn",
            "fn f",
            "fn f {",
            "}}}",
            "\"open",
            "fn (",
            "fn fn fn {}",
        ] {
            assert!(FunctionSpans::read(text).functions().len() <= 1, "{text}");
        }
    }

    #[test]
    fn no_nesting_exhausts_the_stack() {
        let deep = format!("{}fn f() {{}}{}", "{".repeat(200_000), "}".repeat(200_000));
        assert_eq!(FunctionSpans::read(&deep).functions().len(), 1);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[fn a{}();#!\\[\\]\"'\n/]{0,200}") {
            for it in FunctionSpans::read(&text).functions() {
                prop_assert!(it.first <= it.head && it.head <= it.last);
            }
        }
    }
}
