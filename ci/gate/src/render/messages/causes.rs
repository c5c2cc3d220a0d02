//! Sentences about causes: which function, how its cost moved, and where to look.

use super::proofs::{allocated, proof_label};
use crate::attribute::{Culprit, Divergence, FunctionChange, Inlining, Kind, Origin};
use crate::model::metric::Metric;
use crate::render::number::{grouped, signed};
use crate::report::{MainCause, Row};

/// Why a function's cost moved, in words, with how much of that only moved; `name` makes names from
/// outside harmless.
pub(crate) fn kind(change: &FunctionChange, name: impl Fn(&str) -> String) -> String {
    let kind = kind_alone(change, &name);
    // Less than a tenth is not worth a word.
    let is_much = change.moved.abs() * 10 >= change.difference().abs();
    let is_said = change.kind == Kind::Moved && change.inlining.is_none();
    let with = change.moved_with.as_ref().filter(|_| is_much && !is_said);
    with.map_or_else(
        || kind.clone(),
        |with| {
            let way = if change.moved < 0 { "to" } else { "from" };
            let with = name(with);
            format!("{kind}; {} of it moved {way} {with}", signed(change.moved))
        },
    )
}

fn kind_alone(change: &FunctionChange, name: impl Fn(&str) -> String) -> String {
    let costs = if change.difference() < 0 {
        "less"
    } else {
        "more"
    };
    match (change.kind, change.calls) {
        (Kind::Calls, Some((base, head))) => {
            format!("calls {} → {}", grouped(base), grouped(head))
        }
        (Kind::PerCall, Some((_, 1))) => format!("one call as before, it costs {costs}"),
        (Kind::PerCall, Some((_, head))) => {
            format!("{} calls as before, each costs {costs}", grouped(head))
        }
        (Kind::Calls | Kind::PerCall | Kind::Inlined, _) => "inlined".to_owned(),
        (Kind::Moved, _) => moved(change, name),
        (Kind::Appeared, _) => "new, or too small to be listed before".to_owned(),
        (Kind::Vanished, _) => "no longer executed".to_owned(),
    }
}

fn moved(change: &FunctionChange, name: impl Fn(&str) -> String) -> String {
    let with = change.moved_with.as_ref().map(|it| name(it));
    match (change.inlining, &with) {
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

/// `+2,544 in engine::frame::encode (1,000 calls as before, each costs more)`.
pub(crate) fn culprit(row: &Row, culprit: &Culprit) -> String {
    culprit_in(row, culprit, str::to_owned)
}

/// The same where a name from outside is not harmless as it is: `name` makes it so.
pub(crate) fn culprit_in(row: &Row, culprit: &Culprit, name: impl Fn(&str) -> String) -> String {
    let is_it = |it: &&FunctionChange| {
        it.name == culprit.name && it.caller == culprit.caller && it.kind == culprit.kind
    };
    if matches!(
        culprit.origin,
        Origin::Build | Origin::Dependency | Origin::Workload
    ) {
        return format!(
            "{} by {}",
            signed(culprit.instructions),
            name(&culprit.name)
        );
    }
    let change = row.attribution.functions.iter().find(is_it);
    let unit = match row.cause_metric {
        Metric::Instructions => String::new(),
        metric => format!(" {}", metric.words()),
    };
    format!(
        "{}{unit} in {} ({})",
        signed(culprit.instructions),
        name(&function(&culprit.name, culprit.caller.as_deref())),
        match (&culprit.divergence, change) {
            (Some(edge), _) => diverges(edge, &name),
            (None, Some(change)) => kind_alone(change, &name),
            (None, None) => {
                let asked = allocated(row).filter(|_| culprit.is_allocator());
                asked.unwrap_or_else(|| "with what it calls".to_owned())
            }
        }
    )
}

/// `scan calls next 4,000 times instead of 10, at reader.rs:21`.
fn diverges(edge: &Divergence, name: impl Fn(&str) -> String) -> String {
    let (before, now) = edge.calls;
    format!(
        "{} calls {} {} times instead of {}, at {}",
        name(&edge.caller),
        name(&edge.callee),
        grouped(now),
        grouped(before),
        name(&format!("{}:{}", edge.file, edge.line))
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

pub(super) fn at(file: &str, line: Option<u32>) -> String {
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
    let proven = proof_label(cause.proof);
    if cause.origin == Origin::Workload {
        return format!("the benchmark itself was changed{place}, which explains {share}{proven}");
    }
    let function = function(&cause.name, cause.caller.as_deref());
    if cause.origin == Origin::Unknown {
        return format!(
            "unknown: the change explains none; most shows in {}{place}, in {share}",
            name(&function)
        );
    }
    format!(
        "{}{place}, the largest part of {share}{proven}",
        name(&function)
    )
}
