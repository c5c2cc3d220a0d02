//! Sentences that more than one renderer shows.

mod causes;
mod proofs;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::attribute::reach::Reach;
use crate::judge::{BaselineState, EMPTY_INSTRUCTIONS_MAX, Outcome, Shown, Verdict};
use crate::model::bench_id::BenchId;
use crate::model::environment::EnvironmentDifference;
use crate::model::metric::Metric;
use crate::model::policy::Commands;
use crate::render::number::{grouped, percent};
use crate::report::{Report, Row};

pub(crate) use causes::{culprit, culprit_in, function, kind, main_cause, place};
use proofs::is_workload;
pub(crate) use proofs::{proof, proof_label};

/// The most characters of an environment's field that are shown.
const FIELD_CHARS_MAX: usize = 60;

/// The verdict of the run in one sentence.
pub(crate) fn headline(report: &Report) -> String {
    let of = format!("of {}", plural(report.judged, "benchmark"));
    let is = |count| if count == 1 { "is" } else { "are" };
    match report.outcome {
        Outcome::Pass if report.judged == 0 => "pass: no benchmark was judged".to_owned(),
        Outcome::Pass => format!(
            "pass: {} judged, no regressions",
            plural(report.judged, "benchmark")
        ),
        Outcome::Regressed => {
            let count = report.count(Verdict::REGRESSED);
            let stale = report.rows.iter().filter(|row| row.fails()).count() - count;
            let rest = match stale {
                0 => String::new(),
                1 => ", and 1 baseline is out of date".to_owned(),
                stale => format!(", and {} baselines are out of date", grouped(stale as u64)),
            };
            format!("fail: {} {of} regressed{rest}", grouped(count as u64))
        }
        Outcome::NotComparable => {
            let states = [BaselineState::NotComparable, BaselineState::Rebaselined];
            let count: usize = states.map(|it| report.count_state(it)).into_iter().sum();
            let have = if count == 1 {
                "has a baseline"
            } else {
                "have baselines"
            };
            format!("not comparable: {count} {of} {have} of another environment")
        }
        Outcome::NotMeasured => format!(
            "no verdict: {} could not be measured",
            plural(report.failed.len(), "benchmark")
        ),
        Outcome::BaselineOutOfDate => {
            let states = [BaselineState::Noisy, BaselineState::Empty];
            let unfit: usize = states.map(|it| report.count_state(it)).into_iter().sum();
            match report.rows.iter().filter(|row| row.fails()).count() - unfit {
                0 => format!("fail: {unfit} {of} {} noisy or empty", is(unfit)),
                1 => format!("fail: the baseline of 1 {of} is out of date"),
                stale => format!("fail: the baselines of {stale} {of} are out of date"),
            }
        }
    }
}

/// What to do about the verdict, in one sentence.
pub(crate) fn action(report: &Report) -> &'static str {
    match report.outcome {
        Outcome::Pass => "Nothing to do.",
        Outcome::BaselineOutOfDate => "Update the baselines and commit them.",
        Outcome::Regressed if is_workload(report) => {
            "The benchmarks themselves were changed: record what they measure now, with a reason."
        }
        Outcome::Regressed => "Reduce the cost, or accept it and give a reason.",
        Outcome::NotComparable => {
            "Run the gate where base can be built too, or record the baselines in this environment."
        }
        Outcome::NotMeasured => "Fix what could not be measured.",
    }
}

/// What to type to see why a benchmark moved: the project's own command where the name is plain, since
/// nobody knows what `make` does with another; else icgate's, with the name in quotes.
fn explain(report: &Report, id: &BenchId) -> String {
    let id = id.as_str();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/_.-".contains(c);
    if id.chars().all(is_plain) {
        return report.commands.explain.replace(Commands::BENCHMARK, id);
    }
    format!("icgate explain '{}'", id.replace('\'', "'\\''"))
}

/// A verdict as readers see it: `within limit`; with what it is about, where that is not instructions:
/// `regressed (allocations)`.
pub(crate) fn verdict(row: &Row) -> String {
    let word = row.verdict.shown().word();
    match row.metric {
        Metric::Instructions => word,
        metric => format!("{word} ({})", metric.words()),
    }
}

/// `1 regressed, 3 unchanged`, worst first.
pub(crate) fn counts(report: &Report) -> String {
    let mut counts: BTreeMap<Shown, (Outcome, usize)> = BTreeMap::new();
    for row in &report.rows {
        let (worst, count) = counts
            .entry(row.verdict.shown())
            .or_insert((row.outcome, 0));
        *worst = row.outcome.max(*worst);
        *count += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|&(shown, (outcome, _))| (Reverse(outcome), Reverse(shown)));
    let counts = counts
        .iter()
        .map(|(shown, (_, count))| format!("{count} {}", shown.word()));
    counts.collect::<Vec<_>>().join(", ")
}

/// What could not be measured, and why: all benchmarks with the same reason together, the first three
/// by name.
pub(crate) fn failures<'a>(
    report: &'a Report,
    name: impl Fn(&str) -> String,
) -> Vec<(String, &'a str)> {
    let mut groups: Vec<(&str, Vec<&BenchId>)> = Vec::new();
    for failed in &report.failed {
        match groups.iter_mut().find(|it| it.0 == failed.why) {
            Some((_, ids)) => ids.push(&failed.id),
            None => groups.push((&failed.why, vec![&failed.id])),
        }
    }
    let said = |(why, ids): (&'a str, Vec<&BenchId>)| {
        let shown: Vec<String> = ids.iter().take(3).map(|it| name(it.as_str())).collect();
        let more = match ids.len() - shown.len() {
            0 => String::new(),
            more => format!(" and {} more", grouped(more as u64)),
        };
        (shown.join(", ") + &more, why)
    };
    groups.into_iter().map(said).collect()
}

/// `valgrind: baselines 3.19.0, this run 3.22.0`; a long value is cut, and report.json has it.
pub(crate) fn difference(it: &EnvironmentDifference, name: impl Fn(&str) -> String) -> String {
    let short = |value: &str| match value.char_indices().nth(FIELD_CHARS_MAX) {
        Some((at, _)) => name(&format!("{}…", &value[..at])),
        None => name(value),
    };
    let field = it.field.replace('_', " ");
    format!(
        "{field}: baselines {}, this run {}",
        short(&it.base),
        short(&it.head)
    )
}

/// `judged 12 of 12`.
pub(crate) fn denominator(report: &Report) -> String {
    format!("judged {} of {}", report.judged, report.known)
}

/// What a verdict means for this row, and whose doing it is, where the numbers alone do not say it.
pub(crate) fn meaning(row: &Row) -> Option<String> {
    meaning_in(row, str::to_owned)
}

/// The same where a name from outside is not harmless as it is: `name` makes it so.
pub(crate) fn meaning_in(row: &Row, name: impl Fn(&str) -> String) -> Option<String> {
    let parts: Vec<String> = [verdict_meaning(row, &name), renamed(row, &name), blame(row)]
        .into_iter()
        .flatten()
        .collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// That it is not new or lost, but called otherwise.
fn renamed(row: &Row, name: impl Fn(&str) -> String) -> Option<String> {
    let other = name(row.other_name.as_ref()?.as_str());
    Some(match row.head {
        Some(_) => format!("seems to be {other} renamed"),
        None => format!("seems to be renamed to {other}"),
    })
}

/// What of a change was there before this one, where base's own code was measured.
pub(crate) fn blame(row: &Row) -> Option<String> {
    let base_run = row.base_run.filter(|_| row.verdict != Verdict::UNCHANGED)?;
    let (before, own) = (percent(base_run.before?), percent(base_run.own?));
    match (base_run.other_environment, base_run.before) {
        (true, _) => Some(format!("by the toolchain {before}, by this change {own}")),
        (false, Some(0)) => None,
        (false, _) => Some(format!("already on base {before}, by this change {own}")),
    }
}

fn verdict_meaning(row: &Row, name: impl Fn(&str) -> String) -> Option<String> {
    let head = row.head.map_or_else(String::new, grouped);
    Some(match row.baseline {
        BaselineState::Kept if row.passed_by_min_change => format!(
            "a change of at most {} {} passes whatever its share, here above {}",
            grouped(row.limit_min_change),
            row.metric.words(),
            row.limit_share()
        ),
        BaselineState::Kept if is_empty(row) => format!(
            "executes {head} instructions, no more than an empty function, and measures nothing"
        ),
        BaselineState::Kept => return None,
        BaselineState::Accepted | BaselineState::Removed => {
            format!("reason: {}", name(row.reason.as_ref()?))
        }
        BaselineState::Added => "recorded in the baselines".to_owned(),
        BaselineState::StaleOnBase => {
            "base itself has left its baseline by more than the limit".to_owned()
        }
        BaselineState::ImprovementNotRecorded => {
            "better by more than the limit: record it, or the gain can be lost unnoticed".to_owned()
        }
        BaselineState::ReasonMissing if row.head.is_none() => {
            "removed without a reason: the baselines have to say why".to_owned()
        }
        BaselineState::ReasonMissing => "the new baseline is worse and gives no reason".to_owned(),
        BaselineState::BaselineMismatch => format!(
            "the baseline was changed to {}, but {head} was measured",
            row.committed.or(row.base).map_or_else(String::new, grouped),
        ),
        BaselineState::NoBaseline => "its baseline is not recorded yet".to_owned(),
        BaselineState::BenchmarkMissing if row.metric != Metric::Instructions => format!(
            "its baseline has {}, which were not measured",
            row.metric.words()
        ),
        BaselineState::BenchmarkMissing => {
            "has a baseline, but the code no longer has the benchmark: restore it, or remove it with a reason".to_owned()
        }
        BaselineState::Noisy => format!(
            "moves by {} {} when nothing changed, which exceeds its limit",
            grouped(row.noise),
            row.metric.words()
        ),
        BaselineState::Empty => {
            format!("executes {head} instructions and measures nothing: optimized away?")
        }
        BaselineState::Rebaselined => {
            "its baseline was recorded again in this environment; base was not measured in it"
                .to_owned()
        }
        BaselineState::NotComparable => {
            "its baseline was recorded in another environment".to_owned()
        }
    })
}

/// Whether it costs no more than an empty function; base accepts that, or it would fail.
fn is_empty(row: &Row) -> bool {
    let count = row.metrics.get(&Metric::Instructions).and_then(|it| it.1);
    count.is_some_and(|count| count <= EMPTY_INSTRUCTIONS_MAX)
}

/// Whether the diff can have moved a row, where that is not what everybody expects: that it changes
/// what is executed. Within the limit nobody has to look for a cause.
pub(crate) fn reach_note(row: &Row) -> Option<&'static str> {
    let is_moved = row.change.is_some_and(|change| change != 0);
    let asks_why = is_moved && row.verdict != Verdict::WITHIN_LIMIT;
    let told = row.reach.filter(|it| asks_why && *it != Reach::Touched);
    told.map(reach)
}

/// Whether the diff can have moved a benchmark, in words.
pub(crate) const fn reach(reach: Reach) -> &'static str {
    match reach {
        Reach::Touched => "the diff changes a function that the benchmark runs",
        Reach::Reachable => {
            "the diff changes what the benchmark is built from, but no function that it runs"
        }
        Reach::Unreachable => {
            "the diff cannot reach it: no package that the benchmark is built from was changed"
        }
    }
}

/// `1 benchmark`, `2 benchmarks`.
pub(crate) fn plural(count: usize, noun: &str) -> String {
    format!(
        "{} {noun}{}",
        grouped(count as u64),
        if count == 1 { "" } else { "s" }
    )
}

/// The commands a reader needs next, with what each is for.
pub(crate) fn next_steps(report: &Report) -> Vec<(&'static str, String)> {
    let mut steps = Vec::new();
    if report.outcome != Outcome::Pass {
        let what = if report.outcome == Outcome::NotComparable {
            "measure base here too, and judge"
        } else {
            "measure again"
        };
        steps.push((what, report.commands.check.clone()));
    }
    let worst = report.rows.first();
    if let Some(worst) = worst.filter(|row| row.fails() && row.change.is_some()) {
        steps.push(("see why", explain(report, &worst.id)));
    }
    let update = &report.commands.update;
    match report.outcome {
        Outcome::Pass | Outcome::NotMeasured => {}
        Outcome::Regressed if is_workload(report) => {
            steps.push(("record the changed workload, with a reason", update.clone()));
        }
        Outcome::Regressed => steps.push(("accept the cost, with a reason", update.clone())),
        Outcome::BaselineOutOfDate => steps.push(("update the baselines", update.clone())),
        // What was recorded here already lacks a base that was measured here too.
        Outcome::NotComparable if report.count_state(BaselineState::NotComparable) == 0 => {}
        Outcome::NotComparable => steps.push(("record in this environment", update.clone())),
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::run::Failed;
    use crate::report::tests::sample;

    #[test]
    fn benchmarks_with_one_reason_not_to_be_measured_are_one_line() {
        let mut report = sample();
        let failed = |number: usize, why: &str| Failed {
            id: format!("a/b/c{number}").parse().unwrap(),
            why: why.to_owned(),
        };
        report.failed = (0..85).map(|it| failed(it, "left out")).collect();
        report.failed.push(failed(85, "it panicked"));
        let quoted = |name: &str| format!("`{name}`");
        assert_eq!(
            failures(&report, quoted),
            [
                (
                    "`a/b/c0`, `a/b/c1`, `a/b/c2` and 82 more".to_owned(),
                    "left out"
                ),
                ("`a/b/c85`".to_owned(), "it panicked"),
            ]
        );
    }

    #[test]
    fn projects_own_command_is_shown_for_plain_names_alone() {
        let mut report = sample();
        report.commands.explain = "make explain BENCH={benchmark}".to_owned();
        let of = |id: &str| explain(&report, &id.parse().unwrap());
        assert_eq!(
            of("kv/get/hit-1.0_x"),
            "make explain BENCH=kv/get/hit-1.0_x"
        );
        assert_eq!(of("kv/$(id)/x'"), r"icgate explain 'kv/$(id)/x'\'''");
    }

    #[test]
    fn long_field_of_the_environment_is_cut() {
        let difference = EnvironmentDifference {
            field: "memory_functions",
            base: "ä".repeat(200),
            head: "3.22".to_owned(),
        };
        let said = self::difference(&difference, str::to_owned);
        let cut = "ä".repeat(FIELD_CHARS_MAX);
        assert_eq!(
            said,
            format!("memory functions: baselines {cut}…, this run 3.22")
        );
    }
}
