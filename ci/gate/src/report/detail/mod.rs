//! Details: what a report's page shows of a benchmark beyond its row.
//!
//! ```text
//! split     where head's instructions are spent                     every benchmark
//! stacks    costs by who called whom, in base and head              those that moved
//! excerpts  the source around the culprits, with counts by line     those that moved
//! ```
//!
//! Invariant: a benchmark's stacks add up to its instructions, in base and in head.

mod paths;
mod stacks;

use std::collections::{BTreeMap, HashMap};

use self::stacks::stacks;
use crate::attribute::Culprit;
use crate::judge::Verdict;
use crate::model::baseline::Baselines;
use crate::model::bench_id::BenchId;
use crate::model::functions::{FunctionCost, FunctionTable};
use crate::model::run::{Measurement, Run};
use crate::report::{Report, Row};

/// At most this many functions of a cost split are named; of a benchmark that did not move, fewer.
const SPLIT_MAX: usize = 8;
const SPLIT_UNCHANGED_MAX: usize = 5;
/// At most this many changed benchmarks get stacks and source.
const CHANGED_MAX: usize = 60;

/// Details by benchmark.
#[derive(Debug, Clone, Default)]
pub struct Details {
    /// Those of the benchmarks that were measured.
    pub benchmarks: BTreeMap<BenchId, Detail>,
}

/// One benchmark's.
#[derive(Debug, Clone, Default)]
pub struct Detail {
    /// The most expensive functions with their instructions, and what remains.
    pub split: Vec<Share>,
    /// Costs in base and head; empty where nothing moved.
    pub stacks: Vec<Stack>,
    /// What a stack's frames are.
    pub grouping: Grouping,
    /// The source around the culprits, where it could be read.
    pub excerpts: Vec<Excerpt>,
}

/// A part of a benchmark's cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The function, or `None` for all that are not named.
    pub name: Option<String>,
    /// Its instructions.
    pub instructions: u64,
}

/// What the frames of stacks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Grouping {
    /// Functions, from the benchmark inwards: each called the next, or had it inlined.
    Calls,
    /// File, function, and what ran for it: all that a run without a call graph can say.
    #[default]
    Places,
}

/// Frames with the cost of the innermost one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// From the outermost inwards.
    pub frames: Vec<String>,
    /// Instructions in base.
    pub base: u64,
    /// Instructions in head.
    pub head: u64,
}

/// Some lines of a source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The file, as seen from the workspace.
    pub file: String,
    /// The lines that culprits point at, the first culprit's first.
    pub culprits: Vec<u32>,
    /// The lines, in order.
    pub lines: Vec<SourceLine>,
}

/// A line of source with what it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// Its number, counted from 1.
    pub number: u32,
    /// Its text.
    pub text: String,
    /// Instructions in base, where base's run is at hand.
    pub base: Option<u64>,
    /// Instructions in head.
    pub head: Option<u64>,
}

/// Where a line is, by file and number.
pub type Places<'a> = dyn Fn(&str, u32) -> Option<(String, u32)> + 'a;

/// What is known of base.
#[derive(Clone, Copy)]
pub struct Base<'a> {
    /// A run of it, with lines.
    pub run: Option<&'a Run>,
    /// Its baselines.
    pub baselines: &'a Baselines,
    /// Where a line of base's is in head, by file and number; `None` if it is gone, or if nobody
    /// knows.
    pub in_head: &'a Places<'a>,
}

/// Lines of a source file, for those who can read one.
pub trait Sources {
    /// The lines from `first` to `last` of a file of the workspace; empty where it has none, or
    /// may not be read.
    fn lines(&mut self, file: &str, first: u32, last: u32) -> Vec<String>;
}

/// Lines shown before and after a culprit's.
const CONTEXT_LINES: u32 = 6;

/// The details of a judged run.
#[must_use]
pub fn details(report: &Report, run: &Run, base: Base<'_>, sources: &mut dyn Sources) -> Details {
    let mut details = Details::default();
    let mut changed_left = CHANGED_MAX;
    for row in &report.rows {
        let Some(head) = run.benchmark(&row.id) else {
            continue;
        };
        let mut detail = Detail {
            split: split(
                &head.functions,
                match row.verdict {
                    Verdict::UNCHANGED => SPLIT_UNCHANGED_MAX,
                    _ => SPLIT_MAX,
                },
            ),
            ..Detail::default()
        };
        if row.verdict != Verdict::UNCHANGED && row.base.is_some() && changed_left > 0 {
            changed_left -= 1;
            let base_run = base.run.and_then(|it| it.benchmark(&row.id));
            (detail.stacks, detail.grouping) = stacks(base, &row.id, head);
            let base_run = base_run.map(|it| (it, base.in_head));
            detail.excerpts = excerpts(row, base_run, head, sources);
        }
        details.benchmarks.insert(row.id.clone(), detail);
    }
    details
}

fn split(functions: &FunctionTable, most: usize) -> Vec<Share> {
    let mut shares: Vec<Share> = functions
        .rows()
        .iter()
        .take(most)
        .filter(|row| row.instructions > 0)
        .map(|row| Share {
            name: Some(match &row.caller {
                Some(caller) => format!("{} for {caller}", row.name),
                None => row.name.to_string(),
            }),
            instructions: row.instructions,
        })
        .collect();
    let named: u64 = shares.iter().map(|it| it.instructions).sum();
    if let Some(rest @ 1..) = functions.total().and_then(|it| it.checked_sub(named)) {
        shares.push(Share {
            name: None,
            instructions: rest,
        });
    }
    shares
}

/// A measurement's lines, and where each is in head.
type Lines<'a> = (&'a Measurement, &'a Places<'a>);

/// Where head's own lines are in head.
#[expect(clippy::unnecessary_wraps, reason = "the type of all places")]
fn same(file: &str, line: u32) -> Option<(String, u32)> {
    Some((file.to_owned(), line))
}

fn excerpts(
    row: &Row,
    base: Option<Lines<'_>>,
    head: &Measurement,
    sources: &mut dyn Sources,
) -> Vec<Excerpt> {
    let (mut excerpts, mut in_base, mut in_head) = (Vec::new(), HashMap::new(), HashMap::new());
    for Span {
        file,
        first,
        last,
        culprits,
    } in spans(&row.culprits)
    {
        let texts = sources.lines(file, first, last);
        if texts.is_empty() {
            continue;
        }
        let in_base = base.map(|it| &*in_base.entry(file).or_insert_with(|| by_line(it, file)));
        let in_head = in_head
            .entry(file)
            .or_insert_with(|| by_line((head, &same), file));
        let lines = texts
            .into_iter()
            .zip(first..)
            .map(|(text, number)| SourceLine {
                number,
                text,
                base: in_base.and_then(|it| it.get(&number).copied()),
                head: in_head.get(&number).copied(),
            });
        excerpts.push(Excerpt {
            file: file.to_owned(),
            culprits,
            lines: lines.collect(),
        });
    }
    excerpts
}

/// Lines of a file around some culprits.
struct Span<'a> {
    file: &'a str,
    first: u32,
    last: u32,
    culprits: Vec<u32>,
}

/// The lines around each culprit; what would overlap is one.
fn spans(culprits: &[Culprit]) -> Vec<Span<'_>> {
    let mut spans: Vec<Span<'_>> = Vec::new();
    for Culprit { file, line, .. } in culprits {
        let Some(line) = *line else { continue };
        let first = line.saturating_sub(CONTEXT_LINES).max(1);
        let last = line.saturating_add(CONTEXT_LINES);
        let touches = |it: &&mut Span<'_>| {
            it.file == &**file
                && first <= it.last.saturating_add(1)
                && it.first <= last.saturating_add(1)
        };
        if let Some(span) = spans.iter_mut().find(touches) {
            (span.first, span.last) = (span.first.min(first), span.last.max(last));
            span.culprits.push(line);
        } else {
            spans.push(Span {
                file,
                first,
                last,
                culprits: vec![line],
            });
        }
    }
    spans
}

/// What the lines of `file` cost, whoever's they are. A library function's lines are where it was
/// called, and weigh what the calls cost: they belong to no line of the source themselves.
fn by_line((measured, in_head): Lines<'_>, file: &str) -> HashMap<u32, u64> {
    let mut costs = HashMap::new();
    let is_library: std::collections::HashSet<(&str, &str)> = measured
        .functions
        .rows()
        .iter()
        .filter(|row| row.caller.is_some())
        .map(FunctionCost::key)
        .collect();
    for function in &measured.lines {
        if is_library.contains(&(&*function.name, &*function.file)) {
            continue;
        }
        for line in &function.lines {
            if let Some((_, number)) = in_head(&line.file, line.line).filter(|it| it.0 == file) {
                *costs.entry(number).or_default() += line.instructions;
            }
        }
    }
    costs
}

#[cfg(test)]
pub(crate) mod tests;
