//! Sentences that more than one renderer shows.

use std::cmp::Reverse;

use crate::attribute::reach::Reach;
use crate::attribute::{Culprit, Divergence, FunctionChange, Inlining, Kind, Origin};
use crate::judge::{BaselineState, EMPTY_INSTRUCTIONS_MAX, Outcome, Verdict};
use crate::model::bench_id::BenchId;
use crate::model::metric::Metric;
use crate::render::number::{grouped, percent, signed};
use crate::report::{MainCause, Report, Row};

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
        Outcome::Regressed => "Reduce the cost, or accept it and give a reason.",
        Outcome::NotComparable => {
            "Run the gate where base can be built too, or record the baselines in this environment."
        }
        Outcome::NotMeasured => "Fix what could not be measured.",
    }
}

/// What to type to see why a benchmark moved. In quotes, since a name may have anything in it.
pub(crate) fn explain(id: &BenchId) -> String {
    format!("icgate explain '{}'", id.as_str().replace('\'', "'\\''"))
}

/// A verdict as readers see it: `within limit`; with what it is about, where that is not instructions:
/// `regressed (allocations)`.
pub(crate) fn verdict(row: &Row) -> String {
    with_metric(row, row.verdict.word())
}

/// A word about a row's count, and which count that is, where it is not of instructions.
pub(crate) fn with_metric(row: &Row, word: &str) -> String {
    let word = word.replace('_', " ");
    match row.metric {
        Metric::Instructions => word,
        metric => format!("{word} ({})", metric.words()),
    }
}

/// `1 regressed, 3 unchanged`, worst first.
pub(crate) fn counts(report: &Report) -> String {
    let mut counts: Vec<(Outcome, &str, usize)> = Vec::new();
    for row in &report.rows {
        let word = row.verdict.word();
        match counts.iter_mut().find(|it| it.1 == word) {
            Some((_, _, count)) => *count += 1,
            None => counts.push((row.outcome, word, 1)),
        }
    }
    counts.sort_by_key(|&(outcome, word, _)| (Reverse(outcome), word));
    let counts = counts
        .iter()
        .map(|(_, word, count)| format!("{count} {}", word.replace('_', " ")));
    counts.collect::<Vec<_>>().join(", ")
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
            "passes because a change of at most {} {} does; its share exceeds {}",
            grouped(row.limit_min_change),
            row.metric.words(),
            row.limit_share()
        ),
        BaselineState::Kept if is_empty(row) => format!(
            "executes {head} instructions, no more than an empty function, and measures nothing"
        ),
        BaselineState::Kept => return None,
        BaselineState::Accepted => format!("reason: {}", name(row.reason.as_ref()?)),
        BaselineState::Added => "new, with its baseline".to_owned(),
        BaselineState::Removed => format!("removed; reason: {}", name(row.reason.as_ref()?)),
        BaselineState::Drifted => {
            "base itself has left its baseline by more than the limit".to_owned()
        }
        BaselineState::ImprovementNotRecorded => {
            "update the baseline, or the gain can be lost unnoticed".to_owned()
        }
        BaselineState::ReasonMissing if row.head.is_none() => {
            "removed without a reason: the baselines have to say why".to_owned()
        }
        BaselineState::ReasonMissing => "the new baseline is worse and gives no reason".to_owned(),
        BaselineState::BaselineMismatch => format!(
            "the baseline was changed to {}, but {head} was measured",
            row.committed.or(row.base).map_or_else(String::new, grouped),
        ),
        BaselineState::NoBaseline => "new, and its baseline is not recorded yet".to_owned(),
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

/// Why a function's cost moved, in words, with how much of that only moved.
pub(crate) fn kind(change: &FunctionChange) -> String {
    let kind = kind_alone(change);
    // Less than a tenth is not worth a word.
    let is_much = change.moved.abs() * 10 >= change.difference().abs();
    let is_said = change.kind == Kind::Moved && change.inlining.is_none();
    let with = change.moved_with.as_ref().filter(|_| is_much && !is_said);
    with.map_or_else(
        || kind.clone(),
        |with| {
            let way = if change.moved < 0 { "to" } else { "from" };
            format!("{kind}; {} of it moved {way} {with}", signed(change.moved))
        },
    )
}

fn kind_alone(change: &FunctionChange) -> String {
    match (change.kind, change.calls) {
        (Kind::Calls, Some((base, head))) => {
            format!("calls {} → {}", grouped(base), grouped(head))
        }
        (Kind::PerCall, Some((_, 1))) => "one call as before".to_owned(),
        (Kind::PerCall, Some((_, head))) => format!("{} calls as before", grouped(head)),
        (Kind::Calls | Kind::PerCall | Kind::Inlined, _) => "inlined".to_owned(),
        (Kind::Moved, _) => moved(change),
        (Kind::Appeared, _) => "not in the baseline".to_owned(),
        (Kind::Vanished, _) => "no longer executed".to_owned(),
    }
}

fn moved(change: &FunctionChange) -> String {
    let with = change.moved_with.as_ref();
    match (change.inlining, with) {
        (Some(Inlining::Lost(1)), _) => "inlined before, one call now".to_owned(),
        (Some(Inlining::Lost(calls)), _) => {
            format!("inlined before, {} calls now", grouped(calls))
        }
        (Some(Inlining::Gained(1)), _) => "one call before, inlined now".to_owned(),
        (Some(Inlining::Gained(calls)), _) => {
            format!("{} calls before, inlined now", grouped(calls))
        }
        (None, Some(with)) if change.difference() < 0 => format!("moved to {with}"),
        (None, Some(with)) => format!("moved from {with}"),
        (None, None) => "moved".to_owned(),
    }
}

/// `+2,544 in engine::frame::encode (1,000 calls as before)`.
pub(crate) fn culprit(row: &Row, culprit: &Culprit) -> String {
    let is_it = |it: &&FunctionChange| {
        it.name == culprit.name && it.caller == culprit.caller && it.kind == culprit.kind
    };
    if matches!(
        culprit.origin,
        Origin::Build | Origin::Dependency | Origin::Workload
    ) {
        return format!("{} by {}", signed(culprit.instructions), culprit.name);
    }
    let change = row.attribution.functions.iter().find(is_it);
    let unit = match row.cause_metric {
        Metric::Instructions => String::new(),
        metric => format!(" {}", metric.words()),
    };
    format!(
        "{}{unit} in {} ({})",
        signed(culprit.instructions),
        function(&culprit.name, culprit.caller.as_deref()),
        culprit.divergence.as_ref().map_or_else(
            || change.map_or_else(|| "with what it calls".to_owned(), kind_alone),
            diverges
        )
    )
}

/// `scan calls next 4,000 times instead of 10, at reader.rs:21`.
fn diverges(edge: &Divergence) -> String {
    let (before, now) = edge.calls;
    format!(
        "{} calls {} {} times instead of {}, at {}:{}",
        edge.caller,
        edge.callee,
        grouped(now),
        grouped(before),
        edge.file,
        edge.line
    )
}

/// A function's name, a library function's with whom it ran for.
pub(crate) fn function(name: &str, caller: Option<&str>) -> String {
    caller.map_or_else(|| name.to_owned(), |caller| format!("{name} for {caller}"))
}

/// `file:line`, or the file alone.
pub(crate) fn place(culprit: &Culprit) -> String {
    at(&culprit.file, culprit.line)
}

fn at(file: &str, line: Option<u32>) -> String {
    match line {
        Some(line) => format!("{file}:{line}"),
        None => file.to_owned(),
    }
}

/// What most regressions have in common, in one sentence; `name` makes names from outside harmless.
pub(crate) fn main_cause(cause: &MainCause, name: impl Fn(&str) -> String) -> String {
    let place = at(&cause.file, cause.line);
    let place = match (place.is_empty(), cause.in_diff) {
        (true, _) => String::new(),
        (false, false) => format!(" at {}", name(&place)),
        (false, true) => format!(" at {} (changed here)", name(&place)),
    };
    let share = match (cause.benchmarks, cause.of) {
        (_, 1) => "the regression".to_owned(),
        (count, of) => format!(
            "{} of {} regressions",
            grouped(count as u64),
            grouped(of as u64)
        ),
    };
    let function = function(&cause.name, cause.caller.as_deref());
    if cause.origin == Origin::Unknown {
        return format!(
            "unknown: the change explains none; most shows in {}{place}, in {share}",
            name(&function)
        );
    }
    format!("{}{place}, the largest part of {share}", name(&function))
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
    let update = &report.commands.update;
    match report.outcome {
        Outcome::Pass | Outcome::NotMeasured => {}
        Outcome::Regressed => steps.push(("accept the cost, with a reason", update.clone())),
        Outcome::BaselineOutOfDate => steps.push(("update the baselines", update.clone())),
        // What was recorded here already lacks a base that was measured here too.
        Outcome::NotComparable if report.count_state(BaselineState::NotComparable) == 0 => {}
        Outcome::NotComparable => steps.push(("record in this environment", update.clone())),
    }
    steps
}
