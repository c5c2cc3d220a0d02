//! Which member of a group reads which partition. Pure.
//!
//! ```text
//! before   a: 0 1 2 3              c comes, b goes
//!          b: 4 5           ──►    a: 0 1 2     c: 4 5 3
//! ```
//!
//! It is sticky: a member keeps as many of its partitions as its fair share allows, so that few move.
//! Fair means that of two members that read the same topics, neither has two partitions more than the
//! other.

use std::collections::{BTreeMap, BTreeSet};

/// A partition of a topic.
pub(super) type Place = (String, u32);

/// What a member reads, and which topics it wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Share {
    pub topics: BTreeSet<String>,
    pub places: BTreeSet<Place>,
}

/// Assigns the partitions of all topics again. `counts` says how many partitions each topic has.
pub(super) fn rebalance(shares: &mut BTreeMap<String, Share>, counts: &BTreeMap<String, u32>) {
    let mut free: BTreeSet<Place> = BTreeSet::new();
    for (topic, count) in counts {
        free.extend((0..*count).map(|partition| (topic.clone(), partition)));
    }
    for share in shares.values_mut() {
        let Share { topics, places } = share;
        // What two had, or what is no longer there, is kept by nobody, or by one.
        places.retain(|place| topics.contains(&place.0) && free.remove(place));
    }
    for place in free {
        let wants = shares
            .iter_mut()
            .filter(|(_, share)| share.topics.contains(&place.0));
        if let Some((_, share)) = wants.min_by_key(|(_, share)| share.places.len()) {
            share.places.insert(place);
        }
    }
    // From whoever has most to whoever has least, as long as that makes a difference.
    while let Some((from, to, place)) = unfair(shares) {
        if let Some(share) = shares.get_mut(&from) {
            share.places.remove(&place);
        }
        if let Some(share) = shares.get_mut(&to) {
            share.places.insert(place);
        }
    }
}

/// A partition that one member should give to another.
fn unfair(shares: &BTreeMap<String, Share>) -> Option<(String, String, Place)> {
    let mut by_count: Vec<_> = shares.iter().collect();
    by_count.sort_by_key(|(_, share)| share.places.len());
    for (from, most) in by_count.iter().rev() {
        for (to, least) in &by_count {
            if most.places.len() < least.places.len() + 2 {
                break;
            }
            let moved = most
                .places
                .iter()
                .rev()
                .find(|place| least.topics.contains(&place.0));
            if let Some(place) = moved {
                return Some(((*from).clone(), (*to).clone(), place.clone()));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn share(topics: &[&str]) -> Share {
        Share {
            topics: topics.iter().map(ToString::to_string).collect(),
            places: BTreeSet::new(),
        }
    }

    fn counts(of: &[(&str, u32)]) -> BTreeMap<String, u32> {
        of.iter()
            .map(|(topic, count)| ((*topic).to_owned(), *count))
            .collect()
    }

    #[test]
    fn members_that_come_and_go_move_few_partitions() {
        let counts = counts(&[("t", 6)]);
        let mut shares = BTreeMap::from([("a".to_owned(), share(&["t"]))]);
        rebalance(&mut shares, &counts);
        assert_eq!(shares["a"].places.len(), 6);
        shares.insert("b".to_owned(), share(&["t"]));
        rebalance(&mut shares, &counts);
        let kept = shares["a"].places.clone();
        assert_eq!((kept.len(), shares["b"].places.len()), (3, 3));
        shares.insert("c".to_owned(), share(&["t"]));
        rebalance(&mut shares, &counts);
        assert!(shares["a"].places.is_subset(&kept));
        shares.remove("b");
        let before = shares.clone();
        rebalance(&mut shares, &counts);
        for (name, share) in &before {
            assert!(
                share.places.is_subset(&shares[name].places),
                "{name} lost one"
            );
        }
    }

    proptest! {
        #[test]
        fn each_partition_is_read_by_one_member_and_shares_are_fair(
            sizes in proptest::collection::vec(0_u32..9, 1..4),
            wants in proptest::collection::vec(proptest::collection::vec(any::<bool>(), 4), 1..6),
            leaves in 0_usize..6,
        ) {
            let names = ["t0", "t1", "t2", "t3"];
            let of: Vec<_> = names.into_iter().zip(sizes).collect();
            let counts = counts(&of);
            let mut shares = BTreeMap::new();
            for (number, wants) in wants.iter().enumerate() {
                let topics: Vec<_> = names.iter().zip(wants).filter(|(_, is)| **is).map(|(name, _)| *name).collect();
                shares.insert(format!("m{number}"), share(&topics));
                rebalance(&mut shares, &counts);
            }
            shares.remove(&format!("m{leaves}"));
            rebalance(&mut shares, &counts);
            for (topic, count) in &counts {
                let is_wanted = shares.values().any(|share| share.topics.contains(topic));
                for partition in 0..*count {
                    let place = (topic.clone(), partition);
                    let readers = shares.values().filter(|share| share.places.contains(&place)).count();
                    prop_assert_eq!(readers, usize::from(is_wanted));
                }
            }
            for one in shares.values() {
                prop_assert!(one.places.iter().all(|place| one.topics.contains(&place.0)));
                for other in shares.values().filter(|other| other.topics == one.topics) {
                    prop_assert!(one.places.len() <= other.places.len() + 1);
                }
            }
        }
    }
}
