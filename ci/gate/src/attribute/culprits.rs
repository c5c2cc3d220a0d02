//! Culprits: of all that moved, what is at fault, and the heaviest place in the diff first.
//!
//! ```text
//! settings that changed   →  the build, or a dependency: their line, and no function
//! functions that moved    →  each with its place  →  by place  →  the heaviest place first
//!   malloc   +900  write.rs:40 ┐ one place
//!   push     +300  write.rs:40 ┘ +1,200
//!   encode   +700  frame.rs:95
//! ```
//!
//! Several functions cost more for one reason: what it calls, allocates and drops is spread over all
//! of them. The place in the diff is what they share.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::account::{Account, one_account};
use super::diff::ChangedLines;
use super::edges::Graphs;
use super::moved;
use super::place::{Evidence, Place};
use super::settings::Setting;
use super::{Attribution, Culprit, FunctionChange, Kind, Origin};
use crate::model::interned::Interned;
use crate::model::run::Measurement;

/// So many of the functions that moved most are looked at: each is looked for in the diff.
const LOOKED_AT: usize = 24;

/// A place in the diff comes before all others if it explains one part in this many of the change.
const EXPLAINS: i128 = 5;

/// What is less than one part in this many of the change is not worth a word.
const TRIVIAL: i128 = 50;

/// What is named where the benchmark itself does something else.
const WORKLOAD: &str = "the workload";

/// Of the change, a package whose dependency changed has to be one part in this many.
const OF_PACKAGE: i128 = 4;

/// What explains most of the change, at most `most` parts of it, in its direction, each with the line
/// to look at. What only moved from a neighbour explains nothing by itself, so it comes last.
#[must_use]
pub fn culprits(
    attribution: &Attribution,
    head: &Measurement,
    base_run: Option<&Measurement>,
    changed: &ChangedLines,
    most: usize,
) -> Vec<Culprit> {
    let change = attribution.change();
    if attribution.functions.is_empty() {
        return Vec::new();
    }
    let evidence = Evidence::new(head, base_run, changed);
    if let Some(setting) = setting(attribution, head, changed, &evidence) {
        return vec![of_setting(setting, change)];
    }
    let graphs = Graphs {
        head: &head.calls,
        base: base_run.map(|base| &base.calls),
        changed,
    };
    let causes = one_account(causes(attribution, &evidence));
    let is_base = changed.reaches(head.id.suite()) == Some(false);
    // Of one piece nothing has to be found out: without it, head is base.
    let only = changed.only_hunk(head.id.suite());
    let only = only.map(|(file, line)| Place::in_diff(file.into(), line));
    let scene = Scene {
        evidence,
        graphs,
        changed,
        is_base,
        only,
    };
    let causes = causes.into_iter().take(LOOKED_AT);
    let mut culprits: Vec<Culprit> = causes.map(|it| scene.culprit(&it)).collect();
    by_place(&mut culprits, change);
    culprits.truncate(most);
    culprits
}

/// What all culprits of a benchmark are told by.
struct Scene<'a> {
    evidence: Evidence<'a>,
    graphs: Graphs<'a>,
    changed: &'a ChangedLines,
    /// Whether the change cannot reach the benchmark.
    is_base: bool,
    /// The only piece of code that the change has.
    only: Option<Place>,
}

impl Scene<'_> {
    fn culprit(&self, account: &Account<'_>) -> Culprit {
        let function = account.first;
        let grown = account.grown(&self.graphs);
        let divergence = Some(function).filter(|it| it.kind == Kind::Calls);
        let divergence = divergence.and_then(|it| self.graphs.divergence(it.key()));
        let touched = |file: &Interned, line: u32| {
            let is_touched = self.changed.touches_code(file, line);
            is_touched.then(|| Place::in_diff(file.clone(), line))
        };
        let edge = divergence.as_ref();
        let place = grown
            .as_ref()
            .and_then(|(_, file, line)| touched(file, *line))
            .or_else(|| edge.and_then(|it| touched(&it.file, it.line)))
            .or_else(|| account.place(&self.evidence));
        let (place, is_only) = match (place.as_ref().is_some_and(|it| it.in_diff), &self.only) {
            (false, Some(only)) => (Some(only.clone()), true),
            _ => (place, false),
        };
        let file = place.as_ref().map_or(&function.file, |place| &place.file);
        let line = place.as_ref().map(|place| place.line);
        let in_diff = place.as_ref().is_some_and(|place| place.in_diff);
        let origin = self.origin(file, in_diff);
        let caller = grown.map(|(caller, ..)| caller);
        let caller = caller.or_else(|| function.caller.clone());
        // The cost may show where the change is not: who stands at the change is at fault.
        let at = place.as_ref().filter(|it| it.in_diff);
        let at = at.and_then(|it| self.evidence.function_at(&it.file, it.line));
        let at = at.filter(|it| is_only || !is_said(it, function, caller.as_ref()));
        let (name, caller) = match (at, caller) {
            // Who does what the benchmark asks for more often is not at fault.
            _ if origin == Origin::Workload => (WORKLOAD.into(), None),
            (Some(at), Some(_)) if !is_only => (account.name(), Some(at)),
            (Some(at), _) => (at, None),
            (None, _) if is_only => (account.name(), None),
            (None, caller) => (account.name(), caller),
        };
        Culprit {
            origin,
            name,
            caller,
            file: file.clone(),
            line,
            in_diff,
            instructions: account.instructions,
            kind: function.kind,
            hunk: line.and_then(|line| self.changed.hunk(file, line)),
            divergence,
        }
    }

    fn origin(&self, file: &str, in_diff: bool) -> Origin {
        match (self.is_base, in_diff) {
            (true, _) => Origin::Base,
            (false, true) if self.changed.is_workload(file) => Origin::Workload,
            // What the change is known not to touch, and moved all the same, is not at fault.
            (false, false) if !self.changed.is_empty() => Origin::Unknown,
            (false, _) => Origin::Code,
        }
    }
}

/// Whether a cause names the function that the change is in: itself, for whom it runs, or as what it is
/// written in.
fn is_said(at: &Interned, function: &FunctionChange, caller: Option<&Interned>) -> bool {
    let named = caller.unwrap_or(&function.name);
    let within = named.strip_prefix(at.as_str());
    within.is_some_and(|rest| rest.is_empty() || rest.starts_with("::{"))
}

/// The functions that moved in the change's direction, with how much each contributes.
fn causes<'a>(
    attribution: &'a Attribution,
    evidence: &Evidence<'_>,
) -> Vec<(&'a FunctionChange, i128)> {
    let direction = attribution.change().signum();
    let mut causes: Vec<(&FunctionChange, i128)> = attribution
        .functions
        .iter()
        .map(|function| (function, function.own()))
        .collect();
    charge_lost_inlining(&mut causes, evidence);
    causes.retain(|(_, amount)| amount.signum() == direction);
    if causes.is_empty() {
        // All of it moved; then where to is the best that can be said.
        let functions = attribution.functions.iter();
        let moved = functions.map(|it| (it, it.difference()));
        causes = moved
            .filter(|(_, amount)| amount.signum() == direction)
            .take(1)
            .collect();
    }
    causes.sort_by_key(|(_, amount)| Reverse(amount.abs()));
    causes
}

/// Puts the culprits of the heaviest place first, and drops those that are not worth a word. A place
/// in the diff that explains a good part comes before what the diff does not explain.
fn by_place(culprits: &mut Vec<Culprit>, change: i128) {
    let key = |it: &Culprit| Some((it.file.clone(), it.hunk?)).filter(|_| it.in_diff);
    let mut weights: BTreeMap<(Interned, u32), i128> = BTreeMap::new();
    for culprit in &*culprits {
        if let Some(key) = key(culprit) {
            *weights.entry(key).or_default() += culprit.instructions.abs();
        }
    }
    culprits.sort_by_cached_key(|it| {
        let place = key(it);
        let weight = place.as_ref().and_then(|key| weights.get(key)).copied();
        let weight = weight.unwrap_or(it.instructions.abs());
        let explains = place.is_some() && weight * EXPLAINS >= change.abs();
        (
            Reverse(explains),
            Reverse(weight),
            place,
            Reverse(it.instructions.abs()),
        )
    });
    let mut first = true;
    culprits.retain(|it| {
        let is_kept = first || it.instructions.abs() * TRIVIAL >= change.abs();
        first = false;
        is_kept
    });
}

/// The setting that is at fault, if one is: of the build any that the benchmark is built with; of a
/// dependency one whose package moved, or which is all that the diff can have moved it by.
fn setting<'c>(
    attribution: &Attribution,
    head: &Measurement,
    changed: &'c ChangedLines,
    evidence: &Evidence<'_>,
) -> Option<&'c Setting> {
    let suite = head.id.suite();
    let reaching: Vec<&Setting> = changed.settings_of(suite).collect();
    // One of a single package is looked at as a dependency is.
    let is_build = |it: &&&Setting| it.origin == Origin::Build && it.package.is_none();
    let build = reaching.iter().find(is_build);
    if let Some(setting) = build {
        return Some(setting);
    }
    let change = attribution.change().abs();
    let moved = |setting: &&&Setting| {
        let Some(package) = &setting.package else {
            return false;
        };
        let functions = attribution.functions.iter();
        let of_package = functions.filter(|it| is_of(&it.name, package));
        let moved: i128 = of_package.map(FunctionChange::difference).sum();
        moved.signum() == attribution.change().signum() && moved.abs() * OF_PACKAGE >= change
    };
    let dependency = reaching.iter().find(moved).copied();
    dependency.or_else(|| {
        let alone = reaching.first().copied();
        alone.filter(|_| !evidence.is_touched())
    })
}

/// Whether a function's name begins with that of a package.
fn is_of(function: &str, package: &str) -> bool {
    let name = package.replace('-', "_");
    let path = function.trim_start_matches(['<', '&', '(']);
    path.strip_prefix(name.as_str())
        .is_some_and(|rest| rest.starts_with("::"))
}

fn of_setting(setting: &Setting, change: i128) -> Culprit {
    let kind = if setting.origin == Origin::Build {
        "the build"
    } else {
        "a dependency"
    };
    Culprit {
        origin: setting.origin,
        name: format!("{kind}: {}", setting.what).into(),
        caller: None,
        file: setting.file.clone(),
        line: setting.line,
        in_diff: !setting.file.is_empty(),
        instructions: change,
        kind: Kind::PerCall,
        hunk: setting.line,
        divergence: None,
    }
}

/// Charges a function that the diff let be inlined no more (or made inlined) with what that did to
/// those that call it: a call has to be made there now, and what the optimiser knew is forgotten.
/// A caller that the diff changes as well answers for itself.
///
/// Only the largest differences are looked at, since each is compared with each.
fn charge_lost_inlining(causes: &mut [(&FunctionChange, i128)], evidence: &Evidence<'_>) {
    let most = causes.len().min(moved::CHANGES_MAX);
    let causes = &mut causes[..most];
    for at in 0..causes.len() {
        let (function, _) = causes[at];
        if function.inlining.is_none() || !evidence.touches(function) {
            continue;
        }
        let (name, file) = function.key();
        let callers: Vec<(&str, &str)> = evidence
            .calls()
            .flat_map(|calls| calls.callers(name, file))
            .map(|it| (it.name.as_str(), it.file.as_str()))
            .collect();
        for other in 0..causes.len() {
            let (caller, amount) = causes[other];
            let is_charged = callers.contains(&caller.key())
                && caller.kind != Kind::Calls
                && caller.inlining.is_none()
                && !evidence.touches(caller);
            if is_charged {
                causes[at].1 += amount;
                causes[other].1 = 0;
            }
        }
    }
}
