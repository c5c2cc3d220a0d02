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

/// What the functions of the allocator are called together.
const ALLOCATOR: &str = "the allocator";

/// The functions of glibc's allocator and of Rust's, without their leading underscores.
const ALLOCATORS: [&str; 25] = [
    "alloc_perturb",
    "calloc",
    "cfree",
    "free",
    "int_free",
    "int_free_chunk",
    "int_free_create_chunk",
    "int_free_merge_chunk",
    "int_malloc",
    "int_memalign",
    "int_realloc",
    "libc_calloc",
    "libc_free",
    "libc_malloc",
    "libc_realloc",
    "malloc",
    "malloc_consolidate",
    "realloc",
    "rust_alloc",
    "rust_alloc_zeroed",
    "rust_dealloc",
    "rust_realloc",
    "sysmalloc",
    "systrim",
    "unlink_chunk",
];

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
    let mut culprits: Vec<Culprit> = causes
        .into_iter()
        .take(LOOKED_AT)
        .map(|account| {
            let instructions = account.instructions;
            let function = account.first;
            let grown = account.grown(&graphs);
            let divergence = Some(function).filter(|it| it.kind == Kind::Calls);
            let divergence = divergence.and_then(|it| graphs.divergence(it.key()));
            let touched = |file: &Interned, line: u32| {
                let is_touched = changed.touches_code(file, line);
                is_touched.then(|| Place::in_diff(file.clone(), line))
            };
            let place = grown
                .as_ref()
                .and_then(|(_, file, line)| touched(file, *line))
                .or_else(|| {
                    let edge = divergence.as_ref()?;
                    touched(&edge.file, edge.line)
                })
                .or_else(|| account.place(&evidence));
            let (place, is_only) = match (place.as_ref().is_some_and(|it| it.in_diff), &only) {
                (false, Some(only)) => (Some(only.clone()), true),
                _ => (place, false),
            };
            let file = place.as_ref().map_or(&function.file, |place| &place.file);
            let line = place.as_ref().map(|place| place.line);
            let in_diff = place.as_ref().is_some_and(|place| place.in_diff);
            let is_workload = in_diff && changed.is_workload(file);
            let origin = match (is_base, is_workload) {
                (true, _) => Origin::Base,
                (false, true) => Origin::Workload,
                // What the change is known not to touch, and moved all the same, is not at fault.
                (false, false) if !in_diff && !changed.is_empty() => Origin::Unknown,
                (false, false) => Origin::Code,
            };
            // The cost shows where the change is not: who stands at the change is at fault.
            let at_change = place.as_ref().filter(|_| is_only);
            let at_change = at_change.and_then(|it| evidence.function_at(&it.file, it.line));
            // Who does what the benchmark asks for more often is not at fault.
            let is_function = origin != Origin::Workload;
            let caller = grown.map(|(caller, ..)| caller);
            let caller = caller.or_else(|| function.caller.clone());
            let caller = caller.filter(|_| is_function);
            Culprit {
                origin,
                name: match at_change {
                    _ if !is_function => WORKLOAD.into(),
                    Some(function) => function,
                    None => account.name(),
                },
                caller: caller.filter(|_| !is_only),
                file: file.clone(),
                line,
                in_diff,
                instructions,
                kind: function.kind,
                hunk: line.and_then(|line| changed.hunk(file, line)),
                divergence,
            }
        })
        .collect();
    by_place(&mut culprits, change);
    culprits.truncate(most);
    culprits
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

/// Functions that are told as one: a function alone, or all of the allocator's.
struct Account<'a> {
    /// The one that moved most.
    first: &'a FunctionChange,
    all: Vec<&'a FunctionChange>,
    /// What they contribute together.
    instructions: i128,
}

impl Account<'_> {
    fn name(&self) -> Interned {
        if is_allocator(self.first) {
            ALLOCATOR.into()
        } else {
            self.first.name.clone()
        }
    }

    /// For library code: the line of the workspace from which it is called more often.
    fn grown(&self, graphs: &Graphs<'_>) -> Option<(Interned, Interned, u32)> {
        let is_library = self.first.caller.is_some() || is_allocator(self.first);
        let keys: Vec<_> = self.all.iter().map(|it| it.key()).collect();
        is_library.then(|| graphs.grown(&keys)).flatten()
    }

    /// The place of the one that moved most, of those that the diff explains if there are any.
    fn place(&self, evidence: &Evidence<'_>) -> Option<Place> {
        let places: Vec<Place> = self
            .all
            .iter()
            .filter_map(|it| evidence.place(it))
            .collect();
        let explained = places.iter().find(|it| it.in_diff);
        explained.or(places.first()).cloned()
    }
}

/// Puts the allocator's functions into one account: which of them an allocation costs is its own
/// affair.
fn one_account<'a>(causes: Vec<(&'a FunctionChange, i128)>) -> Vec<Account<'a>> {
    let mut accounts: Vec<Account<'a>> = Vec::new();
    for (function, instructions) in causes {
        let is_same = |it: &&mut Account<'a>| is_allocator(function) && is_allocator(it.first);
        match accounts.iter_mut().find(is_same) {
            Some(account) => {
                account.all.push(function);
                account.instructions += instructions;
            }
            None => accounts.push(Account {
                first: function,
                all: vec![function],
                instructions,
            }),
        }
    }
    accounts.sort_by_key(|it| Reverse(it.instructions.abs()));
    accounts
}

impl Culprit {
    /// Whether it is, or is an account with, the function of this name that runs for `caller`.
    #[must_use]
    pub fn names(&self, name: &str, caller: Option<&Interned>) -> bool {
        if self.name == ALLOCATOR {
            return is_allocator_name(name);
        }
        self.name == name && self.caller.as_ref() == caller
    }
}

fn is_allocator(function: &FunctionChange) -> bool {
    is_allocator_name(&function.name)
}

/// Whether a function is the allocator's: the C library's, or what Rust puts in front of it.
fn is_allocator_name(name: &str) -> bool {
    let name = name.rsplit("::").next().unwrap_or(name);
    ALLOCATORS.contains(&name.trim_start_matches('_'))
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
    let build = reaching.iter().find(|it| it.origin == Origin::Build);
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
        in_diff: true,
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
