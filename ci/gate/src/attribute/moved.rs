//! Cost that only moved: what one function lost and a neighbour of it gained.
//!
//! ```text
//! encode    −30 %  ┐ the optimiser draws the border between the two elsewhere,
//! checksum  +31 %  ┘ or somebody renamed one: 30 % moved, 1 % is new
//! ```
//!
//! Neighbours are functions of which one calls the other; a library's function and the one it ran
//! for; and a function that vanished and one that appeared in its stead. Where calls became more
//! or less, nothing moved: that is work which was added or dropped.

use std::cmp::Reverse;

use super::{FunctionChange, Kind};
use crate::model::call_graph::CallGraph;

/// Only the largest differences are looked at, since each is compared with each.
pub(super) const CHANGES_MAX: usize = 100;

/// Finds what moved between the functions of `changes`, and with which neighbour.
///
/// What moved adds up to nothing over all of them.
pub(super) fn set_off(changes: &mut [FunctionChange], graphs: &[&CallGraph]) {
    let looked_at = changes.len().min(CHANGES_MAX);
    let mut pairs = Vec::new();
    for (a, one) in changes[..looked_at].iter().enumerate() {
        for (b, other) in changes[..looked_at].iter().enumerate().skip(a + 1) {
            if one.difference().signum() == -other.difference().signum()
                && let Some(closeness) = closeness(one, other, graphs)
            {
                let amount = one.difference().abs().min(other.difference().abs());
                pairs.push((closeness, Reverse(amount), a, b));
            }
        }
    }
    pairs.sort_unstable();
    let mut most_expensive = vec![0; looked_at];
    for (_, _, a, b) in pairs {
        let (left, right) = (changes[a].own(), changes[b].own());
        // An earlier pair may have taken all of one side.
        if left.signum() * right.signum() >= 0 {
            continue;
        }
        let amount = left.abs().min(right.abs());
        for (from, to, rest) in [(a, b, left), (b, a, right)] {
            changes[from].moved += amount * rest.signum();
            if amount > most_expensive[from] {
                most_expensive[from] = amount;
                changes[from].moved_with = Some(changes[to].name.clone());
            }
        }
    }
}

/// How closely two functions belong together; smaller is closer. `None` if they do not.
fn closeness(a: &FunctionChange, b: &FunctionChange, graphs: &[&CallGraph]) -> Option<u8> {
    let is_work = |change: &FunctionChange| change.kind == Kind::Calls;
    if is_work(a) || is_work(b) {
        return None;
    }
    if is_renaming(a, b) || is_renaming(b, a) {
        return Some(0);
    }
    let ran_for = |a: &FunctionChange, b: &FunctionChange| a.caller.as_ref() == Some(&b.name);
    let call = |graph: &&CallGraph| graph.are_neighbours(a.key(), b.key());
    (ran_for(a, b) || ran_for(b, a) || graphs.iter().any(call)).then_some(1)
}

/// Whether `new` is `old` under another name, or at another place: one of the two stayed.
fn is_renaming(old: &FunctionChange, new: &FunctionChange) -> bool {
    if (old.kind, new.kind) != (Kind::Vanished, Kind::Appeared) {
        return false;
    }
    let last = |change: &FunctionChange| {
        let name = change.name.as_str();
        name.rsplit_once("::")
            .map_or(name, |(_, last)| last)
            .to_owned()
    };
    let is_named_alike = last(old) == last(new) && !last(old).starts_with('{');
    old.caller.is_none() && new.caller.is_none() && (old.file == new.file || is_named_alike)
}
