//! Merging: the shards of one run, put together and proven to be the whole of it.
//!
//! The merged run is what one machine would have measured, byte for byte. So nothing is merged
//! that one machine could not have measured: shards must agree in commit, chamber, accepted
//! baselines and policy, in what is listed and how it is divided, and in the run of CI; each shard
//! and each benchmark is there exactly once.
//!
//! One thing may differ: the attempt. When failed jobs run again, CI keeps the shards of the
//! others, and where a shard was measured in several attempts the last one counts.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::bench_id::BenchId;
use crate::run::{CiRun, Failed, Part, Run};
use crate::shard::Shard;

/// At most this many ids are named in a message.
const IDS_MAX: usize = 10;

/// A run put together from its shards.
#[derive(Debug)]
pub struct Merged {
    /// What one machine would have measured.
    pub run: Run,
    /// What the reader should know.
    pub warnings: Vec<String>,
}

/// Why shards do not make a run. Names are those that the runs were given with.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum MergeError {
    /// There is nothing to merge.
    #[error("no shard was given")]
    Nothing,
    /// A run of all benchmarks, or one that was merged before.
    #[error("run `{name}` is not a shard")]
    NotAShard {
        /// The run.
        name: String,
    },
    /// Two shards differ in what all of them share.
    #[error("`{first}` and `{second}` cannot be merged: {what}")]
    Mixed {
        /// One shard.
        first: String,
        /// The other.
        second: String,
        /// In what they differ.
        what: String,
    },
    /// One shard twice, of one attempt.
    #[error("shard {shard} is there twice: `{first}` and `{second}`")]
    Twice {
        /// The shard.
        shard: Shard,
        /// Where it is.
        first: String,
        /// Where it is as well.
        second: String,
    },
    /// One benchmark in two shards.
    #[error("benchmark `{id}` was measured twice, in `{first}` and `{second}`")]
    Duplicate {
        /// The benchmark.
        id: BenchId,
        /// Where it is.
        first: String,
        /// Where it is as well.
        second: String,
    },
    /// Shards that nobody handed in.
    #[error("{}", missing_shards(shards))]
    MissingShards {
        /// Which ones.
        shards: Vec<Shard>,
    },
    /// Listed, and measured in no shard.
    #[error("no shard has measured {}", names(ids))]
    MissingBenchmarks {
        /// Which ones.
        ids: Vec<BenchId>,
    },
}

impl MergeError {
    /// Whether a measurement is lacking, as opposed to shards that do not belong together.
    #[must_use]
    pub const fn is_incomplete(&self) -> bool {
        matches!(
            self,
            Self::Nothing | Self::MissingShards { .. } | Self::MissingBenchmarks { .. }
        )
    }

    /// What to do about it.
    #[must_use]
    pub fn fix(&self) -> String {
        match self {
            Self::Nothing => "give the run.json of every shard".to_owned(),
            Self::NotAShard { name } => format!("judge it by itself: icgate compare {name}"),
            Self::Mixed { .. } | Self::Duplicate { .. } => {
                "measure all shards again, of one commit and on machines of one kind".to_owned()
            }
            Self::Twice { .. } => "leave one of them out".to_owned(),
            Self::MissingShards { shards } => {
                let shard = shards.first().map_or_else(String::new, Shard::to_string);
                format!(
                    "see why its job gave no run.json, or measure it: icgate measure --shard {shard}"
                )
            }
            Self::MissingBenchmarks { .. } => {
                "see why its job could not measure it, and run that job again".to_owned()
            }
        }
    }
}

fn missing_shards(shards: &[Shard]) -> String {
    let names: Vec<String> = shards.iter().map(Shard::to_string).collect();
    match names.as_slice() {
        [one] => format!("shard {one} is missing"),
        _ => format!("shards {} are missing", names.join(", ")),
    }
}

/// The first ids, and how many more there are.
fn names(ids: &[BenchId]) -> String {
    let shown: Vec<String> = ids
        .iter()
        .take(IDS_MAX)
        .map(|id| format!("`{id}`"))
        .collect();
    let more = match ids.len().saturating_sub(IDS_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    shown.join(", ") + &more
}

/// A shard of a run, with the name it was given with.
#[derive(Debug)]
struct Piece {
    name: String,
    run: Run,
    part: Part,
}

impl Piece {
    const fn attempt(&self) -> u32 {
        match self.part.ci {
            Some(ci) => ci.attempt,
            None => 0,
        }
    }
}

/// Puts the shards of one run together; each comes with the name that messages call it.
///
/// # Errors
///
/// [`MergeError`] if they are not all shards of one run, or not each exactly once.
pub fn merge(runs: Vec<(String, Run)>) -> Result<Merged, MergeError> {
    let mut pieces = runs
        .into_iter()
        .map(|(name, mut run)| match run.part.take() {
            Some(part) => Ok(Piece { name, run, part }),
            None => Err(MergeError::NotAShard { name }),
        })
        .collect::<Result<Vec<_>, _>>()?;
    // The order in which they are given decides nothing.
    pieces.sort_by(|a, b| {
        let key = |piece: &Piece| (piece.part.shard.number(), piece.attempt());
        key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
    });
    // First what makes two shards attempts at the same, so that the last attempt can be taken.
    all_agree(&pieces, different_division)?;
    let (pieces, mut warnings) = last_attempts(pieces)?;
    all_agree(&pieces, different_surroundings)?;

    let Some(first) = pieces.first() else {
        return Err(MergeError::Nothing);
    };
    let missing: Vec<Shard> = first
        .part
        .shard
        .all()
        .filter(|shard| pieces.iter().all(|piece| piece.part.shard != *shard))
        .collect();
    if !missing.is_empty() {
        return Err(MergeError::MissingShards { shards: missing });
    }
    if first.run.commit.is_none() {
        warnings.push(
            "the shards name no commit, so that all measured the same sources is not proven"
                .to_owned(),
        );
    }
    let run = join(pieces)?;
    Ok(Merged { run, warnings })
}

/// Compares all with the first.
fn all_agree(
    pieces: &[Piece],
    difference: impl Fn(&Piece, &Piece) -> Option<String>,
) -> Result<(), MergeError> {
    let [first, others @ ..] = pieces else {
        return Ok(());
    };
    for other in others {
        if let Some(what) = difference(first, other) {
            return Err(MergeError::Mixed {
                first: first.name.clone(),
                second: other.name.clone(),
                what,
            });
        }
    }
    Ok(())
}

/// How two shards are not of one division of one commit in one run of CI.
fn different_division(a: &Piece, b: &Piece) -> Option<String> {
    let (of_a, of_b) = (a.part.shard.of(), b.part.shard.of());
    if of_a != of_b {
        return Some(format!("one is of {of_a} shards, the other of {of_b}"));
    }
    let run = |piece: &Piece| piece.part.ci.map(|ci: CiRun| ci.run);
    if run(a) != run(b) {
        let name = |run: Option<u64>| run.map_or_else(|| "none".to_owned(), |run| run.to_string());
        let (a, b) = (name(run(a)), name(run(b)));
        return Some(format!("one is of CI run {a}, the other of {b}"));
    }
    if a.run.commit != b.run.commit {
        let name = |piece: &Piece| piece.run.commit.clone();
        let name = |piece| name(piece).unwrap_or_else(|| "none".to_owned());
        return Some(format!(
            "one is of commit {}, the other of {}",
            name(a),
            name(b)
        ));
    }
    None
}

/// How two shards were not measured in the same surroundings.
fn different_surroundings(a: &Piece, b: &Piece) -> Option<String> {
    let differences: Vec<String> = a
        .run
        .chamber
        .differences(&b.run.chamber)
        .iter()
        .map(|it| format!("{} is `{}` and `{}`", it.field, it.base, it.head))
        .collect();
    if !differences.is_empty() {
        return Some(format!("their chambers differ: {}", differences.join("; ")));
    }
    if a.part.accepted != b.part.accepted {
        return Some("they were divided by different baselines or policies".to_owned());
    }
    if a.part.listed != b.part.listed {
        let only = |one: &Piece, other: &Piece| -> Vec<BenchId> {
            let listed = |id: &&BenchId| other.part.listed.binary_search(id).is_err();
            one.part.listed.iter().filter(listed).cloned().collect()
        };
        let ids = [only(a, b), only(b, a)].concat();
        return Some(format!("only one of them lists {}", names(&ids)));
    }
    if a.part.whole != b.part.whole {
        return Some("only one of them is of all benchmarks of the project".to_owned());
    }
    None
}

/// Keeps the last attempt at each shard. The pieces are in order of shard and attempt.
fn last_attempts(pieces: Vec<Piece>) -> Result<(Vec<Piece>, Vec<String>), MergeError> {
    let mut warnings = Vec::new();
    let mut kept: Vec<Piece> = Vec::new();
    for piece in pieces {
        let Some(before) = kept.pop_if(|it| it.part.shard == piece.part.shard) else {
            kept.push(piece);
            continue;
        };
        if before.attempt() == piece.attempt() {
            return Err(MergeError::Twice {
                shard: piece.part.shard,
                first: before.name,
                second: piece.name,
            });
        }
        warnings.push(format!(
            "shard {} was measured more than once: attempt {} counts, attempt {} does not",
            piece.part.shard,
            piece.attempt(),
            before.attempt()
        ));
        kept.push(piece);
    }
    Ok((kept, warnings))
}

/// One run of all pieces, which agree and are all there.
fn join(pieces: Vec<Piece>) -> Result<Run, MergeError> {
    let mut measured: BTreeMap<BenchId, usize> = BTreeMap::new();
    for (number, piece) in pieces.iter().enumerate() {
        for benchmark in &piece.run.benchmarks {
            if let Some(before) = measured.insert(benchmark.id.clone(), number) {
                return Err(MergeError::Duplicate {
                    id: benchmark.id.clone(),
                    first: pieces[before].name.clone(),
                    second: piece.name.clone(),
                });
            }
        }
    }
    let mut pieces = pieces.into_iter();
    let Some(Piece { mut run, part, .. }) = pieces.next() else {
        return Err(MergeError::Nothing);
    };
    let failed: Vec<Failed> = std::mem::take(&mut run.failed)
        .into_iter()
        .chain(
            pieces
                .as_slice()
                .iter()
                .flat_map(|piece| piece.run.failed.clone()),
        )
        .collect();
    let has_failed = |id: &BenchId| failed.iter().any(|it| it.id == *id);
    let is_missing = |id: &BenchId| !measured.contains_key(id) && !has_failed(id);
    let missing: Vec<BenchId> = part.listed.into_iter().filter(is_missing).collect();
    if !missing.is_empty() {
        return Err(MergeError::MissingBenchmarks { ids: missing });
    }
    run.benchmarks
        .extend(pieces.flat_map(|piece| piece.run.benchmarks));
    run.benchmarks.sort_by(|a, b| a.id.cmp(&b.id));
    run.complete = part.whole && failed.is_empty();
    run.failed = failed;
    run.failed.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(run)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::baseline::tests::measured;
    use crate::chamber::tests::chamber;
    use crate::run::{Measurement, RUN_FORMAT};
    use crate::shard::select;

    fn measurement(id: &BenchId, instructions: u64) -> Measurement {
        measured(id.as_str(), instructions)
    }

    /// What one machine measures.
    fn whole(suite: &[(BenchId, u64)]) -> Run {
        Run {
            format: RUN_FORMAT,
            commit: Some("1a2b3c4".to_owned()),
            complete: true,
            part: None,
            chamber: chamber(),
            failed: Vec::new(),
            benchmarks: suite
                .iter()
                .map(|(id, count)| measurement(id, *count))
                .collect(),
        }
    }

    /// What several machines measure, each by itself.
    fn shards(suite: &[(BenchId, u64)], of: u32) -> Vec<(String, Run)> {
        let count = |id: &BenchId| {
            let at = suite.binary_search_by(|(it, _)| it.cmp(id)).ok();
            at.map(|at| suite[at].1)
        };
        let listed: Vec<BenchId> = suite.iter().map(|(id, _)| id.clone()).collect();
        let shard = |shard: Shard| {
            let ids = select(&listed, count, shard);
            let part = Part {
                shard,
                listed: listed.clone(),
                whole: true,
                accepted: "0".repeat(64),
                ci: Some(CiRun { run: 7, attempt: 1 }),
            };
            let run = Run {
                complete: false,
                part: Some(part),
                failed: Vec::new(),
                benchmarks: ids
                    .into_iter()
                    .map(|id| measurement(id, count(id).unwrap()))
                    .collect(),
                ..whole(&[])
            };
            (format!("{}.json", shard.number()), run)
        };
        Shard::new(1, of).unwrap().all().map(shard).collect()
    }

    fn suite() -> Vec<(BenchId, u64)> {
        ["s/a", "s/b", "s/c", "s/d", "s/e", "s/f"]
            .map(|id| (id.parse().unwrap(), 1_000))
            .to_vec()
    }

    fn part(run: &mut (String, Run)) -> &mut Part {
        run.1.part.as_mut().unwrap()
    }

    #[track_caller]
    fn refused(change: impl FnOnce(&mut Vec<(String, Run)>)) -> MergeError {
        let mut runs = shards(&suite(), 3);
        change(&mut runs);
        merge(runs).unwrap_err()
    }

    /// Asserts that a change of the second shard is refused, naming the files and `what`.
    #[track_caller]
    fn mixed(change: impl FnOnce(&mut (String, Run)), what: &str) {
        let error = refused(|runs| change(&mut runs[1]));
        assert!(!error.is_incomplete());
        let message = error.to_string();
        assert_eq!(
            message,
            format!("`1.json` and `2.json` cannot be merged: {what}")
        );
    }

    #[test]
    fn what_differs_is_never_merged() {
        mixed(
            |it| it.1.commit = None,
            "one is of commit 1a2b3c4, the other of none",
        );
        mixed(
            |it| {
                it.1.chamber.cpu = "another".to_owned();
                it.1.chamber.rustc = "1.94.0".to_owned();
            },
            &format!(
                "their chambers differ: rustc is `{}` and `1.94.0`; cpu is `{}` and `another`",
                chamber().rustc,
                chamber().cpu
            ),
        );
        mixed(
            |it| part(it).accepted = "1".repeat(64),
            "they were divided by different baselines or policies",
        );
        mixed(
            |it| part(it).shard = Shard::new(2, 4).unwrap(),
            "one is of 3 shards, the other of 4",
        );
        mixed(
            |it| part(it).ci = Some(CiRun { run: 8, attempt: 1 }),
            "one is of CI run 7, the other of 8",
        );
        mixed(
            |it| part(it).ci = None,
            "one is of CI run 7, the other of none",
        );
        mixed(
            |it| {
                part(it).listed.remove(0);
                part(it).listed.push("s/z".parse().unwrap());
            },
            "only one of them lists `s/a`, `s/z`",
        );
        mixed(
            |it| part(it).whole = false,
            "only one of them is of all benchmarks of the project",
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let one = refused(|runs| drop(runs.remove(1)));
        assert_eq!(one.to_string(), "shard 2/3 is missing");
        assert!(one.is_incomplete() && one.fix().contains("--shard 2/3"));
        let two = refused(|runs| runs.truncate(1));
        assert_eq!(two.to_string(), "shards 2/3, 3/3 are missing");
        let lost = refused(|runs| drop(runs[2].1.benchmarks.pop()));
        assert_eq!(lost.to_string(), "no shard has measured `s/f`");
        assert!(lost.is_incomplete());
        let none = refused(|runs| runs.iter_mut().for_each(|(_, run)| run.benchmarks.clear()));
        assert!(
            none.to_string()
                .starts_with("no shard has measured `s/a`, `s/b`")
        );
        assert_eq!(refused(Vec::clear), MergeError::Nothing);
    }

    #[test]
    fn nothing_is_counted_twice() {
        let twice = refused(|runs| {
            let again = ("again.json".to_owned(), runs[1].1.clone());
            runs.push(again);
        });
        let message = "shard 2/3 is there twice: `2.json` and `again.json`";
        assert_eq!(twice.to_string(), message);
        let duplicate = refused(|runs| {
            let again = runs[0].1.benchmarks[0].clone();
            runs[2].1.benchmarks.push(again);
        });
        let message = "benchmark `s/a` was measured twice, in `1.json` and `3.json`";
        assert_eq!(duplicate.to_string(), message);
        let whole = refused(|runs| runs[0].1.part = None);
        assert_eq!(whole.to_string(), "run `1.json` is not a shard");
        assert!(whole.fix().contains("icgate compare 1.json"));
    }

    #[test]
    fn of_several_attempts_the_last_counts() {
        let mut runs = shards(&suite(), 3);
        // The first attempt lost a benchmark on a machine of another kind.
        let mut last = runs[1].clone();
        last.0 = "last.json".to_owned();
        part(&mut last).ci = Some(CiRun { run: 7, attempt: 2 });
        runs[1].1.benchmarks.clear();
        runs[1].1.chamber.cpu = "another".to_owned();
        runs.insert(0, last);
        let merged = merge(runs).unwrap();
        assert_eq!(merged.run, whole(&suite()));
        assert_eq!(
            merged.warnings,
            ["shard 2/3 was measured more than once: attempt 2 counts, attempt 1 does not"]
        );
    }

    #[test]
    fn a_benchmark_that_failed_is_named_and_the_others_are_kept() {
        let mut runs = shards(&suite(), 3);
        let lost = runs[1].1.benchmarks.remove(0).id;
        runs[1].1.failed.push(Failed {
            id: lost.clone(),
            why: "it panicked".to_owned(),
        });
        let run = merge(runs).unwrap().run;
        assert_eq!(run.benchmarks.len(), suite().len() - 1);
        assert!(!run.complete);
        let failed: Vec<_> = run
            .failed
            .iter()
            .map(|it| (&it.id, it.why.as_str()))
            .collect();
        assert_eq!(failed, [(&lost, "it panicked")]);
    }

    #[test]
    fn shards_without_a_commit_are_merged_with_a_word() {
        let mut runs = shards(&suite(), 2);
        for (_, run) in &mut runs {
            run.commit = None;
        }
        let merged = merge(runs).unwrap();
        assert!(merged.warnings[0].contains("name no commit"), "{merged:?}");
    }

    #[test]
    fn a_long_list_is_cut() {
        let ids: Vec<BenchId> = (0..12)
            .map(|n| format!("s/{n:02}").parse().unwrap())
            .collect();
        assert!(
            names(&ids).ends_with("`s/09` and 2 more"),
            "{}",
            names(&ids)
        );
    }

    proptest! {
        #[test]
        fn a_merged_run_is_what_one_machine_measures(
            suite in prop::collection::btree_map("[a-c]/[a-z]{1,3}", 10..1_000_000_u64, 0..60),
            of in 1..12_u32,
            turn in any::<prop::sample::Index>(),
        ) {
            let suite: Vec<(BenchId, u64)> =
                suite.into_iter().map(|(id, count)| (id.parse().unwrap(), count)).collect();
            let mut runs = shards(&suite, of);
            runs.rotate_left(turn.index(of as usize));
            // By way of the file, as machines hand them over.
            let handed = runs.into_iter().map(|(name, run)| {
                let run = Run::from_json(&name, &run.to_json()).unwrap();
                (name, run)
            });
            let merged = merge(handed.collect()).unwrap();
            prop_assert_eq!(merged.run.to_json(), whole(&suite).to_json());
            prop_assert!(merged.warnings.is_empty());
        }
    }
}
