//! Stacks: a benchmark's cost in base and in head, as a flamegraph wants it.
//!
//! ```text
//! by calls    benchmark → append → encode → crc32     where head's run knows who calls whom
//! by places   file → function → line                  where it does not
//! ```
//!
//! By calls, each function's cost is compared with its own: where inlining or a new helper gave
//! base's calls another shape, base's cost is spread over head's, so that a function is red because
//! it costs more and not because it is reached in another way.
//!
//! By places, lines are a level of their own where base's run is at hand; a baseline has none.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::paths::{Path, Paths, trunk};
use super::{Base, Grouping, Lines, Stack, same};
use crate::model::bench_id::BenchId;
use crate::model::functions::{FunctionCost, FunctionTable};
use crate::model::run::Measurement;

/// At most this many lines of a function are stacks of their own.
const LINES_MAX: usize = 12;
/// Below one part in this many of a benchmark, a function is no reason to show who leads to it.
const TRUNK_SHARE: u64 = 1_000;
/// Under which a function stands that no call leads to, as far as calls are kept.
const ELSEWHERE: &str = "elsewhere";
/// All functions that are not named.
const OTHERS: &str = "other functions";

/// Costs in base and in head, by frames.
type Costs = BTreeMap<Vec<String>, (u64, u64)>;

/// Which of the two a cost is added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Base,
    Head,
}

/// Base's and head's costs, biggest in either first.
pub(super) fn stacks(base: Base<'_>, id: &BenchId, head: &Measurement) -> (Vec<Stack>, Grouping) {
    let base_run = base.run.and_then(|it| it.benchmark(id));
    // A baseline keeps what can matter; the rest of head would look new beside it.
    let tables = match (base_run, base.baselines.accepted(id)) {
        (Some(base), _) => Some((base.functions.clone(), head.functions.clone())),
        (None, Some(base)) => Some((base.functions.clone(), head.functions.condensed())),
        (None, None) => None,
    };
    let Some((in_base, in_head)) = tables else {
        return (Vec::new(), Grouping::Places);
    };
    let (costs, grouping) = if head.calls.is_empty() {
        let mut costs = Costs::new();
        let lines = base_run.map(|run| (run, base.in_head));
        push(&mut costs, &in_base, lines, Side::Base);
        let lines = base_run.map(|_| (head, &same as &super::Places<'_>));
        push(&mut costs, &in_head, lines, Side::Head);
        (costs, Grouping::Places)
    } else {
        (
            by_calls(&in_base, &in_head, base_run, head),
            Grouping::Calls,
        )
    };
    let stack = |(frames, (base, head))| Stack { frames, base, head };
    let mut stacks: Vec<Stack> = costs.into_iter().map(stack).collect();
    stacks.sort_by_key(|it| std::cmp::Reverse(it.base.max(it.head)));
    (stacks, grouping)
}

fn add(costs: &mut Costs, frames: Vec<String>, side: Side, instructions: u64) {
    let cost = costs.entry(frames).or_default();
    let cost = match side {
        Side::Base => &mut cost.0,
        Side::Head => &mut cost.1,
    };
    *cost = cost.saturating_add(instructions);
}

fn by_calls(
    in_base: &FunctionTable,
    in_head: &FunctionTable,
    base_run: Option<&Measurement>,
    head: &Measurement,
) -> Costs {
    let in_total = |table: &FunctionTable| table.total().unwrap_or(u64::MAX);
    let head_paths = Paths::new(&head.calls, in_total(in_head));
    let base_paths = base_run.map(|run| Paths::new(&run.calls, in_total(in_base)));
    let trunk = trunk([in_base, in_head].into_iter().flat_map(|table| {
        // What leads to a benchmark may execute an instruction or two itself.
        let least = in_total(table) / TRUNK_SHARE;
        let spent = table
            .rows()
            .iter()
            .filter(move |row| row.instructions > least);
        spent.flat_map(|row| head_paths.of(row.key()))
    }));
    let mut costs = Costs::new();
    let mut spread = |row: &FunctionCost, paths: &[Path], side: Side| {
        if paths.is_empty() {
            let frames = vec![ELSEWHERE.to_owned(), row.name.to_string()];
            add(&mut costs, frames, side, row.instructions);
        }
        for (path, instructions) in paths.iter().zip(Path::spread(paths, row.instructions)) {
            let frames = path.behind(trunk).iter().map(ToString::to_string);
            add(&mut costs, frames.collect(), side, instructions);
        }
    };
    for row in in_head.rows() {
        spread(row, head_paths.of(row.key()), Side::Head);
    }
    for row in in_base.rows() {
        let now = head_paths.of(row.key());
        let before = base_paths.as_ref().map_or(&[][..], |it| it.of(row.key()));
        let known: BTreeSet<_> = now.iter().map(|it| &it.frames).collect();
        let is_comparable = before.iter().all(|it| known.contains(&it.frames));
        let paths = match (before, now) {
            (before, []) => before,
            ([_, ..], _) if is_comparable => before,
            (_, now) => now,
        };
        spread(row, paths, Side::Base);
    }
    for (table, side) in [(in_base, Side::Base), (in_head, Side::Head)] {
        if table.other() > 0 {
            add(&mut costs, vec![OTHERS.to_owned()], side, table.other());
        }
    }
    costs
}

fn push(costs: &mut Costs, functions: &FunctionTable, lines: Option<Lines<'_>>, side: Side) {
    let mut add = |frames, instructions| add(costs, frames, side, instructions);
    let files: HashMap<&str, &str> = functions.rows().iter().map(FunctionCost::key).collect();
    for row in functions.rows() {
        let mut frames = match &row.caller {
            Some(caller) => {
                let file = files.get(caller.as_str()).copied().unwrap_or(&row.file);
                vec![file.to_owned(), caller.to_string(), row.name.to_string()]
            }
            None => vec![row.file.to_string(), row.name.to_string()],
        };
        let own_lines = lines.filter(|_| row.caller.is_none());
        let mut rest = row.instructions;
        if let Some((measured, in_head)) = own_lines {
            for line in measured
                .lines_of(&row.name, &row.file)
                .iter()
                .take(LINES_MAX)
            {
                let Some(left) = rest.checked_sub(line.instructions) else {
                    break;
                };
                rest = left;
                frames.push(match in_head(&line.file, line.line) {
                    Some((_, line)) => format!("line {line}"),
                    None => "lines of base".to_owned(),
                });
                add(frames.clone(), line.instructions);
                frames.pop();
            }
        }
        add(frames, rest);
    }
    if functions.other() > 0 {
        add(vec![OTHERS.to_owned()], functions.other());
    }
}

#[cfg(test)]
mod tests;
