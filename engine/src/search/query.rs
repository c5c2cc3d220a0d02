//! What is looked for: words, phrases, prefixes, and what must not be there.
//!
//! ```text
//! query   = clause { clause }
//! clause  = [ "-" ] [ field ":" ] ( word [ "*" ] | '"' text '"' [ "*" ] )
//! field   = "key" | "value" | "name" | "attribute"
//! ```
//!
//! The syntax is a part of SQLite FTS5's, and what people type elsewhere. `timeout` is a word,
//! `"tool call"` a phrase, `time*` all words that begin so, `"tool ca"*` a phrase whose last word
//! begins so, `key:agent` a word of the key, and `-debug` must not be there. A word that is several
//! [tokens](super::tokens), as `tool_call` is, is a phrase. What is no word is passed over.
//!
//! A query is checked before any work is done: its bytes and words have caps, and what it may cost is
//! [limited](Limits), so that a hostile one is an error and not a load.

use super::document::Field;
use super::error::QueryError;
use super::tokens::tokens;
use crate::run::RunId;

/// The longest query, in bytes.
pub const QUERY_BYTES_MAX: usize = 4 << 10;

/// How many tokens a query has at most, all clauses together.
pub const QUERY_TOKENS_MAX: usize = 64;

/// How many hits a search gives at most.
pub const HITS_MAX: usize = 1000;

/// What a search may cost before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many words a prefix stands for.
    pub expansions: usize,
    /// How many postings are read: a document in which a word is, and of phrases each place. A million
    /// takes some 5 to 10 ms.
    pub postings: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            expansions: 1024,
            postings: 4 << 20,
        }
    }
}

/// A query, read and within its caps; see the [module](self).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub(super) clauses: Vec<Clause>,
    pub(super) is_any: bool,
    pub(super) limit: usize,
    pub(super) within: Option<String>,
    pub(super) key_prefix: Vec<u8>,
    pub(super) run: Option<RunId>,
    pub(super) limits: Limits,
}

/// One thing that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clause {
    /// One after the other in the text; at least one.
    pub tokens: Vec<String>,
    /// Whether the last is the beginning of a word.
    pub is_prefix: bool,
    /// Where; absent for anywhere.
    pub field: Option<Field>,
    /// Whether it must not be there.
    pub is_excluded: bool,
}

impl Query {
    /// Reads a query. All of its clauses have to be found in a document, and the ten best are given.
    ///
    /// # Errors
    /// [`QueryError`] where nothing could be found by it, or it is above a cap.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.len() > QUERY_BYTES_MAX {
            return Err(QueryError::TooLong { len: text.len() });
        }
        let mut clauses = Vec::new();
        let mut rest = text;
        loop {
            rest = rest.trim_start();
            if rest.is_empty() {
                break;
            }
            let at = text.len() - rest.len();
            clauses.extend(clause(&mut rest, at)?);
        }
        let count = clauses.iter().map(|it: &Clause| it.tokens.len()).sum();
        if count > QUERY_TOKENS_MAX {
            return Err(QueryError::TooManyWords { count });
        }
        if clauses.iter().all(|it| it.is_excluded) {
            let first = clauses.first().ok_or(QueryError::Empty)?;
            return Err(QueryError::OnlyExcludes(first.tokens.join(" ")));
        }
        Ok(Self {
            clauses,
            is_any: false,
            limit: 10,
            within: None,
            key_prefix: Vec::new(),
            run: None,
            limits: Limits::default(),
        })
    }

    /// One clause that is found is enough; the more of them, the better.
    #[must_use]
    pub fn any(mut self) -> Self {
        self.is_any = true;
        self
    }

    /// Gives at most so many hits, up to [`HITS_MAX`].
    #[must_use]
    pub fn limit(mut self, hits: usize) -> Self {
        self.limit = hits.min(HITS_MAX);
        self
    }

    /// Only documents of the keyspace of this name.
    #[must_use]
    pub fn within(mut self, keyspace: &str) -> Self {
        self.within = Some(keyspace.to_owned());
        self
    }

    /// Only documents whose keys begin with `prefix`.
    #[must_use]
    pub fn key_prefix(mut self, prefix: &[u8]) -> Self {
        self.key_prefix = prefix.to_vec();
        self
    }

    /// Only what belongs to a run: see [`Search::over_runs`](super::Search::over_runs).
    #[must_use]
    pub fn run(mut self, run: RunId) -> Self {
        self.run = Some(run);
        self
    }

    /// What it may cost.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

/// Takes a clause from the beginning of `rest`, which lies at byte `at` of the query. `None` of one
/// that has no token.
fn clause(rest: &mut &str, at: usize) -> Result<Option<Clause>, QueryError> {
    let whole = *rest;
    let is_excluded = rest
        .strip_prefix('-')
        .inspect(|after| *rest = after)
        .is_some();
    let mut field = None;
    for one in Field::ALL {
        let after = rest.strip_prefix(one.name());
        if let Some(after) = after.and_then(|it| it.strip_prefix(':')) {
            field = Some(one);
            *rest = after;
            break;
        }
    }
    let quoted_at = at + whole.len() - rest.len();
    let (text, is_prefix);
    if let Some(after) = rest.strip_prefix('"') {
        let (quoted, after) = after
            .split_once('"')
            .ok_or(QueryError::Unclosed { at: quoted_at })?;
        text = quoted;
        is_prefix = after.starts_with('*');
        *rest = after.strip_prefix('*').unwrap_or(after);
    } else {
        let end = rest.find(|c: char| c.is_whitespace() || c == '"');
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        text = word.trim_end_matches('*');
        is_prefix = text.len() < word.len();
        *rest = after;
    }
    let mut found = Vec::new();
    tokens(text.as_bytes(), 0, |_, token| found.push(token.to_owned()));
    // `a-*` is the word `a`: what begins after the hyphen has no beginning yet.
    let is_prefix = is_prefix && text.ends_with(|c: char| !c.is_ascii() || c.is_alphanumeric());
    Ok((!found.is_empty()).then_some(Clause {
        tokens: found,
        is_prefix,
        field,
        is_excluded,
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<Clause> {
        Query::parse(text).unwrap().clauses
    }

    fn word(tokens: &[&str]) -> Clause {
        Clause {
            tokens: tokens.iter().map(|token| (*token).to_owned()).collect(),
            is_prefix: false,
            field: None,
            is_excluded: false,
        }
    }

    #[test]
    fn words_phrases_prefixes_fields_and_exclusions_are_read() {
        let begins = |tokens: &[&str]| Clause {
            is_prefix: true,
            ..word(tokens)
        };
        assert_eq!(read("a B"), [word(&["a"]), word(&["b"])]);
        assert_eq!(read("\"Tool  call\""), [word(&["tool", "call"])]);
        assert_eq!(read("time*"), [begins(&["time"])]);
        assert_eq!(
            read("\"tool ca\"* x"),
            [begins(&["tool", "ca"]), word(&["x"])]
        );
        assert_eq!(read("tool_call"), [word(&["tool", "call"])]);
        assert_eq!(read("a\"b c\""), [word(&["a"]), word(&["b", "c"])]);
        let key = Clause {
            field: Some(Field::Key),
            ..word(&["agent"])
        };
        assert_eq!(read("key:agent"), [key]);
        let not_value = Clause {
            field: Some(Field::Value),
            is_excluded: true,
            ..word(&["debug", "on"])
        };
        assert_eq!(read("x -value:\"debug on\""), [word(&["x"]), not_value]);
    }

    #[test]
    fn what_looks_like_syntax_and_is_none_is_text() {
        assert_eq!(read("http://x.org"), [word(&["http", "x", "org"])]);
        assert_eq!(read("a*b"), [word(&["a", "b"])]);
        assert_eq!(read("a-* !? -"), [word(&["a"])]);
        assert_eq!(read("well-known"), [word(&["well", "known"])]);
    }

    #[test]
    fn what_finds_nothing_is_an_error() {
        for text in ["", "  ", "!?", "\"\"", "*", "-", "key:", "-\"\"", "\u{301}"] {
            assert_eq!(Query::parse(text), Err(QueryError::Empty), "{text:?}");
        }
        assert_eq!(
            Query::parse("-a -b"),
            Err(QueryError::OnlyExcludes("a".into()))
        );
        assert_eq!(Query::parse("a \"b"), Err(QueryError::Unclosed { at: 2 }));
        assert_eq!(Query::parse("-key:\""), Err(QueryError::Unclosed { at: 5 }));
    }

    #[test]
    fn a_query_equal_to_a_cap_is_read_and_one_above_is_an_error() {
        let words = "a ".repeat(QUERY_TOKENS_MAX);
        assert_eq!(read(&words).len(), QUERY_TOKENS_MAX);
        let count = QUERY_TOKENS_MAX + 1;
        assert_eq!(
            Query::parse(&format!("{words} a")),
            Err(QueryError::TooManyWords { count })
        );
        assert_eq!(read(&"a".repeat(QUERY_BYTES_MAX)).len(), 1);
        let len = QUERY_BYTES_MAX + 1;
        assert_eq!(
            Query::parse(&"a".repeat(len)),
            Err(QueryError::TooLong { len })
        );
    }

    proptest! {
        #[test]
        fn any_text_is_a_query_or_an_error(text in "[\"*:ab -]{0,20}|\\PC{0,40}") {
            if let Ok(query) = Query::parse(&text) {
                prop_assert!(query.clauses.iter().all(|it| !it.tokens.is_empty()));
                prop_assert!(query.clauses.iter().any(|it| !it.is_excluded));
            }
        }
    }
}
