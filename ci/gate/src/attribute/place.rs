//! The line to look at for a function that moved.
//!
//! From the function outwards along its callers, and at each step the first that the diff
//! explains:
//!
//! ```text
//! step 0   a line of it that the diff changed, or whose neighbour it removed
//!          a change elsewhere in it (an attribute, a declaration, a condition)
//! step 1   the same of the lines that call it, and of the functions those lie in
//! step 2   … and of those that call these
//! at last  a change outside of all functions: a constant, a type, an import
//! ```
//!
//! Only where none of them is found is a line named that the diff does not touch: the one whose
//! cost changed most, or without base's lines the most expensive.
//!
//! Where calls became more, the change is looked for among the callers first: no change to a
//! function makes others call it.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use super::{FunctionChange, Kind};
use crate::attribute::diff::{ChangedLines, Hunk, Touch};
use crate::model::call_graph::CallGraph;
use crate::model::functions::LineCost;
use crate::model::interned::Interned;
use crate::model::run::Measurement;

/// Callers are followed over at most this many calls.
const STEPS_MAX: usize = 12;

/// Where to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: Interned,
    pub(super) line: u32,
    /// Whether the diff changes it.
    pub(super) in_diff: bool,
}

impl Place {
    /// One that the diff changes.
    pub(super) const fn in_diff(file: Interned, line: u32) -> Self {
        Self {
            file,
            line,
            in_diff: true,
        }
    }
}

/// What is known to find places by.
#[derive(Debug)]
pub(super) struct Evidence<'a> {
    head: &'a Measurement,
    head_lines: Lines<'a>,
    base: Option<&'a Measurement>,
    base_lines: Lines<'a>,
    changed: &'a ChangedLines,
}

/// The lines behind each function. A run may have many functions, and each is asked for.
type Lines<'a> = HashMap<(&'a str, &'a str), &'a [LineCost]>;

/// A line that leads to a cost, and how much.
struct Lead {
    file: Interned,
    line: u32,
    weight: i128,
}

/// A step from a function outwards: the lines through which its cost is reached.
type Step = Vec<Lead>;

impl<'a> Evidence<'a> {
    pub(super) fn new(
        head: &'a Measurement,
        base: Option<&'a Measurement>,
        changed: &'a ChangedLines,
    ) -> Self {
        Self {
            head,
            head_lines: head.lines_by_function(),
            base,
            base_lines: base.map_or_else(Lines::new, Measurement::lines_by_function),
            changed,
        }
    }

    fn head_lines_of(&self, name: &str, file: &str) -> &'a [LineCost] {
        self.head_lines.get(&(name, file)).copied().unwrap_or(&[])
    }

    /// The place for a function, if any is known.
    pub(super) fn place(&self, function: &FunctionChange) -> Option<Place> {
        let mut steps = vec![self.own_lines(function)];
        steps.extend(self.callers(function));
        // The own lines of a library's function are those that call it.
        if function.kind == Kind::Calls && function.caller.is_none() {
            steps.rotate_left(1);
        }
        let explained = steps.iter().find_map(|step| {
            self.touched(step)
                .or_else(|| self.neighbouring_change(step))
        });
        explained
            .or_else(|| self.declaration(function, &steps))
            .or_else(|| self.untouched(function, &steps))
    }

    /// The executed function that a line of head belongs to, by its whole name. Several of one name in a
    /// file are told apart by nothing.
    pub(super) fn function_at(&self, file: &str, line: u32) -> Option<Interned> {
        let bare = &self.changed.spans(file)?.function_at(line)?.name;
        let rows = self.head.functions.rows().iter();
        let is_it = |name: &str| name.rsplit("::").next() == Some(bare.as_str());
        let mut named = rows.filter(|row| row.file == file && is_it(&row.name));
        let found = named.next()?;
        named.next().is_none().then(|| found.name.clone())
    }

    /// Whether the diff changes a function itself.
    pub(super) fn touches(&self, function: &FunctionChange) -> bool {
        let own = self.own_lines(function);
        let is_own = function.caller.is_none();
        is_own
            && self
                .touched(&own)
                .or_else(|| self.neighbouring_change(&own))
                .is_some()
    }

    /// Who calls whom, in head and as far as it is known in base.
    pub(super) fn calls(&self) -> impl Iterator<Item = &CallGraph> {
        let base = self.base.map(|base| &base.calls);
        [&self.head.calls].into_iter().chain(base)
    }

    /// The lines of a function; of a library's, those of the workspace that lead to it.
    fn own_lines(&self, function: &FunctionChange) -> Step {
        let (name, file) = function.key();
        let lines = self.head_lines_of(name, file);
        let base = self.base_in_head(function);
        let lead = |line| Self::lead(function, line, base.as_ref());
        lines.iter().map(lead).collect()
    }

    /// What each line of head cost in base for a function, where base is known.
    fn base_in_head(&self, function: &FunctionChange) -> Option<HashMap<(&str, u32), i128>> {
        self.base?;
        let lines = self.base_lines.get(&function.key()).copied();
        let mut costs = HashMap::new();
        for line in lines.unwrap_or(&[]) {
            if let Some(here) = self.changed.in_head(&line.file, line.line) {
                *costs.entry(here).or_default() += i128::from(line.instructions);
            }
        }
        Some(costs)
    }

    /// A line, weighed by how much it contributes to the change as far as base is known.
    fn lead(
        function: &FunctionChange,
        line: &LineCost,
        base: Option<&HashMap<(&str, u32), i128>>,
    ) -> Lead {
        let head = i128::from(line.instructions);
        let weight = base.map_or(head, |base| {
            let here = (line.file.as_str(), line.line);
            let base = base.get(&here).copied().unwrap_or(0);
            (head - base) * function.difference().signum()
        });
        Lead {
            file: line.file.clone(),
            line: line.line,
            weight,
        }
    }

    /// The lines that lead to a function, call by call outwards.
    fn callers(&self, function: &FunctionChange) -> Vec<Step> {
        let mut steps = Vec::new();
        let key = |name: &str, file: &str| (name.to_owned(), file.to_owned());
        let mut seen = BTreeSet::from([key(&function.name, &function.file)]);
        let mut at: Vec<(String, String)> = seen.iter().cloned().collect();
        // What vanished has no callers in head, but may still be known by whom it ran for.
        if let Some(caller) = &function.caller {
            let rows = self.head.functions.rows().iter();
            let callers = rows.filter(|row| row.name == *caller);
            let callers: Vec<_> = callers.map(|row| key(&row.name, &row.file)).collect();
            if function.kind == Kind::Vanished {
                let lines = callers
                    .iter()
                    .flat_map(|(name, file)| self.head_lines_of(name, file));
                let base = self.base_in_head(function);
                let lead = |line| Self::lead(function, line, base.as_ref());
                steps.push(lines.map(lead).collect());
                seen.extend(callers.iter().cloned());
                at = callers;
            }
        }
        for _ in 0..STEPS_MAX {
            let mut step = Step::new();
            let mut next = Vec::new();
            for (name, file) in &at {
                for caller in self.head.calls.callers(name, file) {
                    if let Some((file, line)) = &caller.site.line {
                        step.push(Lead {
                            file: file.clone(),
                            line: *line,
                            weight: i128::from(caller.site.instructions),
                        });
                    }
                    let caller = key(caller.name, caller.file);
                    if seen.insert(caller.clone()) {
                        next.push(caller);
                    }
                }
            }
            steps.push(step);
            if next.is_empty() {
                break;
            }
            at = next;
        }
        steps
    }

    /// The line of a step that the diff touches and that weighs most.
    fn touched(&self, step: &Step) -> Option<Place> {
        let touched = step.iter().filter_map(|lead| {
            let touch: Touch = self.changed.touch(&lead.file, lead.line)?;
            // A line beside a comment that came or went is what it was.
            self.changed
                .touches_code(&lead.file, lead.line)
                .then_some(())?;
            Some(((touch, Reverse(lead.weight), &lead.file, lead.line), lead))
        });
        let (_, lead) = touched.min_by(|a, b| a.0.cmp(&b.0))?;
        Some(Place {
            file: lead.file.clone(),
            line: lead.line,
            in_diff: true,
        })
    }

    /// A change in one of the functions that a step's lines lie in, nearest to the weightiest.
    fn neighbouring_change(&self, step: &Step) -> Option<Place> {
        let mut leads: Vec<&Lead> = step.iter().collect();
        leads.sort_by_key(|lead| (Reverse(lead.weight), &lead.file, lead.line));
        leads.into_iter().find_map(|lead| {
            let function = self.changed.spans(&lead.file)?.function_at(lead.line)?;
            let hunks = self.changed.hunks(&lead.file).iter();
            let lines = hunks
                .filter(|hunk| hunk.is_code)
                .filter_map(|hunk| hunk.line_in(function));
            let line = lines.min_by_key(|line| line.abs_diff(lead.line))?;
            Some(Place {
                file: lead.file.clone(),
                line,
                in_diff: true,
            })
        })
    }

    /// A change outside of all functions: in the function's file or that of a caller, or else the
    /// only one there is.
    fn declaration(&self, function: &FunctionChange, steps: &[Step]) -> Option<Place> {
        let outside = |file: &str| {
            let spans = self.changed.spans(file);
            let is_outside = |line: u32| spans.is_some_and(|it| it.function_at(line).is_none());
            let hunks = self.changed.hunks(file).iter().filter(|hunk| hunk.is_code);
            let lines = hunks.map(Hunk::line).filter(|line| is_outside(*line));
            lines.collect::<Vec<_>>()
        };
        let near = steps.iter().flatten().map(|lead| &lead.file);
        for file in [&function.file].into_iter().chain(near) {
            if let Some(line) = outside(file).first() {
                return Some(Place {
                    file: file.clone(),
                    line: *line,
                    in_diff: true,
                });
            }
        }
        let everywhere = self.changed.files().flat_map(|file| {
            let lines = outside(file).into_iter();
            lines.map(move |line| (file, line))
        });
        let [(file, line)] = everywhere.take(2).collect::<Vec<_>>()[..] else {
            return None;
        };
        Some(Place {
            file: file.into(),
            line,
            in_diff: true,
        })
    }

    /// The line whose cost changed most; of a function without lines, the most expensive that leads to it.
    fn untouched(&self, function: &FunctionChange, steps: &[Step]) -> Option<Place> {
        let own = self.own_lines(function);
        let mut steps = [&own].into_iter().chain(steps);
        let step = steps.find(|step| !step.is_empty())?;
        let lead = step
            .iter()
            .min_by_key(|lead| (Reverse(lead.weight), &lead.file, lead.line))?;
        Some(Place {
            file: lead.file.clone(),
            line: lead.line,
            in_diff: false,
        })
    }

    /// Whether the diff changes code of a function that head executes.
    pub(super) fn is_touched(&self) -> bool {
        let lines = self.head.lines.iter().flat_map(|function| &function.lines);
        let lines = lines.map(|line| (&line.file, line.line));
        let sites = self.head.calls.lines().map(|(file, line)| (file, *line));
        let executed: BTreeSet<(&Interned, u32)> = lines.chain(sites).collect();
        executed.into_iter().any(|(file, line)| {
            let function = || self.changed.spans(file)?.function_at(line);
            let is_inside = |function| {
                let hunks = self.changed.hunks(file).iter();
                let mut code = hunks.filter(|hunk| hunk.is_code);
                code.any(|hunk| hunk.line_in(function).is_some())
            };
            self.changed.touches_code(file, line) || function().is_some_and(is_inside)
        })
    }
}
