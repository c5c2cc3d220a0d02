//! Runs read as one: in key order, from either end, of each key what the newest run says.
//!
//! A run is an array that nobody writes, so a scan takes no lock and waits for nobody, and what is
//! written while it goes on is not seen.

use std::sync::Arc;

use super::item::Item;
use super::run::{Bounds, Entry, Run};

/// The part of a run that is still to be read.
#[derive(Debug, Clone)]
struct Cursor {
    run: Arc<Run>,
    start: usize,
    end: usize,
}

impl Cursor {
    fn rest(&self) -> &[Entry] {
        &self.run.sorted().entries()[self.start..self.end]
    }

    fn first(&self) -> Option<&Item> {
        Some(&self.rest().first()?.item)
    }

    fn last(&self) -> Option<&Item> {
        Some(&self.rest().last()?.item)
    }
}

/// The live pairs of a range of keys, in order, as they were when the scan began.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    /// The newest run first.
    cursors: Vec<Cursor>,
    now_us: u64,
}

impl Scan {
    pub(super) fn new<'a>(
        newest_first: impl Iterator<Item = &'a Arc<Run>>,
        bounds: &Bounds,
        now_us: u64,
    ) -> Self {
        let cursor = |run: &Arc<Run>| {
            let places = run.sorted().within(bounds);
            (!places.is_empty()).then(|| Cursor {
                run: Arc::clone(run),
                start: places.start,
                end: places.end,
            })
        };
        Self {
            cursors: newest_first.filter_map(cursor).collect(),
            now_us,
        }
    }

    /// The next item from the front, tombstones and expired ones included.
    fn pop_first(&mut self) -> Option<Item> {
        if let [cursor] = &mut self.cursors[..] {
            let item = cursor.first()?.clone();
            cursor.start += 1;
            return Some(item);
        }
        let firsts = self.cursors.iter().filter_map(Cursor::first);
        // Of equal keys `min_by` gives the first, which is the newest.
        let item = firsts.min_by(|a, b| a.key().cmp(b.key()))?.clone();
        for cursor in &mut self.cursors {
            if cursor
                .first()
                .is_some_and(|first| first.key() == item.key())
            {
                cursor.start += 1;
            }
        }
        Some(item)
    }

    fn pop_last(&mut self) -> Option<Item> {
        let lasts = self.cursors.iter().rev().filter_map(Cursor::last);
        // Of equal keys `max_by` gives the last, which is the newest, as the order is turned round.
        let item = lasts.max_by(|a, b| a.key().cmp(b.key()))?.clone();
        for cursor in &mut self.cursors {
            if cursor.last().is_some_and(|last| last.key() == item.key()) {
                cursor.end -= 1;
            }
        }
        Some(item)
    }
}

impl Iterator for Scan {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        let now_us = self.now_us;
        loop {
            let item = self.pop_first()?;
            if item.is_live(now_us) {
                return Some(item);
            }
        }
    }
}

impl DoubleEndedIterator for Scan {
    fn next_back(&mut self) -> Option<Item> {
        let now_us = self.now_us;
        loop {
            let item = self.pop_last()?;
            if item.is_live(now_us) {
                return Some(item);
            }
        }
    }
}

/// Calls `each` with what the newest of `runs` says of each key, in order, tombstones included. Runs
/// come oldest first. Borrows, and counts nothing.
pub(super) fn merge<'a>(runs: &[&'a [Entry]], mut each: impl FnMut(&'a Item)) {
    let mut rests: Vec<&[Entry]> = runs.iter().rev().copied().collect();
    while let [_, _, ..] = &rests[..] {
        rests.retain(|rest| !rest.is_empty());
        let firsts = rests.iter().filter_map(|rest| Some(&rest.first()?.item));
        let Some(item) = firsts.min_by(|a, b| a.key().cmp(b.key())) else {
            return;
        };
        for rest in &mut rests {
            if rest
                .first()
                .is_some_and(|first| first.item.key() == item.key())
            {
                *rest = &rest[1..];
            }
        }
        each(item);
    }
    for entry in rests.into_iter().flatten() {
        each(&entry.item);
    }
}
