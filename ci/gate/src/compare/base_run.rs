//! Base's own code, measured: as the shards of a run bring it beside their own numbers.
//!
//! ```text
//! shard 1: run.json, base.json ─┐
//! shard 2: run.json, base.json ─┴─→ one run of base
//! ```
//!
//! Where a stored run of base was at hand, each shard brings the whole of it. Where base was measured
//! beside head, each brings its part, and these are put together like head's own. Where only some
//! benchmarks of base were measured, as proof for what the diff cannot have moved, all that shards bring
//! of them is taken together.

use crate::compare::merge::{MergeError, merge};
use crate::model::run::Run;

/// The one run of base that these are; each comes with the name that messages call it.
///
/// # Errors
///
/// [`MergeError`] if they are not of one run, or do not make a whole one.
pub fn base_run(runs: Vec<(String, Run)>) -> Result<Option<Run>, MergeError> {
    if runs.is_empty() {
        return Ok(None);
    }
    let (whole, parts): (Vec<_>, Vec<_>) =
        runs.into_iter().partition(|(_, run)| run.part.is_none());
    let (mut whole, proofs): (Vec<_>, Vec<_>) =
        whole.into_iter().partition(|(_, run)| run.complete);
    if whole.is_empty() && parts.is_empty() {
        return together(proofs).map(Some);
    }
    whole.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut whole = whole.into_iter();
    // One that is whole says all that parts would.
    let Some((first, run)) = whole.next() else {
        return merge(parts).map(|merged| Some(merged.run));
    };
    match whole.find(|(_, other)| *other != run) {
        None => Ok(Some(run)),
        Some((second, _)) => Err(MergeError::Mixed {
            first,
            second,
            what: "their runs of base differ".to_owned(),
        }),
    }
}

/// The benchmarks of several runs of base as one run, which is not complete.
fn together(runs: Vec<(String, Run)>) -> Result<Run, MergeError> {
    let mut runs = runs.into_iter();
    let (first, mut all) = runs.next().expect("there is one");
    for (second, run) in runs {
        let mixed = |what: &str| MergeError::Mixed {
            first: first.clone(),
            second: second.clone(),
            what: what.to_owned(),
        };
        if run.commit != all.commit || run.environment != all.environment {
            return Err(mixed("their runs of base differ"));
        }
        for measured in run.benchmarks {
            match all
                .benchmarks
                .binary_search_by(|it| it.id.cmp(&measured.id))
            {
                Ok(at) if all.benchmarks[at] == measured => {}
                Ok(_) => return Err(mixed("their runs of base differ")),
                Err(at) => all.benchmarks.insert(at, measured),
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::baseline::tests::measured;
    use crate::model::environment::tests::environment;
    use crate::model::run::{Part, RUN_FORMAT};

    const IDS: [&str; 2] = ["a/x/1", "a/x/2"];

    fn whole(count: u64) -> Run {
        Run {
            format: RUN_FORMAT,
            crates: Vec::new(),
            commit: Some("1a2b3c4".to_owned()),
            complete: true,
            part: None,
            environment: environment(),
            failed: Vec::new(),
            benchmarks: IDS.map(|id| measured(id, count)).into(),
        }
    }

    fn part(number: usize) -> Run {
        Run {
            complete: false,
            part: Some(Part {
                shard: format!("{number}/2").parse().unwrap(),
                listed: IDS.map(|id| id.parse().unwrap()).into(),
                whole: true,
                accepted: "0".repeat(64),
                ci: None,
            }),
            benchmarks: vec![measured(IDS[number - 1], 10)],
            ..whole(10)
        }
    }

    fn of(runs: &[&Run]) -> Result<Option<Run>, MergeError> {
        let named = runs.iter().enumerate();
        base_run(
            named
                .map(|(at, run)| (at.to_string(), (*run).clone()))
                .collect(),
        )
    }

    #[test]
    fn what_shards_bring_is_one_run_of_base() {
        let (stored, other) = (whole(10), whole(11));
        let (one, two) = (part(1), part(2));
        assert_eq!(of(&[]).unwrap(), None);
        assert_eq!(of(&[&stored]).unwrap(), Some(stored.clone()));
        assert_eq!(of(&[&stored, &stored]).unwrap(), Some(stored.clone()));
        assert_eq!(of(&[&two, &one]).unwrap(), Some(stored.clone()));
        // One shard found a stored run, the other measured its part.
        assert_eq!(of(&[&two, &stored]).unwrap(), Some(stored.clone()));
        let missing = of(&[&two]).unwrap_err();
        assert!(missing.is_incomplete(), "{missing}");
        let differ = of(&[&stored, &stored, &other]).unwrap_err().to_string();
        assert_eq!(
            differ,
            "`0` and `2` cannot be merged: their runs of base differ"
        );
    }

    #[test]
    fn proofs_for_some_benchmarks_are_taken_together() {
        let proof = |ids: &[&str], count| Run {
            complete: false,
            benchmarks: ids.iter().map(|id| measured(id, count)).collect(),
            ..whole(0)
        };
        let [one, two] = IDS;
        let both = proof(&IDS, 10);
        assert_eq!(
            of(&[&proof(&[two], 10), &proof(&[one], 10)]).unwrap(),
            Some(both.clone())
        );
        assert_eq!(
            of(&[&both, &proof(&[one], 10)]).unwrap(),
            Some(both.clone())
        );
        assert!(of(&[&both, &proof(&[one], 11)]).is_err());
        // A whole run says all that they do.
        assert_eq!(of(&[&both, &whole(10)]).unwrap(), Some(whole(10)));
    }
}
