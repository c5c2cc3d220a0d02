//! The documents in which words stand one after the other.
//!
//! Of a phrase of plain words, the lists are gone through side by side. Where the last word is a prefix
//! it has many lists; then the rarest word gives all places where the phrase may begin, and the others
//! take away those that they do not stand at.

use super::error::SearchError;
use super::index::Index;
use super::postings::{Iter, Posting, Postings};
use super::rank::{Budget, Matches};
use crate::injected_bug::{Bug, injected};

/// A place in a document, as a number that sorts like it.
fn place(document: u32, position: u32) -> u64 {
    u64::from(document) << 32 | u64::from(position)
}

fn document_of(place: u64) -> u32 {
    (place >> 32) as u32
}

/// The documents of a phrase: of each token the lists of its terms. The rarest token gives the places
/// where it may begin, and each other one takes away those that it does not stand at.
pub(super) fn phrase(
    index: &Index,
    tokens: &[Vec<&Postings>],
    budget: &mut Budget,
) -> Result<Matches, SearchError> {
    let cost = |lists: &[&Postings]| lists.iter().map(|list| list.occurrences()).sum::<u64>();
    let mut order: Vec<usize> = (0..tokens.len()).collect();
    order.sort_by_key(|at| cost(&tokens[*at]));
    let Some((first, rest)) = order.split_first() else {
        return Ok(Matches::new());
    };
    if tokens[*first].is_empty() {
        return Ok(Matches::new());
    }
    for lists in tokens {
        budget.spend(cost(lists))?;
    }
    if tokens.iter().all(|lists| lists.len() == 1) {
        let lists = order.iter().map(|at| (tokens[*at][0], offset(*at)));
        return Ok(in_step(index, lists));
    }
    let mut begins = Vec::new();
    for list in &tokens[*first] {
        for posting in list.iter() {
            if index.lengths[posting.document as usize] == 0 {
                continue;
            }
            let positions = posting.positions();
            let begin = positions.filter_map(|it| it.checked_sub(offset(*first)));
            begins.extend(begin.map(|begin| place(posting.document, begin)));
        }
    }
    if tokens[*first].len() > 1 {
        begins.sort_unstable();
    }
    for at in rest {
        let is_there = standing(&begins, &tokens[*at], offset(*at));
        let mut is_there = is_there.into_iter();
        begins.retain(|_| is_there.next() == Some(true));
    }
    let of_document = begins.chunk_by(|a, b| document_of(*a) == document_of(*b));
    let count = |begins: &[u64]| u32::try_from(begins.len()).unwrap_or(u32::MAX);
    Ok(of_document
        .map(|begins| (document_of(begins[0]), count(begins)))
        .collect())
}

/// A list that is gone through in step with others.
struct Cursor<'a> {
    rest: Iter<'a>,
    now: Option<Posting<'a>>,
    /// How far the token stands after the beginning of the phrase.
    offset: u32,
}

impl<'a> Cursor<'a> {
    fn new((list, offset): (&'a Postings, u32)) -> Self {
        let mut rest = list.iter();
        let now = rest.next();
        Self { rest, now, offset }
    }

    /// Goes on to a document, or to the next one after it.
    #[inline]
    fn find(&mut self, document: u32) -> Option<u32> {
        if let Some(now) = &self.now
            && now.document >= document
        {
            return Some(now.document);
        }
        self.now = self.rest.find(|it| it.document >= document);
        Some(self.now.as_ref()?.document)
    }
}

/// Keeps what is in both, which rise.
fn keep_shared(kept: &mut Vec<u32>, other: &[u32]) {
    let mut at = 0;
    kept.retain(|place| {
        while at < other.len() && other[at] < *place {
            at += 1;
        }
        other.get(at) == Some(place)
    });
}

/// The documents of a phrase of which each token is one term: the lists are gone through side by side,
/// the rarest first, and places are read only of documents that have all of them.
fn in_step<'a>(index: &Index, lists: impl Iterator<Item = (&'a Postings, u32)>) -> Matches {
    let mut cursors: Vec<_> = lists.map(Cursor::new).collect();
    let Some((first, others)) = cursors.split_first_mut() else {
        return Matches::new();
    };
    let (mut found, mut begins, mut more) = (Matches::new(), Vec::new(), Vec::new());
    'documents: while let Some(posting) = first.now {
        let document = posting.document;
        first.now = first.rest.next();
        for other in &mut *others {
            match other.find(document) {
                None => return found,
                Some(next) if next > document => continue 'documents,
                Some(_) => {}
            }
        }
        if index.lengths[document as usize] == 0 {
            continue;
        }
        posting.begins(first.offset, &mut begins);
        for other in &*others {
            if let Some(posting) = &other.now {
                posting.begins(other.offset, &mut more);
                keep_shared(&mut begins, &more);
            }
        }
        if !begins.is_empty() {
            found.push((document, u32::try_from(begins.len()).unwrap_or(u32::MAX)));
        }
    }
    found
}

/// How far after the beginning of a phrase a token stands.
fn offset(at: usize) -> u32 {
    let at = if injected(Bug::SearchPhraseIgnoresOrder) {
        0
    } else {
        at
    };
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Of each beginning whether one of `lists` stands at `offset` after it.
fn standing(begins: &[u64], lists: &[&Postings], offset: u32) -> Vec<bool> {
    let mut is_there = vec![false; begins.len()];
    for list in lists {
        let mut at = 0;
        for posting in list.iter() {
            let from = place(posting.document, 0);
            while at < begins.len() && begins[at] < from {
                at += 1;
            }
            if at == begins.len() {
                break;
            }
            if document_of(begins[at]) != posting.document {
                continue;
            }
            let begin = posting.positions().filter_map(|it| it.checked_sub(offset));
            for begin in begin.map(|begin| place(posting.document, begin)) {
                while at < begins.len() && begins[at] < begin {
                    at += 1;
                }
                if begins.get(at) == Some(&begin) {
                    is_there[at] = true;
                }
            }
        }
    }
    is_there
}
