//! Paths: on which ways a benchmark reaches its functions, and how much of each runs on which way.
//!
//! ```text
//! main ─900─▶ f ─300─▶ h        h by f: 300 of 400, by g: 100 of 400
//!      ─100─▶ g ─100─▶ h        so three quarters of what h costs stand on main → f → h
//! ```
//!
//! How a function's cost is divided among those that call it is counted. Further out it is
//! reckoned: what runs below `f` is taken to be the same whoever called `f`, since a call graph does
//! not know better. A function that calls itself, in however many steps, is entered once.

use std::collections::HashMap;

use crate::model::call_graph::CallGraph;
use crate::model::interned::Interned;

/// The whole of a function's cost. A share of it never has more bits than this, so that a product
/// with any count fits into 128.
const WHOLE: u64 = 1 << 48;
/// A path below one part in this many of the benchmark is not followed: nobody could see it.
const SHARE: u64 = 2_000;
/// A path is not followed further in than this.
const DEPTH_MAX: usize = 64;
/// At most this many paths: a graph may come from a pull request.
const PATHS_MAX: usize = 10_000;

/// A way from the outermost function to one that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// The names, from outside inwards.
    pub(super) frames: Vec<Interned>,
    /// How much of the function's cost is on it.
    share: u64,
}

/// The ways to all functions.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// Of each function, by name and file; most expensive first.
    of: HashMap<(Interned, Interned), Vec<Path>>,
}

impl Path {
    /// The way without the [`trunk`]; of what is a part of that, its own name.
    pub(super) fn behind(&self, trunk: &[Interned]) -> &[Interned] {
        let last = self.frames.len() - 1;
        if trunk.starts_with(&self.frames) {
            return &self.frames[last..];
        }
        self.frames.strip_prefix(trunk).unwrap_or(&self.frames)
    }

    /// What each of `paths` gets of `instructions`, which are spread whole.
    pub(super) fn spread(paths: &[Self], instructions: u64) -> impl Iterator<Item = u64> {
        let all: u128 = paths.iter().map(|it| u128::from(it.share)).sum();
        let part = move |path: &Self| {
            let part = u128::from(instructions) * u128::from(path.share) / all.max(1);
            u64::try_from(part).unwrap_or(instructions)
        };
        let given: u64 = paths.iter().map(part).sum();
        let mut rest = instructions - given;
        paths
            .iter()
            .map(move |path| part(path) + std::mem::take(&mut rest))
    }
}

impl Paths {
    /// The ways of `graph`, in a benchmark of `total` instructions.
    pub(super) fn new(graph: &CallGraph, total: u64) -> Self {
        let functions = graph.functions();
        let mut callees: Vec<Vec<(usize, u64)>> = vec![Vec::new(); functions.len()];
        let mut entered: Vec<u128> = vec![0; functions.len()];
        for site in graph.sites().iter().filter(|it| it.caller != it.callee) {
            callees[site.caller].push((site.callee, site.instructions));
            entered[site.callee] += u128::from(site.instructions);
        }
        for called in &mut callees {
            called.sort_unstable();
            called.dedup_by(|next, first| {
                let is_same = next.0 == first.0;
                if is_same {
                    first.1 = first.1.saturating_add(next.1);
                }
                is_same
            });
        }
        let mut walk = Walk {
            functions,
            callees: &callees,
            entered: &entered,
            least: total / SHARE,
            left: PATHS_MAX,
            way: Vec::new(),
            found: Self::default(),
        };
        for root in (0..functions.len()).filter(|it| entered[*it] == 0) {
            walk.enter(root, WHOLE);
        }
        let mut found = walk.found;
        for paths in found.of.values_mut() {
            paths.sort_by(|a, b| b.share.cmp(&a.share).then_with(|| a.frames.cmp(&b.frames)));
        }
        found
    }

    /// The ways to a function, the one with most of its cost first; none if it cannot be reached.
    pub(super) fn of(&self, (name, file): (&str, &str)) -> &[Path] {
        let key = (Interned::from(name), Interned::from(file));
        self.of.get(&key).map_or(&[], Vec::as_slice)
    }
}

struct Walk<'a> {
    functions: &'a [(Interned, Interned)],
    /// Whom each function calls, and what is executed in those calls.
    callees: &'a [Vec<(usize, u64)>],
    /// What is executed in all calls of each function.
    entered: &'a [u128],
    least: u64,
    left: usize,
    way: Vec<usize>,
    found: Paths,
}

impl Walk<'_> {
    fn enter(&mut self, function: usize, share: u64) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        self.way.push(function);
        let name = |it: &usize| self.functions[*it].0.clone();
        let frames = self.way.iter().map(name).collect();
        let key = self.functions[function].clone();
        self.found
            .of
            .entry(key)
            .or_default()
            .push(Path { frames, share });
        if self.way.len() < DEPTH_MAX {
            for &(callee, instructions) in &self.callees[function] {
                // In a call that comes from here by this way, and as a part of all its calls.
                let here = u128::from(instructions) * u128::from(share);
                let is_seen = here / u128::from(WHOLE) >= u128::from(self.least);
                let share = here / self.entered[callee].max(1);
                let share = u64::try_from(share).unwrap_or(WHOLE);
                if is_seen && share > 0 && !self.way.contains(&callee) {
                    self.enter(callee, share);
                }
            }
        }
        self.way.pop();
    }
}

/// What all ways from the same start begin with and nobody is interested in: what starts a program
/// and leads to the benchmark. What runs itself is never a part of it. The first way says which start
/// is meant; other threads, and what no call is known to lead to, have their own.
pub(super) fn trunk<'a>(mut paths: impl Iterator<Item = &'a Path>) -> &'a [Interned] {
    let Some(first) = paths.next() else {
        return &[];
    };
    let mut shared = first.frames.len() - 1;
    for path in paths.filter(|it| it.frames.first() == first.frames.first()) {
        let both = first.frames.iter().zip(&path.frames);
        let equal = both.take_while(|(a, b)| a == b).count();
        shared = shared.min(equal).min(path.frames.len() - 1);
    }
    &first.frames[..shared]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::call_graph::tests::graph;

    fn shown(paths: &Paths, name: &str, instructions: u64) -> Vec<(String, u64)> {
        let paths = paths.of((name, "a.rs"));
        let spread = Path::spread(paths, instructions);
        let names = |it: &Path| {
            let names: Vec<&str> = it.frames.iter().map(Interned::as_str).collect();
            names.join(" ")
        };
        paths.iter().map(names).zip(spread).collect()
    }

    fn path(text: &str, instructions: u64) -> (String, u64) {
        (text.to_owned(), instructions)
    }

    #[test]
    fn a_cost_is_divided_as_its_calls_are() {
        let graph = graph(
            "a.rs",
            &[
                ("main", "f", 1, 900),
                ("main", "g", 2, 100),
                ("f", "h", 3, 200),
                ("f", "h", 4, 100),
                ("g", "h", 5, 100),
                ("h", "deep", 6, 40),
            ],
        );
        let paths = Paths::new(&graph, 1_000);
        assert_eq!(shown(&paths, "main", 7), [path("main", 7)]);
        assert_eq!(
            shown(&paths, "h", 400),
            [path("main f h", 300), path("main g h", 100)]
        );
        assert_eq!(
            shown(&paths, "deep", 41),
            [path("main f h deep", 31), path("main g h deep", 10)],
            "the rest is not lost"
        );
        assert!(paths.of(("h", "b.rs")).is_empty());
    }

    #[test]
    fn recursion_is_entered_once() {
        let graph = graph(
            "a.rs",
            &[
                ("main", "main", 1, 100),
                ("main", "f", 1, 100),
                ("f", "f", 2, 90),
                ("f", "g", 3, 80),
                ("g", "f", 4, 70),
                ("lost", "found", 5, 10),
                ("found", "lost", 6, 10),
            ],
        );
        let paths = Paths::new(&graph, 100);
        assert_eq!(shown(&paths, "f", 50), [path("main f", 50)]);
        assert_eq!(shown(&paths, "g", 30), [path("main f g", 30)]);
        assert!(shown(&paths, "lost", 1).is_empty(), "no way leads there");
    }

    #[test]
    fn what_leads_to_the_benchmark_is_its_trunk() {
        let graph = graph(
            "a.rs",
            &[
                ("_start", "main", 1, 100),
                ("main", "bench", 2, 100),
                ("bench", "f", 3, 60),
                ("bench", "g", 4, 40),
                ("thread", "g", 5, 10),
            ],
        );
        let paths = Paths::new(&graph, 100);
        let of = |names: &[&str]| {
            let paths = names.iter().flat_map(|it| paths.of((it, "a.rs")));
            trunk(paths.collect::<Vec<_>>().into_iter()).len()
        };
        assert_eq!(of(&["f", "g"]), 3);
        assert_eq!(of(&["f", "g", "bench"]), 2, "what runs itself stays");
        assert_eq!(of(&["f", "thread", "g"]), 3, "another start has its own");
        assert_eq!(of(&["f"]), 3);
        assert_eq!(of(&[]), 0);
    }

    #[test]
    fn a_graph_of_many_ways_is_not_followed_on_all_of_them() {
        // Each of fifteen levels can be left to two functions: 32,768 ways, and as many ends.
        let names: Vec<String> = (0..32).map(|it| format!("f{it}")).collect();
        let mut sites = Vec::new();
        for level in 0..15 {
            for (from, to) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let name = |at: usize| names[at].as_str();
                sites.push((name(2 * level + from), name(2 * level + 2 + to), 1, 1 << 20));
            }
        }
        let paths = Paths::new(&graph("a.rs", &sites), 1);
        let all: usize = paths.of.values().map(Vec::len).sum();
        assert_eq!(all, PATHS_MAX);
    }

    proptest! {
        #[test]
        fn whatever_the_graph_no_instruction_is_lost(
            sites in prop::collection::vec((0..8_usize, 0..8_usize, any::<u64>()), 0..30),
            instructions in any::<u64>(),
        ) {
            let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
            let sites: Vec<_> = sites
                .iter()
                .map(|(a, b, cost)| (names[*a], names[*b], 1, *cost))
                .collect();
            let paths = Paths::new(&graph("a.rs", &sites), 0);
            for name in names {
                let spread = shown(&paths, name, instructions);
                let sum: u128 = spread.iter().map(|it| u128::from(it.1)).sum();
                prop_assert!(spread.is_empty() || sum == u128::from(instructions));
            }
        }
    }
}
