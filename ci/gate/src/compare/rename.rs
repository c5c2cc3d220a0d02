//! Renames: a benchmark that went and one that came, and are the same.
//!
//! They are the same if their counts are, or if they spend most of their instructions in the same
//! functions. Then the new name is judged by what base accepts for the former one: otherwise a new
//! name would be the way to get rid of a limit.
//!
//! ```text
//! base   a/old 1,000 in f, g       a/kept
//! head              a/new 1,500 in f, g     a/kept        a/new is judged against a/old: +50 %
//! ```
//!
//! A removal that head's tree gives a reason for is one, whatever came.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::compare::Facts;
use crate::model::bench_id::BenchId;
use crate::model::functions::{FunctionCost, FunctionTable};
use crate::model::metric::{Metric, Metrics};

/// The counts by which a benchmark is known again: what depends on the program alone, and not on
/// where its data lies.
const TRAITS: [Metric; 3] = [Metric::Instructions, Metric::DataReads, Metric::DataWrites];

/// Old and new names of benchmarks that were renamed, by either.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Renames<'a> {
    to: BTreeMap<&'a BenchId, &'a BenchId>,
    from: BTreeMap<&'a BenchId, &'a BenchId>,
}

/// Of what went, and of what came, more than this has to be spent in the same functions: a half.
const SHARED: (u128, u128) = (1, 2);

/// Of the functions of what came, so many are asked which of those that went begin with them.
const HEADS_MAX: usize = 5;

/// At most so many that went are compared with one that came.
const CANDIDATES_MAX: usize = 100;

/// Joins what went with what came, where they are the same: one benchmark, under its new name.
/// `is_of_run` says whether a suite of base was recorded in the run's environment.
pub(super) fn join<'a>(facts: &mut Vec<Facts<'a>>, is_of_run: impl Fn(&str) -> bool) {
    let went = |it: &Facts<'_>| {
        let is_listed = it.committed.is_some() || it.measured.is_some();
        it.base.is_some() && !is_listed && it.removal.is_none()
    };
    let came = |it: &Facts<'_>| it.base.is_none() && it.measured.is_some();
    let gone: Vec<Facts<'a>> = facts.iter().filter(|it| went(it)).copied().collect();
    if gone.is_empty() {
        return;
    }
    let arrived: Vec<Facts<'a>> = facts.iter().filter(|it| came(it)).copied().collect();
    let pairs = pairs(&gone, &arrived);
    let joined: BTreeMap<&BenchId, &Facts<'a>> =
        pairs.iter().map(|(old, new)| (new.id, old)).collect();
    let former: BTreeSet<&BenchId> = pairs.iter().map(|(old, _)| old.id).collect();
    for it in facts.iter_mut() {
        if let Some(old) = joined.get(it.id) {
            it.base = old.base;
            it.former = Some(old.id);
            it.rebaselined = !is_of_run(old.id.suite()) && it.comparable;
        }
    }
    facts.retain(|it| !former.contains(it.id));
}

/// Which is which: first by equal counts, then by the share of equal functions, largest first. Of
/// equals the first by name, so that none of them goes unjudged.
fn pairs<'a>(gone: &[Facts<'a>], come: &[Facts<'a>]) -> Vec<(Facts<'a>, Facts<'a>)> {
    let mut by_traits: BTreeMap<Vec<u64>, Vec<usize>> = BTreeMap::new();
    let mut by_head: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    for (at, old) in gone.iter().enumerate() {
        let Some(base) = old.base else { continue };
        if let Some(traits) = traits(&base.metrics) {
            by_traits.entry(traits).or_default().push(at);
        }
        if let Some(row) = base.functions.rows().first() {
            by_head.entry(row.key()).or_default().push(at);
        }
    }
    let mut likely = Vec::new();
    for (new, facts) in come.iter().enumerate() {
        let Some(measured) = facts.measured else {
            continue;
        };
        let same = traits(&measured.metrics).and_then(|it| by_traits.get(&it));
        likely.extend(same.into_iter().flatten().map(|old| (None, *old, new)));
        let heads = measured.functions.rows().iter().take(HEADS_MAX);
        let near = heads.filter_map(|row| by_head.get(&row.key())).flatten();
        let near: BTreeSet<usize> = near.copied().take(CANDIDATES_MAX).collect();
        if near.is_empty() {
            continue;
        }
        let functions = measured.functions.by_name();
        for old in near {
            let Some(base) = gone[old].base else { continue };
            if let Some(shared) = shared(&base.functions, &functions, measured.instructions()) {
                likely.push((Some(Reverse(shared)), old, new));
            }
        }
    }
    likely.sort();
    let (mut old_taken, mut new_taken) = (BTreeSet::new(), BTreeSet::new());
    let mut pairs = Vec::new();
    for (_, old, new) in likely {
        if !old_taken.contains(&old) && !new_taken.contains(&new) {
            old_taken.insert(old);
            new_taken.insert(new);
            pairs.push((gone[old], come[new]));
        }
    }
    pairs
}

/// How many instructions both spend in the same functions; `None` if that is not most of either's.
fn shared(
    base: &FunctionTable,
    head: &HashMap<(&str, &str), &FunctionCost>,
    instructions: u64,
) -> Option<u64> {
    let (mut of_base, mut of_head, mut of_both) = (0_u128, 0_u128, 0_u64);
    for row in base.rows() {
        if let Some(other) = head.get(&row.key()) {
            of_base += u128::from(row.instructions);
            of_head += u128::from(other.instructions);
            of_both = of_both.saturating_add(row.instructions.min(other.instructions));
        }
    }
    let (part, whole) = SHARED;
    let is_most = |of: u128, total: u64| of * whole > u128::from(total) * part;
    let total = base.total().unwrap_or(u64::MAX);
    (is_most(of_base, total) && is_most(of_head, instructions)).then_some(of_both)
}

impl<'a> Renames<'a> {
    /// Finds them. Where several went or came with the same counts, which is which is anyone's
    /// guess, and none is named.
    #[must_use]
    pub fn find(facts: &[Facts<'a>]) -> Self {
        let mut alike: BTreeMap<Vec<u64>, (Vec<&'a BenchId>, Vec<&'a BenchId>)> = BTreeMap::new();
        for it in facts {
            let accepted = it.base.or(it.committed);
            match (accepted, it.measured) {
                (Some(gone), None) => {
                    if let Some(traits) = traits(&gone.metrics) {
                        alike.entry(traits).or_default().0.push(it.id);
                    }
                }
                (_, Some(come)) if it.base.is_none() => {
                    if let Some(traits) = traits(&come.metrics) {
                        alike.entry(traits).or_default().1.push(it.id);
                    }
                }
                _ => {}
            }
        }
        let mut renames = Self::default();
        for (gone, come) in alike.into_values() {
            if let ([gone], [come]) = (gone.as_slice(), come.as_slice()) {
                renames.to.insert(gone, come);
                renames.from.insert(come, gone);
            }
        }
        renames
    }

    /// What `id` is called now, or what it was called.
    #[must_use]
    pub fn other_name(&self, id: &BenchId) -> Option<&'a BenchId> {
        self.to.get(id).or_else(|| self.from.get(id)).copied()
    }
}

fn traits(metrics: &Metrics) -> Option<Vec<u64>> {
    let counted = TRAITS.iter().filter_map(|it| metrics.get(it).copied());
    let traits: Vec<u64> = counted.collect();
    (!traits.is_empty()).then_some(traits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::baseline::Accepted;
    use crate::model::baseline::tests::{accepted, measured};
    use crate::model::run::Measurement;

    /// Renames among benchmarks that base has (`gone` at the end) and that were measured.
    fn renamed(base: &[(&str, u64)], head: &[(&str, u64)]) -> Vec<(String, String)> {
        let base: Vec<Accepted> = base
            .iter()
            .map(|(id, count)| accepted(id, *count))
            .collect();
        let head: Vec<Measurement> = head
            .iter()
            .map(|(id, count)| measured(id, *count))
            .collect();
        let ids = base
            .iter()
            .map(|it| &it.id)
            .chain(head.iter().map(|it| &it.id));
        let mut ids: Vec<_> = ids.collect();
        ids.sort();
        ids.dedup();
        let facts: Vec<_> = ids
            .iter()
            .map(|id| Facts {
                id,
                base: base.iter().find(|it| it.id == **id),
                committed: base.iter().find(|it| it.id == **id),
                measured: head.iter().find(|it| it.id == **id),
                comparable: true,
                rebaselined: false,
                base_run: None,
                former: None,
                removal: None,
            })
            .collect();
        let renames = Renames::find(&facts);
        let both = renames.to.iter();
        both.map(|(gone, come)| (gone.to_string(), come.to_string()))
            .collect()
    }

    /// What each benchmark of head is compared with, if base's are `base` and head's tree accepts
    /// none of them; each is its id, its instructions and its function.
    fn joined(base: &[(&str, u64, &str)], head: &[(&str, u64, &str)]) -> Vec<(String, String)> {
        let of = |(id, count, function): &(&str, u64, &str)| {
            let mut measured = measured(id, *count);
            let row = FunctionCost {
                name: (*function).into(),
                file: "f.rs".into(),
                instructions: *count,
                calls: None,
                caller: None,
                metrics: crate::model::functions::FunctionMetrics::default(),
            };
            measured.functions = FunctionTable::new(vec![row], 0);
            measured
        };
        let base: Vec<Accepted> = base
            .iter()
            .map(|it| Accepted::from_measurement(&of(it), 0, None))
            .collect();
        let head: Vec<Measurement> = head.iter().map(of).collect();
        let nothing = |id| Facts {
            id,
            base: None,
            committed: None,
            measured: None,
            comparable: true,
            rebaselined: false,
            base_run: None,
            former: None,
            removal: None,
        };
        let gone = base.iter().map(|it| Facts {
            base: Some(it),
            ..nothing(&it.id)
        });
        let come = head.iter().map(|it| Facts {
            measured: Some(it),
            ..nothing(&it.id)
        });
        let mut facts: Vec<Facts<'_>> = gone.chain(come).collect();
        join(&mut facts, |_| true);
        let pair = |it: &Facts<'_>| (it.id.to_string(), it.name_in_base().to_string());
        facts.iter().map(pair).collect()
    }

    #[test]
    fn a_new_name_is_compared_with_the_former_one() {
        let both = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let base = [("a/b/old", 1_000, "f")];
        for count in [1_000, 1_500] {
            let found = joined(&base, &[("a/b/new", count, "f")]);
            assert_eq!(found, [both("a/b/new", "a/b/old")], "{count}");
        }
        let other = joined(&base, &[("a/b/new", 1_500, "g")]);
        assert_eq!(
            other,
            [both("a/b/old", "a/b/old"), both("a/b/new", "a/b/new")]
        );
    }

    #[test]
    fn of_several_the_nearest_is_taken_and_each_once() {
        let base = [("a/b/1", 1_000, "f"), ("a/b/2", 5_000, "f")];
        let head = [
            ("a/c/1", 4_000, "f"),
            ("a/c/2", 1_000, "f"),
            ("a/c/3", 900, "f"),
        ];
        let found = joined(&base, &head);
        let pairs: Vec<(&str, &str)> = found.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(
            pairs,
            [("a/c/1", "a/b/2"), ("a/c/2", "a/b/1"), ("a/c/3", "a/c/3")]
        );
    }

    #[test]
    fn equal_counts_under_another_name_are_a_rename() {
        let base = [("a/b/old", 1_000), ("a/b/stays", 2_000)];
        let found = renamed(&base, &[("a/b/new", 1_000), ("a/b/stays", 2_000)]);
        assert_eq!(found, [("a/b/old".to_owned(), "a/b/new".to_owned())]);
        assert_eq!(
            renamed(&base, &[("a/b/new", 1_001), ("a/b/stays", 2_000)]),
            []
        );
        assert_eq!(renamed(&base, &[("a/b/stays", 2_000)]), []);
        let other_suite = renamed(&base[..1], &[("z/y/x", 1_000)]);
        assert_eq!(other_suite, [("a/b/old".to_owned(), "z/y/x".to_owned())]);
    }

    #[test]
    fn nothing_is_guessed() {
        let two_came = [("a/b/new", 1_000), ("a/b/newer", 1_000)];
        assert_eq!(renamed(&[("a/b/old", 1_000)], &two_came), []);
        let two_went = [("a/b/old", 1_000), ("a/b/older", 1_000)];
        assert_eq!(renamed(&two_went, &[("a/b/new", 1_000)]), []);
        let stayed = [("a/b/old", 1_000)];
        assert_eq!(
            renamed(&stayed, &[("a/b/new", 1_000), ("a/b/old", 1_000)]),
            []
        );
    }
}
