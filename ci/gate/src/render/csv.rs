//! A report as comma-separated values: a row for each benchmark, counts as plain numbers.

use crate::judge::Movement;
use crate::render::messages;
use crate::render::separated::separated;
use crate::report::Report;

const HEADER: [&str; 16] = [
    "benchmark",
    "verdict",
    "movement",
    "baseline",
    "exit_code",
    "metric",
    "base",
    "committed",
    "head",
    "change_ppm",
    "limit_ppm",
    "noise",
    "reason",
    "culprit",
    "place",
    "culprit_instructions",
];

/// The report as CSV.
#[must_use]
pub fn render(report: &Report) -> String {
    let report = &report.escaped();
    let count = |count: Option<u64>| count.map_or_else(String::new, |it| it.to_string());
    let rows = report.rows.iter().map(|row| {
        let culprit = row.culprits.first();
        vec![
            row.id.to_string(),
            row.verdict.word().to_owned(),
            row.movement.map_or("", Movement::word).to_owned(),
            row.baseline.word().to_owned(),
            row.outcome.exit_code().to_string(),
            row.metric.name().to_owned(),
            count(row.base),
            count(row.committed),
            count(row.head),
            row.change.map_or_else(String::new, |it| it.to_string()),
            row.limit.to_string(),
            row.noise.to_string(),
            row.reason.clone().unwrap_or_default(),
            culprit.map_or_else(String::new, |it| it.name.to_string()),
            culprit.map_or_else(String::new, messages::place),
            culprit.map_or_else(String::new, |it| it.instructions.to_string()),
        ]
    });
    // What was not measured has a row as well: a table without it would look complete.
    let failed = report.failed.iter().map(|failed| {
        let mut row = vec![String::new(); HEADER.len()];
        row[0] = failed.id.to_string();
        "not_measured".clone_into(&mut row[1]);
        "3".clone_into(&mut row[4]);
        failed.why.clone_into(&mut row[12]);
        row
    });
    separated(&HEADER, rows.chain(failed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::run::Failed;
    use crate::report::tests::sample;

    #[test]
    fn a_red_table() {
        let mut report = sample();
        report.failed.push(Failed {
            id: "a/b/c".parse().unwrap(),
            why: "it panicked,\n\"here\"".to_owned(),
        });
        insta::assert_snapshot!(render(&report));
    }
}
