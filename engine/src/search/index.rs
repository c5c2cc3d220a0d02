//! The inverted index: documents, their terms, and the postings of each.
//!
//! ```text
//! change ──► by key: the document that the key had is gone
//!       └──► tokens ──► dictionary ──► postings, under the next number
//! ```
//!
//! Invariants:
//!
//! 1. Documents are numbered in the order of their versions, so that an index that was built at once
//!    and one that was kept in step order equal scores alike.
//! 2. A number is given once. An updated key is a new document; the old one stays in the postings
//!    until more than half of the documents are gone, and is found by nobody.
//! 3. A document that has expired counts for nothing, neither in answers nor in frequencies, from its
//!    time on. Should the clock go back, it counts again, as it is read again.
//! 4. What it says follows from the documents alone. Nothing of it is logged.

use std::collections::BTreeSet;

use hashbrown::HashTable;

use super::dictionary::Dictionary;
use super::document::{Field, Kind};
use super::error::SearchError;
use super::postings::Postings;
use super::tokens::tokens;
use crate::injected_bug::{Bug, injected};
use crate::map::{Hashing, Item};
use crate::run::RunId;

/// So many documents may be gone in any case before the lists are compacted.
const GONE_MIN: usize = if cfg!(test) { 8 } else { 1024 };

/// All documents, and what is in them.
#[derive(Debug, Default)]
pub(super) struct Index {
    hashing: Hashing,
    pub dictionary: Dictionary,
    /// By the number of the term.
    pub postings: Vec<Postings>,
    pub documents: Vec<Document>,
    /// The tokens of each document that counts; 0 of all others.
    pub lengths: Vec<u32>,
    by_key: HashTable<u32>,
    /// How many documents count.
    pub live: usize,
    /// How many tokens these have.
    pub tokens: u64,
    gone: usize,
    /// When documents that count expire.
    expiring: BTreeSet<(u64, u32)>,
    /// When documents that are still there have expired.
    expired: BTreeSet<(u64, u32)>,
    /// Runs that nobody sees: those that are being imported or deleted.
    pub hidden: BTreeSet<RunId>,
    scratch: Scratch,
}

/// What indexing a document needs for a moment.
#[derive(Debug, Default)]
struct Scratch {
    term: Vec<u8>,
    /// Terms and positions.
    found: Vec<(u32, u32)>,
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Document {
    /// Which of the searched keyspaces it is of.
    pub source: u32,
    tokens: u32,
    /// Absent once it is gone.
    pub item: Option<Item>,
}

fn hash(hashing: &Hashing, source: u32, key: &[u8]) -> u64 {
    // The same key of another keyspace lies elsewhere.
    hashing.hash(key) ^ u64::from(source).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Index {
    /// An empty one.
    pub(super) fn new(hashing: Hashing) -> Self {
        Self {
            dictionary: Dictionary::new(hashing.clone()),
            hashing,
            ..Self::default()
        }
    }

    /// Takes in what a key has now, or that it went away. Changes come in the order of their
    /// versions.
    pub(super) fn apply(&mut self, source: u32, kind: Kind, item: Item) -> Result<(), SearchError> {
        if let Some((run, is_hidden)) = kind.hides(&item) {
            if is_hidden {
                self.hidden.insert(run);
            } else {
                self.hidden.remove(&run);
            }
        }
        if !kind.is_document(item.key()) {
            return Ok(());
        }
        self.remove(source, item.key());
        if !item.is_tombstone() {
            self.insert(source, kind, item)?;
        }
        if self.gone > GONE_MIN.max(self.documents.len() / 2) {
            self.compact()?;
        }
        Ok(())
    }

    fn remove(&mut self, source: u32, key: &[u8]) {
        let documents = &self.documents;
        let is_it = |number: &u32| {
            let document = &documents[*number as usize];
            let item = document.item.as_ref();
            document.source == source && item.is_some_and(|item| item.key() == key)
        };
        let Ok(found) = self
            .by_key
            .find_entry(hash(&self.hashing, source, key), is_it)
        else {
            return;
        };
        let (number, _) = found.remove();
        let document = &mut self.documents[number as usize];
        let Some(item) = document.item.take() else {
            return;
        };
        let tokens = document.tokens;
        self.gone += 1;
        let at = (item.expires_us(), number);
        if item.expires_us() != 0 && self.expired.remove(&at) {
            return;
        }
        self.expiring.remove(&at);
        if !injected(Bug::SearchFindsDeleted) {
            self.lengths[number as usize] = 0;
        }
        self.live -= 1;
        self.tokens -= u64::from(tokens);
    }

    fn insert(&mut self, source: u32, kind: Kind, item: Item) -> Result<(), SearchError> {
        let number = u32::try_from(self.documents.len()).unwrap_or(u32::MAX);
        let length = self.read(number, kind, &item)?;
        self.live += 1;
        self.tokens += u64::from(length);
        if item.expires_us() != 0 {
            self.expiring.insert((item.expires_us(), number));
        }
        let key_hash = hash(&self.hashing, source, item.key());
        self.documents.push(Document {
            source,
            tokens: length,
            item: Some(item),
        });
        self.lengths.push(length);
        self.note(key_hash, number);
        Ok(())
    }

    fn note(&mut self, key_hash: u64, number: u32) {
        let (documents, hashing) = (&self.documents, &self.hashing);
        self.by_key.insert_unique(key_hash, number, |number| {
            let Document { source, item, .. } = &documents[*number as usize];
            hash(
                hashing,
                *source,
                item.as_ref().map(Item::key).unwrap_or_default(),
            )
        });
    }

    /// Adds the postings of a document, and answers with the number of its tokens.
    fn read(&mut self, number: u32, kind: Kind, item: &Item) -> Result<u32, SearchError> {
        let Self {
            dictionary,
            postings,
            scratch: Scratch { term, found },
            ..
        } = self;
        found.clear();
        let (mut length, mut failed) = (0_u32, None);
        let mut begins = [0_u32; Field::ALL.len()];
        kind.texts(item.key(), item.value(), |field, text| {
            let begin = &mut begins[field as usize];
            let end = tokens(text, *begin, |position, token| {
                field.term(token, term);
                match dictionary.insert(term) {
                    Ok(term) => found.push((term, position)),
                    Err(error) => failed = Some(error),
                }
                length = length.saturating_add(1);
            });
            // No phrase reaches from one text of a field to the next.
            *begin = end.saturating_add(1);
        });
        postings.resize_with(dictionary.len(), Postings::default);
        if let Some(error) = failed {
            return Err(error);
        }
        found.sort_unstable();
        for of_term in found.chunk_by(|(one, _), (next, _)| one == next) {
            let (term, _) = of_term[0];
            let positions = of_term.iter().map(|(_, position)| *position);
            postings[term as usize].push(number, positions);
        }
        // A document of 15 MiB leaves nothing behind.
        found.shrink_to(1 << 16);
        Ok(length)
    }

    /// Whether a document expired by `now_us`, or one that had has not by then.
    pub(super) fn is_due(&self, now_us: u64) -> bool {
        if injected(Bug::SearchIgnoresExpiry) {
            return false;
        }
        let expires = self.expiring.first().is_some_and(|(at, _)| *at <= now_us);
        expires || self.expired.last().is_some_and(|(at, _)| *at > now_us)
    }

    /// Lets documents count or not, as their time says.
    pub(super) fn tick(&mut self, now_us: u64) {
        if !self.is_due(now_us) {
            return;
        }
        while let Some((at, number)) = self.expiring.pop_first() {
            if at > now_us {
                self.expiring.insert((at, number));
                break;
            }
            self.expired.insert((at, number));
            let length = std::mem::take(&mut self.lengths[number as usize]);
            self.live -= 1;
            self.tokens -= u64::from(length);
        }
        while let Some((at, number)) = self.expired.pop_last() {
            if at <= now_us {
                self.expired.insert((at, number));
                break;
            }
            self.expiring.insert((at, number));
            let length = self.documents[number as usize].tokens;
            self.lengths[number as usize] = length;
            self.live += 1;
            self.tokens += u64::from(length);
        }
    }

    /// Lets go of documents that are gone, and of terms that nobody has. Nothing is tokenised again.
    fn compact(&mut self) -> Result<(), SearchError> {
        let old = std::mem::replace(self, Self::new(self.hashing.clone()));
        let mut numbers = Vec::with_capacity(old.documents.len());
        for (document, length) in old.documents.into_iter().zip(old.lengths) {
            let number = u32::try_from(self.documents.len()).unwrap_or(u32::MAX);
            let Some(item) = &document.item else {
                numbers.push(None);
                continue;
            };
            numbers.push(Some(number));
            let key_hash = hash(&self.hashing, document.source, item.key());
            self.documents.push(document);
            self.lengths.push(length);
            self.note(key_hash, number);
        }
        let renumber = |times: BTreeSet<(u64, u32)>| {
            let times = times.into_iter();
            let times = times.filter_map(|(at, number)| Some((at, numbers[number as usize]?)));
            times.collect()
        };
        self.expiring = renumber(old.expiring);
        self.expired = renumber(old.expired);
        (self.live, self.tokens) = (old.live, old.tokens);
        self.hidden = old.hidden;
        for (term, list) in (0_u32..).zip(old.postings) {
            let mut kept = Postings::default();
            for posting in list.iter() {
                let Some(number) = numbers[posting.document as usize] else {
                    continue;
                };
                if injected(Bug::SearchCompactionForgetsPlaces) {
                    kept.push(number, posting.positions().take(1));
                } else {
                    kept.push(number, posting.positions());
                }
            }
            if kept.len() > 0 {
                kept.shrink();
                self.dictionary.insert(old.dictionary.text(term))?;
                self.postings.push(kept);
            }
        }
        Ok(())
    }

    /// Gives back what growing took too much.
    pub(super) fn shrink(&mut self) {
        self.postings.iter_mut().for_each(Postings::shrink);
        self.postings.shrink_to_fit();
        self.documents.shrink_to_fit();
        self.lengths.shrink_to_fit();
    }

    /// Documents, terms, postings, occurrences, and the memory of all, keys and values not included:
    /// these are the keyspace's own.
    pub(super) fn stats(&self) -> Stats {
        let lists = || self.postings.iter();
        let list_bytes: usize = lists().map(Postings::bytes).sum();
        let spare = self.postings.capacity() - self.postings.len();
        let documents = self.documents.capacity() * size_of::<Document>()
            + self.lengths.capacity() * size_of::<u32>()
            + self.by_key.allocation_size()
            // A B-tree's nodes are at least half full.
            + (self.expiring.len() + self.expired.len()) * 2 * size_of::<(u64, u32)>();
        Stats {
            documents: self.live,
            gone: self.gone,
            terms: self.dictionary.len(),
            postings: lists().map(|list| list.len() as u64).sum(),
            occurrences: lists().map(Postings::occurrences).sum(),
            postings_bytes: list_bytes + spare * size_of::<Postings>(),
            terms_bytes: self.dictionary.bytes(),
            documents_bytes: documents,
        }
    }
}

/// What an index holds. Its memory is what it has taken, beside keys and values: these are the
/// keyspace's own, and are not copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Documents that can be found.
    pub documents: usize,
    /// Documents that are gone, and still in the lists.
    pub gone: usize,
    /// Terms: different words, in keys and in values.
    pub terms: usize,
    /// Pairs of a term and a document.
    pub postings: u64,
    /// Places in which terms are.
    pub occurrences: u64,
    /// The memory of the lists.
    pub postings_bytes: usize,
    /// The memory of the terms.
    pub terms_bytes: usize,
    /// The memory of the documents' numbers, lengths and times.
    pub documents_bytes: usize,
}
