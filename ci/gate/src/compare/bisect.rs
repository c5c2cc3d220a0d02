//! Bisection: which commit moved which benchmark, with as few commits measured as possible.
//!
//! ```text
//! good  ·  ·  ·  m  ·  ·  ·  bad        m counts like good: it was later; like bad: earlier;
//!                                       like neither: it moved more than once, the larger step is sought
//! ```
//!
//! Counts are exact, so one measurement of a commit decides. All benchmarks share what is measured: the
//! next commit is the middle of the widest stretch that is still open for one of them. A commit that
//! cannot be measured is walked around, to its nearest neighbour.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::bench_id::BenchId;

/// What is known of each commit.
type Counts = BTreeMap<BenchId, u64>;

/// A search over commits that stand in order: the first is good, the last is bad.
#[derive(Debug)]
pub struct Bisection {
    /// The counts by the commit's place.
    known: BTreeMap<usize, Counts>,
    /// Commits that cannot be measured.
    skipped: BTreeSet<usize>,
    last: usize,
}

/// Which commit moved a benchmark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The benchmark.
    pub id: BenchId,
    /// The last commit before it, and what it counts.
    pub before: (usize, u64),
    /// The commit that moved it, and what it counts. Where commits between the two cannot be measured, it
    /// may have been one of those.
    pub at: (usize, u64),
    /// What of the whole movement others have done.
    pub elsewhere: i128,
}

impl Bisection {
    /// A search between a good commit with these counts, and the commit `last` places further with those.
    #[must_use]
    pub fn new(good: Counts, bad: Counts, last: usize) -> Self {
        Self {
            known: [(0, good), (last, bad)].into(),
            skipped: BTreeSet::new(),
            last,
        }
    }

    /// Which commit has to be measured next; `None` if nothing is left to be found out.
    #[must_use]
    pub fn next(&self) -> Option<usize> {
        let open = self.ids().filter_map(|id| {
            let (low, high) = self.stretch(id)?;
            let middle = self.middle(low, high)?;
            Some((high - low, middle))
        });
        open.max().map(|(_, middle)| middle)
    }

    /// Says what a commit counts; `None` if that cannot be measured.
    pub fn tell(&mut self, commit: usize, counts: Option<Counts>) {
        match counts {
            Some(counts) => drop(self.known.insert(commit, counts)),
            None => drop(self.skipped.insert(commit)),
        }
    }

    /// What was found, by benchmark; those that did not move are left out.
    #[must_use]
    pub fn found(&self) -> Vec<Found> {
        let found = self.ids().filter_map(|id| {
            let (low, high) = self.stretch(id)?;
            let count = |at: usize| self.known[&at].get(id).copied();
            let (before, now) = (count(low)?, count(high)?);
            let whole = i128::from(count(self.last)?) - i128::from(count(0)?);
            Some(Found {
                id: id.clone(),
                before: (low, before),
                at: (high, now),
                elsewhere: whole - (i128::from(now) - i128::from(before)),
            })
        });
        found.collect()
    }

    /// The commits between `found`'s two that could not be measured.
    pub fn walked_around(&self, found: &Found) -> impl Iterator<Item = usize> {
        self.skipped
            .range(found.before.0 + 1..found.at.0.max(found.before.0 + 1))
            .copied()
    }

    fn ids(&self) -> impl Iterator<Item = &BenchId> {
        self.known[&0].keys()
    }

    /// The two known commits next to each other between which a benchmark moved most in the direction in
    /// which it moved altogether; the earliest of equals.
    fn stretch(&self, id: &BenchId) -> Option<(usize, usize)> {
        let count = |counts: &Counts| counts.get(id).map(|it| i128::from(*it));
        let counts = self
            .known
            .iter()
            .filter_map(|(at, it)| Some((*at, count(it)?)));
        let counts: Vec<(usize, i128)> = counts.collect();
        let direction = (counts.last()?.1 - counts.first()?.1).signum();
        let steps = counts.windows(2).map(|pair| {
            let step = (pair[1].1 - pair[0].1) * direction;
            (step, std::cmp::Reverse(pair[0].0), pair[1].0)
        });
        let (step, low, high) = steps.max()?;
        (step > 0).then_some((low.0, high))
    }

    /// The commit nearest to the middle that can be measured.
    fn middle(&self, low: usize, high: usize) -> Option<usize> {
        let middle = usize::midpoint(low, high);
        let between = (low + 1)..high;
        let mut open: Vec<usize> = between.filter(|at| !self.skipped.contains(at)).collect();
        open.sort_by_key(|at| (at.abs_diff(middle), *at));
        open.into_iter().find(|at| !self.known.contains_key(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> [BenchId; 2] {
        ["wal/a", "wal/b"].map(|id| id.parse().expect("an id"))
    }

    fn counts(of: [u64; 2]) -> Counts {
        ids().into_iter().zip(of).collect()
    }

    /// Searches `commits`; `None` for one that does not build. The answers, and how many were measured.
    fn search(commits: &[Option<[u64; 2]>]) -> (Vec<Found>, usize, Bisection) {
        let at = |at: usize| commits[at].map(counts);
        let last = commits.len() - 1;
        let mut search = Bisection::new(at(0).unwrap(), at(last).unwrap(), last);
        let mut measured = 0;
        while let Some(next) = search.next() {
            measured += 1;
            search.tell(next, at(next));
        }
        (search.found(), measured, search)
    }

    #[test]
    fn one_descent_finds_the_commits_of_several_benchmarks() {
        let commits: Vec<_> = (0..64)
            .map(|at| Some([if at < 20 { 5 } else { 9 }, if at < 50 { 7 } else { 8 }]))
            .collect();
        let (found, measured, _) = search(&commits);
        let places: Vec<_> = found
            .iter()
            .map(|it| (it.before, it.at, it.elsewhere))
            .collect();
        assert_eq!(places, [((19, 5), (20, 9), 0), ((49, 7), (50, 8), 0)]);
        assert!(measured <= 12, "{measured}");
    }

    #[test]
    fn what_did_not_move_is_not_searched() {
        let commits = [Some([1, 2]), Some([1, 2]), Some([1, 2])];
        let (found, measured, _) = search(&commits);
        assert_eq!((found.len(), measured), (0, 0));
    }

    #[test]
    fn commits_that_do_not_build_are_walked_around() {
        let commits = [
            Some([1, 1]),
            None,
            None,
            None,
            Some([3, 1]),
            Some([3, 1]),
            Some([3, 1]),
        ];
        let (found, _, search) = search(&commits);
        assert_eq!((found[0].before, found[0].at), ((0, 1), (4, 3)));
        let around: Vec<_> = search.walked_around(&found[0]).collect();
        assert_eq!(around, [1, 2, 3]);
    }

    #[test]
    fn of_several_steps_the_largest_seen_is_found_and_the_rest_is_said() {
        let commits: Vec<_> = [0, 0, 2, 2, 2, 9, 9, 9]
            .into_iter()
            .map(|count| Some([count, 1]))
            .collect();
        let (found, ..) = search(&commits);
        assert_eq!((found[0].at, found[0].elsewhere), ((5, 9), 2));
    }

    #[test]
    fn neighbours_need_no_search() {
        let (found, measured, _) = search(&[Some([1, 2]), Some([2, 2])]);
        assert_eq!((found.len(), measured, found[0].at), (1, 0, (1, 2)));
    }
}
