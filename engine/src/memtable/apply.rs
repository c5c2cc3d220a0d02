//! A change is applied: slot and postings together, under their locks. Nothing in here can fail, and
//! nothing of the record's type is called.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use smallvec::SmallVec;

use super::entry::{Entry, Place, Slot};
use super::generation::{IndexPart, Part};
use super::prepare::Prepared;
use super::record::Record;
use super::runtime::{Runtime, SharedLock};
use super::table::Shared;
use crate::injected_bug::{Bug, injected};

/// Guards of index parts, with their numbers.
pub(super) type Guards<'a, R, T> = SmallVec<
    [(
        usize,
        <<T as Runtime>::Lock<IndexPart<R>> as SharedLock<IndexPart<R>>>::Write<'a>,
    ); 8],
>;

/// What a change took away, to be dropped where no lock is held.
pub(super) struct Applied<R: Record> {
    _before: Option<Slot<R>>,
    /// Whether the part reported what it holds.
    pub(super) is_counted: bool,
}

impl<R: Record, T: Runtime> Shared<R, T> {
    /// Locks the index parts of both records' keys, by number.
    pub(super) fn lock_indexes(
        &self,
        old: Option<&Entry<R>>,
        new: Option<&Entry<R>>,
    ) -> Guards<'_, R, T> {
        self.lock_indexes_of([old, new].into_iter().flatten())
    }

    /// Locks the index parts of the keys of all these records, by number.
    pub(super) fn lock_indexes_of<'e>(
        &self,
        records: impl Iterator<Item = &'e Entry<R>>,
    ) -> Guards<'_, R, T> {
        let places = records.flat_map(|entry| &entry.places);
        let mut numbers: SmallVec<[usize; 8]> =
            places.map(|place| self.part_of(place.hash)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let lock = |number: usize| (number, self.indexes[number].0.write());
        numbers.into_iter().map(lock).collect()
    }

    /// Makes a prepared change. `place` is where the key's slot is, and `old` the record in it.
    pub(super) fn apply(
        &self,
        part: &mut Part<R>,
        guards: &mut Guards<'_, R, T>,
        (place, old): (Option<usize>, Option<&Arc<Entry<R>>>),
        prepared: &Prepared<R>,
    ) -> Applied<R> {
        let mut replaced = SmallVec::new();
        replaced.resize(prepared.keys.len(), false);
        if let Some(old) = old {
            self.leave_postings(guards, old, prepared, &mut replaced);
        }
        if let Some(new) = &prepared.entry {
            self.enter_postings(guards, new, prepared, &replaced);
        }
        let slot = match &prepared.entry {
            Some(entry) => Slot::Live(Arc::clone(entry)),
            None => Slot::Tombstone(prepared.key.clone(), prepared.hash),
        };
        let added = slot.bytes();
        let before = part.slots.put(place, slot);
        let is_counted = self.count(part, before.as_ref(), added);
        Applied {
            _before: before,
            is_counted,
        }
    }

    /// Takes the old record out of the postings, or lets the new one take its position in those of
    /// keys that both have.
    fn leave_postings(
        &self,
        guards: &mut Guards<'_, R, T>,
        old: &Arc<Entry<R>>,
        prepared: &Prepared<R>,
        replaced: &mut SmallVec<[bool; 4]>,
    ) {
        for (nth, place) in old.places.iter().enumerate() {
            let number = self.part_of(place.hash);
            let Some((_, part)) = guards.iter_mut().find(|guard| guard.0 == number) else {
                continue;
            };
            let new = prepared.entry.as_ref().and_then(|new| {
                let same = |it: &Place| it.hash == place.hash && it.index == place.index;
                Some((new, new.places.iter().position(same)?))
            });
            let took = new.filter(|(new, at)| {
                let (_, bytes) = prepared.keys.nth(*at);
                part.postings.replace(bytes, (old, nth), (new, *at))
            });
            match took {
                Some((_, at)) => replaced[at] = true,
                None if injected(Bug::UpdateKeepsOldIndexKey) && prepared.entry.is_some() => {}
                None => part.postings.remove(old, nth),
            }
        }
    }

    fn enter_postings(
        &self,
        guards: &mut Guards<'_, R, T>,
        new: &Arc<Entry<R>>,
        prepared: &Prepared<R>,
        replaced: &[bool],
    ) {
        for (nth, (_, bytes)) in prepared.keys.iter().enumerate() {
            if replaced[nth] {
                continue;
            }
            let number = self.part_of(new.places[nth].hash);
            if let Some((_, part)) = guards.iter_mut().find(|guard| guard.0 == number) {
                part.postings.add(bytes, new, nth);
            }
        }
    }

    /// Adds a change to what the active generation holds, and answers whether it was reported.
    fn count(&self, part: &mut Part<R>, before: Option<&Slot<R>>, added: usize) -> bool {
        let removed = before.map_or(0, Slot::bytes);
        part.uncounted.records += isize::from(before.is_none());
        part.uncounted.bytes += added.cast_signed() - removed.cast_signed();
        let is_due = part.uncounted.records >= self.grain(self.options.threshold_records)
            || part.uncounted.bytes >= self.grain(self.options.threshold_bytes);
        if is_due {
            let uncounted = std::mem::take(&mut part.uncounted);
            self.active
                .records
                .fetch_add(uncounted.records, Ordering::Relaxed);
            self.active
                .bytes
                .fetch_add(uncounted.bytes, Ordering::Relaxed);
        }
        is_due
    }

    /// Makes a change that the log has. It was checked when it was made.
    pub(super) fn restore(&self, prepared: &Prepared<R>) {
        let mut part = self.parts[self.part_of(prepared.hash)].0.write();
        let place = part.slots.place(prepared.hash, &prepared.key);
        let old = part.slots.at(place).and_then(Slot::live).cloned();
        let mut guards = self.lock_indexes(old.as_deref(), prepared.entry.as_deref());
        self.apply(&mut part, &mut guards, (place, old.as_ref()), prepared);
    }
}
