//! What was proven of a change, for a terminal and for programs.

use std::fmt::Write as _;

use serde::Serialize;

use crate::attribute::proof::hunks::Pieces;
use crate::attribute::proof::{Effect, Proof};
use crate::model::bench_id::BenchId;
use crate::model::escape::escaped;
use crate::model::metric::Metric;
use crate::render::number::{grouped, percent, signed};
use crate::report::change;

/// The version of the JSON that this code writes.
pub const PROOF_FORMAT: u32 = 1;

/// The proof as lines of text; `seconds` is how long it took.
#[must_use]
pub fn render(
    id: &BenchId,
    metric: Metric,
    proof: &Proof,
    pieces: &Pieces,
    seconds: u64,
) -> String {
    let mut text = format!(
        "{}: {} {} → {} ({}{})\n",
        escaped(id.as_str()),
        metric.name(),
        grouped(proof.base),
        grouped(proof.head),
        signed(proof.change()),
        share(proof.base, proof.head),
    );
    for effect in &proof.effects {
        let word = if proof.is_proven(effect.group) {
            "proven: "
        } else {
            ""
        };
        let left = i128::from(effect.without) - i128::from(proof.base);
        let _ = writeln!(
            text,
            "  {word}{} adds {}{}; without it: {}",
            places(pieces, effect.group),
            signed(effect.adds),
            parts(proof.base, effect),
            signed(left),
        );
    }
    if let Some(together) = proof.interaction().filter(|it| *it != 0) {
        let _ = writeln!(text, "  {} by interaction", signed(together));
    }
    for group in &proof.untested {
        let place = places(pieces, *group);
        let _ = writeln!(text, "  unknown: {place} was not tested alone");
    }
    if proof.effects.is_empty() && proof.untested.is_empty() {
        text.push_str("  no piece of the change makes a difference\n");
    }
    let s = if proof.trials == 1 { "" } else { "s" };
    let _ = writeln!(text, "  {} build{s}, {seconds} seconds", proof.trials);
    text
}

fn share(base: u64, head: u64) -> String {
    change(base, head).map_or_else(String::new, |it| format!(", {}", percent(it)))
}

/// What a piece adds, as a share of base.
fn parts(base: u64, effect: &Effect) -> String {
    let with = i128::from(base) + effect.adds;
    let with = u64::try_from(with).unwrap_or(0);
    let share = change(base, with).map(percent);
    share.map_or_else(String::new, |it| format!(" ({it})"))
}

/// `engine/src/frame.rs:95, benches/src/frame.rs:4`.
fn places(pieces: &Pieces, group: usize) -> String {
    let pieces = pieces
        .group(group)
        .map(|it| format!("{}:{}", it.file, it.head));
    escaped(&pieces.collect::<Vec<_>>().join(", "))
}

/// The proof for programs.
#[must_use]
pub fn json(id: &BenchId, metric: Metric, proof: &Proof, pieces: &Pieces) -> String {
    #[derive(Serialize)]
    struct Place<'a> {
        file: &'a str,
        line: usize,
        lines: usize,
    }
    #[derive(Serialize)]
    struct Part<'a> {
        places: Vec<Place<'a>>,
        without: u64,
        adds: i128,
        proven: bool,
    }
    #[derive(Serialize)]
    struct Whole<'a> {
        format: u32,
        id: &'a BenchId,
        metric: Metric,
        base: u64,
        head: u64,
        parts: Vec<Part<'a>>,
        interaction: Option<i128>,
        untested: Vec<Vec<Place<'a>>>,
        builds: usize,
    }
    let places = |group: usize| -> Vec<Place<'_>> {
        let place = |it: &'_ crate::attribute::proof::hunks::Piece| (it.head, it.added.len());
        pieces
            .group(group)
            .map(|it| Place {
                file: &it.file,
                line: place(it).0,
                lines: place(it).1,
            })
            .collect()
    };
    let parts = proof.effects.iter().map(|it| Part {
        places: places(it.group),
        without: it.without,
        adds: it.adds,
        proven: proof.is_proven(it.group),
    });
    super::json(&Whole {
        format: PROOF_FORMAT,
        id,
        metric,
        base: proof.base,
        head: proof.head,
        parts: parts.collect(),
        interaction: proof.interaction(),
        untested: proof.untested.iter().map(|it| places(*it)).collect(),
        builds: proof.trials,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::proof::{Trial, prove};

    const DIFF: &str =
        "--- a/a.rs\n+++ b/a.rs\n@@ -2 +2 @@\n-alpha\n+beta\n@@ -9 +9 @@\n-gamma\n+delta\n";

    #[test]
    fn a_mixed_change_is_told_apart() {
        let pieces = Pieces::from_unified_diff(DIFF);
        let proof = prove((1_000, 1_008), 2, &[0], |set| {
            Trial::Count(if set.contains(&0) { 1_031 } else { 978 })
        });
        let id: BenchId = "wal/append/b64".parse().expect("an id");
        let text = render(&id, Metric::Instructions, &proof, &pieces, 12);
        for said in [
            "1,000 → 1,008 (+8, +0.80 %)",
            "proven: a.rs:2 adds +30 (+3.00 %); without it: −22",
            "a.rs:9 adds −23 (−2.30 %); without it: +31",
            "+1 by interaction",
            "2 builds, 12 seconds",
        ] {
            assert!(text.contains(said), "{said} in {text}");
        }
        let json = json(&id, Metric::Instructions, &proof, &pieces);
        assert!(
            json.contains("\"proven\":") && json.contains("\"interaction\":"),
            "{json}"
        );
    }

    #[test]
    fn what_makes_no_difference_or_was_not_tested_is_said() {
        let pieces = Pieces::from_unified_diff(DIFF);
        let id: BenchId = "wal/append/b64".parse().expect("an id");
        let none = prove((5, 5), 2, &[], |_| Trial::Count(5));
        let text = render(&id, Metric::Instructions, &none, &pieces, 0);
        assert!(
            text.contains("no piece of the change makes a difference"),
            "{text}"
        );
        let late = prove((5, 6), 2, &[], |_| Trial::OutOfTime);
        let text = render(&id, Metric::Instructions, &late, &pieces, 0);
        assert!(
            text.contains("unknown: a.rs:2 was not tested alone"),
            "{text}"
        );
    }
}
