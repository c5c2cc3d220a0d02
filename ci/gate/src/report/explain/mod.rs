//! Explains one benchmark: its functions by cost, who calls whom, and the lines behind them.
//!
//! ```text
//! measurement ─┐
//! baseline     ├─▶ functions, most expensive first       all of them add up to the benchmark
//! base's run   │   ▶ the ones to look at closely:  callers, callees, annotated lines
//! diff, source ┘
//! ```
//!
//! Closely looked at are the culprits of a change; without one the most expensive functions of the
//! workspace; or those that the reader asks for.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::attribute::diff::ChangedLines;
use crate::attribute::reach::Reach;
use crate::attribute::{Culprit, FunctionChange, attribute, culprits, reach};
use crate::model::bench_id::BenchId;
use crate::model::call_graph::Neighbour;
use crate::model::functions::LineCost;
use crate::model::functions::{FunctionCost, FunctionTable};
use crate::model::interned::Interned;
use crate::model::run::Measurement;

/// The version of the JSON that this code writes.
pub const EXPLANATION_FORMAT: u32 = 1;

/// At most this many functions are looked at closely.
const CLOSELY_MAX: usize = 3;
/// At most this many callers, and callees, are named for each.
const NEIGHBOURS_MAX: usize = 8;
/// At most this many lines are annotated for each, the most expensive ones and all that changed.
const LINES_MAX: usize = 30;

/// What a benchmark is explained by.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// What was measured.
    pub head: &'a Measurement,
    /// The functions of its accepted baseline, and what that is in words.
    pub base: Option<(&'a FunctionTable, &'a str)>,
    /// Base's own measurement.
    pub base_run: Option<&'a Measurement>,
    /// What head changes against base.
    pub changed: &'a ChangedLines,
    /// A part of the names of the functions to look at closely.
    pub asked: Option<&'a str>,
    /// Gives the text of a file of the workspace.
    pub source: &'a dyn Fn(&str) -> Option<String>,
}

/// One benchmark, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// [`EXPLANATION_FORMAT`].
    pub format: u32,
    /// Which benchmark.
    pub id: BenchId,
    /// Its instructions.
    pub instructions: u64,
    /// Base's, and what base is in words.
    pub base: Option<(u64, String)>,
    /// Whether the diff can have moved it, if anything has.
    pub reach: Option<Reach>,
    /// Its functions, most expensive first.
    pub functions: Vec<Function>,
    /// What base's functions that head does not name have lost together.
    pub other: i128,
    /// What explains the change.
    pub culprits: Vec<Culprit>,
    /// Functions looked at closely.
    pub closely: Vec<Closely>,
}

/// A function's cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Function {
    /// Its cost in head; of a function that vanished, none.
    #[serde(flatten)]
    pub cost: FunctionCost,
    /// What base's counts say of it, where it moved.
    pub change: Option<FunctionChange>,
}

/// A function with its surroundings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Closely {
    /// The function.
    pub function: Function,
    /// From where it is called, most expensive first.
    pub callers: Vec<Call>,
    /// What it calls, most expensive first.
    pub callees: Vec<Call>,
    /// Its lines; of a library's function, those that lead to it.
    pub lines: Vec<Line>,
}

/// Calls between two functions, from one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Call {
    /// The function at the other end.
    pub name: Interned,
    /// File and line of the call, if it is in the workspace.
    pub line: Option<(Interned, u32)>,
    /// How often; `None` where it is inlined.
    pub calls: Option<u64>,
    /// Instructions from call to return.
    pub instructions: u64,
}

/// A line of the workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Its file.
    pub file: Interned,
    /// Its number.
    pub line: u32,
    /// What stands there, if the file can be read.
    pub text: Option<String>,
    /// Instructions; `None` for a line that is only shown for its surroundings.
    pub instructions: Option<u64>,
    /// By how much it moved, where base's lines are known.
    pub change: Option<i128>,
    /// Whether the diff changed it.
    pub in_diff: bool,
}

/// Explains a benchmark.
#[must_use]
pub fn explain(known: Known<'_>) -> Explanation {
    let Known { head, base, .. } = known;
    let attribution = base.map(|(table, _)| attribute(table, head, known.base_run));
    let attribution = attribution.unwrap_or_default();
    let mut changes: BTreeMap<(Interned, Interned), FunctionChange> = attribution
        .functions
        .iter()
        .map(|change| ((change.name.clone(), change.file.clone()), change.clone()))
        .collect();
    let mut functions: Vec<Function> = head
        .functions
        .rows()
        .iter()
        .map(|row| Function {
            cost: row.clone(),
            change: changes.remove(&(row.name.clone(), row.file.clone())),
        })
        .collect();
    functions.extend(changes.into_values().map(vanished));
    let culprits = culprits(
        &attribution,
        head,
        known.base_run,
        known.changed,
        CLOSELY_MAX,
    );
    let total = |table: &FunctionTable| table.total().unwrap_or(u64::MAX);
    let has_moved = base.is_some_and(|(table, _)| total(table) != total(&head.functions));
    let closely = select(&functions, &culprits, known.asked)
        .into_iter()
        .map(|function| closely(function, known))
        .collect();
    Explanation {
        format: EXPLANATION_FORMAT,
        id: head.id.clone(),
        instructions: head.instructions(),
        base: base.map(|(table, said)| (total(table), said.to_owned())),
        reach: has_moved.then(|| reach(head, known.changed)).flatten(),
        other: attribution.other,
        functions,
        culprits,
        closely,
    }
}

/// A row of base that head does not have.
fn vanished(change: FunctionChange) -> Function {
    Function {
        cost: FunctionCost {
            name: change.name.clone(),
            file: change.file.clone(),
            instructions: change.head,
            calls: None,
            caller: change.caller.clone(),
            metrics: crate::model::functions::FunctionMetrics::default(),
        },
        change: Some(change),
    }
}

/// The functions to look at closely.
fn select<'f>(
    functions: &'f [Function],
    culprits: &[Culprit],
    asked: Option<&str>,
) -> Vec<&'f Function> {
    let is_culprit = |function: &&Function| {
        let cost = &function.cost;
        let mut culprits = culprits.iter();
        culprits.any(|it| it.names(&cost.name, cost.caller.as_ref()))
    };
    let is_workspace = |function: &&Function| function.cost.caller.is_none();
    // A setting or a workload is no function: then the most expensive of the workspace are shown.
    let is_named = functions.iter().any(|it| is_culprit(&it));
    let selected: Vec<&Function> = match asked {
        Some(part) => functions
            .iter()
            .filter(|it| it.cost.name.contains(part))
            .collect(),
        None if !is_named => functions.iter().filter(is_workspace).collect(),
        None => functions.iter().filter(is_culprit).collect(),
    };
    selected.into_iter().take(CLOSELY_MAX).collect()
}

fn closely(function: &Function, known: Known<'_>) -> Closely {
    let (name, file) = function.cost.key();
    let calls = &known.head.calls;
    let call = |it: Neighbour<'_>| Call {
        name: it.name.clone(),
        line: it.site.line.clone(),
        calls: it.site.calls,
        instructions: it.site.instructions,
    };
    Closely {
        function: function.clone(),
        callers: calls
            .callers(name, file)
            .take(NEIGHBOURS_MAX)
            .map(call)
            .collect(),
        callees: calls
            .callees(name, file)
            .take(NEIGHBOURS_MAX)
            .map(call)
            .collect(),
        lines: lines(function, known),
    }
}

/// The lines of a function, file by file and in their order, each with a neighbour on both sides.
fn lines(function: &Function, known: Known<'_>) -> Vec<Line> {
    let (name, file) = function.cost.key();
    let before = known.base_run.map(|base| {
        let mut costs: BTreeMap<(&str, u32), u64> = BTreeMap::new();
        for line in base.lines_of(name, file) {
            if let Some(place) = known.changed.in_head(&line.file, line.line) {
                *costs.entry(place).or_default() += line.instructions;
            }
        }
        costs
    });
    let measured = known.head.lines_of(name, file);
    let change = |line: &LineCost| {
        let before = before.as_ref()?;
        let base = before.get(&(line.file.as_str(), line.line)).copied();
        Some(i128::from(line.instructions) - i128::from(base.unwrap_or(0)))
    };
    // Most expensive first; what the diff changed is shown in any case.
    let is_changed = |line: &LineCost| known.changed.contains(&line.file, line.line);
    let shown = measured.iter().enumerate();
    let shown = shown.filter(|(at, line)| *at < LINES_MAX || is_changed(line));
    let mut lines: BTreeMap<(Interned, u32), Line> = BTreeMap::new();
    let mut texts: BTreeMap<Interned, Vec<String>> = BTreeMap::new();
    for (_, cost) in shown {
        let text = texts.entry(cost.file.clone()).or_insert_with(|| {
            let text = (known.source)(&cost.file).unwrap_or_default();
            text.lines().map(str::to_owned).collect()
        });
        let last = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let around = cost.line.saturating_sub(1).max(1)..=cost.line.saturating_add(1).min(last);
        for number in around.chain([cost.line]) {
            let line = lines
                .entry((cost.file.clone(), number))
                .or_insert_with(|| Line {
                    file: cost.file.clone(),
                    line: number,
                    text: text.get(number as usize - 1).cloned(),
                    instructions: None,
                    change: None,
                    in_diff: known.changed.contains(&cost.file, number),
                });
            if number == cost.line {
                line.instructions = Some(cost.instructions);
                line.change = change(cost);
            }
        }
    }
    lines.into_values().collect()
}

/// `text` is one of few that a reader may have meant by `asked`: the nearest first.
#[must_use]
pub fn nearest<'a>(asked: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    /// Less alike than this is another word.
    const ALIKE: f64 = 0.75;
    /// More than this many help nobody.
    const MOST: usize = 5;
    let mut near: Vec<(f64, &str)> = known
        .map(|name| {
            let is_part = !asked.is_empty() && name.contains(asked);
            let alike = strsim::jaro_winkler(asked, name);
            (if is_part { 1.0 } else { alike }, name)
        })
        .filter(|(alike, _)| *alike >= ALIKE)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    near.into_iter().take(MOST).map(|(_, name)| name).collect()
}

impl Function {
    /// By how much it moved.
    #[must_use]
    pub fn difference(&self) -> i128 {
        self.change.as_ref().map_or(0, FunctionChange::difference)
    }
}

#[cfg(test)]
pub(crate) mod tests;
