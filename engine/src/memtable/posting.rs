//! Posting lists: which records have a key in an index.
//!
//! ```text
//! (index, key) ──hash──► posting │ one entry │              unique keys: no list, no allocation
//!                                │ entry, entry, entry, … │  shared keys: a list in no order
//! ```
//!
//! Adding, replacing and taking out cost the same for a list of ten records as for one of a million:
//! an entry knows its position, and the last one takes the place of the one that goes.

use std::sync::Arc;

use hashbrown::HashTable;

use super::entry::Entry;
use super::record::Record;
use crate::injected_bug::{Bug, injected};

/// A list shorter than this keeps its room.
const SHRINK_MIN: usize = 64;

/// An entry in a list, and which of the entry's places that is.
struct Member<R: Record> {
    entry: Arc<Entry<R>>,
    place: usize,
}

impl<R: Record> Member<R> {
    fn is(&self, entry: &Arc<Entry<R>>, place: usize) -> bool {
        self.place == place && Arc::ptr_eq(&self.entry, entry)
    }

    fn moved_to(&self, at: usize) {
        self.entry.places[self.place].set(at);
    }
}

enum Members<R: Record> {
    One(Member<R>),
    Many(Vec<Member<R>>),
}

impl<R: Record> Members<R> {
    fn as_slice(&self) -> &[Member<R>] {
        match self {
            Self::One(member) => std::slice::from_ref(member),
            Self::Many(members) => members,
        }
    }
}

/// The records that share a key of an index.
struct Posting<R: Record> {
    hash: u64,
    index: u32,
    key: Box<[u8]>,
    members: Members<R>,
}

/// The postings of one shard.
pub(super) struct Postings<R: Record>(HashTable<Posting<R>>);

impl<R: Record> Default for Postings<R> {
    fn default() -> Self {
        Self(HashTable::new())
    }
}

impl<R: Record> Postings<R> {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self(HashTable::with_capacity(capacity))
    }

    /// How many different keys there are.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.len()
    }

    fn posting(&self, hash: u64, index: usize, key: &[u8]) -> Option<&Posting<R>> {
        self.0.find(hash, |posting| {
            posting.hash == hash && posting.index as usize == index && *posting.key == *key
        })
    }

    /// The entries that have `key` in `index`.
    pub(super) fn find(
        &self,
        hash: u64,
        index: usize,
        key: &[u8],
    ) -> impl ExactSizeIterator<Item = &Arc<Entry<R>>> {
        let members = self
            .posting(hash, index, key)
            .map_or(&[][..], |posting| posting.members.as_slice());
        members.iter().map(|member| &member.entry)
    }

    /// Adds the place of `entry` with a number under the key it stands for.
    pub(super) fn add(&mut self, key: &[u8], entry: &Arc<Entry<R>>, place: usize) {
        let (hash, index) = (entry.places[place].hash, entry.places[place].index);
        let member = Member {
            entry: Arc::clone(entry),
            place,
        };
        let posting = self.0.find_mut(hash, |posting| {
            posting.hash == hash && posting.index == index && *posting.key == *key
        });
        let Some(posting) = posting else {
            member.moved_to(0);
            let posting = Posting {
                hash,
                index,
                key: key.into(),
                members: Members::One(member),
            };
            self.0.insert_unique(hash, posting, |posting| posting.hash);
            return;
        };
        match &mut posting.members {
            Members::Many(members) => {
                member.moved_to(members.len());
                members.push(member);
            }
            one @ Members::One(_) => {
                member.moved_to(1);
                let first = std::mem::replace(one, Members::Many(Vec::with_capacity(4)));
                if let (Members::One(first), Members::Many(members)) = (first, one) {
                    members.extend([first, member]);
                }
            }
        }
    }

    /// Lets `new` take the position of `old`, where both stand for `key`. Answers whether they do.
    pub(super) fn replace(
        &mut self,
        key: &[u8],
        (old, old_place): (&Arc<Entry<R>>, usize),
        (new, new_place): (&Arc<Entry<R>>, usize),
    ) -> bool {
        let place = &old.places[old_place];
        let (hash, at) = (place.hash, place.at());
        let is_old = |posting: &Posting<R>| {
            let members = posting.members.as_slice();
            members
                .get(at)
                .is_some_and(|member| member.is(old, old_place))
        };
        let Some(posting) = self.0.find_mut(hash, is_old) else {
            return false;
        };
        if *posting.key != *key {
            return false;
        }
        new.places[new_place].set(at);
        let member = Member {
            entry: Arc::clone(new),
            place: new_place,
        };
        match &mut posting.members {
            Members::One(one) => *one = member,
            Members::Many(members) => members[at] = member,
        }
        true
    }

    /// Takes out the place of `entry` with a number.
    pub(super) fn remove(&mut self, entry: &Arc<Entry<R>>, place: usize) {
        let (hash, at) = (entry.places[place].hash, entry.places[place].at());
        let found = self.0.find_entry(hash, |posting| {
            let members = posting.members.as_slice();
            members
                .get(at)
                .is_some_and(|member| member.is(entry, place))
        });
        let Ok(mut found) = found else {
            debug_assert!(false, "an entry is where its place says");
            return;
        };
        match &mut found.get_mut().members {
            Members::Many(members) if members.len() > 1 => {
                members.swap_remove(at);
                if let Some(moved) = members.get(at)
                    && !injected(Bug::SwappedPostingKeepsPosition)
                {
                    moved.moved_to(at);
                }
                if members.capacity() >= SHRINK_MIN && members.len() < members.capacity() / 4 {
                    members.shrink_to(members.len() * 2);
                }
            }
            Members::One(_) | Members::Many(_) => drop(found.remove()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::Place;
    use super::super::record::{BadRecord, Index, IndexKeys};
    use super::*;

    struct Row(u32);

    impl Record for Row {
        type Key = u32;
        const INDEXES: &'static [Index] = &[Index::new("only")];

        fn key(&self) -> u32 {
            self.0
        }

        fn index_keys(&self, _: &mut IndexKeys) {}

        fn encode(&self, _: &mut Vec<u8>) {}

        fn decode(_: &[u8]) -> Result<Self, BadRecord> {
            Err(BadRecord("never written"))
        }
    }

    fn entry(key: u32, hash: u64) -> Arc<Entry<Row>> {
        Arc::new(Entry {
            key,
            hash: 0,
            bytes: 0,
            record: Row(key),
            places: [Place::new(0, hash)].into_iter().collect(),
        })
    }

    fn keys(postings: &Postings<Row>, key: &[u8]) -> Vec<u32> {
        let mut keys: Vec<_> = postings
            .find(7, 0, key)
            .map(|entry| entry.record.key())
            .collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn entries_are_taken_out_wherever_they_lie() {
        let mut postings = Postings::default();
        let entries: Vec<_> = (0..200).map(|key| entry(key, 7)).collect();
        for entry in &entries {
            postings.add(b"red", entry, 0);
        }
        let mut left: Vec<u32> = (0..200).collect();
        for victim in [0, 199, 100, 1, 198, 50, 2, 3, 4] {
            postings.remove(&entries[victim as usize], 0);
            left.retain(|key| *key != victim);
            assert_eq!(keys(&postings, b"red"), left);
        }
        for victim in left {
            postings.remove(&entries[victim as usize], 0);
        }
        assert_eq!(postings.len(), 0);
    }

    #[test]
    fn keys_with_one_hash_do_not_mix() {
        let mut postings = Postings::default();
        let (red, blue) = (entry(1, 7), entry(2, 7));
        postings.add(b"red", &red, 0);
        postings.add(b"blue", &blue, 0);
        assert_eq!(keys(&postings, b"red"), [1]);
        // Same hash and same position, but another list.
        let again = entry(2, 7);
        assert!(!postings.replace(b"red", (&blue, 0), (&again, 0)));
        assert!(postings.replace(b"blue", (&blue, 0), (&again, 0)));
        postings.remove(&again, 0);
        assert_eq!(keys(&postings, b"red"), [1]);
        assert_eq!(postings.len(), 1);
    }

    #[test]
    fn equal_keys_of_two_indexes_with_one_hash_do_not_mix() {
        let mut postings = Postings::default();
        let first = entry(1, 7);
        let second = Arc::new(Entry {
            key: 2,
            hash: 0,
            bytes: 0,
            record: Row(2),
            places: [Place::new(1, 7)].into_iter().collect(),
        });
        postings.add(b"red", &first, 0);
        postings.add(b"red", &second, 0);
        for (index, key) in [(0, 1), (1, 2)] {
            let found = postings.find(7, index, b"red");
            let found: Vec<_> = found.map(|entry| entry.key).collect();
            assert_eq!(found, [key]);
        }
        assert_eq!(postings.len(), 2);
    }

    #[test]
    fn a_list_gives_room_back_in_few_steps() {
        let mut postings = Postings::default();
        let entries: Vec<_> = (0..1000).map(|key| entry(key, 7)).collect();
        for entry in &entries {
            postings.add(b"red", entry, 0);
        }
        // Half of the room at once: each record is moved once more at most, however many go.
        let mut capacities = Vec::new();
        for entry in &entries[10..] {
            postings.remove(entry, 0);
            let posting = postings.posting(7, 0, b"red").expect("ten are left");
            let Members::Many(members) = &posting.members else {
                panic!("ten are a list");
            };
            capacities.push(members.capacity());
        }
        capacities.dedup();
        assert!(capacities.len() < 10, "{capacities:?}");
    }

    #[test]
    fn a_list_with_the_least_room_to_give_back_gives_it_and_a_shorter_one_keeps_it() {
        for (entries, gives) in [(SHRINK_MIN, true), (SHRINK_MIN / 2, false)] {
            let mut postings = Postings::default();
            let entries: Vec<_> = (0..).take(entries).map(|key| entry(key, 7)).collect();
            for entry in &entries {
                postings.add(b"red", entry, 0);
            }
            let capacity = |postings: &Postings<Row>| {
                let posting = postings.posting(7, 0, b"red").expect("some are left");
                match &posting.members {
                    Members::Many(members) => members.capacity(),
                    Members::One(_) => 1,
                }
            };
            let before = capacity(&postings);
            assert_eq!(before, entries.len());
            for entry in &entries[2..] {
                postings.remove(entry, 0);
            }
            assert_eq!(capacity(&postings) < before, gives, "of {before}");
        }
    }

    #[test]
    fn a_list_gives_room_back_as_it_shrinks() {
        let mut postings = Postings::default();
        let entries: Vec<_> = (0..1000).map(|key| entry(key, 7)).collect();
        for entry in &entries {
            postings.add(b"red", entry, 0);
        }
        for entry in &entries[10..] {
            postings.remove(entry, 0);
        }
        let posting = postings.posting(7, 0, b"red").expect("ten are left");
        let Members::Many(members) = &posting.members else {
            panic!("ten are a list");
        };
        assert!(members.capacity() <= SHRINK_MIN, "{}", members.capacity());
    }
}
