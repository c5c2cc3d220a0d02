//! Search: words, phrases and prefixes in keys, values, events and spans, the best first.
//!
//! ```text
//! commit ──► sequencer's lock: changes, whole ──► pending ─┐ after the lock, by the writer
//! open ────► keyspaces as they are at one LSN ─────────────┴► index: dictionary, postings
//! search ──► what is pending first ──► clauses ──► BM25 ──► the best
//! ```
//!
//! ```
//! use engine::Engine;
//! use engine::search::{Query, Search};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::in_memory();
//! let notes = engine.keyspace("notes")?;
//! notes.put(b"run/7/step/1", b"the tool call timed out")?;
//! let search = Search::over(&engine, [&notes])?;
//! notes.put(b"run/7/step/2", b"call the tool again")?;
//!
//! let keys = |query: &str| -> Result<Vec<_>, Box<dyn std::error::Error>> {
//!     let found = search.search(&Query::parse(query)?)?;
//!     Ok(found.hits.iter().map(|hit| hit.key().to_vec()).collect())
//! };
//! assert_eq!(keys("tool call")?.len(), 2);
//! assert_eq!(keys("\"tool call\"")?, [b"run/7/step/1"]);
//! assert_eq!(keys("time* -again")?, [b"run/7/step/1"]);
//! assert_eq!(keys("key:step aga*")?, [b"run/7/step/2"]);
//! # Ok(())
//! # }
//! ```
//!
//! Invariants:
//!
//! 1. A search sees every commit that was there when it began, whole, and of no commit a part.
//!    What is given up or refused is never seen. What power loss takes back was seen, as by all reads.
//! 2. The index follows from the keyspaces. Nothing of it is logged or saved: [`Search::over`] builds
//!    it, after every opening, and one that is built equals one that was kept in step, to the last bit
//!    of a score.
//! 3. Under the sequencer's lock a change is noted and nothing else: text is read after it, by whoever
//!    wrote. Who writes keyspaces that nobody searches pays the load of one flag.
//! 4. A search does bounded work, see [`Limits`]. It keeps no writer waiting in the sequencer, and a
//!    writer waits for searches only where more than [`PENDING_MAX`] changes, or
//!    [`PENDING_BYTES_MAX`], are pending.
//!
//! # Why not a library
//!
//! Text is segmented and normalised by kept libraries, see [`tokens`]. For the index, tantivy was
//! weighed, as the best kept one. It makes a change visible by committing a segment and opening a new
//! reader, milliseconds each time, on threads of its own; here a change is visible with its
//! transaction, 8 bytes that are noted under a lock. It keeps stored copies and files that would have
//! to be brought in step with the log after a crash, where here nothing is kept; it brings some 100
//! packages, and counts of instructions that depend on its threads. SQLite's FTS5 is visible with a
//! transaction, and of its own, not of the engine's. BM25 is one line.
//!
//! Deliberately absent: stemming and stop words, which suit one language and no identifiers; an index
//! on disk.

mod dictionary;
mod document;
mod error;
mod index;
mod pending;
mod phrase;
mod postings;
mod query;
mod rank;
#[cfg(test)]
mod tests;
mod tokens;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

pub use self::document::Field;
use self::document::Kind;
pub use self::error::{QueryError, SearchError};
use self::index::Document;
pub use self::index::Stats;
use self::pending::Kept;
pub use self::pending::{PENDING_BYTES_MAX, PENDING_MAX};
pub use self::query::{HITS_MAX, Limits, QUERY_BYTES_MAX, QUERY_TOKENS_MAX, Query};
pub use self::tokens::TOKEN_BYTES_MAX;
use crate::engine::{Engine, Keyspace, Observer};
use crate::map::Item;
use crate::run::{RunId, Runs};
use crate::wal::Lsn;

/// An index over keyspaces of an engine, which is kept in step for as long as the handle lives. Clones
/// are handles to the same one.
#[derive(Clone)]
pub struct Search {
    engine: Engine,
    kept: Arc<Kept>,
    keyspaces: Arc<Vec<Keyspace>>,
    /// How each of them is read.
    kinds: Arc<[Kind]>,
}

impl fmt::Debug for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Search")
            .field("keyspaces", &self.keyspaces)
            .finish_non_exhaustive()
    }
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The best documents, the best first.
    pub hits: Vec<Hit>,
    /// How many there are in all.
    pub total: usize,
    /// The state that was searched holds at least all records below.
    pub lsn: Lsn,
}

/// A document that was found.
#[derive(Debug, Clone)]
pub struct Hit {
    keyspace: Keyspace,
    item: Item,
    run: Option<RunId>,
    /// How well it fits, by BM25; above 0, and comparable within one search.
    pub score: f64,
}

impl Hit {
    /// The run that the document belongs to.
    #[must_use]
    pub fn run(&self) -> Option<RunId> {
        self.run
    }

    /// The texts of the document, in which words were looked for, and their fields.
    #[must_use]
    pub fn texts(&self) -> Vec<(Field, Vec<u8>)> {
        let mut texts = Vec::new();
        let kind = Kind::of(&self.keyspace);
        kind.texts(self.key(), self.value(), |field, text| {
            texts.push((field, text.to_vec()));
        });
        texts
    }

    /// The keyspace of the document.
    #[must_use]
    pub fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }
}

/// Key, value and version of the document, as they were searched.
impl Deref for Hit {
    type Target = Item;

    fn deref(&self) -> &Item {
        &self.item
    }
}

impl PartialEq for Hit {
    fn eq(&self, other: &Self) -> bool {
        self.keyspace.name() == other.keyspace.name()
            && self.item.as_bytes() == other.item.as_bytes()
            && self.item.version() == other.item.version()
            && self.score.to_bits() == other.score.to_bits()
    }
}

impl Search {
    /// Builds the index of `keyspaces` as they are now, and keeps it in step from here on. A keyspace
    /// that is given twice counts once.
    ///
    /// Building reads all keys and values, 100,000 documents of 50 words in a second or two. Writers go
    /// on meanwhile, until more than [`PENDING_MAX`] of their changes are pending.
    ///
    /// # Errors
    /// [`SearchError::NoKeyspace`] of a handle of another engine, [`SearchError::TooManyTerms`] where
    /// there are more words than an index holds.
    pub fn over<'k>(
        engine: &Engine,
        keyspaces: impl IntoIterator<Item = &'k Keyspace>,
    ) -> Result<Self, SearchError> {
        let mut searched: Vec<Keyspace> = Vec::new();
        for keyspace in keyspaces {
            let is_known = searched.iter().any(|it| it.name() == keyspace.name());
            if !is_known || !keyspace.is_of(engine) {
                searched.push(keyspace.clone());
            }
        }
        let kinds: Vec<_> = searched.iter().map(Kind::of).collect();
        let ids = searched.iter().map(Keyspace::id);
        let kept = Arc::new(Kept::new(
            engine.hashing(),
            ids.zip(kinds.iter().copied()).collect(),
        ));
        // Nobody reads the index before it is built, and changes wait from the view on.
        let mut building = kept.index();
        let observer: Arc<dyn Observer> = Arc::clone(&kept) as _;
        let views = engine.observe(&searched, &observer);
        let views = views.map_err(|name| SearchError::NoKeyspace { name })?;
        let mut items = Vec::new();
        for (source, view) in (0..).zip(&views) {
            view.for_each(|item| items.push((source, item.clone())));
        }
        building.build(&kinds, items)?;
        drop(building);
        Ok(Self {
            engine: engine.clone(),
            kept,
            keyspaces: Arc::new(searched),
            kinds: kinds.into(),
        })
    }

    /// As [`over`](Self::over), of what runs have: their names, tags and metadata, events, the newest
    /// values of cells, keys and spans. A run that is being imported or deleted is not found.
    ///
    /// # Errors
    /// As for [`over`](Self::over).
    pub fn over_runs(runs: &Runs) -> Result<Self, SearchError> {
        Self::over(runs.engine(), runs.searched())
    }

    fn run_of(&self, document: &Document) -> Option<RunId> {
        let key = document.item.as_ref()?.key();
        self.kinds[document.source as usize].run_of(key)
    }

    /// Finds the documents that a query means.
    ///
    /// # Errors
    /// [`SearchError`] where the query would cost more than its [`Limits`], or is for a keyspace that
    /// is not searched.
    pub fn search(&self, query: &Query) -> Result<Found, SearchError> {
        let source = match &query.within {
            None => None,
            Some(name) => {
                let source = self.keyspaces.iter().position(|it| it.name() == name);
                let name = name.clone();
                let source = source.ok_or(SearchError::NotSearched { name })?;
                Some(u32::try_from(source).unwrap_or(u32::MAX))
            }
        };
        // Under the sequencer's lock: whoever committed before has noted what it changed.
        let lsn = self.engine.next_lsn();
        let index = self.kept.read(self.engine.now_us());
        if let Some(error) = index.failed() {
            return Err(error.clone());
        }
        let (best, total) = rank::best(&index, query, &self.kinds, source)?;
        let hit = |(number, score): (u32, f64)| {
            let document = &index.documents[number as usize];
            Some(Hit {
                keyspace: self.keyspaces[document.source as usize].clone(),
                item: document.item.clone()?,
                score,
                run: self.run_of(document),
            })
        };
        let hits = best.into_iter().filter_map(hit).collect();
        Ok(Found { hits, total, lsn })
    }

    /// The keyspaces that are searched.
    #[must_use]
    pub fn keyspaces(&self) -> &[Keyspace] {
        &self.keyspaces
    }

    /// What the index holds, and its memory.
    #[must_use]
    pub fn stats(&self) -> Stats {
        // As for a search.
        let _ = self.engine.next_lsn();
        self.kept.read(self.engine.now_us()).stats()
    }
}
