//! What can go wrong with a search. Each error says what, and what to do about it.

use super::query::{QUERY_BYTES_MAX, QUERY_TOKENS_MAX};

/// A text that is no query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// Nothing in it could be found: it has no letter and no digit.
    #[error("the query has no word; give a word, `\"a phrase\"` or `begin*`")]
    Empty,
    /// It only says what must not be found.
    #[error("the query only excludes; give a word to look for beside `-{0}`")]
    OnlyExcludes(String),
    /// A quotation mark without its partner.
    #[error("the quotation mark at byte {at} is not closed; add `\"`")]
    Unclosed {
        /// Where it is.
        at: usize,
    },
    /// Above the cap.
    #[error("the query has {len} bytes; queries have at most {QUERY_BYTES_MAX}")]
    TooLong {
        /// How many it has.
        len: usize,
    },
    /// Above the cap.
    #[error("the query has {count} words; queries have at most {QUERY_TOKENS_MAX}")]
    TooManyWords {
        /// How many it has.
        count: usize,
    },
}

/// A search has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// A prefix begins too many words.
    #[error(
        "`{prefix}*` begins more than {max} words; give a longer prefix, or raise `expansions`"
    )]
    TooManyExpansions {
        /// The prefix.
        prefix: String,
        /// How many it may begin.
        max: usize,
    },
    /// The words of the query are in too many places.
    #[error(
        "the query's words are in {postings} places or more, above the limit of {max}; give rarer \
         words, or raise `postings`"
    )]
    TooMuchWork {
        /// How many places there are, as far as they were counted.
        postings: u64,
        /// The limit.
        max: u64,
    },
    /// The handle is of another engine, or of a transaction that did not commit.
    #[error("the keyspace `{name}` is not of this engine, or was never committed")]
    NoKeyspace {
        /// Its name.
        name: String,
    },
    /// A keyspace that is not part of the index.
    #[error("the keyspace `{name}` is not searched; open the search over it")]
    NotSearched {
        /// Its name.
        name: String,
    },
    /// The index holds no further words, so it no longer says all that its keyspaces do.
    #[error("the words of all documents have more than {bytes} bytes; search fewer keyspaces")]
    TooManyTerms {
        /// The limit.
        bytes: usize,
    },
}
