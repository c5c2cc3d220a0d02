//! Proof: what a benchmark counts without one piece of the change.
//!
//! ```text
//! all pieces            +3.0 %
//! all but the suspect   +0.0 %     proven: one build
//! all but half of the rest …       else by halves: what makes no difference is innocent
//! ```
//!
//! Counts are exact, so a difference of one instruction is a difference and there is no test to repeat.
//! Delta debugging by halves (Zeller and Hildebrandt, *Simplifying and Isolating Failure-Inducing
//! Input*, 2002) keeps the builds to about two for each guilty piece times the halvings.

pub mod hunks;

use std::collections::BTreeSet;

use serde::Serialize;

/// So few groups are taken out one by one and not by halves.
const FEW: usize = 4;

/// What building and measuring some pieces gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trial {
    /// The count.
    Count(u64),
    /// It does not build, or its benchmark fails.
    Unbuildable,
    /// There is no time left.
    OutOfTime,
}

/// What a group of pieces does to the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Effect {
    /// The group.
    pub group: usize,
    /// What is counted without it.
    pub without: u64,
    /// What it adds to all others (or, negative, saves).
    pub adds: i128,
}

/// What the trials showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// What base counts.
    pub base: u64,
    /// What head counts.
    pub head: u64,
    /// The groups that make a difference, the largest first.
    pub effects: Vec<Effect>,
    /// Groups that were taken out, alone or together, and made no difference.
    pub cleared: Vec<usize>,
    /// Groups of which nothing is known: they do not build without each other, or time ran out.
    pub untested: Vec<usize>,
    /// How often something was built and measured.
    pub trials: usize,
}

impl Proof {
    /// The whole change.
    #[must_use]
    pub fn change(&self) -> i128 {
        i128::from(self.head) - i128::from(self.base)
    }

    /// What is left when each group's own effect is taken off: what they do together. Known only if all
    /// were tested.
    #[must_use]
    pub fn interaction(&self) -> Option<i128> {
        let adds: i128 = self.effects.iter().map(|it| it.adds).sum();
        self.untested.is_empty().then(|| self.change() - adds)
    }

    /// Whether a group is proven to be at fault: without it, at least half of the change is gone.
    #[must_use]
    pub fn is_proven(&self, group: usize) -> bool {
        let effect = self.effects.iter().find(|it| it.group == group);
        effect.is_some_and(|it| {
            it.adds.signum() == self.change().signum() && it.adds.abs() * 2 >= self.change().abs()
        })
    }

    /// The group that is proven to be at fault, if one is.
    #[must_use]
    pub fn proven(&self) -> Option<usize> {
        let groups = self.effects.iter().map(|it| it.group);
        groups.into_iter().find(|group| self.is_proven(*group))
    }
}

/// Finds which of `groups` groups make a difference between `base` and `head`. `suspects` are tried first,
/// alone; `trial` counts a set of groups.
pub fn prove(
    (base, head): (u64, u64),
    groups: usize,
    suspects: &[usize],
    trial: impl FnMut(&BTreeSet<usize>) -> Trial,
) -> Proof {
    let all: BTreeSet<usize> = (0..groups).collect();
    let mut search = Search {
        all: all.clone(),
        proof: Proof {
            base,
            head,
            effects: Vec::new(),
            cleared: Vec::new(),
            untested: Vec::new(),
            trials: 0,
        },
        trial,
        is_over: false,
    };
    let mut rest = all;
    for suspect in suspects {
        if rest.remove(suspect) {
            search.examine(&[*suspect]);
        }
    }
    // What the suspects leave is somebody else's.
    let told: i128 = search.proof.effects.iter().map(|it| it.adds).sum();
    let rest: Vec<usize> = rest.into_iter().collect();
    if told != search.proof.change() || suspects.is_empty() {
        // What two pieces do may cancel out: few are looked at one by one.
        let size = if rest.len() <= FEW { 1 } else { rest.len() };
        for part in rest.chunks(size) {
            search.examine(part);
        }
    }
    let mut proof = search.proof;
    proof
        .effects
        .sort_by_key(|it| (std::cmp::Reverse(it.adds.abs()), it.group));
    proof.cleared.sort_unstable();
    proof.untested.sort_unstable();
    proof
}

struct Search<T> {
    all: BTreeSet<usize>,
    proof: Proof,
    trial: T,
    is_over: bool,
}

impl<T: FnMut(&BTreeSet<usize>) -> Trial> Search<T> {
    /// Finds those of `groups` that make a difference.
    fn examine(&mut self, groups: &[usize]) {
        if groups.is_empty() {
            return;
        }
        if self.is_over {
            self.proof.untested.extend(groups);
            return;
        }
        let taken: BTreeSet<usize> = groups.iter().copied().collect();
        let left: BTreeSet<usize> = self.all.difference(&taken).copied().collect();
        // Without any, base is left, and that is known.
        let without = if left.is_empty() {
            Trial::Count(self.proof.base)
        } else {
            self.proof.trials += 1;
            (self.trial)(&left)
        };
        match (without, groups) {
            (Trial::Count(count), _) if count == self.proof.head => {
                self.proof.cleared.extend(groups);
            }
            (Trial::Count(without), [group]) => self.proof.effects.push(Effect {
                group: *group,
                without,
                adds: i128::from(self.proof.head) - i128::from(without),
            }),
            (Trial::OutOfTime, _) => {
                self.is_over = true;
                self.proof.untested.extend(groups);
            }
            (Trial::Unbuildable, [group]) => self.proof.untested.push(*group),
            (Trial::Count(_) | Trial::Unbuildable, _) => {
                let (first, second) = groups.split_at(groups.len() / 2);
                self.examine(first);
                self.examine(second);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u64 = 1_000;

    /// What each of some groups adds to base; `together` is added where 0 and 1 both are.
    fn proof(adds: &[i64], together: i64, suspects: &[usize]) -> Proof {
        let count = |set: &BTreeSet<usize>| {
            let sum: i64 = set.iter().map(|group| adds[*group]).sum();
            let both = set.contains(&0) && set.contains(&1);
            BASE.checked_add_signed(sum + if both { together } else { 0 })
                .unwrap()
        };
        let head = count(&(0..adds.len()).collect());
        prove((BASE, head), adds.len(), suspects, |set| {
            Trial::Count(count(set))
        })
    }

    #[test]
    fn a_suspect_is_proven_by_one_build() {
        let proof = proof(&[0, 0, 30, 0, 0], 0, &[2]);
        let effect = Effect {
            group: 2,
            without: BASE,
            adds: 30,
        };
        assert_eq!((proof.effects.as_slice(), proof.trials), (&[effect][..], 1));
        assert_eq!((proof.proven(), proof.interaction()), (Some(2), Some(0)));
    }

    #[test]
    fn an_innocent_suspect_is_cleared_and_the_guilty_one_found() {
        let mut adds = [0; 16];
        adds[11] = 7;
        let proof = proof(&adds, 0, &[3]);
        assert_eq!(proof.proven(), Some(11));
        assert_eq!(proof.effects.len(), 1);
        assert_eq!(proof.cleared.len(), 15, "{:?}", proof.cleared);
        assert!(proof.trials <= 10, "{}", proof.trials);
    }

    #[test]
    fn a_mixed_change_is_split_exactly() {
        let proof = proof(&[31, -22, 0], -1, &[]);
        let adds: Vec<_> = proof.effects.iter().map(|it| (it.group, it.adds)).collect();
        assert_eq!(adds, [(0, 30), (1, -23)]);
        assert_eq!((proof.change(), proof.interaction()), (8, Some(1)));
        assert_eq!(proof.proven(), Some(0));
    }

    #[test]
    fn one_group_needs_no_build() {
        let proof = proof(&[5], 0, &[0]);
        assert_eq!((proof.proven(), proof.trials), (Some(0), 0));
    }

    #[test]
    fn what_does_not_build_alone_is_untested_and_proves_nothing() {
        let trial = |set: &BTreeSet<usize>| match set.contains(&0) == set.contains(&1) {
            true if set.contains(&0) => Trial::Count(BASE + 5),
            true => Trial::Count(BASE),
            false => Trial::Unbuildable,
        };
        let proof = prove((BASE, BASE + 5), 3, &[0], trial);
        assert_eq!((proof.proven(), proof.interaction()), (None, None));
        assert_eq!(proof.untested, [0, 1]);
    }

    #[test]
    fn time_that_runs_out_leaves_the_rest_untested() {
        let mut left = 1;
        let proof = prove((BASE, BASE + 5), 4, &[0], |_| {
            left -= 1;
            match left {
                0 => Trial::Count(BASE + 5),
                _ => Trial::OutOfTime,
            }
        });
        assert_eq!((proof.proven(), proof.untested.len()), (None, 3));
        assert_eq!(proof.trials, 2);
    }

    #[test]
    fn nothing_changed_proves_nothing() {
        assert_eq!(proof(&[], 0, &[]).effects, []);
        assert_eq!(proof(&[0, 0], 0, &[]).effects, []);
    }
}
