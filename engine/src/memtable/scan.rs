//! Iteration in key order, over memory and persister.
//!
//! ```text
//! memory      collected at the start, under all locks at once    k2  k5†  k7
//! persister   read page by page                                  k1  k2  k5  k9
//! scan                                                           k1  k2  k7  k9
//! ```
//!
//! Of memory it is a consistent view: hashed parts have no order, so what is in the range is cloned
//! and sorted when the scan begins, while writers wait for the cloning. Of the persister it is what a
//! page holds when it is read: a record that was flushed meanwhile may show its newer state. No key
//! comes twice.

use std::iter::Peekable;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::vec;

use smallvec::SmallVec;

use super::entry::{Entry, RecordRef, Slot};
use super::error::ReadError;
use super::generation::Slots;
use super::panics::caught;
use super::record::Record;
use super::runtime::{Os, Runtime, SharedLock};
use super::table::{Memtable, Shared};

/// How many records are read from the persister at once.
const PAGE: usize = 256;

/// Records in key order; made by [`Memtable::range`].
pub struct Scan<R: Record, T: Runtime = Os> {
    shared: Arc<Shared<R, T>>,
    memory: Peekable<vec::IntoIter<Slot<R>>>,
    page: Peekable<vec::IntoIter<RecordRef<R>>>,
    /// The last key of the last page.
    after: Option<R::Key>,
    end: Bound<R::Key>,
    /// Whether the persister may have more.
    is_open: bool,
    /// Where the range begins, until the first page was read.
    first: Option<R::Key>,
}

impl<R: Record, T: Runtime> Memtable<R, T> {
    /// All records, in key order.
    #[must_use]
    pub fn scan(&self) -> Scan<R, T> {
        self.range(..)
    }

    /// The records whose keys are in `range`, in key order.
    #[must_use]
    pub fn range(&self, range: impl RangeBounds<R::Key>) -> Scan<R, T> {
        let memory = self.shared.memory_in(&range);
        let (first, after) = match range.start_bound() {
            Bound::Included(key) => (Some(key.clone()), None),
            Bound::Excluded(key) => (None, Some(key.clone())),
            Bound::Unbounded => (None, None),
        };
        Scan {
            shared: Arc::clone(&self.shared),
            memory: memory.into_iter().peekable(),
            page: Vec::new().into_iter().peekable(),
            after,
            end: range.end_bound().cloned(),
            is_open: self.shared.falls_through,
            first,
        }
    }
}

impl<R: Record, T: Runtime> Shared<R, T> {
    /// What memory says of the keys in a range, in key order; each key once.
    fn memory_in(&self, range: &impl RangeBounds<R::Key>) -> Vec<Slot<R>> {
        let wanted = |slot: &&Slot<R>| range.contains(slot.key());
        let (mut found, older) = {
            let parts: Vec<_> = self.parts.iter().map(|part| part.0.read()).collect();
            let active = parts.iter().flat_map(|part| part.slots.iter());
            let active: Vec<_> = active
                .filter(wanted)
                .map(|slot| (0, slot.clone()))
                .collect();
            (active, parts.first().map(|part| Arc::clone(&part.older)))
        };
        for (depth, generation) in (1_usize..).zip(older.iter().flat_map(|it| &it.generations)) {
            let slots = generation.parts.iter().flat_map(Slots::iter);
            found.extend(slots.filter(wanted).map(|slot| (depth, slot.clone())));
        }
        found.sort_unstable_by(|(one_depth, one), (other_depth, other)| {
            one.key().cmp(other.key()).then(one_depth.cmp(other_depth))
        });
        // The newest of each key is the first.
        found.dedup_by(|(_, later), (_, first)| later.key() == first.key());
        found.into_iter().map(|(_, slot)| slot).collect()
    }
}

impl<R: Record, T: Runtime> Scan<R, T> {
    /// Makes sure that the page has a record, if the persister has one.
    fn fill(&mut self) -> Result<(), ReadError> {
        while self.is_open && self.page.peek().is_none() {
            let mut records = Vec::new();
            // A page begins above a key, and the first key may be in the range itself.
            if let Some(first) = self.first.take() {
                let found = self.shared.ask_persister(&first);
                records.extend(found.map_err(ReadError::Persister)?);
                self.after = Some(first);
            }
            let page = self.shared.scan_persister(self.after.as_ref(), PAGE);
            let page = page.map_err(ReadError::Persister)?;
            self.is_open = page.len() >= PAGE;
            records.extend(page);
            let mut refs = Vec::with_capacity(records.len());
            for record in records {
                let key = caught(|| record.key()).map_err(|message| ReadError::RecordPanicked {
                    function: "key",
                    message,
                })?;
                let is_before_end = match &self.end {
                    Bound::Included(end) => key <= *end,
                    Bound::Excluded(end) => key < *end,
                    Bound::Unbounded => true,
                };
                if !is_before_end {
                    self.is_open = false;
                    break;
                }
                self.after = Some(key.clone());
                refs.push(RecordRef(Arc::new(Entry {
                    hash: self.shared.hash(&key),
                    key,
                    bytes: 0,
                    record,
                    places: SmallVec::new(),
                })));
            }
            self.page = refs.into_iter().peekable();
        }
        Ok(())
    }
}

impl<R: Record, T: Runtime> Iterator for Scan<R, T> {
    type Item = Result<RecordRef<R>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Err(error) = self.fill() {
                // One error ends it: what follows would have gaps.
                self.is_open = false;
                self.memory = Vec::new().into_iter().peekable();
                return Some(Err(error));
            }
            let Some(slot) = self.memory.peek() else {
                return self.page.next().map(Ok);
            };
            match self.page.peek().map(|record| record.key().cmp(slot.key())) {
                Some(std::cmp::Ordering::Less) => return self.page.next().map(Ok),
                Some(std::cmp::Ordering::Equal) => drop(self.page.next()),
                Some(std::cmp::Ordering::Greater) | None => {}
            }
            if let Some(Slot::Live(entry)) = self.memory.next() {
                return Some(Ok(RecordRef(entry)));
            }
        }
    }
}
