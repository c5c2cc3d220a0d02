//! What newer tools do to the counts of main, whose code nobody touched.
//!
//! Elsewhere counts of two measurement environments are never compared: what differs between them could be the
//! code's doing or the measurement environment's. Here the code is main's own, accepted as it is, and what another
//! compiler, Valgrind or C library does to its counts is just what is asked. So the difference of
//! the measurement environments is named, and not held against anything; what stays within its limit is no news.

use std::fmt::Write as _;

use crate::attribute::diff::ChangedLines;
use crate::compare::compare;
use crate::judge::{Verdict, judge};
use crate::model::baseline::Baselines;
use crate::model::policy::Policy;
use crate::model::run::Run;
use crate::render::markup::code;
use crate::render::messages;
use crate::render::number::{grouped, percent};
use crate::report::{Report, Row, report};

/// What the rows of the table may take.
const TABLE_BYTES_MAX: usize = 40_000;
/// Benchmarks that could not be measured, and differences of the environment: so many are named.
const NAMED_MAX: usize = 20;

/// What to tell of a run of main in a measurement environment of today, as Markdown; `None` if no count left its
/// limit, and some could be compared, and none failed.
#[must_use]
pub fn issue(baselines: &Baselines, run: &Run, policy: &Policy) -> Option<String> {
    let comparison = compare(baselines, baselines, run).across_environments();
    let judgements = judge(&comparison, policy);
    let unchanged = ChangedLines::default();
    let report = report(run, &comparison, &judgements, policy, &unchanged, "");
    let moved: Vec<&Row> = report.rows.iter().filter(|row| has_moved(row)).collect();
    let compared = report
        .rows
        .iter()
        .filter(|it| it.base.and(it.head).is_some())
        .count();
    if moved.is_empty() && report.failed.is_empty() && compared > 0 {
        return None;
    }
    let mut text = format!(
        "### 📈 icgate: {} of {} {} by more than the limit\n\n",
        moved.len(),
        messages::plural(compared, "benchmark"),
        if moved.len() == 1 {
            "leaves its baseline"
        } else {
            "leave their baselines"
        },
    );
    text.push_str(&surroundings(&report));
    if compared == 0 {
        text.push_str("> ⚠️ No benchmark has both a baseline and a measurement.\n\n");
    }
    text.push_str(&table(&moved));
    let more = report
        .rows
        .iter()
        .filter(|it| it.verdict == Verdict::WITHIN_LIMIT)
        .count();
    if more > 0 {
        let _ = writeln!(
            text,
            "{} more moved within the limit.\n",
            grouped(more as u64)
        );
    }
    let update = code(&report.commands.update);
    let _ = writeln!(
        text,
        "- to move to this environment: pin what is new, record with {update}, commit both\n\
         - to stay: nothing; pull requests are measured in the pinned environment"
    );
    Some(text)
}

/// Beyond its limit, in whichever direction. What has no baseline or no measurement is main's own
/// gate's to tell.
fn has_moved(row: &Row) -> bool {
    matches!(row.verdict, Verdict::REGRESSED | Verdict::IMPROVED)
}

/// What is new, and what could not be measured there.
fn surroundings(report: &Report) -> String {
    let mut text = String::new();
    match report.environment_differences.as_slice() {
        [] => text.push_str(
            "The measurement environment is that of the baselines: it is main's own code that has left them.\n\n",
        ),
        differences => {
            text.push_str("Main's code in a measurement environment that differs from the baselines' in:\n\n");
            for it in differences.iter().take(NAMED_MAX) {
                let field = it.field.replace('_', " ");
                let (base, head) = (code(&it.base), code(&it.head));
                let _ = writeln!(text, "- {field}: {base} → {head}");
            }
            text.push('\n');
        }
    }
    for failed in report.failed.iter().take(NAMED_MAX) {
        let why = failed.why.lines().next().unwrap_or_default();
        let id = code(failed.id.as_str());
        let _ = writeln!(text, "> 💥 {id} was not measured: {}\n", code(why));
    }
    text
}

fn table(moved: &[&Row]) -> String {
    if moved.is_empty() {
        return String::new();
    }
    let mut text = "| benchmark | baseline | today | change | limit | most of it |\n\
                    |---|--:|--:|--:|--:|---|\n"
        .to_owned();
    let count = |count: Option<u64>| count.map_or_else(|| "–".to_owned(), grouped);
    let mut left = TABLE_BYTES_MAX;
    for (shown, row) in moved.iter().enumerate() {
        let culprit = row.culprits.first();
        let line = format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            code(row.id.as_str()),
            count(row.base),
            count(row.head),
            row.change.map_or_else(|| "–".to_owned(), percent),
            row.limit_share(),
            culprit.map_or_else(|| "–".to_owned(), |it| code(&messages::culprit(row, it))),
        );
        if line.len() > left {
            let _ = writeln!(text, "\n… and {} more.", moved.len() - shown);
            break;
        }
        left -= line.len();
        text.push_str(&line);
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::baseline::Baseline;
    use crate::model::baseline::tests::{accepted, measured};
    use crate::model::environment::Environment;
    use crate::model::environment::tests::environment;
    use crate::model::run::Failed;

    fn baselines(count: u64) -> Baselines {
        let ids = ["a/x/1", "a/x/2", "a/x/3"];
        Baselines::new([Baseline::new(
            "a",
            environment(),
            ids.map(|id| accepted(id, count)).into(),
        )])
    }

    fn run(environment: Environment, counts: &[(&str, u64)]) -> Run {
        Run::whole(
            environment,
            counts
                .iter()
                .map(|(id, count)| measured(id, *count))
                .collect(),
        )
    }

    fn today() -> Environment {
        Environment {
            valgrind: "3.99.0".to_owned(),
            ..environment()
        }
    }

    fn told(run: &Run) -> Option<String> {
        issue(&baselines(10_000), run, &Policy::default())
    }

    #[test]
    fn another_environment_alone_is_no_news() {
        for environment in [environment(), today()] {
            let still = run(
                environment.clone(),
                &[("a/x/1", 10_000), ("a/x/2", 10_000), ("a/x/3", 10_000)],
            );
            assert_eq!(told(&still), None);
            // Equal to the limit is within it.
            let within = run(
                environment,
                &[("a/x/1", 10_100), ("a/x/2", 9_900), ("a/x/3", 10_001)],
            );
            assert_eq!(told(&within), None);
        }
    }

    #[test]
    fn counts_beyond_their_limit_are_told_with_what_is_new() {
        let text = told(&run(
            today(),
            &[("a/x/1", 10_101), ("a/x/2", 9_000), ("a/x/3", 10_050)],
        ));
        let text = text.unwrap();
        for part in [
            "2 of 3 benchmarks leave their baselines by",
            "- valgrind: `3.19.0` → `3.99.0`\n",
            "| `a/x/1` | 10,000 | 10,101 | +1.01 % | 1 % |",
            "| `a/x/2` | 10,000 | 9,000 | −10.00 % | 1 % |",
            "1 more moved within the limit",
        ] {
            assert!(text.contains(part), "`{part}` is not in {text}");
        }
        assert!(!text.contains("`a/x/3`"), "{text}");
        let here = told(&run(environment(), &[("a/x/1", 12_000)])).unwrap();
        assert!(
            here.contains("The measurement environment is that of the baselines"),
            "{here}"
        );
    }

    #[test]
    fn what_could_not_be_measured_is_told_even_if_nothing_moved() {
        let mut broken = run(today(), &[("a/x/1", 10_000)]);
        broken.failed.push(Failed {
            id: "a/x/2".parse().unwrap(),
            why: "it panics\nat length".to_owned(),
        });
        let text = told(&broken).unwrap();
        assert!(
            text.contains("`a/x/2` was not measured: `it panics`\n"),
            "{text}"
        );
    }

    #[test]
    fn benchmarks_that_come_or_go_are_no_news() {
        assert_eq!(
            told(&run(today(), &[("a/x/1", 10_000), ("b/new/1", 5)])),
            None
        );
    }

    #[test]
    fn nothing_compared_is_not_taken_for_nothing_moved() {
        let text = told(&run(today(), &[("b/new/1", 10_000)])).unwrap();
        assert!(
            text.contains("0 of 0 benchmarks") && text.contains("No benchmark has both"),
            "{text}"
        );
    }

    #[test]
    fn an_issue_stays_below_githubs_limit() {
        let id = |number: u32| format!("a/x/{number:0190}");
        let benchmarks: Vec<_> = (0..1_000).map(|it| accepted(&id(it), 10_000)).collect();
        let suite = "a".to_owned();
        let many = Baselines::new([Baseline::new(suite, environment(), benchmarks)]);
        let mut moved = run(today(), &[]);
        moved.benchmarks = (0..1_000).map(|it| measured(&id(it), 20_000)).collect();
        let text = issue(&many, &moved, &Policy::default()).unwrap();
        assert!(text.len() < 50_000, "{}", text.len());
        assert!(
            text.contains("\n… and ") && text.contains("- to stay"),
            "{text}"
        );
    }
}
