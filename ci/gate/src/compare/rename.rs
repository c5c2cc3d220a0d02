//! Renames: a benchmark that went and one that came, with the same counts.
//!
//! Nothing is decided by it. It saves the reader of a report from mistaking a new name for a
//! benchmark that was lost.

use std::collections::BTreeMap;

use crate::compare::Facts;
use crate::model::bench_id::BenchId;
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
            })
            .collect();
        let renames = Renames::find(&facts);
        let both = renames.to.iter();
        both.map(|(gone, come)| (gone.to_string(), come.to_string()))
            .collect()
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
