//! The terms that documents have: a number for each, by hash, and those with a prefix, by order.
//!
//! ```text
//! text     key·run │ value·timeout │ …           all terms in one piece of memory
//! numbers  hash ──► number ──► where its text lies
//! order    sorted run │ half as long │ … │ the newest, unsorted
//! ```
//!
//! A term is looked up for every token of every document, and its order is asked for by a prefix
//! alone. So points go by hash, and order costs a share of a sort: the newest terms are sorted into
//! runs, and of two runs of similar length one is made. A prefix is looked for in each.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::error::SearchError;
use crate::injected_bug::{Bug, injected};
use crate::map::Hashing;

/// How many terms are unsorted.
const UNSORTED_MAX: usize = 256;

/// How many bytes the texts of all terms may have.
const TEXT_BYTES_MAX: usize = u32::MAX as usize;

/// Terms, which are byte strings, and their numbers: 0, 1, 2, …
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    hashing: Hashing,
    text: Vec<u8>,
    /// Where the text of each term ends.
    ends: Vec<u32>,
    numbers: HashTable<u32>,
    /// Sorted, each at least twice as long as the next.
    runs: Vec<Vec<u32>>,
    unsorted: Vec<u32>,
}

/// The text of a term.
fn text_of<'a>(text: &'a [u8], ends: &[u32], number: u32) -> &'a [u8] {
    let at = number as usize;
    let begin = at.checked_sub(1).map_or(0, |before| ends[before]);
    &text[begin as usize..ends[at] as usize]
}

impl Dictionary {
    /// An empty one, in which terms are hashed as the engine hashes keys: both come from the same
    /// hands.
    pub(super) fn new(hashing: Hashing) -> Self {
        Self {
            hashing,
            ..Self::default()
        }
    }

    /// How many terms there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The number of a term that is there.
    pub(super) fn get(&self, term: &[u8]) -> Option<u32> {
        let is_term = |number: &u32| text_of(&self.text, &self.ends, *number) == term;
        self.numbers.find(self.hashing.hash(term), is_term).copied()
    }

    /// The text of a term.
    pub(super) fn text(&self, number: u32) -> &[u8] {
        text_of(&self.text, &self.ends, number)
    }

    /// The number of a term, which is taken in where it is new.
    pub(super) fn insert(&mut self, term: &[u8]) -> Result<u32, SearchError> {
        let Self {
            text,
            ends,
            numbers,
            hashing,
            ..
        } = self;
        let is_term = |number: &u32| text_of(text, ends, *number) == term;
        let rehash = |number: &u32| hashing.hash(text_of(text, ends, *number));
        let number = match numbers.entry(hashing.hash(term), is_term, rehash) {
            Entry::Occupied(number) => return Ok(*number.get()),
            Entry::Vacant(place) => {
                let end = text.len() + term.len();
                let number = u32::try_from(ends.len()).ok();
                let end = u32::try_from(end).ok();
                let (Some(number), Some(end)) = (number, end) else {
                    return Err(SearchError::TooManyTerms {
                        bytes: TEXT_BYTES_MAX,
                    });
                };
                place.insert(number);
                text.extend_from_slice(term);
                ends.push(end);
                number
            }
        };
        self.unsorted.push(number);
        if self.unsorted.len() >= UNSORTED_MAX {
            self.sort();
        }
        Ok(number)
    }

    /// Makes a run of the unsorted terms, and one of runs of similar length.
    fn sort(&mut self) {
        let mut run = std::mem::take(&mut self.unsorted);
        run.sort_unstable_by(|a, b| self.text(*a).cmp(self.text(*b)));
        while let Some(before) = self.runs.pop_if(|before| before.len() < 2 * run.len()) {
            run = self.merge(&before, &run);
        }
        self.runs.push(run);
    }

    fn merge(&self, one: &[u32], other: &[u32]) -> Vec<u32> {
        let mut merged = Vec::with_capacity(one.len() + other.len());
        let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
        while let (Some(a), Some(b)) = (one.peek(), other.peek()) {
            let is_first = self.text(**a) < self.text(**b);
            let next = if is_first { one.next() } else { other.next() };
            merged.extend(next);
        }
        merged.extend(one);
        merged.extend(other);
        merged
    }

    /// The terms that begin with `prefix`, in no order; at most `max`, and `None` where there are more.
    pub(super) fn with_prefix(&self, prefix: &[u8], max: usize) -> Option<Vec<u32>> {
        let mut found = Vec::new();
        for run in &self.runs {
            let begin = run.partition_point(|number| self.text(*number) < prefix);
            let rest = run[begin..].iter().copied();
            let rest = rest.take_while(|number| self.text(*number).starts_with(prefix));
            found.extend(rest.take((max + 1).saturating_sub(found.len())));
        }
        if !injected(Bug::SearchPrefixMissesNewest) {
            let newest = self.unsorted.iter().copied();
            found.extend(newest.filter(|number| self.text(*number).starts_with(prefix)));
        }
        (found.len() <= max).then_some(found)
    }

    /// The memory that it has taken, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let numbers = self.ends.capacity() + self.unsorted.capacity();
        let runs: usize = self.runs.iter().map(Vec::capacity).sum();
        self.text.capacity() + self.numbers.allocation_size() + 4 * (numbers + runs)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn terms_are_found_by_text_and_by_prefix(
            terms in prop::collection::vec("[ab]{0,6}", 0..600),
            prefix in "[ab]{0,3}",
        ) {
            let mut dictionary = Dictionary::default();
            let mut known = BTreeSet::new();
            for term in &terms {
                let number = dictionary.insert(term.as_bytes()).unwrap();
                prop_assert_eq!(dictionary.text(number), term.as_bytes());
                known.insert(term.as_str());
            }
            prop_assert_eq!(dictionary.len(), known.len());
            prop_assert_eq!(dictionary.get(b"c"), None);
            let found = dictionary.with_prefix(prefix.as_bytes(), usize::MAX - 1).unwrap();
            let found: Vec<_> = found.iter().map(|number| dictionary.text(*number)).collect();
            let unique: BTreeSet<_> = found.iter().copied().collect();
            prop_assert_eq!(unique.len(), found.len());
            let expected = known.iter().filter(|term| term.starts_with(&prefix));
            let expected: BTreeSet<_> = expected.map(|term| term.as_bytes()).collect();
            prop_assert_eq!(unique, expected);
        }
    }

    #[test]
    fn a_thousand_terms_lie_in_few_runs_and_a_cap_counts_all_of_them() {
        let mut dictionary = Dictionary::default();
        for number in 0..10_000 {
            dictionary.insert(format!("t{number}").as_bytes()).unwrap();
        }
        assert!(dictionary.runs.len() <= 8, "{} runs", dictionary.runs.len());
        let found = |max| dictionary.with_prefix(b"t", max).map(|found| found.len());
        assert_eq!(found(10_000), Some(10_000));
        assert_eq!(found(9_999), None);
        assert_eq!(found(0), None);
        assert_eq!(
            dictionary.with_prefix(b"t999", 11).map(|found| found.len()),
            Some(11)
        );
    }
}
