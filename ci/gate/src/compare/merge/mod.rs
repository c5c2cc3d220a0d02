//! Merging: the shards of one run, put together and proven to be the whole of it.
//!
//! The merged run is what one machine would have measured, byte for byte. So nothing is merged
//! that one machine could not have measured: shards must agree in commit, measurement environment, accepted
//! baselines and policy, in what is listed and how it is divided, and in the run of CI; each shard
//! and each benchmark is there exactly once.
//!
//! One thing may differ: the attempt. When failed jobs run again, CI keeps the shards of the
//! others, and where a shard was measured in several attempts the last one counts.

use std::collections::{BTreeMap, HashSet};

use miette::Diagnostic;
use thiserror::Error;

use crate::model::bench_id::BenchId;
use crate::model::note::Note;
use crate::model::run::{CiRun, Failed, Part, Run};
use crate::model::shard::Shard;

/// At most this many ids are named in a message.
const IDS_MAX: usize = 10;

/// A run put together from its shards.
#[derive(Debug)]
pub struct Merged {
    /// What one machine would have measured.
    pub run: Run,
    /// What the reader should know.
    pub warnings: Vec<Note>,
}

const AGAIN: &str = "measure all shards again, of one commit and on machines of one kind";

/// Why shards do not make a run. Names are those that the runs were given with.
#[derive(Debug, PartialEq, Eq, Error, Diagnostic)]
pub enum MergeError {
    /// There is nothing to merge.
    #[error("no run was found")]
    #[diagnostic(help(
        "give the run.json of every shard, or the folder with them; in CI, look into the log of the measuring jobs"
    ))]
    Nothing,
    /// A run of all benchmarks, or one that was merged before.
    #[error("run `{name}` is not a shard")]
    #[diagnostic(help("judge it by itself: icgate compare {name}"))]
    NotAShard {
        /// The run.
        name: String,
    },
    /// Two shards differ in what all of them share.
    #[error("`{first}` and `{second}` cannot be merged: {what}")]
    #[diagnostic(help("{AGAIN}"))]
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
    #[diagnostic(help("leave one of them out"))]
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
    #[diagnostic(help("{AGAIN}"))]
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
    #[diagnostic(help("{}", measure_missing(shards)))]
    MissingShards {
        /// Which ones.
        shards: Vec<Shard>,
    },
    /// Listed, and measured in no shard.
    #[error("no shard has measured {}", names(ids))]
    #[diagnostic(help("see why its job could not measure it, and run that job again"))]
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
}

fn measure_missing(shards: &[Shard]) -> String {
    let shard = shards.first().map_or_else(String::new, Shard::to_string);
    format!("see why its job gave no run.json, or measure it: icgate measure --shard {shard}")
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
        warnings.push(Note::from(
            "the shards name no commit, so that all measured the same sources is not proven",
        ));
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
        .environment
        .differences(&b.run.environment)
        .iter()
        .map(|it| format!("{} is `{}` and `{}`", it.field, it.base, it.head))
        .collect();
    if !differences.is_empty() {
        return Some(format!(
            "their measurement environments differ: {}",
            differences.join("; ")
        ));
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
fn last_attempts(pieces: Vec<Piece>) -> Result<(Vec<Piece>, Vec<Note>), MergeError> {
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
        warnings.push(Note::new(
            "shard {} was measured more than once: attempt {} counts, attempt {} does not",
            &[&piece.part.shard, &piece.attempt(), &before.attempt()],
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
    let has_failed: HashSet<&BenchId> = failed.iter().map(|it| &it.id).collect();
    let is_missing = |id: &BenchId| !measured.contains_key(id) && !has_failed.contains(id);
    let missing: Vec<BenchId> = part.listed.into_iter().filter(is_missing).collect();
    if !missing.is_empty() {
        return Err(MergeError::MissingBenchmarks { ids: missing });
    }
    // Shards of one commit and one CI run are of one build. Where they are not, it is not known.
    if pieces
        .as_slice()
        .iter()
        .any(|it| it.run.crates != run.crates)
    {
        run.crates.clear();
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
mod tests;
