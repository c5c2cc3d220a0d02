//! Sentences about what was proven, and about what a cause did that is nobody's fault.

use super::causes::at;
use super::plural;
use crate::attribute::Origin;
use crate::judge::Outcome;
use crate::model::metric::Metric;
use crate::render::number::{grouped, signed};
use crate::report::proven::{CauseProof, ProvenPart};
use crate::report::{Report, Row};

/// What was proven of a row; `name` makes names from outside harmless.
pub(crate) fn proof(row: &Row, name: impl Fn(&str) -> String) -> Option<String> {
    let proof = row.proof.as_ref()?;
    let part = |part: &ProvenPart| {
        let others = match part.with {
            0 => String::new(),
            count => format!(" with {} more", plural(count, "hunk")),
        };
        let place = name(&at(&part.file, Some(part.line)));
        format!("{place}{others} {}", signed(part.adds))
    };
    let mut parts: Vec<String> = proof.parts.iter().map(part).collect();
    let together = proof.interaction.filter(|it| *it != 0);
    parts.extend(together.map(|it| format!("{} by interaction", signed(it))));
    let split = match (proof.cause, parts.len()) {
        (CauseProof::Proven, 1) | (_, 0) => String::new(),
        _ => format!("; by pieces of the change: {}", parts.join(", ")),
    };
    Some(match (proof.cause, proof.parts.first()) {
        (CauseProof::Proven, Some(part)) => {
            let left = match part.left {
                0 => "what base counts".to_owned(),
                left => format!("{} against base", signed(left)),
            };
            format!("proven: built without this piece of the change, it is {left}{split}")
        }
        (CauseProof::Disproven, _) => {
            format!("proven not to be the cause: most of the change stays without it{split}")
        }
        _ if split.is_empty() => return None,
        _ => format!("this cause was not tried{split}"),
    })
}

/// `proven`, or that it is proven not to be it.
pub(crate) const fn proof_label(proof: Option<CauseProof>) -> &'static str {
    match proof {
        Some(CauseProof::Proven) => ", proven",
        Some(CauseProof::Disproven) => ", proven not to be the cause",
        Some(CauseProof::Untested) | None => "",
    }
}

/// Whether all that regressed did so because the benchmarks themselves were changed: then nobody is to blame.
pub(super) fn is_workload(report: &Report) -> bool {
    let mut red = report
        .rows
        .iter()
        .filter(|it| it.outcome == Outcome::Regressed)
        .peekable();
    red.peek().is_some() && red.all(|it| it.origin == Some(Origin::Workload))
}

/// How many more allocations a benchmark makes, and of what size where the harness's DHAT knows it:
/// `1,000 more allocations, of 64 bytes each`.
pub(super) fn allocated(row: &Row) -> Option<String> {
    let more = |metric| {
        let (base, head) = *row.metrics.get(&metric)?;
        head?.checked_sub(base?).filter(|more| *more > 0)
    };
    let size = more(Metric::HeapBytes).zip(more(Metric::HeapBlocks));
    let size = size.map_or_else(String::new, |(bytes, blocks)| match bytes % blocks {
        0 => format!(", of {} bytes each", grouped(bytes / blocks)),
        _ => format!(", {} bytes in all", grouped(bytes)),
    });
    let words = [
        (Metric::Allocations, "allocation"),
        (Metric::Reallocations, "reallocation"),
    ];
    words.into_iter().find_map(|(metric, noun)| {
        let count = more(metric)?;
        let s = if count == 1 { "" } else { "s" };
        Some(format!("{} more {noun}{s}{size}", grouped(count)))
    })
}

#[cfg(test)]
mod tests {
    use super::super::{action, main_cause, next_steps};
    use super::*;
    use crate::report::tests::sample;

    #[test]
    fn changed_workload_asks_for_a_new_baseline_and_blames_nobody() {
        let mut report = sample();
        assert!(action(&report).starts_with("Reduce the cost"));
        let red = |it: &&mut Row| it.outcome == Outcome::Regressed;
        for row in report.rows.iter_mut().filter(red) {
            row.origin = Some(Origin::Workload);
        }
        assert!(action(&report).contains("record what they measure now"));
        let steps = next_steps(&report);
        let purposes: Vec<&str> = steps.iter().map(|it| it.0).collect();
        assert!(purposes.contains(&"record the changed workload, with a reason"));
        let mut cause = report.main_cause.clone().unwrap();
        cause.origin = Origin::Workload;
        let said = main_cause(&cause, str::to_owned);
        let start = "the benchmark itself was changed at ";
        assert!(said.starts_with(start), "{said}");
        // It still fails: what costs more is accepted by somebody, and never by what is said of it.
        assert_eq!(report.exit_code, 1);
    }

    #[test]
    fn allocations_are_told_with_their_size_where_it_is_known() {
        let mut row = sample().rows[0].clone();
        let mut told = |metrics: &[(Metric, u64, u64)]| {
            let known = metrics.iter().map(|it| (it.0, (Some(it.1), Some(it.2))));
            row.metrics = known.collect();
            allocated(&row)
        };
        let more = (Metric::Allocations, 5, 1_005);
        assert_eq!(told(&[more]).unwrap(), "1,000 more allocations");
        let sized = [
            more,
            (Metric::HeapBytes, 0, 64_000),
            (Metric::HeapBlocks, 0, 1_000),
        ];
        assert_eq!(
            told(&sized).unwrap(),
            "1,000 more allocations, of 64 bytes each"
        );
        let uneven = [
            more,
            (Metric::HeapBytes, 0, 1_001),
            (Metric::HeapBlocks, 0, 1_000),
        ];
        assert_eq!(
            told(&uneven).unwrap(),
            "1,000 more allocations, 1,001 bytes in all"
        );
        let again = [(Metric::Allocations, 5, 5), (Metric::Reallocations, 0, 1)];
        assert_eq!(told(&again).unwrap(), "1 more reallocation");
        assert_eq!(told(&[(Metric::Allocations, 5, 4)]), None);
    }
}
