//! Heap calls: how often the measured region asked the allocator for something, and who asked.
//!
//! ```text
//! Vec::push ─→ __rust_alloc ─→ malloc      3f10  push %rbp      1,000   ← the first instruction's cost
//!           ▲
//!           └─ 5a07  call __rust_alloc     1,000   ← and the call's own, in whoever asked
//! ```
//!
//! A function's first instruction is executed once a call, and Callgrind collects its cost in the
//! measured region only; its number of calls also counts what was set up before (15,455 instead of
//! 1,003 where it was tried). The same holds for the instruction that calls.
//!
//! Invariants:
//!
//! 1. The counts are those of first instructions, whoever is found to have called.
//! 2. No more is charged to rows than was counted. Where a call cannot be told from a jump that was
//!    not taken, or one place calls several functions, the rest stays unnamed.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU64;

use super::place::Resolver;
use super::rows::Rows;
use super::{Home, InlineStacks};
use crate::model::metric::{Metric, Metrics};
use crate::profile::callgrind::{Call, Profile, SymbolId};

/// What the C library and allocators that take its place call it. Aliases have one address, and so
/// one name in a profile.
const C_FUNCTIONS: [(&str, Metric); 13] = [
    ("malloc", Metric::Allocations),
    ("calloc", Metric::Allocations),
    ("memalign", Metric::Allocations),
    ("aligned_alloc", Metric::Allocations),
    ("posix_memalign", Metric::Allocations),
    ("__libc_malloc", Metric::Allocations),
    ("__libc_calloc", Metric::Allocations),
    ("__libc_memalign", Metric::Allocations),
    ("realloc", Metric::Reallocations),
    ("__libc_realloc", Metric::Reallocations),
    ("free", Metric::Frees),
    ("cfree", Metric::Frees),
    ("__libc_free", Metric::Frees),
];

/// What rustc calls the functions that lead to the global allocator.
const RUST_FUNCTIONS: [(&str, Metric); 4] = [
    ("__rust_alloc", Metric::Allocations),
    ("__rust_alloc_zeroed", Metric::Allocations),
    ("__rust_realloc", Metric::Reallocations),
    ("__rust_dealloc", Metric::Frees),
];

/// Names of functions that only pass a request on: nobody is to blame for what they ask for.
const PASSING_ON: [&str; 6] = [
    "__rust_",
    "__rdl_",
    "__rg_",
    "alloc::alloc::",
    "std::alloc::",
    "std::sys::alloc::",
];

/// More levels of functions that pass on than there are; a cycle of them ends here.
const LEVELS_MAX: usize = 8;

/// How often the allocator was called in all, and by row in `rows`. Nothing where the profile has no
/// addresses: then it is not known.
pub(super) fn count<S: InlineStacks>(
    profile: &Profile,
    first: Option<&[u64]>,
    homes: &[Home],
    resolver: &mut Resolver<'_, S>,
    own: &[usize],
    rows: &mut Rows,
) -> Metrics {
    let Some(asked) = first.map(|first| Asked::of(profile, first, homes)) else {
        return Metrics::new();
    };
    let mut metrics: Metrics = [Metric::Allocations, Metric::Reallocations, Metric::Frees]
        .map(|metric| (metric, 0))
        .into();
    for (&symbol, &(metric, count)) in &asked.entries {
        *metrics.entry(metric).or_default() += count;
        let mut left = count;
        asked.charge(symbol, count, LEVELS_MAX, &mut |call, part| {
            let part = part.min(left);
            left -= part;
            let place = resolver.place(call.caller, call.address, call.file, call.line);
            let row = rows.at(&place, own[call.caller.index()]);
            *rows.rows[row].metrics.entry(metric).or_default() += part;
        });
    }
    metrics
}

/// What of a profile tells who asked the allocator.
struct Asked<'p> {
    /// The allocator's functions: what calling them does, and how often they were.
    entries: BTreeMap<SymbolId, (Metric, u64)>,
    /// The calls of each function that is asked or passes on.
    calls: HashMap<SymbolId, Vec<&'p Call>>,
    /// How often an instruction of a calling function was executed.
    executed: HashMap<(SymbolId, NonZeroU64), u64>,
    passes_on: Vec<bool>,
}

impl<'p> Asked<'p> {
    /// Of two families of functions the one that was asked more often counts: where Rust's lead to
    /// the C library's, that has the requests of C code as well, and where they lead elsewhere, it
    /// has only those.
    fn of(profile: &'p Profile, first: &[u64], homes: &[Home]) -> Self {
        let families = [&C_FUNCTIONS[..], &RUST_FUNCTIONS[..]];
        let mut entries = families.map(|_| BTreeMap::new());
        for (id, symbol) in profile.symbols() {
            let names = [&*homes[id.index()].name, symbol.function.as_str()];
            for (family, entries) in families.iter().zip(&mut entries) {
                let is_it = |name: &&(&str, Metric)| names.iter().any(|it| last(it) == name.0);
                if let Some((_, metric)) = family.iter().find(is_it) {
                    entries.insert(id, (*metric, first[id.index()]));
                }
            }
        }
        let [c, rust] = entries;
        let sum = |entries: &BTreeMap<SymbolId, (Metric, u64)>| -> u64 {
            entries.values().map(|(_, count)| count).sum()
        };
        let entries = if sum(&rust) > sum(&c) { rust } else { c };
        let passes_on: Vec<bool> = homes
            .iter()
            .map(|home| PASSING_ON.iter().any(|it| is_of(&home.name, it)))
            .collect();
        let is_asked = |id: SymbolId| entries.contains_key(&id) || passes_on[id.index()];
        let mut calls: HashMap<SymbolId, Vec<&Call>> = HashMap::new();
        let mut executed = HashMap::new();
        let mut calls_it = vec![false; passes_on.len()];
        for call in profile.calls().iter().filter(|it| is_asked(it.callee)) {
            calls.entry(call.callee).or_default().push(call);
            if let Some(address) = call.address {
                executed.insert((call.caller, address), 0);
                calls_it[call.caller.index()] = true;
            }
        }
        for cost in profile.costs().filter(|it| calls_it[it.symbol.index()]) {
            if let Some(address) = cost.address
                && let Some(count) = executed.get_mut(&(cost.symbol, address))
            {
                *count += cost.instructions;
            }
        }
        Self {
            entries,
            calls,
            executed,
            passes_on,
        }
    }

    /// Shares `count` calls of `symbol` out among those who called it, through what passes on.
    fn charge(&self, symbol: SymbolId, count: u64, levels: usize, to: &mut impl FnMut(&Call, u64)) {
        let mut left = count;
        for call in self.calls.get(&symbol).into_iter().flatten() {
            let key = call.address.map(|address| (call.caller, address));
            let executed = key.and_then(|key| self.executed.get(&key)).copied();
            // A jump that was not taken is executed as well; a set-up calls as well.
            let part = executed.unwrap_or(0).min(call.count).min(left);
            if part == 0 {
                continue;
            }
            left -= part;
            if self.passes_on[call.caller.index()] && levels > 0 {
                self.charge(call.caller, part, levels - 1, to);
            } else {
                to(call, part);
            }
        }
    }
}

/// How often each function's first instruction was executed, by the function's index. `None` without
/// addresses.
pub(super) fn first_instructions(profile: &Profile) -> Option<Vec<u64>> {
    // Of a symbol, costs come in the order of addresses.
    let mut first: Vec<Option<(NonZeroU64, u64)>> = vec![None; profile.symbols().count()];
    for cost in profile.costs() {
        let address = cost.address?;
        let known = first[cost.symbol.index()].get_or_insert((address, 0));
        if address == known.0 {
            known.1 += cost.instructions;
        }
    }
    Some(
        first
            .into_iter()
            .map(|it| it.map_or(0, |(_, count)| count))
            .collect(),
    )
}

/// A path's last name: rustc puts the allocator's functions into `__rustc`.
fn last(name: &str) -> &str {
    match name.strip_prefix("__rustc::") {
        Some(name) => name,
        None => name
            .strip_prefix("__rustc[")
            .and_then(|it| it.split_once("]::"))
            .map_or(name, |it| it.1),
    }
}

fn is_of(name: &str, prefix: &str) -> bool {
    last(name).starts_with(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::callgrind::parse;
    use crate::profile::source::{Frame, SourceRoots, source_functions};

    struct Unknown;

    impl InlineStacks for Unknown {
        fn frames(&self, _: &str, _: u64) -> Vec<Frame> {
            Vec::new()
        }
    }

    /// What was counted in all, and by function: `name metric count`.
    fn counted(text: &str) -> (Vec<u64>, Vec<String>) {
        let profile = parse(text.as_bytes()).unwrap();
        let sources = source_functions(&profile, &Unknown, &SourceRoots::new("/workspace"));
        let mut rows = Vec::new();
        for row in &sources.functions {
            for (metric, count) in row.cost.metrics.iter() {
                rows.push(format!("{} {metric} {count}", row.cost.name));
            }
        }
        rows.sort();
        (sources.heap.into_values().collect(), rows)
    }

    /// Three allocations and a free in the measured region; the set-up has called more often.
    const PROFILE: &str = "positions: instr line\nevents: Ir\nob=exe\nfl=a.rs\n\
        fn=app::work\n0x10 1 5\n0x14 2 3\ncfn=__rustc::__rust_alloc\ncalls=9 0x100\n0x14 2 60\n\
        fn=__rustc::__rust_alloc\n0x100 1 3\n0x104 1 3\ncfn=malloc\ncalls=12 0x200\n0x104 1 45\n\
        fn=malloc\n0x200 1 3\n0x201 1 30\n\
        fn=app::other\n0x30 1 1\ncfn=free\ncalls=5 0x300\n0x30 1 10\n\
        fn=free\n0x300 1 1\n0x302 1 9\n";

    #[test]
    fn what_was_asked_in_the_measured_region_is_charged_to_who_asked() {
        let (heap, rows) = counted(PROFILE);
        assert_eq!(heap, [3, 0, 1]);
        assert_eq!(rows, ["app::other frees 1", "app::work allocations 3"]);
    }

    #[test]
    fn a_jump_that_was_not_taken_charges_no_more_than_was_counted() {
        // The instruction that may lead to `free` is executed 100 times, and leads there once.
        let text = PROFILE.replace("0x30 1 1\n", "0x30 1 100\n");
        let (heap, rows) = counted(&text);
        assert_eq!(heap, [3, 0, 1]);
        assert!(rows.contains(&"app::other frees 1".to_owned()), "{rows:?}");
    }

    #[test]
    fn an_allocator_that_is_not_the_c_library_s_counts_by_rust_s_functions() {
        let text = PROFILE
            .replace("cfn=malloc", "cfn=mi_malloc")
            .replace("fn=malloc", "fn=mi_malloc");
        assert_eq!(counted(&text).0, [3, 0, 0]);
    }

    #[test]
    fn without_addresses_nothing_is_known() {
        let text = "events: Ir\nfl=a\nfn=malloc\n1 5\n";
        assert_eq!(counted(text), (vec![], vec![]));
        assert_eq!(counted("events: Ir\n").0, [0, 0, 0]);
    }
}
