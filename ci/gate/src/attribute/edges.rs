//! Edges: from which line of the workspace calls became more.
//!
//! ```text
//! base   scan ──reader.rs:40──▶ next      1 call          scan ──▶ … ──▶ malloc     10 calls
//! head   scan ──reader.rs:41──▶ next    400 calls         scan ──▶ … ──▶ malloc    410 calls
//!               └── the same line, moved by the diff             └── charged with all of them
//! ```
//!
//! Edges of base and head are the same if caller and callee are, and the line is where the diff leaves
//! it. The first one that diverges is sought from a function outwards, as long as it is the caller that
//! is called more often itself.
//!
//! Library code is passed through: what it calls, its caller in the workspace calls.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::diff::ChangedLines;
use crate::model::call_graph::CallGraph;
use crate::model::interned::Interned;

/// Callers are followed over at most this many calls.
const STEPS_MAX: usize = 12;

/// Where calls became more: who calls whom, from which line, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Divergence {
    /// Who calls.
    pub caller: Interned,
    /// Who is called.
    pub callee: Interned,
    /// From where.
    pub file: Interned,
    /// The line there, in head.
    pub line: u32,
    /// How often in base, and in head.
    pub calls: (u64, u64),
}

/// A line of head, and who stands there.
type Site = (Interned, Interned, u32);

/// How often something is called from each line, and what that cost in all.
type Calls = BTreeMap<Site, (u64, u64)>;

/// A function, by name and file.
pub(super) type Key<'a> = (&'a str, &'a str);

/// The call graphs of both sides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Graphs<'a> {
    pub(super) head: &'a CallGraph,
    pub(super) base: Option<&'a CallGraph>,
    pub(super) changed: &'a ChangedLines,
}

impl Graphs<'_> {
    /// The line of the workspace from which calls of any of `callees` grew most; without base's graph, the
    /// heaviest that the diff touches.
    pub(super) fn grown(&self, callees: &[Key<'_>]) -> Option<Site> {
        let now = entries(self.head, callees, |file, line| Some((file.clone(), line)));
        let Some(base) = self.base else {
            let touched = now.into_iter();
            let touched =
                touched.filter(|((_, file, line), _)| self.changed.touches_code(file, *line));
            return touched.max_by_key(|(_, weight)| *weight).map(|it| it.0);
        };
        let before = self.before(base, callees);
        let grown = now.into_iter().map(|(site, (calls, cost))| {
            let base = before.get(&site).copied().unwrap_or((0, 0));
            let more = i128::from(calls) - i128::from(base.0);
            ((more, i128::from(cost) - i128::from(base.1)), site)
        });
        let (growth, site) = grown.max()?;
        (growth > (0, 0)).then_some(site)
    }

    /// The first edge outwards from `function` whose calls became more while its caller's did not.
    pub(super) fn divergence(&self, function: Key<'_>) -> Option<Divergence> {
        let base = self.base?;
        let mut callee = (Interned::from(function.0), Interned::from(function.1));
        let mut seen = BTreeSet::new();
        let mut found = None;
        for _ in 0..STEPS_MAX {
            let key = (callee.0.as_str(), callee.1.as_str());
            if !seen.insert(callee.clone()) {
                break;
            }
            let now = entries(self.head, &[key], |file, line| Some((file.clone(), line)));
            let before = self.before(base, &[key]);
            let grown = now.iter().filter_map(|(site, (calls, _))| {
                let base = before.get(site).map_or(0, |it| it.0);
                (*calls > base).then_some((calls - base, site, (base, *calls)))
            });
            let Some((_, site, calls)) = grown.max() else {
                break;
            };
            found = Some(Divergence {
                caller: site.0.clone(),
                callee: callee.0.clone(),
                file: site.1.clone(),
                line: site.2,
                calls,
            });
            // The caller's own file is the line's: a function is written in one.
            callee = (site.0.clone(), site.1.clone());
        }
        found
    }

    /// Base's calls by their lines in head.
    fn before(&self, base: &CallGraph, callees: &[Key<'_>]) -> Calls {
        entries(base, callees, |file, line| {
            let (file, line) = self.changed.in_head(file, line)?;
            Some((file.into(), line))
        })
    }
}

/// The lines of the workspace that call any of `callees`, through library code if need be.
fn entries(
    graph: &CallGraph,
    callees: &[Key<'_>],
    place: impl Fn(&Interned, u32) -> Option<(Interned, u32)>,
) -> Calls {
    let functions = graph.functions();
    let is_asked = |number: usize| {
        let (name, file) = &functions[number];
        callees.contains(&(name.as_str(), file.as_str()))
    };
    let mut open: Vec<usize> = (0..functions.len()).filter(|it| is_asked(*it)).collect();
    let mut seen: BTreeSet<usize> = open.iter().copied().collect();
    let mut calls = Calls::new();
    while let Some(callee) = open.pop() {
        for site in graph.sites().iter().filter(|it| it.callee == callee) {
            match &site.line {
                Some((file, line)) if !is_asked(site.caller) => {
                    if let Some((file, line)) = place(file, *line) {
                        let name = functions[site.caller].0.clone();
                        let sum = calls.entry((name, file, line)).or_default();
                        sum.0 = sum.0.saturating_add(site.calls.unwrap_or(0));
                        sum.1 = sum.1.saturating_add(site.instructions);
                    }
                }
                None if seen.insert(site.caller) => open.push(site.caller),
                Some(_) | None => {}
            }
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::call_graph::CallGraph;

    /// A graph of `caller → callee at line, calls`; line 0 is in a library.
    fn graph(sites: &[(&str, &str, u32, u64)]) -> CallGraph {
        let mut names: Vec<&str> = Vec::new();
        for (caller, callee, ..) in sites {
            for name in [caller, callee] {
                if !names.contains(name) {
                    names.push(name);
                }
            }
        }
        let number = |name: &str| names.iter().position(|it| *it == name).unwrap();
        let functions: Vec<_> = names.iter().map(|name| (*name, "a.rs")).collect();
        let sites: Vec<_> = sites
            .iter()
            .map(|(caller, callee, line, calls)| {
                let mut site = serde_json::json!({
                    "caller": number(caller), "callee": number(callee),
                    "calls": calls, "instructions": calls * 10,
                });
                if *line > 0 {
                    site["line"] = serde_json::json!(["a.rs", line]);
                }
                site
            })
            .collect();
        let graph = serde_json::json!({ "functions": functions, "sites": sites });
        serde_json::from_value(graph).unwrap()
    }

    fn diff() -> ChangedLines {
        // A line more from line 3 on.
        ChangedLines::from_unified_diff("--- a/a.rs\n+++ b/a.rs\n@@ -3 +3,2 @@\n-x\n+y\n+z\n")
    }

    #[test]
    fn allocations_are_charged_to_the_line_that_grew_and_not_to_the_heaviest() {
        let base = graph(&[
            ("heavy", "grow", 10, 900),
            ("light", "grow", 20, 1),
            ("grow", "malloc", 0, 901),
        ]);
        let head = graph(&[
            ("heavy", "grow", 11, 900),
            ("light", "grow", 21, 80),
            ("grow", "malloc", 0, 980),
        ]);
        let changed = diff();
        let graphs = Graphs {
            head: &head,
            base: Some(&base),
            changed: &changed,
        };
        let site = graphs.grown(&[("malloc", "a.rs")]).unwrap();
        assert_eq!((site.0.as_str(), site.2), ("light", 21));
        let same = Graphs {
            head: &base,
            base: Some(&base),
            changed: &ChangedLines::default(),
        };
        assert_eq!(same.grown(&[("malloc", "a.rs")]), None);
    }

    #[test]
    fn without_base_the_line_is_one_that_the_diff_touches() {
        let head = graph(&[("heavy", "malloc", 11, 900), ("light", "malloc", 4, 80)]);
        let changed = diff();
        let graphs = Graphs {
            head: &head,
            base: None,
            changed: &changed,
        };
        let site = graphs.grown(&[("malloc", "a.rs")]).unwrap();
        assert_eq!(site.0.as_str(), "light");
        assert_eq!(graphs.divergence(("malloc", "a.rs")), None);
    }

    #[test]
    fn the_first_divergence_is_where_the_callers_own_calls_are_as_before() {
        let base = graph(&[
            ("main", "scan", 30, 10),
            ("scan", "next", 20, 10),
            ("next", "item", 10, 10),
        ]);
        let head = graph(&[
            ("main", "scan", 31, 10),
            ("scan", "next", 21, 4_000),
            ("next", "item", 11, 4_000),
        ]);
        let changed = diff();
        let graphs = Graphs {
            head: &head,
            base: Some(&base),
            changed: &changed,
        };
        let first = graphs.divergence(("item", "a.rs")).unwrap();
        assert_eq!(
            (first.caller.as_str(), first.callee.as_str()),
            ("scan", "next")
        );
        assert_eq!((first.line, first.calls), (21, (10, 4_000)));
    }

    #[test]
    fn recursion_ends() {
        let base = graph(&[("f", "f", 10, 1)]);
        let head = graph(&[("f", "f", 11, 9)]);
        let changed = diff();
        let graphs = Graphs {
            head: &head,
            base: Some(&base),
            changed: &changed,
        };
        let _ = graphs.divergence(("f", "a.rs"));
        let _ = graphs.grown(&[("f", "a.rs")]);
    }
}
