//! Rows as they are summed: costs, lines, and who called on whose behalf.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::SourceFunction;
use super::path::SourceFile;
use super::place::{Line, Place};
use crate::model::call_graph::{CallGraph, CallSite, Calls};
use crate::model::functions::{FunctionCost, FunctionMetrics, LineCost};
use crate::model::metric::Metrics;

/// The rows as they are summed.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) rows: Vec<Row>,
    by_key: HashMap<(Rc<str>, Rc<str>), usize>,
}

pub(super) struct Row {
    name: Rc<str>,
    file: Rc<str>,
    is_workspace: bool,
    pub(super) instructions: u64,
    pub(super) calls: Option<u64>,
    pub(super) metrics: Metrics,
    pub(super) lines: BTreeMap<Line, u64>,
    callers: BTreeMap<usize, Edge>,
}

/// All calls from one row to another, by the line that they come from.
#[derive(Default)]
struct Edge {
    instructions: u64,
    sites: BTreeMap<Option<Line>, Site>,
}

/// All calls from one line.
#[derive(Default)]
struct Site {
    /// How often the machine called; `None` where the callee was inlined.
    calls: Option<u64>,
    /// What was executed from call to return.
    instructions: u64,
}

impl Edge {
    fn lines(&self) -> BTreeMap<Line, u64> {
        let known = self
            .sites
            .iter()
            .filter_map(|(line, site)| Some((line.clone()?, site)));
        known
            .map(|(line, site)| (line, site.instructions))
            .collect()
    }
}

impl Row {
    /// Adds a call of this row. The same instructions are added to many edges, so a sum may
    /// leave 64 bits; as a weight, the largest number does.
    pub(super) fn called(
        &mut self,
        caller: usize,
        line: Option<Line>,
        calls: Option<u64>,
        instructions: u64,
    ) {
        let edge = self.callers.entry(caller).or_default();
        edge.instructions = edge.instructions.saturating_add(instructions);
        let site = edge.sites.entry(line).or_default();
        site.instructions = site.instructions.saturating_add(instructions);
        site.calls = site.calls.into_iter().chain(calls).reduce(|a, b| a + b);
    }
}

impl Rows {
    /// The row of a function.
    pub(super) fn of(&mut self, name: &Rc<str>, file: &SourceFile) -> usize {
        let key = (name.clone(), file.path().clone());
        let rows = &mut self.rows;
        let row = *self.by_key.entry(key).or_insert_with_key(|(name, file)| {
            rows.push(Row {
                name: name.clone(),
                file: file.clone(),
                is_workspace: false,
                instructions: 0,
                calls: None,
                metrics: Metrics::new(),
                lines: BTreeMap::new(),
                callers: BTreeMap::new(),
            });
            rows.len() - 1
        });
        self.rows[row].is_workspace |= file.is_workspace();
        row
    }

    /// The row of what executes at `place`, in a symbol whose own row is `own`.
    pub(super) fn at(&mut self, place: &Place, own: usize) -> usize {
        match place.workspace.first() {
            Some(frame) => self.of(&frame.name, &frame.file),
            None => own,
        }
    }

    /// Adds what was executed at `place` to the calls that inlining has taken away: from each
    /// workspace frame to the next one inside, and from a library's symbol to the outermost.
    pub(super) fn inlined(&mut self, place: &Place, own: usize, instructions: u64) {
        let Some(mut inner) = place
            .workspace
            .first()
            .map(|it| self.of(&it.name, &it.file))
        else {
            return;
        };
        for frame in &place.workspace[1..] {
            let outer = self.of(&frame.name, &frame.file);
            if outer != inner {
                self.rows[inner].called(outer, frame.line(), None, instructions);
            }
            inner = outer;
        }
        if inner != own {
            self.rows[inner].called(own, None, None, instructions);
        }
    }

    /// The workspace row on whose behalf a library row ran, and the row of the library through
    /// which it was entered.
    ///
    /// From each row the most expensive caller is tried first (ties by name, then file), and the next
    /// where that leads nowhere. No row is entered twice, so cycles end.
    fn workspace_caller(&self, library: usize) -> Option<(usize, usize)> {
        let mut seen = BTreeSet::from([library]);
        let mut open = vec![(library, self.callers_most_expensive_last(library))];
        while let Some((row, callers)) = open.last_mut() {
            let row = *row;
            let Some(caller) = callers.pop() else {
                open.pop();
                continue;
            };
            if self.rows[caller].is_workspace {
                return Some((caller, row));
            }
            if seen.insert(caller) {
                open.push((caller, self.callers_most_expensive_last(caller)));
            }
        }
        None
    }

    fn callers_most_expensive_last(&self, row: usize) -> Vec<usize> {
        let mut callers: Vec<usize> = self.rows[row].callers.keys().copied().collect();
        callers.sort_by_key(|caller| {
            let Row { name, file, .. } = &self.rows[*caller];
            Reverse((
                Reverse(self.rows[row].callers[caller].instructions),
                name,
                file,
            ))
        });
        callers
    }

    /// Who calls whom.
    pub(super) fn graph(&self) -> CallGraph {
        let mut calls = Calls::default();
        for (callee, row) in self.rows.iter().enumerate() {
            for (caller, edge) in &row.callers {
                for (line, site) in edge.sites.iter().filter(|(_, it)| it.instructions > 0) {
                    calls.push(CallSite {
                        caller: *caller,
                        callee,
                        line: line
                            .as_ref()
                            .map(|(file, line)| (file.as_ref().into(), *line)),
                        calls: site.calls,
                        instructions: site.instructions,
                    });
                }
            }
        }
        let name = |row: &Row| (row.name.as_ref().into(), row.file.as_ref().into());
        calls.finish(|index| name(&self.rows[index]))
    }

    pub(super) fn finish(self) -> Vec<SourceFunction> {
        let mut functions = Vec::new();
        for (index, row) in self
            .rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.instructions > 0)
        {
            let behalf = if row.is_workspace {
                None
            } else {
                self.workspace_caller(index)
            };
            let lines = match behalf {
                Some((caller, entered)) => self.rows[entered].callers[&caller].lines(),
                None => row.lines.clone(),
            };
            functions.push(SourceFunction {
                cost: FunctionCost {
                    name: row.name.as_ref().into(),
                    file: row.file.as_ref().into(),
                    instructions: row.instructions,
                    calls: row.calls,
                    caller: behalf.map(|(caller, _)| self.rows[caller].name.as_ref().into()),
                    metrics: FunctionMetrics::new(&row.metrics),
                },
                lines: most_expensive_first(&lines),
            });
        }
        functions.sort_by(|a, b| {
            let key = |row: &SourceFunction| Reverse(row.cost.instructions);
            (key(a), &a.cost.name, &a.cost.file).cmp(&(key(b), &b.cost.name, &b.cost.file))
        });
        functions
    }
}

fn most_expensive_first(lines: &BTreeMap<Line, u64>) -> Vec<LineCost> {
    let mut lines: Vec<LineCost> = lines
        .iter()
        .map(|((file, line), instructions)| LineCost {
            file: file.as_ref().into(),
            line: *line,
            instructions: *instructions,
        })
        .collect();
    lines.sort_by_key(|line| Reverse(line.instructions));
    lines
}
