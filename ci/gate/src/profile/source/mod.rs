//! From a profile to costs by *source function*: the table that baselines keep.
//!
//! An optimiser inlines one way today and another way tomorrow, so what the machine calls a
//! function is no stable row. What the source calls a function is:
//!
//! ```text
//! an instruction's inline stack          its row
//!   Vec::push      rust/library/…
//!   encode         engine/src/frame.rs   ← the innermost frame in the workspace
//!   append         engine/src/wal.rs
//!
//!   memcpy         (no frame in the        memcpy, on behalf of `encode`: the first workspace
//!                   workspace)             function above it, along the most expensive calls
//! ```
//!
//! Invariants:
//!
//! 1. Every instruction is counted in exactly one row: the rows add up to the profile's costs.
//! 2. A row is known by name and file, and no two rows share both.
//! 3. Equal profiles give equal tables, in equal order.
//!
//! Who calls whom is kept in the words of the source as well ([`CallGraph`]): a function that was
//! inlined is called from the line of the next workspace frame around it, as if it had been called.
//!
//! Numbers of calls are executions in the measured region: of the function's first instruction, and of the
//! one that calls. Callgrind's own have the calls of a set-up as well; they count where a profile has no
//! addresses.

mod heap;
mod path;
mod place;
mod rows;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::model::call_graph::CallGraph;
use crate::model::functions::{FunctionCost, FunctionTable, LineCost};

use crate::model::metric::{Metric, Metrics};
use crate::profile::callgrind::{MISSES, Profile};
use crate::profile::symbol_name::normalise;
use place::{Home, Resolver};
use rows::Rows;

/// One level of an inline stack.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// The function, mangled or not.
    pub function: Option<String>,
    /// The file that the code was written in.
    pub file: Option<String>,
    /// The line in it.
    pub line: Option<u32>,
}

/// Knows which functions were inlined where. Debug information does.
pub trait InlineStacks {
    /// The inline stack of the instruction at `address` of `object`, innermost frame first; the
    /// last frame is the function that the machine executes. Empty when nothing is known.
    fn frames(&self, object: &str, address: u64) -> Vec<Frame>;
}

/// Where the workspace's sources are in debug information.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRoots {
    /// The workspace's root, after `--remap-path-prefix`: `/workspace`.
    pub workspace: String,
    /// Folders in it, relative to its root, whose files nobody wrote: `target`.
    pub generated: Vec<String>,
}

/// What the source functions of a benchmark cost.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceProfile {
    /// Source functions, most expensive first; ties by name, then file.
    pub functions: Vec<SourceFunction>,
    /// The machine's functions, most expensive first; ties by name.
    pub symbols: Vec<SymbolCost>,
    /// Who calls whom, from which lines of the workspace.
    pub calls: CallGraph,
    /// How often the allocator was called, if that is known.
    pub heap: Metrics,
}

/// A row: a function of the workspace, or a library function that was not inlined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFunction {
    /// Its cost.
    pub cost: FunctionCost,
    /// Lines in the workspace, most expensive first; ties by file, then line.
    ///
    /// Of a workspace function: its own lines, with the library code inlined into them. Of a
    /// library function: the lines of its workspace caller that call it or lead to it, weighed
    /// by what those calls cost in all.
    pub lines: Vec<LineCost>,
}

/// What one function of the machine cost, in itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolCost {
    /// Normalised name.
    pub name: String,
    /// Instructions executed in it, and in what was inlined into it.
    pub instructions: u64,
    /// How often it was called.
    pub calls: u64,
}

impl SourceRoots {
    /// The workspace at `workspace`, with its build directory `target`.
    #[must_use]
    pub fn new(workspace: impl Into<String>) -> Self {
        Self {
            workspace: workspace.into(),
            generated: vec!["target".to_owned()],
        }
    }
}

impl SourceProfile {
    /// The rows as the table of a run: complete, so that nothing is `other`.
    #[must_use]
    pub fn table(&self) -> FunctionTable {
        FunctionTable::new(
            self.functions.iter().map(|row| row.cost.clone()).collect(),
            0,
        )
    }
}

/// Sums a profile's costs by source function.
///
/// Where neither an address nor a stack is known, the profile's own names, files and lines are
/// used; then what was inlined is counted with the function that it was inlined into.
///
/// This cannot fail: a [`Profile`] proves that no sum over its costs overflows.
pub fn source_functions(
    profile: &Profile,
    stacks: &impl InlineStacks,
    roots: &SourceRoots,
) -> SourceProfile {
    let mut resolver = Resolver::new(profile, stacks, roots);
    let homes = resolver.homes();
    let mut rows = Rows::default();
    let own: Vec<usize> = homes
        .iter()
        .map(|home| rows.of(&home.name, &home.file))
        .collect();

    for cost in profile.costs() {
        let place = resolver.place(cost.symbol, cost.address, cost.file, cost.line);
        let own = own[cost.symbol.index()];
        let at = rows.at(&place, own);
        let row = &mut rows.rows[at];
        row.instructions += cost.instructions;
        if let Some(line) = place.line() {
            *row.lines.entry(line).or_default() += cost.instructions;
        }
        rows.inlined(&place, own, cost.instructions);
    }
    for miss in profile.misses() {
        let place = resolver.place(miss.symbol, miss.address, miss.file, miss.line);
        let at = rows.at(&place, own[miss.symbol.index()]);
        if let Some(metric) = Metric::from_callgrind_event(MISSES[miss.event]) {
            *rows.rows[at].metrics.entry(metric).or_default() += miss.count;
        }
    }
    let first = heap::first_instructions(profile);
    let heap = heap::count(
        profile,
        first.as_deref(),
        &homes,
        &mut resolver,
        &own,
        &mut rows,
    );
    for row in &own {
        rows.rows[*row].calls.get_or_insert(0);
    }
    let mut counts: Vec<u64> = vec![0; own.len()];
    for call in profile.calls() {
        let place = resolver.place(call.caller, call.address, call.file, call.line);
        let caller = rows.at(&place, own[call.caller.index()]);
        // Callgrind counts calls also while it collects no costs, and any call costs something:
        // one that cost nothing was not the benchmark's.
        let counted = (call.instructions > 0).then(|| profile.executed_calls(call));
        counts[call.callee.index()] += counted.unwrap_or(0);
        let row = &mut rows.rows[own[call.callee.index()]];
        row.called(caller, place.line(), counted, call.instructions);
        rows.inlined(&place, own[call.caller.index()], call.instructions);
    }
    for (symbol, count) in counts.into_iter().enumerate() {
        // A function is entered by its first instruction, and by nothing else.
        let entered = first.as_ref().map(|it| it[symbol]).filter(|it| *it > 0);
        let count = entered.map_or(count, |entered| count.min(entered));
        let row = &mut rows.rows[own[symbol]];
        row.calls = row.calls.map(|calls| calls + count);
    }
    let calls = rows.graph();
    SourceProfile {
        functions: rows.finish(),
        symbols: symbols(profile),
        calls,
        heap,
    }
}

fn symbols(profile: &Profile) -> Vec<SymbolCost> {
    let names: Vec<String> = profile
        .symbols()
        .map(|(_, symbol)| normalise(&symbol.function))
        .collect();
    let mut sums: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for cost in profile.costs() {
        sums.entry(&names[cost.symbol.index()]).or_default().0 += cost.instructions;
    }
    for call in profile.calls().iter().filter(|call| call.instructions > 0) {
        sums.entry(&names[call.callee.index()]).or_default().1 += call.count;
    }
    let mut symbols: Vec<SymbolCost> = sums
        .into_iter()
        .filter(|(_, (instructions, _))| *instructions > 0)
        .map(|(name, (instructions, calls))| SymbolCost {
            name: name.to_owned(),
            instructions,
            calls,
        })
        .collect();
    symbols.sort_by_key(|symbol| Reverse(symbol.instructions));
    symbols
}

#[cfg(test)]
mod tests;
