//! Proofs: what head's red benchmarks count without pieces of the change. Written as `proof.json`:
//!
//! ```text
//! {"format":1,"proofs":[
//!   {"id":"wal/append/b64","metric":"instructions","base":1000,"head":1030,
//!    "tried":[{"places":[{"file":"engine/src/frame.rs","line":95}],"without":1000}],
//!    "untested":0,"builds":1}]}
//! ```
//!
//! It has counts and places and no word: whether a cause is proven is worked out by whoever reads it, so
//! that a file which somebody made up can claim counts and nothing else.

use serde::{Deserialize, Serialize};

use crate::model::bench_id::BenchId;
use crate::model::metric::{COUNT_MAX, Metric};

/// The version of `proof.json` that this code writes, and the only one it reads.
pub const PROOFS_FORMAT: u32 = 1;

/// The most benchmarks in a file, trials of one, and places of one: more than is ever proven.
const BENCHMARKS_MAX: usize = 200;
const TRIED_MAX: usize = 200;
const PLACES_MAX: usize = 200;

/// What was found out about the red benchmarks of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proofs {
    /// [`PROOFS_FORMAT`].
    pub format: u32,
    /// A benchmark each, in no order that matters.
    pub proofs: Vec<BenchmarkProof>,
}

/// What was found out about one benchmark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BenchmarkProof {
    /// Which benchmark.
    pub id: BenchId,
    /// What is counted.
    pub metric: Metric,
    /// Base's count.
    pub base: u64,
    /// Head's count.
    pub head: u64,
    /// The pieces that were taken out of head, a trial each.
    pub tried: Vec<Tried>,
    /// Of how many pieces nothing is known.
    pub untested: u64,
    /// How often something was built.
    pub builds: u64,
}

/// Pieces of the change that stay together, and head's count without them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tried {
    /// Where they are in head, as seen from the workspace.
    pub places: Vec<ProofPlace>,
    /// Head's count without them.
    pub without: u64,
}

/// A place in head: the first line of a piece.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofPlace {
    /// The file, as seen from the workspace.
    pub file: String,
    /// The line, counted from 1.
    pub line: u32,
}

impl Proofs {
    /// Reads `proof.json`.
    ///
    /// # Errors
    ///
    /// In words, if it is no file of this format, has a count over [`COUNT_MAX`], or more of anything
    /// than is ever written.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let proofs: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if proofs.format != PROOFS_FORMAT {
            let format = proofs.format;
            return Err(format!(
                "it has format {format}, this icgate reads {PROOFS_FORMAT}"
            ));
        }
        let is_too_long = |proof: &BenchmarkProof| {
            let places = proof.tried.iter().map(|it| it.places.len());
            proof.tried.len() > TRIED_MAX || places.sum::<usize>() > PLACES_MAX
        };
        if proofs.proofs.len() > BENCHMARKS_MAX || proofs.proofs.iter().any(is_too_long) {
            return Err("it has more than is ever proven".to_owned());
        }
        let is_no_count = |proof: &BenchmarkProof| {
            let tried = proof.tried.iter().map(|it| it.without);
            let counts = [proof.base, proof.head, proof.untested, proof.builds];
            tried.chain(counts).any(|count| count > COUNT_MAX)
        };
        if proofs.proofs.iter().any(is_no_count) {
            return Err("it has a count beyond 2^53 - 1".to_owned());
        }
        Ok(proofs)
    }

    /// The file's text, ending in a line break.
    #[must_use]
    pub fn to_json(&self) -> String {
        json(self) + "\n"
    }

    /// What was found out about `id`.
    #[must_use]
    pub fn of(&self, id: &BenchId) -> Option<&BenchmarkProof> {
        self.proofs.iter().find(|it| it.id == *id)
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("texts and numbers always serialise")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proofs() -> Proofs {
        let place = ProofPlace {
            file: "src/lib.rs".to_owned(),
            line: 2,
        };
        let tried = Tried {
            places: vec![place],
            without: 1_000,
        };
        let proof = BenchmarkProof {
            id: "suite/f/a".parse().unwrap(),
            metric: Metric::Instructions,
            base: 1_000,
            head: 1_030,
            tried: vec![tried],
            untested: 0,
            builds: 1,
        };
        Proofs {
            format: PROOFS_FORMAT,
            proofs: vec![proof],
        }
    }

    #[test]
    fn a_written_file_is_read_again() {
        let text = proofs().to_json();
        assert_eq!(Proofs::from_json(&text), Ok(proofs()));
    }

    #[test]
    fn what_nobody_writes_is_refused() {
        let refused = |change: fn(&mut Proofs)| {
            let mut proofs = proofs();
            change(&mut proofs);
            Proofs::from_json(&proofs.to_json()).is_err()
        };
        assert!(!refused(|_| {}));
        assert!(refused(|it| it.format = 2));
        assert!(refused(|it| it.proofs[0].head = COUNT_MAX + 1));
        assert!(refused(|it| it.proofs[0].tried[0].without = u64::MAX));
        assert!(refused(
            |it| it.proofs = vec![it.proofs[0].clone(); BENCHMARKS_MAX + 1]
        ));
        assert!(refused(|it| {
            let tried = &mut it.proofs[0].tried;
            *tried = vec![tried[0].clone(); TRIED_MAX + 1];
        }));
        assert!(refused(|it| {
            let places = &mut it.proofs[0].tried[0].places;
            *places = vec![places[0].clone(); PLACES_MAX + 1];
        }));
        assert!(Proofs::from_json("{\"format\":1,\"proofs\":[],\"verdict\":\"pass\"}").is_err());
        assert!(Proofs::from_json("").is_err());
    }
}
