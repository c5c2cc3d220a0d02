//! The documents that have a term, and where in them: one list a term.
//!
//! ```text
//! once     distance × 2 + 1 │ position
//! more     distance × 2     │ how often │ bytes │ position │ distance │ distance │ …
//! ```
//!
//! All numbers are LEB128: seven bits a byte. The distance is that to the document before, so a term
//! that many documents have takes two or three bytes in each. Lists of up to 16 bytes lie within the
//! term. A reader that does not ask for positions passes over them.
//!
//! A document that goes leaves its postings behind: a reader knows which documents are there, and the
//! index [compacts](super::index) its lists once half of the documents are gone.

use smallvec::SmallVec;

/// The postings of a term.
#[derive(Debug, Default)]
pub(super) struct Postings {
    last: u32,
    len: u32,
    /// How often the term occurs in all documents.
    occurrences: u64,
    bytes: SmallVec<[u8; 16]>,
}

/// A document that has the term.
#[derive(Debug, Clone, Copy)]
pub(super) struct Posting<'a> {
    pub document: u32,
    pub count: u32,
    positions: &'a [u8],
}

/// Appends a number.
fn put(bytes: &mut SmallVec<[u8; 16]>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push((number & 0x7f) as u8);
}

/// How many bytes a number takes.
fn size(number: u64) -> usize {
    let bits = u64::BITS - (number | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// Takes a number from the beginning of `bytes`. They are our own, and in memory.
#[inline]
fn take(bytes: &mut &[u8]) -> u64 {
    // Nearly all numbers are below 128.
    if let Some((byte @ 0..0x80, rest)) = bytes.split_first() {
        *bytes = rest;
        return u64::from(*byte);
    }
    let (mut number, mut shift) = (0, 0);
    while let Some((byte, rest)) = bytes.split_first() {
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
        shift += 7;
    }
    number
}

/// As [`take`], a number of at most 32 bits.
#[inline]
fn take_u32(bytes: &mut &[u8]) -> u32 {
    if let Some((byte @ 0..0x80, rest)) = bytes.split_first() {
        *bytes = rest;
        return u32::from(*byte);
    }
    let (mut number, mut shift) = (0, 0);
    while let Some((byte, rest)) = bytes.split_first() {
        *bytes = rest;
        number |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
        shift += 7;
    }
    number
}

/// The distances between positions that rise; the first from 0.
fn distances(positions: impl Iterator<Item = u32>) -> impl Iterator<Item = u64> {
    positions.scan(0, |last, position| {
        let distance = position - std::mem::replace(last, position);
        Some(u64::from(distance))
    })
}

impl Postings {
    /// Adds a document above all others, with the positions of the term in it, which rise.
    pub(super) fn push(&mut self, document: u32, positions: impl Iterator<Item = u32> + Clone) {
        let distance = u64::from(document - self.last);
        let (mut count, mut len) = (0_u32, 0);
        for distance in distances(positions.clone()) {
            count += 1;
            len += size(distance);
        }
        if count == 1 {
            put(&mut self.bytes, distance << 1 | 1);
        } else {
            put(&mut self.bytes, distance << 1);
            put(&mut self.bytes, count.into());
            put(&mut self.bytes, len as u64);
        }
        for distance in distances(positions) {
            put(&mut self.bytes, distance);
        }
        self.last = document;
        self.len += 1;
        self.occurrences += u64::from(count);
    }

    /// How many documents have the term, those that are gone included.
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    /// How often the term occurs in them.
    pub(super) fn occurrences(&self) -> u64 {
        self.occurrences
    }

    /// The documents, in the order of their numbers.
    pub(super) fn iter(&self) -> Iter<'_> {
        Iter {
            rest: &self.bytes,
            last: 0,
        }
    }

    /// Gives unused memory back.
    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// The memory of it, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let heap = if self.bytes.spilled() {
            self.bytes.capacity()
        } else {
            0
        };
        size_of::<Self>() + heap
    }
}

/// The documents that have a term.
#[derive(Debug, Clone)]
pub(super) struct Iter<'a> {
    rest: &'a [u8],
    last: u32,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Posting<'a>;

    #[inline]
    fn next(&mut self) -> Option<Posting<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let head = take(&mut self.rest);
        self.last += u32::try_from(head >> 1).unwrap_or_default();
        let (count, positions);
        if head & 1 == 1 {
            count = 1;
            let len = self.rest.iter().position(|byte| byte & 0x80 == 0);
            (positions, self.rest) = self.rest.split_at(len.map_or(0, |last| last + 1));
        } else {
            count = take_u32(&mut self.rest);
            let len = take_u32(&mut self.rest) as usize;
            (positions, self.rest) = self.rest.split_at(len);
        }
        Some(Posting {
            document: self.last,
            count,
            positions,
        })
    }
}

impl<'a> Posting<'a> {
    /// Puts the places at which something may begin that has the term at `offset`; rising.
    #[inline]
    pub(super) fn begins(&self, offset: u32, begins: &mut Vec<u32>) {
        begins.clear();
        let (mut rest, mut position) = (self.positions, 0);
        while !rest.is_empty() {
            position += take_u32(&mut rest);
            if position >= offset {
                begins.push(position - offset);
            }
        }
    }

    /// Where the term is in the document; rising.
    #[inline]
    pub(super) fn positions(&self) -> impl Iterator<Item = u32> + Clone + use<'a> {
        let (mut rest, mut last) = (self.positions, 0);
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            last += take_u32(&mut rest);
            Some(last)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn positions() -> impl Strategy<Value = BTreeSet<u32>> {
        let position = prop_oneof![0..300_u32, any::<u32>()];
        prop::collection::btree_set(position, 1..20)
    }

    proptest! {
        #[test]
        fn a_list_says_what_was_put_into_it(
            documents in prop::collection::btree_map(any::<u32>(), positions(), 0..40),
        ) {
            let documents: BTreeMap<u32, BTreeSet<u32>> = documents;
            let mut postings = Postings::default();
            for (document, positions) in &documents {
                postings.push(*document, positions.iter().copied());
            }
            prop_assert_eq!(postings.len(), documents.len());
            let read = postings.iter().map(|it| (it.document, it.positions().collect()));
            let read: BTreeMap<u32, BTreeSet<u32>> = read.collect();
            for posting in postings.iter() {
                prop_assert_eq!(posting.count as usize, read[&posting.document].len());
            }
            let occurrences: usize = read.values().map(BTreeSet::len).sum();
            prop_assert_eq!(postings.occurrences(), occurrences as u64);
            prop_assert_eq!(read, documents);
        }
    }

    #[test]
    fn a_common_term_takes_two_bytes_a_document() {
        let mut postings = Postings::default();
        for document in 0..10_000 {
            postings.push(document * 3, [document % 100].into_iter());
        }
        assert_eq!(postings.bytes.len(), 20_000);
        assert_eq!(size_of::<Postings>(), 40);
    }
}
