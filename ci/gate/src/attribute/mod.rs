//! Attributes: which source functions a change comes from, why, and the line to point at.
//!
//! The differences of all rows add up to the change exactly: what is not named is in a row of its
//! own, so a report may claim to explain the whole.
//!
//! A baseline's table and what head measured are enough. Where base's own measurement is at hand,
//! lines are weighed by what they gained instead of by what they cost, and calls that only base
//! makes are known as well.

mod account;
pub mod built;
mod culprits;
pub mod diff;
mod edges;
mod function_spans;
mod moved;
mod place;
pub mod proof;
pub mod reach;
pub mod settings;

use serde::Serialize;

pub use self::culprits::culprits;
pub use self::edges::Divergence;
use self::place::Evidence;
use crate::attribute::diff::ChangedLines;
use crate::attribute::reach::Reach;
use crate::model::call_graph::CallGraph;
use crate::model::functions::{FunctionCost, FunctionTable};
use crate::model::interned::Interned;
use crate::model::run::Measurement;

/// Of what a function gained or lost, this share has to be moved for it to count as moved: nine
/// tenths.
const MOVED_SHARE: (i128, i128) = (9, 10);

/// What kind of thing moved a benchmark, in the order in which they are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// How it is built: profile, flags, linker, toolchain.
    Build,
    /// What it is built with: a package's version, features or source.
    Dependency,
    /// The benchmark's own code, input or size.
    Workload,
    /// Something that the change has no part in.
    Base,
    /// Where code and data lie: functions execute what they executed before.
    Layout,
    /// The code that is measured.
    Code,
    /// Something that the change does not explain: what is named is where it shows, and no cause.
    Unknown,
}

/// Why a function's cost moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It was called more often or less often.
    Calls,
    /// It was called as often as before; each call costs more or less.
    PerCall,
    /// It is inlined everywhere, so its calls cannot be counted.
    Inlined,
    /// It costs what a function that it calls, or that calls it, no longer does, or the other way
    /// round; or it was inlined and is called now, or the other way round.
    Moved,
    /// Base does not name it: it is new, or was too small to be kept.
    Appeared,
    /// Head does not execute it any more.
    Vanished,
}

/// How a function's inlining changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Inlining {
    /// It was inlined everywhere, and is called now: so often.
    Lost(u64),
    /// It was called so often, and is inlined everywhere now.
    Gained(u64),
}

/// What one source function contributes to a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FunctionChange {
    /// Its normalised name.
    pub name: Interned,
    /// Its file.
    pub file: Interned,
    /// For a library function: on whose behalf it ran.
    pub caller: Option<Interned>,
    /// Its instructions in base; 0 if base does not name it.
    pub base: u64,
    /// Its instructions in head.
    pub head: u64,
    /// Its calls in base and in head, where both are known.
    pub calls: Option<(u64, u64)>,
    /// Whether it began or ceased to be inlined.
    pub inlining: Option<Inlining>,
    /// How much of the difference came from neighbours that lost it (or, negative, went to them).
    pub moved: i128,
    /// The neighbour that most of that came from, or went to.
    pub moved_with: Option<Interned>,
    /// Why it moved.
    pub kind: Kind,
}

/// The functions that moved and what remains.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Attribution {
    /// Functions whose cost moved or whose inlining changed, largest difference first; ties by name.
    pub functions: Vec<FunctionChange>,
    /// The difference of all functions that are not named.
    pub other: i128,
}

/// What explains part of a change, and where to look: a function, or what its origin says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Culprit {
    /// What kind of thing is at fault. A function and its line are named for code alone; for other
    /// things, `name` says what it is.
    pub origin: Origin,
    /// Its normalised name.
    pub name: Interned,
    /// For a library function: on whose behalf it ran.
    pub caller: Option<Interned>,
    /// File to look at, in the workspace if anything there is known.
    pub file: Interned,
    /// Line to look at.
    pub line: Option<u32>,
    /// Whether that line is one that the diff touches.
    pub in_diff: bool,
    /// Instructions it contributes, without what only moved from a neighbour.
    pub instructions: i128,
    /// Why it moved.
    pub kind: Kind,
    /// The hunk of the diff that the line lies in or beside, by its first line: causes with the
    /// same are one.
    #[serde(skip)]
    pub hunk: Option<u32>,
    /// Where it is called more often than in base, if that is why and both call trees are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub divergence: Option<Divergence>,
}

impl FunctionChange {
    /// Instructions gained (or, negative, saved).
    #[must_use]
    pub fn difference(&self) -> i128 {
        i128::from(self.head) - i128::from(self.base)
    }

    /// The part of the difference that no neighbour makes up for.
    #[must_use]
    pub fn own(&self) -> i128 {
        self.difference() - self.moved
    }

    fn key(&self) -> (&str, &str) {
        (&self.name, &self.file)
    }

    /// Whether so much of it moved that the rest is not worth a word.
    fn is_moved(&self) -> bool {
        let (part, whole) = MOVED_SHARE;
        self.moved != 0 && self.moved.abs() * whole >= self.difference().abs() * part
    }
}

impl Attribution {
    /// The whole change.
    #[must_use]
    pub fn change(&self) -> i128 {
        let named = self.functions.iter().map(FunctionChange::difference);
        self.other + named.sum::<i128>()
    }
}

/// Splits the change from `base` to what `head` measured by source function. `base_run` is base's
/// own measurement, where there is one.
#[must_use]
pub fn attribute(
    base: &FunctionTable,
    head: &Measurement,
    base_run: Option<&Measurement>,
) -> Attribution {
    let condensed = head.functions.condensed();
    if *base == condensed || *base == head.functions {
        return Attribution::default();
    }
    let (in_base, in_head) = (base.by_name(), head.functions.by_name());
    let mut functions: Vec<FunctionChange> = Vec::new();
    for row in base.rows() {
        let head = in_head.get(&row.key()).copied();
        functions.push(function_change(Some(row), head));
    }
    for row in condensed.rows() {
        if !in_base.contains_key(&row.key()) {
            functions.push(function_change(None, Some(row)));
        }
    }
    let total = |table: &FunctionTable| i128::from(table.total().unwrap_or(u64::MAX));
    let named: i128 = functions.iter().map(FunctionChange::difference).sum();
    functions.retain(|change| change.difference() != 0 || change.inlining.is_some());
    functions.sort_by(|a, b| {
        let size = |change: &FunctionChange| change.difference().abs();
        size(b)
            .cmp(&size(a))
            .then_with(|| (&a.name, &a.file).cmp(&(&b.name, &b.file)))
    });
    let base_calls = base_run.map(|base| &base.calls);
    let graphs: Vec<&CallGraph> = [&head.calls].into_iter().chain(base_calls).collect();
    moved::set_off(&mut functions, &graphs);
    for change in &mut functions {
        if change.is_moved() || change.inlining.is_some() {
            change.kind = Kind::Moved;
        }
    }
    Attribution {
        functions,
        other: total(&head.functions) - total(base) - named,
    }
}

fn function_change(base: Option<&FunctionCost>, head: Option<&FunctionCost>) -> FunctionChange {
    let named = head.or(base).expect("one side has the function");
    let instructions = |row: Option<&FunctionCost>| row.map_or(0, |row| row.instructions);
    let (calls, inlining, kind) = match (base, head) {
        (Some(base), Some(head)) => match (base.calls, head.calls) {
            (Some(before), Some(now)) if before != now => (Some((before, now)), None, Kind::Calls),
            (Some(before), Some(now)) => (Some((before, now)), None, Kind::PerCall),
            (None, None) => (None, None, Kind::Inlined),
            (None, Some(now)) => (None, Some(Inlining::Lost(now)), Kind::Moved),
            (Some(before), None) => (None, Some(Inlining::Gained(before)), Kind::Moved),
        },
        (None, _) => (None, None, Kind::Appeared),
        (_, None) => (None, None, Kind::Vanished),
    };
    FunctionChange {
        name: named.name.clone(),
        file: named.file.clone(),
        caller: named.caller.clone(),
        base: instructions(base),
        head: instructions(head),
        calls,
        inlining,
        moved: 0,
        moved_with: None,
        kind,
    }
}

/// How the diff stands to a benchmark; `None` where it is not known what was changed.
#[must_use]
pub fn reach(head: &Measurement, changed: &ChangedLines) -> Option<Reach> {
    let evidence = Evidence::new(head, None, changed);
    let is_reached = changed.reaches(head.id.suite())?;
    Some(match (evidence.is_touched(), is_reached) {
        (true, _) => Reach::Touched,
        (false, true) => Reach::Reachable,
        (false, false) => Reach::Unreachable,
    })
}

#[cfg(test)]
mod cause_tests;
#[cfg(test)]
mod tests;
