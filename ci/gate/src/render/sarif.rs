//! A report as SARIF 2.1.0 (OASIS), which code scanning services read: a result for each benchmark
//! that needs someone, at its culprit's line.

use serde_json::{Value, json};

use crate::judge::{BaselineState, Outcome, Verdict};
use crate::render::messages;
use crate::render::number::{grouped, percent};
use crate::report::source_link::percent_encoded;
use crate::report::{Report, Row};

/// Services refuse larger files; the worst come first.
const RESULTS_MAX: usize = 5_000;

/// The report as SARIF.
#[must_use]
pub fn render(report: &Report) -> String {
    let report = &report.escaped();
    let failing: Vec<&Row> = report.rows.iter().filter(|row| row.fails()).collect();
    let mut rules: Vec<Verdict> = failing.iter().map(|row| row.verdict).collect();
    rules.sort_unstable_by_key(|it| it.word());
    rules.dedup_by_key(|it| it.word());
    let results = failing
        .iter()
        .take(RESULTS_MAX)
        .map(|row| result(report, row, &rules));
    let not_measured = report.failed.iter().map(|failed| {
        json!({
            "level": "error",
            "descriptor": {"id": "not_measured"},
            "message": {"text": format!("{} was not measured: {}", failed.id, failed.why)},
        })
    });
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "icgate",
                "rules": rules.iter().map(|it| rule(*it)).collect::<Vec<_>>(),
            }},
            "invocations": [{
                "executionSuccessful": report.failed.is_empty(),
                "exitCode": report.exit_code,
                "toolExecutionNotifications": not_measured.collect::<Vec<_>>(),
            }],
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
        }],
    });
    crate::render::json(&document)
}

fn rule(verdict: Verdict) -> Value {
    let text = match verdict.baseline {
        BaselineState::Kept => "A benchmark executes more instructions than its limit allows.",
        BaselineState::ImprovementNotRecorded => {
            "A benchmark is better than its baseline, which was not updated."
        }
        BaselineState::NotComparable | BaselineState::Rebaselined => {
            "A baseline was recorded in another measurement environment than base or the run."
        }
        BaselineState::Noisy => "A benchmark moves by more than its limit when nothing changed.",
        BaselineState::Empty => "A benchmark measures next to nothing.",
        BaselineState::ReasonMissing => "A worse baseline, or a removed one, gives no reason.",
        BaselineState::BaselineMismatch => "A baseline was changed to what was not measured.",
        BaselineState::NoBaseline => "A benchmark has no baseline yet.",
        BaselineState::BenchmarkMissing => "A baseline is of a benchmark that is not there.",
        // Never a rule: these pass.
        BaselineState::Accepted
        | BaselineState::Added
        | BaselineState::Removed
        | BaselineState::StaleOnBase => "A baseline is as it should be.",
    };
    json!({"id": verdict.word(), "shortDescription": {"text": text}})
}

fn result(report: &Report, row: &Row, rules: &[Verdict]) -> Value {
    let level = match row.outcome {
        Outcome::Regressed => "error",
        _ => "warning",
    };
    let mut text = format!("{} {}", row.id, messages::verdict(row));
    if let (Some(base), Some(head), Some(change)) = (row.base, row.head, row.change) {
        text = format!(
            "{text}: {} → {} {} ({}, limit {})",
            grouped(base),
            grouped(head),
            row.metric,
            percent(change),
            row.limit_share()
        );
    }
    let causes = row.culprits.iter().map(|it| messages::culprit(row, it));
    let reach = messages::reach_note(row).map(str::to_owned);
    for line in messages::meaning(row)
        .into_iter()
        .chain(causes)
        .chain(reach)
    {
        text.push('\n');
        text.push_str(&line);
    }
    let locations: Vec<Value> = row
        .culprits
        .iter()
        .filter(|it| it.line.is_some() && !it.file.is_empty())
        .map(|it| {
            let path = format!("{}{}", report.prefix, it.file);
            json!({"physicalLocation": {
                "artifactLocation": {"uri": percent_encoded(&path).to_string()},
                "region": {"startLine": it.line.map_or(1, |line| line.max(1))},
            }})
        })
        .collect();
    json!({
        "ruleId": row.verdict.word(),
        "ruleIndex": rules.iter().position(|it| it.word() == row.verdict.word()),
        "level": level,
        "message": {"text": text},
        "locations": locations.iter().take(1).collect::<Vec<_>>(),
        "relatedLocations": locations.iter().skip(1).collect::<Vec<_>>(),
        // The same benchmark stays the same alert, whatever line its culprit moves to.
        "partialFingerprints": {"benchmark/v1": row.id},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::sample;

    #[test]
    fn red_results() {
        insta::assert_snapshot!(render(&sample()));
    }
}
